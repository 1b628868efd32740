/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finish, on the destination: GO and a loaded guest make TAKEN and `cont`; anything else makes REFUSED, durable before it
 * is told.  Between the two facts and `cont` nothing is looked up, logged or synced.
 *
 * A stock source keeps no record, and resumes its guest when no answer comes.  It is answered first (TOLD); the guest runs
 * here once its kernel has acknowledged the answer.  From the first byte on there is no REFUSED. */
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "domain/registry.h"
#include "domain/state.h"
#include "migrate/arrive.h"
#include "migrate/dest.h"
#include "migrate/handover.h"
#include "migrate/numbers.h"
#include "migrate/postcopy.h"
#include "migrate/rival.h"
#include "model/guest-def.h"
#include "phase/cookie.h"
#include "phase/driver.h"
#include "phase/flags.h"

#define ANSWER_PATIENCE_MS 1000
#define CONT_AGAIN_MS 500
#define WORD_AGAIN_MS 1000

AWAITS void dest_end_guest(Migration *migration)
{
    Domain *domain = migration->domain;

    migration->is_guest_awaited = FALSE;
    if (!domain_is_active(domain)) {
        if (!domain->persistent && !domain->live) /* it was never started, and was only here for this */
            registry_remove(domain);
        return;
    }
    if (migration_word(migration) == WORD_TAKEN) { /* postcopy: it was ours, and half of its memory is lost */
        domain_kill(domain, SHUTOFF_CRASHED, TRUE, NULL);
        return;
    }
    domain->has_images = FALSE; /* whatever was tried here, they are the source's */
    domain_kill(domain, SHUTOFF_FAILED, TRUE, NULL);
}

AWAITS void dest_define(Migration *migration)
{
    Domain *domain = migration->domain;
    const char *xml = migration->journal->definition;
    g_autoptr(GuestDef) def = NULL;
    g_autoptr(GuestDef) copy = NULL;
    g_autoptr(GError) error = NULL;

    if (!(migration->flags & MIGRATE_PERSIST_DEST) || migration->is_definition_owed)
        return;
    if (xml) {
        const GuestFacts facts = {.emulator = domain->live ? domain->live->emulator : NULL};

        def = guest_def_parse(xml, strlen(xml), GUEST_PARSE_INACTIVE, &error);
        if (def && (!guest_def_fill_defaults(def, &facts, &error) || !guest_def_rename(def, domain->name, &error)))
            g_clear_pointer(&def, guest_def_free);
    } else if (domain->live) {
        def = guest_def_copy(domain->live);
        guest_def_clear_live(def);
    }
    copy = def ? guest_def_copy(def) : NULL;
    if (def && domain_set_persistent(domain, g_steal_pointer(&def), &error))
        return;
    if (copy) {
        dest_owe_definition(migration, g_steal_pointer(&copy), error->message);
        return;
    }
    log_error("domain '%s' has arrived, but cannot be defined here: %s; `define` it", domain->name,
              error ? error->message : "no definition came with it");
}

/* Everything of it is here; or it will never be. */
AWAITS static void await_loaded(Migration *migration)
{
    while (!handover_is_loaded(migration) && !migration->is_qemu_dead && !migration->stream_error && !migration_is_offline(migration) &&
           (!migration->is_caller_lost || migration_goes_alone(migration)) && migration->said != HEARD_DROP)
        if (!migration_wait(migration, -1, NULL))
            return;
}

/* Nobody but this caller can speak for the source: what it says is the source's word. */
static OwnerHeard refusal_of(const Migration *migration)
{
    return migration_goes_alone(migration) ? HEARD_ABORT : HEARD_DROP;
}

/* A stock source's Finish(0) is its GO; a ferryd says the word. */
static OwnerHeard heard_in_finish(const Migration *migration, const DestFinish *request, const MigrationCookie *cookie)
{
    const CookieFerry *ferry = cookie ? cookie->ferry : NULL;
    gboolean goes_alone = migration_goes_alone(migration);

    if (migration->said == HEARD_DROP || (!handover_is_loaded(migration) && !migration_is_offline(migration)))
        return HEARD_DROP;
    if (!goes_alone && (migration->is_caller_lost || request->has_hung_up(request->leader)))
        return HEARD_DROP; /* a stock source that hears nothing resumes its guest */
    if (migration_is_offline(migration))
        return HEARD_GO; /* said in C1 */
    if (!migration->is_peer_ferry)
        return migrate_settings()->is_stock_trusted ? HEARD_GO : HEARD_FINISH;
    if (migration->said == HEARD_GO || (ferry && ferry->word == COOKIE_WORD_GO && g_str_equal(ferry->attempt, migration->journal->id)))
        return HEARD_GO;
    return refusal_of(migration);
}

