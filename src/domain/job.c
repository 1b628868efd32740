/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two slots of a domain's job.  Waiters sleep on one condition and look again when a slot
 * changes; the floor makes looking and taking one step. */
#include "domain/job.h"

#include "base/clock.h"
#include "base/log.h"
#include "domain/domain.h"

void job_init(Job *job)
{
    *job = (Job){.kind = JOB_NONE};
    job->changed = condition_new("the domain's job");
}

void job_clear(Job *job)
{
    g_clear_pointer(&job->holder, g_free);
    g_clear_pointer(&job->short_holder, g_free);
    g_clear_pointer(&job->changed, condition_free);
}

static gboolean may_pass(const Job *job, JobVerb verb)
{
    return !job->is_short_held && (job->kind == JOB_NONE || (job->allowed & verb));
}

static gboolean is_free(const Job *job)
{
    return !job->is_short_held && job->kind == JOB_NONE;
}

static gboolean refuse(const Job *job, gint64 waited_ms, const char *who, GError **error)
{
    const char *holder = job->kind != JOB_NONE ? job->holder : job->short_holder;

    log_warning("'%s' waited %" G_GINT64_FORMAT " s for a domain held by '%s'", who,
                waited_ms / 1000, holder ? holder : "nobody");
    return error_set(
        error, ERROR_OPERATION_TIMEOUT,
        "Timed out during operation: cannot acquire state change lock (held by monitor=%s)",
        holder ? holder : "nobody");
}

/* Waits until `fits` says yes.  A cancel ends the wait with its own error. */
static AWAITS gboolean wait_until(Domain *domain, JobVerb verb,
                                  gboolean (*fits)(const Job *, JobVerb), const char *who,
                                  GError **error)
{
    Job *job = &domain->job;
    const int64_t start = clock_now_ms();

    while (!fits(job, verb)) {
        const int64_t left = start + JOB_WAIT_MS - clock_now_ms();
        g_autoptr(GError) cause = NULL;

        if (left <= 0)
            return refuse(job, clock_now_ms() - start, who, error);
        job->waiting++;
        const gboolean ok = condition_wait(job->changed, left, &cause);
        job->waiting--;
        if (!ok && !error_is(cause, ERROR_OPERATION_TIMEOUT)) {
            g_propagate_error(error, g_steal_pointer(&cause));
            return FALSE;
        }
    }
    return TRUE;
}

AWAITS gboolean job_begin(Domain *domain, JobVerb verb, const char *who, GError **error)
{
    g_autoptr(Domain) hold = domain_ref(domain);
    Job *job = &domain->job;

    if (!wait_until(domain, verb, may_pass, who, error))
        return FALSE;
    job->is_short_held = TRUE;
    job->short_holder = g_strdup(who);
    return TRUE;
}

void job_end(Domain *domain)
{
    Job *job = &domain->job;

    g_assert(job->is_short_held);
    job->is_short_held = FALSE;
    g_clear_pointer(&job->short_holder, g_free);
    condition_signal(job->changed);
}

static void take_long(Job *job, JobKind kind, unsigned allowed, const char *who)
{
    job->kind = kind;
    job->allowed = allowed;
    job->holder = g_strdup(who);
    job->started_ms = clock_now_ms();
}

static gboolean fits_long(const Job *job, JobVerb verb)
{
    return is_free(job);
}

AWAITS gboolean job_begin_long(Domain *domain, JobKind kind, unsigned allowed, const char *who,
                               GError **error)
{
    g_autoptr(Domain) hold = domain_ref(domain);

    if (!wait_until(domain, JOB_MODIFY, fits_long, who, error))
        return FALSE;
    take_long(&domain->job, kind, allowed, who);
    return TRUE;
}

gboolean job_try_long(Domain *domain, JobKind kind, unsigned allowed, const char *who)
{
    if (!is_free(&domain->job))
        return FALSE;
    take_long(&domain->job, kind, allowed, who);
    return TRUE;
}

void job_set_long(Domain *domain, unsigned allowed, const char *who)
{
    Job *job = &domain->job;

    g_assert(job->kind != JOB_NONE);
    job->allowed = allowed;
    g_free(job->holder);
    job->holder = g_strdup(who);
    condition_signal(job->changed);
}

void job_end_long(Domain *domain)
{
    Job *job = &domain->job;

    g_assert(job->kind != JOB_NONE);
    job->kind = JOB_NONE;
    job->allowed = 0;
    g_clear_pointer(&job->holder, g_free);
    condition_signal(job->changed);
}

gboolean job_is(const Domain *domain, JobKind kind)
{
    return domain->job.kind == kind;
}

AWAITS gboolean job_guard_begin(JobGuard *guard, Domain *domain, JobVerb verb, const char *who,
                                GError **error)
{
    if (!job_begin(domain, verb, who, error))
        return FALSE;
    guard->domain = domain_ref(domain);
    return TRUE;
}

void job_guard_clear(JobGuard *guard)
{
    if (!guard->domain)
        return;
    job_end(guard->domain);
    domain_unref(g_steal_pointer(&guard->domain));
}
