/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ctrl-C as a wish that is asked for, not as an end. */
#pragma once

#include <glib.h>

void interrupt_catch(void);
gboolean interrupt_came(void);
