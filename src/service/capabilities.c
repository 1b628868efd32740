/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What this host can do for guests: the two documents, and the processor models. */
#include "qemu/capabilities.h"

#include "host/kvm.h"
#include "qemu/probe.h"
#include "service/calls.h"
#include "service/service.h"

typedef struct {
    CapabilitiesFacts facts;
    GPtrArray *probes;
} Gathered;

static void gathered_clear(Gathered *gathered)
{
    g_clear_pointer(&gathered->probes, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Gathered, gathered_clear)

/* Every emulator that answers; one that does not is no reason to refuse the rest. */
static AWAITS void gather(Gathered *gathered)
{
    const ServiceSettings *settings = service_settings();
    g_auto(GStrv) emulators = probe_list_emulators(settings->qemu);

    gathered->probes = g_ptr_array_new();
    for (char **path = emulators; path && *path; path++) {
        g_autoptr(GError) error = NULL;
        const Probe *probe = probe_get(settings->qemu->probes, *path, &error);

        if (probe)
            g_ptr_array_add(gathered->probes, (gpointer)probe);
    }
    gathered->facts = (CapabilitiesFacts){.node = settings->node,
                                          .host_uuid = &settings->host_uuid,
                                          .user = &settings->qemu->user,
                                          .has_kvm = kvm_works(NULL),
                                          .probes = (const Probe *const *)gathered->probes->pdata,
                                          .probe_count = gathered->probes->len};
}

AWAITS gboolean service_connect_get_capabilities(Call *call, const void *args,
                                                 RemoteConnectGetCapabilitiesRet *ret,
                                                 GError **error)
{
    g_auto(Gathered) gathered = {0};

    gather(&gathered);
    g_autofree char *xml = capabilities_format(&gathered.facts);
    ret->capabilities = arena_strdup(call_arena(call), xml);
    return TRUE;
}

AWAITS gboolean service_connect_get_domain_capabilities(
    Call *call, const RemoteConnectGetDomainCapabilitiesArgs *args,
    RemoteConnectGetDomainCapabilitiesRet *ret, GError **error)
{
    g_auto(Gathered) gathered = {0};

    if (!service_check_flags(args->flags, 0, "connect_get_domain_capabilities", error))
        return FALSE;
    gather(&gathered);
    g_autofree char *xml = domain_capabilities_format(
        &gathered.facts, args->emulatorbin, args->arch, args->machine, args->virttype, error);
    if (!xml)
        return FALSE;
    ret->capabilities = arena_strdup(call_arena(call), xml);
    return TRUE;
}

AWAITS gboolean service_connect_get_cpu_model_names(Call *call,
                                                    const RemoteConnectGetCpuModelNamesArgs *args,
                                                    RemoteConnectGetCpuModelNamesRet *ret,
                                                    GError **error)
{
    const QemuEnv *env = service_settings()->qemu;
    g_autofree char *emulator = probe_default_emulator(env, args->arch, error);
    const Probe *probe = emulator ? probe_get(env->probes, emulator, error) : NULL;

    if (!probe)
        return FALSE;
    ret->models =
        arena_new0(call_arena(call), char *, MIN(probe->cpu_count, WIRE_CONNECT_CPU_MODELS_MAX));
    for (unsigned i = 0; i < probe->cpu_count && ret->ret < WIRE_CONNECT_CPU_MODELS_MAX; i++) {
        if (!probe->cpus[i].is_variant)
            ret->models[ret->ret++] = arena_strdup(call_arena(call), probe->cpus[i].name);
    }
    ret->models_count = args->need_results ? (unsigned)ret->ret : 0;
    return TRUE;
}
