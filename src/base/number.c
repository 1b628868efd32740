/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers from text. */
#include "base/number.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static gboolean parse_unsigned(const char *text, int radix, uint64_t max, uint64_t *ret_value)
{
    char *end = NULL;
    unsigned long long value;

    if (!text || !g_ascii_isxdigit(text[0]))
        return FALSE;
    errno = 0;
    value = strtoull(text, &end, radix);
    if (errno || end == text || *end || value > max)
        return FALSE;
    *ret_value = value;
    return TRUE;
}

gboolean number_parse_u64(const char *text, uint64_t max, uint64_t *ret_value)
{
    return parse_unsigned(text, 10, max, ret_value);
}

gboolean number_parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret_value)
{
    gboolean is_negative = text && text[0] == '-';
    uint64_t limit = is_negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    uint64_t magnitude;
    int64_t value;

    if (!parse_unsigned(text + is_negative, 10, limit, &magnitude))
        return FALSE;
    value = is_negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    if (value < min || value > max)
        return FALSE;
    *ret_value = value;
    return TRUE;
}

gboolean number_parse_any(const char *text, uint64_t max, uint64_t *ret_value)
{
    if (text && (g_str_has_prefix(text, "0x") || g_str_has_prefix(text, "0X")))
        return parse_unsigned(text + 2, 16, max, ret_value);
    return parse_unsigned(text, 10, max, ret_value);
}

char *hex_format(const void *bytes, size_t len)
{
    const unsigned char *in = bytes;
    char *text = g_malloc(2 * len + 1);

    for (size_t i = 0; i < len; i++) {
        text[2 * i] = "0123456789abcdef"[in[i] >> 4];
        text[2 * i + 1] = "0123456789abcdef"[in[i] & 15];
    }
    text[2 * len] = '\0';
    return text;
}

gboolean hex_parse(const char *text, void *ret_bytes, size_t len)
{
    unsigned char *out = ret_bytes;

    if (!text || strlen(text) != 2 * len)
        return FALSE;
    for (size_t i = 0; i < 2 * len; i++)
        if (!g_ascii_isxdigit(text[i]))
            return FALSE;
    for (size_t i = 0; i < len; i++)
        out[i] = (unsigned char)(g_ascii_xdigit_value(text[2 * i]) << 4 |
                                 g_ascii_xdigit_value(text[2 * i + 1]));
    return TRUE;
}
