/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls about the connection itself: opening, closing, who we are, what we can. */
#include <string.h>

#include "host/kvm.h"
#include "host/node.h"
#include "qemu/probe.h"
#include "service/calls.h"
#include "service/service.h"

#define LIB_VERSION 9000000 /* the level of the interface that is served */

static const char *own_uri(void)
{
    return service_settings()->is_session ? "qemu:///session" : "qemu:///system";
}

/* "" lets us choose; else it must be ours.  Parameters that a client did not use travel behind '?'.
 */
static gboolean check_name(const char *name, GError **error)
{
    if (!name)
        return error_set_from(error, FROM_RPC, ERROR_INTERNAL_ERROR,
                              "internal error: the connection URI is missing");
    if (!*name)
        return TRUE;
    g_autofree char *bare = g_strndup(name, strcspn(name, "?#"));
    if (g_str_equal(bare, own_uri()) ||
        (!service_settings()->is_session && g_str_equal(bare, "qemu:///session")))
        return TRUE;
    if (g_str_has_prefix(bare, "qemu:"))
        return error_set(error, ERROR_INTERNAL_ERROR,
                         "internal error: unexpected QEMU URI path '%s', try %s",
                         bare + strlen("qemu:"), own_uri());
    return error_set_from(error, FROM_NONE, ERROR_NO_CONNECT,
                          "no connection driver available for %.255s: this daemon serves %s", name,
                          own_uri());
}

gboolean service_connect_open(Call *call, const RemoteConnectOpenArgs *args, void *ret,
                              GError **error)
{
    enum { READONLY = 1 << 0 };

    if (!check_name(args->name, error))
        return FALSE;
    if (args->flags & READONLY)
        caller_set_readonly(call_caller(call));
    return TRUE;
}

gboolean service_connect_get_type(Call *call, const void *args, RemoteConnectGetTypeRet *ret,
                                  GError **error)
{
    ret->type = arena_strdup(call_arena(call), "QEMU");
    return TRUE;
}

AWAITS gboolean service_connect_get_version(Call *call, const void *args,
                                            RemoteConnectGetVersionRet *ret, GError **error)
{
    const QemuEnv *env = service_settings()->qemu;
    g_autofree char *emulator = probe_default_emulator(env, service_settings()->node->arch, error);
    const Probe *probe = emulator ? probe_get(env->probes, emulator, error) : NULL;

    if (!probe)
        return FALSE;
    ret->hv_ver = probe->version;
    return TRUE;
}

gboolean service_connect_get_lib_version(Call *call, const void *args,
                                         RemoteConnectGetLibVersionRet *ret, GError **error)
{
    ret->lib_ver = LIB_VERSION;
    return TRUE;
}

gboolean service_connect_get_hostname(Call *call, const void *args,
                                      RemoteConnectGetHostnameRet *ret, GError **error)
{
    g_autofree char *name = node_hostname();

    ret->hostname = arena_strdup(call_arena(call), name);
    return TRUE;
}

gboolean service_connect_get_uri(Call *call, const void *args, RemoteConnectGetUriRet *ret,
                                 GError **error)
{
    ret->uri = arena_strdup(call_arena(call), own_uri());
    return TRUE;
}

gboolean service_connect_is_secure(Call *call, const void *args, RemoteConnectIsSecureRet *ret,
                                   GError **error)
{
    ret->secure = 1; /* the way from here to QEMU; clients add what they know of their own way */
    return TRUE;
}

AWAITS gboolean service_connect_get_max_vcpus(Call *call, const RemoteConnectGetMaxVcpusArgs *args,
                                              RemoteConnectGetMaxVcpusRet *ret, GError **error)
{
    enum { MAX_TCG = 16, MAX_KVM = 288 };
    const char *type = args->type ? args->type : "qemu";

    if (g_ascii_strcasecmp(type, "qemu") == 0)
        ret->max_vcpus = MAX_TCG;
    else if (g_ascii_strcasecmp(type, "kvm") == 0 && kvm_works(NULL))
        ret->max_vcpus = MAX_KVM;
    else
        return error_set(error, ERROR_INVALID_ARG, "invalid argument: unknown type '%s'", type);
    return TRUE;
}

/* --- features --- */

enum {
    FEATURE_MIGRATION_P2P = 4,
    FEATURE_MIGRATION_V3 = 6,
    FEATURE_CHANGE_PROTECTION = 7,
    FEATURE_PARAM_STRINGS = 9,
    FEATURE_KEEPALIVE = 10,
    FEATURE_XML_MIGRATABLE = 11,
    FEATURE_MIGRATION_OFFLINE = 12,
    FEATURE_MIGRATION_PARAMS = 13,
    FEATURE_EVENT_CALLBACKS = 14,
    FEATURE_CLOSE_CALLBACK = 15,
    FEATURE_NETWORK_UPDATE_ORDER = 16,
    FEATURE_FERRY = 0x46657272, /* our own: it is a ferryd */
};

/* Version 2 of the migration protocol (3) is answered 1 as stock does; nobody falls back to it
 * while 6 is there. Descriptors (8) are not served. */
static const int features[] = {
    3,
    FEATURE_MIGRATION_P2P,
    FEATURE_MIGRATION_V3,
    FEATURE_CHANGE_PROTECTION,
    FEATURE_PARAM_STRINGS,
    FEATURE_KEEPALIVE,
    FEATURE_XML_MIGRATABLE,
    FEATURE_MIGRATION_OFFLINE,
    FEATURE_MIGRATION_PARAMS,
    FEATURE_EVENT_CALLBACKS,
    FEATURE_CLOSE_CALLBACK,
    FEATURE_NETWORK_UPDATE_ORDER,
    FEATURE_FERRY,
};

gboolean service_connect_supports_feature(Call *call, const RemoteConnectSupportsFeatureArgs *args,
                                          RemoteConnectSupportsFeatureRet *ret, GError **error)
{
    ret->supported = 0;
    for (unsigned i = 0; i < G_N_ELEMENTS(features); i++)
        if (features[i] == args->feature)
            ret->supported = 1;
    if (args->feature == FEATURE_KEEPALIVE)
        caller_start_keepalive(call_caller(call));
    return TRUE;
}
