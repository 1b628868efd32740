/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hand-over, carried out.  The order is always: word, then action; an action that fails is tried again by the next
 * asking of the table, because every row is repeatable. */
#include "migrate/handover.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "domain/event.h"
#include "domain/state.h"
#include "loop/loop.h"
#include "migrate/again.h"
#include "migrate/dest.h"
#include "migrate/fault.h"
#include "migrate/lease.h"
#include "migrate/postcopy.h"
#include "migrate/queue.h"
#include "migrate/rival.h"
#include "migrate/source.h"
#include "phase/flags.h"

#define BREAK_PATIENCE_MS 1000 /* a QEMU held to a bandwidth writes every 100 ms */
#define CANCEL_PATIENCE_MS 50
#define CANCEL_END_MS 10000
#define CONT_PATIENCE_MS 5000
#define KEPT_PATIENCE_MS 1000 /* then it is tried on behind the answer: again.c */
#define CONT_RETRY_MS 100

static gboolean is_migrating(QemuMigrationStatus status)
{
    switch (status) {
    case QEMU_MIGRATION_NONE:
    case QEMU_MIGRATION_CANCELLED:
    case QEMU_MIGRATION_FAILED:
    case QEMU_MIGRATION_COMPLETED:
        return FALSE;
    default:
        return TRUE;
    }
}

OwnerQemu handover_qemu(const Migration *migration)
{
    const Domain *domain = migration->domain;

    if (migration->is_guest_awaited)
        return OWNER_QEMU_INCOMING; /* or about to be */
    if (migration->is_qemu_dead || !domain->guest || qemu_guest_is_lost(domain->guest))
        return migration->journal->has_fallen ? OWNER_QEMU_FELL : OWNER_QEMU_DEAD;
    if (migration->side == SIDE_DESTINATION) {
        gboolean is_postcopy = postcopy_is_status(migration->status);

        if (migration_word(migration) == WORD_TAKEN &&
            (qemu_guest_is_running(domain->guest) || owner_record_wish(migration->record) == WISH_PAUSED ||
             domain->wants_paused || migration->may_have_run))
            /* left paused as its user wished: that counts as run; so does what may yet run, or has */
            return is_postcopy ? OWNER_QEMU_RUNS_HALF : OWNER_QEMU_RUNS;
        if (migration->status == QEMU_MIGRATION_COMPLETED)
            return OWNER_QEMU_LOADED;
        if (is_postcopy && migration->is_half)
            return OWNER_QEMU_HALF;
        return postcopy_may_switch(migration) ? OWNER_QEMU_SWITCHING : OWNER_QEMU_INCOMING;
    }
    if (postcopy_is_status(migration->status))
        return migration->status == QEMU_MIGRATION_POSTCOPY_ACTIVE ? OWNER_QEMU_SWITCHED : OWNER_QEMU_CUT;
    if (migration->status == QEMU_MIGRATION_COMPLETED)
        return OWNER_QEMU_COMPLETED;
    if (is_migrating(migration->status) || qemu_guest_is_running(domain->guest) || domain->wants_paused)
        return OWNER_QEMU_RUNNING;
    return OWNER_QEMU_STOPPED;
}

gboolean handover_is_loaded(const Migration *migration)
{
    OwnerQemu qemu = handover_qemu(migration);

    return qemu == OWNER_QEMU_LOADED || qemu == OWNER_QEMU_HALF;
}

gboolean handover_is_over(const Migration *migration)
{
    OwnerQemu qemu = handover_qemu(migration);

    return owner_word_is_final(migration_word(migration)) && qemu != OWNER_QEMU_SWITCHED && qemu != OWNER_QEMU_CUT &&
           qemu != OWNER_QEMU_SWITCHING && qemu != OWNER_QEMU_HALF && qemu != OWNER_QEMU_RUNS_HALF;
}

/* The stream ends for QEMU as if the network had.  FALSE: it has the only hold of it. */
static gboolean break_lanes(Migration *migration)
{
    const gboolean has_lanes = migration->route.duplicates->len > 0 || migration->bundle;

    route_shut_lanes(&migration->route);
    if (migration->bundle)
        bundle_stop(migration->bundle);
    return has_lanes;
}

