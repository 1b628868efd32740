/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Types as text, for logs: one line, long texts cut, secrets by their size. */
#include <string.h>

#include "base/uuid.h"
#include "wire/type.h"

#define TEXT_SHOWN 100 /* bytes of a string */
#define LIST_SHOWN 8   /* entries of a list */

static void format_struct(GString *out, const WireType *type, const char *base);

static void format_text(GString *out, const char *text)
{
    size_t len = strlen(text ?: "");
    g_autofree char *shown = g_strndup(text ?: "", MIN(len, TEXT_SHOWN));
    g_autofree char *escaped = g_strescape(shown, NULL);

    g_string_append_printf(out, "\"%s\"", escaped);
    if (len > TEXT_SHOWN)
        g_string_append_printf(out, "…<%zu bytes>", len);
}

static void format_value(GString *out, const WireField *field, const void *at)
{
    switch ((WireKind)field->kind) {
    case WIRE_INT32:
        g_string_append_printf(out, "%d", *(const int32_t *)at);
        break;
    case WIRE_UINT32:
        g_string_append_printf(out, "%u", *(const uint32_t *)at);
        break;
    case WIRE_INT64:
        g_string_append_printf(out, "%" G_GINT64_FORMAT, *(const gint64 *)at);
        break;
    case WIRE_UINT64:
        g_string_append_printf(out, "%" G_GUINT64_FORMAT, *(const guint64 *)at);
        break;
    case WIRE_F64:
        g_string_append_printf(out, "%g", *(const double *)at);
        break;
    case WIRE_I8W:
        g_string_append_printf(out, "%d", *(const int8_t *)at);
        break;
    case WIRE_U8W:
        g_string_append_printf(out, "%u", *(const uint8_t *)at);
        break;
    case WIRE_U16W:
        g_string_append_printf(out, "%u", *(const uint16_t *)at);
        break;
    case WIRE_STR:
        format_text(out, *(const char *const *)at);
        break;
    case WIRE_STRUCT:
        g_string_append_c(out, '{');
        format_struct(out, field->type, at);
        g_string_append_c(out, '}');
        break;
    case WIRE_BYTES:
        break;
    }
}

static gboolean is_uuid(const WireField *field)
{
    return field->kind == WIRE_BYTES && field->shape == WIRE_ARRAY && field->limit == sizeof(Uuid);
}

/* Secrets, raw bytes and characters one by one are shown by their size. */
static gboolean is_shown_by_size(const WireField *field)
{
    return field->is_secret || field->kind == WIRE_BYTES ||
           (field->kind == WIRE_I8W && (field->shape == WIRE_ARRAY || field->shape == WIRE_LIST));
}

static size_t size_shown(const WireField *field, const void *at, uint32_t count)
{
    const char *text;

    if (field->kind != WIRE_STR || field->shape > WIRE_OPTIONAL)
        return count * wire_field_value_size(field);
    text = *(const char *const *)at;
    return strlen(text ?: "");
}

static void format_values(GString *out, const WireField *field, const char *at, uint32_t count)
{
    size_t size = wire_field_value_size(field);

    g_string_append_c(out, '[');
    for (uint32_t i = 0; i < count && i < LIST_SHOWN; i++) {
        g_string_append(out, i ? " " : "");
        format_value(out, field, at + i * size);
    }
    if (count > LIST_SHOWN)
        g_string_append_printf(out, " … %u in all", count);
    g_string_append_c(out, ']');
}

static void format_field(GString *out, const WireField *field, const char *base)
{
    char text[UUID_TEXT_SIZE];
    const char *at = base + field->offset;
    gboolean is_many = field->shape == WIRE_ARRAY || field->shape == WIRE_LIST;
    uint32_t count = field->shape == WIRE_LIST    ? *(const uint32_t *)(base + field->count_offset)
                     : field->shape == WIRE_ARRAY ? field->limit
                                                  : 1;

    g_string_append_printf(out, "%s=", field->name);
    if (field->shape == WIRE_OPTIONAL && !*(const char *const *)at)
        g_string_append_c(out, '-');
    else if (is_uuid(field) && !field->is_secret)
        g_string_append(out, uuid_format((const Uuid *)at, text));
    else if (is_shown_by_size(field))
        g_string_append_printf(out, "<%zu bytes>", size_shown(field, at, count));
    else if (is_many)
        format_values(out, field, field->shape == WIRE_LIST ? *(const char *const *)at : at, count);
    else if (field->shape == WIRE_OPTIONAL && field->kind != WIRE_STR)
        format_value(out, field, *(const char *const *)at);
    else
        format_value(out, field, at);
}

static void format_struct(GString *out, const WireType *type, const char *base)
{
    gboolean is_first = TRUE;

    for (size_t i = 0; i < type->field_count; i++) {
        if (type->is_union && type->fields[i].selector != *(const int32_t *)base)
            continue;
        g_string_append(out, is_first ? "" : " ");
        format_field(out, &type->fields[i], base);
        is_first = FALSE;
    }
}

char *wire_format(const WireType *type, const void *value)
{
    g_autoptr(GString) out = g_string_new(NULL);

    format_struct(out, type, value);
    return g_string_free(g_steal_pointer(&out), FALSE);
}
