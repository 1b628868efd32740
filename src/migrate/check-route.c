/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way between the hosts: every address of the destination is dialled, with the proof that a migration would ask for,
 * to a listener that lives only as long as the check. */
#include <netinet/in.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"
#include "base/file.h"
#include "base/number.h"
#include "client/peer.h"
#include "host/address.h"
#include "migrate/candidate.h"
#include "migrate/check.h"
#include "migrate/greeting.h"
#include "migrate/lane.h"
#include "model/guest-def.h"
#include "phase/flags.h"
#include "phase/uri.h"

#define SECTION     "route"
#define PATIENCE_MS 2000 /* a lost first packet is sent again after one second */
#define GRACE_MS    30   /* for a better one, once one is proven */
#define NAME_MS     1500
#define MIB         (1024 * 1024)

/* --- addresses as facts --- */

static void tell_addresses(CheckScene *scene, const GPtrArray *candidates)
{
    g_autoptr(MigrationCookie) cookie =
        cookie_new(scene->def->name, &scene->def->uuid, scene->host, &migrate_settings()->host_uuid);
    const CookieFerry *ferry = cookie_ferry(cookie);

    candidates_tell(candidates, 0, cookie->ferry);
    for (guint i = 0; i < ferry->addresses->len; i++) {
        const CookieAddress *address = g_ptr_array_index(ferry->addresses, i);
        g_autofree char *text = g_strdup_printf("%s %s", address->literal, address->origin);

        params_add_string(scene->facts, CHECK_FACT_ADDRESS, text);
    }
}

static unsigned peer_port(const CheckScene *scene)
{
    const Param *port = scene->peer ? params_find(scene->peer, CHECK_FACT_PORT) : NULL;

    return port && port->type == PARAM_UINT && port->value.u <= UINT16_MAX ? port->value.u : 0;
}

/* What the other side told, as candidates of ours. */
AWAITS static GPtrArray *hear_addresses(const CheckScene *scene)
{
    g_autoptr(MigrationCookie) cookie =
        cookie_new(scene->def->name, &scene->def->uuid, scene->host, &migrate_settings()->host_uuid);
    CookieFerry *ferry = cookie_ferry(cookie);
    g_autoptr(HostAddresses) own = NULL;

    ferry->port = (uint16_t)peer_port(scene);
    for (size_t i = 0; scene->peer && i < scene->peer->count; i++) {
        const Param *fact = &scene->peer->items[i];
        g_auto(GStrv) words = NULL;

        if (fact->type != PARAM_STRING || !g_str_equal(fact->name, CHECK_FACT_ADDRESS))
            continue;
        words = g_strsplit(fact->value.s, " ", 2);
        if (g_strv_length(words) == 2)
            cookie_add_address(ferry, words[0], words[1]);
    }
    off_floor {
        own = host_addresses_read(NULL);
    }
    return own ? candidates_hear(ferry, own) : candidates_new();
}

AWAITS void check_route_tell(CheckScene *scene, GPtrArray *rows)
{
    const MigrateSettings *settings = migrate_settings();
    const char *listen = settings->migration_address;
    g_autoptr(GPtrArray) candidates = candidates_gather(scene->has_control ? &scene->control : NULL, 0, NULL);
    struct sockaddr_storage address;

    if (!candidates || (listen && !address_parse(listen, &address)))
        return;
    if (listen)
        candidates_restrict(candidates, &address);
    tell_addresses(scene, candidates);
    if (scene->flags & MIGRATE_TUNNELLED || params_get_string(scene->params, MIGRATE_PARAM_URI)) /* nobody calls back then */
        return;
    scene->listener = lane_listen(listen ? &address : NULL, 0, settings->ports, scene->def->name, NULL);
    if (scene->listener)
        params_add_uint(scene->facts, CHECK_FACT_PORT, lane_listener_port(scene->listener));
}

/* --- names --- */

static gboolean is_among(const GPtrArray *candidates, const struct sockaddr_storage *address)
{
    g_autofree char *wanted = address_format(address);

    for (guint i = 0; i < candidates->len; i++) {
        const Candidate *candidate = g_ptr_array_index(candidates, i);
        g_autofree char *text = address_format(&candidate->address);

        if (g_str_equal(text, wanted))
            return TRUE;
    }
    return FALSE;
}

