/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a domain tells about itself. */

#include "base/enum.h"
#include "connection.h"
#include "wire/params.h"

#define METADATA_TITLE 1

char *ferry_domain_xml(FerryDomain *domain, unsigned flags, FerryError **error)
{
    const RemoteDomainGetXmlDescArgs args = {.dom = domain_wire(domain), .flags = flags};
    g_autoptr(Arena) arena = arena_new();
    RemoteDomainGetXmlDescRet ret = {0};

    return CALL(domain->conn, DOMAIN_GET_XML_DESC, &args, arena, &ret, error) ? g_strdup(ret.xml)
                                                                              : NULL;
}

char *ferry_domain_os_type(FerryDomain *domain, FerryError **error)
{
    const RemoteDomainGetOsTypeArgs args = {.dom = domain_wire(domain)};
    g_autoptr(Arena) arena = arena_new();
    RemoteDomainGetOsTypeRet ret = {0};

    return CALL(domain->conn, DOMAIN_GET_OS_TYPE, &args, arena, &ret, error) ? g_strdup(ret.type)
                                                                             : NULL;
}

char *ferry_domain_title(FerryDomain *domain, FerryError **error)
{
    const RemoteDomainGetMetadataArgs args = {.dom = domain_wire(domain), .type = METADATA_TITLE};
    g_autoptr(Arena) arena = arena_new();
    g_autoptr(GError) cause = NULL;
    RemoteDomainGetMetadataRet ret = {0};

    if (CALL(domain->conn, DOMAIN_GET_METADATA, &args, arena, &ret, &cause))
        return g_strdup(ret.metadata);
    if (!error_is(cause, ERROR_NO_DOMAIN_METADATA))
        g_propagate_error(error, g_steal_pointer(&cause));
    return NULL;
}

bool ferry_domain_get_autostart(FerryDomain *domain, bool *ret_is_on, FerryError **error)
{
    const RemoteDomainGetAutostartArgs args = {.dom = domain_wire(domain)};
    g_autoptr(Arena) arena = arena_new();
    RemoteDomainGetAutostartRet ret = {0};

    if (!CALL(domain->conn, DOMAIN_GET_AUTOSTART, &args, arena, &ret, error))
        return false;
    *ret_is_on = ret.autostart != 0;
    return true;
}

bool ferry_domain_is_active(FerryDomain *domain, bool *ret_is_active, FerryError **error)
{
    const RemoteDomainIsActiveArgs args = {.dom = domain_wire(domain)};
    g_autoptr(Arena) arena = arena_new();
    RemoteDomainIsActiveRet ret = {0};

    if (!CALL(domain->conn, DOMAIN_IS_ACTIVE, &args, arena, &ret, error))
        return false;
    *ret_is_active = ret.active != 0;
    return true;
}

bool ferry_domain_is_persistent(FerryDomain *domain, bool *ret_is_persistent, FerryError **error)
{
    const RemoteDomainIsPersistentArgs args = {.dom = domain_wire(domain)};
    g_autoptr(Arena) arena = arena_new();
    RemoteDomainIsPersistentRet ret = {0};

    if (!CALL(domain->conn, DOMAIN_IS_PERSISTENT, &args, arena, &ret, error))
        return false;
    *ret_is_persistent = ret.persistent != 0;
    return true;
}

bool ferry_domain_has_managed_save(FerryDomain *domain, bool *ret_has, FerryError **error)
{
    const RemoteDomainHasManagedSaveImageArgs args = {.dom = domain_wire(domain)};
    g_autoptr(Arena) arena = arena_new();
    RemoteDomainHasManagedSaveImageRet ret = {0};

    if (!CALL(domain->conn, DOMAIN_HAS_MANAGED_SAVE_IMAGE, &args, arena, &ret, error))
        return false;
    *ret_has = ret.result != 0;
    return true;
}

bool ferry_domain_security_label(FerryDomain *domain, char **ret_label, bool *ret_is_enforcing,
                                 FerryError **error)
{
    const RemoteDomainGetSecurityLabelArgs args = {.dom = domain_wire(domain)};
    g_autoptr(Arena) arena = arena_new();
    RemoteDomainGetSecurityLabelRet ret = {0};

    if (!CALL(domain->conn, DOMAIN_GET_SECURITY_LABEL, &args, arena, &ret, error))
        return false;
    *ret_label = g_strndup(ret.label ?: "", ret.label_count);
    *ret_is_enforcing = ret.enforcing != 0;
    return true;
}

