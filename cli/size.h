/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sizes for people. */
#pragma once

#include <glib.h>

/* The number in the largest unit that leaves it above 1; *ret_unit is "B", "KiB", … */
double size_scale(guint64 bytes, const char **ret_unit);
/* "95.1 MiB"; the caller frees it. */
char *size_text(guint64 bytes);
