/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest that a migration has left where it was, and whose `cont` QEMU refuses: somebody holds the lock of one of its
 * images.  It is tried until it works, or until its user wants something else. */
#pragma once

#include "domain/domain.h"

/* On a task of its own.  why: what QEMU said, for its user to read meanwhile. */
void again_resume(Domain *domain, const char *why);
/* After a restart of the daemon: if that is how the old one left it. */
void again_resume_found(Domain *domain);
