/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What this host knows of its addresses, gathered for candidate-rank.c. */
#include "migrate/candidate.h"

#include "base/error.h"
#include "base/log.h"
#include "host/known-name.h"
#include "migrate/migration.h"

#define CONFIGURED_TIMEOUT_MS 1000 /* what an administrator wrote down is worth a moment */
#define OWN_NAME_TIMEOUT_MS   50   /* what a resolver adds is not */

static void log_list(const GPtrArray *candidates)
{
    for (guint i = 0; log_is_on(LOG_LEVEL_DEBUG) && i < candidates->len; i++) {
        const Candidate *candidate = candidates->pdata[i];
        g_autofree char *text = candidate_format(candidate);

        log_debug("candidate %u: %s%s", i + 1, text, candidate->filtered ? ": not offered" : "");
    }
}

/* The questions to the resolver run side by side, and what is awaited here is only a first answer. */
AWAITS static gboolean learn_names(const MigrateSettings *settings, GError **error)
{
    const ResolvedName *names;

    known_name(settings->host_name);
    if (settings->migration_host) {
        if (!known_name_wait(settings->migration_host, CONFIGURED_TIMEOUT_MS, &names, error))
            return FALSE;
        if (!names)
            log_warning("migration_host '%s' of ferryd.conf gives no address (yet): going on without it",
                        settings->migration_host);
    }
    return known_name_wait(settings->host_name, OWN_NAME_TIMEOUT_MS, &names, error);
}

/* "host" has a full name as a rule, and the resolver told it. */
static void take_own_names(const MigrateSettings *settings, CandidateFacts *facts)
{
    const ResolvedName *names = known_name(settings->host_name);
    const char *full = names ? names->canonical : NULL;

    facts->own_name_texts[0] = settings->host_name;
    facts->own_names[0] = names;
    if (full && g_ascii_strcasecmp(full, settings->host_name) != 0) {
        facts->own_name_texts[1] = full;
        facts->own_names[1] = known_name(full);
    }
}

/* Their form was checked when ferryd.conf was read. */
static AddressNetwork *read_networks(const char *const *texts, unsigned *ret_count)
{
    const unsigned count = texts ? g_strv_length((char **)texts) : 0;
    AddressNetwork *networks = g_new0(AddressNetwork, count + 1);

    *ret_count = 0;
    for (unsigned i = 0; i < count && address_network_parse(texts[i], &networks[i]); i++)
        *ret_count = i + 1;
    return networks;
}

AWAITS GPtrArray *candidates_gather(const struct sockaddr_storage *control_local, uint16_t port, GError **error)
{
    const MigrateSettings *settings = migrate_settings();
    g_autoptr(HostAddresses) addresses = NULL;
    g_autofree AddressNetwork *networks = NULL;
    CandidateFacts facts = {
        .configured_text = settings->migration_host,
        .network_texts = settings->migration_networks,
        .wants_networks_only = settings->wants_networks_only,
        .control_local = control_local,
        .port = port,
    };
    GPtrArray *candidates;

    if (!learn_names(settings, error))
        return NULL;
    off_floor {
        addresses = host_addresses_read(error);
    }
    if (!addresses)
        return NULL;
    networks = read_networks(settings->migration_networks, &facts.network_count);
    facts.networks = networks;
    facts.addresses = addresses;
    facts.configured = settings->migration_host ? known_name(settings->migration_host) : NULL;
    take_own_names(settings, &facts);
    candidates = candidates_rank(&facts);
    log_list(candidates);
    return candidates;
}
