/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls that only ask about one guest.  None waits for the job; those that ask QEMU have a
 * deadline. */

#include "domain/registry.h"
#include "domain/stats.h"
#include "model/guest-def.h"
#include "service/calls.h"
#include "service/service.h"

/* --- look-ups --- */

static gboolean fill_found(Domain *domain, WireDomain *ret_dom, Call *call)
{
    if (domain)
        service_fill(ret_dom, domain, call_arena(call));
    return domain != NULL;
}

gboolean service_domain_lookup_by_name(Call *call, const RemoteDomainLookupByNameArgs *args,
                                       RemoteDomainLookupByNameRet *ret, GError **error)
{
    g_autoptr(Domain) domain = registry_find_name(args->name, error);

    return fill_found(domain, &ret->dom, call);
}

gboolean service_domain_lookup_by_uuid(Call *call, const RemoteDomainLookupByUuidArgs *args,
                                       RemoteDomainLookupByUuidRet *ret, GError **error)
{
    g_autoptr(Domain) domain = registry_find_uuid(&args->uuid, error);

    return fill_found(domain, &ret->dom, call);
}

gboolean service_domain_lookup_by_id(Call *call, const RemoteDomainLookupByIdArgs *args,
                                     RemoteDomainLookupByIdRet *ret, GError **error)
{
    g_autoptr(Domain) domain = registry_find_id(args->id, error);

    return fill_found(domain, &ret->dom, call);
}

/* --- what it is --- */

gboolean service_domain_get_xml_desc(Call *call, const RemoteDomainGetXmlDescArgs *args,
                                     RemoteDomainGetXmlDescRet *ret, GError **error)
{
    enum { SECURE = 1 << 0, INACTIVE = 1 << 1, UPDATE_CPU = 1 << 2, MIGRATABLE = 1 << 3 };
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    if (!domain || !service_check_flags(args->flags, SECURE | INACTIVE | UPDATE_CPU | MIGRATABLE,
                                        "domain_get_xml_desc", error))
        return FALSE;
    if (args->flags & (SECURE | MIGRATABLE) && caller_is_readonly(call_caller(call)))
        return error_set_from(
            error, FROM_DOMAIN, ERROR_OPERATION_DENIED,
            "operation forbidden: read only access prevents the flags SECURE and MIGRATABLE");
    g_autofree char *xml = domain_format_xml(domain, args->flags, error);
    if (!xml)
        return FALSE;
    ret->xml = arena_strdup(call_arena(call), xml);
    return TRUE;
}

gboolean service_domain_get_os_type(Call *call, const RemoteDomainGetOsTypeArgs *args,
                                    RemoteDomainGetOsTypeRet *ret, GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    if (!domain)
        return FALSE;
    ret->type = arena_strdup(call_arena(call), "hvm");
    return TRUE;
}

gboolean service_domain_is_active(Call *call, const RemoteDomainIsActiveArgs *args,
                                  RemoteDomainIsActiveRet *ret, GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    if (!domain)
        return FALSE;
    ret->active = domain_is_active(domain);
    return TRUE;
}

gboolean service_domain_is_persistent(Call *call, const RemoteDomainIsPersistentArgs *args,
                                      RemoteDomainIsPersistentRet *ret, GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    if (!domain)
        return FALSE;
    ret->persistent = domain->persistent != NULL;
    return TRUE;
}

gboolean service_domain_is_updated(Call *call, const RemoteDomainIsUpdatedArgs *args,
                                   RemoteDomainIsUpdatedRet *ret, GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    if (!domain)
        return FALSE;
    ret->updated = FALSE; /* set by device changes and the like, none of which exist */
    return TRUE;
}

gboolean service_domain_get_autostart(Call *call, const RemoteDomainGetAutostartArgs *args,
                                      RemoteDomainGetAutostartRet *ret, GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    if (!domain)
        return FALSE;
    ret->autostart = domain->is_autostart;
    return TRUE;
}

