/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connection URIs.  GLib splits the text; what the parts mean is decided here.  Sentences are the
 * ones that clients of this protocol have always seen, as scripts look for them. */
#include "link/uri.h"

#include <string.h>

#include "base/enum.h"
#include "base/error.h"
#include "base/number.h"

#define URI_TEXT_MAX  (64 * 1024)
#define PORT_TCP      16509
#define PORT_TLS      16514
#define STOCK_SOCKETS "/var/run/libvirt"

static const EnumName transport_names[] = {
    {"tls", URI_TRANSPORT_TLS},    {"unix", URI_TRANSPORT_UNIX},
    {"ssh", URI_TRANSPORT_SSH},    {"ext", URI_TRANSPORT_EXT},
    {"tcp", URI_TRANSPORT_TCP},    {"libssh2", URI_TRANSPORT_SSH},
    {"libssh", URI_TRANSPORT_SSH}, {NULL},
};

static const EnumName mode_names[] = {
    {"auto", URI_MODE_AUTO},
    {"legacy", URI_MODE_LEGACY},
    {"direct", URI_MODE_DIRECT},
    {NULL},
};

static const EnumName proxy_names[] = {
    {"auto", URI_PROXY_AUTO},
    {"native", URI_PROXY_NATIVE},
    {"netcat", URI_PROXY_NETCAT},
    {NULL},
};

/* ---- parameters ---- */

typedef gboolean (*ParamFunc)(Uri *uri, const char *value, size_t offset, GError **error);

typedef struct {
    const char *name;
    ParamFunc take;
    size_t offset;
} UriParam;

static gboolean take_text(Uri *uri, const char *value, size_t offset, GError **error)
{
    char **field = (char **)G_STRUCT_MEMBER_P(uri, offset);

    g_free(*field);
    *field = g_strdup(value);
    return TRUE;
}

static gboolean take_ignored(Uri *uri, const char *value, size_t offset, GError **error)
{
    return TRUE;
}

static gboolean take_mode(Uri *uri, const char *value, size_t offset, GError **error)
{
    int mode;

    if (!enum_find(mode_names, value, &mode))
        return error_set(error, ERROR_INVALID_ARG, "invalid argument: Unknown remote mode '%s'",
                         value);
    uri->mode = mode;
    return TRUE;
}

static gboolean take_proxy(Uri *uri, const char *value, size_t offset, GError **error)
{
    int proxy;

    if (!enum_find(proxy_names, value, &proxy))
        return error_set(error, ERROR_INVALID_ARG, "invalid argument: Unknown proxy type '%s'",
                         value);
    uri->proxy = proxy;
    return TRUE;
}

static gboolean take_number(Uri *uri, const char *value, size_t offset, GError **error)
{
    int64_t number;

    if (!number_parse_i64(value, G_MININT32, G_MAXINT32, &number))
        return FALSE;
    G_STRUCT_MEMBER(gboolean, uri, offset) = number != 0;
    return TRUE;
}

#define FIELD(field) offsetof(Uri, field)
/* clang-format off */
static const UriParam uri_params[] = {
    /* name               take          into */
    { "name",               take_text,    FIELD(open_name) },
    { "socket",             take_text,    FIELD(socket) },
    { "mode",               take_mode,    0 },
    { "proxy",              take_proxy,   0 },
    { "netcat",             take_text,    FIELD(netcat) },
    { "command",            take_text,    FIELD(command) },
    { "keyfile",            take_text,    FIELD(keyfile) },
    { "no_tty",             take_number,  FIELD(no_tty) },
    { "no_verify",          take_number,  FIELD(no_verify) },
    { "no_sanity",          take_number,  FIELD(no_sanity) },
    { "auth",               take_text,    FIELD(auth) },
    { "authfile",           take_text,    FIELD(authfile) },
    { "pkipath",            take_text,    FIELD(pkipath) },
    { "tls_priority",       take_text,    FIELD(tls_priority) },
    /* these steer linked-in ssh libraries; the ssh program has its own configuration */
    { "sshauth",            take_ignored, 0 },
    { "known_hosts",        take_ignored, 0 },
    { "known_hosts_verify", take_ignored, 0 },
};
/* clang-format on */

