/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Perform, on the source: QEMU sends the memory.  It ends in GO or with the guest kept here. */
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "domain/state.h"
#include "migrate/acquaintance.h"
#include "migrate/approach.h"
#include "migrate/check.h"
#include "migrate/handover.h"
#include "migrate/lane-kind.h"
#include "migrate/lease.h"
#include "migrate/numbers.h"
#include "migrate/postcopy.h"
#include "migrate/source.h"
#include "phase/fallback.h"
#include "phase/flags.h"
#include "phase/uri.h"

#define CONNECT_TIMEOUT_MS 10000
#define LISTENER_PATIENCE_MS 2000

/* The run of one Perform; its steps find it through the migration. */
typedef struct {
    const SourceRoute *route;
    int fd; /* what QEMU gets; -1: it connects to the bundle */
} PerformRun;

static gboolean has_lost_guest(const Migration *migration)
{
    return !migration_is_offline(migration) && (migration->is_qemu_dead || !migration->domain->guest);
}

/* What ended it: the user, the client, QEMU, or the way. */
AWAITS static gboolean describe_failure(Migration *migration, GError **error)
{
    Domain *domain = migration->domain;
    const char *lane = bundle_failure(migration->bundle); /* the cause or the effect of what the others say */

    if (migration->refusal)
        return error_set(error, ERROR_OPERATION_FAILED, "operation failed: %s does not take domain '%s': %s%s%s",
                         migration->journal->peer, domain->name, migration->refusal, lane ? "; " : "", lane ?: "");
    if (migration->abort_reason)
        return error_set(error, ERROR_OPERATION_ABORTED, "operation aborted: job 'migration out' %s",
                         migration->abort_reason);
    if (has_lost_guest(migration))
        return error_set(error, ERROR_OPERATION_FAILED, "operation failed: domain is not running%s%s",
                         migration->stream_error ? ": " : "", migration->stream_error ?: "");
    if (migration->lost_reason && !migration_goes_alone(migration))
        return error_set(error, ERROR_INTERNAL_ERROR, "internal error: %s", migration->lost_reason);
    if (migration->is_caller_lost && !migration_goes_alone(migration))
        return error_set(error, ERROR_OPERATION_ABORTED,
                         "operation aborted: job 'migration out': the client that led it has gone");
    qemu_migration_info_clear(&migration->info);
    qemu_query_migrate(domain->guest, &migration->info, NULL);
    return error_set(error, ERROR_OPERATION_FAILED, "operation failed: job 'migration out' failed: %s%s%s",
                     migration->info.error_desc ?: lane ?: "QEMU gave no reason; its log on both hosts may",
                     migration->info.error_desc && lane ? "; " : "", migration->info.error_desc && lane ? lane : "");
}

static gboolean is_given_up(const Migration *migration)
{
    gboolean has_lost_leader = migration->lost_reason || migration->is_caller_lost;

    return has_lost_guest(migration) || migration->abort_reason ||
           (has_lost_leader && !migration_goes_alone(migration)) || migration->refusal || bundle_is_broken(migration->bundle);
}

AWAITS gboolean source_check_wanted(Migration *migration, GError **error)
{
    return migration->is_recovering || !is_given_up(migration) || describe_failure(migration, error);
}

/* A stock destination proves nothing, names a host, and knows no better than its own name. */
AWAITS static gboolean connect_stock(Migration *migration, GError **error)
{
    PerformRun *run = migration->run;
    Journal *journal = migration->journal;
    g_autoptr(MigrationUri) uri = migration_uri_parse(run->route->uri, error);
    g_auto(GStrv) known = acquaintance_find(&journal->peer_host, journal->peer);
    Approach approach = {
        .guest = journal->name,
        .control = run->route->control,
        .avoids_name = run->route->control && run->route->has_fallback,
        .known = known,
        .here = migrate_settings()->host_name,
    };
    Approached approached = {.fd = -1};

    if (!uri)
        return FALSE;
    if (!uri->port)
        return error_set(error, ERROR_INVALID_ARG, "migration URI '%s' has no port: write tcp://ADDRESS:PORT, or leave it out",
                         run->route->uri);
    if (migration->is_uri_an_order)
        return lane_connect(uri->host, uri->port, APPROACH_TIMEOUT_MS, &run->fd, &journal->address, error);
    approach.host = uri->host;
    approach.port = uri->port;
    if (!approach_connect(&approach, &approached, error))
        return FALSE;
    run->fd = approached.fd;
    journal->address = approached.address;
    migration->notice = approached.notice;
    if (migration->notice)
        log_info("domain '%s': %s", journal->name, migration->notice);
    return TRUE;
}

