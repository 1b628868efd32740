/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the memory is to be sent when one address has to do.  Always a literal, never a name. */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "migrate/candidate.h"

/* The one address that a stock source is told: the best candidate that means the same on every host.  The log says which,
 * how it is known and what else there was. */
gboolean address_for_source(const GPtrArray *candidates, const char *guest, char **ret_literal, GError **error);
/* The local address of the ssh connection that process runs in (SSH_CONNECTION), NULL if it runs in none.  The caller
 * frees it. */
char *address_of_ssh(pid_t pid);