char **ferry_domain_messages(FerryDomain *domain, FerryError **error)
{
    const RemoteDomainGetMessagesArgs args = {.dom = domain_wire(domain)};
    g_autoptr(Arena) arena = arena_new();
    RemoteDomainGetMessagesRet ret = {0};
    char **list;

    if (!CALL(domain->conn, DOMAIN_GET_MESSAGES, &args, arena, &ret, error))
        return NULL;
    list = g_new0(char *, ret.msgs_count + 1);
    for (uint32_t i = 0; i < ret.msgs_count; i++)
        list[i] = g_strdup(ret.msgs[i]);
    return list;
}

/* ---- state ---- */

bool ferry_domain_state(FerryDomain *domain, FerryState *ret_state, int *ret_reason,
                        FerryError **error)
{
    const RemoteDomainGetStateArgs args = {.dom = domain_wire(domain)};
    g_autoptr(Arena) arena = arena_new();
    RemoteDomainGetStateRet ret = {0};

    if (!CALL(domain->conn, DOMAIN_GET_STATE, &args, arena, &ret, error))
        return false;
    *ret_state = (FerryState)ret.state;
    if (ret_reason)
        *ret_reason = ret.reason;
    return true;
}

bool ferry_domain_info(FerryDomain *domain, FerryDomainInfo *ret_info, FerryError **error)
{
    const RemoteDomainGetInfoArgs args = {.dom = domain_wire(domain)};
    g_autoptr(Arena) arena = arena_new();
    RemoteDomainGetInfoRet ret = {0};

    if (!CALL(domain->conn, DOMAIN_GET_INFO, &args, arena, &ret, error))
        return false;
    *ret_info = (FerryDomainInfo){.state = (FerryState)ret.state,
                                  .max_memory_kib = ret.max_mem,
                                  .memory_kib = ret.memory,
                                  .vcpus = ret.nr_virt_cpu,
                                  .cpu_time_ns = ret.cpu_time};
    return true;
}

static const EnumName state_texts[] = {
    {"no state", FERRY_STATE_NONE},
    {"running", FERRY_STATE_RUNNING},
    {"idle", FERRY_STATE_BLOCKED},
    {"paused", FERRY_STATE_PAUSED},
    {"in shutdown", FERRY_STATE_SHUTDOWN},
    {"shut off", FERRY_STATE_SHUTOFF},
    {"crashed", FERRY_STATE_CRASHED},
    {"pmsuspended", FERRY_STATE_PMSUSPENDED},
    {NULL},
};

static const EnumName running_texts[] = {
    {"unknown", 0},
    {"booted", 1},
    {"migrated", 2},
    {"restored", 3},
    {"from snapshot", 4},
    {"unpaused", 5},
    {"migration canceled", 6},
    {"save canceled", 7},
    {"event wakeup", 8},
    {"crashed", 9},
    {"post-copy", 10},
    {"post-copy failed", 11},
    {NULL},
};

static const EnumName paused_texts[] = {
    {"unknown", 0},
    {"user", 1},
    {"migrating", 2},
    {"saving", 3},
    {"dumping", 4},
    {"I/O error", 5},
    {"watchdog", 6},
    {"from snapshot", 7},
    {"shutting down", 8},
    {"creating snapshot", 9},
    {"crashed", 10},
    {"starting up", 11},
    {"post-copy", 12},
    {"post-copy failed", 13},
    {NULL},
};

static const EnumName shutdown_texts[] = {{"unknown", 0}, {"user", 1}, {NULL}};

static const EnumName shutoff_texts[] = {
    {"unknown", 0}, {"shutdown", 1}, {"destroyed", 2},     {"crashed", 3}, {"migrated", 4},
    {"saved", 5},   {"failed", 6},   {"from snapshot", 7}, {"daemon", 8},  {NULL},
};

static const EnumName crashed_texts[] = {{"unknown", 0}, {"panicked", 1}, {NULL}};
static const EnumName other_texts[] = {{"unknown", 0}, {NULL}};

static const EnumName *const reason_texts[] = {
    [FERRY_STATE_NONE] = other_texts,        [FERRY_STATE_RUNNING] = running_texts,
    [FERRY_STATE_BLOCKED] = other_texts,     [FERRY_STATE_PAUSED] = paused_texts,
    [FERRY_STATE_SHUTDOWN] = shutdown_texts, [FERRY_STATE_SHUTOFF] = shutoff_texts,
    [FERRY_STATE_CRASHED] = crashed_texts,   [FERRY_STATE_PMSUSPENDED] = other_texts,
};

const char *ferry_state_text(FerryState state)
{
    return enum_name(state_texts, (int)state) ?: "no state";
}

const char *ferry_state_reason_text(FerryState state, int reason)
{
    if ((unsigned)state >= G_N_ELEMENTS(reason_texts))
        return "unknown";
    return enum_name(reason_texts[state], reason) ?: "unknown";
}

