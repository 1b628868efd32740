/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connections: opening one by its URI, logging in, and what can be asked of a host. */
#include "connection.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define DEFAULT_URI "qemu:///system"
/* Where a firewall drops, the kernel itself would wait for more than two minutes. */
#define CONNECT_TIMEOUT_MS 4000
/* A command (ssh) may ask its user for a password, so it has no limit of ours. */
#define LOGIN_TIMEOUT_MS     20000
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_COUNT      6

/* ---- links ---- */

static gboolean wait_connected(Link *link, const char *name, GError **error)
{
    struct pollfd entry = {.fd = link->fd, .events = POLLOUT};
    int64_t deadline_ms = clock_now_ms() + CONNECT_TIMEOUT_MS;

    while (clock_now_ms() < deadline_ms)
        if (poll(&entry, 1, (int)(deadline_ms - clock_now_ms())) > 0)
            return link_connect_result(link, name, error);
    return error_set_from(error, FROM_RPC, ERROR_SYSTEM_ERROR,
                          "unable to connect to server at '%s': no answer within %d s", name,
                          CONNECT_TIMEOUT_MS / 1000);
}

/* Every address of the name in turn; the error is that of the last. */
static Link *link_open_tcp(const Uri *uri, GError **error)
{
    g_autofree char *name = uri_format_host_port(uri->host, uri->port);
    g_autoptr(GError) last = NULL;
    g_autofree LinkAddress *addresses = NULL;
    size_t count = 0;

    addresses = link_resolve(uri->host, uri->port, &count, error);
    if (!addresses)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        g_autoptr(Link) link = NULL;

        g_clear_error(&last);
        link = link_connect_tcp(&addresses[i], &last);
        if (link && wait_connected(link, name, &last))
            return g_steal_pointer(&link);
    }
    g_propagate_error(error, g_steal_pointer(&last));
    return NULL;
}

static Link *link_open_unix(const Uri *uri, gboolean is_readonly, GError **error)
{
    g_autofree char *fallback = g_build_filename(g_get_user_cache_dir(), NULL);
    const char *runtime = g_getenv("XDG_RUNTIME_DIR") ?: fallback;
    g_auto(GStrv) paths = uri_unix_sockets(uri, is_readonly, geteuid() == 0 ? NULL : runtime);
    g_autofree char *tried = g_strjoinv(", ", paths);

    for (char **path = paths; *path; path++)
        if (access(*path, F_OK) == 0)
            return link_connect_unix(*path, error);
    error_set_from(error, FROM_RPC, ERROR_SYSTEM_ERROR,
                   "no daemon listens on this host for '%s' (none of these is there: %s); start "
                   "ferryd, or name a host: qemu+ssh://HOST%s",
                   uri->text, tried, uri->path);
    return NULL;
}

static Link *link_open_command(const Uri *uri, gboolean is_readonly, GError **error)
{
    g_auto(GStrv) argv = uri_command_argv(uri, is_readonly, error);

    return argv ? link_spawn_command((const char *const *)argv, error) : NULL;
}

static Link *link_open(const Uri *uri, gboolean is_readonly, GError **error)
{
    switch (uri->transport) {
    case URI_TRANSPORT_UNIX:
        return link_open_unix(uri, is_readonly, error);
    case URI_TRANSPORT_TCP:
        return link_open_tcp(uri, error);
    case URI_TRANSPORT_SSH:
    case URI_TRANSPORT_EXT:
        return link_open_command(uri, is_readonly, error);
    case URI_TRANSPORT_TLS:
        break;
    }
    error_set(error, ERROR_NO_SUPPORT,
              "connections over TLS are not served yet; use %s+ssh://%s%s, or %s+tcp:// where the "
              "network is trusted",
              uri->driver, uri->host ?: "HOST", uri->path, uri->driver);
    return NULL;
}

/* ---- logging in ---- */

