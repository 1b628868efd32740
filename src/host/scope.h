/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A systemd scope for a process that is to outlive the daemon's own unit. */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "loop/task.h"

/* Is there a service manager to ask, and are we one that it would listen to? */
gboolean scope_is_available(void);
/* Moves pid into NAME.scope below the slice of partition ("/machine/web" is machine-web.slice;
 * NULL: machine.slice). */
AWAITS gboolean scope_enter(pid_t pid, const char *name, const char *description,
                            const char *partition, GError **error);
/* The slice's name; NULL for a partition that is none.  Pure; the caller frees. */
char *scope_slice_name(const char *partition);