static void take_from_cookie(Migration *migration, const MigrationCookie *cookie)
{
    Journal *journal = migration->journal;

    if (!cookie)
        return;
    if (cookie->ferry && cookie->ferry->wants_paused)
        journal->is_paused = TRUE;
    if (cookie->domain_xml && (!journal->definition || !migration->is_peer_ferry)) { /* a stock source's is newer than Prepare's */
        g_free(journal->definition);
        journal->definition = g_strdup(cookie->domain_xml);
    }
}

static GBytes *fourth_cookie(Migration *migration, const MigrationCookie *third, GError **error)
{
    const MigrateSettings *settings = migrate_settings();
    const Journal *journal = migration->journal;
    g_autoptr(MigrationCookie) cookie =
        cookie_new(journal->source_name, &journal->uuid, settings->host_name, &settings->host_uuid);
    Domain *domain = migration->domain;

    if (migration->is_peer_ferry) {
        CookieFerry *ferry = cookie_ferry(cookie);

        g_strlcpy(ferry->attempt, journal->id, sizeof ferry->attempt);
        ferry->uuid = journal->uuid;
        ferry->epoch = journal->epoch;
        ferry->word = COOKIE_WORD_TAKEN;
    }
    if (third && third->has_stats) {
        numbers_from_destination(migration, &third->stats, &cookie->stats);
        cookie->has_stats = TRUE;
        g_clear_pointer(&domain->completed_stats, params_free);
        domain->completed_stats = params_new();
        migration_stats_to_params(&cookie->stats, domain->completed_stats);
    }
    return cookie_format(cookie, error);
}

/* After a word: it is over, or the rest of its memory is on its way. */
static void go_on(Migration *migration, const char *cause)
{
    if (handover_is_over(migration)) {
        migration_end(migration, cause);
        rival_hear(migration, migration->ask.peer_word, migration->ask.peer_epoch);
    } else {
        postcopy_lead(migration);
    }
    if (migration->is_ended && (migration->is_caller_lost || !migration->lead))
        migration_forget_incoming(migration);
}

/* It was kept for as long as it waited, or for us when its QEMU died. */
static void leave_registry(Domain *domain)
{
    if (!domain->persistent && !domain_is_active(domain) && owner_standing(domain) != OWNER_IN_DOUBT)
        registry_remove(domain);
}

/* It is ours whether QEMU obeys or not: the source has let it go. */
AWAITS static gboolean finish_taking(Migration *migration, GError **error)
{
    if (handover_qemu(migration) != OWNER_QEMU_LOADED)
        return handover_hear(migration, HEARD_NOTHING, NULL, error);
    if (!migration_sync(migration, error))
        return FALSE;
    dest_define(migration);
    return TRUE;
}

/* FALSE: not all of it could be written; then it has not ended. */
AWAITS static gboolean settle(Migration *migration, OwnerHeard heard, const char *cause, GError **error)
{
    gboolean is_settled = TRUE;

    task_shield();
    if (migration_await_turn(migration)) {
        gboolean was_taken = migration_word(migration) == WORD_TAKEN && !handover_is_loaded(migration);

        migration->task = task_current();
        g_clear_pointer(&migration->answer_timer, timer_free);
        is_settled = handover_hear(migration, heard, cause, error) &&
                     (was_taken || migration_word(migration) != WORD_TAKEN || finish_taking(migration, error));
        migration_leave_turn(migration);
        if (is_settled) {
            go_on(migration, cause);
            leave_registry(migration->domain);
        }
    }
    task_unshield();
    return is_settled;
}

AWAITS static void again_task(void *data)
{
    Migration *migration = data;

    while (!migration->is_ended && await_sleep(WORD_AGAIN_MS, NULL) &&
           !settle(migration, migration->heard_in_vain, migration->journal->cause, NULL))
        ;
    migration->is_again = FALSE;
}

