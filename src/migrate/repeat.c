/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the journal of an attempt has kept (where to, flags, parameters) is all there is to begin another one.  The other host may
 * still be at ending the old one, or its daemon be restarted as well. */
#include "migrate/repeat.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "client/peer.h"
#include "migrate/handover.h"
#include "migrate/source.h"
#include "phase/driver.h"
#include "phase/flags.h"

#define PATIENCE_MS (60 * 1000) /* until the other daemon is back, */
#define WATCHED_PATIENCE_MS (20 * 1000) /* while a client waits too */
#define REFUSED_PATIENCE_MS 10000 /* while it has the old attempt, or is away again */
#define PAUSE_MS 500
#define CAUSE_UNWANTED "operation aborted: job 'migration out' canceled by client"

typedef struct {
    Migration *ended; /* a reference */
    Domain *domain;   /* a reference; ended->domain is another one when a guest of the same UUID has come meanwhile */
    OwnerSide restarted;
    int64_t patience_ms;
    gboolean is_given_up;
    char *message;
} Repeat;

static GHashTable *repeats; /* Domain * to Repeat *, both the task's */

static gboolean has_used_up(const Journal *journal, OwnerSide restarted)
{
    return journal->restarts & 1u << restarted;
}

static gboolean is_cut(const Migration *migration)
{
    return migration->side == SIDE_SOURCE && migration->is_peer_to_peer && migration->journal->peer_uri &&
           migration_word(migration) == WORD_OFFERED && owner_record_is_this_boot(migration->record) && !migration->is_qemu_dead;
}

const char *repeat_cause(const Migration *migration)
{
    const Journal *journal = migration->journal;
    const OwnerWord word = migration_word(migration);

    if (journal->is_unwanted && (word == WORD_OFFERED || word == WORD_KEPT))
        return CAUSE_UNWANTED;
    if (!is_cut(migration))
        return PHASE_CAUSE_RESTART;
    if (has_used_up(journal, SIDE_SOURCE))
        return PHASE_CAUSE_RESTART " once more, and does not begin it again";
    if (!journal->params)
        return PHASE_CAUSE_RESTART ", and cannot begin it again: the XML that was given for the other host is not kept";
    return PHASE_CAUSE_REPEATED;
}

/* --- the task ------------------------------------------------------------------------------------------------------- */

static Repeat *repeat_new(Migration *ended, OwnerSide restarted)
{
    const Journal *journal = ended->journal;
    Repeat *repeat = g_new0(Repeat, 1);

    repeat->ended = migration_ref(ended);
    repeat->domain = domain_ref(ended->domain);
    repeat->restarted = restarted;
    repeat->patience_ms = restarted == SIDE_SOURCE ? PATIENCE_MS : WATCHED_PATIENCE_MS;
    repeat->message = g_strdup_printf("its migration to %s ended with the %s daemon and is begun again", journal->peer ?: journal->peer_uri,
                                      restarted == SIDE_SOURCE ? "old" : "other");
    repeats = repeats ?: g_hash_table_new(NULL, NULL);
    g_hash_table_replace(repeats, ended->domain, repeat);
    domain_add_message(ended->domain, "%s", repeat->message);
    log_write(LOG_LEVEL_INFO, LOG_FIELDS("DOMAIN", journal->name, "MIGRATION", journal->id), "domain '%s': %s", journal->name,
              repeat->message);
    return repeat;
}

static void repeat_free(void *data)
{
    Repeat *repeat = data;

    if (g_hash_table_lookup(repeats, repeat->domain) == repeat) /* else the attempt that it began is begun again itself */
        g_hash_table_remove(repeats, repeat->domain);
    domain_drop_message(repeat->domain, repeat->message);
    domain_unref(repeat->domain);
    migration_unref(repeat->ended);
    g_free(repeat->message);
    g_free(repeat);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Repeat, repeat_free)

static gboolean check_wanted(const Repeat *repeat, GError **error)
{
    const Domain *domain = repeat->domain;

    if (repeat->is_given_up)
        return error_set(error, ERROR_OPERATION_ABORTED, CAUSE_UNWANTED);
    if (repeat->ended->domain != domain)
        return error_set(error, ERROR_OPERATION_INVALID, "it has ended, and was created anew");
    if (migration_of(domain))
        return error_set(error, ERROR_OPERATION_INVALID, "another migration of it has been begun meanwhile");
    return domain->guest || error_set(error, ERROR_OPERATION_INVALID, "it does not run any more");
}

/* The daemons tell each other that the old attempt is over, if they can. */
static gboolean is_settled(const Migration *ended)
{
    return !ended->route.is_met || ended->journal->is_over;
}

