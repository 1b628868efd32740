/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A peer-to-peer migration that ended here because its daemon was restarted is begun again by the new daemon: nobody else would,
 * for nobody else leads it.  Once, and only what its user still wants. */
#pragma once

#include <glib.h>

typedef struct Domain Domain;
typedef struct Migration Migration;

/* Why an attempt that a restart ends has ended, for its journal; says also whether it is begun again.  Asked before its word
 * changes. */
const char *repeat_cause(const Migration *migration);
/* It has ended in KEPT, by that cause: begins it again, on a task of its own, unless it is not to be. */
void repeat_start(Migration *migration);
/* The ended migration that is being begun again, while no new attempt is there; NULL: none.  Borrowed. */
Migration *repeat_of(const Domain *domain);
/* Its user does not want it any more.  FALSE: there is none. */
gboolean repeat_give_up(const Domain *domain);
