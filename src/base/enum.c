/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Enum tables. */
#include "base/enum.h"

const char *enum_name(const EnumName *table, int value)
{
    for (; table->name; table++)
        if (table->value == value)
            return table->name;
    return NULL;
}

gboolean enum_find(const EnumName *table, const char *name, int *ret_value)
{
    for (; table->name; table++) {
        if (g_str_equal(table->name, name)) {
            *ret_value = table->value;
            return TRUE;
        }
    }
    return FALSE;
}

char *enum_list(const EnumName *table)
{
    GString *text = g_string_new(NULL);

    for (const EnumName *row = table; row->name; row++) {
        if (row != table)
            g_string_append(text, row[1].name ? ", " : " or ");
        g_string_append(text, row->name);
    }
    return g_string_free(text, FALSE);
}
