/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Confirm, on the source: the other side's answer settles who has the guest. */
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "domain/event.h"
#include "domain/registry.h"
#include "domain/state.h"
#include "migrate/handover.h"
#include "migrate/numbers.h"
#include "migrate/postcopy.h"
#include "migrate/source.h"
#include "model/guest-def.h"
#include "phase/flags.h"

#define LEADER_PATIENCE_MS 3000

AWAITS void source_end_guest(Migration *migration)
{
    Domain *domain = migration->domain;
    gboolean is_gone = migration_word(migration) == WORD_GONE;

    if (!is_gone) {
        domain_kill(domain, SHUTOFF_CRASHED, TRUE, NULL);
        return;
    }
    if (domain_is_active(domain))
        domain_release(domain, SHUTOFF_MIGRATED);
}

AWAITS void source_undefine(Migration *migration)
{
    g_autoptr(GError) error = NULL;

    if (!(migration->flags & MIGRATE_UNDEFINE_SOURCE) || !migration->domain->persistent)
        return;
    if (!domain_drop_persistent(migration->domain, &error))
        log_error("domain '%s' has left, but its definition cannot be removed here: %s; `undefine` it",
                  migration->journal->name, error->message);
}

/* The image is lost, the definition stays: one that stands nowhere but in our record is written down. */
AWAITS void source_keep_definition(Migration *migration)
{
    Domain *domain = migration->domain;
    const char *xml = migration->journal->definition;
    g_autoptr(GError) error = NULL;
    GuestDef *def;

    if (domain_is_active(domain))
        return;
    domain_set_state(domain, DOMAIN_SHUTOFF, SHUTOFF_CRASHED);
    if (domain->persistent || !xml)
        return;
    def = guest_def_parse(xml, strlen(xml), GUEST_PARSE_INACTIVE, &error);
    if (!def || !domain_set_persistent(domain, def, &error))
        log_error("domain '%s' is shut off here, but its definition cannot be written: %s; it stands in migration %s",
                  domain->name, error->message, migration->journal->id);
    else
        g_clear_pointer(&domain->live, guest_def_free);
}

static void tell_completed(Migration *migration, const MigrationStats *stats)
{
    Domain *domain = migration->domain;
    g_autoptr(Params) params = params_new();

    migration->stats = *stats;
    migration->stats.type = JOB_TYPE_COMPLETED;
    migration->stats.operation = JOB_MIGRATION_OUT;
    migration_stats_to_params(&migration->stats, params);
    if (migration->journal->address) /* in peer-to-peer mode the client learns it here only */
        params_add_string(params, PHASE_PARAM_ADDRESS, migration->journal->address);
    if (migration->notice)
        params_add_string(params, PHASE_PARAM_NOTICE, migration->notice);
    g_clear_pointer(&domain->completed_stats, params_free);
    domain->completed_stats = params_copy(params);
    event_emit(&(DomainEvent){.kind = EVENT_JOB_COMPLETED, .domain = domain, .params = params});
}

AWAITS gboolean source_settle(Migration *migration, OwnerHeard heard, const MigrationStats *stats, const char *cause,
                              GError **error)
{
    Domain *domain = migration->domain;
    OwnerWord word;

    migration_await_turn(migration);
    migration->task = task_current();
    task_shield(); /* once an answer is there it is obeyed, whoever has lost patience meanwhile */
    if (!handover_hear(migration, heard, cause, error)) {
        ask_start(migration); /* the answer comes again, and is tried again */
        migration_leave_turn(migration);
        task_unshield();
        return FALSE;
    }
    word = migration_word(migration);
    if (word == WORD_GONE && handover_is_over(migration) && domain_is_active(domain)) /* the rest of its memory arrived meanwhile */
        handover_hear(migration, HEARD_NOTHING, NULL, NULL);
    if (word == WORD_KEPT && migration->unread) /* its QEMU may send as if nothing had been */
        handover_hear(migration, HEARD_NOTHING, NULL, NULL);
    domain_expect(domain, -1, -1);
    if (word == WORD_GONE && stats && !migration_is_offline(migration) && handover_is_over(migration))
        tell_completed(migration, stats);
    migration_leave_turn(migration);
    if (handover_is_over(migration)) {
        migration_end(migration, cause);
        migration_sync(migration, NULL);
        if (word == WORD_CRASHED)
            source_keep_definition(migration);
        if (!domain->persistent && !domain_is_active(domain))
            registry_remove(domain); /* it was kept for as long as it waited for an answer */
    }
    task_unshield();
    return TRUE;
}

/* A stock destination's answer is its reply to Finish, as the client read it. */
static OwnerHeard heard_from_stock(gboolean is_cancelled)
{
    return is_cancelled ? HEARD_REFUSED : HEARD_TAKEN;
}

