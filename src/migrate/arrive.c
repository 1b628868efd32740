/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The destination between Prepare and Finish. */
#include "migrate/arrive.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "domain/state.h"
#include "host/address.h"
#include "migrate/candidate.h"
#include "migrate/dest.h"
#include "migrate/handover.h"
#include "migrate/lane-kind.h"
#include "migrate/migration.h"
#include "migrate/postcopy.h"
#include "migrate/queue.h"
#include "migrate/step.h"
#include "model/guest-def.h"
#include "qemu/socket.h"

#define CALL_BACK_PATIENCE_MS 3000

static const LaneName pact_lane = {LANE_PACT, 0};

/* --- QEMU ----------------------------------------------------------------------------------------------------------- */

AWAITS static gboolean arrive_guest(Migration *migration, GError **error)
{
    Domain *domain = migration->domain;
    LaunchSpec spec = {.is_incoming = TRUE, .started_detail = STARTED_MIGRATED};
    gboolean is_started;

    domain->live = g_steal_pointer(&migration->incoming);
    is_started = domain_launch(domain, &spec, error);
    migration->is_guest_awaited = FALSE;
    if (is_started)
        migration_watch(migration);
    return is_started;
}

AWAITS static void arrive_end_guest(Migration *migration)
{
    dest_end_guest(migration);
}

/* A new reference: QEMU may end at any moment, also while it is spoken to. */
static QemuGuest *living_guest(const Migration *migration, GError **error)
{
    QemuGuest *guest = migration->domain->guest;

    if (!guest)
        error_set(error, ERROR_OPERATION_FAILED, "QEMU of domain '%s' has ended", migration->journal->name);
    return guest ? qemu_guest_ref(guest) : NULL;
}

AWAITS static gboolean arrive_capabilities(Migration *migration, GError **error)
{
    const char *const more = migration->channels ? "multifd" : postcopy_is_asked(migration) ? "postcopy-ram" : NULL;
    const char *const direct[] = {"late-block-activate", "return-path", more, NULL};
    const char *const carried[] = {"late-block-activate", NULL};
    g_autoptr(QemuGuest) guest = living_guest(migration, error);
    g_autoptr(Params) params = params_new();

    if (!guest || !qemu_migrate_set_capabilities(guest, migration->is_carried ? carried : direct, error) ||
        (postcopy_is_asked(migration) && !qemu_socket_prepare(guest, error)))
        return FALSE;
    if (!migration->channels)
        return TRUE;
    params_add_uint(params, "multifd-channels", migration->channels);
    return qemu_migrate_set_parameters(guest, params, error);
}

static void note_attached(Migration *migration)
{
    migration->is_stream_attached = TRUE;
    pact_say(migration->route.pact, PACT_ATTACHED, NULL, 0);
}

/* For several connections QEMU listens itself; a lone one it gets when that is there. */
AWAITS static gboolean arrive_serve(Migration *migration, GError **error)
{
    g_autofree char *uri = NULL;
    g_autoptr(QemuGuest) guest = NULL;

    if (!migration->bundle)
        return TRUE;
    guest = living_guest(migration, error);
    if (!guest || !bundle_serve(migration->bundle, guest, &uri, error) || !qemu_migrate_incoming(guest, uri, error))
        return FALSE;
    note_attached(migration);
    bundle_go(migration->bundle);
    return TRUE;
}

AWAITS static void arrive_end_lanes(Migration *migration)
{
    if (migration->bundle)
        bundle_stop(migration->bundle);
}

static const Step arrive_steps[] = {
    /* name          run                  undo              */
    {"guest",        arrive_guest,        arrive_end_guest},
    {"capabilities", arrive_capabilities, NULL},
    {"lanes",        arrive_serve,        arrive_end_lanes},
    {NULL},
};
const StepList arrive_list = {"arrive", arrive_steps};

AWAITS gboolean arrive_start_guest(Migration *migration, GError **error)
{
    gboolean is_started = step_list_run(&arrive_list, migration, error);

    migration->is_guest_ready = is_started;
    return is_started;
}

void arrive_stop(Migration *migration)
{
    if (migration->arriving)
        task_cancel(migration->arriving, "the migration has been given up");
}

AWAITS void arrive_wait(Migration *migration)
{
    while (migration->is_arriving)
        migration_wait(migration, -1, NULL);
}

AWAITS static void start_task(void *data)
{
    Migration *migration = data;
    g_autoptr(GError) error = NULL;
    gboolean is_started = FALSE;

    if (!migration->is_ended && !migration->task) {
        migration->arriving = task_current();
        is_started = arrive_start_guest(migration, &error);
        migration->arriving = NULL;
    }
    migration->is_arriving = FALSE;
    if (is_started) {
        pact_say(migration->route.pact, PACT_READY, NULL, 0);
    } else if (error && !migration->stream_error) {
        log_warning("domain '%s' cannot come: %s", migration->journal->name, error->message);
        migration->stream_error = g_strdup(error->message);
    }
    if (!is_started)
        dest_refuse_soon(migration, "QEMU could not be started");
    condition_signal(migration->changed);
}

