/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Types: the interpreter of the generated rows.  Types contain only types defined before them, so
 * its recursion is as deep as the tables are, whatever the bytes say. */
#include "wire/type.h"

#include <string.h>

#include "base/error.h"
#include "wire/cursor.h"
#include "wire/procedures.h"
#include "wire/writer.h"

/* Size of one value in C and least size on the wire. */
static const struct {
    uint8_t size;
    uint8_t min_bytes;
} kinds[] = {
    [WIRE_INT32] = {4, 4},  [WIRE_UINT32] = {4, 4}, [WIRE_INT64] = {8, 8},
    [WIRE_UINT64] = {8, 8}, [WIRE_F64] = {8, 8},    [WIRE_I8W] = {1, 4},
    [WIRE_U8W] = {1, 4},    [WIRE_U16W] = {2, 4},   [WIRE_STR] = {sizeof(char *), 4},
    [WIRE_BYTES] = {1, 1},
};

size_t wire_field_value_size(const WireField *field)
{
    return field->kind == WIRE_STRUCT ? field->type->size : kinds[field->kind].size;
}

static size_t value_min_bytes(const WireField *field)
{
    return field->kind == WIRE_STRUCT ? field->type->min_bytes : kinds[field->kind].min_bytes;
}

/* The field whose selector this is, or NULL. */
static const WireField *union_arm(const WireType *type, int32_t selector)
{
    for (size_t i = 0; i < type->field_count; i++) {
        if (type->fields[i].selector == selector)
            return &type->fields[i];
    }
    return NULL;
}

static void decode_struct(WireCursor *cursor, const WireType *type, char *base);

static void decode_value(WireCursor *cursor, const WireField *field, void *at)
{
    switch ((WireKind)field->kind) {
    case WIRE_INT32:
    case WIRE_UINT32:
        *(uint32_t *)at = wire_cursor_u32(cursor);
        break;
    case WIRE_INT64:
    case WIRE_UINT64:
        *(uint64_t *)at = wire_cursor_u64(cursor);
        break;
    case WIRE_F64:
        *(double *)at = wire_cursor_f64(cursor);
        break;
    case WIRE_I8W:
    case WIRE_U8W:
        *(uint8_t *)at = (uint8_t)wire_cursor_u32(cursor);
        break;
    case WIRE_U16W:
        *(uint16_t *)at = (uint16_t)wire_cursor_u32(cursor);
        break;
    case WIRE_STR:
        *(char **)at = wire_cursor_string(cursor, WIRE_STRING_MAX);
        break;
    case WIRE_STRUCT:
        decode_struct(cursor, field->type, at);
        break;
    case WIRE_BYTES:
        g_assert_not_reached(); /* always an array or a list */
    }
}

static void decode_values(WireCursor *cursor, const WireField *field, char *at, uint32_t count)
{
    size_t size = wire_field_value_size(field);

    if (field->kind == WIRE_BYTES) {
        const guint8 *bytes = wire_cursor_bytes(cursor, count);

        if (bytes && count)
            memcpy(at, bytes, count);
        return;
    }
    for (uint32_t i = 0; i < count && !cursor->problem; i++)
        decode_value(cursor, field, at + i * size);
}

static void decode_field(WireCursor *cursor, const WireField *field, char *base)
{
    char *at = base + field->offset;
    uint32_t count;

    switch ((WireShape)field->shape) {
    case WIRE_ONE:
        decode_value(cursor, field, at);
        break;
    case WIRE_OPTIONAL:
        if (!wire_cursor_present(cursor))
            break;
        if (field->kind == WIRE_STR) {
            decode_value(cursor, field, at);
            break;
        }
        *(char **)at = arena_alloc(cursor->arena, wire_field_value_size(field));
        decode_value(cursor, field, *(char **)at);
        break;
    case WIRE_ARRAY:
        decode_values(cursor, field, at, field->limit);
        break;
    case WIRE_LIST:
        count = wire_cursor_count(cursor, field->limit, value_min_bytes(field));
        *(uint32_t *)(base + field->count_offset) = count;
        if (count) {
            *(char **)at = arena_alloc(cursor->arena, count * wire_field_value_size(field));
            decode_values(cursor, field, *(char **)at, count);
        }
        break;
    }
}

static void decode_struct(WireCursor *cursor, const WireType *type, char *base)
{
    if (type->is_union) {
        int32_t selector = (int32_t)wire_cursor_u32(cursor);
        const WireField *arm = union_arm(type, selector);

        *(int32_t *)base = selector;
        if (arm)
            decode_field(cursor, arm, base);
        else
            wire_cursor_fail(cursor, "a value is of no known type");
        return;
    }
    for (size_t i = 0; i < type->field_count && !cursor->problem; i++)
        decode_field(cursor, &type->fields[i], base);
}