static gboolean param_take(Uri *uri, const char *name, const char *value, gboolean *ret_taken,
                           GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(uri_params); i++) {
        const UriParam *row = &uri_params[i];
        GError *cause = NULL;

        if (g_ascii_strcasecmp(row->name, name) != 0)
            continue;
        *ret_taken = TRUE;
        if (row->take(uri, value, row->offset, &cause))
            return TRUE;
        if (!cause)
            return error_set(error, ERROR_INVALID_ARG,
                             "invalid argument: Failed to parse value of URI component %s",
                             row->name);
        g_propagate_error(error, cause);
        return FALSE;
    }
    *ret_taken = FALSE;
    return TRUE;
}

/* Takes what is ours out of the query; *ret_rest is what travels on, as it was written, or NULL. */
static gboolean query_take(Uri *uri, const char *query, char **ret_rest, GError **error)
{
    g_autoptr(GString) rest = g_string_new(NULL);
    g_auto(GStrv) parts = g_strsplit_set(query ?: "", "&;", -1);

    for (char **part = parts; *part; part++) {
        g_auto(GStrv) pair = g_strsplit(*part, "=", 2);
        g_autofree char *name = NULL;
        g_autofree char *value = NULL;
        gboolean taken;

        if (**part == '\0')
            continue;
        name = g_uri_unescape_string(pair[0], NULL);
        value = g_uri_unescape_string(pair[1] ?: "", NULL);
        if (!name || !value)
            return error_set(error, ERROR_INTERNAL_ERROR, "internal error: Unable to parse URI %s",
                             uri->text);
        if (!param_take(uri, name, value, &taken, error))
            return FALSE;
        if (!taken)
            g_string_append_printf(rest, "%s%s", rest->len ? "&" : "", *part);
    }
    *ret_rest = rest->len ? g_strdup(rest->str) : NULL;
    return TRUE;
}

/* ---- the whole ---- */

static gboolean scheme_take(Uri *uri, const char *scheme, gboolean *ret_has_transport,
                            GError **error)
{
    g_auto(GStrv) parts = g_strsplit(scheme, "+", 2);
    int transport;

    uri->driver = g_steal_pointer(&parts[0]);
    *ret_has_transport = FALSE;
    parts[0] = g_strdup("");
    if (!parts[1])
        return TRUE;
    if (!enum_find(transport_names, parts[1], &transport))
        return error_set(error, ERROR_INVALID_ARG,
                         "invalid argument: remote_open: transport in URL not recognised "
                         "(should be tls|unix|ssh|ext|tcp|libssh2|libssh)");
    uri->transport = transport;
    *ret_has_transport = TRUE;
    return TRUE;
}

/* What the parts demand of each other. */
static gboolean transport_check(Uri *uri, gboolean has_transport, GError **error)
{
    if (!has_transport)
        uri->transport = uri->host ? URI_TRANSPORT_TLS : URI_TRANSPORT_UNIX;
    switch (uri->transport) {
    case URI_TRANSPORT_UNIX:
        if (uri->host)
            return error_set(
                error, ERROR_INVALID_ARG,
                "invalid argument: using unix socket and remote server '%s' is not supported.",
                uri->host);
        return TRUE;
    case URI_TRANSPORT_EXT:
        if (!uri->command || uri->command[0] == '\0')
            return error_set(
                error, ERROR_INVALID_ARG,
                "invalid argument: remote_open: for 'ext' transport, command is required");
        return TRUE;
    case URI_TRANSPORT_SSH:
        if (uri->mode == URI_MODE_DIRECT)
            return error_set(
                error, ERROR_OPERATION_UNSUPPORTED,
                "Operation not supported: Cannot use direct socket mode for ssh transport");
        break;
    case URI_TRANSPORT_TCP:
        uri->port = uri->port ?: PORT_TCP;
        break;
    case URI_TRANSPORT_TLS:
        uri->port = uri->port ?: PORT_TLS;
        break;
    }
    if (!uri->host)
        uri->host = g_strdup("localhost");
    return TRUE;
}

static char *open_name_format(const Uri *uri, const char *raw_path, const char *rest,
                              const char *fragment)
{
    if (strcmp(uri->driver, "remote") == 0) /* the far side is to choose the driver */
        return g_strdup("");
    return g_strconcat(uri->driver, raw_path[0] == '/' || raw_path[0] == '\0' ? "://" : ":",
                       raw_path[0] ? raw_path : "/", rest ? "?" : "", rest ?: "",
                       fragment ? "#" : "", fragment ?: "", NULL);
}

