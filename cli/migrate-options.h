/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Options of `migrate`: virsh's, and what they become on the wire. */
#pragma once

#include "command.h"

extern const Option migrate_options[];

/* FALSE, with the complaint printed: options that do not go together, an unreadable file. */
gboolean migrate_options_read(const Arguments *arguments, unsigned *ret_flags, FerryParams *params);
