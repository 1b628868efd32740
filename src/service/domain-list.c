/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls about many guests at once: the lists of both ages, and statistics of all. */
#include "domain/registry.h"
#include "domain/stats.h"
#include "service/calls.h"
#include "service/service.h"
#include "wire/params.h"

#define LIST_FLAGS ((1u << 16) - 1)

gboolean service_connect_list_all_domains(Call *call, const RemoteConnectListAllDomainsArgs *args,
                                          RemoteConnectListAllDomainsRet *ret, GError **error)
{
    if (!service_check_flags(args->flags, LIST_FLAGS, "connect_list_all_domains", error))
        return FALSE;
    g_autoptr(GPtrArray) list = registry_list(args->flags);

    ret->ret = list->len;
    if (!args->need_results)
        return TRUE;
    if (list->len > WIRE_DOMAIN_LIST_MAX)
        return error_set_from(error, FROM_RPC, ERROR_RPC,
                              "too many domains: %u, a list has room for %d", list->len,
                              WIRE_DOMAIN_LIST_MAX);
    ret->domains_count = list->len;
    ret->domains = arena_new0(call_arena(call), WireDomain, list->len);
    for (unsigned i = 0; i < list->len; i++)
        service_fill(&ret->domains[i], list->pdata[i], call_arena(call));
    return TRUE;
}

enum { ACTIVE = 1 << 0, INACTIVE = 1 << 1 };

gboolean service_connect_num_of_domains(Call *call, const void *args,
                                        RemoteConnectNumOfDomainsRet *ret, GError **error)
{
    ret->num = (int32_t)registry_count(TRUE);
    return TRUE;
}

gboolean service_connect_num_of_defined_domains(Call *call, const void *args,
                                                RemoteConnectNumOfDefinedDomainsRet *ret,
                                                GError **error)
{
    ret->num = (int32_t)registry_count(FALSE);
    return TRUE;
}

gboolean service_connect_list_domains(Call *call, const RemoteConnectListDomainsArgs *args,
                                      RemoteConnectListDomainsRet *ret, GError **error)
{
    g_autoptr(GPtrArray) list = registry_list(ACTIVE);

    if (args->maxids < 0 || args->maxids > WIRE_DOMAIN_LIST_MAX)
        return error_set(error, ERROR_INVALID_ARG, "invalid argument: room for %d ids",
                         args->maxids);
    ret->ids_count = MIN((unsigned)args->maxids, list->len);
    ret->ids = arena_new0(call_arena(call), int32_t, ret->ids_count);
    for (unsigned i = 0; i < ret->ids_count; i++)
        ret->ids[i] = ((Domain *)list->pdata[i])->id;
    return TRUE;
}

gboolean service_connect_list_defined_domains(Call *call,
                                              const RemoteConnectListDefinedDomainsArgs *args,
                                              RemoteConnectListDefinedDomainsRet *ret,
                                              GError **error)
{
    g_autoptr(GPtrArray) list = registry_list(INACTIVE);

    if (args->maxnames < 0 || args->maxnames > WIRE_DOMAIN_LIST_MAX)
        return error_set(error, ERROR_INVALID_ARG, "invalid argument: room for %d names",
                         args->maxnames);
    ret->names_count = MIN((unsigned)args->maxnames, list->len);
    ret->names = arena_new0(call_arena(call), char *, ret->names_count);
    for (unsigned i = 0; i < ret->names_count; i++)
        ret->names[i] = arena_strdup(call_arena(call), ((Domain *)list->pdata[i])->name);
    return TRUE;
}

/* --- statistics --- */

enum {
    STATS_FILTERS = (1 << 8) - 1, /* active … other, as for lists */
    STATS_NOWAIT = 1 << 29,
    STATS_BACKING = 1 << 30,
    STATS_ENFORCE = 1u << 31,
};

/* The domains that the call names, or all that pass its filter.  One that has gone meanwhile is
 * left out. */
static GPtrArray *choose_domains(const RemoteConnectGetAllDomainStatsArgs *args)
{
    if (!args->doms_count)
        return registry_list(args->flags & STATS_FILTERS);
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)domain_unref);

    for (uint32_t i = 0; i < args->doms_count; i++) {
        Domain *domain = registry_peek_uuid(&args->doms[i].uuid);

        if (domain)
            g_ptr_array_add(list, domain_ref(domain));
    }
    return list;
}

AWAITS gboolean service_connect_get_all_domain_stats(Call *call,
                                                     const RemoteConnectGetAllDomainStatsArgs *args,
                                                     RemoteConnectGetAllDomainStatsRet *ret,
                                                     GError **error)
{
    const unsigned known = STATS_FILTERS | STATS_NOWAIT | STATS_BACKING | STATS_ENFORCE;
    const unsigned groups = args->stats ? args->stats : STATS_SERVED;
    Arena *arena = call_arena(call);

    if (!service_check_flags(args->flags, known, "connect_get_all_domain_stats", error))
        return FALSE;
    if (args->flags & STATS_ENFORCE && groups & ~(unsigned)STATS_SERVED)
        return error_set(
            error, ERROR_ARGUMENT_UNSUPPORTED,
            "argument unsupported: Stats types bits 0x%x are not supported by this daemon",
            groups & ~(unsigned)STATS_SERVED);
    g_autoptr(GPtrArray) list = choose_domains(args);
    ret->ret_stats_count = MIN(list->len, WIRE_DOMAIN_LIST_MAX);
    ret->ret_stats = arena_new0(arena, WireDomainStatsRecord, ret->ret_stats_count);
    for (unsigned i = 0; i < ret->ret_stats_count; i++) {
        WireDomainStatsRecord *record = &ret->ret_stats[i];
        g_autoptr(Params) params = params_new();

        stats_collect(list->pdata[i], groups, !(args->flags & STATS_NOWAIT), params);
        service_fill(&record->dom, list->pdata[i], arena);
        record->params = wire_params_encode(params, TRUE, arena, &record->params_count);
        if (i % 50 == 49)
            task_yield();
    }
    return TRUE;
}

AWAITS gboolean service_domain_memory_stats(Call *call, const RemoteDomainMemoryStatsArgs *args,
                                            RemoteDomainMemoryStatsRet *ret, GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);
    g_autoptr(GArray) list = domain ? stats_get_memory(domain, error) : NULL;

    if (!list)
        return FALSE;
    ret->stats_count = MIN(MIN(args->max_stats, WIRE_DOMAIN_MEMORY_STATS_MAX), list->len);
    ret->stats = arena_new0(call_arena(call), WireDomainMemoryStat, ret->stats_count);
    for (unsigned i = 0; i < ret->stats_count; i++) {
        const MemoryStat *stat = &g_array_index(list, MemoryStat, i);

        ret->stats[i] = (WireDomainMemoryStat){stat->tag, stat->value};
    }
    return TRUE;
}