/* With postcopy as well: a QEMU that has switched is not silent.  But once it is kept, what is under way may be what leads back. */
void handover_free_silent(Migration *migration)
{
    const OwnerWord word = migration_word(migration);
    const gboolean is_given_up = word == WORD_OFFERED ? migration->journal->is_unwanted || migration->refusal
                                                      : word == WORD_KEPT && !postcopy_is_asked(migration);

    if (is_given_up && !migration->task)
        break_lanes(migration);
}

/* FALSE: QEMU's pipe has a reader still. */
static gboolean drop_tunnel(Migration *migration)
{
    if (migration->drop_stream)
        migration->drop_stream(migration->cut_data);
    return migration->drop_stream || (migration->cut_stream && migration->lost_reason) /* it went with its connection */;
}

static void free_blocked(void *data)
{
    Migration *migration = data;

    if (postcopy_is_status(migration->status))
        return; /* no write stops its monitor there, and a stream that breaks before QEMU has let go leads nowhere back */
    break_lanes(migration);
    if (migration->cut_stream)
        migration->cut_stream(migration->cut_data);
}

static gboolean is_under_way(const Migration *migration)
{
    const OwnerQemu qemu = handover_qemu(migration);

    return is_migrating(migration->status) && qemu != OWNER_QEMU_DEAD && qemu != OWNER_QEMU_FELL &&
           qemu != OWNER_QEMU_CUT; /* that takes another stream */
}

AWAITS static void wait_for_end(Migration *migration, int64_t patience_ms)
{
    const int64_t deadline_ms = clock_now_ms() + patience_ms;

    while (is_under_way(migration) && clock_now_ms() < deadline_ms && migration_wait(migration, deadline_ms - clock_now_ms(), NULL))
        ;
}

/* QEMU gives up its migration.  Its lanes are broken: a `migrate_cancel` that reaches QEMU 7.2 while it stops the vCPUs for
 * the last phase lets the guest run on with its images closed, and the next write ends it; a stream that fails never does.
 * Where that cannot be, or may come too late for the switch to postcopy, it is told so, and `cont` opens the images again.
 * A write that blocks keeps it from giving up, and the last one freezes its monitor too: after a moment the pipe's other end
 * (or the lane) is taken away under it, which frees both.  What the destination has got by then is worth nothing any more. */
AWAITS static void cancel_stream(Migration *migration)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Timer) stuck = NULL;

    if (is_under_way(migration) && !postcopy_is_asked(migration) && (break_lanes(migration) || drop_tunnel(migration)))
        wait_for_end(migration, BREAK_PATIENCE_MS);
    if (handover_qemu(migration) == OWNER_QEMU_SWITCHED)
        postcopy_calm(migration);
    if (!is_under_way(migration))
        return;
    stuck = timer_new(CANCEL_PATIENCE_MS, free_blocked, migration);
    migration->is_cancelled = TRUE;
    if (!qemu_migrate_cancel(migration->domain->guest, &error))
        log_warning("cannot cancel the migration of domain '%s': %s", migration->journal->name, error->message);
    wait_for_end(migration, CANCEL_END_MS);
}

/* As its user left it.  The other side may hold an image's lock for a moment longer. */
AWAITS static gboolean resume(Migration *migration, RunningReason reason, GError **error)
{
    Domain *domain = migration->domain;
    const int64_t patience_ms = migration->side == SIDE_SOURCE ? KEPT_PATIENCE_MS : CONT_PATIENCE_MS;
    int64_t deadline = clock_now_ms() + (migration->is_cont_refused ? 0 : patience_ms);

    while (!migration->is_qemu_dead && domain->guest) {
        g_autoptr(GError) why = NULL;

        if ((qemu_guest_is_running(domain->guest) && !migration->is_cancelled) || domain_run(domain, reason, &why)) {
            migration->may_have_run = TRUE; /* however soon it stops by itself */
            return TRUE;
        }
        if (error_is(why, ERROR_OPERATION_TIMEOUT)) /* only a refusal proves that it did not run */
            migration->may_have_run = TRUE;
        if (clock_now_ms() >= deadline) {
            if (!migration->is_cont_refused)
                domain_explain_lock(domain, &why);
            g_propagate_error(error, g_steal_pointer(&why));
            return FALSE;
        }
        await_sleep(CONT_RETRY_MS, NULL);
    }
    return error_set(error, ERROR_OPERATION_FAILED, "QEMU of domain '%s' has ended", migration->journal->name);
}