/* --- streams -------------------------------------------------------------------------------------------------------- */

typedef struct {
    Migration *migration;
    int fd;
} Attach;

static void attach_free(void *data)
{
    Attach *attach = data;

    fd_clear(&attach->fd);
    migration_unref(attach->migration);
    g_free(attach);
}

AWAITS gboolean dest_attach(Migration *migration, int fd, GError **error)
{
    auto_fd int stream = fd;
    g_autoptr(QemuGuest) guest = living_guest(migration, error);

    if (!guest || !qemu_migrate_incoming_fd(guest, stream, error))
        return FALSE;
    note_attached(migration);
    queue_leave(migration);
    return TRUE;
}

/* The connection may come before QEMU is ready for it. */
AWAITS static void attach_task(void *data)
{
    Attach *attach = data;
    Migration *migration = attach->migration;
    g_autoptr(GError) error = NULL;

    while ((!migration->is_guest_ready || migration->run) && !migration->is_ended && !migration->is_qemu_dead)
        migration_wait(migration, -1, NULL);
    if (migration->is_ended || dest_attach(migration, fd_steal(&attach->fd), &error))
        return;
    log_warning("domain '%s': QEMU does not take the memory stream: %s", migration->journal->name, error->message);
    g_free(migration->stream_error);
    migration->stream_error = g_strdup(error->message);
    condition_signal(migration->changed);
}

static void attach_soon(Migration *migration, int fd)
{
    Attach *attach = g_new0(Attach, 1);

    attach->migration = migration_ref(migration);
    attach->fd = fd;
    task_spawn("migration-attach", attach_task, attach, attach_free);
}

static gboolean is_expected(const Migration *migration, LaneName name)
{
    return name.number < (name.purpose == LANE_MULTIFD ? migration->channels
                                                       : lane_count(name.purpose, migration->flags, NULL));
}

/* To QEMU, as it takes it. */
static void take_lane(Migration *migration, LaneName name, int fd, const char *peer)
{
    g_autofree char *title = lane_name_format(name);

    if (postcopy_takes_lane(migration, name, fd, peer))
        return;
    if (!is_expected(migration, name)) {
        log_warning("domain '%s': no use for a lane '%s' from %s", migration->journal->name, title, peer);
        close(fd);
        return;
    }
    log_write(name.purpose == LANE_MEMORY ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, NULL, "%s of domain '%s' comes from %s", title,
              migration->journal->name, peer);
    route_keep_duplicate(migration, fd);
    if (lane_is_joined(name.purpose, SIDE_DESTINATION, migration->flags))
        bundle_add(migration->bundle, name, fd);
    else
        attach_soon(migration, fd);
}

/* --- lanes ---------------------------------------------------------------------------------------------------------- */

static void on_lane(LaneName name, int fd, const char *peer, void *data);

static void on_dialled(Greeting *greeting, void *data)
{
    Migration *migration = data;
    Route *route = &migration->route;

    if (greeting_verdict(greeting) == GREETING_PROVEN) {
        g_autofree char *host = address_format_host(&route->address);

        on_lane(greeting_lane(greeting), greeting_steal_fd(greeting), host, migration);
    } else {
        log_warning("domain '%s': a lane to %s is lost: %s", migration->journal->name, migration->journal->peer,
                    greeting_reason(greeting));
    }
    g_ptr_array_remove_fast(route->dialling, greeting);
}

void arrive_dial(Migration *migration, LaneName name)
{
    Route *route = &migration->route;
    HelloTerms terms;

    if (!route->is_called_back || route->dialling->len >= LANE_WAITING_MAX || !route_terms(migration, &terms, NULL))
        return;
    g_ptr_array_add(route->dialling, greeting_dial(&route->address, &terms, SIDE_DESTINATION, name, GREETING_PATIENCE_MS,
                                                on_dialled, migration));
}

static void on_heard(PactWord word, const uint8_t *rest, size_t len, void *data)
{
    LaneName name;

    if (word == PACT_TOLD)
        ask_hear(data, rest, len);
    else if (word == PACT_DIAL && pact_parse_lane(rest, len, &name) && name.purpose != LANE_PACT)
        arrive_dial(data, name);
}

static void on_pact_lost(const char *why, void *data)
{
    Migration *migration = data;

    log_debug("domain '%s': the pact lane to %s is lost: %s", migration->journal->name, migration->journal->peer, why);
    ask_pact_lost(migration);
}

