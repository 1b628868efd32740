/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The rows of ferryd.conf and the engine that walks them.  A new setting is a row here and a field
 * in config.h. */
#include "ferryd/config.h"

#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "base/number.h"
#include "base/uuid.h"
#include "host/address.h"
#include "phase/fallback.h"

typedef enum { ROW_STRING, ROW_LIST, ROW_LINES, ROW_BOOL, ROW_NUMBER, ROW_OCTAL, ROW_CHOICE } RowType;

typedef struct {
    const char *key;
    RowType type;
    size_t offset;
    const char *fallback; /* as it would stand in the file */
    int64_t min, max;     /* numbers */
    const char *choices;  /* "a b c" */
    const char *help;     /* lines */
} ConfigRow;

#define STRING(name, fallback, help)                                                               \
    {                                                                                              \
#name, ROW_STRING, offsetof(Config, name), fallback, 0, 0, NULL, help                      \
    }
#define LIST(name, fallback, help)                                                                 \
    {                                                                                              \
#name, ROW_LIST, offsetof(Config, name), fallback, 0, 0, NULL, help                        \
    }
/* May be given several times; each gives one string, in order. */
#define LINES(name, help)                                                                          \
    {                                                                                              \
#name, ROW_LINES, offsetof(Config, name), "", 0, 0, NULL, help                             \
    }
#define BOOL(name, fallback, help)                                                                 \
    {                                                                                              \
#name, ROW_BOOL, offsetof(Config, name), fallback, 0, 0, NULL, help                        \
    }
#define OCTAL(name, fallback, help)                                                                \
    {                                                                                              \
#name, ROW_OCTAL, offsetof(Config, name), fallback, 0, 0777, NULL, help                    \
    }
#define NUMBER(name, fallback, min, max, help)                                                     \
    {                                                                                              \
#name, ROW_NUMBER, offsetof(Config, name), fallback, min, max, NULL, help                  \
    }
#define CHOICE(name, fallback, choices, help)                                                      \
    {                                                                                              \
#name, ROW_CHOICE, offsetof(Config, name), fallback, 0, 0, choices, help                   \
    }
#define TITLE(text)                                                                                \
    {                                                                                              \
        NULL, ROW_STRING, 0, NULL, 0, 0, NULL, text                                                \
    }

