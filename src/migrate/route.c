/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way between two ferryds: what both sides share, and the source's search. */
#include "migrate/route.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/number.h"
#include "host/address.h"
#include "migrate/arrive.h"
#include "migrate/candidate.h"
#include "migrate/migration.h"
#include "migrate/postcopy.h"
#include "migrate/source.h"
#include "phase/uri.h"

#define LANE_PATIENCE_MS (10 * 1000)
#define NAME_PATIENCE_MS ROUTE_PATIENCE_MS
#define LISTEN_AGAIN_MS 1000

typedef struct {
    LaneName name;
    int fd;
} Came;

static const LaneName pact_lane = {LANE_PACT, 0};

static void came_clear(void *data)
{
    fd_clear(&((Came *)data)->fd);
}

static void duplicate_clear(void *data)
{
    fd_clear(data);
}

void route_init(Route *route)
{
    route->dialling = g_ptr_array_new_with_free_func((GDestroyNotify)greeting_free);
    route->came = g_array_new(FALSE, FALSE, sizeof(Came));
    g_array_set_clear_func(route->came, came_clear);
    route->duplicates = g_array_new(FALSE, FALSE, sizeof(int));
    g_array_set_clear_func(route->duplicates, duplicate_clear);
}

void route_close(Route *route)
{
    g_clear_pointer(&route->listen_again, timer_free);
    g_clear_pointer(&route->listener, lane_listener_free);
    g_clear_pointer(&route->pact, pact_free);
    route_release_lanes(route);
}

void route_release_lanes(Route *route)
{
    g_clear_pointer(&route->call_back, timer_free);
    g_clear_pointer(&route->race, race_free);
    if (!route->came)
        return;
    g_ptr_array_set_size(route->dialling, 0);
    g_array_set_size(route->came, 0);
    g_array_set_size(route->duplicates, 0);
}

void route_clear(Route *route)
{
    route_close(route);
    g_clear_pointer(&route->addresses, g_ptr_array_unref);
    g_clear_pointer(&route->dialling, g_ptr_array_unref);
    g_clear_pointer(&route->came, g_array_unref);
    g_clear_pointer(&route->duplicates, g_array_unref);
}

gboolean route_hear(Route *route, const CookieFerry *ferry, GError **error)
{
    g_autoptr(HostAddresses) own = NULL;

    if (!ferry->port || ferry->addresses->len == 0)
        return TRUE;
    own = host_addresses_read(error);
    if (!own)
        return FALSE;
    g_clear_pointer(&route->addresses, g_ptr_array_unref);
    route->addresses = candidates_hear(ferry, own);
    return TRUE;
}

gboolean route_terms(const Migration *migration, HelloTerms *ret_terms, GError **error)
{
    const MigrateSettings *settings = migrate_settings();
    const Journal *journal = migration->journal;
    gboolean is_source = migration->side == SIDE_SOURCE;

    if (!journal->token || !hex_parse(journal->token, ret_terms->token, sizeof ret_terms->token) ||
        !hex_parse(journal->id, ret_terms->attempt, sizeof ret_terms->attempt))
        return error_set(error, ERROR_INTERNAL_ERROR,
                         "internal error: the migration of domain '%s' has no token to prove itself with", journal->name);
    ret_terms->guest = journal->uuid;
    ret_terms->source_host = is_source ? settings->host_uuid : journal->peer_host;
    ret_terms->destination_host = is_source ? journal->peer_host : settings->host_uuid;
    return TRUE;
}

/* What is joined ends with this daemon, and so does its note's use. */
static void note_lane(Migration *migration, int fd)
{
    Journal *journal = migration->journal;
    g_autofree char *before = g_steal_pointer(&journal->lanes);
    g_autoptr(GError) error = NULL;
    struct stat info;

    if (journal->is_carried || fstat(fd, &info) < 0)
        return;
    journal->lanes = g_strdup_printf("%s%s%" G_GUINT64_FORMAT, before ?: "", before ? " " : "", (guint64)info.st_ino);
    if (migration->record && !migration_save(migration, &error))
        log_warning("%s, continuing", error->message);
}

void route_keep_duplicate(Migration *migration, int fd)
{
    int copy = dup(fd);

    if (copy < 0)
        return;
    g_array_append_val(migration->route.duplicates, copy);
    note_lane(migration, fd);
}

