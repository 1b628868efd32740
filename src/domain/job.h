/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A domain's job: the exclusion between operations.  It has two slots.  The long one is a
 * migration's (or a save's): it lives with or without a running task, from Begin to Confirm, and
 * says which verbs may pass meanwhile.  The short one is held by one verb at a time, from its first
 * check to its answer.  Queries take neither. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "loop/task.h"

typedef struct Domain Domain;

#define JOB_WAIT_MS (30 * 1000)

/* The long slot; the numbers are the wire's job operations */
typedef enum {
    JOB_NONE = 0,
    JOB_MIGRATION_IN = 4,
    JOB_MIGRATION_OUT = 5,
} JobKind;

/* What a verb is, for the mask of the long slot */
typedef enum {
    JOB_MODIFY = 1 << 0, /* all that is not named below */
    JOB_SUSPEND = 1 << 1,
    JOB_DESTROY = 1 << 2,
    JOB_DEFINE = 1 << 3,       /* a new persistent definition, autostart, undefine */
    JOB_MIGRATION_OP = 1 << 4, /* speed, downtime, compression cache, start of postcopy */
} JobVerb;

/* What stock lets pass: suspend, destroy, define and migration operations on the source; destroy on
 * the destination. */
#define JOB_ALLOWED_MIGRATION_OUT (JOB_SUSPEND | JOB_DESTROY | JOB_DEFINE | JOB_MIGRATION_OP)
#define JOB_ALLOWED_MIGRATION_IN  JOB_DESTROY

typedef struct {
    JobKind kind;
    char *holder;       /* who holds the long slot, for the time-out's text */
    unsigned allowed;   /* JobVerb bits that pass while it is held */
    int64_t started_ms; /* clock_now_ms() */
    gboolean is_short_held;
    char *short_holder;
    unsigned waiting;
    Condition *changed;
} Job;

void job_init(Job *job);
void job_clear(Job *job);

/* Waits up to JOB_WAIT_MS, then ERROR_OPERATION_TIMEOUT naming the holder.  who: "domain_suspend".
 */
AWAITS gboolean job_begin(Domain *domain, JobVerb verb, const char *who, GError **error);
void job_end(Domain *domain);

/* Takes the long slot once both are free.  It stays until job_end_long, whatever becomes of the
 * task. */
AWAITS gboolean job_begin_long(Domain *domain, JobKind kind, unsigned allowed, const char *who,
                               GError **error);
/* The same without waiting: recovery finds the domain idle and must not give up the floor. */
gboolean job_try_long(Domain *domain, JobKind kind, unsigned allowed, const char *who);
/* A new holder's name and mask, at a change of phase. */
void job_set_long(Domain *domain, unsigned allowed, const char *who);
void job_end_long(Domain *domain);
gboolean job_is(const Domain *domain, JobKind kind);

/* The short slot for the length of a C scope:
 *     g_auto(JobGuard) guard = { NULL };
 *     if (!job_guard_begin(&guard, domain, JOB_MODIFY, "domain_resume", error)) return FALSE; */
typedef struct {
    Domain *domain; /* a reference; NULL: not held */
} JobGuard;
AWAITS gboolean job_guard_begin(JobGuard *guard, Domain *domain, JobVerb verb, const char *who,
                                GError **error);
void job_guard_clear(JobGuard *guard);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(JobGuard, job_guard_clear)
