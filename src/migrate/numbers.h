/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The numbers of a migration, from what QEMU says and what we measured; and the job queries that show them. */
#pragma once

#include <glib.h>

#include "migrate/migration.h"
#include "phase/stats.h"

/* From migration->info and our own clocks. */
void numbers_from_source(const Migration *migration, MigrationStats *ret_stats);
/* Destination, at the end: what C3 said, completed by what only this side knows. */
void numbers_from_destination(const Migration *migration, const MigrationStats *from_source, MigrationStats *ret_stats);

/* The hooks of domain/owner. */
AWAITS gboolean migrate_job_stats(Domain *domain, unsigned flags, int *ret_type, Params *params, GError **error);
AWAITS gboolean migrate_abort(Domain *domain, unsigned flags, GError **error);
