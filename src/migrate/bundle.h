/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bundle: the lanes of one migration that QEMU does not take as descriptors (migrate/lane-kind).  QEMU makes or takes
 * connections over a unix socket of ours, and each is joined to a lane (link/join).
 *
 *   source:        bundle_add for each lane, bundle_serve, `migrate unix:…`; QEMU's first connection is its main stream
 *   destination:   bundle_serve, `migrate-incoming unix:…`, bundle_go; bundle_add at any time
 *
 * All on the loop thread or on a task. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "loop/task.h"
#include "migrate/hello.h"
#include "migrate/owner.h"

typedef struct Bundle Bundle;
typedef struct QemuGuest QemuGuest;

#define BUNDLE_PATIENCE_MS 3000 /* for QEMU to say by itself what a broken lane has done to it */

/* fn: bundle_failure has changed.  guest_name: for the log. */
Bundle *bundle_new(OwnerSide side, const char *guest_name, void (*fn)(void *data), void *data);
/* Takes fd, a connected lane. */
void bundle_add(Bundle *bundle, LaneName name, int fd);
/* Makes the socket; *ret_uri is for QEMU. */
AWAITS gboolean bundle_serve(Bundle *bundle, QemuGuest *guest, char **ret_uri, GError **error);
/* Destination: QEMU listens.  A lane is connected when its first byte is there, so that a silent one does not hold QEMU up,
 * and none before the main stream, which is how QEMU tells it from the others. */
void bundle_go(Bundle *bundle);

/* Ends every lane at once, both ways: the abort that always works. */
void bundle_stop(Bundle *bundle);
/* What went wrong first; NULL: nothing.  One lane takes all others with it.  QEMU notices by its main stream, and what it
 * then says decides … */
const char *bundle_failure(const Bundle *bundle);
/* … but not for ever: after BUNDLE_PATIENCE_MS the bundle has given up. */
gboolean bundle_is_broken(const Bundle *bundle);
/* Nothing that QEMU has said was thrown away.  Without that its word *completed* is worth nothing. */
gboolean bundle_is_whole(const Bundle *bundle);
uint64_t bundle_bytes(const Bundle *bundle); /* both ways, all lanes */
void bundle_free(Bundle *bundle);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Bundle, bundle_free)
