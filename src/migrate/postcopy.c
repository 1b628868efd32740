/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Postcopy, after the switch. */
#include "migrate/postcopy.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "domain/event.h"
#include "domain/state.h"
#include "migrate/handover.h"
#include "migrate/numbers.h"
#include "migrate/source.h"
#include "phase/flags.h"

#define LOOK_MS 2          /* QEMU reports by no event that it could run */
#define TURN_MS 1000
#define CALM_PATIENCE_MS 1000 /* of a stream that stands still anyway */
#define CALM_BYTES_PER_S 4096 /* QEMU counts in tenths of a second, and takes 0 of them for no limit */
#define RECOVER_PATIENCE_MS 5000

gboolean postcopy_is_asked(const Migration *migration)
{
    return (migration->flags & MIGRATE_POSTCOPY) != 0;
}

gboolean postcopy_is_status(QemuMigrationStatus status)
{
    return status == QEMU_MIGRATION_POSTCOPY_ACTIVE || status == QEMU_MIGRATION_POSTCOPY_PAUSED ||
           status == QEMU_MIGRATION_POSTCOPY_RECOVER;
}

gboolean postcopy_may_switch(const Migration *migration)
{
    return postcopy_is_asked(migration) && migration->is_stream_attached && migration_goes_alone(migration);
}

gboolean postcopy_is_split(const Migration *migration)
{
    OwnerQemu qemu = handover_qemu(migration);

    return qemu == OWNER_QEMU_SWITCHED || qemu == OWNER_QEMU_CUT;
}

gboolean postcopy_is_torn(const Migration *migration)
{
    return handover_qemu(migration) == OWNER_QEMU_CUT || (postcopy_is_split(migration) && pact_is_lost(migration->route.pact));
}

gboolean postcopy_is_arrived(const Migration *migration)
{
    return migration->status == QEMU_MIGRATION_POSTCOPY_ACTIVE && migration->ask.is_peer_loaded;
}

uint64_t postcopy_bandwidth(const Migration *migration)
{
    return migration->postcopy_mib << 20; /* 0 means unlimited to QEMU, too */
}

AWAITS static uint64_t sent_bytes(QemuGuest *guest)
{
    g_auto(QemuMigrationInfo) info = {0};

    return qemu_query_migrate(guest, &info, NULL) ? info.ram.transferred : 0;
}

/* QEMU (7.2) shuts its stream down and is cancelling only then.  What sends, if it sees the one before the other, pauses it, and mostly
 * nothing leads out of that any more.  So it is to sleep, as it does for a tenth of a second after each page once so few are allowed. */
AWAITS void postcopy_calm(Migration *migration)
{
    const int64_t deadline = clock_now_ms() + CALM_PATIENCE_MS;
    g_autoptr(QemuGuest) guest = qemu_guest_ref(migration->domain->guest);
    g_autoptr(Params) params = params_new();
    g_autoptr(GError) error = NULL;
    uint64_t before;

    params_add_ullong(params, "max-postcopy-bandwidth", CALM_BYTES_PER_S);
    if (!qemu_migrate_set_parameters(guest, params, &error)) {
        log_warning("domain '%s': %s, continuing", migration->journal->name, error->message);
        return;
    }
    before = sent_bytes(guest);
    while (handover_qemu(migration) == OWNER_QEMU_SWITCHED && sent_bytes(guest) == before && clock_now_ms() < deadline)
        await_sleep(LOOK_MS, NULL);
}

/* --- what is told --------------------------------------------------------------------------------------------------- */

gboolean postcopy_has_ended(const Migration *migration)
{
    OwnerWord word = migration_word(migration);
    gboolean is_final = word == WORD_REFUSED || word == WORD_LOST || word == WORD_TAKEN;

    return postcopy_is_asked(migration) && is_final && owner_record_is_durable(migration->record) &&
           handover_qemu(migration) == OWNER_QEMU_DEAD;
}

/* Whatever it is doing, it may still switch, or has. */
static gboolean has_stream(QemuMigrationStatus status)
{
    return status != QEMU_MIGRATION_NONE && status != QEMU_MIGRATION_CANCELLED && status != QEMU_MIGRATION_FAILED &&
           status != QEMU_MIGRATION_COMPLETED;
}

