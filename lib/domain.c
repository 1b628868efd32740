/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Domains: handles, finding them, and what can be done with one. */
#include "base/number.h"
#include "connection.h"

FerryDomain *domain_new(FerryConnection *conn, const WireDomain *wire)
{
    FerryDomain *domain = g_new0(FerryDomain, 1);

    domain->conn = conn;
    domain->name = g_strdup(wire->name);
    domain->uuid = wire->uuid;
    domain->id = wire->id;
    uuid_format(&domain->uuid, domain->uuid_text);
    return domain;
}

WireDomain domain_wire(const FerryDomain *domain)
{
    return (WireDomain){.name = domain->name, .uuid = domain->uuid, .id = domain->id};
}

void ferry_domain_free(FerryDomain *domain)
{
    if (!domain)
        return;
    g_free(domain->name);
    g_free(domain);
}

void ferry_domains_free(FerryDomain **domains)
{
    for (FerryDomain **domain = domains; domain && *domain; domain++)
        ferry_domain_free(*domain);
    g_free(domains);
}

FerryConnection *ferry_domain_connection(const FerryDomain *domain)
{
    return domain->conn;
}

const char *ferry_domain_name(const FerryDomain *domain)
{
    return domain->name;
}

const char *ferry_domain_uuid(const FerryDomain *domain)
{
    return domain->uuid_text;
}

int ferry_domain_id(const FerryDomain *domain)
{
    return domain->id;
}

/* ---- finding ---- */

FerryDomain *ferry_domain_find_by_name(FerryConnection *conn, const char *name, FerryError **error)
{
    const RemoteDomainLookupByNameArgs args = {.name = (char *)name};
    g_autoptr(Arena) arena = arena_new();
    RemoteDomainLookupByNameRet ret = {0};

    return CALL(conn, DOMAIN_LOOKUP_BY_NAME, &args, arena, &ret, error) ? domain_new(conn, &ret.dom)
                                                                        : NULL;
}

FerryDomain *ferry_domain_find_by_uuid(FerryConnection *conn, const char *uuid, FerryError **error)
{
    g_autoptr(Arena) arena = arena_new();
    RemoteDomainLookupByUuidArgs args = {0};
    RemoteDomainLookupByUuidRet ret = {0};

    if (!uuid_parse(uuid, &args.uuid)) {
        error_set_from(error, FROM_DOM, ERROR_INVALID_ARG, "invalid argument: '%s' is no UUID",
                       uuid);
        return NULL;
    }
    return CALL(conn, DOMAIN_LOOKUP_BY_UUID, &args, arena, &ret, error) ? domain_new(conn, &ret.dom)
                                                                        : NULL;
}

FerryDomain *ferry_domain_find_by_id(FerryConnection *conn, int id, FerryError **error)
{
    const RemoteDomainLookupByIdArgs args = {.id = id};
    g_autoptr(Arena) arena = arena_new();
    RemoteDomainLookupByIdRet ret = {0};

    return CALL(conn, DOMAIN_LOOKUP_BY_ID, &args, arena, &ret, error) ? domain_new(conn, &ret.dom)
                                                                      : NULL;
}

/* A guest may be called "7": what is not found as a number is tried as a name. */
FerryDomain *ferry_domain_find(FerryConnection *conn, const char *text, FerryError **error)
{
    FerryDomain *domain = NULL;
    uint64_t id;
    Uuid uuid;

    if (number_parse_u64(text, INT32_MAX, &id))
        domain = ferry_domain_find_by_id(conn, (int)id, NULL);
    if (!domain && uuid_parse(text, &uuid))
        domain = ferry_domain_find_by_uuid(conn, text, NULL);
    return domain ? domain : ferry_domain_find_by_name(conn, text, error);
}

FerryDomain **ferry_domains_list(FerryConnection *conn, unsigned flags, FerryError **error)
{
    const RemoteConnectListAllDomainsArgs args = {.need_results = 1, .flags = flags};
    g_autoptr(Arena) arena = arena_new();
    RemoteConnectListAllDomainsRet ret = {0};
    FerryDomain **list;

    if (!CALL(conn, CONNECT_LIST_ALL_DOMAINS, &args, arena, &ret, error))
        return NULL;
    list = g_new0(FerryDomain *, ret.domains_count + 1);
    for (uint32_t i = 0; i < ret.domains_count; i++)
        list[i] = domain_new(conn, &ret.domains[i]);
    return list;
}

/* ---- making and ending ---- */

FerryDomain *ferry_domain_define(FerryConnection *conn, const char *xml, unsigned flags,
                                 FerryError **error)
{
    g_autoptr(Arena) arena = arena_new();
    RemoteDomainDefineXmlRet ret = {0};

    if (flags) {
        const RemoteDomainDefineXmlFlagsArgs args = {.xml = (char *)xml, .flags = flags};
        RemoteDomainDefineXmlFlagsRet flags_ret = {0};

        if (!CALL(conn, DOMAIN_DEFINE_XML_FLAGS, &args, arena, &flags_ret, error))
            return NULL;
        ret.dom = flags_ret.dom;
    } else {
        const RemoteDomainDefineXmlArgs args = {.xml = (char *)xml};

        if (!CALL(conn, DOMAIN_DEFINE_XML, &args, arena, &ret, error))
            return NULL;
    }
    return domain_new(conn, &ret.dom);
}

