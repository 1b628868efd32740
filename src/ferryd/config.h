/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ferryd.conf: one table of rows says what there is, of which type, with which default and what
 * for.  The reader, the commented template (--print-config) and the checks come from it. */
#pragma once

#include <glib.h>
#include <stdint.h>

/* 0 or NULL where a default is worked out at start-up; see the table in config.c */
typedef struct {
    char *log_level;
    char *host_uuid;

    char *compat_socket;
    char *unix_sock_group;
    int64_t unix_sock_rw_perms, unix_sock_ro_perms;
    gboolean listen_tcp;
    char *tcp_address;
    int64_t tcp_port;
    char *auth_tcp;

    int64_t max_clients, max_queued_clients;
    int64_t max_anonymous_clients, max_anonymous_per_address, login_timeout;
    int64_t max_client_requests, max_requests;
    int64_t anonymous_frame_kib, client_unsent_mib, total_unsent_mib;
    int64_t keepalive_interval, keepalive_count;

    char *user, *group;
    char **emulator_dirs;
    char **network_map;
    char **shared_dirs;
    char *lock_manager, *lease_dir, *resolve;
    int64_t lease_host_id, lease_io_timeout;

    char *migration_host, *migration_address;
    char **migration_networks;
    gboolean migration_networks_only;
    int64_t max_outgoing, max_incoming, incoming_timeout, postcopy_patience;
    char *stock_source;
    int64_t migration_port_min, migration_port_max;
    char **peer, **peer_uri;
    char **fallback;
    int64_t relay_bandwidth;
} Config;

/* All defaults. */
Config *config_new(void);
void config_free(Config *config);
/* Reads text on top of what is set.  path is for the errors: "PATH:12: unknown key 'foo'". */
gboolean config_parse(Config *config, const char *text, const char *path, GError **error);
/* One row from the command line, as if it stood in the file. */
gboolean config_set(Config *config, const char *key, const char *value, GError **error);
/* What single rows cannot see: port ranges the wrong way round, TCP without a written-out auth_tcp.
 */
gboolean config_check(const Config *config, GError **error);
/* The template: every row with its help, commented out at its default.  The caller frees it. */
char *config_template(void);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Config, config_free)
