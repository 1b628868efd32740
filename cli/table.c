/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables for people. */
#include "table.h"

#include <stdio.h>
#include <string.h>

struct Table {
    guint columns;
    GPtrArray *rows; /* of char **; the first is the header */
};

Table *table_new(const char *const *headers)
{
    Table *table = g_new0(Table, 1);

    while (headers[table->columns])
        table->columns++;
    table->rows = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
    table_add(table, headers);
    return table;
}

void table_add(Table *table, const char *const *cells)
{
    char **row = g_new0(char *, table->columns + 1);

    for (guint i = 0; i < table->columns; i++)
        row[i] = g_utf8_make_valid(cells[i], -1);
    g_ptr_array_add(table->rows, row);
}

void table_free(Table *table)
{
    if (!table)
        return;
    g_ptr_array_unref(table->rows);
    g_free(table);
}

static void print_row(const Table *table, char **row, const glong *widths)
{
    for (guint i = 0; i < table->columns; i++) {
        gboolean is_last = i == table->columns - 1;
        glong padding = is_last ? 0 : widths[i] - g_utf8_strlen(row[i], -1) + 2;

        printf(" %s%*s", row[i], (int)padding, "");
    }
    putchar('\n');
}

void table_print(const Table *table, gboolean has_header)
{
    g_autofree glong *widths = g_new0(glong, table->columns);
    glong line = 0;

    for (guint r = has_header ? 0 : 1; r < table->rows->len; r++)
        for (guint i = 0; i < table->columns; i++)
            widths[i] = MAX(widths[i], g_utf8_strlen(((char **)table->rows->pdata[r])[i], -1));
    for (guint i = 0; i < table->columns; i++)
        line += widths[i] + 3;
    for (guint r = has_header ? 0 : 1; r < table->rows->len; r++) {
        print_row(table, table->rows->pdata[r], widths);
        if (r == 0) {
            for (glong i = 0; i < line; i++)
                putchar('-');
            putchar('\n');
        }
    }
}
