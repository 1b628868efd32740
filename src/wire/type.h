/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Types: what the generator knows about a struct, as rows that one small interpreter walks.
 *
 * C shapes:  str → char *   T? → pointer, NULL absent   T[<=N] → T *x; uint32_t x_count   T[N] → T
 * x[N] bytes[<=N] → guint8 *x; uint32_t x_len   uuid → Uuid   i8w → char, u8w → uint8_t, u16w →
 * uint16_t enum → int32_t   union → int32_t selector and an unnamed union with one member per type
 * of arm */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "base/arena.h"

typedef enum {
    WIRE_INT32, /* uint32 and enums too: the same four bytes */
    WIRE_UINT32,
    WIRE_INT64,
    WIRE_UINT64,
    WIRE_F64,
    WIRE_I8W, /* small integers in a word of four bytes */
    WIRE_U8W,
    WIRE_U16W,
    WIRE_STR,
    WIRE_BYTES,
    WIRE_STRUCT, /* or union: a WireType */
} WireKind;

typedef enum { WIRE_ONE, WIRE_OPTIONAL, WIRE_ARRAY, WIRE_LIST } WireShape;

typedef struct WireType WireType;

typedef struct {
    const char *name;
    const WireType *type; /* of WIRE_STRUCT */
    uint32_t limit;       /* WIRE_ARRAY: the count; WIRE_LIST: the largest count */
    int32_t selector;     /* in a union: the value that chooses this arm */
    uint16_t offset;
    uint16_t count_offset; /* WIRE_LIST */
    uint8_t kind;          /* WireKind */
    uint8_t shape;         /* WireShape */
    uint8_t is_secret;     /* logs show its size only */
} WireField;

struct WireType {
    const char *name;
    const WireField *fields;
    uint32_t size;      /* of the C struct */
    uint32_t min_bytes; /* on the wire */
    uint16_t field_count;
    uint8_t is_union;
};

/* Reads one value; it and all it points to live in the arena.  NULL with ERROR_RPC if the bytes do
 * not fit the type; bytes behind it are ignored. */
void *wire_decode(const WireType *type, const guint8 *data, size_t len, Arena *arena,
                  GError **error);
/* The same into a struct of the caller's (type->size bytes), which stays untouched on failure. */
gboolean wire_decode_into(const WireType *type, const guint8 *data, size_t len, Arena *arena,
                          void *ret_value, GError **error);
/* Appends; on failure (a limit passed, a string missing) out is as before. */
gboolean wire_encode(const WireType *type, const void *value, GByteArray *out, GError **error);
/* `dom={name="vm1" uuid=… id=3} flags=1`: one line for logs, long texts cut, secrets as <N bytes>.
 * The caller frees. */
char *wire_format(const WireType *type, const void *value);
/* Size in C of one value of the field. */
size_t wire_field_value_size(const WireField *field);
