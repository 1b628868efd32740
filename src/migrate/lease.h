/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's lease over a migration (docs/storage.md).  Where none are kept, all of it says yes. */
#pragma once

#include "migrate/migration.h"

/* Begin: the guest's next generation, which one destination may join.  Prepare: joins it. */
AWAITS gboolean migrate_lease_share(Migration *migration, GError **error);
/* Its undo, before there is a word. */
void migrate_lease_unshare(Migration *migration);
/* Before the memory goes: the destination has joined it, or it could not be fenced. */
AWAITS gboolean migrate_lease_check(Migration *migration, GError **error);
/* At the end of an attempt, and again after a restart: what its word means for the lease. */
void migrate_lease_settle(const Migration *migration);
/* resolve = lease: a source that is in doubt is crashed here once sanlock proves that every other host that might run the guest is
 * dead.  It never runs on here: what it has may be older than what that host made of the disks.  As often as one likes. */
void migrate_lease_watch(Migration *migration);
/* A person says that it is here: sanlock has to agree that it cannot be anywhere else. */
AWAITS gboolean migrate_lease_take(Domain *domain, GError **error);