Uri *uri_parse(const char *text, GError **error)
{
    const GUriFlags flags =
        G_URI_FLAGS_ENCODED_QUERY | G_URI_FLAGS_ENCODED_PATH | G_URI_FLAGS_ENCODED_FRAGMENT;
    g_autoptr(Uri) uri = g_new0(Uri, 1);
    g_autofree char *scheme = NULL, *path = NULL, *query = NULL, *fragment = NULL, *rest = NULL;
    gboolean has_transport;
    int port = -1;

    uri->text = g_strdup(text);
    if (strlen(text) > URI_TEXT_MAX || strpbrk(text, " \t\r\n") ||
        !g_utf8_validate(text, -1, NULL) ||
        !g_uri_split(text, flags, &scheme, &uri->user, &uri->host, &port, &path, &query, &fragment,
                     NULL)) {
        error_set(error, ERROR_INTERNAL_ERROR, "internal error: Unable to parse URI %.200s", text);
        return NULL;
    }
    if (!scheme) {
        error_set_from(error, FROM_NONE, ERROR_NO_CONNECT,
                       "no connection driver available for URI '%s' does not include a driver name",
                       text);
        return NULL;
    }
    if (uri->host && uri->host[0] == '\0')
        g_clear_pointer(&uri->host, g_free);
    uri->port = port > 0 ? port : 0;
    uri->path = g_uri_unescape_string(path, NULL);
    if (!uri->path || !scheme_take(uri, scheme, &has_transport, error)) {
        if (!uri->path)
            error_set(error, ERROR_INTERNAL_ERROR, "internal error: Unable to parse URI %s", text);
        return NULL;
    }
    if (!query_take(uri, query, &rest, error) || !transport_check(uri, has_transport, error))
        return NULL;
    if (!uri->open_name)
        uri->open_name = open_name_format(uri, path, rest, fragment);
    return g_steal_pointer(&uri);
}

void uri_free(Uri *uri)
{
    if (!uri)
        return;
    g_free(uri->text);
    g_free(uri->driver);
    g_free(uri->user);
    g_free(uri->host);
    g_free(uri->path);
    g_free(uri->open_name);
    g_free(uri->socket);
    g_free(uri->netcat);
    g_free(uri->command);
    g_free(uri->keyfile);
    g_free(uri->auth);
    g_free(uri->authfile);
    g_free(uri->pkipath);
    g_free(uri->tls_priority);
    g_free(uri);
}

gboolean uri_is_session(const Uri *uri)
{
    return strcmp(uri->path, "/session") == 0;
}

char **uri_unix_sockets(const Uri *uri, gboolean is_readonly, const char *runtime_dir)
{
    g_autoptr(GStrvBuilder) list = g_strv_builder_new();
    const char *suffix = is_readonly ? "-ro" : "";
    g_autofree char *ferry = NULL, *modular = NULL, *monolithic = NULL;
    gboolean is_session = uri_is_session(uri) && runtime_dir;

    if (uri->socket) {
        g_strv_builder_add(list, uri->socket);
        return g_strv_builder_end(list);
    }
    if (is_session) { /* a session has no read-only socket: the call to open it says so */
        ferry = g_strconcat(runtime_dir, "/ferry/ferry-sock", NULL);
        modular = g_strconcat(runtime_dir, "/libvirt/virtqemud-sock", NULL);
        monolithic = g_strconcat(runtime_dir, "/libvirt/libvirt-sock", NULL);
    } else {
        ferry = g_strconcat("/run/ferry/ferry-sock", suffix, NULL);
        modular = g_strconcat(STOCK_SOCKETS "/virtqemud-sock", suffix, NULL);
        monolithic = g_strconcat(STOCK_SOCKETS "/libvirt-sock", suffix, NULL);
    }
    if (uri->mode == URI_MODE_AUTO)
        g_strv_builder_add(list, ferry);
    if (uri->mode != URI_MODE_LEGACY)
        g_strv_builder_add(list, modular);
    if (uri->mode != URI_MODE_DIRECT)
        g_strv_builder_add(list, monolithic);
    return g_strv_builder_end(list);
}