void route_regain_duplicates(Migration *migration)
{
    const Journal *journal = migration->journal;
    g_auto(GStrv) lanes = g_strsplit(journal->lanes ?: "", " ", -1);
    GArray *duplicates = migration->route.duplicates;
    g_autoptr(GError) error = NULL;
    uint64_t inode;

    if (duplicates->len > 0 || !migration->domain->guest)
        return;
    for (char **lane = lanes; *lane && !error; lane++) {
        int fd = number_parse_u64(*lane, UINT64_MAX, &inode) ? qemu_guest_get_socket(migration->domain->guest, inode, &error) : -1;

        if (fd >= 0)
            g_array_append_val(duplicates, fd);
    }
    if (error)
        log_warning("domain '%s': %s, continuing without a hold of its lanes: a QEMU that does not answer cannot be freed of them",
                    journal->name, error->message);
}

void route_drop_duplicates(Migration *migration)
{
    g_array_set_size(migration->route.duplicates, 0);
    g_clear_pointer(&migration->journal->lanes, g_free);
}

static void shut(Route *route, int how)
{
    for (unsigned i = 0; i < route->duplicates->len; i++)
        shutdown(g_array_index(route->duplicates, int, i), how);
}

void route_shut_lanes(Route *route)
{
    shut(route, SHUT_RDWR);
}

void route_end_lanes(Route *route)
{
    shut(route, SHUT_WR);
}

