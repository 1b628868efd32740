/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sealed words. */
#include "migrate/told.h"

#include <string.h>

#define KEY_LABEL "ferry word key"

/* The numbers on the wire; never to be changed. */
static const EnumName wire_words[] = {
    {"\x01", WORD_OFFERED},  {"\x02", WORD_GO},    {"\x03", WORD_KEPT},    {"\x04", WORD_GONE}, {"\x05", WORD_CRASHED},
    {"\x06", WORD_PREPARED}, {"\x07", WORD_TAKEN}, {"\x08", WORD_REFUSED}, {"\x09", WORD_LOST}, {NULL},
};

void told_mac(const uint8_t token[HELLO_TOKEN_BYTES], const void *text, size_t len, uint8_t ret_mac[HELLO_MAC_BYTES])
{
    uint8_t key[HELLO_MAC_BYTES];

    hello_hmac(token, HELLO_TOKEN_BYTES, KEY_LABEL, strlen(KEY_LABEL), key);
    hello_hmac(key, sizeof key, text, len, ret_mac);
    explicit_bzero(key, sizeof key);
}

static uint64_t number(const uint8_t *bytes, size_t len)
{
    uint64_t value = 0;

    while (len-- > 0)
        value = value << 8 | *bytes++;
    return value;
}

static void put_number(uint8_t *bytes, size_t len, uint64_t value)
{
    while (len-- > 0) {
        bytes[len] = (uint8_t)value;
        value >>= 8;
    }
}

GBytes *told_seal(const Told *told, const uint8_t token[HELLO_TOKEN_BYTES], const uint8_t nonce[TOLD_NONCE_BYTES])
{
    uint8_t bytes[TOLD_BYTES_MAX] = TOLD_MAGIC;
    size_t reason = strlen(told->reason);
    size_t len = TOLD_HEAD_BYTES + reason;

    memcpy(bytes + 8, told->attempt, HELLO_ATTEMPT_BYTES);
    memcpy(bytes + 24, &told->guest, sizeof told->guest);
    put_number(bytes + 40, 8, told->epoch);
    bytes[48] = told->side == SIDE_SOURCE ? 'S' : 'D';
    bytes[49] = (uint8_t)*enum_name(wire_words, told->word);
    bytes[50] = (uint8_t)told->flags;
    bytes[51] = (uint8_t)(told->flags >> 8);
    memcpy(bytes + 52, nonce, TOLD_NONCE_BYTES);
    put_number(bytes + 68, 2, reason);
    memcpy(bytes + TOLD_HEAD_BYTES, told->reason, reason);
    told_mac(token, bytes, len, bytes + len);
    return g_bytes_new(bytes, len + HELLO_MAC_BYTES);
}

static gboolean is_well_formed(const uint8_t *bytes, size_t len)
{
    return len >= TOLD_HEAD_BYTES + HELLO_MAC_BYTES && len <= TOLD_BYTES_MAX &&
           memcmp(bytes, TOLD_MAGIC, strlen(TOLD_MAGIC)) == 0 && number(bytes + 68, 2) == len - TOLD_HEAD_BYTES - HELLO_MAC_BYTES;
}

gboolean told_peek(const void *sealed, size_t len, Told *ret_told)
{
    const uint8_t *bytes = sealed;

    if (!is_well_formed(bytes, len))
        return FALSE;
    *ret_told = (Told){.epoch = number(bytes + 40, 8), .flags = bytes[50] | (unsigned)bytes[51] << 8};
    memcpy(ret_told->attempt, bytes + 8, HELLO_ATTEMPT_BYTES);
    memcpy(&ret_told->guest, bytes + 24, sizeof ret_told->guest);
    return TRUE;
}

gboolean told_open(const void *sealed, size_t len, const uint8_t token[HELLO_TOKEN_BYTES], Told *ret_told)
{
    const uint8_t *bytes = sealed;
    uint8_t mac[HELLO_MAC_BYTES];
    int word = 0;
    char code[2];

    if (!told_peek(sealed, len, ret_told))
        return FALSE;
    told_mac(token, bytes, len - HELLO_MAC_BYTES, mac);
    code[0] = (char)bytes[49];
    code[1] = '\0';
    if (!hello_is_same(mac, bytes + len - HELLO_MAC_BYTES, HELLO_MAC_BYTES) || !enum_find(wire_words, code, &word) ||
        (bytes[48] != 'S' && bytes[48] != 'D') ||
        !g_utf8_validate((const char *)bytes + TOLD_HEAD_BYTES, (gssize)(len - TOLD_HEAD_BYTES - HELLO_MAC_BYTES), NULL))
        return FALSE;
    ret_told->side = bytes[48] == 'S' ? SIDE_SOURCE : SIDE_DESTINATION;
    ret_told->word = (OwnerWord)word;
    memcpy(ret_told->reason, bytes + TOLD_HEAD_BYTES, len - TOLD_HEAD_BYTES - HELLO_MAC_BYTES);
    /* A word of one side in the mouth of the other is no word. */
    return (word >= WORD_PREPARED) == (ret_told->side == SIDE_DESTINATION);
}