AWAITS static void cont(Migration *migration)
{
    g_autoptr(GError) error = NULL;
    Domain *domain = migration->domain;
    gboolean is_destination = migration->side == SIDE_DESTINATION;

    migration->is_in_blackout = FALSE;
    if (!domain->guest)
        return;
    if (is_destination) /* what the source was given it still holds; from now on it is ours to give back */
        domain->has_images = TRUE;
    if (owner_record_wish(migration->record) == WISH_PAUSED) {
        domain->wants_paused = TRUE;
        if (qemu_guest_is_running(domain->guest)) /* QEMU resumes by itself, and knows of no wish */
            domain_pause(domain, PAUSED_USER, NULL);
        if (!domain->guest)
            return;
        domain_set_state(domain, DOMAIN_PAUSED, PAUSED_USER);
        if (is_destination)
            event_emit_lifecycle(domain, LIFECYCLE_SUSPENDED, 0);
        return;
    }
    if (resume(migration, !is_destination      ? RUNNING_MIGRATION_CANCELED
                          : migration->is_half ? RUNNING_POSTCOPY
                                               : RUNNING_MIGRATED, &error))
        return;
    if (!migration->is_cont_refused) /* of what is tried again and again it was said before */
        log_error("domain '%s' is ours but cannot be resumed: %s", migration->journal->name, error->message);
    if (is_destination && !migration->is_cont_refused) {
        g_free(migration->stream_error);
        migration->stream_error = g_strdup(error->message);
    }
    if (!is_destination)
        again_resume(domain, error->message);
}

static gboolean write_word(Migration *migration, const OwnerVerdict *verdict, const char *cause, GError **error)
{
    OwnerWish wish = migration->domain->wants_paused ? WISH_PAUSED : WISH_RUN;

    if (verdict->word == migration_word(migration))
        return TRUE;
    if (migration->side == SIDE_DESTINATION)
        wish = migration->journal->is_paused ? WISH_PAUSED : WISH_RUN;
    if (cause && !migration->journal->cause)
        migration->journal->cause = g_strdup(cause);
    if (!owner_record_write(migration->record, verdict->word, wish, error))
        return FALSE;
    if (verdict->word != WORD_GO && verdict->word != WORD_TAKEN && verdict->word != WORD_TOLD) /* in the blackout a log line would cost downtime */
        log_write(LOG_LEVEL_INFO,
                  LOG_FIELDS("DOMAIN", migration->journal->name, "MIGRATION", migration->journal->id, "RULE",
                             verdict->rule),
                  "migration of domain '%s': %s", migration->journal->name,
                  enum_name(owner_word_names, verdict->word));
    return TRUE;
}

/* What the source was given it still holds; from `cont` on it is ours to give back.  A daemon that was killed before it had
 * written that down hears of it here. */
static void own_images(Migration *migration)
{
    Domain *domain = migration->domain;

    if (!domain->guest || domain->has_images)
        return;
    domain->has_images = TRUE;
    domain_save_status(domain);
}

static OwnerVerdict decide(const Migration *migration, OwnerHeard heard)
{
    if (migration_is_offline(migration))
        return owner_decide_offline(migration->side, migration_word(migration), heard);
    return owner_decide(migration->side, migration_word(migration), owner_record_is_this_boot(migration->record),
                        handover_qemu(migration), heard);
}