int64_t route_silence_ms(const Route *route)
{
    int64_t least = pact_is_lost(route->pact) ? -1 : clock_now_ms() - pact_heard_ms(route->pact);

    for (unsigned i = 0; i < route->duplicates->len; i++) {
        struct tcp_info info = {0};
        socklen_t len = sizeof info;

        if (getsockopt(g_array_index(route->duplicates, int, i), IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
            (least < 0 || info.tcpi_last_data_recv < least))
            least = info.tcpi_last_data_recv;
    }
    return least;
}

static void on_heard(PactWord word, const uint8_t *rest, size_t len, void *data)
{
    Migration *migration = data;
    LaneName name;

    if (word == PACT_READY) {
        log_debug("domain '%s': QEMU waits on %s", migration->journal->name, migration->journal->peer);
        migration->route.is_ready = TRUE;
        condition_signal(migration->changed);
    } else if (word == PACT_ATTACHED) {
        migration->route.is_attached = TRUE;
        condition_signal(migration->changed);
    } else if (word == PACT_TOLD) {
        ask_hear(migration, rest, len);
    } else if (word == PACT_DIAL && migration->side == SIDE_DESTINATION && pact_parse_lane(rest, len, &name) &&
               name.purpose == LANE_MEMORY && name.number == LANE_NUMBER_AGAIN) {
        arrive_dial(migration, name);
    }
}

static void on_lost(const char *why, void *data)
{
    Migration *migration = data;

    log_debug("domain '%s': the pact lane to %s is lost: %s", migration->journal->name, migration->journal->peer, why);
    condition_signal(migration->changed);
    ask_pact_lost(migration);
}

static const PactEvents pact_events = {.heard = on_heard, .lost = on_lost};

/* --- for a restart -------------------------------------------------------------------------------------------------- */

static void append_address(GString *text, const struct sockaddr_storage *address)
{
    g_autofree char *host = address_format_host(address);

    g_string_append_printf(text, "%s%s:%u", text->len ? " " : "", host, address_port(address));
}

void route_note(Migration *migration)
{
    Route *route = &migration->route;
    Journal *journal = migration->journal;
    gboolean is_dialer = (migration->side == SIDE_SOURCE) != route->is_called_back;
    GString *reach = g_string_new(NULL);
    g_autoptr(GError) error = NULL;

    g_free(journal->way);
    journal->way = g_strdup(route->is_called_back ? "called back" : "dialled");
    if (is_dialer && route->address.ss_family)
        append_address(reach, &route->address);
    for (unsigned i = 0; is_dialer && route->addresses && i < route->addresses->len; i++) {
        const Candidate *candidate = route->addresses->pdata[i];

        if (!candidate->filtered && !address_equal(&candidate->address, &route->address))
            append_address(reach, &candidate->address);
    }
    g_free(journal->reach);
    journal->reach = reach->len ? g_string_free(reach, FALSE) : (g_string_free(reach, TRUE), NULL);
    journal->port = !is_dialer && route->listener ? lane_listener_port(route->listener) : 0;
    if (migration->record && !migration_save(migration, &error))
        log_warning("%s, continuing", error->message);
}

static GPtrArray *recalled_addresses(const char *reach)
{
    g_auto(GStrv) words = g_strsplit(reach, " ", -1);
    GPtrArray *addresses = candidates_new();

    for (char **word = words; *word; word++) {
        char *colon = strrchr(*word, ':');
        struct sockaddr_storage address;
        uint64_t port = 0;

        if (!colon)
            continue;
        *colon = '\0';
        if (!address_parse(*word, &address) || !number_parse_u64(colon + 1, UINT16_MAX, &port))
            continue;
        address_set_port(&address, (uint16_t)port);
        candidates_add(addresses, &address, CANDIDATE_PEER, "journal");
    }
    return addresses;
}

static void on_lane_again(LaneName name, int fd, const char *peer, void *data)
{
    Migration *migration = data;
    const Came came = {name, fd};

    if (name.purpose == LANE_PACT) {
        ask_meet(migration, fd, &pact_events);
    } else if (migration->is_recovering && name.purpose == LANE_MEMORY && name.number == LANE_NUMBER_AGAIN) {
        g_array_append_val(migration->route.came, came);
        condition_signal(migration->changed);
    } else if (!postcopy_takes_lane(migration, name, fd, peer)) {
        close(fd); /* the memory's lanes have ended with the daemon that had them, or are QEMU's */
    }
}

/* At the port that the other side knows. */
static gboolean listen_recalled(Migration *migration, GError **error)
{
    const MigrateSettings *settings = migrate_settings();
    const Journal *journal = migration->journal;
    Route *route = &migration->route;
    struct sockaddr_storage address;
    gboolean is_bound = settings->migration_address && address_parse(settings->migration_address, &address);
    HelloTerms terms;

    if (!route_terms(migration, &terms, error))
        return FALSE;
    route->listener = lane_listen(is_bound ? &address : NULL, (uint16_t)journal->port, settings->ports, journal->name, error);
    if (route->listener)
        lane_listener_expect(route->listener, &terms, migration->side, on_lane_again, migration);
    explicit_bzero(&terms, sizeof terms);
    return route->listener != NULL;
}

static void on_listen_again(void *data)
{
    Migration *migration = data;

    if (!listen_recalled(migration, NULL)) {
        timer_restart(migration->route.listen_again, LISTEN_AGAIN_MS);
        return;
    }
    log_info("domain '%s': its other host can ask again: port %u is free now", migration->journal->name,
             (unsigned)migration->journal->port);
    g_clear_pointer(&migration->route.listen_again, timer_free);
}

void route_recall(Migration *migration)
{
    Route *route = &migration->route;
    const Journal *journal = migration->journal;
    g_autoptr(GError) error = NULL;

    if (!journal->way || !journal->token)
        return;
    route->is_met = route->is_mutual = TRUE;
    route->is_called_back = g_str_equal(journal->way, "called back");
    route->pact_events = &pact_events;
    if (journal->reach)
        route->addresses = recalled_addresses(journal->reach);
    if (!journal->port || listen_recalled(migration, &error))
        return;
    log_warning("domain '%s': its other host cannot ask at the port that it knows: %s; this is tried again each second",
                journal->name, error->message);
    route->listen_again = timer_new(LISTEN_AGAIN_MS, on_listen_again, migration);
}

/* --- the source's search -------------------------------------------------------------------------------------------- */

static void on_change(void *data)
{
    Migration *migration = data;

    condition_signal(migration->changed);
}

/* On our own listener, where the destination calls back. */
static void on_lane(LaneName name, int fd, const char *peer, void *data)
{
    Migration *migration = data;
    Route *route = &migration->route;
    const Came came = {name, fd};

    if (name.purpose != LANE_PACT) {
        g_array_append_val(route->came, came);
    } else if (route->is_met && route->is_called_back) { /* it comes again: the newest counts */
        ask_meet(migration, fd, &pact_events);
    } else if (route->pact || (route->race && race_winner(route->race) >= 0)) {
        close(fd); /* our own way was found meanwhile */
        return;
    } else {
        route->is_called_back = TRUE;
        ask_meet(migration, fd, &pact_events);
        g_free(migration->journal->address);
        migration->journal->address = g_strdup_printf("%s, called back", peer);
        log_info("domain '%s' goes to %s, which this host does not reach, but which has called back from %s",
                 migration->journal->name, migration->journal->peer, peer);
    }
    condition_signal(migration->changed);
}

static void take_winner(Migration *migration)
{
    Route *route = &migration->route;
    RaceEntry winner = race_entry(route->race, (unsigned)race_winner(route->race));
    g_autofree char *host = address_format_host(&winner.address);
    g_autofree char *others = race_count(route->race) > 1 ? race_table(route->race) : NULL;

    route->address = winner.address;
    route->is_called_back = FALSE;
    ask_meet(migration, race_steal_fd(route->race), &pact_events);
    g_free(migration->journal->address);
    migration->journal->address = g_strdup_printf("%s:%u", host, address_port(&winner.address));
    log_info("domain '%s' goes to %s by %s (%s), proven in %.1f ms", migration->journal->name, migration->journal->peer,
             migration->journal->address, winner.origin, (double)race_elapsed_us(route->race) / 1000);
    if (others)
        log_debug("domain '%s': addresses tried:%s", migration->journal->name, others);
}

/* Stock's words lead, for scripts that look for them; then all that was tried. */
static gboolean no_route(const Migration *migration, gboolean may_be_called, GError **error)
{
    const Race *race = migration->route.race;
    g_autofree char *table = race_table(race);
    g_autofree char *host = NULL;
    RaceEntry first;

    if (race_count(race) == 0)
        return error_set(error, ERROR_OPERATION_FAILED,
                         "unable to connect to server at '%s': it named no address at which it can be reached",
                         migration->journal->peer);
    first = race_entry(race, 0);
    host = address_format_host(&first.address);
    return error_set(error, ERROR_OPERATION_FAILED,
                     "unable to connect to server at '%s:%u': %s\nno way leads from %s to %s for the memory of domain '%s':%s%s",
                     host, address_port(&first.address), first.reason ?: g_strerror(ETIMEDOUT), migrate_settings()->host_name,
                     migration->journal->peer, migration->journal->name, table,
                     may_be_called ? "\n  and it did not reach this host either" : "");
}

AWAITS static gboolean await_route(Migration *migration, gboolean may_be_called, GError **error)
{
    Route *route = &migration->route;
    int64_t started = clock_now_ms();

    for (;;) {
        gboolean is_lost = race_is_lost(route->race);
        int64_t until = started + (!is_lost ? ROUTE_PATIENCE_MS : may_be_called ? ROUTE_CALL_BACK_GRACE_MS : 0);
        int64_t now = clock_now_ms();
        g_autoptr(GError) why = NULL;

        if (!source_check_wanted(migration, error))
            return FALSE;
        if (race_winner(route->race) >= 0) /* before a call back that came at the same time: the destination chooses alike */
            take_winner(migration);
        if (route->pact)
            return TRUE;
        if (now >= until)
            return no_route(migration, may_be_called, error);
        if (!migration_wait(migration, until - now, &why) && !error_is(why, ERROR_OPERATION_TIMEOUT)) {
            g_propagate_error(error, g_steal_pointer(&why));
            return FALSE;
        }
    }
}

/* An order of the user: the only way to try. */
AWAITS static GPtrArray *ordered_addresses(const char *text, GError **error)
{
    g_autoptr(MigrationUri) uri = migration_uri_parse(text, error);
    g_auto(ResolvedName) names = {0};
    g_autoptr(GError) why = NULL;
    GPtrArray *addresses;

    if (!uri)
        return NULL;
    if (!uri->port) {
        error_set(error, ERROR_INVALID_ARG, "migration URI '%s' has no port: write tcp://ADDRESS:PORT, or leave it out", text);
        return NULL;
    }
    if (!host_resolve(uri->host, NAME_PATIENCE_MS, &names, &why)) {
        error_set(error, error_code(why), "Unable to resolve address '%s' service '%u': %s", uri->host, uri->port,
                  lane_reason(why));
        return NULL;
    }
    addresses = candidates_new();
    for (unsigned i = 0; i < names.count; i++) {
        address_set_port(&names.items[i], uri->port);
        candidates_add(addresses, &names.items[i], CANDIDATE_EXPLICIT, "migration URI");
    }
    return addresses;
}

AWAITS gboolean route_find(Migration *migration, const char *uri, GError **error)
{
    Route *route = &migration->route;
    g_autoptr(GPtrArray) ordered = NULL;
    gboolean may_be_called = route->addresses && route->listener;
    gboolean is_found;
    HelloTerms terms;

    if (!route_terms(migration, &terms, error))
        return FALSE;
    if (!route->addresses && !(ordered = ordered_addresses(uri, error)))
        return FALSE;
    route->race = race_new(route->addresses ?: ordered, &terms, SIDE_SOURCE, pact_lane, ROUTE_PATIENCE_MS - 100, on_change,
                           migration);
    if (may_be_called)
        lane_listener_expect(route->listener, &terms, SIDE_SOURCE, on_lane, migration);
    explicit_bzero(&terms, sizeof terms);
    is_found = await_route(migration, may_be_called, error);
    g_clear_pointer(&route->race, race_free);
    if (!route->is_called_back)
        g_clear_pointer(&route->listener, lane_listener_free);
    return is_found;
}

/* --- further lanes -------------------------------------------------------------------------------------------------- */

static int take_came(Route *route, LaneName name)
{
    for (unsigned i = 0; i < route->came->len; i++) {
        Came *came = &g_array_index(route->came, Came, i);

        if (came->name.purpose == name.purpose && came->name.number == name.number) {
            int fd = fd_steal(&came->fd);

            g_array_remove_index_fast(route->came, i);
            return fd;
        }
    }
    return -1;
}

static void on_dialled(Greeting *greeting, void *data)
{
    on_change(data);
}

AWAITS gboolean route_wait_ready(Migration *migration, GError **error)
{
    const Route *route = &migration->route;

    while (route->pact && !pact_is_lost(route->pact) && !route->is_ready)
        if (!source_check_wanted(migration, error) || !migration_wait(migration, -1, error))
            return FALSE;
    return TRUE;
}

AWAITS gboolean route_open_lane(Migration *migration, LaneName name, int *ret_fd, GError **error)
{
    Route *route = &migration->route;
    int64_t deadline = clock_now_ms() + LANE_PATIENCE_MS;
    g_autoptr(Greeting) greeting = NULL;
    HelloTerms terms;
    auto_fd int fd = -1;

    if (!route_terms(migration, &terms, error))
        return FALSE;
    if (route->is_called_back)
        pact_ask_lane(route->pact, name);
    else
        greeting = greeting_dial(&route->address, &terms, SIDE_SOURCE, name, LANE_PATIENCE_MS, on_dialled, migration);
    explicit_bzero(&terms, sizeof terms);
    for (;;) {
        g_autoptr(GError) why = NULL;

        if (!source_check_wanted(migration, error))
            return FALSE;
        fd = greeting ? greeting_verdict(greeting) == GREETING_PROVEN ? greeting_steal_fd(greeting) : -1 : take_came(route, name);
        if (fd >= 0)
            break;
        if ((greeting && greeting_verdict(greeting) != GREETING_PENDING) || clock_now_ms() >= deadline ||
            (!greeting && pact_is_lost(route->pact)))
            return error_set(error, ERROR_OPERATION_FAILED, "unable to connect to server at '%s': the lane '%s' was lost: %s",
                             migration->journal->address, enum_name(lane_purpose_names, (int)name.purpose),
                             greeting ? greeting_reason(greeting) ?: "no answer" : "the destination did not dial it");
        if (!migration_wait(migration, deadline - clock_now_ms(), &why) && !error_is(why, ERROR_OPERATION_TIMEOUT)) {
            g_propagate_error(error, g_steal_pointer(&why));
            return FALSE;
        }
    }
    route_keep_duplicate(migration, fd);
    *ret_fd = fd_steal(&fd);
    return TRUE;
}
