/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a user writes to QEMU's monitor, as QEMU reads it. */
#pragma once

#include <glib.h>

/* It would run, move or end the guest, or replace its memory, behind the back of whoever decides that.  Pure.  FALSE too for what QEMU is
 * never given, as it cannot be parsed. */
gboolean monitor_text_is_gated(const char *text, gboolean is_hmp);