void dest_decide_again(Migration *migration, OwnerHeard heard)
{
    migration->heard_in_vain = heard;
    if (migration->is_again)
        return;
    migration->is_again = TRUE;
    task_spawn("migration-decide-again", again_task, migration_ref(migration), (GDestroyNotify)migration_unref);
}

/* REFUSED, durable before it is told. */
AWAITS static gboolean refuse(Migration *migration, OwnerHeard heard, const char *cause, GError **error)
{
    g_autofree char *reason = g_strdup(migration->stream_error ?: cause);
    g_autoptr(GError) why = NULL;

    if (!handover_hear(migration, heard, reason, &why)) {
        /* not durable: then it is not told either, and the source goes on waiting */
        migration_leave_turn(migration);
        dest_decide_again(migration, heard);
        return error_set(error, ERROR_INTERNAL_ERROR, "internal error: domain '%s' is refused, but cannot write so: %s",
                         migration->journal->name, why->message);
    }
    migration_leave_turn(migration);
    go_on(migration, reason);
    return TRUE;
}

/* TAKEN is durable and the definition written before it is told. */
AWAITS static gboolean settle_taken(Migration *migration, GError **error)
{
    gboolean is_durable = handover_hear(migration, HEARD_NOTHING, NULL, error);

    migration_leave_turn(migration);
    migration->is_cont_refused = FALSE;
    if (!is_durable) { /* it runs, but that is not told */
        dest_decide_again(migration, HEARD_NOTHING);
        return FALSE;
    }
    go_on(migration, NULL);
    if (!migration->is_ended)
        ask_start(migration); /* tells it, while the rest of its memory is on its way */
    leave_registry(migration->domain);
    return TRUE;
}

static gboolean is_refused_cont(const Migration *migration)
{
    return migration_word(migration) == WORD_TAKEN && handover_is_loaded(migration);
}

/* QEMU does not run it, because of a lock on an image perhaps.  The source is told, and may take it back; until then it is
 * tried on. */
AWAITS static void insist(Migration *migration)
{
    migration->is_cont_refused = TRUE;
    ask_start(migration);
    handover_enter_doubt(migration, NULL);
    while (is_refused_cont(migration) && migration->said != HEARD_DROP) {
        migration_wait(migration, CONT_AGAIN_MS, NULL); /* DROP ends it at once */
        if (migration->said != HEARD_DROP)
            handover_hear(migration, HEARD_NOTHING, NULL, NULL);
    }
}

/* TRUE: the word is final, and the migration has ended. */
AWAITS static gboolean take(Migration *migration, GError **error)
{
    if (!handover_hear(migration, HEARD_GO, NULL, error)) {
        migration_leave_turn(migration);
        return FALSE;
    }
    if (is_refused_cont(migration) && migration_goes_alone(migration))
        insist(migration);
    if (is_refused_cont(migration) && !handover_hear(migration, HEARD_DROP, migration->stream_error, error)) {
        migration_leave_turn(migration);
        dest_decide_again(migration, HEARD_DROP);
        return FALSE;
    }
    if (migration_word(migration) != WORD_TAKEN)
        return refuse(migration, HEARD_DROP, "it cannot be resumed", error);
    return settle_taken(migration, error);
}

/* --- the answer first --------------------------------------------------------------------------------------------- */

static void on_unacknowledged(void *data)
{
    Migration *migration = data;

    if (migration_word(migration) == WORD_TOLD && !migration->task)
        handover_enter_doubt(migration, "no acknowledgement of the answer for a second; the wait goes on");
}

/* Beside the wait for the acknowledgement, not before it. */
AWAITS static void told_task(void *data)
{
    g_autoptr(GError) error = NULL;

    task_yield();
    if (!migration_sync(data, &error))
        log_error("%s", error->message);
}

AWAITS static gboolean tell(Migration *migration, const MigrationCookie *third, GBytes **ret_cookie, GError **error)
{
    g_autoptr(GError) why = NULL;
    g_autoptr(GBytes) answer = fourth_cookie(migration, third, &why);

    if (answer && !handover_hear(migration, HEARD_FINISH, NULL, error))
        return FALSE;
    if (!answer || migration_word(migration) != WORD_TOLD)
        return refuse(migration, HEARD_DROP, why ? why->message : "it cannot be taken", error);
    migration_leave_turn(migration);
    migration_forget_incoming(migration);
    migration->answer_timer = timer_new(ANSWER_PATIENCE_MS, on_unacknowledged, migration);
    task_spawn("migration-told", told_task, migration_ref(migration), (GDestroyNotify)migration_unref);
    *ret_cookie = g_steal_pointer(&answer);
    return TRUE;
}

