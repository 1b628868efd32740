/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who waits for whom when many guests are to move at once: outgoing migrations under way (max_outgoing), and guests that
 * are prepared here without anything having come of them (max_incoming). */
#pragma once

#include <glib.h>

#include "loop/task.h"

typedef struct Domain Domain;
typedef struct Migration Migration;

/* Begin, on the source: AWAITS this migration's turn, however long that takes.  FALSE: it was aborted meanwhile, its
 * leading client has gone, or its guest has ended.  *ret_has_waited: others had the floor meanwhile. */
AWAITS gboolean queue_outgoing(Migration *migration, gboolean *ret_has_waited, GError **error);
/* Prepare, on the destination.  FALSE also if the queue has not moved for 30 s. */
AWAITS gboolean queue_incoming(Migration *migration, GError **error);
/* The end of its turn, or of the wait for it; wakes the next one. */
void queue_leave(Migration *migration);

/* The outgoing migration of a domain that waits for its turn, which migration_of does not know yet; NULL: none.  Borrowed. */
Migration *queue_find(const Domain *domain);
/* How many go before it; 0: it does not wait. */
unsigned queue_others(const Migration *migration);
/* For people: "waits for its turn to migrate: …".  NULL: it does not wait; the caller frees it. */
char *queue_sentence(const Domain *domain);

/* Whose call runs on this task has gone: if it waits here, it need not any more. */
void queue_caller_lost(const Task *task);
