/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finish(0) was sent and not answered: the guest may run at the destination, or may never have. The
 * source must not be told to resume on a guess, so somebody has to look.  What is found there
 * decides by a table; what decides nothing leaves the source paused. */
#include "base/clock.h"
#include "migrate.h"

#define LOOK_MS       (20 * 1000) /* how long a user's patience is asked for */
#define LOOK_PAUSE_MS 250
/* A stock destination without --persistent forgets a guest that ended.  So soon after Finish it is
 * taken for one that never ran. */
#define FRESH_MS (60 * 1000)

typedef enum { FOUND_NOTHING_YET, FOUND_RUNS, FOUND_RAN, FOUND_NEVER_RAN, FOUND_DOUBT } Found;

#define RUNNING_MIGRATED                                                                           \
    2 /* reason of "running": by a migration, and nobody has touched it since */
/* Reasons of "shut off". */
enum {
    SHUTOFF_SHUTDOWN = 1,
    SHUTOFF_DESTROYED = 2,
    SHUTOFF_CRASHED = 3,
    SHUTOFF_MIGRATED = 4,
    SHUTOFF_SAVED = 5
};

static Found judge_shutoff(int reason)
{
    switch (reason) {
    case SHUTOFF_SHUTDOWN:
    case SHUTOFF_DESTROYED:
    case SHUTOFF_CRASHED:
    case SHUTOFF_MIGRATED:
    case SHUTOFF_SAVED:
        return FOUND_RAN;
    default:
        return FOUND_NEVER_RAN;
    }
}

static Found judge(FerryState state, int reason)
{
    switch (state) {
    case FERRY_STATE_RUNNING:
        return reason == RUNNING_MIGRATED ? FOUND_RUNS : FOUND_RAN;
    case FERRY_STATE_BLOCKED:
    case FERRY_STATE_SHUTDOWN:
    case FERRY_STATE_CRASHED:
    case FERRY_STATE_PMSUSPENDED:
        return FOUND_RAN;
    case FERRY_STATE_SHUTOFF:
        return judge_shutoff(reason);
    case FERRY_STATE_PAUSED: /* Finish may still be under way */
    case FERRY_STATE_NONE:
        break;
    }
    return FOUND_NOTHING_YET;
}

/* Absent: with --persistent its definition is written before it runs, so it never did. */
static Found judge_absent(const Migration *migration)
{
    if (migration->run.flags & MIGRATE_PERSIST_DEST)
        return FOUND_NEVER_RAN;
    return clock_now_ms() - migration->finish_ms < FRESH_MS ? FOUND_NEVER_RAN : FOUND_DOUBT;
}

static Found look_once(const Migration *migration)
{
    g_autoptr(GError) error = NULL;
    FerryConnection *conn = ferry_connection_open(migration->wanted->dest_uri, 0, NULL);
    FerryDomain *domain =
        conn ? ferry_domain_find_by_uuid(conn, migration->domain->uuid_text, &error) : NULL;
    FerryState state = FERRY_STATE_NONE;
    int reason = 0;
    Found found = FOUND_NOTHING_YET;

    if (domain && ferry_domain_state(domain, &state, &reason, NULL))
        found = judge(state, reason);
    else if (error_is(error, ERROR_NO_DOMAIN))
        found = judge_absent(migration);
    ferry_domain_free(domain);
    ferry_connection_close(conn);
    return found;
}

PhaseOutcome migration_look(Migration *migration)
{
    int64_t asked_ms = clock_now_ms();

    for (;;) {
        switch (look_once(migration)) {
        case FOUND_RUNS: /* a ferryd runs it only after it has written TAKEN, so that is what its
                            source may hear */
            if (migration->is_dest_ferry)
                phase_run_set_cookie(&migration->run,
                                     cookie_hand_on(migration->c2, COOKIE_WORD_TAKEN));
            return PHASE_ARRIVED;
        case FOUND_RAN:
            return PHASE_ARRIVED;
        case FOUND_NEVER_RAN:
            return PHASE_STAYED;
        case FOUND_DOUBT:
            return PHASE_UNKNOWN;
        case FOUND_NOTHING_YET:
            break;
        }
        if (clock_now_ms() - asked_ms > LOOK_MS)
            return PHASE_UNKNOWN;
        migration_report(migration);
        connection_pump(migration->domain->conn, -1,
                        clock_now_ms() + LOOK_PAUSE_MS); /* its keepalive goes on */
    }
}
