/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Device classes: the engine. */
#include "model/device.h"

#include <string.h>

void *guest_device_new(const GuestDeviceClass *class)
{
    void *device = g_malloc0(class->size);

    fields_init(class->rows, device);
    return device;
}

gboolean guest_device_read(const GuestDeviceClass *class, XmlNode *node, void *device,
                           GError **error)
{
    if (!fields_read(class->rows, node, device, error))
        return FALSE;
    return !class->check || class->check(device, node, error);
}

void guest_device_write(const GuestDeviceClass *class, XmlWriter *writer, const void *device)
{
    xml_write_open(writer, class->element);
    fields_write(class->rows, writer, device);
    xml_write_close(writer);
}

void *guest_device_copy(const GuestDeviceClass *class, const void *device)
{
    void *copy = g_malloc0(class->size);

    fields_copy(class->rows, copy, device);
    return copy;
}

void guest_device_clear_live(const GuestDeviceClass *class, void *device)
{
    fields_clear_live(class->rows, device);
    if (class->clear_live)
        class->clear_live(device);
}

void guest_device_free(const GuestDeviceClass *class, void *device)
{
    if (!device)
        return;
    fields_clear(class->rows, device);
    g_free(device);
}

/* ---- aliases ---- */

gboolean guest_alias_is_user(const char *alias)
{
    return alias && g_str_has_prefix(alias, "ua-");
}

#define ALIAS_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."
#define ALIAS_MAX   128

static gboolean alias_read(XmlNode *node, void *value, GError **error)
{
    char **alias = value;
    const char *name = xml_attr(node, "name");

    if (!name || *name == '\0')
        return TRUE;
    if (strlen(name) > ALIAS_MAX || name[strspn(name, ALIAS_CHARS)] != '\0')
        return xml_error(
            node, error,
            "the alias has to be letters, digits, '_', '-' and '.', at most %u of them", ALIAS_MAX);
    g_free(*alias);
    *alias = g_strdup(name);
    return TRUE;
}

static void alias_write(XmlWriter *writer, const char *name, const void *value)
{
    const char *alias = *(char *const *)value;

    if (!alias)
        return;
    xml_write_open(writer, name);
    xml_write_attr(writer, "name", alias);
    xml_write_close(writer);
}

static gboolean alias_equal(const void *a, const void *b)
{
    return g_strcmp0(*(char *const *)a, *(char *const *)b) == 0;
}

static void alias_copy(void *target, const void *source)
{
    *(char **)target = g_strdup(*(char *const *)source);
}

static void alias_clear(void *value)
{
    g_clear_pointer((char **)value, g_free);
}

static void alias_clear_live(void *value)
{
    if (!guest_alias_is_user(*(char **)value))
        alias_clear(value);
}

const FieldKind guest_alias_kind = {
    .size = sizeof(char *),
    .read = alias_read,
    .write = alias_write,
    .equal = alias_equal,
    .copy = alias_copy,
    .clear = alias_clear,
    .clear_live = alias_clear_live,
};

char **guest_device_alias(const GuestDeviceClass *class, void *device)
{
    for (const Field *row = class->rows; row->path; row++)
        if (row->kind == &guest_alias_kind)
            return (char **)((char *)device + row->offset);
    g_assert_not_reached();
}

gboolean guest_word_check(XmlNode *node, const char *what, const char *word, GError **error)
{
    if (!word ||
        (*word && word[strspn(word, ALIAS_CHARS "+")] == '\0' && strlen(word) <= ALIAS_MAX))
        return TRUE;
    return xml_error(node, error, "the %s may hold letters, digits and \"_-.+\" only", what);
}
