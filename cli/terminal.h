/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest's console on this terminal. */
#pragma once

#include "command.h"

/* Until the guest ends it or the user types Ctrl-].  devname NULL: the first.  Returns the exit
 * status. */
int terminal_run(Session *session, FerryDomain *domain, const char *devname, unsigned flags);
