/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ferryd.  It stays in the foreground and logs to its standard error; whoever starts it decides the
 * rest.
 *
 * The order of the start (main, then start_up on the first task): options and configuration ·
 * folders and the lock · what this host is · the rooms, lowest first · guests and migrations of the
 * last daemon · sockets · "ready" · emulators · autostart.  The end is short: SIGTERM drops all tasks
 * where they stand, guests run on, the journal is the truth. */
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/enum.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "client/peer.h"
#include "domain/lease.h"
#include "domain/load.h"
#include "domain/registry.h"
#include "ferryd/config.h"
#include "ferryd/notify.h"
#include "ferryd/paths.h"
#include "host/kvm.h"
#include "host/node.h"
#include "loop/child.h"
#include "loop/loop.h"
#include "migrate/fault.h"
#include "migrate/lane.h"
#include "migrate/migration.h"
#include "migrate/recover.h"
#include "phase/fallback.h"
#include "qemu/env.h"
#include "qemu/probe.h"
#include "server/server.h"
#include "service/table.h"

typedef struct {
    char *root, *config_file, **settings;
    gboolean is_verbose, is_debug, listens, prints_config, prints_version, lists_steps, is_session;
} Options;

/* Lives as long as the process; the rooms borrow from it. */
typedef struct {
    Options options;
    Config *config;
    Paths *paths;
    int lock_fd;
    Node *node;
    char *host_name;
    Uuid host_uuid;
    QemuEnv qemu;
    DomainSettings domains;
    MigrateSettings migrate;
    LeaseSettings leases;
    ServiceSettings service;
} Daemon;

/* --- options and configuration --- */

static gboolean parse_options(Options *options, int argc, char **argv, GError **error)
{
    const GOptionEntry entries[] = {
        {"config", 'f', 0, G_OPTION_ARG_FILENAME, &options->config_file,
         "Read this configuration file", "FILE"},
        {"option", 'o', 0, G_OPTION_ARG_STRING_ARRAY, &options->settings,
         "Set one row of the configuration; may be repeated", "KEY=VALUE"},
        {"listen", 'l', 0, G_OPTION_ARG_NONE, &options->listens,
         "Listen on TCP, as listen_tcp = yes", NULL},
        {"root", 0, 0, G_OPTION_ARG_FILENAME, &options->root,
         "Put everything (configuration, state, sockets, logs) below this folder", "DIR"},
        {"session", 0, 0, G_OPTION_ARG_NONE, &options->is_session,
         "Serve qemu:///session even as root; unprivileged users always do", NULL},
        {"verbose", 'v', 0, G_OPTION_ARG_NONE, &options->is_verbose, "Log what happens to guests",
         NULL},
        {"debug", 'd', 0, G_OPTION_ARG_NONE, &options->is_debug, "Log everything, secrets excepted",
         NULL},
        {"print-config", 0, 0, G_OPTION_ARG_NONE, &options->prints_config,
         "Print a commented configuration with all defaults, and end", NULL},
        {"list-steps", 0, 0, G_OPTION_ARG_NONE, &options->lists_steps,
         "Print the steps of migrations and the rows of the hand-over's tables, and end", NULL},
        {"version", 'V', 0, G_OPTION_ARG_NONE, &options->prints_version,
         "Print the version, and end", NULL},
        {NULL},
    };
    g_autoptr(GOptionContext) context =
        g_option_context_new("- guests of this host, and their moves");

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, error))
        return FALSE;
    return argc == 1 ||
           error_set(error, ERROR_INVALID_ARG, "unexpected argument '%s', see --help", argv[1]);
}

static gboolean read_config(Daemon *daemon, GError **error)
{
    const Options *options = &daemon->options;
    const char *path = options->config_file ? options->config_file : daemon->paths->config_file;

    daemon->config = config_new();
    if (options->config_file || access(path, F_OK) == 0) {
        g_autofree char *text = file_read(path, 1024 * 1024, NULL, error);

        if (!text || !config_parse(daemon->config, text, path, error))
            return FALSE;
    }
    for (char **setting = options->settings; setting && *setting; setting++)
        if (!config_parse(daemon->config, *setting, "--option", error))
            return FALSE;
    if (options->listens && !config_set(daemon->config, "listen_tcp", "yes", error))
        return FALSE;
    return config_check(daemon->config, error);
}

