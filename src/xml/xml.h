/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* XML trees: bounded, read-only, and aware of what has been read from them, so that a reader can
 * refuse the rest. Elements keep their qualified names; comments and processing instructions are
 * left out. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "base/enum.h"

#define XML_BYTES_MAX      (1024 * 1024)
#define XML_DEPTH_MAX      64
#define XML_NODES_MAX      50000 /* elements, attributes and pieces of text */
#define XML_NAMESPACES_MAX 64    /* declarations of prefixes, in all */
#define XML_TAG_MAX        32768 /* bytes of one start tag: expat reads it in one go */

typedef struct XmlTree XmlTree; /* owns all nodes and texts below */
typedef struct XmlNode XmlNode;

typedef struct XmlAttr {
    const char *name;
    const char *value;
    gboolean is_read;
    struct XmlAttr *next;
} XmlAttr;

struct XmlNode {
    const char *name;
    const char *text;              /* all text directly inside, joined; never NULL */
    size_t begin, end;             /* bytes of the whole element in the source */
    size_t inner_begin, inner_end; /* and of what stands between its tags */
    gboolean is_read;
    gboolean is_text_read;
    XmlAttr *attrs;
    XmlAttr *namespaces; /* its xmlns:prefix attributes, with the prefixes as names; apart, for they
                            say nothing here */
    XmlNode *parent;
    XmlNode *first_child;
    XmlNode *next;
    XmlTree *tree;
};

/* root_name: what the outermost element has to be; NULL: anything.  Too big, too deep, too many
 * nodes, a DOCTYPE, a wrong root, or not well-formed: ERROR_XML_ERROR (FROM_XML), with the line. */
XmlTree *xml_parse(const char *text, size_t len, const char *root_name, GError **error);
void xml_free(XmlTree *tree);
XmlNode *xml_root(XmlTree *tree);
unsigned xml_line(const XmlNode *node); /* from 1; counted when asked, for messages only */

/* Reading marks what it touches.  Paths: "os/boot"; the first match, NULL if there is none. */
XmlNode *xml_child(XmlNode *node, const char *path);
XmlNode *xml_next(XmlNode *child, const char *name);   /* the next sibling of that name */
const char *xml_attr(XmlNode *node, const char *name); /* NULL if absent */
const char *xml_text(XmlNode *node);
/* Marks an element with all that is in it: known, and without meaning here. */
void xml_ignore(XmlNode *node);
void xml_ignore_child(XmlNode *node, const char *path);
void xml_ignore_attr(XmlNode *node, const char *name);

/* Absent: untouched and true.  Not a number / not a word of the table: an error naming element,
 * attribute, line. */
gboolean xml_attr_u64(XmlNode *node, const char *name, uint64_t max, uint64_t *ret_value,
                      GError **error);
gboolean xml_attr_uint(XmlNode *node, const char *name, unsigned max, unsigned *ret_value,
                       GError **error);
gboolean xml_attr_enum(XmlNode *node, const char *name, const EnumName *names, int *ret_value,
                       GError **error);

/* "domain/devices/disk"; the caller frees it. */
char *xml_path(const XmlNode *node);
/* A value that means nothing here, and a thing that this host does not do: both name path and line,
 * both return false. */
gboolean xml_error(const XmlNode *node, GError **error, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
gboolean xml_unsupported(const XmlNode *node, const char *attr, GError **error);
gboolean xml_unsupported_value(const XmlNode *node, const char *attr, const char *value,
                               GError **error);

/* Refuses the first element, attribute or text below node that nobody read:
 * ERROR_CONFIG_UNSUPPORTED. */
gboolean xml_check_all_read(XmlNode *node, GError **error);

/* What stands between the tags, to the byte, and marks it read.  Prefixes declared only outside are
 * declared on the outermost elements that use them, so that the text stands alone.  The caller
 * frees it. */
char *xml_inner(XmlNode *node, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(XmlTree, xml_free)
