/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `ferry migration watch`: follows a migration that somebody else has started. */
#pragma once

#include "command.h"

/* Exit status of a guest of whom nobody knows yet. */
#define EXIT_NOT_YET 2

int watch_migration(Session *session, const Arguments *arguments);