/* The order in which stock clients ask. */
static gboolean authenticate(FerryConnection *conn, GError **error)
{
    g_autoptr(Arena) arena = arena_new();
    g_autoptr(GError) unknown = NULL;
    RemoteAuthListRet list = {0};
    RemoteAuthPolkitRet polkit = {0};

    if (!CALL(conn, AUTH_LIST, NULL, arena, &list, &unknown)) {
        if (error_is(unknown, ERROR_NO_SUPPORT))
            return TRUE; /* so old that it asks for nothing */
        g_propagate_error(error, g_steal_pointer(&unknown));
        return FALSE;
    }
    for (uint32_t i = 0; i < list.types_count; i++) {
        if (list.types[i] == WIRE_AUTH_TYPE_NONE)
            return TRUE;
        if (list.types[i] == WIRE_AUTH_TYPE_POLKIT)
            return CALL(conn, AUTH_POLKIT, NULL, arena, &polkit, error);
    }
    if (list.types_count == 0)
        return TRUE;
    return error_set_from(
        error, FROM_RPC, ERROR_AUTH_FAILED,
        "authentication failed: the daemon at '%s' asks for SASL, which is not served yet; use ssh",
        conn->uri_text);
}

static gboolean log_in(FerryConnection *conn, gboolean is_readonly, GError **error)
{
    const RemoteConnectOpenArgs args = {.name = conn->uri->open_name, .flags = is_readonly};

    if (conn->link->kind != LINK_KIND_COMMAND)
        conn->login_deadline_ms = clock_now_ms() + LOGIN_TIMEOUT_MS;
    if (!authenticate(conn, error))
        return FALSE;
    if (ferry_connection_has_feature(conn, FEATURE_KEEPALIVE))
        rpc_connection_start_keepalive(conn->rpc, KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT,
                                       clock_now_ms());
    if (!CALL(conn, CONNECT_OPEN, &args, NULL, NULL, error))
        return FALSE;
    conn->login_deadline_ms = INT64_MAX;
    return TRUE;
}

FerryConnection *ferry_connection_open(const char *uri, unsigned flags, FerryError **error)
{
    static const RpcHandlers handlers = {.on_event = connection_on_event};
    FerryConnection *conn = g_new0(FerryConnection, 1);

    if (!uri || !*uri)
        uri = g_getenv("FERRY_URI");
    if (!uri || !*uri)
        uri = g_getenv("LIBVIRT_DEFAULT_URI");
    if (!uri || !*uri)
        uri = DEFAULT_URI;
    conn->uri_text = g_strdup(uri);
    conn->login_deadline_ms = INT64_MAX;
    conn->watches = g_ptr_array_new_with_free_func(watch_free);
    conn->uri = uri_parse(uri, error);
    conn->link = conn->uri ? link_open(conn->uri, (flags & FERRY_OPEN_READONLY) != 0, error) : NULL;
    if (conn->link)
        conn->rpc = rpc_connection_new(RPC_CLIENT, &handlers, conn);
    if (!conn->rpc || !log_in(conn, (flags & FERRY_OPEN_READONLY) != 0, error)) {
        ferry_connection_close(conn);
        return NULL;
    }
    return conn;
}

void ferry_connection_close(FerryConnection *conn)
{
    if (!conn)
        return;
    if (conn->rpc)
        connection_flush(conn);
    rpc_connection_free(conn->rpc);
    link_free(conn->link);
    uri_free(conn->uri);
    g_clear_pointer(&conn->watches, g_ptr_array_unref);
    g_clear_error(&conn->lost);
    g_free(conn->uri_text);
    g_free(conn);
}

bool ferry_connection_is_alive(const FerryConnection *conn)
{
    return !conn->lost;
}

const char *ferry_connection_uri(FerryConnection *conn)
{
    return conn->uri_text;
}

bool ferry_connection_has_feature(FerryConnection *conn, int feature)
{
    const RemoteConnectSupportsFeatureArgs args = {.feature = feature};
    g_autoptr(Arena) arena = arena_new();
    RemoteConnectSupportsFeatureRet ret = {0};
    uint64_t bit = feature >= 0 && feature < 64 ? UINT64_C(1) << feature : 0;

    if (conn->features_asked & bit)
        return (conn->features_had & bit) != 0;
    if (!CALL(conn, CONNECT_SUPPORTS_FEATURE, &args, arena, &ret, NULL))
        return false;
    conn->features_asked |= bit;
    conn->features_had |= ret.supported ? bit : 0;
    return ret.supported != 0;
}

