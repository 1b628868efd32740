/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls about a guest's job.  The numbers come from the migration, through the hooks it registered.
 */
#include "service/calls.h"
#include "service/service.h"
#include "wire/params.h"

enum { JOB_TYPE_NONE = 0, JOB_TYPE_UNBOUNDED = 2, JOB_TYPE_COMPLETED = 3 };
enum { STATS_COMPLETED = 1 << 0, STATS_KEEP_COMPLETED = 1 << 1 };

static AWAITS gboolean ask(Domain *domain, unsigned flags, int *ret_type, Params *params,
                           GError **error)
{
    const OwnerHooks *hooks = owner_hooks();

    *ret_type = JOB_TYPE_NONE;
    if (!(flags & STATS_COMPLETED) && !domain_check_active(domain, error))
        return FALSE;
    return !hooks->job_stats || hooks->job_stats(domain, flags, ret_type, params, error);
}

AWAITS gboolean service_domain_get_job_stats(Call *call, const RemoteDomainGetJobStatsArgs *args,
                                             RemoteDomainGetJobStatsRet *ret, GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);
    g_autoptr(Params) params = params_new();
    int type = JOB_TYPE_NONE;

    if (!domain ||
        !service_check_flags(args->flags, STATS_COMPLETED | STATS_KEEP_COMPLETED,
                             "domain_get_job_stats", error) ||
        !ask(domain, args->flags, &type, params, error))
        return FALSE;
    ret->type = type;
    ret->params = wire_params_encode(params, TRUE, call_arena(call), &ret->params_count);
    return TRUE;
}

AWAITS gboolean service_domain_get_job_info(Call *call, const RemoteDomainGetJobInfoArgs *args,
                                            RemoteDomainGetJobInfoRet *ret, GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);
    g_autoptr(Params) params = params_new();
    int type = JOB_TYPE_NONE;

    if (!domain || !ask(domain, 0, &type, params, error))
        return FALSE;
    ret->type = type;
    ret->time_elapsed = params_get_ullong(params, "time_elapsed", 0);
    ret->time_remaining = params_get_ullong(params, "time_remaining", 0);
    ret->data_total = params_get_ullong(params, "data_total", 0);
    ret->data_processed = params_get_ullong(params, "data_processed", 0);
    ret->data_remaining = params_get_ullong(params, "data_remaining", 0);
    ret->mem_total = params_get_ullong(params, "memory_total", 0);
    ret->mem_processed = params_get_ullong(params, "memory_processed", 0);
    ret->mem_remaining = params_get_ullong(params, "memory_remaining", 0);
    ret->file_total = params_get_ullong(params, "disk_total", 0);
    ret->file_processed = params_get_ullong(params, "disk_processed", 0);
    ret->file_remaining = params_get_ullong(params, "disk_remaining", 0);
    return TRUE;
}

static AWAITS gboolean abort_job(const WireDomain *dom, unsigned flags, GError **error)
{
    g_autoptr(Domain) domain = service_find(dom, error);

    if (!domain || !domain_check_active(domain, error))
        return FALSE;
    if (!owner_hooks()->job_abort) /* it knows more than the domain's job: what waits for its turn, or to be begun again */
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: no job is active on the domain");
    return owner_hooks()->job_abort(domain, flags, error);
}

AWAITS gboolean service_domain_abort_job(Call *call, const RemoteDomainAbortJobArgs *args,
                                         void *ret, GError **error)
{
    return abort_job(&args->dom, 0, error);
}

AWAITS gboolean service_domain_abort_job_flags(Call *call,
                                               const RemoteDomainAbortJobFlagsArgs *args, void *ret,
                                               GError **error)
{
    enum { POSTCOPY = 1 << 0 };

    return service_check_flags(args->flags, POSTCOPY, "domain_abort_job_flags", error) &&
           abort_job(&args->dom, args->flags, error);
}