/* What of the stream lies with a daemon ends with that one: then a source that has switched has no way back. */
AWAITS gboolean postcopy_switch(Migration *migration, GError **error)
{
    g_autoptr(QemuGuest) guest = migration->domain->guest ? qemu_guest_ref(migration->domain->guest) : NULL;
    const gboolean is_attached = migration->route.is_attached || !migration_goes_alone(migration);

    if (!migration->journal->wants_switch || !guest || !is_attached || !has_stream(migration->status) ||
        postcopy_is_status(migration->status))
        return TRUE;
    migration->journal->wants_switch = FALSE;
    return qemu_migrate_start_postcopy(guest, error);
}

gboolean postcopy_is_out(const Migration *migration)
{
    OwnerWord word = migration_word(migration);
    OwnerQemu qemu = handover_qemu(migration);
    gboolean is_dead = qemu == OWNER_QEMU_DEAD || qemu == OWNER_QEMU_FELL;

    if (!postcopy_is_asked(migration))
        return FALSE;
    if (word == WORD_GO || word == WORD_GONE)
        return is_dead && migration->status != QEMU_MIGRATION_COMPLETED;
    return (word == WORD_KEPT || word == WORD_CRASHED) && (is_dead || !has_stream(migration->status));
}

gboolean postcopy_has_news(const Migration *migration)
{
    return !migration->ask.is_peer_over && (postcopy_is_out(migration) || postcopy_has_ended(migration));
}

/* --- what is shown -------------------------------------------------------------------------------------------------- */

static void show(Domain *domain, DomainState state, int reason, LifecycleEvent event, int detail)
{
    if (domain->state != state || domain->reason == reason)
        return;
    domain_set_state(domain, state, reason);
    event_emit_lifecycle(domain, event, detail);
}

static void show_source(Domain *domain, OwnerQemu qemu)
{
    const PausedReason reason = qemu == OWNER_QEMU_CUT ? PAUSED_POSTCOPY_FAILED : PAUSED_POSTCOPY;

    if (qemu != OWNER_QEMU_SWITCHED && qemu != OWNER_QEMU_CUT)
        return;
    if (domain->reason == PAUSED_MIGRATION || domain->reason == PAUSED_POSTCOPY || domain->reason == PAUSED_POSTCOPY_FAILED)
        show(domain, DOMAIN_PAUSED, (int)reason, LIFECYCLE_SUSPENDED, suspended_detail(reason));
}

static void show_destination(Domain *domain, OwnerQemu qemu, QemuMigrationStatus status)
{
    const RunningReason reason = qemu == OWNER_QEMU_RUNS                      ? RUNNING_MIGRATED
                                 : status == QEMU_MIGRATION_POSTCOPY_ACTIVE ? RUNNING_POSTCOPY
                                                                             : RUNNING_POSTCOPY_FAILED;

    if (qemu != OWNER_QEMU_RUNS && qemu != OWNER_QEMU_RUNS_HALF)
        return;
    if (domain->reason == RUNNING_MIGRATED || domain->reason == RUNNING_POSTCOPY || domain->reason == RUNNING_POSTCOPY_FAILED)
        show(domain, DOMAIN_RUNNING, (int)reason, LIFECYCLE_RESUMED, resumed_detail(reason));
}

/* --- the end -------------------------------------------------------------------------------------------------------- */

AWAITS static void settle_source(Migration *migration, OwnerHeard heard, const char *cause)
{
    g_autoptr(GError) error = NULL;
    MigrationStats stats;

    if (!migration_await_turn(migration))
        return;
    if (handover_qemu(migration) == OWNER_QEMU_COMPLETED) {
        qemu_migration_info_clear(&migration->info);
        qemu_query_migrate(migration->domain->guest, &migration->info, NULL);
    }
    numbers_from_source(migration, &stats);
    if (!source_settle(migration, heard, &stats, cause, &error))
        log_error("domain '%s': %s", migration->journal->name, error->message);
}

AWAITS static void settle_destination(Migration *migration, OwnerHeard heard, const char *cause)
{
    g_autoptr(GError) error = NULL;

    if (!dest_settle(migration, heard, cause, &error))
        log_error("domain '%s': %s; this is tried again", migration->journal->name, error->message);
}

AWAITS void postcopy_await_end(Migration *migration)
{
    while (!migration->is_ended && owner_word_is_final(migration_word(migration)) && !handover_is_in_doubt(migration) &&
           migration_wait(migration, -1, NULL))
        ;
}

/* --- another stream, source ----------------------------------------------------------------------------------------- */