gboolean service_domain_has_managed_save_image(Call *call,
                                               const RemoteDomainHasManagedSaveImageArgs *args,
                                               RemoteDomainHasManagedSaveImageRet *ret,
                                               GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    if (!domain)
        return FALSE;
    ret->result = 0;
    return TRUE;
}

/* --- how it is --- */

gboolean service_domain_get_state(Call *call, const RemoteDomainGetStateArgs *args,
                                  RemoteDomainGetStateRet *ret, GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    if (!domain || !service_check_flags(args->flags, 0, "domain_get_state", error))
        return FALSE;
    ret->state = (int32_t)domain->state;
    ret->reason = domain->reason;
    return TRUE;
}

gboolean service_domain_get_info(Call *call, const RemoteDomainGetInfoArgs *args,
                                 RemoteDomainGetInfoRet *ret, GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);
    DomainInfo info = {0};

    if (!domain || !stats_get_info(domain, &info, error))
        return FALSE;
    ret->state = (uint8_t)domain->state;
    ret->max_mem = info.max_memory_kib;
    ret->memory = info.memory_kib;
    ret->nr_virt_cpu = (uint16_t)info.vcpus;
    ret->cpu_time = info.cpu_time_ns;
    return TRUE;
}

gboolean service_domain_get_control_info(Call *call, const RemoteDomainGetControlInfoArgs *args,
                                         RemoteDomainGetControlInfoRet *ret, GError **error)
{
    enum { CONTROL_OK = 0, CONTROL_JOB = 1 };
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    if (!domain || !domain_check_active(domain, error))
        return FALSE;
    ret->state = domain->job.kind != JOB_NONE ? CONTROL_JOB : CONTROL_OK;
    return TRUE;
}

gboolean service_domain_get_max_memory(Call *call, const RemoteDomainGetMaxMemoryArgs *args,
                                       RemoteDomainGetMaxMemoryRet *ret, GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);
    DomainInfo info = {0};

    if (!domain || !stats_get_info(domain, &info, error))
        return FALSE;
    ret->memory = info.max_memory_kib;
    return TRUE;
}

enum { VCPU_LIVE = 1 << 0, VCPU_CONFIG = 1 << 1, VCPU_MAXIMUM = 1 << 2, VCPU_GUEST = 1 << 3 };

gboolean service_domain_get_vcpus_flags(Call *call, const RemoteDomainGetVcpusFlagsArgs *args,
                                        RemoteDomainGetVcpusFlagsRet *ret, GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    if (!domain ||
        !service_check_flags(args->flags, VCPU_LIVE | VCPU_CONFIG | VCPU_MAXIMUM | VCPU_GUEST,
                             "domain_get_vcpus_flags", error))
        return FALSE;
    if (args->flags & VCPU_GUEST)
        return error_set(error, ERROR_AGENT_UNRESPONSIVE,
                         "Guest agent is not responding: QEMU guest agent is not configured");
    const GuestDef *def = service_choose_definition(domain, args->flags, error);
    if (!def)
        return FALSE;
    ret->num = (int32_t)(args->flags & VCPU_MAXIMUM || !def->current_vcpus ? def->vcpus
                                                                           : def->current_vcpus);
    return TRUE;
}

gboolean service_domain_get_max_vcpus(Call *call, const RemoteDomainGetMaxVcpusArgs *args,
                                      RemoteDomainGetMaxVcpusRet *ret, GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);
    const GuestDef *def = domain ? domain_definition(domain) : NULL;

    if (!def)
        return FALSE;
    ret->num = (int32_t)def->vcpus;
    return TRUE;
}

