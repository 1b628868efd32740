/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Field tables: the engine; it knows no row. */
#include "xml/field.h"

#include <string.h>

#include "base/number.h"

static const EnumName yes_no_names[] = {{"yes", SWITCH_ON}, {"no", SWITCH_OFF}, {NULL}};
static const EnumName on_off_names[] = {{"on", SWITCH_ON}, {"off", SWITCH_OFF}, {NULL}};

#define AT(Type, row, object)       ((Type *)((char *)(object) + (row)->offset))
#define AT_CONST(Type, row, object) ((const Type *)((const char *)(object) + (row)->offset))

static const EnumName *names_of(const Field *row)
{
    return row->type == FIELD_YES_NO   ? yes_no_names
           : row->type == FIELD_ON_OFF ? on_off_names
                                       : row->names;
}

/* "driver/@cache" is attribute "cache" of child "driver"; "serial" is the text of child "serial".
 */
static void split_path(const char *path, char **ret_element, const char **ret_attr)
{
    const char *at = strchr(path, '@');

    *ret_attr = at ? at + 1 : NULL;
    *ret_element = at ? g_strndup(path, at == path ? 0 : (size_t)(at - path - 1)) : g_strdup(path);
}

void fields_init(const Field *rows, void *object)
{
    for (const Field *row = rows; row->path; row++)
        if (row->type == FIELD_INT || row->type == FIELD_HEX)
            *AT(int, row, object) = -1;
}

/* ---- reading ---- */

static gboolean read_number(const Field *row, XmlNode *node, const char *attr, const char *text,
                            void *object, GError **error)
{
    uint64_t limit = row->type == FIELD_U64    ? G_MAXUINT64
                     : row->type == FIELD_UINT ? G_MAXUINT
                                               : G_MAXINT;
    uint64_t max = row->max ? row->max : limit, value;

    if (!number_parse_any(text, max, &value))
        return xml_error(node, error, "%s%s'%.80s' is not a number from 0 to %" G_GUINT64_FORMAT,
                         attr ? attr : "", attr ? "=" : "", text, max);
    if (row->type == FIELD_U64)
        *AT(uint64_t, row, object) = value;
    else if (row->type == FIELD_UINT)
        *AT(unsigned, row, object) = (unsigned)value;
    else
        *AT(int, row, object) = (int)value;
    return TRUE;
}

static gboolean read_value(const Field *row, XmlNode *node, const char *attr, const char *text,
                           void *object, GError **error)
{
    switch (row->type) {
    case FIELD_STRING:
        if (*text == '\0' && (row->flags & FIELD_REQUIRED))
            return xml_error(node, error, "%s is empty", row->path);
        g_free(*AT(char *, row, object));
        *AT(char *, row, object) = *text ? g_strdup(text) : NULL;
        return TRUE;
    case FIELD_ENUM:
    case FIELD_YES_NO:
    case FIELD_ON_OFF:
        return enum_find(names_of(row), text, AT(int, row, object)) ||
               xml_unsupported_value(node, attr, text, error);
    case FIELD_CONST:
        return g_str_equal(row->names->name, text) ||
               xml_unsupported_value(node, attr, text, error);
    default:
        return read_number(row, node, attr, text, object, error);
    }
}

static gboolean read_row(const Field *row, XmlNode *node, const char *element, const char *attr,
                         void *object, GError **error)
{
    XmlNode *child = xml_child(node, element);
    const char *text = NULL;

    if (child && row->type == FIELD_KIND)
        return row->kind->read(child, AT(void, row, object), error);
    if (child && row->type == FIELD_FLAG) {
        *AT(gboolean, row, object) = TRUE;
        return TRUE;
    }
    if (child)
        text = attr ? xml_attr(child, attr) : xml_text(child);
    if (text)
        return read_value(row, child, attr, text, object, error);
    if (!text && (row->flags & FIELD_REQUIRED))
        return xml_error(node, error, attr ? "missing attribute %s" : "missing element <%s>",
                         row->path);
    return TRUE;
}

gboolean fields_read(const Field *rows, XmlNode *node, void *object, GError **error)
{
    for (const Field *row = rows; row->path; row++) {
        g_autofree char *element = NULL;
        const char *attr;

        split_path(row->path, &element, &attr);
        if (!read_row(row, node, element, attr, object, error))
            return FALSE;
    }
    return TRUE;
}

/* ---- writing ---- */

/* NULL if absent; the caller frees it. */
static char *format_value(const Field *row, const void *object)
{
    switch (row->type) {
    case FIELD_STRING:
        return g_strdup(*AT_CONST(char *, row, object));
    case FIELD_UINT:
        return *AT_CONST(unsigned, row, object)
                   ? g_strdup_printf("%u", *AT_CONST(unsigned, row, object))
                   : NULL;
    case FIELD_U64:
        return *AT_CONST(uint64_t, row, object)
                   ? g_strdup_printf("%" G_GUINT64_FORMAT, *AT_CONST(uint64_t, row, object))
                   : NULL;
    case FIELD_INT:
        return *AT_CONST(int, row, object) >= 0 ? g_strdup_printf("%d", *AT_CONST(int, row, object))
                                                : NULL;
    case FIELD_HEX:
        return *AT_CONST(int, row, object) >= 0
                   ? g_strdup_printf("0x%x", (unsigned)*AT_CONST(int, row, object))
                   : NULL;
    case FIELD_ENUM:
    case FIELD_YES_NO:
    case FIELD_ON_OFF:
        return g_strdup(enum_name(names_of(row), *AT_CONST(int, row, object)));
    case FIELD_FLAG:
        return *AT_CONST(gboolean, row, object) ? g_strdup("yes") : NULL;
    case FIELD_CONST:
        return g_strdup(row->names->name);
    case FIELD_KIND:
        break;
    }
    return NULL;
}