AWAITS static gboolean await_ready(Migration *migration, GError **error)
{
    int64_t deadline = clock_now_ms() + RECOVER_PATIENCE_MS;

    while (!migration->route.is_ready) {
        g_autoptr(GError) why = NULL;

        if (migration->is_qemu_dead || pact_is_lost(migration->route.pact) || clock_now_ms() >= deadline)
            return error_set(error, ERROR_OPERATION_FAILED, "QEMU of %s does not take another stream", migration->journal->peer);
        if (!migration_wait(migration, deadline - clock_now_ms(), &why) && !error_is(why, ERROR_OPERATION_TIMEOUT)) {
            g_propagate_error(error, g_steal_pointer(&why));
            return FALSE;
        }
    }
    return TRUE;
}

/* The destination's QEMU gets its end first: what the source says before would wait in the socket, and a link that breaks again
 * in the middle of their greeting is what QEMU before 8.2 does not get over. */
AWAITS static gboolean recover_stream(Migration *migration, GError **error)
{
    const LaneName name = {LANE_MEMORY, LANE_NUMBER_AGAIN};
    g_autoptr(QemuGuest) guest = qemu_guest_ref(migration->domain->guest);
    auto_fd int fd = -1;

    migration->route.is_ready = FALSE;
    route_shut_lanes(&migration->route);
    route_drop_duplicates(migration);
    return route_open_lane(migration, name, &fd, error) && await_ready(migration, error) &&
           qemu_migrate_fd(guest, fd, TRUE, error);
}

AWAITS static gboolean recover(Migration *migration, GError **error)
{
    gboolean is_recovered;

    migration->is_recovering = TRUE;
    is_recovered = recover_stream(migration, error);
    migration->is_recovering = FALSE;
    if (is_recovered)
        log_info("domain '%s': the rest of its memory goes on to %s", migration->journal->name, migration->journal->peer);
    return is_recovered;
}

/* By its user, whose wish ends with the migration: who has KEPT needs the rest of its memory back. */
static gboolean is_held(const Migration *migration)
{
    return migration->is_held && migration_word(migration) != WORD_KEPT;
}

static void note_cut(Migration *migration, gboolean is_cut)
{
    const int64_t patience_ms = migrate_settings()->postcopy_patience_ms, now = clock_now_ms();

    migration->cut_ms = !is_cut ? 0 : migration->cut_ms ?: now;
    if (!is_cut || !patience_ms || migration->is_held || now - migration->cut_ms < patience_ms)
        return;
    migration->is_held = TRUE;
    log_warning("domain '%s': the stream with the rest of its memory to %s has been broken for %" G_GINT64_FORMAT " s (postcopy_patience): it "
                "is not made again before `virsh migrate --postcopy --postcopy-resume` is called",
                migration->journal->name, migration->journal->peer, patience_ms / 1000);
}

AWAITS static void look_at_source(Migration *migration)
{
    OwnerQemu qemu = handover_qemu(migration);
    OwnerWord word = migration_word(migration);
    gboolean is_half = postcopy_is_split(migration);
    g_autoptr(GError) error = NULL;

    note_cut(migration, qemu == OWNER_QEMU_CUT);
    if (is_held(migration) && qemu == OWNER_QEMU_SWITCHED)
        qemu_migrate_pause(migration->domain->guest, NULL); /* held while another stream was being made */
    if (word == WORD_KEPT && qemu == OWNER_QEMU_CUT && migration->has_job && !migration->task)
        handover_enter_doubt(migration, NULL);
    if (word == WORD_GONE || word == WORD_KEPT || word == WORD_CRASHED) {
        if (is_half && migration->ask.has_ended)
            settle_source(migration, HEARD_ENDED, "the destination's QEMU has ended, and a part of the memory with it");
        else if (qemu != OWNER_QEMU_CUT && (!is_half || word == WORD_KEPT)) {
            source_leave_to_leader(migration);
            settle_source(migration, HEARD_NOTHING, NULL);
        }
    }
    if (migration->is_ended || qemu != OWNER_QEMU_CUT || migration->status != QEMU_MIGRATION_POSTCOPY_PAUSED || is_held(migration))
        return;
    ask_start(migration);
    if (!pact_is_lost(migration->route.pact) && !recover(migration, &error))
        log_info("domain '%s': its memory stream is broken and cannot be made again yet: %s", migration->journal->name,
                 error->message);
}