/* The first proven connection: now it is certain that the two can meet.  Where both ways work at once, both sides choose
 * the one that the source dialled. */
static void take_pact(Migration *migration, int fd, const char *peer, gboolean is_called_back)
{
    static const PactEvents events = {.heard = on_heard, .lost = on_pact_lost};
    Route *route = &migration->route;
    gboolean is_first = !route->is_met;

    if ((is_first && migration->is_ended) || (!is_first && is_called_back)) {
        close(fd);
        return;
    }
    log_debug("domain '%s': the source has proven itself, %s", migration->journal->name, peer);
    queue_leave(migration);
    if (!is_first && route->is_called_back) {
        route->is_called_back = FALSE;
        route_note(migration);
    }
    route->is_called_back = is_called_back;
    ask_meet(migration, fd, &events);
    g_clear_pointer(&route->call_back, timer_free);
    g_clear_pointer(&route->race, race_free);
    if (!is_first) {
        /* It may have been said while nobody could hear; once bytes have come it was heard. */
        if (migration->is_guest_ready && (migration->status == QEMU_MIGRATION_NONE || migration->status == QEMU_MIGRATION_SETUP))
            pact_say(route->pact, PACT_READY, NULL, 0);
        return;
    }
    migration->is_arriving = TRUE;
    task_spawn("migration-arrive", start_task, migration_ref(migration), (GDestroyNotify)migration_unref);
}

static void on_lane(LaneName name, int fd, const char *peer, void *data)
{
    Migration *migration = data;

    if (name.purpose == LANE_PACT)
        take_pact(migration, fd, peer, FALSE);
    else
        take_lane(migration, name, fd, peer);
}

/* --- calling back: for a network that lets only us open connections ------------------------------------------------- */

static void on_race(void *data)
{
    Migration *migration = data;
    Route *route = &migration->route;
    g_autoptr(Race) race = g_steal_pointer(&route->race);

    if (race_winner(race) >= 0 && !route->pact) {
        RaceEntry winner = race_entry(race, (unsigned)race_winner(race));
        g_autofree char *host = address_format_host(&winner.address);
        g_autofree char *where = g_strdup_printf("called back at %s port %u", host, address_port(&winner.address));

        route->address = winner.address;
        log_info("domain '%s': the source does not reach this host, but this host reaches it: %s", migration->journal->name,
                 where);
        take_pact(migration, race_steal_fd(race), where, TRUE);
    } else if (!route->pact) {
        timer_restart(route->call_back, ROUTE_CALL_BACK_EVERY_MS);
    }
}

static void on_call_back(void *data)
{
    Migration *migration = data;
    Route *route = &migration->route;
    HelloTerms terms;

    if (route->pact || route->race || !route_terms(migration, &terms, NULL))
        return;
    route->race = race_new(route->addresses, &terms, SIDE_DESTINATION, pact_lane, CALL_BACK_PATIENCE_MS, on_race, migration);
    if (race_is_over(route->race)) /* nothing to dial */
        g_clear_pointer(&route->race, race_free);
}

/* --- patience ------------------------------------------------------------------------------------------------------- */

/* Only what is not here yet: a loaded guest waits for ever. */
static void on_silence(void *data)
{
    Migration *migration = data;
    const int64_t patience = migrate_settings()->incoming_timeout_ms;
    int64_t silence = route_silence_ms(&migration->route);
    int64_t of_leader = migration->leader_silence_ms ? migration->leader_silence_ms(migration->lead) : -1;

    if (silence < 0 || (of_leader >= 0 && of_leader < silence))
        silence = of_leader;
    if (silence < 0)
        silence = clock_now_ms() - migration->started_ms;
    if (migration->is_ended || migration->task || handover_is_loaded(migration) ||
        owner_word_is_final(migration_word(migration)))
        return;
    if (silence < patience)
        timer_restart(migration->silence, patience - silence + 1);
    else
        dest_refuse_soon(migration, "nothing was heard of its source for too long (incoming_timeout)");
}

void arrive_expect(Migration *migration)
{
    Route *route = &migration->route;
    HelloTerms terms;

    migration->silence = timer_new(migrate_settings()->incoming_timeout_ms, on_silence, migration);
    if (!route->listener)
        return;
    if (!migration->is_peer_ferry) {
        lane_listener_expect_stock(route->listener, migration->channels, on_lane, migration);
        return;
    }
    if (!route_terms(migration, &terms, NULL))
        return;
    lane_listener_expect(route->listener, &terms, SIDE_DESTINATION, on_lane, migration);
    if (route->addresses)
        route->call_back = timer_new(ROUTE_CALL_BACK_AFTER_MS, on_call_back, migration);
}
