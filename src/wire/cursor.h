/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cursor: reads the wire's encoding from bytes that somebody else wrote.
 *
 * Every length is checked against the bytes that are left and against the table's limit before
 * memory is taken. The first problem sticks: from then on every read answers zeros and takes
 * nothing, so that callers ask once, at the end, whether all went well.  Bytes behind the last
 * field are ignored, as peers do. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "base/arena.h"

typedef struct {
    const guint8 *data; /* borrows */
    size_t left;
    Arena *arena;        /* borrows; what is read lives there */
    const char *problem; /* NULL: all well so far */
} WireCursor;

WireCursor wire_cursor(const guint8 *data, size_t len, Arena *arena);
gboolean wire_cursor_fail(WireCursor *cursor, const char *problem);

uint32_t wire_cursor_u32(WireCursor *cursor);
uint64_t wire_cursor_u64(WireCursor *cursor);
double wire_cursor_f64(WireCursor *cursor);
/* len bytes and their padding, borrowed from the data; NULL after a problem. */
const guint8 *wire_cursor_bytes(WireCursor *cursor, size_t len);
/* A count word: at most limit, and count times min_bytes must still be there. */
uint32_t wire_cursor_count(WireCursor *cursor, uint32_t limit, size_t min_bytes);
/* Never NULL.  A NUL inside ends the text, as it does at stock peers. */
char *wire_cursor_string(WireCursor *cursor, uint32_t limit);
/* Any word but zero means present. */
gboolean wire_cursor_present(WireCursor *cursor);
