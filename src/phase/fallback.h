/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ways for a guest's memory when it finds none of its own, and which of them an administrator allows.  Pure. */
#pragma once

#include <glib.h>

#include "base/enum.h"

typedef enum {
    FALLBACK_TUNNEL = 1 << 0, /* through the connection of the daemons, peer-to-peer */
    FALLBACK_RELAY = 1 << 1,  /* through the client that leads */
} Fallback;

#define FALLBACK_NONE 0
#define FALLBACK_ALL  (FALLBACK_TUNNEL | FALLBACK_RELAY)

extern const EnumName fallback_names[]; /* "tunnel", … */

/* Words of ferryd.conf: "all", "none", or names. */
gboolean fallback_parse(const char *const *words, unsigned *ret_allowed, GError **error);
