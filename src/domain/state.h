/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* States, their reasons and the lifecycle events, with the wire's numbers and words. */
#pragma once

#include <glib.h>

typedef enum {
    DOMAIN_NOSTATE,
    DOMAIN_RUNNING,
    DOMAIN_BLOCKED,
    DOMAIN_PAUSED,
    DOMAIN_SHUTDOWN, /* the guest has powered off, QEMU still stands */
    DOMAIN_SHUTOFF,
    DOMAIN_CRASHED,
    DOMAIN_PMSUSPENDED,
} DomainState;

typedef enum {
    RUNNING_UNKNOWN,
    RUNNING_BOOTED,
    RUNNING_MIGRATED,
    RUNNING_RESTORED,
    RUNNING_FROM_SNAPSHOT,
    RUNNING_UNPAUSED,
    RUNNING_MIGRATION_CANCELED,
    RUNNING_SAVE_CANCELED,
    RUNNING_WAKEUP,
    RUNNING_CRASHED,
    RUNNING_POSTCOPY,
    RUNNING_POSTCOPY_FAILED,
} RunningReason;

typedef enum {
    PAUSED_UNKNOWN,
    PAUSED_USER,
    PAUSED_MIGRATION,
    PAUSED_SAVE,
    PAUSED_DUMP,
    PAUSED_IOERROR,
    PAUSED_WATCHDOG,
    PAUSED_FROM_SNAPSHOT,
    PAUSED_SHUTTING_DOWN,
    PAUSED_SNAPSHOT,
    PAUSED_CRASHED,
    PAUSED_STARTING_UP,
    PAUSED_POSTCOPY,
    PAUSED_POSTCOPY_FAILED,
} PausedReason;

typedef enum {
    SHUTOFF_UNKNOWN,
    SHUTOFF_SHUTDOWN,
    SHUTOFF_DESTROYED,
    SHUTOFF_CRASHED,
    SHUTOFF_MIGRATED,
    SHUTOFF_SAVED,
    SHUTOFF_FAILED,
    SHUTOFF_FROM_SNAPSHOT,
    SHUTOFF_DAEMON,
} ShutoffReason;

typedef enum { CRASHED_UNKNOWN, CRASHED_PANICKED } CrashedReason;

typedef enum {
    LIFECYCLE_DEFINED,
    LIFECYCLE_UNDEFINED,
    LIFECYCLE_STARTED,
    LIFECYCLE_SUSPENDED,
    LIFECYCLE_RESUMED,
    LIFECYCLE_STOPPED,
    LIFECYCLE_SHUTDOWN,
    LIFECYCLE_PMSUSPENDED,
    LIFECYCLE_CRASHED,
} LifecycleEvent;

enum { DEFINED_ADDED, DEFINED_UPDATED, DEFINED_RENAMED };
enum { UNDEFINED_REMOVED, UNDEFINED_RENAMED };
enum { STARTED_BOOTED, STARTED_MIGRATED, STARTED_RESTORED, STARTED_FROM_SNAPSHOT, STARTED_WAKEUP };
enum {
    SUSPENDED_PAUSED,
    SUSPENDED_MIGRATED,
    SUSPENDED_IOERROR,
    SUSPENDED_WATCHDOG,
    SUSPENDED_RESTORED,
    SUSPENDED_FROM_SNAPSHOT,
    SUSPENDED_API_ERROR,
    SUSPENDED_POSTCOPY,
    SUSPENDED_POSTCOPY_FAILED,
};
enum {
    RESUMED_UNPAUSED,
    RESUMED_MIGRATED,
    RESUMED_FROM_SNAPSHOT,
    RESUMED_POSTCOPY,
    RESUMED_POSTCOPY_FAILED
};
enum {
    STOPPED_SHUTDOWN,
    STOPPED_DESTROYED,
    STOPPED_CRASHED,
    STOPPED_MIGRATED,
    STOPPED_SAVED,
    STOPPED_FAILED,
    STOPPED_FROM_SNAPSHOT,
};
enum { SHUTDOWN_FINISHED, SHUTDOWN_GUEST, SHUTDOWN_HOST };

/* "running", "shut off" … and the reason's words ("booted", "migration canceled"); never NULL. */
const char *state_name(DomainState state);
const char *state_reason_name(DomainState state, int reason);
/* false if the numbers are no state and reason of the table (they come from a status file). */
gboolean state_is_valid(int state, int reason);

/* The detail of the lifecycle event that goes with a reason. */
int suspended_detail(PausedReason reason);
int resumed_detail(RunningReason reason);
int stopped_detail(ShutoffReason reason);