gboolean service_domain_get_vcpus(Call *call, const RemoteDomainGetVcpusArgs *args,
                                  RemoteDomainGetVcpusRet *ret, GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);
    g_autoptr(GArray) vcpus = domain ? stats_get_vcpus(domain, error) : NULL;
    const unsigned host_cpus = service_settings()->node->cpu_count;

    if (!vcpus)
        return FALSE;
    if (args->maxinfo < 0 || args->maxinfo > WIRE_VCPUINFO_MAX || args->maplen < 0 ||
        (int64_t)args->maxinfo * args->maplen > WIRE_CPUMAPS_MAX)
        return error_set(error, ERROR_INVALID_ARG,
                         "invalid argument: room for %d processors of %d bytes each", args->maxinfo,
                         args->maplen);
    ret->info_count = MIN((unsigned)args->maxinfo, vcpus->len);
    ret->info = arena_new0(call_arena(call), WireVcpuInfo, ret->info_count);
    ret->cpumaps_len = ret->info_count * (uint32_t)args->maplen;
    ret->cpumaps = arena_alloc(call_arena(call), ret->cpumaps_len);
    for (unsigned i = 0; i < ret->info_count; i++) {
        const VcpuInfo *vcpu = &g_array_index(vcpus, VcpuInfo, i);

        ret->info[i] = (WireVcpuInfo){.number = vcpu->number,
                                      .state = vcpu->state,
                                      .cpu_time = vcpu->cpu_time_ns,
                                      .cpu = vcpu->cpu};
        for (unsigned cpu = 0; cpu < host_cpus && cpu / 8 < (unsigned)args->maplen; cpu++)
            ret->cpumaps[i * (unsigned)args->maplen + cpu / 8] |= (guint8)(1 << cpu % 8);
    }
    return TRUE;
}

gboolean service_domain_get_messages(Call *call, const RemoteDomainGetMessagesArgs *args,
                                     RemoteDomainGetMessagesRet *ret, GError **error)
{
    enum { DEPRECATION = 1 << 0, TAINTING = 1 << 1 };
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    if (!domain ||
        !service_check_flags(args->flags, DEPRECATION | TAINTING, "domain_get_messages", error))
        return FALSE;
    g_autoptr(GPtrArray) lines = domain_collect_messages(domain);
    ret->msgs_count = args->flags == DEPRECATION ? 0 : MIN(lines->len, WIRE_DOMAIN_MESSAGES_MAX);
    ret->msgs = arena_new0(call_arena(call), char *, ret->msgs_count);
    for (unsigned i = 0; i < ret->msgs_count; i++)
        ret->msgs[i] = arena_strdup(call_arena(call), lines->pdata[i]);
    return TRUE;
}

/* --- security --- */

/* "+64055:+109", what QEMU runs as; "" when it does not run or has our own user. */
static char *label_of(const Domain *domain, Arena *arena)
{
    const HostUser *user = &service_settings()->qemu->user;

    if (!domain_is_active(domain) || !user->is_set)
        return arena_strdup(arena, "");
    return arena_printf(arena, "+%u:+%u", (unsigned)user->uid, (unsigned)user->gid);
}

gboolean service_domain_get_security_label(Call *call, const RemoteDomainGetSecurityLabelArgs *args,
                                           RemoteDomainGetSecurityLabelRet *ret, GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    if (!domain)
        return FALSE;
    service_fill_chars(&ret->label, &ret->label_count, label_of(domain, call_arena(call)),
                       call_arena(call));
    return TRUE;
}

gboolean service_domain_get_security_label_list(Call *call,
                                                const RemoteDomainGetSecurityLabelListArgs *args,
                                                RemoteDomainGetSecurityLabelListRet *ret,
                                                GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    if (!domain)
        return FALSE;
    if (!domain_is_active(domain))
        return TRUE;
    ret->labels = arena_new0(call_arena(call), WireDomainGetSecurityLabelRet, 1);
    ret->labels_count = 1;
    ret->ret = 1;
    service_fill_chars(&ret->labels[0].label, &ret->labels[0].label_count,
                       label_of(domain, call_arena(call)), call_arena(call));
    return TRUE;
}
