/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cursor: bounded reads. */
#include "wire/cursor.h"

#include <string.h>

WireCursor wire_cursor(const guint8 *data, size_t len, Arena *arena)
{
    return (WireCursor){.data = data, .left = len, .arena = arena};
}

gboolean wire_cursor_fail(WireCursor *cursor, const char *problem)
{
    if (!cursor->problem)
        cursor->problem = problem;
    cursor->left = 0;
    return FALSE;
}

static const guint8 *take(WireCursor *cursor, size_t len)
{
    const guint8 *at = cursor->data;

    if (cursor->problem)
        return NULL;
    if (len > cursor->left) {
        wire_cursor_fail(cursor, "it ends too early");
        return NULL;
    }
    cursor->data += len;
    cursor->left -= len;
    return at;
}

uint32_t wire_cursor_u32(WireCursor *cursor)
{
    const guint8 *at = take(cursor, 4);

    return at ? (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3] : 0;
}

uint64_t wire_cursor_u64(WireCursor *cursor)
{
    uint64_t high = wire_cursor_u32(cursor);

    return high << 32 | wire_cursor_u32(cursor);
}

double wire_cursor_f64(WireCursor *cursor)
{
    uint64_t bits = wire_cursor_u64(cursor);
    double value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

const guint8 *wire_cursor_bytes(WireCursor *cursor, size_t len)
{
    const guint8 *at = take(cursor, len);

    if (at && len % 4 && !take(cursor, 4 - len % 4))
        return NULL;
    return at;
}

uint32_t wire_cursor_count(WireCursor *cursor, uint32_t limit, size_t min_bytes)
{
    uint32_t count = wire_cursor_u32(cursor);

    if (count > limit)
        return wire_cursor_fail(cursor, "a length is over its limit"), 0;
    if (count * (uint64_t)min_bytes > cursor->left)
        return wire_cursor_fail(cursor, "it ends too early"), 0;
    return count;
}

char *wire_cursor_string(WireCursor *cursor, uint32_t limit)
{
    static char empty[1];
    uint32_t len = wire_cursor_count(cursor, limit, 1);
    const guint8 *at = wire_cursor_bytes(cursor, len);

    /* Empty strings share one byte: thousands of them in a list shall not take more memory than the
     * list. */
    if (!at || !len || !*at)
        return empty;
    return arena_strndup(cursor->arena, (const char *)at, strnlen((const char *)at, len));
}

gboolean wire_cursor_present(WireCursor *cursor)
{
    return wire_cursor_u32(cursor) != 0;
}