/* The elements that are open between one row and the next. */
typedef struct {
    XmlWriter *writer;
    char *path; /* "a/b", "" when none is */
} Open;

static void open_close_last(Open *open)
{
    char *slash = strrchr(open->path, '/');

    xml_write_close(open->writer);
    *(slash ? slash : open->path) = '\0';
}

static gboolean is_inside(const char *path, const char *outer)
{
    size_t len = strlen(outer);

    return len == 0 || (strncmp(path, outer, len) == 0 && (path[len] == '\0' || path[len] == '/'));
}

/* Closes what does not lead to path, opens what does. */
static void open_move(Open *open, const char *path)
{
    while (!is_inside(path, open->path))
        open_close_last(open);
    for (const char *rest = path + strlen(open->path); *rest;) {
        size_t len;
        g_autofree char *name = NULL, *longer = NULL;

        rest += *rest == '/';
        len = strcspn(rest, "/");
        name = g_strndup(rest, len);
        xml_write_open(open->writer, name);
        rest += len;
        longer = g_strndup(path, (size_t)(rest - path));
        g_free(open->path);
        open->path = g_steal_pointer(&longer);
    }
}

static void write_kind(const Field *row, const char *element, Open *open, const void *object)
{
    const char *slash = strrchr(element, '/');
    g_autofree char *parent = slash ? g_strndup(element, (size_t)(slash - element)) : g_strdup("");

    if (row->kind->is_absent && row->kind->is_absent(AT_CONST(void, row, object)))
        return;
    open_move(open, parent);
    row->kind->write(open->writer, slash ? slash + 1 : element, AT_CONST(void, row, object));
}

static void write_row(const Field *row, Open *open, const void *object)
{
    g_autofree char *element = NULL, *value = NULL;
    const char *attr;

    split_path(row->path, &element, &attr);
    if (row->type == FIELD_KIND)
        return write_kind(row, element, open, object);
    value = format_value(row, object);
    if (!value)
        return;
    open_move(open, element);
    if (attr)
        xml_write_attr(open->writer, attr, value);
    else if (row->type != FIELD_FLAG)
        xml_write_text(open->writer, value);
}

void fields_write(const Field *rows, XmlWriter *writer, const void *object)
{
    Open open = {.writer = writer, .path = g_strdup("")};

    for (const Field *row = rows; row->path; row++)
        write_row(row, &open, object);
    open_move(&open, "");
    while (*open.path)
        open_close_last(&open);
    g_free(open.path);
}

char *field_text(const Field *row, const void *object)
{
    char *text = NULL;

    if (row->type != FIELD_KIND)
        text = format_value(row, object);
    else if (row->kind->text)
        text = row->kind->text(AT_CONST(void, row, object));

    return text ? text : g_strdup("");
}

/* ---- comparing, copying, freeing ---- */

static gboolean is_equal(const Field *row, const void *a, const void *b)
{
    g_autofree char *text_a = NULL, *text_b = NULL;

    if (row->type == FIELD_KIND)
        return row->kind->equal(AT_CONST(void, row, a), AT_CONST(void, row, b));
    text_a = field_text(row, a);
    text_b = field_text(row, b);
    return g_str_equal(text_a, text_b);
}

const Field *fields_find_difference(const Field *rows, const void *a, const void *b)
{
    for (const Field *row = rows; row->path; row++)
        if ((row->flags & FIELD_GUEST) && !is_equal(row, a, b))
            return row;
    return NULL;
}

static size_t size_of(const Field *row)
{
    switch (row->type) {
    case FIELD_STRING:
        return sizeof(char *);
    case FIELD_U64:
        return sizeof(uint64_t);
    case FIELD_KIND:
        return row->kind->size;
    case FIELD_CONST:
        return 0;
    default:
        return sizeof(int);
    }
}

void fields_copy(const Field *rows, void *target, const void *source)
{
    for (const Field *row = rows; row->path; row++) {
        if (row->type == FIELD_CONST)
            continue;
        if (row->type == FIELD_STRING)
            *AT(char *, row, target) = g_strdup(*AT_CONST(char *, row, source));
        else if (row->type == FIELD_KIND && row->kind->copy)
            row->kind->copy(AT(void, row, target), AT_CONST(void, row, source));
        else
            memcpy(AT(void, row, target), AT_CONST(void, row, source), size_of(row));
    }
}

void fields_clear(const Field *rows, void *object)
{
    for (const Field *row = rows; row->path; row++) {
        if (row->type == FIELD_STRING)
            g_clear_pointer(AT(char *, row, object), g_free);
        else if (row->type == FIELD_KIND && row->kind->clear)
            row->kind->clear(AT(void, row, object));
    }
}

/* Numbers that can be live are 0 when absent, ids -1. */
static void forget(const Field *row, void *object)
{
    if (row->type == FIELD_STRING)
        g_clear_pointer(AT(char *, row, object), g_free);
    else
        memset(AT(void, row, object), row->type == FIELD_INT || row->type == FIELD_HEX ? 0xff : 0,
               size_of(row));
}

void fields_clear_live(const Field *rows, void *object)
{
    for (const Field *row = rows; row->path; row++) {
        if (row->type == FIELD_KIND && row->kind->clear_live)
            row->kind->clear_live(AT(void, row, object));
        else if (row->flags & FIELD_LIVE)
            forget(row, object);
    }
}