/* The main stream.  A stock destination tells it from the channels by its being the first. */
AWAITS static gboolean connect_memory(Migration *migration, GError **error)
{
    static const LaneName memory = {LANE_MEMORY, 0};
    PerformRun *run = migration->run;

    if (migration->is_peer_ferry)
        return route_find(migration, run->route->uri, error) && route_open_lane(migration, memory, &run->fd, error);
    if (!connect_stock(migration, error))
        return FALSE;
    route_keep_duplicate(migration, run->fd);
    return TRUE;
}

AWAITS static gboolean connect_channel(Migration *migration, LaneName name, int *ret_fd, GError **error)
{
    PerformRun *run = migration->run;

    if (migration->is_peer_ferry)
        return route_open_lane(migration, name, ret_fd, error);
    if (!lane_connect_beside(run->fd, CONNECT_TIMEOUT_MS, ret_fd, error))
        return FALSE;
    route_keep_duplicate(migration, *ret_fd);
    return TRUE;
}

AWAITS static gboolean connect_lanes(Migration *migration, GError **error)
{
    PerformRun *run = migration->run;

    if (!connect_memory(migration, error))
        return FALSE;
    migration_make_bundle(migration);
    if (!migration->bundle)
        return TRUE;
    for (unsigned number = 0; number < migration->channels; number++) {
        LaneName name = {LANE_MULTIFD, number};
        int fd = -1;

        if (!connect_channel(migration, name, &fd, error))
            return FALSE;
        bundle_add(migration->bundle, name, fd);
    }
    bundle_add(migration->bundle, (LaneName){LANE_MEMORY, 0}, fd_steal(&run->fd));
    return TRUE;
}

AWAITS static gboolean perform_connect(Migration *migration, GError **error)
{
    PerformRun *run = migration->run;
    g_autoptr(GError) why = NULL;
    gboolean is_connected;

    if (!run->route->uri) {
        if (migration->is_relayed)
            migration->journal->address = g_strdup_printf("%s, relayed", migration->journal->peer);
        run->fd = dup(migration->is_relayed ? migration->relay_fd : run->route->carrier_fd);
        return TRUE;
    }
    migration_interruptible_begin(migration);
    is_connected = connect_lanes(migration, &why);
    if (migration_interruptible_end(migration, is_connected, &why))
        return TRUE;
    if (source_check_wanted(migration, error)) /* else it says why */
        g_propagate_error(error, g_steal_pointer(&why));
    return FALSE;
}

AWAITS static void perform_disconnect(Migration *migration)
{
    PerformRun *run = migration->run;

    fd_clear(&run->fd); /* the duplicates stay: what cancels QEMU's migration needs them */
}

/* The way outlives the power before anything is sent: without it nobody could be asked after a reboot, and where none is
 * written nobody need be (recover.c). */
AWAITS static gboolean perform_remember(Migration *migration, GError **error)
{
    return migration_save_durable(migration, error);
}

AWAITS static gboolean perform_setup(Migration *migration, GError **error)
{
    /* Without the way back a one-way pipe can carry the stream; with it, completed also means loaded. */
    const char *const more = migration->channels ? "multifd" : postcopy_is_asked(migration) ? "postcopy-ram" : NULL;
    const char *const direct[] = {"return-path", more, NULL};
    const char *const carried[] = {NULL};
    g_autoptr(QemuGuest) guest = NULL;
    g_autoptr(Params) params = params_new();

    if (!source_check_wanted(migration, error))
        return FALSE;
    guest = qemu_guest_ref(migration->domain->guest);
    params_add_ullong(params, "max-bandwidth", source_bandwidth(migration->bandwidth_mib));
    if (migration->channels)
        params_add_uint(params, "multifd-channels", migration->channels);
    if (postcopy_is_asked(migration))
        params_add_ullong(params, "max-postcopy-bandwidth", postcopy_bandwidth(migration));
    return qemu_migrate_set_capabilities(guest, migration->is_carried ? carried : direct, error) &&
           qemu_migrate_set_parameters(guest, params, error);
}

