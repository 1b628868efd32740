/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Dialling: from a URI to a connected link.  What can hang (names, connects) has a deadline and can
 * be cancelled. */
#pragma once

#include "link/link.h"
#include "link/uri.h"
#include "loop/task.h"

/* *ret_pid: the command that carries the link, to be watched, ended and collected by the caller; 0:
 * none. */
AWAITS Link *dial(const Uri *uri, int64_t timeout_ms, pid_t *ret_pid, GError **error);