/* Ferry goes by addresses, so a name that is wrong is nothing worse than a warning. */
static void judge_name(const char *row_name, const char *name, const ResolvedName *names, const GPtrArray *known, GPtrArray *rows)
{
    g_autofree char *first = address_format(&names->items[0]);

    for (unsigned i = 0; i < names->count; i++)
        if (address_is_loopback(&names->items[i])) {
            check_rows_add(rows, SECTION, row_name, CHECK_WARNING,
                           "'%s' means this host itself here (%s), which stops stock hosts; Ferry goes by address, for others "
                           "correct /etc/hosts",
                           name, first);
            return;
        }
    if (known->len == 0)
        check_rows_add(rows, SECTION, row_name, CHECK_OK, "'%s' means %s here", name, first);
    else if (is_among(known, &names->items[0]))
        check_rows_add(rows, SECTION, row_name, CHECK_OK, "'%s' means %s here, which is an address of that host", name, first);
    else
        check_rows_add(rows, SECTION, row_name, CHECK_WARNING,
                       "'%s' means %s here, which is no address of that host; Ferry goes by address, for others correct DNS or "
                       "/etc/hosts",
                       name, first);
}

AWAITS void check_route_name(CheckScene *scene, GPtrArray *rows)
{
    const char *name = scene->peer ? params_get_string(scene->peer, CHECK_FACT_HOST_NAME) : NULL;
    g_autofree char *row_name = NULL;
    g_autoptr(GPtrArray) known = NULL;
    g_auto(ResolvedName) names = {0};
    g_autoptr(GError) why = NULL;

    if (!name || !*name)
        return;
    row_name = g_strdup_printf("name '%s'", name);
    known = hear_addresses(scene);
    if (host_resolve(name, NAME_MS, &names, &why))
        judge_name(row_name, name, &names, known, rows);
    else
        check_rows_add(rows, SECTION, row_name, CHECK_WARNING,
                       "'%s' does not resolve here (%s), which stops stock hosts; Ferry goes by address, for others add it to "
                       "DNS or /etc/hosts",
                       name, strrchr(why->message, ':') ? strrchr(why->message, ':') + 2 : why->message);
}

/* --- the destination listens --- */

static void on_probe(LaneName lane, int fd, const char *peer, void *data)
{
    check_speed_drain(fd);
}

/* A token for this check alone, told with the facts. */
static gboolean make_terms(CheckScene *scene)
{
    const char *theirs = scene->peer ? params_get_string(scene->peer, CHECK_FACT_HOST_UUID) : NULL;
    g_autofree char *attempt = NULL;
    g_autofree char *token = NULL;
    g_autofree char *ports = NULL;
    const MigrateSettings *settings = migrate_settings();
    HelloTerms *terms = &scene->terms;

    if (!theirs || !uuid_parse(theirs, &terms->source_host))
        return FALSE;
    g_assert(getrandom(terms->attempt, sizeof terms->attempt, 0) == sizeof terms->attempt &&
             getrandom(terms->token, sizeof terms->token, 0) == sizeof terms->token);
    terms->guest = scene->def->uuid;
    terms->destination_host = settings->host_uuid;
    attempt = hex_format(terms->attempt, sizeof terms->attempt);
    token = hex_format(terms->token, sizeof terms->token);
    params_add_string(scene->facts, CHECK_FACT_ATTEMPT, attempt);
    params_add_string(scene->facts, CHECK_FACT_TOKEN, token);
    ports = g_strdup_printf("%u-%u", settings->ports.first, settings->ports.last);
    params_add_uint(scene->facts, CHECK_FACT_PORT, lane_listener_port(scene->listener));
    params_add_string(scene->facts, CHECK_FACT_PORTS, ports);
    scene->has_terms = TRUE;
    return TRUE;
}

static void say_filtered(const GPtrArray *candidates, GPtrArray *rows)
{
    for (guint i = 0; i < candidates->len; i++) {
        const Candidate *candidate = g_ptr_array_index(candidates, i);
        g_autofree char *literal = address_format(&candidate->address);
        g_autofree char *name = NULL;

        if (!candidate->filtered)
            continue;
        name = g_strdup_printf("address %s", candidate->address.ss_family ? literal : candidate->origin);
        check_rows_add(rows, SECTION, name,
                       candidate->kind <= CANDIDATE_CONFIGURED ? CHECK_WARNING : CHECK_OK, "not offered: %s (%s)",
                       candidate->filtered, candidate->origin);
    }
}