AWAITS static gboolean perform_ready(Migration *migration, GError **error)
{
    return route_wait_ready(migration, error);
}

/* Without --live the guest stands still for the whole copy. */
AWAITS static gboolean perform_stop(Migration *migration, GError **error)
{
    Domain *domain = migration->domain;
    gboolean is_stopped;

    if (!source_check_wanted(migration, error))
        return FALSE;
    domain_expect(domain, PAUSED_MIGRATION, RUNNING_MIGRATION_CANCELED);
    if ((migration->flags & MIGRATE_LIVE) || !qemu_guest_is_running(domain->guest))
        return TRUE;
    task_shield(); /* a stop under way must be seen to its end: the guest would stop after it was found running */
    is_stopped = domain_pause(domain, PAUSED_MIGRATION, error);
    task_unshield();
    return is_stopped;
}

AWAITS static gboolean start_stream(Migration *migration, QemuGuest *guest, GError **error)
{
    PerformRun *run = migration->run;
    g_autofree char *uri = NULL;

    if (!migration->bundle)
        return qemu_migrate_fd(guest, run->fd, FALSE, error);
    return bundle_serve(migration->bundle, guest, &uri, error) && qemu_migrate(guest, uri, FALSE, error);
}

AWAITS static gboolean perform_start(Migration *migration, GError **error)
{
    PerformRun *run = migration->run;
    g_auto(QemuMigrationInfo) info = {0};
    g_autoptr(QemuGuest) guest = NULL;
    gboolean is_started;

    if (!source_check_wanted(migration, error))
        return FALSE;
    guest = qemu_guest_ref(migration->domain->guest);
    migration->status = QEMU_MIGRATION_SETUP;
    task_shield();
    is_started = start_stream(migration, guest, error);
    if (!is_started) /* no answer is no refusal: what QEMU has begun must be cancelled */
        migration->status = qemu_query_migrate(guest, &info, NULL) ? info.status : QEMU_MIGRATION_NONE;
    task_unshield();
    if (is_started)
        fd_clear(&run->fd); /* QEMU has its own */
    return is_started && postcopy_switch(migration, error);
}

/* For a change.  Once the switched guest stands still for longer than a client is left without an answer, it is kept: it goes on
 * here, or as soon as its other half can be had back. */
AWAITS static gboolean await_stream(Migration *migration, int64_t *torn_ms, GError **error)
{
    const int64_t now = clock_now_ms();
    g_autofree char *sentence = NULL;
    g_autoptr(GError) why = NULL;

    *torn_ms = !postcopy_is_torn(migration) ? 0 : *torn_ms ?: now;
    if (*torn_ms && now - *torn_ms >= ASK_PATIENCE_MS) {
        sentence = handover_sentence(migration);
        migration->journal->cause = migration->journal->cause ?: g_strdup("its stream was broken before the destination could run it");
        return error_set(error, ERROR_OPERATION_TIMEOUT, "Timed out during operation: domain '%s': %s", migration->domain->name, sentence);
    }
    if (migration_wait(migration, *torn_ms ? *torn_ms + ASK_PATIENCE_MS - now : -1, &why) || error_is(why, ERROR_OPERATION_TIMEOUT))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&why));
    return FALSE;
}

/* Waits until QEMU says completed; nothing else counts, least of all its run state.  In postcopy: until each side has what it
 * needs to run, and neither all. */
AWAITS static gboolean perform_memory(Migration *migration, GError **error)
{
    int64_t torn_ms = 0;

    for (;;) {
        g_autoptr(GError) why = NULL;

        if (is_given_up(migration))
            return describe_failure(migration, error);
        if (!postcopy_switch(migration, &why))
            log_warning("domain '%s': %s", migration->domain->name, why->message);
        switch (migration->status) {
        case QEMU_MIGRATION_COMPLETED:
            qemu_migration_info_clear(&migration->info);
            if (!qemu_query_migrate(migration->domain->guest, &migration->info, error))
                return FALSE;
            if (migration->info.status == QEMU_MIGRATION_COMPLETED && bundle_is_whole(migration->bundle))
                return TRUE;
            return describe_failure(migration, error);
        case QEMU_MIGRATION_FAILED:
        case QEMU_MIGRATION_CANCELLED:
            return describe_failure(migration, error);
        default:
            if (postcopy_is_arrived(migration))
                return TRUE;
            if (!await_stream(migration, &torn_ms, error))
                return FALSE;
        }
    }
}