AWAITS gboolean handover_hear(Migration *migration, OwnerHeard heard, const char *cause, GError **error)
{
    OwnerVerdict verdict;

    if (!migration->record)
        return TRUE;
    do
        verdict = decide(migration, heard);
    while (fault_row_stalled(migration->side, &verdict));
    if (!fault_row(migration->side, &verdict, FAULT_BEFORE, error) || !write_word(migration, &verdict, cause, error) ||
        !fault_row(migration->side, &verdict, FAULT_AFTER, error))
        return FALSE;
    fault_actions(migration->side, &verdict, FAULT_BEFORE);
    if ((verdict.actions & OWNER_WRITE_SYNC) && !migration_sync(migration, error))
        return FALSE;
    if (verdict.actions & OWNER_CANCEL) {
        cancel_stream(migration);
        if (postcopy_is_out(migration)) /* until it hears that, the destination's QEMU keeps the images locked */
            ask_start(migration);
    }
    if (verdict.actions & OWNER_CONT && handover_qemu(migration) != OWNER_QEMU_CUT)
        cont(migration);
    if (verdict.actions & OWNER_DESTROY)
        migration->side == SIDE_SOURCE ? source_end_guest(migration) : dest_end_guest(migration);
    if (verdict.actions & OWNER_UNDEFINE)
        source_undefine(migration);
    if (verdict.actions & OWNER_DEFINE)
        dest_define(migration);
    if (verdict.actions & OWNER_RUN && migration->side == SIDE_DESTINATION)
        own_images(migration);
    if (verdict.actions & OWNER_TAKE_BACK)
        migration->is_wanted_back = TRUE;
    if (verdict.actions & OWNER_WAIT) {
        if (ask_is_possible(migration))
            ask_start(migration);
        else
            handover_enter_doubt(migration, cause);
    }
    fault_actions(migration->side, &verdict, FAULT_AFTER);
    return TRUE;
}

/* From its migration's STOP on nobody has run it here, and the destination may have all of it.  Only this daemon has seen that, and a
 * new one has to know. */
static void note_fall(Migration *migration)
{
    if (migration_word(migration) != WORD_OFFERED || !migration->stopped_us || migration->status == QEMU_MIGRATION_NONE ||
        postcopy_is_status(migration->status) /* there the destination has not all of it */ || !ask_is_possible(migration))
        return;
    migration->journal->has_fallen = TRUE;
    migration_save_for_sure(migration);
}

void handover_qemu_died(Migration *migration)
{
    OwnerVerdict verdict;
    g_autoptr(GError) error = NULL;

    note_fall(migration);
    migration->is_qemu_dead = TRUE;
    if (migration->side == SIDE_SOURCE)
        route_end_lanes(&migration->route);
    migration_interrupt(migration);
    if (migration->side != SIDE_SOURCE || !migration->record)
        return; /* a destination's REFUSED waits for a sync: its task does that */
    verdict = decide(migration, HEARD_NOTHING);
    if (!fault_row_now(SIDE_SOURCE, &verdict, FAULT_BEFORE, &error) || !write_word(migration, &verdict, "QEMU has ended", &error) ||
        !fault_row_now(SIDE_SOURCE, &verdict, FAULT_AFTER, &error))
        log_error("%s", error->message);
    if (verdict.actions & OWNER_WAIT)
        ask_start(migration);
}

gboolean handover_is_in_doubt(const Migration *migration)
{
    OwnerWord word = migration_word(migration);

    if (migration->task)
        return FALSE;
    if (rival_is_open(migration))
        return TRUE;
    if (word == WORD_GO || word == WORD_TOLD)
        return !migration->has_job;
    if (word == WORD_PREPARED)
        return !migration->has_job && handover_is_loaded(migration);
    if (word == WORD_KEPT)
        return !migration->is_ended && handover_qemu(migration) == OWNER_QEMU_CUT;
    return word == WORD_OFFERED && (migration->journal->has_fallen || !owner_record_is_this_boot(migration->record));
}

void handover_enter_doubt(Migration *migration, const char *why)
{
    g_autofree char *sentence = NULL;

    if (migration_word(migration) == WORD_NONE)
        return;
    migration_end_job(migration);
    queue_leave(migration); /* that may last, and others wait */
    sentence = handover_sentence(migration);
    log_write(LOG_LEVEL_ERROR,
              LOG_FIELDS("DOMAIN", migration->journal->name, "MIGRATION", migration->journal->id),
              "domain '%s': %s%s%s", migration->journal->name, sentence, why ? ": " : "", why ?: "");
    migrate_lease_watch(migration);
}

static char *time_text(int64_t wall_ms)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_local(wall_ms / 1000);

    return g_date_time_format(time, "%Y-%m-%d %H:%M:%S");
}

/* "since 11:02:03, last answer 11:02:05 (no route to host)" */
static char *asking(const Migration *migration)
{
    const Ask *ask = &migration->ask;
    g_autofree char *when = time_text(ask->since_wall_ms ?: clock_wall_ms());

    return g_strdup_printf("asking it since %s%s%s%s", when, ask->obstacle ? " (" : "", ask->obstacle ?: "", ask->obstacle ? ")" : "");
}

