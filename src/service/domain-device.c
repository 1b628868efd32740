/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers about single devices of a guest. */
#include "domain/stats.h"
#include "model/guest-def.h"
#include "service/calls.h"
#include "service/service.h"
#include "wire/params.h"

AWAITS gboolean service_domain_block_stats(Call *call, const RemoteDomainBlockStatsArgs *args,
                                           RemoteDomainBlockStatsRet *ret, GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);
    BlockStats stats;

    if (!domain || !stats_get_block(domain, args->path, &stats, error))
        return FALSE;
    ret->rd_req = (int64_t)stats.read_requests;
    ret->rd_bytes = (int64_t)stats.read_bytes;
    ret->wr_req = (int64_t)stats.write_requests;
    ret->wr_bytes = (int64_t)stats.write_bytes;
    ret->errs = -1; /* not counted */
    return TRUE;
}

AWAITS gboolean service_domain_block_stats_flags(Call *call,
                                                 const RemoteDomainBlockStatsFlagsArgs *args,
                                                 RemoteDomainBlockStatsFlagsRet *ret,
                                                 GError **error)
{
    enum { STRINGS = 1 << 2, COUNT = 8 };
    g_autoptr(Domain) domain = service_find(&args->dom, error);
    g_autoptr(Params) params = params_new();
    BlockStats stats;

    if (!domain || !service_check_flags(args->flags, STRINGS, "domain_block_stats_flags", error) ||
        !stats_get_block(domain, args->path, &stats, error))
        return FALSE;
    ret->nparams = COUNT;
    if (args->nparams == 0)
        return TRUE;
    const struct {
        const char *name;
        uint64_t value;
    } rows[COUNT] = {{"wr_bytes", stats.write_bytes},
                     {"wr_operations", stats.write_requests},
                     {"rd_bytes", stats.read_bytes},
                     {"rd_operations", stats.read_requests},
                     {"flush_operations", stats.flush_requests},
                     {"wr_total_times", stats.write_ns},
                     {"rd_total_times", stats.read_ns},
                     {"flush_total_times", stats.flush_ns}};
    for (int i = 0; i < COUNT && i < args->nparams; i++)
        params_add_llong(params, rows[i].name, (int64_t)rows[i].value);
    ret->params = wire_params_encode(params, TRUE, call_arena(call), &ret->params_count);
    ret->nparams = (int32_t)ret->params_count;
    return TRUE;
}

AWAITS gboolean service_domain_get_block_info(Call *call, const RemoteDomainGetBlockInfoArgs *args,
                                              RemoteDomainGetBlockInfoRet *ret, GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);
    BlockStats stats;

    if (!domain || !service_check_flags(args->flags, 0, "domain_get_block_info", error) ||
        !stats_get_block(domain, args->path, &stats, error))
        return FALSE;
    ret->allocation = stats.allocation;
    ret->capacity = stats.capacity;
    ret->physical = stats.physical;
    return TRUE;
}

gboolean service_domain_interface_stats(Call *call, const RemoteDomainInterfaceStatsArgs *args,
                                        RemoteDomainInterfaceStatsRet *ret, GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);
    uint64_t values[INTERFACE_STATS_COUNT];

    if (!domain || !stats_get_interface(domain, args->device, values, error))
        return FALSE;
    ret->rx_bytes = (int64_t)values[0];
    ret->rx_packets = (int64_t)values[1];
    ret->rx_errs = (int64_t)values[2];
    ret->rx_drop = (int64_t)values[3];
    ret->tx_bytes = (int64_t)values[4];
    ret->tx_packets = (int64_t)values[5];
    ret->tx_errs = (int64_t)values[6];
    ret->tx_drop = (int64_t)values[7];
    return TRUE;
}

/* Nothing is pinned here: every virtual processor may run on every one of the host. */
gboolean service_domain_get_vcpu_pin_info(Call *call, const RemoteDomainGetVcpuPinInfoArgs *args,
                                          RemoteDomainGetVcpuPinInfoRet *ret, GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);
    const GuestDef *def = domain ? service_choose_definition(domain, args->flags, error) : NULL;
    const unsigned host_cpus = service_settings()->node->cpu_count;

    if (!def)
        return FALSE;
    if (args->ncpumaps < 0 || args->ncpumaps > WIRE_VCPUINFO_MAX || args->maplen < 0 ||
        (int64_t)args->ncpumaps * args->maplen > WIRE_CPUMAPS_MAX)
        return error_set(error, ERROR_INVALID_ARG,
                         "invalid argument: room for %d maps of %d bytes each", args->ncpumaps,
                         args->maplen);
    ret->num = MIN(args->ncpumaps, (int32_t)def->vcpus);
    ret->cpumaps_len = (uint32_t)ret->num * (uint32_t)args->maplen;
    ret->cpumaps = arena_alloc(call_arena(call), ret->cpumaps_len);
    for (int vcpu = 0; vcpu < ret->num; vcpu++)
        for (unsigned cpu = 0; cpu < host_cpus && cpu / 8 < (unsigned)args->maplen; cpu++)
            ret->cpumaps[(unsigned)vcpu * (unsigned)args->maplen + cpu / 8] |=
                (guint8)(1 << cpu % 8);
    return TRUE;
}