AWAITS static gboolean perform_go(Migration *migration, GError **error)
{
    if (migration->is_peer_to_peer && !migration_goes_alone(migration))
        return TRUE; /* just before Finish is sent, which alone can carry it */
    return source_say_go(migration, error);
}

AWAITS static gboolean perform_lease(Migration *migration, GError **error)
{
    return migrate_lease_check(migration, error);
}

static const Step perform_steps[] = {
    /* name        run               undo               */
    {"lease",    perform_lease,    NULL},
    {"connect",  perform_connect,  perform_disconnect},
    {"remember", perform_remember, NULL},
    {"setup",    perform_setup,    NULL},
    {"ready",    perform_ready,    NULL},
    {"stop",     perform_stop,     NULL},
    {"start",    perform_start,    NULL},
    {"memory",   perform_memory,   NULL},
    {"go",       perform_go,       NULL},
    {NULL},
};
const StepList perform_list = {"perform", perform_steps};

/* Beside the hand-over, not within it. */
AWAITS static void sync_task(void *data)
{
    Migration *migration = data;
    g_autoptr(GError) error = NULL;

    await_sleep(ASK_FIRST_MS, NULL);
    if (!migration->is_ended && !migration_sync(migration, &error))
        log_error("%s", error->message);
}

/* GO into the void would leave the guest paused for as long as nobody answers; before it, all is still ours to decide. */
AWAITS static gboolean await_listener(Migration *migration, GError **error)
{
    int64_t deadline = clock_now_ms() + LISTENER_PATIENCE_MS;

    while (migration_goes_alone(migration) && pact_is_lost(migration->route.pact)) {
        g_autoptr(GError) why = NULL;

        ask_start(migration);
        if (is_given_up(migration))
            return describe_failure(migration, error);
        if (clock_now_ms() >= deadline)
            return error_set(error, ERROR_OPERATION_FAILED,
                             "operation failed: the memory of domain '%s' has arrived, but the daemon of %s is out of reach (%s), so "
                             "the guest goes on here",
                             migration->domain->name, migration->journal->peer, migration->ask.obstacle ?: "its connection has ended");
        if (!migration_wait(migration, MIN(deadline - clock_now_ms(), ASK_FIRST_MS), &why) && !error_is(why, ERROR_OPERATION_TIMEOUT)) {
            g_propagate_error(error, g_steal_pointer(&why));
            return FALSE;
        }
    }
    return TRUE;
}

AWAITS gboolean source_say_go(Migration *migration, GError **error)
{
    if (migration_word(migration) == WORD_GO || migration_word(migration) == WORD_GONE)
        return TRUE;
    if (!await_listener(migration, error))
        return FALSE;
    if (!handover_hear(migration, is_given_up(migration) ? HEARD_ABORT : postcopy_is_arrived(migration) ? HEARD_LOADED : HEARD_READY, NULL, error))
        return FALSE;
    if (migration_word(migration) != WORD_GO)
        return describe_failure(migration, error);
    ask_start(migration); /* says it */
    task_spawn("migration-sync", sync_task, migration_ref(migration), (GDestroyNotify)migration_unref);
    return TRUE;
}

gboolean source_read_answer(Migration *migration, const void *bytes, size_t len, GError **error)
{
    const MigrateSettings *settings = migrate_settings();
    Journal *journal = migration->journal;
    g_autoptr(MigrationCookie) cookie = NULL;

    if (len == 0)
        return TRUE;
    cookie = cookie_parse(bytes, len, COOKIE_FOR_PERFORM, error);
    if (!cookie || !cookie_check(cookie, migration->domain->name, &migration->domain->uuid, &settings->host_uuid, error))
        return FALSE;
    g_free(journal->peer);
    journal->peer = g_strdup(cookie->hostname);
    journal->peer_host = cookie->host_uuid;
    migration->is_peer_ferry = cookie->ferry && cookie->ferry->word == COOKIE_WORD_PREPARED;
    acquaintance_hear(&cookie->host_uuid, cookie->hostname, cookie->ferry);
    if (cookie->ferry && !g_str_equal(cookie->ferry->attempt, journal->id))
        return error_set(error, ERROR_OPERATION_FAILED,
                         "operation failed: host '%s' is prepared for another attempt to migrate domain '%s'",
                         cookie->hostname, migration->domain->name);
    if (!migration->is_peer_ferry && postcopy_is_asked(migration))
        return error_set(error, ERROR_ARGUMENT_UNSUPPORTED,
                         "argument unsupported: post-copy needs a ferryd on both sides, and host '%s' has none; leave out --postcopy",
                         journal->peer);
    if (!migration->is_peer_ferry)
        g_clear_pointer(&journal->token, g_free);
    return !migration->is_peer_ferry || route_hear(&migration->route, cookie->ferry, error);
}

