/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writing XML: two spaces, single quotes, one element a line, as the ecosystem prints it. */
#pragma once

#include <glib.h>
#include <stdint.h>

typedef struct XmlWriter XmlWriter;

XmlWriter *xml_writer_new(void);
void xml_writer_free(XmlWriter *writer);
/* The text so far; all elements must be closed.  Frees the writer; the caller frees the text. */
char *xml_writer_finish(XmlWriter *writer);

/* An element that stays empty becomes <name/>. */
void xml_write_open(XmlWriter *writer, const char *name);
void xml_write_close(XmlWriter *writer);
/* Attributes of the element opened last; NULL values are left out. */
void xml_write_attr(XmlWriter *writer, const char *name, const char *value);
void xml_write_attr_format(XmlWriter *writer, const char *name, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
/* Text of the element opened last, which then holds no elements. */
void xml_write_text(XmlWriter *writer, const char *text);
void xml_write_text_format(XmlWriter *writer, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* As it is, between the tags of the element opened last. */
void xml_write_raw(XmlWriter *writer, const char *xml);
/* <name>text</name>; nothing if text is NULL. */
void xml_write_element(XmlWriter *writer, const char *name, const char *text);
void xml_write_element_format(XmlWriter *writer, const char *name, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(XmlWriter, xml_writer_free)