AWAITS static gboolean await_destination(Repeat *repeat, GError **error)
{
    const int64_t deadline = clock_now_ms() + repeat->patience_ms;

    for (;;) {
        g_autoptr(GError) why = NULL;
        Peer *peer;

        if (!check_wanted(repeat, error))
            return FALSE;
        peer = peer_open(repeat->ended->journal->peer_uri, &why);
        peer_close(peer);
        if (peer && is_settled(repeat->ended))
            return check_wanted(repeat, error);
        if (clock_now_ms() >= deadline)
            return peer || (g_propagate_error(error, g_steal_pointer(&why)), FALSE);
        if (!await_sleep(PAUSE_MS, error))
            return FALSE;
    }
}

/* Prepare is refused as long as the destination has the old attempt; and a daemon that was found may have been the one that is about to
 * be restarted. */
static gboolean will_pass(const GError *error)
{
    return error_is(error, ERROR_OPERATION_INVALID) || (error_is(error, ERROR_SYSTEM_ERROR) && error_domain(error) == FROM_RPC);
}

AWAITS static gboolean begin_again(Repeat *repeat, const Params *params, GError **error)
{
    const int64_t deadline = clock_now_ms() + REFUSED_PATIENCE_MS;

    for (;;) {
        g_autoptr(GError) why = NULL;

        if (!check_wanted(repeat, error))
            return FALSE;
        if (source_migrate_again(repeat->ended, repeat->restarted, params, &why))
            return TRUE;
        if (!will_pass(why) || clock_now_ms() >= deadline) {
            g_propagate_error(error, g_steal_pointer(&why));
            return FALSE;
        }
        if (!await_sleep(PAUSE_MS, error))
            return FALSE;
    }
}

/* No restart comes back to it. */
static void note_failure(const Repeat *repeat, const GError *error)
{
    Journal *journal = repeat->ended->journal;
    g_autofree char *cause = journal->cause;

    journal->cause = g_strdup_printf("%s, which failed: %s", cause, error->message);
    migration_save_for_sure(repeat->ended);
}

AWAITS static gboolean run(Repeat *repeat, const Params *params, GError **error)
{
    g_autoptr(GError) why = NULL;

    if (await_destination(repeat, &why) && begin_again(repeat, params, &why))
        return TRUE;
    note_failure(repeat, why);
    g_propagate_error(error, g_steal_pointer(&why));
    return FALSE;
}

AWAITS static void repeat_task(void *data)
{
    Repeat *repeat = data;
    const Journal *journal = repeat->ended->journal;
    g_autoptr(Params) params = migrate_params_recall(journal->params);
    g_autoptr(GError) error = NULL;

    if (!params) {
        error_set(&error, ERROR_OPERATION_FAILED, "the XML that was given for the other host is not kept");
        note_failure(repeat, error);
    } else if (run(repeat, params, &error)) {
        return;
    }
    log_write(LOG_LEVEL_WARNING, LOG_FIELDS("DOMAIN", journal->name, "MIGRATION", journal->id),
              "domain '%s' was to go to %s, which the restart had cut short; begun again, it failed: %s", journal->name,
              journal->peer_uri, error->message);
}

static gboolean has_cause(const Migration *ended, const char *cause)
{
    return migration_word(ended) == WORD_KEPT && g_strcmp0(ended->journal->cause, cause) == 0;
}

void repeat_start(Migration *migration)
{
    if (has_cause(migration, PHASE_CAUSE_REPEATED))
        task_spawn("migration-repeat", repeat_task, repeat_new(migration, SIDE_SOURCE), repeat_free);
}

void repeat_resume(Migration *ended)
{
    if (!ended->domain->guest || ended->journal->is_unwanted || !owner_record_is_this_boot(ended->record))
        return;
    if (has_cause(ended, PHASE_CAUSE_HUNG_UP))
        task_spawn("migration-repeat", repeat_task, repeat_new(ended, SIDE_DESTINATION), repeat_free);
    else
        repeat_start(ended);
}

gboolean repeat_is_due(const Migration *ended)
{
    return ended->is_ended && migration_word(ended) == WORD_KEPT && ended->has_hung_up && ended->domain->guest && !ended->is_qemu_dead &&
           !ended->journal->is_unwanted && !has_used_up(ended->journal, SIDE_DESTINATION);
}

AWAITS gboolean repeat_now(Migration *ended, const Params *params, GError **error)
{
    g_autoptr(Repeat) repeat = repeat_new(ended, SIDE_DESTINATION);

    g_free(ended->journal->cause);
    ended->journal->cause = g_strdup(PHASE_CAUSE_HUNG_UP);
    migration_save_for_sure(ended);
    return run(repeat, params, error);
}

static Repeat *find(const Domain *domain)
{
    return repeats ? g_hash_table_lookup(repeats, domain) : NULL;
}

Migration *repeat_of(const Domain *domain)
{
    const Repeat *repeat = find(domain);

    return repeat && !repeat->is_given_up ? repeat->ended : NULL;
}

gboolean repeat_give_up(const Domain *domain)
{
    Repeat *repeat = find(domain);

    if (!repeat || repeat->is_given_up)
        return FALSE;
    repeat->is_given_up = repeat->ended->journal->is_unwanted = TRUE;
    migration_save_for_sure(repeat->ended);
    return TRUE;
}