AWAITS gboolean dest_settle(Migration *migration, OwnerHeard heard, const char *cause, GError **error)
{
    if (settle(migration, heard, cause, error))
        return TRUE;
    if (owner_word_is_final(migration_word(migration)))
        dest_decide_again(migration, heard);
    return FALSE;
}

AWAITS static void answered_task(void *data)
{
    Migration *migration = data;
    g_autoptr(GError) error = NULL;

    if (migration_word(migration) != WORD_TOLD || migration->task)
        return;
    if (!migration->has_job && migration->answer_heard == HEARD_ACKNOWLEDGED)
        log_info("domain '%s': the answer has been acknowledged after all", migration->journal->name);
    if (settle(migration, migration->answer_heard, NULL, &error))
        return;
    log_error("domain '%s': %s; this is tried again", migration->journal->name, error->message);
    dest_decide_again(migration, migration->answer_heard);
}

void dest_answered(Migration *migration, OwnerHeard heard)
{
    if (migration_word(migration) != WORD_TOLD || migration->task)
        return; /* a person was faster */
    migration->answer_heard = heard;
    if (heard != HEARD_NOTHING) {
        task_spawn("migration-answered", answered_task, migration_ref(migration), (GDestroyNotify)migration_unref);
        return;
    }
    g_clear_pointer(&migration->answer_timer, timer_free);
    handover_enter_doubt(migration, "the connection broke before the answer was acknowledged");
}

/* --- what the source says ------------------------------------------------------------------------------------------ */

AWAITS static void obey_task(void *data)
{
    Migration *migration = data;
    g_autoptr(GError) error = NULL;
    OwnerWord word;

    task_shield();
    if (migration->said == HEARD_DROP)
        arrive_stop(migration);
    migration_await_turn(migration);
    word = migration_word(migration);
    if (!migration->is_ended && (word == WORD_PREPARED || word == WORD_TAKEN)) {
        migration->task = task_current();
        arrive_wait(migration);
        if (migration->said == HEARD_GO)
            await_loaded(migration);
        if (migration->said == HEARD_GO && handover_is_loaded(migration))
            take(migration, &error);
        else
            refuse(migration, HEARD_DROP,
                   migration->journal->cause ?: migration->said == HEARD_DROP ? "its source has taken it back" : migration->stream_error,
                   &error);
    }
    if (error)
        log_error("domain '%s': %s", migration->journal->name, error->message);
    migration->is_deciding = FALSE;
    condition_signal(migration->changed);
    task_unshield();
}

void dest_hear(Migration *migration, OwnerHeard heard, const char *reason)
{
    OwnerWord word = migration_word(migration);
    gboolean may_take = word == WORD_PREPARED || (word == WORD_TAKEN && handover_is_loaded(migration));

    if (!may_take || migration->said == HEARD_DROP || (heard == HEARD_GO && migration_is_offline(migration)))
        return; /* without an image GO counts in Finish: until then the definition stays where it is */
    migration->said = heard;
    if (heard == HEARD_DROP && reason && *reason && !migration->journal->cause)
        migration->journal->cause = g_strdup(reason);
    condition_signal(migration->changed);
    if (migration->is_deciding)
        return;
    migration->is_deciding = TRUE;
    task_spawn("migration-obey", obey_task, migration_ref(migration), (GDestroyNotify)migration_unref);
}

/* --- the call ------------------------------------------------------------------------------------------------------ */

static gboolean is_being_settled(const Migration *migration)
{
    return migration->is_deciding || (migration->task && owner_word_is_final(migration_word(migration)));
}

/* Where it is just being settled without us, that is the answer, as soon as it is durable. */
AWAITS static void await_decision(const char *name)
{
    g_autoptr(Migration) migration = migration_find_incoming(name) ? migration_ref(migration_find_incoming(name)) : NULL;
    int64_t deadline = clock_now_ms() + ASK_PATIENCE_MS;

    while (migration && is_being_settled(migration) && clock_now_ms() < deadline) {
        g_autoptr(GError) why = NULL;

        if (!migration_wait(migration, deadline - clock_now_ms(), &why) && !error_is(why, ERROR_OPERATION_TIMEOUT))
            return;
    }
}

