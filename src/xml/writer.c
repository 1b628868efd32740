/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writing XML. */
#include "xml/writer.h"

typedef struct {
    char *name;
    gboolean is_open;   /* its start tag still takes attributes */
    gboolean is_inline; /* it holds text, so its end tag stands right behind */
} Element;

struct XmlWriter {
    GString *text;
    GArray *stack; /* of Element */
};

XmlWriter *xml_writer_new(void)
{
    XmlWriter *writer = g_new0(XmlWriter, 1);

    writer->text = g_string_new(NULL);
    writer->stack = g_array_new(FALSE, FALSE, sizeof(Element));
    return writer;
}

void xml_writer_free(XmlWriter *writer)
{
    if (!writer)
        return;
    for (guint i = 0; i < writer->stack->len; i++)
        g_free(g_array_index(writer->stack, Element, i).name);
    g_array_free(writer->stack, TRUE);
    if (writer->text)
        g_string_free(writer->text, TRUE);
    g_free(writer);
}

char *xml_writer_finish(XmlWriter *writer)
{
    char *text = NULL;

    g_assert(writer->stack->len == 0);
    text = g_string_free(g_steal_pointer(&writer->text), FALSE);
    xml_writer_free(writer);
    return text;
}

static Element *top(XmlWriter *writer)
{
    g_assert(writer->stack->len > 0);
    return &g_array_index(writer->stack, Element, writer->stack->len - 1);
}

static void indent(XmlWriter *writer)
{
    for (guint i = 0; i < writer->stack->len; i++)
        g_string_append(writer->text, "  ");
}

/* The five, and what a reader would turn into a space or lose. */
static void append_escaped(GString *text, const char *value, gboolean is_attr)
{
    for (const char *c = value; *c; c++) {
        switch (*c) {
        case '<':
            g_string_append(text, "&lt;");
            break;
        case '>':
            g_string_append(text, "&gt;");
            break;
        case '&':
            g_string_append(text, "&amp;");
            break;
        case '"':
            g_string_append(text, "&quot;");
            break;
        case '\'':
            g_string_append(text, "&apos;");
            break;
        case '\r':
            g_string_append(text, "&#13;");
            break;
        case '\n':
        case '\t':
            if (is_attr)
                g_string_append_printf(text, "&#%d;", *c);
            else
                g_string_append_c(text, *c);
            break;
        default:
            g_string_append_c(text, *c);
        }
    }
}

void xml_write_open(XmlWriter *writer, const char *name)
{
    Element element = {.name = g_strdup(name), .is_open = TRUE};

    if (writer->stack->len > 0 && top(writer)->is_open) {
        g_string_append(writer->text, ">\n");
        top(writer)->is_open = FALSE;
    }
    indent(writer);
    g_string_append_printf(writer->text, "<%s", name);
    g_array_append_val(writer->stack, element);
}

void xml_write_close(XmlWriter *writer)
{
    Element element = *top(writer);

    g_array_set_size(writer->stack, writer->stack->len - 1);
    if (element.is_open) {
        g_string_append(writer->text, "/>\n");
    } else {
        if (!element.is_inline)
            indent(writer);
        g_string_append_printf(writer->text, "</%s>\n", element.name);
    }
    g_free(element.name);
}

void xml_write_attr(XmlWriter *writer, const char *name, const char *value)
{
    if (!value)
        return;
    g_assert(top(writer)->is_open);
    g_string_append_printf(writer->text, " %s='", name);
    append_escaped(writer->text, value, TRUE);
    g_string_append_c(writer->text, '\'');
}

void xml_write_attr_format(XmlWriter *writer, const char *name, const char *format, ...)
{
    g_autofree char *value = NULL;
    va_list args;

    va_start(args, format);
    value = g_strdup_vprintf(format, args);
    va_end(args);
    xml_write_attr(writer, name, value);
}

static void begin_inline(XmlWriter *writer)
{
    Element *element = top(writer);

    if (element->is_open)
        g_string_append_c(writer->text, '>');
    element->is_open = FALSE;
    element->is_inline = TRUE;
}

void xml_write_text(XmlWriter *writer, const char *text)
{
    begin_inline(writer);
    append_escaped(writer->text, text, FALSE);
}

void xml_write_text_format(XmlWriter *writer, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    xml_write_text(writer, text);
}

void xml_write_raw(XmlWriter *writer, const char *xml)
{
    begin_inline(writer);
    g_string_append(writer->text, xml);
}

void xml_write_element(XmlWriter *writer, const char *name, const char *text)
{
    if (!text)
        return;
    xml_write_open(writer, name);
    xml_write_text(writer, text);
    xml_write_close(writer);
}

void xml_write_element_format(XmlWriter *writer, const char *name, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    xml_write_element(writer, name, text);
}
