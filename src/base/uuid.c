/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* UUIDs. */
#include "base/uuid.h"

#include <string.h>
#include <sys/random.h>

#include "base/number.h"

void uuid_generate(Uuid *ret_uuid)
{
    g_assert(getrandom(ret_uuid->bytes, sizeof ret_uuid->bytes, 0) == sizeof ret_uuid->bytes);
    ret_uuid->bytes[6] = (ret_uuid->bytes[6] & 0x0f) | 0x40;
    ret_uuid->bytes[8] = (ret_uuid->bytes[8] & 0x3f) | 0x80;
}

gboolean uuid_parse(const char *text, Uuid *ret_uuid)
{
    char digits[33];
    size_t count = 0;

    if (!text)
        return FALSE;
    for (; *text; text++) {
        if (*text == '-' || g_ascii_isspace(*text))
            continue;
        if (count == 32)
            return FALSE;
        digits[count++] = *text;
    }
    digits[count] = '\0';
    return hex_parse(digits, ret_uuid->bytes, sizeof ret_uuid->bytes);
}

char *uuid_format(const Uuid *uuid, char text[UUID_TEXT_SIZE])
{
    char *out = text;

    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *out++ = '-';
        *out++ = "0123456789abcdef"[uuid->bytes[i] >> 4];
        *out++ = "0123456789abcdef"[uuid->bytes[i] & 15];
    }
    *out = '\0';
    return text;
}

gboolean uuid_equal(const Uuid *a, const Uuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

gboolean uuid_is_null(const Uuid *uuid)
{
    static const Uuid null;

    return uuid_equal(uuid, &null);
}

unsigned uuid_hash(gconstpointer uuid)
{
    const Uuid *key = uuid;
    unsigned hash;

    memcpy(&hash, key->bytes + 12, sizeof hash);
    return hash;
}

gboolean uuid_hash_equal(gconstpointer a, gconstpointer b)
{
    return uuid_equal(a, b);
}
