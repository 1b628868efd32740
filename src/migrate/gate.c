/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The gate's answers, computed from the owner's word: here · coming from X · given to X · in doubt. */
#include "migrate/gate.h"

#include "base/error.h"
#include "base/log.h"
#include "migrate/acquaintance.h"
#include "migrate/dest.h"
#include "migrate/handover.h"
#include "migrate/migration.h"
#include "migrate/numbers.h"
#include "migrate/proof.h"
#include "migrate/queue.h"
#include "migrate/reclaim.h"
#include "migrate/recover.h"
#include "migrate/rival.h"

#define V(verb) (1u << OWNER_VERB_##verb)
#define STARTS (V(START) | V(AUTOSTART) | V(MIGRATE))
#define RUNS (V(RESUME) | V(REBOOT) | V(RESET) | V(SHUTDOWN) | V(SUSPEND) | V(MONITOR))

/* Which verbs are refused. */
static const unsigned refused[] = {
    [OWNER_HERE] = 0,
    [OWNER_COMING] = STARTS | RUNS | V(UNDEFINE) | V(DEFINE), /* destroy is obeyed: it refuses the guest */
    [OWNER_GIVEN] = V(START) | V(MIGRATE) | RUNS, /* an autostart is a start, which asks for it */
    [OWNER_IN_DOUBT] = STARTS | RUNS | V(UNDEFINE) | V(DESTROY),
};

static OwnerStanding standing(Domain *domain)
{
    const Migration *migration = recover_attach(domain); /* a domain that was defined anew has not been looked up yet */

    if (!migration)
        return OWNER_HERE;
    switch (migration_word(migration)) {
    case WORD_GO:
    case WORD_TOLD:
        return OWNER_IN_DOUBT;
    case WORD_OFFERED:
        return handover_is_in_doubt(migration) || !owner_record_is_this_boot(migration->record) ? OWNER_IN_DOUBT : OWNER_HERE;
    case WORD_GONE:
        if (!migration->is_ended && !handover_is_over(migration)) /* postcopy: nobody may end its QEMU yet */
            return OWNER_IN_DOUBT;
        /* once it has left with its definition, a definition that its user brings again is a new guest */
        return migration->journal->has_left ? OWNER_HERE : OWNER_GIVEN;
    case WORD_PREPARED: /* once it is loaded it may be the only image: only its source says what becomes of it */
        return handover_is_in_doubt(migration) ? OWNER_IN_DOUBT : OWNER_COMING;
    case WORD_REFUSED:
    case WORD_LOST:
        return migration->journal->given_to && !migration->journal->has_left ? OWNER_GIVEN : OWNER_HERE;
    case WORD_NONE: /* Prepare has not made its record yet; nothing that runs is at stake */
    case WORD_CRASHED:
        return OWNER_HERE;
    case WORD_KEPT:
    case WORD_TAKEN:
        if (handover_is_in_doubt(migration) || rival_is_open(migration))
            return OWNER_IN_DOUBT;
        return migration->journal->has_yielded && !migration->journal->has_left ? OWNER_GIVEN : OWNER_HERE;
    }
    return OWNER_HERE;
}

/* obstacle: why it was not given back; "": nobody has asked. */
static char *given_sentence(const Domain *domain, const char *obstacle)
{
    const Journal *journal = ((const Migration *)domain->migration)->journal;
    const char *peer = journal->given_to ?: journal->peer ?: "another host";

    return g_strdup_printf("given to %s by migration %s%s%s; if it must start here, make sure that it has ended there, then `ferry "
                           "migration resolve %s --here`",
                           peer, journal->id, *obstacle ? ", and not given back: " : "", obstacle, domain->name);
}

static char *explain(Domain *domain)
{
    const Migration *migration = domain->migration;
    const char *peer = migration ? migration->journal->peer ?: "another host" : NULL;

    switch (standing(domain)) {
    case OWNER_HERE:
        if (!migration)
            return queue_sentence(domain);
        return queue_sentence(domain) ?: handover_stuck_note(migration) ?: rival_note(migration);
    case OWNER_COMING:
        return g_strdup_printf("is coming from %s by migration %s", peer, migration->journal->id);
    case OWNER_GIVEN:
        return given_sentence(domain, "");
    case OWNER_IN_DOUBT:
        if (handover_is_in_doubt(migration))
            return handover_sentence(migration);
        if (migration_word(migration) == WORD_GONE)
            return g_strdup_printf("runs on %s already, and a part of its memory is still here: it is lost if this QEMU ends", peer);
        return migration->side == SIDE_SOURCE
                   ? g_strdup_printf("is being handed to %s, waiting for its answer", peer)
                   : g_strdup_printf("is being taken from %s, waiting until it has the answer", peer);
    }
    return NULL;
}