AWAITS void check_route_listen(CheckScene *scene, GPtrArray *rows)
{
    const MigrateSettings *settings = migrate_settings();
    const char *given = params_get_string(scene->params, MIGRATE_PARAM_URI);
    const char *listen = params_get_string(scene->params, MIGRATE_PARAM_LISTEN_ADDRESS) ?: settings->migration_address;
    g_autoptr(GPtrArray) candidates = NULL;
    g_autoptr(MigrationUri) uri = NULL;
    struct sockaddr_storage address;
    GError *why = NULL;

    if (scene->flags & MIGRATE_TUNNELLED)
        return;
    if ((given && !(uri = migration_uri_parse(given, &why))) ||
        (listen && !address_parse(listen, &address) &&
         !error_set(&why, ERROR_INVALID_ARG, "listen address '%s' is not an address of this host; give a literal", listen)) ||
        !(scene->listener = lane_listen(listen ? &address : NULL, uri ? uri->port : 0, settings->ports, scene->def->name, &why))) {
        check_rows_add_error(rows, SECTION, "ports", CHECK_BLOCKER, why);
        return;
    }
    check_rows_add(rows, SECTION, "ports", CHECK_OK, "port %u is free", lane_listener_port(scene->listener));
    candidates = candidates_gather(scene->has_control ? &scene->control : NULL, 0, NULL);
    if (!candidates)
        return;
    if (listen)
        candidates_restrict(candidates, &address);
    tell_addresses(scene, candidates);
    say_filtered(candidates, rows);
    if (scene->listener && make_terms(scene)) /* it may have been closed meanwhile */
        lane_listener_expect(scene->listener, &scene->terms, SIDE_DESTINATION, on_probe, NULL);
}

/* --- the source dials --- */

static gboolean read_terms(const CheckScene *scene, HelloTerms *ret_terms)
{
    const char *attempt = params_get_string(scene->peer, CHECK_FACT_ATTEMPT);
    const char *token = params_get_string(scene->peer, CHECK_FACT_TOKEN);
    const char *host = params_get_string(scene->peer, CHECK_FACT_HOST_UUID);

    ret_terms->guest = scene->def->uuid;
    ret_terms->source_host = migrate_settings()->host_uuid;
    return attempt && token && host && hex_parse(attempt, ret_terms->attempt, sizeof ret_terms->attempt) &&
           hex_parse(token, ret_terms->token, sizeof ret_terms->token) && uuid_parse(host, &ret_terms->destination_host);
}

/* An explicit URI is an order: it alone is tried. */
AWAITS static GPtrArray *list_targets(const CheckScene *scene, GError **error)
{
    const char *given = params_get_string(scene->params, MIGRATE_PARAM_URI);
    g_autoptr(MigrationUri) uri = NULL;
    g_auto(ResolvedName) names = {0};
    g_autoptr(GPtrArray) targets = NULL;

    if (!given)
        return hear_addresses(scene);
    if (!(uri = migration_uri_parse(given, error)) || !host_resolve(uri->host, NAME_MS, &names, error))
        return NULL;
    targets = candidates_new();
    for (unsigned i = 0; i < names.count; i++) {
        address_set_port(&names.items[i], uri->port ? uri->port : (uint16_t)peer_port(scene));
        candidates_add(targets, &names.items[i], CANDIDATE_EXPLICIT, given);
    }
    return g_steal_pointer(&targets);
}

typedef struct {
    GPtrArray *greetings; /* as the targets */
    unsigned left;
    Await *first; /* one is proven, or all have failed */
    Await *end;
} Dials;

static void on_greeting(Greeting *greeting, void *data)
{
    Dials *dials = data;

    dials->left--;
    if (greeting_verdict(greeting) == GREETING_PROVEN || dials->left == 0)
        await_succeed(dials->first);
    if (dials->left == 0)
        await_succeed(dials->end);
}

