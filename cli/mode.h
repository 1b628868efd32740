/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* --mode of shutdown and reboot. */
#pragma once

#include "command.h"

/* Adds those that were given.  FALSE, with the complaint printed: not a mode. */
gboolean mode_flags(const Arguments *arguments, unsigned *flags);