/* ---- what a host tells ---- */

char *ferry_connection_hostname(FerryConnection *conn, FerryError **error)
{
    g_autoptr(Arena) arena = arena_new();
    RemoteConnectGetHostnameRet ret = {0};

    return CALL(conn, CONNECT_GET_HOSTNAME, NULL, arena, &ret, error) ? g_strdup(ret.hostname)
                                                                      : NULL;
}

char *ferry_connection_type(FerryConnection *conn, FerryError **error)
{
    g_autoptr(Arena) arena = arena_new();
    RemoteConnectGetTypeRet ret = {0};

    return CALL(conn, CONNECT_GET_TYPE, NULL, arena, &ret, error) ? g_strdup(ret.type) : NULL;
}

bool ferry_connection_emulator_version(FerryConnection *conn, uint64_t *ret_version,
                                       FerryError **error)
{
    g_autoptr(Arena) arena = arena_new();
    RemoteConnectGetVersionRet ret = {0};

    if (!CALL(conn, CONNECT_GET_VERSION, NULL, arena, &ret, error))
        return false;
    *ret_version = ret.hv_ver;
    return true;
}

bool ferry_connection_api_version(FerryConnection *conn, uint64_t *ret_version, FerryError **error)
{
    g_autoptr(Arena) arena = arena_new();
    RemoteConnectGetLibVersionRet ret = {0};

    if (!CALL(conn, CONNECT_GET_LIB_VERSION, NULL, arena, &ret, error))
        return false;
    *ret_version = ret.lib_ver;
    return true;
}

char *ferry_connection_capabilities(FerryConnection *conn, FerryError **error)
{
    g_autoptr(Arena) arena = arena_new();
    RemoteConnectGetCapabilitiesRet ret = {0};

    return CALL(conn, CONNECT_GET_CAPABILITIES, NULL, arena, &ret, error)
               ? g_strdup(ret.capabilities)
               : NULL;
}

char *ferry_connection_domain_capabilities(FerryConnection *conn, const char *emulator,
                                           const char *arch, const char *machine,
                                           const char *virttype, FerryError **error)
{
    g_autoptr(Arena) arena = arena_new();
    const RemoteConnectGetDomainCapabilitiesArgs args = {.emulatorbin = (char *)emulator,
                                                         .arch = (char *)arch,
                                                         .machine = (char *)machine,
                                                         .virttype = (char *)virttype};
    RemoteConnectGetDomainCapabilitiesRet ret = {0};

    return CALL(conn, CONNECT_GET_DOMAIN_CAPABILITIES, &args, arena, &ret, error)
               ? g_strdup(ret.capabilities)
               : NULL;
}

bool ferry_connection_node_info(FerryConnection *conn, FerryNodeInfo *ret_info, FerryError **error)
{
    g_autoptr(Arena) arena = arena_new();
    RemoteNodeGetInfoRet ret = {0};

    if (!CALL(conn, NODE_GET_INFO, NULL, arena, &ret, error))
        return false;
    *ret_info = (FerryNodeInfo){.memory_kib = ret.memory,
                                .cpus = ret.cpus,
                                .mhz = ret.mhz,
                                .nodes = ret.nodes,
                                .sockets = ret.sockets,
                                .cores = ret.cores,
                                .threads = ret.threads};
    memcpy(ret_info->model, ret.model, MIN(sizeof ret.model, sizeof ret_info->model - 1));
    return true;
}

bool ferry_connection_security_model(FerryConnection *conn, char **ret_model, char **ret_doi,
                                     FerryError **error)
{
    g_autoptr(Arena) arena = arena_new();
    RemoteNodeGetSecurityModelRet ret = {0};

    if (!CALL(conn, NODE_GET_SECURITY_MODEL, NULL, arena, &ret, error))
        return false;
    *ret_model = g_strndup(ret.model ?: "", ret.model_count);
    *ret_doi = g_strndup(ret.doi ?: "", ret.doi_count);
    return true;
}
