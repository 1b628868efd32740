/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "migrate/told.h"

static const uint8_t token[HELLO_TOKEN_BYTES] = "a token that both sides know, 32";
static const uint8_t nonce[TOLD_NONCE_BYTES] = "fresh";

static Told taken(void)
{
    Told told = {.epoch = 7, .side = SIDE_DESTINATION, .word = WORD_TAKEN, .flags = TOLD_LOADED | TOLD_OVER | TOLD_RECLAIM};

    memcpy(told.attempt, "0123456789abcdef", sizeof told.attempt);
    memset(&told.guest, 9, sizeof told.guest);
    g_strlcpy(told.reason, "because", sizeof told.reason);
    return told;
}

static void test_there_and_back(void)
{
    const Told said = taken();
    g_autoptr(GBytes) sealed = told_seal(&said, token, nonce);
    Told heard;
    gsize len;
    const void *bytes = g_bytes_get_data(sealed, &len);

    g_assert_true(told_peek(bytes, len, &heard));
    g_assert_cmpmem(heard.attempt, sizeof heard.attempt, said.attempt, sizeof said.attempt);
    g_assert_cmpmem(&heard.guest, sizeof heard.guest, &said.guest, sizeof said.guest);
    g_assert_cmpuint(heard.flags, ==, said.flags);
    g_assert_true(told_open(bytes, len, token, &heard));
    g_assert_cmpuint(heard.epoch, ==, 7);
    g_assert_cmpint(heard.side, ==, SIDE_DESTINATION);
    g_assert_cmpint(heard.word, ==, WORD_TAKEN);
    g_assert_cmpuint(heard.flags, ==, said.flags);
    g_assert_cmpstr(heard.reason, ==, "because");
    g_assert_cmpmem(&heard.guest, sizeof heard.guest, &said.guest, sizeof said.guest);
}

static void test_every_changed_byte_is_noticed(void)
{
    const Told said = taken();
    g_autoptr(GBytes) sealed = told_seal(&said, token, nonce);
    gsize len;
    const void *bytes = g_bytes_get_data(sealed, &len);
    Told heard;

    for (gsize i = 0; i < len; i++) {
        g_autofree uint8_t *spoilt = g_memdup2(bytes, len);

        spoilt[i] ^= 1;
        g_assert_false(told_open(spoilt, len, token, &heard));
        g_assert_false(told_open(bytes, i, token, &heard));
    }
}

static void test_another_token(void)
{
    const uint8_t other[HELLO_TOKEN_BYTES] = "another";
    const Told said = taken();
    g_autoptr(GBytes) sealed = told_seal(&said, other, nonce);
    Told heard;
    gsize len;
    const void *bytes = g_bytes_get_data(sealed, &len);

    g_assert_false(told_open(bytes, len, token, &heard));
}

static void test_a_word_of_the_other_side(void)
{
    Told said = taken();
    g_autoptr(GBytes) sealed = NULL;
    Told heard;
    gsize len;
    const void *bytes;

    said.word = WORD_GO;
    sealed = told_seal(&said, token, nonce);
    bytes = g_bytes_get_data(sealed, &len);
    g_assert_false(told_open(bytes, len, token, &heard));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/told/there-and-back", test_there_and_back);
    g_test_add_func("/told/every-changed-byte-is-noticed", test_every_changed_byte_is_noticed);
    g_test_add_func("/told/another-token", test_another_token);
    g_test_add_func("/told/a-word-of-the-other-side", test_a_word_of_the_other_side);
    return g_test_run();
}
