/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The journal decides, the lease fences: it names both hosts from Begin and Prepare on, and one again when the
 * word is final.  In between nobody asks it, least of all while the guest stands still. */
#include "migrate/lease.h"

#include "base/error.h"
#include "base/log.h"
#include "domain/lease.h"
#include "migrate/handover.h"
#include "migrate/recover.h"

#define LOOK_MS 5000

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
        if (settlements[i].word == migration_word(migration)) /* a guest whose QEMU has ended meanwhile is shut off: nobody's */
            settle(migration, domain_is_active(migration->domain) ? settlements[i].op : LEASE_AWAY);
}

static gboolean may_be_bereft(const Migration *migration)
{
    return migrate_settings()->is_resolved_by_lease && migration->side == SIDE_SOURCE && !migration->is_ended && !migration->unread &&
           !migration_is_offline(migration) && handover_is_in_doubt(migration);
}

AWAITS static void watch_task(void *data)
{
    Migration *migration = data;
    gboolean is_settled = FALSE;

    while (!is_settled && may_be_bereft(migration)) {
        g_autoptr(GError) why = NULL;

        is_settled = lease_share(migration->domain, LEASE_BEREFT, migration->journal->id, &why) && may_be_bereft(migration) &&
                     migrate_resolve_bereft(migration, &why);
        if (!is_settled)
            log_debug("domain '%s' stays in doubt: %s", migration->journal->name, why ? why->message : "it has changed meanwhile");
        if (!is_settled && !await_sleep(LOOK_MS, NULL))
            break;
    }
    migration->is_lease_watched = FALSE;
}

void migrate_lease_watch(Migration *migration)
{
    if (migration->is_lease_watched || !may_be_bereft(migration))
        return;
    migration->is_lease_watched = TRUE;
    task_spawn("migration-lease", watch_task, migration_ref(migration), (GDestroyNotify)migration_unref);
}

AWAITS gboolean migrate_lease_take(Domain *domain, GError **error)
{
    if (lease_take(domain, error))
        return TRUE;
    g_prefix_error(error, "nothing was done: ");
    return FALSE;
}
