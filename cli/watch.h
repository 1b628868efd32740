/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `ferry migration watch`: follows a migration that somebody else has started. */
#pragma once

#include "command.h"
#include "progress.h"

/* Exit status of a guest of whom nobody knows yet. */
#define EXIT_NOT_YET 2

int watch_migration(Session *session, const Arguments *arguments);

/* The source's daemon has gone under a migration that this process has begun: waits for the next daemon, in session->conn then, and for the
 * end of the attempt (id; NULL: the guest's newest).  Ctrl-C gives the migration up.  NULL: nothing is known of it.  *ret_rows is to be
 * freed. */
const FerryMigrationRow *watch_own(Session *session, const char *uuid, const char *id, ProgressStyle style, FerryMigrationRow **ret_rows);