static OwnerHeard heard_from_ferry(const Migration *migration, const MigrationCookie *cookie, gboolean is_cancelled)
{
    const CookieFerry *ferry = cookie ? cookie->ferry : NULL;

    if (migration_word(migration) == WORD_OFFERED)
        return is_cancelled ? HEARD_ABORT : HEARD_NOTHING;
    if (!ferry || !g_str_equal(ferry->attempt, migration->journal->id))
        return HEARD_NOTHING;
    switch (ferry->word) {
    case COOKIE_WORD_TAKEN:
        return HEARD_TAKEN;
    case COOKIE_WORD_REFUSED:
        return HEARD_REFUSED;
    case COOKIE_WORD_LOST:
        return HEARD_LOST;
    default:
        return HEARD_NOTHING;
    }
}

/* A stock destination's answer is nothing but the client's word, so it must be the client that heard it. */
static gboolean may_confirm(const Migration *migration, const MigrationCookie *cookie, gboolean is_leader, GError **error)
{
    const CookieFerry *ferry = cookie ? cookie->ferry : NULL;
    g_autofree char *advice = NULL;

    if (ferry && !g_str_equal(ferry->attempt, migration->journal->id)) /* of an older client, perhaps the one who leads again */
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: migration %s of domain '%s' is not the one that is under way here (%s); "
                         "nothing was changed",
                         ferry->attempt, migration->journal->name, migration->journal->id);
    if (is_leader || (migration->is_peer_ferry && ferry))
        return TRUE;
    advice = handover_is_in_doubt(migration) ? handover_sentence(migration)
                                             : g_strdup("wait for the one who does, or abort it with `domjobabort`");
    return error_set(error, ERROR_OPERATION_INVALID,
                     "Requested operation is not valid: this client does not lead the migration of domain '%s' and cannot "
                     "confirm it: %s",
                     migration->journal->name, advice);
}

/* --- what the destination says ------------------------------------------------------------------------------------- */

AWAITS void source_leave_to_leader(Migration *migration)
{
    int64_t deadline = clock_now_ms() + LEADER_PATIENCE_MS;

    while (!migration->is_ended && !migration->is_confirmed && (migration->is_led_here || migration->lead) && clock_now_ms() < deadline &&
           !(migration->is_qemu_dead && postcopy_is_status(migration->status)) /* with a part of its memory: no leader knows that end */)
        migration_wait(migration, deadline - clock_now_ms(), NULL);
}

AWAITS static void answer_task(void *data)
{
    Migration *migration = data;
    g_autoptr(GError) error = NULL;
    MigrationStats stats;
    OwnerHeard heard;

    if (migration->answer == HEARD_TAKEN && !postcopy_is_status(migration->status))
        source_leave_to_leader(migration);
    migration_await_turn(migration);
    heard = migration->answer;
    migration->is_deciding = FALSE;
    if (migration->is_ended || heard == HEARD_NOTHING)
        return;
    numbers_from_source(migration, &stats);
    if (!source_settle(migration, heard, &stats, heard == HEARD_TAKEN ? NULL : migration->refusal ?: "the destination did not take it", &error))
        log_error("domain '%s': %s", migration->journal->name, error->message);
    if (migration->answer == heard && !migration->is_ended)
        migration->answer = HEARD_NOTHING; /* LOADED and CANNOT are said again, and decide again */
}

void source_hear(Migration *migration, OwnerHeard heard, const char *reason)
{
    OwnerWord word = migration_word(migration);
    gboolean is_answer = heard == HEARD_TAKEN || heard == HEARD_REFUSED || heard == HEARD_LOST;
    gboolean has_fallen = word == WORD_OFFERED && (migration->journal->has_fallen || !owner_record_is_this_boot(migration->record));

    if (is_answer && heard != HEARD_TAKEN && !migration->refusal)
        migration->refusal = g_strdup(reason && *reason ? reason : "it gave no reason");
    if (!(is_answer && (word == WORD_GO || has_fallen)) && !(heard == HEARD_CANNOT && word == WORD_GO && !migration->is_wanted_back) &&
        !(heard == HEARD_LOADED && word == WORD_OFFERED && migration->journal->has_fallen)) {
        handover_free_silent(migration);
        condition_signal(migration->changed); /* Perform gives up by itself */
        return;
    }
    if (migration->answer == HEARD_NOTHING || is_answer)
        migration->answer = heard;
    condition_signal(migration->changed);
    if (migration->is_deciding)
        return;
    migration->is_deciding = TRUE;
    task_spawn("migration-answer", answer_task, migration_ref(migration), (GDestroyNotify)migration_unref);
}

/* --- the call ------------------------------------------------------------------------------------------------------ */

