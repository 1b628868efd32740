/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `migrate --check`: asks, and prints what was found. */
#pragma once

#include "command.h"

/* Exit status beside EXIT_OK and EXIT_BAD: nothing stands against it, but some of it nobody could
 * tell. */
#define EXIT_UNKNOWN 2

int check_migration(Session *session, const Arguments *arguments, FerryDomain *domain,
                    const FerryMigration *migration);
