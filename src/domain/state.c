/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of states and reasons.  Its numbers are the wire's; its words are those people know
 * from domstate. */
#include "domain/state.h"

typedef struct {
    DomainState state;
    const char *name;
    const char *reasons[15]; /* NULL behind the last */
} StateRow;

/* clang-format off */
static const StateRow states[] = {
    { DOMAIN_NOSTATE,     "no state",    { "unknown" } },
    { DOMAIN_RUNNING,     "running",     { "unknown", "booted", "migrated", "restored", "from snapshot", "unpaused",
                                           "migration canceled", "save canceled", "event wakeup", "crashed",
                                           "post-copy", "post-copy failed" } },
    { DOMAIN_BLOCKED,     "idle",        { "unknown" } },
    { DOMAIN_PAUSED,      "paused",      { "unknown", "user", "migrating", "saving", "dumping", "I/O error",
                                           "watchdog", "from snapshot", "shutting down", "creating snapshot",
                                           "crashed", "starting up", "post-copy", "post-copy failed" } },
    { DOMAIN_SHUTDOWN,    "in shutdown", { "unknown", "user" } },
    { DOMAIN_SHUTOFF,     "shut off",    { "unknown", "shutdown", "destroyed", "crashed", "migrated", "saved",
                                           "failed", "from snapshot", "daemon" } },
    { DOMAIN_CRASHED,     "crashed",     { "unknown", "panicked" } },
    { DOMAIN_PMSUSPENDED, "pmsuspended", { "unknown" } },
};
/* clang-format on */

static const char *find_reason(const StateRow *row, int reason)
{
    if (reason < 0 || reason >= (int)G_N_ELEMENTS(row->reasons))
        return NULL;
    return row->reasons[reason];
}

const char *state_name(DomainState state)
{
    return (unsigned)state < G_N_ELEMENTS(states) ? states[state].name : "no state";
}

const char *state_reason_name(DomainState state, int reason)
{
    const char *name =
        (unsigned)state < G_N_ELEMENTS(states) ? find_reason(&states[state], reason) : NULL;

    return name ? name : "unknown";
}

gboolean state_is_valid(int state, int reason)
{
    return state >= 0 && state < (int)G_N_ELEMENTS(states) && find_reason(&states[state], reason);
}

int suspended_detail(PausedReason reason)
{
    switch (reason) {
    case PAUSED_MIGRATION:
        return SUSPENDED_MIGRATED;
    case PAUSED_IOERROR:
        return SUSPENDED_IOERROR;
    case PAUSED_WATCHDOG:
        return SUSPENDED_WATCHDOG;
    case PAUSED_FROM_SNAPSHOT:
        return SUSPENDED_FROM_SNAPSHOT;
    case PAUSED_POSTCOPY:
        return SUSPENDED_POSTCOPY;
    case PAUSED_POSTCOPY_FAILED:
        return SUSPENDED_POSTCOPY_FAILED;
    default:
        return SUSPENDED_PAUSED;
    }
}

int resumed_detail(RunningReason reason)
{
    switch (reason) {
    case RUNNING_MIGRATED:
    case RUNNING_MIGRATION_CANCELED:
        return RESUMED_MIGRATED;
    case RUNNING_RESTORED:
    case RUNNING_FROM_SNAPSHOT:
        return RESUMED_FROM_SNAPSHOT;
    case RUNNING_POSTCOPY:
        return RESUMED_POSTCOPY;
    case RUNNING_POSTCOPY_FAILED:
        return RESUMED_POSTCOPY_FAILED;
    default:
        return RESUMED_UNPAUSED;
    }
}

int stopped_detail(ShutoffReason reason)
{
    switch (reason) {
    case SHUTOFF_DESTROYED:
        return STOPPED_DESTROYED;
    case SHUTOFF_CRASHED:
        return STOPPED_CRASHED;
    case SHUTOFF_MIGRATED:
        return STOPPED_MIGRATED;
    case SHUTOFF_SAVED:
        return STOPPED_SAVED;
    case SHUTOFF_FAILED:
        return STOPPED_FAILED;
    case SHUTOFF_FROM_SNAPSHOT:
        return STOPPED_FROM_SNAPSHOT;
    default:
        return STOPPED_SHUTDOWN;
    }
}
