/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sizes for people. */
#include "size.h"

double size_scale(guint64 bytes, const char **ret_unit)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double size = (double)bytes;
    guint unit = 0;

    while (size >= 1024 && unit + 1 < G_N_ELEMENTS(units)) {
        size /= 1024;
        unit++;
    }
    *ret_unit = units[unit];
    return size;
}

char *size_text(guint64 bytes)
{
    const char *unit;
    double size = size_scale(bytes, &unit);

    return g_strdup_printf(unit[0] == 'B' ? "%.0f %s" : "%.1f %s", size, unit);
}