void *wire_decode(const WireType *type, const guint8 *data, size_t len, Arena *arena,
                  GError **error)
{
    WireCursor cursor = wire_cursor(data, len, arena);
    void *value = arena_alloc(arena, type->size);

    decode_struct(&cursor, type, value);
    if (cursor.problem) {
        error_set_from(error, FROM_RPC, ERROR_RPC, "cannot read %s of %zu bytes: %s", type->name,
                       len, cursor.problem);
        return NULL;
    }
    return value;
}

gboolean wire_decode_into(const WireType *type, const guint8 *data, size_t len, Arena *arena,
                          void *ret_value, GError **error)
{
    const void *value = wire_decode(type, data, len, arena, error);

    if (!value)
        return FALSE;
    memcpy(ret_value, value, type->size);
    return TRUE;
}

static gboolean encode_struct(GByteArray *out, const WireType *type, const char *base,
                              GError **error);

static gboolean encode_value(GByteArray *out, const WireField *field, const void *at,
                             GError **error)
{
    const char *text;

    switch ((WireKind)field->kind) {
    case WIRE_INT32:
    case WIRE_UINT32:
        wire_write_u32(out, *(const uint32_t *)at);
        break;
    case WIRE_INT64:
    case WIRE_UINT64:
        wire_write_u64(out, *(const uint64_t *)at);
        break;
    case WIRE_F64:
        wire_write_f64(out, *(const double *)at);
        break;
    case WIRE_I8W:
        wire_write_u32(out, (uint32_t)(int32_t) * (const int8_t *)at);
        break;
    case WIRE_U8W:
        wire_write_u32(out, *(const uint8_t *)at);
        break;
    case WIRE_U16W:
        wire_write_u32(out, *(const uint16_t *)at);
        break;
    case WIRE_STR:
        text = *(const char *const *)at;
        if (!text)
            return error_set_from(error, FROM_RPC, ERROR_RPC, "no value for '%s'", field->name);
        if (strlen(text) > WIRE_STRING_MAX)
            return error_set_from(error, FROM_RPC, ERROR_RPC, "'%s' has %zu bytes, the limit is %u",
                                  field->name, strlen(text), (unsigned)WIRE_STRING_MAX);
        wire_write_string(out, text);
        break;
    case WIRE_STRUCT:
        return encode_struct(out, field->type, at, error);
    case WIRE_BYTES:
        g_assert_not_reached();
    }
    return TRUE;
}

static gboolean encode_values(GByteArray *out, const WireField *field, const char *at,
                              uint32_t count, GError **error)
{
    size_t size = wire_field_value_size(field);

    if (field->kind == WIRE_BYTES) {
        wire_write_bytes(out, at, count);
        return TRUE;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!encode_value(out, field, at + i * size, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean encode_field(GByteArray *out, const WireField *field, const char *base,
                             GError **error)
{
    const char *at = base + field->offset;
    const char *value;
    uint32_t count;

    switch ((WireShape)field->shape) {
    case WIRE_ONE:
        return encode_value(out, field, at, error);
    case WIRE_ARRAY:
        return encode_values(out, field, at, field->limit, error);
    case WIRE_OPTIONAL:
        value = *(const char *const *)at;
        wire_write_u32(out, value != NULL);
        return !value || encode_value(out, field, field->kind == WIRE_STR ? at : value, error);
    case WIRE_LIST:
        count = *(const uint32_t *)(base + field->count_offset);
        if (count > field->limit)
            return error_set_from(error, FROM_RPC, ERROR_RPC,
                                  "'%s' has %u entries, the limit is %u", field->name, count,
                                  field->limit);
        wire_write_u32(out, count);
        return encode_values(out, field, *(const char *const *)at, count, error);
    }
    g_assert_not_reached();
}

static gboolean encode_struct(GByteArray *out, const WireType *type, const char *base,
                              GError **error)
{
    if (type->is_union) {
        int32_t selector = *(const int32_t *)base;
        const WireField *arm = union_arm(type, selector);

        if (!arm)
            return error_set_from(error, FROM_RPC, ERROR_RPC, "%s has no type %d", type->name,
                                  selector);
        wire_write_u32(out, (uint32_t)selector);
        return encode_field(out, arm, base, error);
    }
    for (size_t i = 0; i < type->field_count; i++) {
        if (!encode_field(out, &type->fields[i], base, error))
            return FALSE;
    }
    return TRUE;
}

gboolean wire_encode(const WireType *type, const void *value, GByteArray *out, GError **error)
{
    guint before = out->len;

    if (encode_struct(out, type, value, error))
        return TRUE;
    g_byte_array_set_size(out, before);
    return FALSE;
}