FerryDomain *ferry_domain_create(FerryConnection *conn, const char *xml, unsigned flags,
                                 FerryError **error)
{
    const RemoteDomainCreateXmlArgs args = {.xml_desc = (char *)xml, .flags = flags};
    g_autoptr(Arena) arena = arena_new();
    RemoteDomainCreateXmlRet ret = {0};

    return CALL(conn, DOMAIN_CREATE_XML, &args, arena, &ret, error) ? domain_new(conn, &ret.dom)
                                                                    : NULL;
}

bool ferry_domain_start(FerryDomain *domain, unsigned flags, FerryError **error)
{
    const RemoteDomainCreateWithFlagsArgs args = {.dom = domain_wire(domain), .flags = flags};
    g_autoptr(Arena) arena = arena_new();
    RemoteDomainCreateWithFlagsRet ret = {0};

    if (!CALL(domain->conn, DOMAIN_CREATE_WITH_FLAGS, &args, arena, &ret, error))
        return false;
    domain->id = ret.dom.id;
    return true;
}

bool ferry_domain_undefine(FerryDomain *domain, unsigned flags, FerryError **error)
{
    const RemoteDomainUndefineFlagsArgs args = {.dom = domain_wire(domain), .flags = flags};

    return CALL(domain->conn, DOMAIN_UNDEFINE_FLAGS, &args, NULL, NULL, error);
}

/* ---- while it runs ---- */

bool ferry_domain_suspend(FerryDomain *domain, FerryError **error)
{
    const RemoteDomainSuspendArgs args = {.dom = domain_wire(domain)};

    return CALL(domain->conn, DOMAIN_SUSPEND, &args, NULL, NULL, error);
}

bool ferry_domain_resume(FerryDomain *domain, FerryError **error)
{
    const RemoteDomainResumeArgs args = {.dom = domain_wire(domain)};

    return CALL(domain->conn, DOMAIN_RESUME, &args, NULL, NULL, error);
}

bool ferry_domain_shutdown(FerryDomain *domain, unsigned flags, FerryError **error)
{
    const RemoteDomainShutdownFlagsArgs with_flags = {.dom = domain_wire(domain), .flags = flags};
    const RemoteDomainShutdownArgs plain = {.dom = domain_wire(domain)};

    if (flags)
        return CALL(domain->conn, DOMAIN_SHUTDOWN_FLAGS, &with_flags, NULL, NULL, error);
    return CALL(domain->conn, DOMAIN_SHUTDOWN, &plain, NULL, NULL, error);
}

bool ferry_domain_reboot(FerryDomain *domain, unsigned flags, FerryError **error)
{
    const RemoteDomainRebootArgs args = {.dom = domain_wire(domain), .flags = flags};

    return CALL(domain->conn, DOMAIN_REBOOT, &args, NULL, NULL, error);
}

bool ferry_domain_reset(FerryDomain *domain, FerryError **error)
{
    const RemoteDomainResetArgs args = {.dom = domain_wire(domain)};

    return CALL(domain->conn, DOMAIN_RESET, &args, NULL, NULL, error);
}

bool ferry_domain_destroy(FerryDomain *domain, unsigned flags, FerryError **error)
{
    const RemoteDomainDestroyFlagsArgs with_flags = {.dom = domain_wire(domain), .flags = flags};
    const RemoteDomainDestroyArgs plain = {.dom = domain_wire(domain)};

    if (flags)
        return CALL(domain->conn, DOMAIN_DESTROY_FLAGS, &with_flags, NULL, NULL, error);
    return CALL(domain->conn, DOMAIN_DESTROY, &plain, NULL, NULL, error);
}

bool ferry_domain_set_autostart(FerryDomain *domain, bool is_on, FerryError **error)
{
    const RemoteDomainSetAutostartArgs args = {.dom = domain_wire(domain), .autostart = is_on};

    return CALL(domain->conn, DOMAIN_SET_AUTOSTART, &args, NULL, NULL, error);
}

char *ferry_domain_monitor_command(FerryDomain *domain, const char *command, unsigned flags,
                                   FerryError **error)
{
    const QemuDomainMonitorCommandArgs args = {
        .dom = domain_wire(domain), .cmd = (char *)command, .flags = flags};
    g_autoptr(Arena) arena = arena_new();
    QemuDomainMonitorCommandRet ret = {0};

    if (!connection_call(domain->conn, QEMU_PROGRAM, QEMU_DOMAIN_MONITOR_COMMAND, &args, arena,
                         &ret, error))
        return NULL;
    return g_strdup(ret.result);
}

bool ferry_domain_resolve_migration(FerryDomain *domain, const char *outcome, const char *confirm,
                                    FerryError **error)
{
    const FerryMigrationResolveArgs args = {
        .dom = domain_wire(domain), .outcome = (char *)outcome, .confirm = (char *)confirm};

    return connection_call(domain->conn, FERRY_PROGRAM, FERRY_MIGRATION_RESOLVE, &args, NULL, NULL,
                           error);
}