static void set_log_level(const Daemon *daemon)
{
    static const EnumName levels[] = {{"error", LOG_LEVEL_ERROR},
                                      {"warning", LOG_LEVEL_WARNING},
                                      {"info", LOG_LEVEL_INFO},
                                      {"debug", LOG_LEVEL_DEBUG},
                                      {NULL, 0}};
    int level = LOG_LEVEL_INFO;

    enum_find(levels, daemon->config->log_level, &level);
    if (daemon->options.is_verbose)
        level = MAX(level, (int)LOG_LEVEL_INFO);
    log_set_level(daemon->options.is_debug ? LOG_LEVEL_DEBUG : (LogLevel)level);
}

/* --- this host --- */

/* One daemon per state folder: two would each believe the guests to be theirs. */
static gboolean take_lock(Daemon *daemon, GError **error)
{
    g_autofree char *path = g_build_filename(daemon->paths->state_dir, "ferryd.lock", NULL);

    daemon->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (daemon->lock_fd < 0)
        return error_errno(error, "cannot open '%s'", path);
    if (flock(daemon->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return error_errno(error, "another ferryd uses '%s'", daemon->paths->state_dir);
    return TRUE;
}

static const char *or_null(const char *text)
{
    return text && *text ? text : NULL;
}

static void replace_text(char **text, const char *with)
{
    g_free(*text);
    *text = g_strdup(with);
}

static gboolean look_around(Daemon *daemon, GError **error)
{
    const Config *config = daemon->config;
    QemuEnv *env = &daemon->qemu;
    g_autofree char *cache_dir = g_build_filename(daemon->paths->state_dir, "emulators", NULL);

    daemon->node = node_read("");
    daemon->host_name = node_hostname();
    if (!node_uuid("", or_null(config->host_uuid), daemon->paths->state_dir, &daemon->host_uuid,
                   error))
        return FALSE;
    qemu_env_init(env);
    if (!host_user_find(or_null(config->user), or_null(config->group), &env->user, error))
        return FALSE;
    replace_text(&env->run_dir, daemon->paths->run_dir);
    replace_text(&env->log_dir, daemon->paths->log_dir);
    replace_text(&env->state_dir, daemon->paths->state_dir);
    g_strfreev(env->emulator_dirs);
    env->emulator_dirs = g_strdupv(config->emulator_dirs);
    env->network_map = g_strdupv(config->network_map);
    env->has_sandbox = TRUE;
    if (!dir_make(cache_dir, 0700, error))
        return FALSE;
    probe_end_leftovers(env);
    env->probes = probe_cache_new(env, cache_dir);
    return TRUE;
}

/* --- the rooms --- */

static void init_server(const Config *config)
{
    ServerLimits limits = server_default_limits;

    limits.max_clients = (unsigned)config->max_clients;
    limits.max_anonymous = (unsigned)config->max_anonymous_clients;
    limits.max_anonymous_per_address = (unsigned)config->max_anonymous_per_address;
    limits.login_timeout_ms = config->login_timeout * 1000;
    limits.login_frame_bytes = (uint32_t)config->anonymous_frame_kib * 1024;
    limits.max_client_calls = (unsigned)config->max_client_requests;
    limits.max_calls = (unsigned)config->max_requests;
    limits.client_unsent_bytes = (uint64_t)config->client_unsent_mib << 20;
    limits.total_unsent_bytes = (uint64_t)config->total_unsent_mib << 20;
    limits.keepalive_interval_s = (int)config->keepalive_interval;
    limits.keepalive_count = (unsigned)config->keepalive_count;
    limits.backlog = (int)config->max_queued_clients;
    server_init(&limits);
    service_register();
}

static gboolean init_rooms(Daemon *daemon, GError **error)
{
    const Config *config = daemon->config;

    daemon->domains = (DomainSettings){.qemu = &daemon->qemu,
                                       .is_session = daemon->paths->is_session,
                                       .host_uuid = daemon->host_uuid};
    daemon->migrate = (MigrateSettings){
        .state_dir = daemon->paths->state_dir,
        .host_name = daemon->host_name,
        .host_uuid = daemon->host_uuid,
        .migration_host = or_null(config->migration_host),
        .migration_networks = (const char *const *)config->migration_networks,
        .wants_networks_only = config->migration_networks_only,
        .migration_address = or_null(config->migration_address),
        .ports = {(uint16_t)config->migration_port_min, (uint16_t)config->migration_port_max},
        .max_outgoing = (unsigned)config->max_outgoing,
        .max_incoming = (unsigned)config->max_incoming,
        .incoming_timeout_ms = config->incoming_timeout * 1000,
        .postcopy_patience_ms = config->postcopy_patience * 1000,
        .env = &daemon->qemu,
        .is_resolved_by_lease = g_str_equal(config->resolve, "lease"),
        .is_stock_trusted = g_str_equal(config->stock_source, "fast"),
        .shared_dirs = (const char *const *)config->shared_dirs,
        .relay_mib = (uint64_t)config->relay_bandwidth,
        .peers = (const char *const *)config->peer,
        .peer_uris = (const char *const *)config->peer_uri,
    };
    if (!fallback_parse((const char *const *)config->fallback, &daemon->migrate.fallbacks, error))
        return FALSE;
    daemon->service = (ServiceSettings){.qemu = &daemon->qemu,
                                        .node = daemon->node,
                                        .host_uuid = daemon->host_uuid,
                                        .is_session = daemon->paths->is_session};
    daemon->leases = (LeaseSettings){.helper = daemon->paths->lease_helper,
                                     .dir = config->lease_dir,
                                     .host_name = daemon->host_name,
                                     .host_id = (unsigned)config->lease_host_id,
                                     .io_timeout_s = (unsigned)config->lease_io_timeout};
    lease_init(g_str_equal(config->lock_manager, "sanlock") ? &daemon->leases : NULL);
    registry_init(&daemon->domains);
    if (!migrate_init(&daemon->migrate, error))
        return FALSE;
    service_init(&daemon->service);
    peer_set_keepalive((int)config->keepalive_interval, (unsigned)config->keepalive_count);
    lane_set_keepalive((int)config->keepalive_interval, (unsigned)config->keepalive_count);
    init_server(config);
    return TRUE;
}

/* --- sockets --- */

static gboolean find_group(const char *name, gid_t *ret_gid, GError **error)
{
    const struct group *group = *name ? getgrnam(name) : NULL;

    *ret_gid = group ? group->gr_gid : (gid_t)-1;
    return group || !*name ||
           error_set(error, ERROR_CONF_SYNTAX, "unix_sock_group: there is no group '%s'", name);
}

static gboolean listen_pair(const Daemon *daemon, const char *path, const char *path_ro,
                            GError **error)
{
    const Config *config = daemon->config;
    g_autofree char *dir = g_path_get_dirname(path);
    gid_t group;

    return dir_make(dir, 0755, error) && find_group(config->unix_sock_group, &group, error) &&
           server_listen_unix(path, (mode_t)config->unix_sock_rw_perms, group, FALSE, error) &&
           (!path_ro ||
            server_listen_unix(path_ro, (mode_t)config->unix_sock_ro_perms, group, TRUE, error));
}

static gboolean wants_compat_socket(const Daemon *daemon)
{
    const char *choice = daemon->config->compat_socket;

    if (!g_str_equal(choice, "auto"))
        return g_str_equal(choice, "yes");
    return daemon->options.root || !paths_has_stock_daemon();
}

static gboolean open_compat_socket(const Daemon *daemon, GError **error)
{
    const Paths *paths = daemon->paths;
    g_autoptr(GError) cause = NULL;

    if (!wants_compat_socket(daemon) ||
        listen_pair(daemon, paths->compat_socket, paths->compat_socket_ro, &cause))
        return TRUE;
    if (g_str_equal(daemon->config->compat_socket, "yes")) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    log_warning("%s; stock clients have to name the socket '%s'", cause->message, paths->socket);
    return TRUE;
}

static gboolean open_tcp(const Config *config, GError **error)
{
    if (!config->listen_tcp)
        return TRUE;
    log_warning("auth_tcp is \"none\": everybody who reaches TCP port %d may do everything with "
                "this host's guests",
                (int)config->tcp_port);
    return server_listen_tcp(or_null(config->tcp_address), (guint16)config->tcp_port, error);
}

static gboolean open_sockets(const Daemon *daemon, GError **error)
{
    unsigned inherited = 0;

    if (notify_has_tcp_socket() && !*daemon->config->auth_tcp)
        return error_set(
            error, ERROR_CONF_SYNTAX,
            "the service manager hands over a TCP socket, but auth_tcp is not set: write "
            "auth_tcp = \"none\" if everybody who reaches it may do everything");
    if (!server_listen_inherited(&inherited, error))
        return FALSE;
    if (!inherited && !listen_pair(daemon, daemon->paths->socket, daemon->paths->socket_ro, error))
        return FALSE;
    return open_compat_socket(daemon, error) && open_tcp(daemon->config, error);
}

/* --- start and end --- */

static AWAITS gboolean start_guests_and_sockets(Daemon *daemon, GError **error)
{
    if (!load_domains(error))
        return FALSE;
    recover_orphans();
    return open_sockets(daemon, error);
}

static AWAITS void start_up(void *data)
{
    Daemon *daemon = data;
    g_autoptr(GError) error = NULL;

    if (!start_guests_and_sockets(daemon, &error)) {
        log_error("ferryd cannot start: %s", error->message);
        loop_quit(EXIT_FAILURE);
        return;
    }
    log_info("ferryd %s is ready: %u guests running, %u defined and off, host '%s'", FERRYD_VERSION,
             registry_count(TRUE), registry_count(FALSE), daemon->host_name);
    if (FAULT_BUILT)
        log_warning("this ferryd is built for fault injection: who can write '%s/faults' can make it fail; never use it "
                    "for guests that matter",
                    daemon->paths->run_dir);
    notify_send("READY=1");
    probe_prefill(daemon->qemu.probes);
    lease_enter();
    load_autostart();
}

static void on_end(void *data)
{
    loop_quit(EXIT_SUCCESS);
}

/* Only what may change under a running daemon: how much it logs. */
static void on_reload(void *data)
{
    Daemon *daemon = data;
    Config *before = daemon->config;
    g_autoptr(GError) error = NULL;

    if (read_config(daemon, &error))
        set_log_level(daemon);
    else
        log_error("the configuration was not read again: %s", error->message);
    config_free(daemon->config);
    daemon->config = before;
}

static gboolean prepare(Daemon *daemon, GError **error)
{
    daemon->paths = paths_new(daemon->options.root ? daemon->options.root : "",
                              daemon->options.is_session || geteuid() != 0);
    if (!read_config(daemon, error))
        return FALSE;
    set_log_level(daemon);
    if (!paths_make(daemon->paths, error) || !take_lock(daemon, error))
        return FALSE;
    child_set_helper(daemon->paths->exec_helper);
    if (!look_around(daemon, error))
        return FALSE;
    kvm_init(daemon->paths->kvm_helper, &daemon->qemu.user);
    return init_rooms(daemon, error);
}

int main(int argc, char **argv)
{
    static Daemon daemon;
    g_autoptr(GError) error = NULL;

    if (!parse_options(&daemon.options, argc, argv, &error)) {
        fprintf(stderr, "ferryd: %s\n", error->message);
        return EXIT_FAILURE;
    }
    if (daemon.options.prints_config) {
        g_autofree char *text = config_template();

        fputs(text, stdout);
        return EXIT_SUCCESS;
    }
    if (daemon.options.prints_version) {
        printf("ferryd %s%s\n", FERRYD_VERSION, FAULT_BUILT ? ", built for fault injection" : "");
        return EXIT_SUCCESS;
    }
    if (daemon.options.lists_steps) {
        fault_print_points();
        return EXIT_SUCCESS;
    }
    umask(022);
    loop_init();
    loop_on_signal(SIGTERM, on_end, &daemon);
    loop_on_signal(SIGINT, on_end, &daemon);
    loop_on_signal(SIGHUP, on_reload, &daemon);
    if (!prepare(&daemon, &error)) {
        log_error("ferryd cannot start: %s", error->message);
        return EXIT_FAILURE;
    }
    task_spawn("start-up", start_up, &daemon, NULL);

    const int status = loop_run();

    notify_send("STOPPING=1");
    server_stop_listening();
    probe_end_leftovers(&daemon.qemu);
    /* Not exit(): tasks stand where they were dropped, and nothing of theirs may run again. */
    _exit(status);
}