/* clang-format off */
static const ConfigRow rows[] = {
    TITLE("The host"),
    CHOICE(log_level, "info", "error warning info debug",
           "How much is logged."),
    STRING(host_uuid, "",
           "The host's UUID, if the firmware's is missing or shared.  A migration to the same UUID is refused."),

    TITLE("Sockets"),
    CHOICE(compat_socket, "auto", "auto yes no",
           "Also listen on /run/libvirt/libvirt-sock, where stock clients look.\n"
           "auto: unless a stock daemon is installed or somebody listens there."),
    STRING(unix_sock_group, "",
           "Group that owns the unix sockets; empty: that of the daemon."),
    OCTAL(unix_sock_rw_perms, "0700",
          "Mode of the read-write socket.  Who may open it may do everything."),
    OCTAL(unix_sock_ro_perms, "0777",
          "Mode of the read-only socket."),
    BOOL(listen_tcp, "no",
         "Listen on TCP.  Connections are not encrypted."),
    STRING(tcp_address, "",
           "Address to listen on; empty: all."),
    NUMBER(tcp_port, "16509", 1, 65535,
           "Port to listen on."),
    CHOICE(auth_tcp, "", "none",
           "Authentication of TCP connections.  \"none\" lets everybody who reaches the port do everything:\n"
           "it has to be written out and is warned about at each start."),

    TITLE("Limits"),
    NUMBER(max_clients, "5000", 8, 1000000,
           "Connections in all.  An eighth is kept for root on the unix socket."),
    NUMBER(max_queued_clients, "1000", 1, 65535,
           "Connections that the kernel may hold back until they are accepted."),
    NUMBER(max_anonymous_clients, "100", 1, 1000000,
           "Connections that have not logged in yet."),
    NUMBER(max_anonymous_per_address, "20", 1, 1000000,
           "The same, from one address; more of them wait for one to log in, as long as login_timeout says."),
    NUMBER(login_timeout, "10", 1, 3600,
           "Seconds after which a connection that has not logged in is closed; one that had to wait for its turn has as many again."),
    NUMBER(max_client_requests, "32", 1, 10000,
           "Calls of one client that run at once; beyond it the client is not read."),
    NUMBER(max_requests, "512", 8, 100000,
           "Calls that run at once in all."),
    NUMBER(anonymous_frame_kib, "64", 1, 32768,
           "Largest message of a connection that has not logged in, in KiB."),
    NUMBER(client_unsent_mib, "64", 1, 65536,
           "Replies, events and streams that wait for one slow client, in MiB; beyond it the client is closed."),
    NUMBER(total_unsent_mib, "512", 1, 1048576,
           "The same for all clients together."),
    NUMBER(keepalive_interval, "5", -1, 3600,
           "Seconds of silence after which a client, another daemon or a migration's lane is asked whether it still\n"
           "lives; -1: never (lanes: 5)."),
    NUMBER(keepalive_count, "5", 0, 1000,
           "Unanswered questions after which the connection is given up."),

    TITLE("Guests"),
    STRING(user, "",
           "User that QEMU runs as; empty: libvirt-qemu where it exists, else ferry-qemu,\n"
           "and the daemon's own user if it is not root."),
    STRING(group, "",
           "Group that QEMU runs as; empty: kvm for libvirt-qemu, else the user's own."),
    LIST(emulator_dirs, "/usr/bin /usr/libexec /usr/local/bin /usr/lib/qemu",
         "Folders in which an emulator may lie."),
    LIST(network_map, "",
         "What <source network='NAME'/> means here, as NAME=BRIDGE."),
    LIST(shared_dirs, "",
         "Folders that every host of a migration sees alike, though their file system does not show it."),

    TITLE("Leases"),
    CHOICE(lock_manager, "none", "none sanlock",
           "sanlock: a guest runs only on the host that its lease names, whatever becomes of the hosts; every\n"
           "host that may run the guests needs it.  Not related to stock's lock_manager: the leases are ferryd's own."),
    STRING(lease_dir, "/var/lib/ferry/leases",
           "Folder of the lockspace and of one lease for each guest (1 MiB each), on storage that all hosts share.\n"
           "(disk_lease_dir in stock's qemu-sanlock.conf; leases are always made by themselves, as with\n"
           "auto_disk_leases = 1, and no guest runs without one, as with require_lease_for_disks = 1)"),
    NUMBER(lease_host_id, "0", 0, 2000,
           "This host's number in the lockspace, from 1, another one on each host (host_id in stock's file)."),
    NUMBER(lease_io_timeout, "0", 0, 60,
           "Seconds after which sanlock counts an access to the leases as failed; 0: its own 10.  The same on all\n"
           "hosts.  A host that cannot renew its lease is counted as dead after 8 times this and a minute."),
    CHOICE(resolve, "person", "person lease",
           "Who ends the doubt about a guest whose migration's other host does not answer.  lease: once sanlock counts\n"
           "that host as dead, a guest that waits at its source is shut off (crashed) there, and may be started again.\n"
           "Its memory is given up, as that host may have run it.  What waits at a destination waits for a person."),

    TITLE("Migration"),
    STRING(migration_host, "",
           "Address or name under which other hosts reach this one, tried before all others; empty: worked out\n"
           "for each migration.  This host resolves the name; the others only ever get addresses."),
    LIST(migration_networks, "",
         "Networks that memory is to travel on, the best first, as 10.1.0.0/16 or 2001:db8:1::/64.  Addresses of\n"
         "this host in other networks are tried after them."),
    BOOL(migration_networks_only, "no",
         "Other networks are not tried at all.  migration_host and an explicit migration URI are."),
    STRING(migration_address, "",
           "Address on which incoming migrations are accepted; empty: all."),
    NUMBER(migration_port_min, "49152", 1, 65535,
           "First port for incoming migrations."),
    NUMBER(migration_port_max, "49215", 1, 65535,
           "Last port for incoming migrations."),
    NUMBER(max_outgoing, "8", 0, 1000,
           "Migrations away from this host that may be under way at once; further ones wait for their turn, which\n"
           "domjobinfo shows and domjobabort ends; 0: no limit."),
    NUMBER(max_incoming, "8", 1, 64,
           "Guests that may be prepared here without anything having come of them yet; further ones queue up."),
    NUMBER(incoming_timeout, "60", 1, 3600,
           "Seconds after which a prepared guest is refused if nothing is heard of its source any more."),
    NUMBER(postcopy_patience, "0", 0, 86400,
           "Seconds for which a broken stream is made again after the switch to post-copy; then only\n"
           "`virsh migrate --postcopy --postcopy-resume` does so; 0: without limit."),
    CHOICE(stock_source, "careful", "careful fast",
           "A stock source resumes its guest when the answer that it is here gets lost.\n"
           "careful: the guest runs here only once the source's host has acknowledged the answer (a\n"
           "round trip); fast: before it, as between stock hosts, and a lost answer makes it run twice."),
    LIST(fallback, "all",
         "What may be tried when the memory finds no way of its own: all, none, or some of\n"
         "tunnel (through the connection of the daemons) and relay (through the client that leads)."),
    NUMBER(relay_bandwidth, "0", 0, 1048576,
           "Most that a guest may send through a client that relays, in MiB/s; 0: no limit."),
    LINES(peer,
          "Where another host is met whose own name means nothing here: NAME ADDRESS…; one row per host.  Asked when a\n"
          "guest goes to a host without ferryd and the client does not say how it was reached.  Hosts that were met before\n"
          "are remembered by themselves."),
    LINES(peer_uri,
          "How the ferryd of another host is called: NAME URI, as fedora2 qemu+ssh://root@fedora2/system; one row per host.\n"
          "Asked when the memory of a guest was relayed through a client and that client has gone, so that nobody else can\n"
          "say whether the guest runs there; and when a guest is started here that was given to that host and is shut off\n"
          "there.  Whoever is called by a peer-to-peer migration is known without it."),
};
/* clang-format on */