static gboolean not_yet_known(const Migration *migration, GError **error)
{
    g_autofree char *sentence = handover_sentence(migration);

    return error_set(error, ERROR_OPERATION_TIMEOUT, "Timed out during operation: domain '%s': %s", migration->journal->name, sentence);
}

gboolean dest_check_finish(const DestFinish *request, GError **error)
{
    const Migration *migration = migration_find_incoming(request->name);
    g_autoptr(MigrationCookie) cookie =
        migration && request->cookie_len > 0 ? cookie_parse(request->cookie, request->cookie_len, COOKIE_FOR_FINISH, NULL) : NULL;
    const char *attempt = cookie && cookie->ferry ? cookie->ferry->attempt : NULL;

    if (attempt && !g_str_equal(attempt, migration->journal->id))
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: migration %s of domain '%s' is not the one that is under way here (%s); nothing was "
                         "changed",
                         attempt, request->name, migration->journal->id);
    if (migration && !attempt && request->is_replaced(migration, request->leader))
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: this client does not lead the migration of domain '%s' that is under way here (%s), "
                         "and names no other; nothing was changed",
                         request->name, migration->journal->id);
    return TRUE;
}

AWAITS static gboolean find(const DestFinish *request, Migration **ret_migration, GError **error)
{
    Migration *migration;

    await_decision(request->name);
    migration = migration_find_incoming(request->name);
    if (!migration)
        return error_set(error, ERROR_NO_DOMAIN, "Domain not found: no domain with matching name '%s'", request->name);
    if (migration->is_deciding)
        return not_yet_known(migration, error);
    if (migration->task)
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: domain '%s' is being prepared or finished already",
                         request->name);
    *ret_migration = migration_ref(migration);
    return TRUE;
}

/* The outcome, whoever has settled it. */
static gboolean answer(Migration *migration, const DestFinish *request, const MigrationCookie *third, GBytes **ret_cookie, GError **error)
{
    if (!request->is_replaced(migration, request->leader))
        migration_forget_incoming(migration);
    if (migration_word(migration) == WORD_TAKEN) {
        *ret_cookie = fourth_cookie(migration, third, error);
        return *ret_cookie != NULL;
    }
    if (request->is_cancelled && !migration->stream_error)
        return phase_error_refused(error, "migration successfully aborted");
    return phase_error_refused(error, "domain '%s' was not taken: %s", migration->journal->name,
                               migration->stream_error ?: migration->journal->cause ?: "the migration was aborted");
}

/* What goes on between the daemons ends with a word of its source: DROP, or GO once it is loaded.  A source that is away says neither
 * soon, and nobody waits for all of the memory here. */
AWAITS static void await_word(Migration *migration)
{
    int64_t deadline = clock_now_ms() + ASK_PATIENCE_MS;

    while (!migration->is_ended && !handover_is_loaded(migration) && !pact_is_lost(migration->route.pact) && clock_now_ms() < deadline) {
        g_autoptr(GError) why = NULL;

        if (!migration_wait(migration, deadline - clock_now_ms(), &why) && !error_is(why, ERROR_OPERATION_TIMEOUT))
            return;
    }
    if (handover_is_loaded(migration))
        ask_await(migration);
}

/* The daemons have met, and nobody here has heard how it ends.  A client that says "cancelled" may only have lost a daemon that is
 * restarted, so it is the source that counts. */
AWAITS static gboolean await_source(Migration *migration, GError **error)
{
    migration_leave_turn(migration); /* what was said meanwhile has its turn */
    task_unshield();
    await_word(migration);
    await_decision(migration->journal->name);
    task_shield();
    return migration->is_ended || not_yet_known(migration, error);
}

AWAITS static gboolean decide(Migration *migration, const DestFinish *request, const MigrationCookie *third, const char *why,
                              GBytes **ret_cookie, GError **error)
{
    OwnerHeard heard = request->is_cancelled ? refusal_of(migration) : heard_in_finish(migration, request, third);

    if (heard == HEARD_FINISH)
        return tell(migration, third, ret_cookie, error);
    if (heard == HEARD_GO)
        return take(migration, error);
    if (heard == HEARD_ABORT)
        return await_source(migration, error);
    if (request->is_cancelled)
        return refuse(migration, heard, "the migration was aborted", error);
    return refuse(migration, heard, why ?: "its memory did not arrive, or nobody said that it may run", error);
}

