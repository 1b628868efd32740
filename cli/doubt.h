/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guests whose hand-over to another host is not settled, as their host tells. */
#pragma once

#include "command.h"

/* The host's sentence ("outcome unknown: may run on …"); NULL: nothing is open.  The caller frees
 * it. */
char *doubt_of(FerryDomain *domain);
/* The other host in such a sentence; NULL: not named.  The caller frees it. */
char *doubt_host(const char *sentence);