static GBytes *third_cookie(Migration *migration, GError **error)
{
    const Domain *domain = migration->domain;
    const MigrateSettings *settings = migrate_settings();
    g_autoptr(MigrationCookie) cookie =
        cookie_new(domain->name, &domain->uuid, settings->host_name, &settings->host_uuid);

    source_fill_ferry(migration, cookie, COOKIE_WORD_GO);
    if (migration->persistent_xml && !migration->is_peer_ferry) {
        cookie->features |= COOKIE_PERSISTENT;
        cookie->domain_xml = g_strdup(migration->persistent_xml);
    }
    numbers_from_source(migration, &cookie->stats);
    cookie->stats.sent_ms = (uint64_t)clock_wall_ms();
    cookie->has_stats = TRUE;
    return cookie_format(cookie, error);
}

GBytes *source_name_attempt(Migration *migration)
{
    const Domain *domain = migration->domain;
    const MigrateSettings *settings = migrate_settings();
    g_autoptr(MigrationCookie) cookie = cookie_new(domain->name, &domain->uuid, settings->host_name, &settings->host_uuid);

    source_fill_ferry(migration, cookie, COOKIE_WORD_NONE);
    return cookie_format(cookie, NULL);
}

AWAITS gboolean source_ask_loaded(Migration *migration, GBytes **ret_cookie)
{
    int64_t deadline = clock_now_ms() + ASK_PATIENCE_MS;

    ask_start(migration);
    while (!migration->is_ended && migration_word(migration) == WORD_OFFERED && clock_now_ms() < deadline) {
        g_autoptr(GError) why = NULL;

        if (!migration_wait(migration, deadline - clock_now_ms(), &why) && !error_is(why, ERROR_OPERATION_TIMEOUT))
            break;
    }
    if (migration_word(migration) != WORD_GO && migration_word(migration) != WORD_GONE)
        return FALSE;
    *ret_cookie = third_cookie(migration, NULL);
    return *ret_cookie != NULL;
}

/* It stays here: the table says how, the journal why. */
AWAITS static void keep(Migration *migration, const char *cause)
{
    task_shield();
    handover_hear(migration, HEARD_ABORT, cause, NULL);
    domain_expect(migration->domain, -1, -1);
    migration_leave_turn(migration);
    if (handover_is_over(migration))
        migration_end(migration, cause);
    else if (!owner_word_is_final(migration_word(migration)))
        migration_end_job(migration); /* its QEMU has fallen, and the destination is asked */
    task_unshield();
}

gboolean source_may_perform(const Domain *domain)
{
    const Migration *migration = migration_of(domain);

    return migration && migration->side == SIDE_SOURCE && migration_word(migration) == WORD_OFFERED &&
           migration->has_job && !migration->task && !migration->is_peer_to_peer;
}

gboolean source_may_relay(const Params *params, unsigned flags)
{
    return params_get_string(params, MIGRATE_PARAM_DEST_ADDRESS) && (migrate_settings()->fallbacks & FALLBACK_RELAY) &&
           g_strcmp0(params_get_string(params, MIGRATE_PARAM_FALLBACK), MIGRATE_FALLBACK_NONE) != 0 &&
           !migrate_tunnel_refusal(flags);
}

