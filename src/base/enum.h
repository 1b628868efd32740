/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Enum tables: one name table per enum that is ever shown or parsed. */
#pragma once

#include <glib.h>

typedef struct {
    const char *name;
    int value;
} EnumName; /* a table ends with { NULL } */

/* NULL if the value has no name. */
const char *enum_name(const EnumName *table, int value);
/* false if no row has that name; then *ret_value is untouched. */
gboolean enum_find(const EnumName *table, const char *name, int *ret_value);
/* "one, two or three", for error texts; the caller frees it. */
char *enum_list(const EnumName *table);
