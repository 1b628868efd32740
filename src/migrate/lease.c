/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The journal decides, the lease fences: it names both hosts from Begin and Prepare on, and one again when the
 * word is final.  In between nobody asks it, least of all while the guest stands still. */
#include "migrate/lease.h"

#include "base/error.h"
#include "domain/lease.h"

typedef struct {
    OwnerWord word;
    LeaseOp op;
} Settlement;

/* Nobody speaks for the other host: each takes out itself alone, after CRASHED too, which may be a person's word. */
static const Settlement settlements[] = {
    {WORD_KEPT, LEASE_HERE},    {WORD_GONE, LEASE_AWAY}, {WORD_CRASHED, LEASE_AWAY},
    {WORD_TAKEN, LEASE_HERE}, {WORD_REFUSED, LEASE_AWAY}, {WORD_LOST, LEASE_AWAY},
};

AWAITS gboolean migrate_lease_share(Migration *migration, GError **error)
{
    return lease_share(migration->domain, migration->side == SIDE_SOURCE ? LEASE_SHARE : LEASE_JOIN, migration->journal->id,
                       error);
}

static void settle(const Migration *migration, LeaseOp op)
{
    const Journal *journal = migration->journal;

    lease_settle(&journal->uuid, journal->name, op, journal->id);
}

void migrate_lease_unshare(Migration *migration)
{
    settle(migration, migration->side == SIDE_SOURCE ? LEASE_HERE : LEASE_AWAY);
}

AWAITS gboolean migrate_lease_check(Migration *migration, GError **error)
{
    return lease_share(migration->domain, LEASE_JOINED, migration->journal->id, error);
}

void migrate_lease_settle(const Migration *migration)
{
    if (migration_is_offline(migration)) /* a guest that is shut off has none */
        return;
    for (unsigned i = 0; i < G_N_ELEMENTS(settlements); i++)
        if (settlements[i].word == migration_word(migration))
            settle(migration, settlements[i].op);
}

AWAITS gboolean migrate_lease_take(Domain *domain, GError **error)
{
    if (lease_take(domain, error))
        return TRUE;
    g_prefix_error(error, "nothing was done: ");
    return FALSE;
}
