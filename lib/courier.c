/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The memory was relayed, and the answer to Finish is lost.  The daemons cannot ask each other, but their words are sealed, so anybody
 * may carry them: the source's to the destination, and its answer back, until the source's record is final. */
#include "base/clock.h"
#include "migrate.h"

#define PAUSE_MS  250

static void carry(Migration *migration)
{
    const FerryMigrationAskArgs question = {.attempt = migration->attempt};
    FerryConnection *opened = migration->dest->lost ? ferry_connection_open(migration->wanted->dest_uri, 0, NULL) : NULL;
    FerryConnection *dest = opened ?: migration->dest;
    g_autoptr(Arena) arena = arena_new();
    FerryMigrationAskRet word = {0};
    FerryMigrationTellRet answer = {0}, thanks = {0};

    if (!dest->lost && connection_call(migration->domain->conn, FERRY_PROGRAM, FERRY_MIGRATION_ASK, &question, arena, &word, NULL)) {
        const FerryMigrationTellArgs there = {.word = word.word, .word_len = word.word_len};

        if (connection_call(dest, FERRY_PROGRAM, FERRY_MIGRATION_TELL, &there, arena, &answer, NULL)) {
            const FerryMigrationTellArgs back = {.word = answer.word, .word_len = answer.word_len};

            connection_call(migration->domain->conn, FERRY_PROGRAM, FERRY_MIGRATION_TELL, &back, arena, &thanks, NULL);
        }
    }
    ferry_connection_close(opened);
}

PhaseOutcome courier_settle(Migration *migration)
{
    const int64_t deadline_ms = clock_now_ms() + MIGRATION_ANSWER_MS;
    PhaseOutcome outcome;

    for (;;) {
        carry(migration);
        outcome = migration_look_at_source(migration, NULL);
        if (outcome != PHASE_UNKNOWN || migration->domain->conn->lost || clock_now_ms() >= deadline_ms)
            break;
        migration_report(migration);
        connection_pump(migration->domain->conn, -1, clock_now_ms() + PAUSE_MS);
    }
    migration->is_settled = outcome != PHASE_UNKNOWN;
    return outcome;
}
