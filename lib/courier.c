/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The memory was relayed, and the answer to Finish is lost.  The daemons cannot ask each other, but their words are sealed, so anybody
 * may carry them: the source's to the destination, and its answer back, until the source's record is final. */
#include "base/clock.h"
#include "migrate.h"

#define PAUSE_MS  250

static gboolean carry_to(FerryConnection *dest, Migration *migration, GError **error)
{
    FerryConnection *source = migration->domain->conn;
    const FerryMigrationAskArgs question = {.attempt = migration->attempt};
    g_autoptr(Arena) arena = arena_new();
    FerryMigrationAskRet word = {0};
    FerryMigrationTellRet answer = {0}, thanks = {0};
    FerryMigrationTellArgs there, back;

    if (!connection_call(source, FERRY_PROGRAM, FERRY_MIGRATION_ASK, &question, arena, &word, error))
        return FALSE;
    there = (FerryMigrationTellArgs){.word = word.word, .word_len = word.word_len};
    if (!connection_call(dest, FERRY_PROGRAM, FERRY_MIGRATION_TELL, &there, arena, &answer, error))
        return FALSE;
    back = (FerryMigrationTellArgs){.word = answer.word, .word_len = answer.word_len};
    return connection_call(source, FERRY_PROGRAM, FERRY_MIGRATION_TELL, &back, arena, &thanks, error);
}

static gboolean carry(Migration *migration, GError **error)
{
    FerryConnection *opened = migration->dest->lost ? ferry_connection_open(migration->wanted->dest_uri, 0, error) : NULL;
    FerryConnection *dest = migration->dest->lost ? opened : migration->dest;
    gboolean is_carried = dest && carry_to(dest, migration, error);

    ferry_connection_close(opened);
    return is_carried;
}

PhaseOutcome courier_settle(Migration *migration, GError **cause)
{
    const int64_t deadline_ms = clock_now_ms() + MIGRATION_ANSWER_MS;
    g_autoptr(GError) obstacle = NULL;
    PhaseOutcome outcome;

    for (;;) {
        g_clear_error(&obstacle);
        carry(migration, &obstacle);
        outcome = migration_look_at_source(migration, NULL);
        if (outcome != PHASE_UNKNOWN || migration->domain->conn->lost || clock_now_ms() >= deadline_ms)
            break;
        migration_report(migration);
        connection_pump(migration->domain->conn, -1, clock_now_ms() + PAUSE_MS);
    }
    migration->is_settled = outcome != PHASE_UNKNOWN;
    if (outcome == PHASE_UNKNOWN && obstacle)
        migration_add_cause(cause, "The daemons, which cannot reach each other, could not be asked through this client either: %s", obstacle->message);
    return outcome;
}
