/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the memory is to be sent. */
#include "migrate/address.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "host/address.h"
#include "migrate/migration.h"

/* Looking a name up may fail or take too long; then it is no source of addresses, and the log says so. */
AWAITS static void look_up(const char *name, ResolvedName *ret_names)
{
    g_autoptr(GError) error = NULL;

    if (!host_resolve(name, NAME_TIMEOUT_MS, ret_names, &error))
        log_debug("'%s' gives no address: %s", name, error->message);
}

AWAITS gboolean address_for_source(const struct sockaddr_storage *control_local, const char *guest, char **ret_literal,
                                   GError **error)
{
    const MigrateSettings *settings = migrate_settings();
    g_autoptr(HostAddresses) addresses = host_addresses_read(error);
    g_autofree char *default_interface = host_default_interface();
    g_auto(ResolvedName) configured = {0};
    g_auto(ResolvedName) own = {0};
    g_autofree char *reason = NULL;
    AddressFacts facts = {
        .configured_text = settings->migration_host,
        .control_local = control_local,
        .own_name_text = settings->host_name,
        .addresses = addresses,
        .default_interface = default_interface,
    };

    if (!addresses)
        return FALSE;
    if (settings->migration_host) {
        look_up(settings->migration_host, &configured);
        facts.configured = &configured;
    } else if (!control_local || address_is_loopback(control_local) || address_is_link_local(control_local)) {
        look_up(settings->host_name, &own); /* only when it can matter: a name server may be slow */
        facts.own_name = &own;
    }
    if (!address_choose(&facts, ret_literal, &reason, error))
        return FALSE;
    log_info("domain '%s' is to come to %s: %s", guest, *ret_literal, reason);
    return TRUE;
}

#define ENVIRON_MAX (256 * 1024)

char *address_of_ssh(pid_t pid)
{
    static const char key[] = "SSH_CONNECTION=";
    g_autofree char *path = g_strdup_printf("/proc/%d/environ", (int)pid);
    size_t len = 0;
    g_autofree char *environ_text = pid > 0 ? file_read(path, ENVIRON_MAX, &len, NULL) : NULL;

    for (const char *entry = environ_text; entry && entry < environ_text + len; entry += strlen(entry) + 1) {
        g_auto(GStrv) words = NULL;

        if (!g_str_has_prefix(entry, key))
            continue;
        words = g_strsplit(entry + strlen(key), " ", 0); /* client address and port, then ours */
        return g_strv_length(words) == 4 ? g_strdup(words[2]) : NULL;
    }
    return NULL;
}