/* --- another stream, destination ------------------------------------------------------------------------------------ */

/* The source has lost its stream; here that may not have been noticed yet. */
AWAITS static gboolean break_stream(Migration *migration, GError **error)
{
    int64_t deadline = clock_now_ms() + RECOVER_PATIENCE_MS;

    if (migration->status == QEMU_MIGRATION_POSTCOPY_ACTIVE) {
        route_shut_lanes(&migration->route);
        qemu_migrate_pause(migration->domain->guest, NULL); /* content if it is just being paused */
    }
    while (migration->status != QEMU_MIGRATION_POSTCOPY_PAUSED) {
        if (migration->is_qemu_dead || clock_now_ms() >= deadline)
            return error_set(error, ERROR_OPERATION_FAILED, "QEMU waits for no other stream");
        migration_wait(migration, deadline - clock_now_ms(), NULL);
    }
    return TRUE;
}

/* Its vCPU waits for a page with QEMU's lock, and no descriptor can be given to it.  So it listens itself, and the lane is joined to
 * what it accepts. */
AWAITS static gboolean recover_beside(Migration *migration, QemuGuest *guest, int *lane, GError **error)
{
    const LaneName name = {LANE_MEMORY, LANE_NUMBER_AGAIN};
    g_autofree char *uri = NULL;

    g_clear_pointer(&migration->bundle, bundle_free);
    migration->bundle = migration_new_bundle(migration);
    bundle_add(migration->bundle, name, fd_steal(lane));
    if (!bundle_serve(migration->bundle, guest, &uri, error) || !qemu_migrate_recover(guest, uri, error))
        return FALSE;
    if (!migration->bundle)
        return error_set(error, ERROR_OPERATION_FAILED, "it has ended meanwhile");
    bundle_go(migration->bundle);
    return TRUE;
}

AWAITS static gboolean take_stream(Migration *migration, QemuGuest *guest, int *lane, GError **error)
{
    g_autoptr(GError) why = NULL;

    if (!break_stream(migration, error))
        return FALSE;
    route_drop_duplicates(migration);
    route_keep_duplicate(migration, *lane);
    if (!qemu_guest_has_oob(guest))
        return qemu_migrate_recover_fd(guest, *lane, error);
    if (qemu_guest_answers(guest)) {
        if (qemu_migrate_recover_fd(guest, *lane, &why))
            return TRUE;
        if (!error_is(why, ERROR_OPERATION_TIMEOUT)) {
            g_propagate_error(error, g_steal_pointer(&why));
            return FALSE;
        }
    }
    return recover_beside(migration, guest, lane, error); /* it is silent, or has just become so */
}

/* One after the other, however long QEMU takes.  A source that has lost patience with one makes another, and waits for the READY of
 * that one. */
AWAITS static void streams_task(void *data)
{
    Migration *migration = data;

    while (!migration->is_ended && migration->domain->guest && migration->newest_stream >= 0) {
        auto_fd int lane = fd_steal(&migration->newest_stream);
        g_autoptr(QemuGuest) guest = qemu_guest_ref(migration->domain->guest);
        g_autoptr(GError) error = NULL;

        if (!take_stream(migration, guest, &lane, &error))
            log_warning("domain '%s': the stream with the rest of its memory is not made again yet: %s", migration->journal->name,
                        error->message);
        else if (migration->newest_stream < 0)
            pact_say(migration->route.pact, PACT_READY, NULL, 0);
    }
    fd_clear(&migration->newest_stream);
    migration->is_taking_streams = FALSE;
}

gboolean postcopy_takes_lane(Migration *migration, LaneName name, int fd, const char *peer)
{
    if (name.purpose != LANE_MEMORY || name.number != LANE_NUMBER_AGAIN || migration->side != SIDE_DESTINATION || !postcopy_is_status(migration->status))
        return FALSE;
    log_info("domain '%s': another stream with the rest of its memory comes from %s", migration->journal->name, peer);
    fd_clear(&migration->newest_stream);
    migration->newest_stream = fd;
    if (!migration->is_taking_streams) {
        migration->is_taking_streams = TRUE;
        task_spawn("migration-recover", streams_task, migration_ref(migration), (GDestroyNotify)migration_unref);
    }
    return TRUE;
}