static int best_proven(const GPtrArray *greetings)
{
    for (guint i = 0; i < greetings->len; i++)
        if (greeting_verdict(g_ptr_array_index(greetings, i)) == GREETING_PROVEN)
            return (int)i;
    return -1;
}

static unsigned path_mtu(int fd, int family)
{
    int mtu = 0;
    socklen_t len = sizeof mtu;

    if (getsockopt(fd, family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP, family == AF_INET6 ? IPV6_MTU : IP_MTU, &mtu, &len) < 0)
        return 0;
    return (unsigned)MAX(mtu, 0);
}

/* What to do about an address that does not work. */
static char *advice(const CheckScene *scene, const Greeting *greeting)
{
    const char *ports = params_get_string(scene->peer, CHECK_FACT_PORTS) ?: "49152-49215";
    const char *there = scene->side == SIDE_SOURCE ? "destination" : "source";

    switch (greeting_verdict(greeting)) {
    case GREETING_REFUSED:
        return g_strdup_printf("something on the way rejects it: let the migration ports pass, on the %s e.g. "
                               "`firewall-cmd --add-port=%s/tcp`",
                               there, ports);
    case GREETING_SILENT:
        if (greeting_round_trip_us(greeting))
            return g_strdup("see who listens there: it takes the connection and does not speak");
        return g_strdup_printf("something on the way drops it without a word: let the migration ports pass, on the %s "
                               "e.g. `firewall-cmd --add-port=%s/tcp`",
                               there, ports);
    case GREETING_UNROUTABLE:
        return g_strdup("see `ip route get` here");
    case GREETING_OTHER:
    case GREETING_ENDED:
        return g_strdup("another host answers at this address: give one of the two another");
    case GREETING_PENDING:
    case GREETING_PROVEN:
    case GREETING_NOT_TRIED:
        break;
    }
    return NULL;
}

static char *time_text(int64_t us)
{
    return us < 100 * 1000 ? g_strdup_printf("%.1f ms", (double)us / 1000) : g_strdup_printf("%.1f s", (double)us / 1000000);
}

static void judge_dial(const CheckScene *scene, const Candidate *target, Greeting *greeting, uint64_t bytes_per_s, unsigned mtu,
                       GPtrArray *rows)
{
    g_autofree char *literal = address_format_host(&target->address);
    g_autofree char *name = g_strdup_printf(scene->side == SIDE_SOURCE ? "address %s" : "calling back %s", literal);
    const char *verdict = enum_name(greeting_verdict_names, (int)greeting_verdict(greeting));
    const char *reason = greeting_reason(greeting);
    g_autofree char *time = NULL;
    CheckRow *row;

    if (greeting_verdict(greeting) != GREETING_PROVEN) {
        time = time_text(greeting_elapsed_us(greeting));
        row = check_rows_add(rows, SECTION, name, CHECK_WARNING, "%s on port %u after %s%s%s (%s)", verdict,
                             address_port(&target->address), time, g_strcmp0(reason, verdict) == 0 ? "" : ": ",
                             g_strcmp0(reason, verdict) == 0 ? "" : reason, target->origin);
        check_row_advise(row, advice(scene, greeting));
        return;
    }
    time = time_text(greeting_round_trip_us(greeting));
    row = check_rows_add(rows, SECTION, name, CHECK_OK, "proven on port %u: round trip %s, path MTU %u (%s)",
                         address_port(&target->address), time, mtu, target->origin);
    if (bytes_per_s) {
        g_autofree char *cause = g_steal_pointer(&row->cause);

        row->cause = g_strdup_printf("%s, %" G_GUINT64_FORMAT " MiB/s", cause, bytes_per_s / MIB);
    }
}

/* An order leaves no other way.  Else who asked both sides decides. */
static void judge_order(const CheckScene *scene, const GPtrArray *greetings, GPtrArray *rows)
{
    if (scene->reached == 0 && params_get_string(scene->params, MIGRATE_PARAM_URI))
        check_row_advise(check_rows_add(rows, SECTION, "addresses", CHECK_BLOCKER, "the address that was ordered cannot be reached"),
                         advice(scene, g_ptr_array_index(greetings, 0)));
}

