/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guests whose hand-over to another host is not settled, as their host tells. */
#pragma once

#include "command.h"

/* The open migration of the guest that waits for the other host; NULL: nothing waits, or it is no ferryd.
 * Free with ferry_migration_rows_free. */
FerryMigrationRow *doubt_of(FerryDomain *domain);
/* The host's own sentence, which says for whom and since when; the caller frees it.  NULL of NULL. */
char *doubt_text(const FerryMigrationRow *doubt);
/* Why a guest that has stayed, or come, here by a migration cannot go on yet; NULL: it can.  The caller frees it. */
char *kept_text(FerryDomain *domain);

/* "2026-11-23 11:34:24" in local time; "" of 0.  The caller frees it. */
char *time_text(gint64 wall_ms);