/* ---- command lines ---- */

/* nc has two dialects: one needs -q0 so that it ends with its input, the other knows no -q. */
static void script_add_netcat(GString *script, const Uri *uri, gboolean is_readonly)
{
    g_autofree char *nc = g_shell_quote(uri->netcat ?: "nc");
    g_autofree char *socket = NULL;

    g_string_append_printf(script,
                           "if %s -q 2>&1 | grep \"requires an argument\" >/dev/null 2>&1; "
                           "then ARG=-q0; else ARG=; fi; ",
                           nc);
    if (uri->socket) {
        socket = g_shell_quote(uri->socket);
        g_string_append_printf(script, "%s $ARG -U %s", nc, socket);
        return;
    }
    g_string_append_printf(script,
                           "SOCK=" STOCK_SOCKETS "/libvirt-sock%s; test -S $SOCK || "
                           "SOCK=/run/ferry/ferry-sock%s; %s $ARG -U $SOCK",
                           is_readonly ? "-ro" : "", is_readonly ? "-ro" : "", nc);
}

static void script_add_helper(GString *script, const Uri *uri, gboolean is_readonly)
{
    g_autofree char *name = g_shell_quote(uri->open_name);

    g_string_append_printf(script, "virt-ssh-helper %s%s", is_readonly ? "-r " : "", name);
}

/* One sh -c '…' word: the user's shell on the far side may be any. */
static char *ssh_remote_command(const Uri *uri, gboolean is_readonly)
{
    g_autoptr(GString) script = g_string_new(NULL);
    g_autofree char *quoted = NULL;
    UriProxy proxy = uri->proxy;

    if (proxy == URI_PROXY_AUTO && (uri->socket || uri->netcat))
        proxy = URI_PROXY_NETCAT;
    switch (proxy) {
    case URI_PROXY_AUTO:
        g_string_append(script, "if which virt-ssh-helper >/dev/null 2>&1; then ");
        script_add_helper(script, uri, is_readonly);
        g_string_append(script, "; else ");
        script_add_netcat(script, uri, is_readonly);
        g_string_append(script, "; fi");
        break;
    case URI_PROXY_NATIVE:
        script_add_helper(script, uri, is_readonly);
        break;
    case URI_PROXY_NETCAT:
        script_add_netcat(script, uri, is_readonly);
        break;
    }
    quoted = g_shell_quote(script->str);
    return g_strconcat("sh -c ", quoted, NULL);
}

static void add_option(GStrvBuilder *argv, const char *option, const char *value)
{
    if (!value)
        return;
    g_strv_builder_add(argv, option);
    g_strv_builder_add(argv, value);
}

char **uri_command_argv(const Uri *uri, gboolean is_readonly, GError **error)
{
    g_autoptr(GStrvBuilder) argv = g_strv_builder_new();
    g_autofree char *port = uri->port ? g_strdup_printf("%u", uri->port) : NULL;
    g_autofree char *remote = NULL;

    if (uri->transport == URI_TRANSPORT_EXT) {
        g_strv_builder_add(argv, uri->command);
        return g_strv_builder_end(argv);
    }
    if (uri->transport != URI_TRANSPORT_SSH) {
        error_set(error, ERROR_INTERNAL_ERROR, "internal error: URI %s is not carried by a command",
                  uri->text);
        return NULL;
    }
    g_strv_builder_add(argv, uri->command ?: "ssh");
    add_option(argv, "-p", port);
    add_option(argv, "-l", uri->user);
    add_option(argv, "-i", uri->keyfile);
    g_strv_builder_add(argv, "-T");
    add_option(argv, "-e", "none");
    add_option(argv, "-o", uri->no_tty ? "BatchMode=yes" : NULL);
    add_option(argv, "-o", uri->no_verify ? "StrictHostKeyChecking=no" : NULL);
    g_strv_builder_add(argv, "--");
    g_strv_builder_add(argv, uri->host);
    remote = ssh_remote_command(uri, is_readonly);
    g_strv_builder_add(argv, remote);
    return g_strv_builder_end(argv);
}

char *uri_format_host_port(const char *host, guint16 port)
{
    return g_strdup_printf(strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
}