static const ConfigRow *find_row(const char *key)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
        if (rows[i].key && g_str_equal(rows[i].key, key))
            return &rows[i];
    return NULL;
}

static void *field_of(const Config *config, const ConfigRow *row)
{
    return (char *)config + row->offset;
}

static gboolean is_choice(const ConfigRow *row, const char *value)
{
    g_auto(GStrv) choices = g_strsplit(row->choices, " ", -1);

    return g_strv_contains((const char *const *)choices, value);
}

static gboolean parse_bool(const char *value, gboolean *ret_value)
{
    static const char *const yes[] = {"yes", "true", "on", "1", NULL};
    static const char *const no[] = {"no", "false", "off", "0", NULL};

    *ret_value = g_strv_contains(yes, value);
    return *ret_value || g_strv_contains(no, value);
}

/* Words between blanks and commas; quotes around a word are dropped. */
static char **parse_list(const char *value)
{
    g_auto(GStrv) words = g_strsplit_set(value, " ,\t", -1);
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);

    for (char **word = words; *word; word++) {
        size_t len = strlen(*word);

        if (len >= 2 && (**word == '"' || **word == '\'') && (*word)[len - 1] == **word)
            g_ptr_array_add(list, g_strndup(*word + 1, len - 2));
        else if (len)
            g_ptr_array_add(list, g_strdup(*word));
    }
    g_ptr_array_add(list, NULL);
    return (char **)g_ptr_array_steal(list, NULL);
}