gboolean source_set_relay(Domain *domain, int fd, const char *client, GError **error)
{
    auto_fd int pipe_fd = fd;
    Migration *migration = migration_of(domain);

    if (!(migrate_settings()->fallbacks & FALLBACK_RELAY))
        return error_set(error, ERROR_OPERATION_DENIED,
                         "operation denied: 'fallback' in ferryd.conf of host '%s' allows no relay through a client",
                         migrate_settings()->host_name);
    if (!source_may_perform(domain))
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: domain '%s' is not being migrated: Begin comes first", domain->name);
    fd_clear(&migration->relay_fd);
    migration->relay_fd = fd_steal(&pipe_fd);
    migration->is_relayed = TRUE;
    log_info("domain '%s': its memory is relayed by the client %s", domain->name, client);
    return TRUE;
}

static Migration *performing(Domain *domain, GError **error)
{
    Migration *migration = migration_of(domain);

    if (!domain->guest) {
        error_set(error, ERROR_OPERATION_FAILED, "operation failed: domain is not running");
        return NULL;
    }
    if (!migration || migration->side != SIDE_SOURCE || migration_word(migration) != WORD_OFFERED || !migration->has_job) {
        error_set(error, ERROR_OPERATION_INVALID,
                  "Requested operation is not valid: domain '%s' is not being migrated: Begin comes first", domain->name);
        return NULL;
    }
    if (migration->task) {
        error_set(error, ERROR_OPERATION_INVALID,
                  "Requested operation is not valid: another migration job is already running for domain '%s'",
                  domain->name);
        return NULL;
    }
    return migration_ref(migration);
}

/* What is left of Perform after a restart: QEMU has its lane, and goes on by itself. */
AWAITS gboolean source_go_on(Migration *migration, GError **error)
{
    gboolean is_sent;

    migration->task = task_current();
    is_sent = perform_memory(migration, error) && source_say_go(migration, error);
    if (is_sent)
        migration_leave_turn(migration);
    else
        keep(migration, error && *error ? (*error)->message : "QEMU has given it up");
    return is_sent;
}

AWAITS gboolean source_perform(Domain *domain, const Params *params, const SourceRoute *route, const void *cookie_in,
                               size_t cookie_len, GBytes **ret_cookie, GError **error)
{
    gboolean is_again = postcopy_may_perform_again(domain);
    g_autoptr(Migration) migration = is_again ? migration_ref(migration_of(domain)) : performing(domain, error);
    PerformRun run = {.route = route, .fd = -1};
    g_autoptr(GError) why = NULL;
    GBytes *cookie = NULL;

    if (!migration)
        return FALSE;
    if (is_again)
        return postcopy_perform_again(migration, error) && (*ret_cookie = third_cookie(migration, error)) != NULL;
    g_clear_pointer(&migration->scene, check_scene_unref); /* Prepare has read what lay beside the images */
    migration->task = task_current();
    migration->run = &run;
    migration->is_carried = !route->uri;
    migration->is_relayed = migration->is_relayed && migration->is_carried;
    migration->channels = migration->is_carried ? 0 : lane_count(LANE_MULTIFD, migration->flags, params);
    migration->journal->is_carried = migration->is_carried || migration->channels;
    job_set_long(domain, JOB_ALLOWED_MIGRATION_OUT, "domain_migrate_perform3");
    if (params_get_ullong(params, MIGRATE_PARAM_BANDWIDTH, 0))
        migration->bandwidth_mib = params_get_ullong(params, MIGRATE_PARAM_BANDWIDTH, 0);
    migration->bandwidth_mib = source_allowed_mib(migration, migration->bandwidth_mib);
    migration->postcopy_mib = params_get_ullong(params, MIGRATE_PARAM_POSTCOPY_SPEED, 0);
    migration_watch(migration);
    if (migrate_params_check(params, migration->flags, &why) &&
        source_read_answer(migration, cookie_in, cookie_len, &why)) {
        acquaintance_make(&migration->journal->peer_host, migration->journal->peer, route->control);
        if (step_list_run(&perform_list, migration, &why))
            cookie = third_cookie(migration, &why);
    }
    migration->run = NULL;
    fd_clear(&run.fd);
    fd_clear(&migration->relay_fd); /* QEMU has closed its end; with ours the client sees the end of the stream */
    if (cookie) {
        migration_leave_turn(migration);
        *ret_cookie = cookie;
        return TRUE;
    }
    keep(migration, why->message);
    g_propagate_error(error, g_steal_pointer(&why));
    return FALSE;
}
