/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables for people, laid out as virsh lays them out. */
#pragma once

#include <glib.h>

typedef struct Table Table;

/* headers ends with NULL. */
Table *table_new(const char *const *headers);
/* As many cells as headers; the texts are copied. */
void table_add(Table *table, const char *const *cells);
void table_print(const Table *table, gboolean has_header);
void table_free(Table *table);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Table, table_free)
