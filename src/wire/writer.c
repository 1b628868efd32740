/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writer: big-endian words, everything padded to four bytes. */
#include "wire/writer.h"

#include <string.h>

void wire_write_u32(GByteArray *out, uint32_t value)
{
    uint32_t word = GUINT32_TO_BE(value);

    g_byte_array_append(out, (const guint8 *)&word, sizeof word);
}

void wire_write_u64(GByteArray *out, uint64_t value)
{
    uint64_t words = GUINT64_TO_BE(value);

    g_byte_array_append(out, (const guint8 *)&words, sizeof words);
}

void wire_write_f64(GByteArray *out, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    wire_write_u64(out, bits);
}

void wire_write_bytes(GByteArray *out, const void *bytes, size_t len)
{
    static const guint8 zeros[4];

    if (len)
        g_byte_array_append(out, bytes, (guint)len);
    if (len % 4)
        g_byte_array_append(out, zeros, 4 - len % 4);
}

void wire_write_string(GByteArray *out, const char *text)
{
    size_t len = strlen(text);

    wire_write_u32(out, (uint32_t)len);
    wire_write_bytes(out, text, len);
}

void wire_patch_u32(GByteArray *out, size_t offset, uint32_t value)
{
    uint32_t word = GUINT32_TO_BE(value);

    g_assert(offset + sizeof word <= out->len);
    memcpy(out->data + offset, &word, sizeof word);
}
