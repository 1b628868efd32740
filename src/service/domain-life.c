/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls that change a guest's life. */
#include <string.h>

#include "domain/registry.h"
#include "service/calls.h"
#include "service/service.h"

enum {
    CREATE_KNOWN =
        CREATE_PAUSED | 1 << 2 /* bypass cache */ | 1 << 3 /* force boot */ | CREATE_VALIDATE,
    UNDEFINE_KNOWN =
        (1 << 7) -
        1, /* managed save, snapshots, nvram, checkpoints, tpm: there are none to remove */
    SHUTDOWN_KNOWN = (1 << 5) - 1,
};

/* Agent, initctl, signal and paravirt are ways that this host has not. */
static gboolean check_power_mode(unsigned flags, const char *function, GError **error)
{
    if (!service_check_flags(flags, SHUTDOWN_KNOWN, function, error))
        return FALSE;
    if (flags && !(flags & SHUTDOWN_ACPI))
        return error_set(error, ERROR_ARGUMENT_UNSUPPORTED,
                         "argument unsupported: only the mode 'acpi' is supported here");
    return TRUE;
}

static gboolean check_create_flags(unsigned flags, const char *function, GError **error)
{
    if (flags & CREATE_AUTODESTROY)
        return error_set(
            error, ERROR_ARGUMENT_UNSUPPORTED,
            "argument unsupported: a guest that is destroyed with its client's connection "
            "(--autodestroy) is not supported");
    return service_check_flags(flags, CREATE_KNOWN, function, error);
}

AWAITS gboolean service_domain_define_xml(Call *call, const RemoteDomainDefineXmlArgs *args,
                                          RemoteDomainDefineXmlRet *ret, GError **error)
{
    g_autoptr(Domain) domain = domain_define(args->xml, strlen(args->xml), 0, error);

    if (!domain)
        return FALSE;
    service_fill(&ret->dom, domain, call_arena(call));
    return TRUE;
}

AWAITS gboolean service_domain_define_xml_flags(Call *call,
                                                const RemoteDomainDefineXmlFlagsArgs *args,
                                                RemoteDomainDefineXmlFlagsRet *ret, GError **error)
{
    if (!service_check_flags(args->flags, DEFINE_VALIDATE, "domain_define_xml_flags", error))
        return FALSE;
    g_autoptr(Domain) domain = domain_define(args->xml, strlen(args->xml), args->flags, error);
    if (!domain)
        return FALSE;
    service_fill(&ret->dom, domain, call_arena(call));
    return TRUE;
}

AWAITS gboolean service_domain_undefine(Call *call, const RemoteDomainUndefineArgs *args, void *ret,
                                        GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    return domain && domain_undefine(domain, 0, error);
}

AWAITS gboolean service_domain_undefine_flags(Call *call, const RemoteDomainUndefineFlagsArgs *args,
                                              void *ret, GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    return domain &&
           service_check_flags(args->flags, UNDEFINE_KNOWN, "domain_undefine_flags", error) &&
           domain_undefine(domain, args->flags, error);
}

AWAITS gboolean service_domain_create_xml(Call *call, const RemoteDomainCreateXmlArgs *args,
                                          RemoteDomainCreateXmlRet *ret, GError **error)
{
    if (!check_create_flags(args->flags, "domain_create_xml", error))
        return FALSE;
    g_autoptr(Domain) domain =
        domain_create_xml(args->xml_desc, strlen(args->xml_desc), args->flags, error);
    if (!domain)
        return FALSE;
    service_fill(&ret->dom, domain, call_arena(call));
    return TRUE;
}

AWAITS gboolean service_domain_create(Call *call, const RemoteDomainCreateArgs *args, void *ret,
                                      GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    return domain && domain_start(domain, 0, error);
}

AWAITS gboolean service_domain_create_with_flags(Call *call,
                                                 const RemoteDomainCreateWithFlagsArgs *args,
                                                 RemoteDomainCreateWithFlagsRet *ret,
                                                 GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    if (!domain || !check_create_flags(args->flags, "domain_create_with_flags", error) ||
        !domain_start(domain, args->flags, error))
        return FALSE;
    service_fill(&ret->dom, domain, call_arena(call));
    return TRUE;
}

AWAITS gboolean service_domain_suspend(Call *call, const RemoteDomainSuspendArgs *args, void *ret,
                                       GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    return domain && domain_suspend(domain, error);
}

AWAITS gboolean service_domain_resume(Call *call, const RemoteDomainResumeArgs *args, void *ret,
                                      GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    return domain && domain_resume(domain, error);
}

AWAITS gboolean service_domain_shutdown(Call *call, const RemoteDomainShutdownArgs *args, void *ret,
                                        GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    return domain && domain_shutdown(domain, 0, error);
}

AWAITS gboolean service_domain_shutdown_flags(Call *call, const RemoteDomainShutdownFlagsArgs *args,
                                              void *ret, GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    return domain && check_power_mode(args->flags, "domain_shutdown_flags", error) &&
           domain_shutdown(domain, args->flags, error);
}

AWAITS gboolean service_domain_reboot(Call *call, const RemoteDomainRebootArgs *args, void *ret,
                                      GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    return domain && check_power_mode(args->flags, "domain_reboot", error) &&
           domain_reboot(domain, args->flags, error);
}

AWAITS gboolean service_domain_reset(Call *call, const RemoteDomainResetArgs *args, void *ret,
                                     GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    return domain && service_check_flags(args->flags, 0, "domain_reset", error) &&
           domain_reset(domain, error);
}

AWAITS gboolean service_domain_destroy(Call *call, const RemoteDomainDestroyArgs *args, void *ret,
                                       GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    return domain && domain_destroy(domain, 0, error);
}

AWAITS gboolean service_domain_destroy_flags(Call *call, const RemoteDomainDestroyFlagsArgs *args,
                                             void *ret, GError **error)
{
    enum { KNOWN = DESTROY_GRACEFUL | 1 << 1 /* remove logs */ };
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    return domain && service_check_flags(args->flags, KNOWN, "domain_destroy_flags", error) &&
           domain_destroy(domain, args->flags, error);
}

AWAITS gboolean service_domain_set_autostart(Call *call, const RemoteDomainSetAutostartArgs *args,
                                             void *ret, GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    return domain && domain_set_autostart(domain, args->autostart != 0, error);
}