/* ---- statistics ---- */

static FerryStatsRecord *stats_take(FerryConnection *conn,
                                    const RemoteConnectGetAllDomainStatsRet *ret, GError **error)
{
    FerryStatsRecord *records = g_new0(FerryStatsRecord, ret->ret_stats_count + 1);

    for (uint32_t i = 0; i < ret->ret_stats_count; i++) {
        const WireDomainStatsRecord *record = &ret->ret_stats[i];
        Params *list = wire_params_decode(record->params, record->params_count, error);

        if (!list) {
            ferry_stats_free(records);
            return NULL;
        }
        records[i].domain = domain_new(conn, &record->dom);
        records[i].params = ferry_params_take(list);
    }
    return records;
}

FerryStatsRecord *ferry_domains_stats(FerryConnection *conn, FerryDomain *const *domains,
                                      unsigned groups, unsigned flags, FerryError **error)
{
    RemoteConnectGetAllDomainStatsArgs args = {.stats = groups, .flags = flags};
    g_autoptr(Arena) arena = arena_new();
    RemoteConnectGetAllDomainStatsRet ret = {0};
    uint32_t count = 0;

    while (domains && domains[count])
        count++;
    args.doms = arena_new0(arena, WireDomain, MAX(count, 1));
    args.doms_count = count;
    for (uint32_t i = 0; i < count; i++)
        args.doms[i] = domain_wire(domains[i]);
    if (!CALL(conn, CONNECT_GET_ALL_DOMAIN_STATS, &args, arena, &ret, error))
        return NULL;
    return stats_take(conn, &ret, error);
}

void ferry_stats_free(FerryStatsRecord *records)
{
    for (FerryStatsRecord *record = records; record && record->domain; record++) {
        ferry_domain_free(record->domain);
        ferry_params_free(record->params);
    }
    g_free(records);
}

/* ---- jobs ---- */

bool ferry_domain_job_stats(FerryDomain *domain, unsigned flags, FerryJobType *ret_type,
                            FerryParams **ret_params, FerryError **error)
{
    const RemoteDomainGetJobStatsArgs args = {.dom = domain_wire(domain), .flags = flags};
    g_autoptr(Arena) arena = arena_new();
    RemoteDomainGetJobStatsRet ret = {0};
    Params *list;

    if (!CALL(domain->conn, DOMAIN_GET_JOB_STATS, &args, arena, &ret, error))
        return false;
    list = wire_params_decode(ret.params, ret.params_count, error);
    if (!list)
        return false;
    *ret_type = (FerryJobType)ret.type;
    *ret_params = ferry_params_take(list);
    return true;
}

bool ferry_domain_abort_job(FerryDomain *domain, unsigned flags, FerryError **error)
{
    const RemoteDomainAbortJobFlagsArgs with_flags = {.dom = domain_wire(domain), .flags = flags};
    const RemoteDomainAbortJobArgs plain = {.dom = domain_wire(domain)};

    if (flags)
        return CALL(domain->conn, DOMAIN_ABORT_JOB_FLAGS, &with_flags, NULL, NULL, error);
    return CALL(domain->conn, DOMAIN_ABORT_JOB, &plain, NULL, NULL, error);
}

bool ferry_domain_start_postcopy(FerryDomain *domain, unsigned flags, FerryError **error)
{
    const RemoteDomainMigrateStartPostCopyArgs args = {.dom = domain_wire(domain), .flags = flags};

    return CALL(domain->conn, DOMAIN_MIGRATE_START_POST_COPY, &args, NULL, NULL, error);
}

bool ferry_domain_set_migrate_speed(FerryDomain *domain, uint64_t mib_per_s, bool is_postcopy,
                                    FerryError **error)
{
    const RemoteDomainMigrateSetMaxSpeedArgs args = {
        .dom = domain_wire(domain), .bandwidth = mib_per_s, .flags = is_postcopy};

    return CALL(domain->conn, DOMAIN_MIGRATE_SET_MAX_SPEED, &args, NULL, NULL, error);
}

bool ferry_domain_get_migrate_speed(FerryDomain *domain, bool is_postcopy, uint64_t *ret_mib_per_s,
                                    FerryError **error)
{
    const RemoteDomainMigrateGetMaxSpeedArgs args = {.dom = domain_wire(domain),
                                                     .flags = is_postcopy};
    g_autoptr(Arena) arena = arena_new();
    RemoteDomainMigrateGetMaxSpeedRet ret = {0};

    if (!CALL(domain->conn, DOMAIN_MIGRATE_GET_MAX_SPEED, &args, arena, &ret, error))
        return false;
    *ret_mib_per_s = ret.bandwidth;
    return true;
}
