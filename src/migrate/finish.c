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
#include "model/guest-def.h"
#include "phase/cookie.h"
#include "phase/driver.h"
#include "phase/flags.h"

#define ANSWER_PATIENCE_MS 1000

AWAITS void dest_end_guest(Migration *migration)
{
    Domain *domain = migration->domain;

    migration->is_guest_awaited = FALSE;
    if (!domain_is_active(domain)) {
        if (!domain->persistent && !domain->live) /* it was never started, and was only here for this */
            registry_remove(domain);
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
    while (migration->status != QEMU_MIGRATION_COMPLETED && !migration->is_qemu_dead && !migration->stream_error &&
           !migration->is_caller_lost)
        if (!migration_wait(migration, -1, NULL))
            return;
}

/* A stock source's Finish(0) is its GO; a ferryd says the word. */
static OwnerHeard heard_in_finish(const Migration *migration, const DestFinish *request, const MigrationCookie *cookie)
{
    const CookieFerry *ferry = cookie ? cookie->ferry : NULL;

    if (migration->status != QEMU_MIGRATION_COMPLETED || migration->is_caller_lost)
        return HEARD_ABORT;
    if (request->has_hung_up(request->leader)) /* a stock source that hears nothing resumes its guest */
        return HEARD_ABORT;
    if (!migration->is_peer_ferry)
        return migrate_settings()->is_stock_trusted ? HEARD_GO : HEARD_FINISH;
    return ferry && ferry->word == COOKIE_WORD_GO && g_str_equal(ferry->attempt, migration->journal->id) ? HEARD_GO
                                                                                                        : HEARD_ABORT;
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

AWAITS static gboolean refuse(Migration *migration, const char *cause, gboolean is_asked, GError **error)
{
    g_autofree char *reason = g_strdup(migration->stream_error ?: cause);
    g_autoptr(GError) why = NULL;

    if (!handover_hear(migration, HEARD_ABORT, reason, &why)) {
        /* not durable: then it is not told either, and the source goes on waiting */
        migration->task = NULL;
        return error_set(error, ERROR_INTERNAL_ERROR, "internal error: domain '%s' is refused, but cannot write so: %s",
                         migration->journal->name, why->message);
    }
    migration->task = NULL;
    migration_end(migration, reason);
    migration_forget_incoming(migration);
    if (is_asked)
        return phase_error_refused(error, "migration successfully aborted");
    return phase_error_refused(error, "domain '%s' was not taken: %s", migration->journal->name, reason);
}

/* TAKEN is durable and the definition written before it is told. */
AWAITS static gboolean tell_taken(Migration *migration, const MigrationCookie *third, GBytes **ret_cookie, GError **error)
{
    Domain *domain = migration->domain;

    if (!handover_hear(migration, HEARD_NOTHING, NULL, error)) { /* it runs, but that is not durable: so it is not told */
        migration->task = NULL;
        migration_end(migration, "its word could not be made durable");
        migration_forget_incoming(migration);
        return FALSE;
    }
    *ret_cookie = fourth_cookie(migration, third, error);
    migration->task = NULL;
    migration_end(migration, NULL);
    migration_forget_incoming(migration);
    if (!domain->persistent && !domain_is_active(domain))
        registry_remove(domain); /* it was kept for us when its QEMU died */
    return *ret_cookie != NULL;
}

AWAITS static gboolean take(Migration *migration, const MigrationCookie *third, GBytes **ret_cookie, GError **error)
{
    if (!handover_hear(migration, HEARD_GO, NULL, error))
        return FALSE;
    if (migration_word(migration) == WORD_TAKEN && handover_qemu(migration) == OWNER_QEMU_LOADED) {
        if (!handover_hear(migration, HEARD_CONT_FAILED, migration->stream_error, error))
            return FALSE;
    }
    if (migration_word(migration) != WORD_TAKEN)
        return refuse(migration, "it cannot be resumed", FALSE, error);
    return tell_taken(migration, third, ret_cookie, error);
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
        return refuse(migration, why ? why->message : "it cannot be taken", FALSE, error);
    migration->task = NULL;
    migration_forget_incoming(migration);
    migration->answer_timer = timer_new(ANSWER_PATIENCE_MS, on_unacknowledged, migration);
    task_spawn("migration-told", told_task, migration_ref(migration), (GDestroyNotify)migration_unref);
    *ret_cookie = g_steal_pointer(&answer);
    return TRUE;
}

/* It is ours whether QEMU obeys or not: the source has let it go. */
AWAITS static void finish_taking(Migration *migration)
{
    g_autoptr(GError) error = NULL;

    if (handover_qemu(migration) != OWNER_QEMU_LOADED) {
        if (!handover_hear(migration, HEARD_NOTHING, NULL, &error))
            log_error("%s", error->message);
        return;
    }
    if (!migration_sync(migration, &error))
        log_error("%s", error->message);
    dest_define(migration);
}

AWAITS gboolean dest_settle(Migration *migration, OwnerHeard heard, const char *cause, GError **error)
{
    Domain *domain = migration->domain;
    gboolean is_heard;

    migration->task = task_current();
    task_shield();
    g_clear_pointer(&migration->answer_timer, timer_free);
    if (!migration->has_job && heard == HEARD_ACKNOWLEDGED)
        log_info("domain '%s': the answer has been acknowledged after all", migration->journal->name);
    is_heard = handover_hear(migration, heard, cause, error);
    if (is_heard && migration_word(migration) == WORD_TAKEN)
        finish_taking(migration);
    migration->task = NULL;
    if (is_heard && owner_word_is_final(migration_word(migration)))
        migration_end(migration, cause);
    if (!domain->persistent && !domain_is_active(domain) && owner_standing(domain) != OWNER_IN_DOUBT)
        registry_remove(domain); /* it was kept for as long as it waited */
    task_unshield();
    return is_heard;
}

AWAITS static void answered_task(void *data)
{
    Migration *migration = data;
    g_autoptr(GError) error = NULL;

    if (migration_word(migration) == WORD_TOLD && !migration->task &&
        !dest_settle(migration, migration->answer_heard, NULL, &error))
        log_error("domain '%s': %s", migration->journal->name, error->message);
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

/* --- the call ------------------------------------------------------------------------------------------------------ */

/* Where it is just being refused by itself (its QEMU has ended), that is the answer, as soon as it is durable. */
AWAITS static void await_refusal(const char *name)
{
    g_autoptr(Migration) migration = migration_find_incoming(name) ? migration_ref(migration_find_incoming(name)) : NULL;

    while (migration && migration->is_refusing && migration_wait(migration, -1, NULL))
        ;
}

AWAITS static gboolean find(const DestFinish *request, Migration **ret_migration, GError **error)
{
    Migration *migration;

    await_refusal(request->name);
    migration = migration_find_incoming(request->name);
    if (!migration)
        return error_set(error, ERROR_NO_DOMAIN, "Domain not found: no domain with matching name '%s'", request->name);
    if (migration->task)
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: domain '%s' is being prepared or finished already",
                         request->name);
    *ret_migration = migration_ref(migration);
    return TRUE;
}

AWAITS gboolean dest_finish(const DestFinish *request, Domain **ret_domain, GBytes **ret_cookie, GError **error)
{
    g_autoptr(Migration) migration = NULL;
    g_autoptr(MigrationCookie) cookie = NULL;
    g_autoptr(GError) why = NULL;
    OwnerHeard heard = HEARD_ABORT;
    gboolean is_taken;

    if (!find(request, &migration, error))
        return FALSE;
    migration->finish_wall_ms = clock_wall_ms();
    if (migration->is_ended) { /* refused before: say so again, with the reason */
        migration_forget_incoming(migration);
        if (request->is_cancelled && !migration->stream_error)
            return phase_error_refused(error, "migration successfully aborted");
        return phase_error_refused(error, "domain '%s' was not taken: %s", request->name,
                                   migration->journal->cause ?: "the migration was aborted");
    }
    migration->task = task_current();
    task_shield();
    if (request->is_cancelled)
        arrive_stop(migration);
    arrive_wait(migration);
    migration->flags |= request->flags & MIGRATE_PERSIST_DEST;
    migration->journal->flags = migration->flags;
    if (request->flags & MIGRATE_PAUSED)
        migration->journal->is_paused = TRUE;
    if (!request->is_cancelled) {
        if (request->cookie_len > 0)
            cookie = cookie_parse(request->cookie, request->cookie_len, COOKIE_FOR_FINISH, &why);
        take_from_cookie(migration, cookie);
        await_loaded(migration);
        heard = heard_in_finish(migration, request, cookie);
    }
    if (request->is_cancelled)
        is_taken = refuse(migration, "the migration was aborted", TRUE, error);
    else if (heard == HEARD_FINISH)
        is_taken = tell(migration, cookie, ret_cookie, error);
    else if (heard == HEARD_GO)
        is_taken = take(migration, cookie, ret_cookie, error);
    else
        is_taken = refuse(migration, why ? why->message : "its memory did not arrive, or nobody said that it may run", FALSE,
                          error);
    task_unshield();
    if (migration->task == task_current()) /* it failed on the way, or its answer could not be made */
        migration->task = NULL;
    if (is_taken)
        *ret_domain = domain_ref(migration->domain);
    return is_taken;
}

AWAITS static void refuse_task(void *data)
{
    Migration *migration = data;
    g_autoptr(GError) error = NULL;

    if (migration->is_ended || migration->task || migration_word(migration) != WORD_PREPARED)
        return;
    migration->task = task_current();
    migration->is_refusing = TRUE;
    task_shield();
    arrive_stop(migration);
    arrive_wait(migration);
    if (!handover_hear(migration, HEARD_ABORT, NULL, &error))
        log_error("%s", error->message); /* not ended: nobody may be told what is not durable */
    migration->task = NULL;
    if (!error && owner_word_is_final(migration_word(migration)))
        migration_end(migration, migration->stream_error ?: migration->journal->cause ?: "refused");
    if (migration->is_caller_lost)
        migration_forget_incoming(migration);
    migration->is_refusing = FALSE;
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
    else if (!migration->task) /* a start under way is stopped by it */
        dest_refuse_soon(migration, "the connection that led the migration has ended");
}
