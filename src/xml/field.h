/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Field tables: one row reads, writes, compares, copies and frees one value of a struct.
 * Rows stand in the order in which they are printed; rows of one element stand together. */
#pragma once

#include <glib.h>
#include <stddef.h>

#include "base/enum.h"
#include "xml/writer.h"
#include "xml/xml.h"

typedef enum { SWITCH_ABSENT, SWITCH_ON, SWITCH_OFF } Switch;

typedef enum {
    FIELD_STRING, /* char *; NULL absent */
    FIELD_UINT,   /* unsigned; 0 absent */
    FIELD_U64,    /* uint64_t; 0 absent */
    FIELD_INT,    /* int; -1 absent */
    FIELD_HEX,    /* int; -1 absent; printed 0x10 */
    FIELD_ENUM,   /* an enum; values that the table does not name are absent */
    FIELD_YES_NO, /* Switch */
    FIELD_ON_OFF, /* Switch */
    FIELD_FLAG,   /* gboolean: the element is there or not; the path has no '@' */
    FIELD_CONST,  /* nothing is stored: the only word that the table has; always printed */
    FIELD_KIND,   /* what .kind says; the path names the element */
} FieldType;

typedef enum {
    FIELD_REQUIRED = 1 << 0, /* an error if it is absent */
    FIELD_GUEST = 1 << 1,    /* the guest sees it: fields_equal compares it */
    FIELD_LIVE = 1 << 2,     /* only a running guest has it: fields_clear_live forgets it */
} FieldFlags;

typedef struct {
    size_t size; /* of the value */
    /* node is the element that the path names. */
    gboolean (*read)(XmlNode *node, void *value, GError **error);
    void (*write)(XmlWriter *writer, const char *name, const void *value);
    gboolean (*is_absent)(const void *value); /* nothing to write, so no element around it either;
                                                 NULL: write knows */
    gboolean (*equal)(const void *a, const void *b);
    void (*copy)(void *target, const void *source); /* NULL: the bytes are enough */
    void (*clear)(void *value);                     /* NULL: nothing to free */
    void (*clear_live)(void *value);  /* forgets what only a running guest has; NULL: nothing */
    char *(*text)(const void *value); /* for error texts, the caller frees it; NULL: has none */
} FieldKind;

typedef struct {
    const char *path; /* "driver/@cache", "@index", "serial" (text), "readonly" (flag) */
    FieldType type;
    size_t offset;
    unsigned flags;
    const EnumName *names; /* FIELD_ENUM */
    uint64_t max;          /* numbers; 0: as the type has it */
    const FieldKind *kind; /* FIELD_KIND */
    const char *label;     /* for ABI texts; NULL: the path */
} Field;                   /* a table ends with { NULL } */

/* Numbers that are absent become -1; all else is zero already. */
void fields_init(const Field *rows, void *object);
gboolean fields_read(const Field *rows, XmlNode *node, void *object, GError **error);
/* Inside the element opened last. */
void fields_write(const Field *rows, XmlWriter *writer, const void *object);
/* The first row with FIELD_GUEST in which a and b differ, or NULL. */
const Field *fields_find_difference(const Field *rows, const void *a, const void *b);
/* The value as it is printed, "" if absent; the caller frees it. */
char *field_text(const Field *row, const void *object);
/* target is a fresh struct of zeros. */
void fields_copy(const Field *rows, void *target, const void *source);
void fields_clear(const Field *rows, void *object);
void fields_clear_live(const Field *rows, void *object);
