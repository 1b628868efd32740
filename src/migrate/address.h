/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the memory is to be sent: what the destination answers in Prepare.  Always a literal, never a name. */
#pragma once

#include <glib.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "loop/task.h"

#define NAME_TIMEOUT_MS 5000

/* The address of this host for the client whose control connection arrived at control_local (NULL: a unix socket).
 * The log says which was taken and why. */
AWAITS gboolean address_for_source(const struct sockaddr_storage *control_local, const char *guest, char **ret_literal,
                                   GError **error);
/* The local address of the ssh connection that process runs in (SSH_CONNECTION), NULL if it runs in none.  The caller
 * frees it. */
char *address_of_ssh(pid_t pid);