/* Takes part in no race: every address runs to its own end.  The best that is proven soon carries the probe meanwhile. */
AWAITS static void dial_all(CheckScene *scene, GPtrArray *targets, const HelloTerms *terms, GPtrArray *rows)
{
    g_autoptr(GPtrArray) greetings = g_ptr_array_new_with_free_func((GDestroyNotify)greeting_free);
    g_autoptr(Await) first = await_new("an address of the destination");
    g_autoptr(Await) end = await_new("the addresses of the destination");
    const unsigned count = MIN(targets->len, HELLO_LANE_NUMBER_MAX);
    Dials dials = {.greetings = greetings, .left = count, .first = first, .end = end};
    unsigned mtu = 0;
    int best;

    for (unsigned i = 0; i < count; i++) {
        const Candidate *target = g_ptr_array_index(targets, i);

        g_ptr_array_add(greetings, greeting_dial(&target->address, terms, scene->side, (LaneName){LANE_PROBE, i}, PATIENCE_MS,
                                                 on_greeting, &dials));
    }
    if (!await(first, -1, NULL))
        return;
    await(end, GRACE_MS, NULL);
    best = best_proven(greetings);
    if (best >= 0 && scene->side == SIDE_SOURCE) {
        auto_fd int fd = greeting_steal_fd(g_ptr_array_index(greetings, best));

        mtu = path_mtu(fd, ((const Candidate *)g_ptr_array_index(targets, best))->address.ss_family);
        scene->bytes_per_s = check_speed_send(fd_steal(&fd));
    }
    if (!await(end, -1, NULL))
        return;
    scene->reached = 0;
    for (unsigned i = 0; i < count; i++) {
        const Candidate *target = g_ptr_array_index(targets, i);
        Greeting *greeting = g_ptr_array_index(greetings, i);
        auto_fd int fd = greeting_steal_fd(greeting);
        const gboolean is_best = (int)i == best && scene->side == SIDE_SOURCE;

        scene->reached += greeting_verdict(greeting) == GREETING_PROVEN;
        judge_dial(scene, target, greeting, is_best ? scene->bytes_per_s : 0,
                   is_best ? mtu : path_mtu(fd, target->address.ss_family), rows);
    }
    judge_order(scene, greetings, rows);
}

AWAITS void check_route_dial(CheckScene *scene, GPtrArray *rows)
{
    g_autoptr(GPtrArray) targets = NULL;
    HelloTerms terms = {0};
    GError *why = NULL;

    if (scene->flags & MIGRATE_TUNNELLED) {
        check_rows_add(rows, SECTION, "tunnel", CHECK_OK, "the memory goes through the connection of the daemons");
        return;
    }
    if (!scene->peer || !peer_port(scene) || !read_terms(scene, &terms)) /* a stock host, or one whose ports are used up */
        return;
    if (scene->held && scene->held->listener) /* the destination may have to call back */
        lane_listener_expect(scene->held->listener, &terms, SIDE_SOURCE, on_probe, NULL);
    targets = list_targets(scene, &why);
    if (!targets)
        check_rows_add_error(rows, SECTION, "migration URI", CHECK_BLOCKER, why);
    else if (targets->len == 0)
        check_rows_add(rows, SECTION, "addresses", CHECK_BLOCKER,
                       "the destination knows no address of its own that others could use; set migration_host in its ferryd.conf");
    else
        dial_all(scene, targets, &terms, rows);
    explicit_bzero(&terms, sizeof terms);
}

AWAITS void check_route_back(CheckScene *scene, GPtrArray *rows)
{
    g_autoptr(GPtrArray) targets = scene->has_terms && peer_port(scene) ? hear_addresses(scene) : NULL;

    if (targets && targets->len > 0)
        dial_all(scene, targets, &scene->terms, rows);
}

AWAITS void check_route_peer(CheckScene *scene, GPtrArray *rows)
{
    GError *why = NULL;
    Peer *peer;

    if (!(scene->flags & MIGRATE_PEER2PEER) || !scene->peer_uri)
        return;
    peer = peer_open(scene->peer_uri, &why);
    if (!peer)
        check_rows_add_error(rows, SECTION, "daemon to daemon", CHECK_BLOCKER, why);
    else
        check_rows_add(rows, SECTION, "daemon to daemon", CHECK_OK, "'%s' answers this host", scene->peer_uri);
    peer_close(peer);
}
