/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two queues.  Who waits sleeps on its migration's `changed` as everywhere, so what ends a migration ends the wait. */
#include "migrate/queue.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "migrate/migration.h"
#include "migrate/source.h"

#define STUCK_MS (30 * 1000)

static void on_granted(void *owner)
{
    condition_signal(((Migration *)owner)->changed);
}

static Turns outgoing = TURNS_INIT(on_granted);
static Turns incoming = TURNS_INIT(on_granted);

AWAITS static gboolean wait_for_turn(Migration *migration, GError **error)
{
    while (turn_is_waiting(&migration->turn))
        if (!source_check_wanted(migration, error) || !migration_wait(migration, -1, error))
            return FALSE;
    return source_check_wanted(migration, error);
}

AWAITS gboolean queue_outgoing(Migration *migration, gboolean *ret_has_waited, GError **error)
{
    const char *name = migration->journal->name;
    gboolean has_turn;

    outgoing.most = migrate_settings()->max_outgoing;
    turn_ask(&migration->turn, &outgoing, migration);
    *ret_has_waited = turn_is_waiting(&migration->turn);
    if (!*ret_has_waited)
        return TRUE;
    log_write(LOG_LEVEL_INFO, LOG_FIELDS("DOMAIN", name, "MIGRATION", migration->journal->id),
              "domain '%s' waits for its turn to migrate: %u others go first (max_outgoing)", name, queue_others(migration));
    migration->waiting = task_current();
    migration_watch(migration);
    has_turn = wait_for_turn(migration, error);
    migration->waiting = NULL;
    g_clear_pointer(&migration->subscription, qemu_guest_unsubscribe); /* Perform begins its own */
    migration->stopped_us = 0;
    if (has_turn)
        log_info("domain '%s' has its turn to migrate after %.1f s", name,
                 (double)(clock_now_ms() - migration->started_ms) / 1000);
    migration->started_ms = clock_now_ms(); /* the numbers are those of the migration */
    return has_turn;
}

/* As long as others get their turn, this one will. */
AWAITS static gboolean wait_for_place(Migration *migration, GError **error)
{
    unsigned moves = incoming.moves;
    int64_t deadline = clock_now_ms() + STUCK_MS;

    while (turn_is_waiting(&migration->turn)) {
        g_autoptr(GError) why = NULL;

        if (migration->is_caller_lost)
            return error_set(error, ERROR_OPERATION_ABORTED, "operation aborted: the client that led it has gone");
        if (migration_wait(migration, deadline - clock_now_ms(), &why))
            continue;
        if (!error_is(why, ERROR_OPERATION_TIMEOUT)) {
            g_propagate_error(error, g_steal_pointer(&why));
            return FALSE;
        }
        if (moves == incoming.moves)
            return error_set(error, ERROR_OPERATION_FAILED,
                             "operation failed: %u guests are prepared on host '%s' and nothing of them has come yet; try "
                             "again when they have, or raise max_incoming in its ferryd.conf",
                             incoming.under_way, migrate_settings()->host_name);
        moves = incoming.moves;
        deadline = clock_now_ms() + STUCK_MS;
    }
    return TRUE;
}

AWAITS gboolean queue_incoming(Migration *migration, GError **error)
{
    gboolean has_place;

    incoming.most = migrate_settings()->max_incoming;
    turn_ask(&migration->turn, &incoming, migration);
    if (!turn_is_waiting(&migration->turn))
        return TRUE;
    log_info("domain '%s' waits to be prepared: %u others go first, and nothing of them has come yet (max_incoming)",
             migration->journal->name, queue_others(migration));
    migration->waiting = task_current();
    has_place = wait_for_place(migration, error);
    migration->waiting = NULL;
    return has_place;
}

void queue_leave(Migration *migration)
{
    turn_leave(&migration->turn);
}

Migration *queue_find(const Domain *domain)
{
    for (GList *link = outgoing.waiting.head; link; link = link->next) {
        Migration *migration = ((Turn *)link->data)->owner;

        if (migration->domain == domain)
            return migration;
    }
    return NULL;
}

unsigned queue_others(const Migration *migration)
{
    return turn_others(&migration->turn);
}

char *queue_sentence(const Domain *domain)
{
    const Migration *migration = queue_find(domain);

    if (!migration)
        return NULL;
    return g_strdup_printf("waits for its turn to migrate: %u others go first (max_outgoing is %u); `domjobabort` ends the wait",
                           queue_others(migration), outgoing.most);
}

static void lose(Turns *turns, const Task *task)
{
    for (GList *link = turns->waiting.head; link; link = link->next) {
        Migration *migration = ((Turn *)link->data)->owner;

        if (migration->waiting != task)
            continue;
        migration->is_caller_lost = TRUE;
        condition_signal(migration->changed);
    }
}

void queue_caller_lost(const Task *task)
{
    lose(&outgoing, task);
    lose(&incoming, task);
}