/* Switched, its devices are loaded, and it waits for `cont`: QEMU tells it by its run state, and by no event. */
AWAITS static gboolean look_whether_it_could_run(Migration *migration)
{
    g_autoptr(QemuGuest) guest = qemu_guest_ref(migration->domain->guest);
    g_autofree char *status = qemu_guest_query_status(guest, NULL);

    migration->is_half = g_strcmp0(status, "paused") == 0 && postcopy_is_status(migration->status);
    if (!migration->is_half)
        return FALSE;
    ask_start(migration); /* says LOADED */
    condition_signal(migration->changed);
    return TRUE;
}

/* A source whose daemon was restarted does not know whether all had gone. */
static gboolean is_still_half(const Migration *migration, OwnerQemu qemu)
{
    return qemu != OWNER_QEMU_RUNS && qemu != OWNER_QEMU_DEAD &&
           (qemu_guest_check_met(migration->domain->guest, NULL) || qemu_guest_awaits_pages(migration->domain->guest));
}

static gboolean is_about_to_run(const Migration *migration)
{
    return migration->side == SIDE_DESTINATION && migration_word(migration) == WORD_PREPARED && !migration->is_half &&
           !migration->is_qemu_dead && migration->domain->guest && postcopy_is_status(migration->status);
}

AWAITS static void look_at_destination(Migration *migration)
{
    OwnerWord word = migration_word(migration);
    OwnerQemu qemu = handover_qemu(migration);

    if (is_about_to_run(migration)) {
        if (!look_whether_it_could_run(migration))
            await_sleep(LOOK_MS, NULL);
        return;
    }
    if ((word != WORD_TAKEN && word != WORD_REFUSED) || migration->is_deciding || migration->task || migration->is_again)
        return;
    if (migration->ask.is_out && is_still_half(migration, qemu))
        settle_destination(migration, HEARD_OUT, word == WORD_TAKEN ? "the source's QEMU has ended, and a part of the memory with it" : NULL);
    else if (handover_is_over(migration) || qemu == OWNER_QEMU_LOADED)
        settle_destination(migration, HEARD_NOTHING, NULL);
}

/* --- the task that looks after it ----------------------------------------------------------------------------------- */

AWAITS static void lead_task(void *data)
{
    Migration *migration = data;
    Domain *domain = migration->domain;

    while (!migration->is_ended) {
        gboolean is_source = migration->side == SIDE_SOURCE;

        if (is_source)
            show_source(domain, handover_qemu(migration));
        else if (migration_word(migration) == WORD_TAKEN)
            show_destination(domain, handover_qemu(migration), migration->status);
        is_source ? look_at_source(migration) : look_at_destination(migration);
        if (migration->is_ended)
            break;
        if (!is_about_to_run(migration))
            migration_wait(migration, TURN_MS, NULL);
    }
    migration->is_postcopy_led = FALSE;
}

void postcopy_lead(Migration *migration)
{
    if (migration->is_postcopy_led || migration->is_ended || !postcopy_is_asked(migration))
        return;
    migration->is_postcopy_led = TRUE;
    task_spawn("migration-postcopy", lead_task, migration_ref(migration), (GDestroyNotify)migration_unref);
}

/* --- verbs ---------------------------------------------------------------------------------------------------------- */

AWAITS gboolean postcopy_start(Domain *domain, GError **error)
{
    Migration *migration = migration_of(domain);

    if (!domain_check_active(domain, error))
        return FALSE;
    if (!migration || migration->side != SIDE_SOURCE)
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: post-copy can only be started while outgoing migration is in progress");
    if (!postcopy_is_asked(migration))
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: switching to post-copy requires migration to be started with "
                         "VIR_MIGRATE_POSTCOPY flag");
    if (postcopy_is_status(migration->status))
        return TRUE;
    migration->journal->wants_switch = TRUE;
    if (!postcopy_switch(migration, error))
        return FALSE;
    return !migration->journal->wants_switch || migration_save_durable(migration, error); /* it is promised now */
}

AWAITS gboolean postcopy_pause(Migration *migration, GError **error)
{
    OwnerQemu qemu = handover_qemu(migration);

    if (qemu != OWNER_QEMU_SWITCHED && qemu != OWNER_QEMU_CUT)
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: current job is not outgoing migration in post-copy mode");
    migration->is_held = TRUE;
    log_info("domain '%s': its user has stopped the rest of its memory on the way to %s", migration->journal->name,
             migration->journal->peer);
    return qemu == OWNER_QEMU_CUT || qemu_migrate_pause(migration->domain->guest, error);
}