/* It is settled already: a client's Confirm only fetches that. */
static gboolean confirm_ended(const Domain *domain, const Migration *migration, gboolean is_cancelled, GError **error)
{
    if (!migration || !migration->is_ended || migration->side != SIDE_SOURCE)
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: domain '%s' is not being migrated", domain->name);
    if (is_cancelled || migration_word(migration) == WORD_GONE)
        return TRUE;
    return error_set(error, ERROR_OPERATION_FAILED, "operation failed: domain '%s' stays here: %s", domain->name,
                     migration->journal->cause ?: "the destination did not take it");
}

static void note_leader(Migration *migration)
{
    migration->is_confirmed = TRUE;
    condition_signal(migration->changed);
}

AWAITS gboolean source_confirm(Domain *domain, const void *cookie_in, size_t cookie_len, gboolean is_cancelled,
                               gboolean is_leader, GError **error)
{
    g_autoptr(Migration) migration = migration_of(domain) ? migration_ref(migration_of(domain)) : NULL;
    g_autoptr(MigrationCookie) cookie = NULL;
    g_autoptr(GError) why = NULL;
    MigrationStats stats;
    OwnerHeard heard;

    if (!migration)
        return confirm_ended(domain, domain->migration, is_cancelled, error);
    if (migration->side == SIDE_SOURCE && migration_word(migration) == WORD_GONE) { /* postcopy: the rest of it is on its way */
        if (is_cancelled) /* what came of one that waited for it decides nothing */
            return TRUE;
        note_leader(migration);
        postcopy_await_end(migration);
        return confirm_ended(domain, migration, is_cancelled, error);
    }
    if (migration->side != SIDE_SOURCE || migration->task || migration->is_led_here)
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: domain '%s' is not being migrated", domain->name);
    if (cookie_len > 0)
        cookie = cookie_parse(cookie_in, cookie_len, COOKIE_FOR_CONFIRM, &why);
    if (why)
        log_warning("confirm of domain '%s': %s", domain->name, why->message);
    if (!may_confirm(migration, cookie, is_leader, error))
        return FALSE;
    if (migration_word(migration) == WORD_OFFERED && !is_cancelled)
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: domain '%s' was never handed over", domain->name);
    if (!is_cancelled)
        note_leader(migration);
    if (cookie && !migration->journal->peer) { /* Perform, which names it otherwise, was left out */
        migration->journal->peer = g_strdup(cookie->hostname);
        migration->journal->peer_host = cookie->host_uuid;
    }
    heard = migration->is_peer_ferry || migration_word(migration) == WORD_OFFERED
                ? heard_from_ferry(migration, cookie, is_cancelled)
                : heard_from_stock(is_cancelled);
    if (heard == HEARD_NOTHING && migration_word(migration) == WORD_GO && ask_is_possible(migration)) {
        /* Where the daemons have met, who has lost the destination knows less than they: `domjobabort` asks for the guest back. */
        if (is_cancelled && !migration_goes_alone(migration) && !handover_hear(migration, HEARD_ABORT, NULL, error))
            return FALSE;
        ask_await(migration);
        heard = migration->answer;
    }
    if (migration->is_ended)
        return confirm_ended(domain, migration, is_cancelled, error);
    numbers_from_source(migration, &stats);
    if (cookie && cookie->has_stats)
        stats = cookie->stats;
    if (!source_settle(migration, heard, &stats, is_cancelled ? "the destination did not take it" : NULL, error))
        return FALSE;
    postcopy_await_end(migration);
    if (migration_word(migration) == WORD_GO) {
        g_autofree char *sentence = handover_sentence(migration);

        return error_set(error, ask_is_possible(migration) ? ERROR_OPERATION_TIMEOUT : ERROR_OPERATION_FAILED, "operation failed: domain '%s': %s",
                         domain->name, sentence);
    }
    return TRUE;
}

AWAITS static void drop_task(void *data)
{
    Migration *migration = data;

    if (migration->is_ended || migration->task)
        return;
    source_settle(migration, migration_word(migration) == WORD_OFFERED ? HEARD_ABORT : HEARD_NOTHING, NULL,
                  "the client that led it has gone", NULL);
}

void source_caller_lost(Migration *migration)
{
    if (migration->is_ended || migration->is_led_here)
        return;
    migration->is_caller_lost = TRUE;
    if (owner_word_is_final(migration_word(migration))) { /* postcopy: nothing depends on him any more */
        condition_signal(migration->changed);
        return;
    }
    if (migration_goes_alone(migration) && (migration->task || migration_word(migration) == WORD_GO)) {
        log_info("domain '%s': its migration goes on without the client that led it", migration->journal->name);
        condition_signal(migration->changed);
        return;
    }
    migration_interrupt(migration);
    if (!migration->task)
        task_spawn("migration-drop", drop_task, migration_ref(migration), (GDestroyNotify)migration_unref);
}
