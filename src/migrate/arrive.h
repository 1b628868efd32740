/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The destination between Prepare and Finish: who is let in on its port, QEMU's start, and the streams that QEMU gets.
 * Towards a ferryd QEMU is started once the source has proven that it reaches this host; for a stock source, and for a
 * tunnelled stream, in Prepare. */
#pragma once

#include <glib.h>

#include "loop/task.h"
#include "migrate/hello.h"

typedef struct GuestDef GuestDef;
typedef struct Migration Migration;

/* Prepared: from here on lanes are let in, and a source that stays away is refused after incoming_timeout. */
void arrive_expect(Migration *migration);
/* Starts QEMU with migration->incoming, waiting for the stream. */
AWAITS gboolean arrive_start_guest(Migration *migration, GError **error);
/* The stream for QEMU: a lane, or the read end of a tunnel's pipe (takes fd). */
AWAITS gboolean dest_attach(Migration *migration, int fd, GError **error);
/* Where this side dials: one more lane, as the source has asked for on the pact lane. */
void arrive_dial(Migration *migration, LaneName name);
/* Finish, and who refuses, wait until a start under way has ended; stop makes it fail soon. */
AWAITS void arrive_wait(Migration *migration);
void arrive_stop(Migration *migration);
