/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From XML to a definition that this host can keep: parsed, checked, defaults filled in. */
#pragma once

#include <glib.h>

#include "loop/task.h"

typedef struct GuestDef GuestDef;

/* The machine alias is resolved, uuid, mac, controllers and addresses are given, and stay.  An
 * emulator that is not allowed here, or KVM that does not work, is refused by name.  The caller
 * owns the result. */
AWAITS GuestDef *define_parse(const char *xml, size_t len, GError **error);
/* The same for a definition that has been parsed already (it came from a peer). */
AWAITS gboolean define_fill(GuestDef *def, GError **error);

/* The element of <metadata> in that namespace, as it was written; NULL: none.  The caller frees it.
 */
char *define_find_metadata(const GuestDef *def, const char *uri);
