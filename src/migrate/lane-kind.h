/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What kinds of lanes there are besides the daemons' own, how many a migration has of each, and how each reaches QEMU: as
 * a descriptor, or joined to a connection that QEMU makes or takes by itself.  Pure. */
#pragma once

#include <glib.h>

#include "base/params.h"
#include "migrate/hello.h"
#include "migrate/owner.h"

#define LANE_CHANNELS_DEFAULT 2 /* QEMU's own */

/* Of a migration with these flags and parameters (params may be NULL), both already checked. */
unsigned lane_count(LanePurpose purpose, unsigned flags, const Params *params);
/* QEMU of that side takes this one as a connection, not as a descriptor. */
gboolean lane_is_joined(LanePurpose purpose, OwnerSide side, unsigned flags);
/* Any of them is. */
gboolean lane_any_is_joined(OwnerSide side, unsigned flags);
/* "memory", "multifd 3"; the caller frees it. */
char *lane_name_format(LaneName name);