AWAITS static gboolean gate(Domain *domain, OwnerVerb verb, GError **error)
{
    const Migration *migration = migration_of(domain);
    gboolean is_held = verb == OWNER_VERB_MONITOR && migration && migration_word(migration) == WORD_OFFERED &&
                       domain->state == DOMAIN_PAUSED && domain->reason == PAUSED_MIGRATION;
    g_autofree char *why = NULL;

    if (!is_held && !(refused[standing(domain)] & 1u << verb))
        return TRUE;
    if (verb == OWNER_VERB_START && standing(domain) == OWNER_GIVEN) {
        g_autoptr(GError) obstacle = NULL;

        if (reclaim_domain(domain, &obstacle))
            return TRUE;
        why = given_sentence(domain, obstacle->message);
    }
    why = why ?: explain(domain) ?: g_strdup("is stopped by its migration: a monitor command must not run it meanwhile");
    return error_set(error, ERROR_OPERATION_INVALID, "Requested operation is not valid: domain '%s' %s", domain->name,
                     why);
}

static void user_wish(Domain *domain, gboolean wants_paused)
{
    Migration *migration = migration_of(domain);
    g_autoptr(GError) error = NULL;

    if (!migration || migration_word(migration) != WORD_OFFERED)
        return;
    if (!owner_record_write(migration->record, WORD_OFFERED, wants_paused ? WISH_PAUSED : WISH_RUN, &error))
        log_warning("%s, continuing", error->message);
}

static void guest_ended(Domain *domain, const char *last_words, GuestEnd *end)
{
    Migration *queued = queue_find(domain);
    Migration *migration;

    if (queued) { /* its own subscription hears of that end late or, if the QEMU object goes first, never */
        queued->is_qemu_dead = TRUE;
        condition_signal(queued->changed);
    }
    recover_attach(domain); /* at start-up nobody has looked yet */
    migration = migration_of(domain);
    if (!migration)
        return;
    if (last_words && *last_words) {
        g_free(migration->stream_error);
        migration->stream_error = g_strdup(last_words);
    }
    handover_qemu_died(migration);
    if (migration->side == SIDE_SOURCE) {
        end->keep = end->keep || migration_word(migration) == WORD_GO || migration->journal->has_fallen ||
                    (migration_word(migration) == WORD_GONE && migration->lead); /* who is still to confirm it */
        if (migration_word(migration) == WORD_GONE && !migration->is_ended)
            end->shutoff_reason = SHUTOFF_MIGRATED; /* postcopy: what has been lost shows there */
        if (migration_word(migration) == WORD_GO || migration_word(migration) == WORD_GONE || migration->journal->has_fallen)
            domain->has_images = FALSE; /* the other host may be using them */
        /* GONE: its definition is still to go, which is for who wrote it or, at start-up, for recovery */
        if (!migration->task && owner_word_is_final(migration_word(migration)) && migration_word(migration) != WORD_GONE)
            migration_end(migration, "QEMU has ended"); /* between two phases nobody else does */
        return;
    }
    end->keep = end->keep || migration_word(migration) == WORD_TAKEN || migration_word(migration) == WORD_TOLD;
    if (migration_word(migration) == WORD_TAKEN)
        domain->has_images = TRUE; /* a daemon that was killed meanwhile has not written it down */
    if (migration_word(migration) == WORD_PREPARED) {
        end->shutoff_reason = SHUTOFF_FAILED;
        if (!migration->task)
            dest_refuse_soon(migration, "its QEMU has ended");
    }
}

/* What passed through the old daemon has ended with it.  A QEMU that takes it over several connections may wait for the rest of it for
 * ever, and answer nobody. */
static gboolean is_expendable(Domain *domain)
{
    const Migration *migration = recover_attach(domain);
    OwnerWord word = migration ? migration_word(migration) : WORD_NONE;

    return (word == WORD_PREPARED || word == WORD_REFUSED || word == WORD_LOST) && migration->is_carried &&
           owner_record_is_this_boot(migration->record);
}

static void forget(Domain *domain)
{
    Migration *migration = domain->migration;

    if (!migration)
        return;
    if ((migration_word(migration) == WORD_GONE || migration->journal->given_to || migration->journal->has_yielded) && !migration->journal->has_left) {
        migration->journal->has_left = TRUE;
        migration_save_for_sure(migration);
    }
    domain->migration = NULL;
    migration_unref(migration);
}

static const OwnerHooks hooks = {
    .gate = gate,
    .standing = standing,
    .explain = explain,
    .guest_ended = guest_ended,
    .user_wish = user_wish,
    .recover = recover_domain,
    .is_expendable = is_expendable,
    .silent = recover_silent,
    .job_stats = migrate_job_stats,
    .job_abort = migrate_abort,
    .forget = forget,
};

gboolean migrate_init(const MigrateSettings *settings, GError **error)
{
    owner_set_hooks(&hooks);
    if (!migrate_settings_set(settings, error) || !acquaintance_init(settings->state_dir, settings->peers, error) ||
        !acquaintance_set_uris(settings->peer_uris, error))
        return FALSE;
    proofs_remove_leftovers();
    return TRUE;
}