static gboolean parse_octal(const char *value, int64_t max, int64_t *ret_value)
{
    char *end = NULL;
    const guint64 number = g_ascii_strtoull(value, &end, 8);

    if (!g_ascii_isdigit(*value) || *end || number > (guint64)max)
        return FALSE;
    *ret_value = (int64_t)number;
    return TRUE;
}

static void add_line(char ***lines, const char *value)
{
    unsigned count = *lines ? g_strv_length(*lines) : 0;

    *lines = g_renew(char *, *lines, count + 2);
    (*lines)[count] = *value ? g_strdup(value) : NULL;
    (*lines)[count + 1] = NULL;
}

static gboolean set_row(Config *config, const ConfigRow *row, const char *value, GError **error)
{
    void *field = field_of(config, row);

    switch (row->type) {
    case ROW_CHOICE:
        if (*value && !is_choice(row, value))
            return error_set(error, ERROR_CONF_SYNTAX, "'%s' cannot be '%s'; it is one of: %s",
                             row->key, value, row->choices);
        /* fall through */
    case ROW_STRING:
        g_free(*(char **)field);
        *(char **)field = g_strdup(value);
        return TRUE;
    case ROW_LIST:
        g_strfreev(*(char ***)field);
        *(char ***)field = parse_list(value);
        return TRUE;
    case ROW_LINES:
        add_line(field, value);
        return TRUE;
    case ROW_BOOL:
        return parse_bool(value, field) ||
               error_set(error, ERROR_CONF_SYNTAX, "'%s' is yes or no, not '%s'", row->key, value);
    case ROW_OCTAL:
        return parse_octal(value, row->max, field) ||
               error_set(error, ERROR_CONF_SYNTAX, "'%s' is a mode such as 0770, not '%s'",
                         row->key, value);
    case ROW_NUMBER:
        return number_parse_i64(value, row->min, row->max, field) ||
               error_set(error, ERROR_CONF_SYNTAX,
                         "'%s' is a number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
                         ", not '%s'",
                         row->key, row->min, row->max, value);
    }
    g_assert_not_reached();
}

Config *config_new(void)
{
    Config *config = g_new0(Config, 1);

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
        if (rows[i].key)
            g_assert(set_row(config, &rows[i], rows[i].fallback, NULL));
    return config;
}

void config_free(Config *config)
{
    if (!config)
        return;
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (!rows[i].key)
            continue;
        if (rows[i].type == ROW_STRING || rows[i].type == ROW_CHOICE)
            g_free(*(char **)field_of(config, &rows[i]));
        if (rows[i].type == ROW_LIST || rows[i].type == ROW_LINES)
            g_strfreev(*(char ***)field_of(config, &rows[i]));
    }
    g_free(config);
}

gboolean config_set(Config *config, const char *key, const char *value, GError **error)
{
    const ConfigRow *row = find_row(key);

    if (!row)
        return error_set(error, ERROR_CONF_SYNTAX, "unknown key '%s'", key);
    return set_row(config, row, value, error);
}

/* The value without quotes, brackets or a comment behind it; NULL if a quote or bracket is left
 * open. */
static char *unwrap(const char *text)
{
    const char opening = *text;
    const char closing = opening == '[' ? ']' : opening;

    if (opening != '"' && opening != '\'' && opening != '[') {
        const char *comment = strchr(text, '#');
        char *value = comment ? g_strndup(text, (gsize)(comment - text)) : g_strdup(text);

        return g_strchomp(value);
    }
    const char *end = strchr(text + 1, closing);
    if (!end)
        return NULL;
    const char *rest = end + 1 + strspn(end + 1, " \t");
    if (*rest && *rest != '#')
        return NULL;
    return g_strndup(text + 1, (gsize)(end - text - 1));
}