char *handover_stuck_note(const Migration *migration)
{
    const Domain *domain = migration->domain;
    const char *host = migration->journal->peer ?: "another host", *why = migration->stream_error;
    const gboolean is_still = domain->guest && domain->state == DOMAIN_PAUSED && domain->reason == PAUSED_MIGRATION && !domain->wants_paused;

    if (!is_still || migration->side != SIDE_DESTINATION || migration_word(migration) != WORD_TAKEN)
        return NULL;
    if (migration->is_ended)
        return g_strdup_printf("here after a migration from %s, but not resumed%s%s; `ferry resume %s` tries it again", host,
                               why ? ": " : "", why ?: "", domain->name);
    return g_strdup_printf("here after a migration from %s, but not resumed%s%s; it is tried again until it runs, or %s takes it back", host,
                           why ? ": " : "", why ?: "", host);
}

char *handover_sentence(const Migration *migration)
{
    const char *host = migration->journal->peer ?: "the other host";
    const char *name = migration->journal->name;
    g_autofree char *word_since = migration->record ? time_text(owner_record_written_ms(migration->record)) : NULL;
    g_autofree char *since = NULL;
    char *stuck;

    if (rival_is_open(migration))
        return rival_sentence(migration);
    if (migration->unread)
        return g_strdup_printf("outcome not yet known: may run on %s, since %s: %s; only if that cannot be: look there, then `ferry migration "
                               "resolve %s --there` if it does, `--here` if it does not and never will",
                               host, word_since, migration->unread, name);
    stuck = handover_stuck_note(migration);
    if (stuck)
        return stuck;
    if (migration->side == SIDE_DESTINATION && migration_word(migration) == WORD_TOLD)
        return g_strdup_printf("outcome not yet known: may run on %s; it has not acknowledged that the guest is here, since %s; look "
                               "there, then `ferry migration resolve %s --here` if it does not run there and never will, "
                               "`--there` if it does",
                               host, word_since, name);
    if (!ask_is_possible(migration) && migration_is_offline(migration))
        return g_strdup_printf("outcome not yet known: its definition may have moved to %s, which cannot be asked, since %s; look "
                               "there, then `ferry migration resolve %s --there` if it is defined there, `--here` if it is not",
                               host, word_since, name);
    if (!ask_is_possible(migration))
        return g_strdup_printf("outcome not yet known: may run on %s, which cannot be asked, since %s; look there, then `ferry "
                               "migration resolve %s --there` if it does, `--here` if it does not and never will",
                               host, word_since, name);
    if (migration->side == SIDE_DESTINATION && !handover_is_loaded(migration))
        return g_strdup_printf("outcome not yet known: its memory comes from %s, and the daemons finish it without the client that led it; "
                               "`ferry migration watch %s` shows how it ends", host, name);
    since = asking(migration);
    if (migration->side == SIDE_DESTINATION)
        return g_strdup_printf("outcome not yet known: paused here with %s of its memory, until %s says whether it may run; %s; it "
                               "settles by itself once that host answers; only if it never will: `ferry migration resolve %s "
                               "--here|--there`",
                               handover_qemu(migration) == OWNER_QEMU_HALF ? "a part" : "all", host, since, name);
    if (migration->ask.is_for_a_person)
        return g_strdup_printf("outcome not yet known: paused here, granted to %s; %s; only a person can say: look there, then `ferry "
                               "migration resolve %s --there` if it has run there, `--here` if it never has",
                               host, since, name);
    if (postcopy_is_split(migration))
        return g_strdup_printf("outcome not yet known: paused here with a part of its memory, %s %s; %s; it settles by itself once "
                               "that host answers; only if it never will: `ferry migration resolve %s %s`",
                               migration_word(migration) == WORD_GO ? "granted to" : "to go on here with the part that is on", host, since,
                               name, migration_word(migration) == WORD_GO ? "--there|--crashed" : "--crashed");
    return g_strdup_printf("outcome not yet known: %s, granted to %s; %s; it settles by itself once that host answers; only if it "
                           "never will: `ferry migration resolve %s --there|--here`",
                           migration->is_qemu_dead || migration_is_offline(migration) ? "shut off here" : "paused here", host, since, name);
}
