/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the two documents share. */
#pragma once

#include <glib.h>

typedef struct {
    GString *text;
    int depth;
} Caps;

/* One line; values are escaped. */
void caps_line(Caps *caps, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* tag: name and attributes, of our own making. */
void caps_open(Caps *caps, const char *tag);
void caps_close(Caps *caps, const char *name);
/* Machines that a definition may name. */
gboolean caps_knows_machine(const char *name);
