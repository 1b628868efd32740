/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A peer-to-peer migration that ended here because a daemon was restarted is begun again: by the new daemon of the source, for nobody
 * else leads it; or, if it was the destination's, by the task that leads it.  Once for each of the two, and only what its user still
 * wants. */
#pragma once

#include <glib.h>

#include "base/params.h"
#include "loop/task.h"

typedef struct Domain Domain;
typedef struct Migration Migration;

/* Why an attempt that a restart ends has ended, for its journal; says also whether it is begun again.  Asked before its word
 * changes. */
const char *repeat_cause(const Migration *migration);
/* It has ended in KEPT, by that cause: begins it again, on a task of its own, unless it is not to be. */
void repeat_start(Migration *migration);
/* After a restart: it has ended, and was to be begun again when the daemon ended as well. */
void repeat_resume(Migration *ended);
/* Has it ended in KEPT since the destination's daemon hung up, and is it to be begun again? */
gboolean repeat_is_due(const Migration *ended);
/* Does so: waits until that daemon is back, and AWAITS the end of the new attempt. */
AWAITS gboolean repeat_now(Migration *ended, const Params *params, GError **error);
/* The ended migration that is being begun again, while no new attempt is there; NULL: none.  Borrowed. */
Migration *repeat_of(const Domain *domain);
/* Its user does not want it any more.  FALSE: there is none. */
gboolean repeat_give_up(const Domain *domain);
