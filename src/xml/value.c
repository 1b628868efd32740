/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attribute values: numbers and words, with errors that name the place. */
#include "base/enum.h"
#include "base/number.h"
#include "xml/xml.h"

gboolean xml_attr_u64(XmlNode *node, const char *name, uint64_t max, uint64_t *ret_value,
                      GError **error)
{
    const char *text = xml_attr(node, name);

    if (!text || number_parse_any(text, max, ret_value))
        return TRUE;
    return xml_error(node, error, "%s='%.80s' is not a number from 0 to %" G_GUINT64_FORMAT, name,
                     text, max);
}

gboolean xml_attr_uint(XmlNode *node, const char *name, unsigned max, unsigned *ret_value,
                       GError **error)
{
    uint64_t value = *ret_value;

    if (!xml_attr_u64(node, name, max, &value, error))
        return FALSE;
    *ret_value = (unsigned)value;
    return TRUE;
}

gboolean xml_attr_enum(XmlNode *node, const char *name, const EnumName *names, int *ret_value,
                       GError **error)
{
    const char *text = xml_attr(node, name);

    if (!text || enum_find(names, text, ret_value))
        return TRUE;
    return xml_unsupported_value(node, name, text, error);
}