static gboolean parse_line(Config *config, char *line, GError **error)
{
    g_strstrip(line);
    if (!*line || *line == '#')
        return TRUE;
    char *equals = strchr(line, '=');
    if (!equals)
        return error_set(error, ERROR_CONF_SYNTAX, "a row is 'key = value', not '%s'", line);
    *equals = '\0';
    g_strchomp(line);
    g_autofree char *value = unwrap(equals + 1 + strspn(equals + 1, " \t"));
    if (!value)
        return error_set(error, ERROR_CONF_SYNTAX,
                         "the value of '%s' is not well formed: check its quotes", line);
    return config_set(config, line, value, error);
}

gboolean config_parse(Config *config, const char *text, const char *path, GError **error)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (unsigned i = 0; lines[i]; i++) {
        if (parse_line(config, lines[i], error))
            continue;
        g_prefix_error(error, "%s:%u: ", path, i + 1);
        return FALSE;
    }
    return TRUE;
}

gboolean config_check(const Config *config, GError **error)
{
    unsigned fallbacks;
    Uuid uuid;

    if (config->migration_port_min > config->migration_port_max)
        return error_set(error, ERROR_CONF_SYNTAX,
                         "migration_port_min is above migration_port_max");
    if (config->listen_tcp && !*config->auth_tcp)
        return error_set(
            error, ERROR_CONF_SYNTAX,
            "listen_tcp is on, but auth_tcp is not set: write auth_tcp = \"none\" if everybody who "
            "reaches the port may do everything");
    if (*config->host_uuid && !uuid_parse(config->host_uuid, &uuid))
        return error_set(error, ERROR_CONF_SYNTAX, "host_uuid '%s' is not a UUID",
                         config->host_uuid);
    for (char **entry = config->migration_networks; *entry; entry++) {
        AddressNetwork network;

        if (!address_network_parse(*entry, &network))
            return error_set(
                error, ERROR_CONF_SYNTAX,
                "migration_networks has '%s', which is not a network such as 10.1.0.0/16 or "
                "2001:db8:1::/64",
                *entry);
    }
    if (config->migration_networks_only && !*config->migration_networks)
        return error_set(error, ERROR_CONF_SYNTAX,
                         "migration_networks_only is on, but migration_networks names none");
    if (g_str_equal(config->lock_manager, "sanlock") && (config->lease_host_id < 1 || *config->lease_dir != '/'))
        return error_set(error, ERROR_CONF_SYNTAX,
                         "lock_manager is sanlock, but lease_host_id or lease_dir is missing: give this host a number that no "
                         "other host has, and the path of a folder that all of them share");
    if (g_str_equal(config->resolve, "lease") && !g_str_equal(config->lock_manager, "sanlock"))
        return error_set(error, ERROR_CONF_SYNTAX,
                         "resolve is lease, but no leases are kept: set lock_manager = sanlock, or resolve = person");
    if (!fallback_parse((const char *const *)config->fallback, &fallbacks, error))
        return FALSE;
    for (char **entry = config->network_map; *entry; entry++) {
        const char *equals = strchr(*entry, '=');

        if (!equals || equals == *entry || !equals[1])
            return error_set(error, ERROR_CONF_SYNTAX,
                             "network_map has '%s', which is not NAME=BRIDGE", *entry);
    }
    return TRUE;
}

static void append_help(GString *text, const char *help)
{
    g_auto(GStrv) lines = g_strsplit(help, "\n", -1);

    for (char **line = lines; *line; line++)
        g_string_append_printf(text, "# %s\n", *line);
}

char *config_template(void)
{
    GString *text = g_string_new("# ferryd.conf: rows of the form  key = value.  What is commented "
                                 "out stands at its default.\n");

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        const ConfigRow *row = &rows[i];

        if (!row->key) {
            g_string_append_printf(text, "\n## %s\n\n", row->help);
            continue;
        }
        append_help(text, row->help);
        const gboolean is_bare =
            row->type == ROW_NUMBER || row->type == ROW_BOOL || row->type == ROW_OCTAL;
        g_string_append_printf(text, is_bare ? "#%s = %s\n\n" : "#%s = \"%s\"\n\n", row->key,
                               row->fallback);
    }
    return g_string_free(text, FALSE);
}