static gboolean is_told_why(GError **error)
{
    return error && *error;
}

AWAITS gboolean dest_finish(const DestFinish *request, Domain **ret_domain, GBytes **ret_cookie, GError **error)
{
    g_autoptr(Migration) migration = NULL;
    g_autoptr(MigrationCookie) cookie = NULL;
    g_autoptr(GError) why = NULL;
    gboolean is_taken = FALSE;

    if (!find(request, &migration, error))
        return FALSE;
    migration->finish_wall_ms = clock_wall_ms();
    if (!request->is_cancelled && request->cookie_len > 0)
        cookie = cookie_parse(request->cookie, request->cookie_len, COOKIE_FOR_FINISH, &why);
    if (!migration->is_ended && !owner_word_is_final(migration_word(migration))) {
        migration->task = task_current();
        task_shield();
        if (request->is_cancelled && !migration_goes_alone(migration))
            arrive_stop(migration);
        arrive_wait(migration);
        migration->flags |= request->flags & MIGRATE_PERSIST_DEST;
        migration->journal->flags = migration->flags;
        if (request->flags & MIGRATE_PAUSED)
            migration->journal->is_paused = TRUE;
        if (!request->is_cancelled) {
            take_from_cookie(migration, cookie);
            await_loaded(migration);
        }
        is_taken = decide(migration, request, cookie, why ? why->message : NULL, ret_cookie, error);
        task_unshield();
        if (migration->task == task_current()) /* it failed on the way, or its answer could not be made */
            migration_leave_turn(migration);
        if (!is_taken && !migration->is_ended)
            return FALSE;
    }
    if (migration_word(migration) == WORD_TAKEN)
        postcopy_await_end(migration);
    if (migration->is_ended || owner_word_is_final(migration_word(migration))) { /* TOLD goes on without us */
        if (!owner_record_is_durable(migration->record)) /* what is not durable is not told */
            return is_told_why(error) ? FALSE : error_set(error, ERROR_INTERNAL_ERROR,
                                                          "internal error: the outcome for domain '%s' cannot be written", request->name);
        g_clear_error(error);
        is_taken = answer(migration, request, cookie, ret_cookie, error);
    }
    if (is_taken)
        *ret_domain = domain_ref(migration->domain);
    return is_taken;
}

AWAITS static void refuse_task(void *data)
{
    Migration *migration = data;
    g_autoptr(GError) error = NULL;

    if (migration->is_ended || migration->task || migration_word(migration) != WORD_PREPARED || migration->is_deciding)
        return;
    migration->task = task_current();
    migration->is_deciding = TRUE;
    task_shield();
    arrive_stop(migration);
    arrive_wait(migration);
    if (!handover_hear(migration, refusal_of(migration), NULL, &error)) {
        log_error("%s; this is tried again", error->message); /* not ended: nobody may be told what is not durable */
        dest_decide_again(migration, refusal_of(migration));
    }
    migration_leave_turn(migration);
    if (!error)
        go_on(migration, migration->stream_error ?: migration->journal->cause ?: "refused");
    if (migration->is_caller_lost)
        migration_forget_incoming(migration);
    migration->is_deciding = FALSE;
    condition_signal(migration->changed);
    task_unshield();
}

void dest_refuse_soon(Migration *migration, const char *cause)
{
    if (!migration->journal->cause)
        migration->journal->cause = g_strdup(migration->stream_error ?: cause);
    task_spawn("migration-refuse", refuse_task, migration_ref(migration), (GDestroyNotify)migration_unref);
}

void dest_caller_lost(Migration *migration)
{
    migration->is_caller_lost = TRUE;
    condition_signal(migration->changed);
    if (migration_word(migration) == WORD_TOLD)
        return; /* only the fate of the answer counts */
    if (migration->is_ended)
        migration_forget_incoming(migration);
    else if (migration_goes_alone(migration))
        log_info("domain '%s': its migration goes on without the connection that led it", migration->journal->name);
    else if (!migration->task) /* a start under way is stopped by it */
        dest_refuse_soon(migration, "the connection that led the migration has ended");
}
