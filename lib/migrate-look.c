/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finish(0) was sent and not answered: the guest may run at the destination, or may never have. The
 * source must not be told to resume on a guess, so somebody has to look.  What is found there
 * decides by the table of phase/look; what decides nothing leaves the source paused. */
#include "base/clock.h"
#include "migrate.h"
#include "phase/look.h"

#define LOOK_PAUSE_MS 250

#define RUNNING_MIGRATED                                                                           \
    2 /* reason of "running": by a migration, and nobody has touched it since */

/* *ret_runs: by this migration, and nobody has touched it since. */
static LookVerdict look_once(const Migration *migration, gboolean *ret_runs)
{
    g_autoptr(GError) error = NULL;
    FerryConnection *conn = ferry_connection_open(migration->wanted->dest_uri, 0, NULL);
    g_autofree char *capabilities = conn ? ferry_connection_capabilities(conn, NULL) : NULL;
    gboolean is_it = capabilities && look_check_host(capabilities, &migration->dest_host, migration->wanted->dest_uri, NULL);
    FerryDomain *domain = is_it ? ferry_domain_find_by_uuid(conn, migration->domain->uuid_text, &error) : NULL;
    gboolean is_persist = !!(migration->run.flags & MIGRATE_PERSIST_DEST);
    int64_t since_ms = clock_now_ms() - migration->finish_ms;
    FerryState state = FERRY_STATE_NONE;
    int reason = 0;
    LookVerdict verdict = LOOK_AGAIN;

    if (domain && ferry_domain_state(domain, &state, &reason, NULL))
        verdict = look_judge((int)state, reason, is_persist, since_ms);
    else if (error_is(error, ERROR_NO_DOMAIN))
        verdict = look_judge(LOOK_ABSENT, 0, is_persist, since_ms);
    *ret_runs = state == FERRY_STATE_RUNNING && reason == RUNNING_MIGRATED;
    ferry_domain_free(domain);
    ferry_connection_close(conn);
    return verdict;
}

PhaseOutcome migration_look_at_source(const Migration *migration, char **ret_doubt)
{
    FerryMigrationRow *rows = ferry_migrations_list(migration->domain->conn, migration->domain->uuid_text, true, NULL);
    PhaseOutcome outcome = PHASE_UNKNOWN;

    for (const FerryMigrationRow *row = rows; row && row->id; row++) {
        if (!g_str_equal(row->id, migration->attempt))
            continue;
        if (row->state == FERRY_MIGRATION_ENDED)
            outcome = g_str_equal(row->word, "GONE") ? PHASE_ARRIVED : PHASE_STAYED;
        else if (row->state == FERRY_MIGRATION_WAITING && ret_doubt)
            *ret_doubt = g_strdup(row->sentence);
    }
    ferry_migration_rows_free(rows);
    return outcome;
}

PhaseOutcome migration_look(Migration *migration)
{
    int64_t asked_ms = clock_now_ms();
    gboolean runs;

    for (;;) {
        switch (look_once(migration, &runs)) {
        case LOOK_RAN: /* a ferryd runs it only after it has written TAKEN, so that is what its source may hear */
            if (runs && migration->is_dest_ferry)
                phase_run_set_cookie(&migration->run,
                                     cookie_hand_on(migration->c2, COOKIE_WORD_TAKEN));
            return PHASE_ARRIVED;
        case LOOK_NEVER_RAN:
            return PHASE_STAYED;
        case LOOK_PERSON:
            return PHASE_UNKNOWN;
        case LOOK_AGAIN:
            break;
        }
        if (clock_now_ms() - asked_ms > MIGRATION_ANSWER_MS)
            return PHASE_UNKNOWN;
        migration_report(migration);
        connection_pump(migration->domain->conn, -1,
                        clock_now_ms() + LOOK_PAUSE_MS); /* its keepalive goes on */
    }
}
