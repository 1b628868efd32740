/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "migrate/rival.h"

#include "base/error.h"
#include "base/log.h"
#include "domain/domain.h"
#include "domain/define.h"
#include "domain/job.h"
#include "domain/registry.h"
#include "migrate/source.h"

#define RETRY_MS 1000

gboolean rival_is_open(const Migration *migration)
{
    return migration->journal->rival_epoch && !migration->journal->has_yielded;
}

char *rival_sentence(const Migration *migration)
{
    const Journal *journal = migration->journal;

    return g_strdup_printf("stands back, paused here: a person has given it to %s too (generation %" G_GUINT64_FORMAT
                           ", here %" G_GUINT64_FORMAT "), and both have run; pick the one whose disks and memory are right: `ferry "
                           "migration resolve %s --there` ends this one; `--here` lets it go on, once it has ended on %s",
                           journal->peer ?: "the other host", journal->rival_epoch, journal->epoch, journal->name,
                           journal->peer ?: "the other host");
}

char *rival_note(const Migration *migration)
{
    const Journal *journal = migration->journal;

    return migration->has_rival && !journal->rival_epoch && migration->domain->guest
               ? g_strdup_printf("is on %s too, which stands back, paused: a person picks, there", journal->peer ?: "another host")
               : NULL;
}

static gboolean is_standing_back(const Migration *migration)
{
    return migration->domain->migration == migration && rival_is_open(migration);
}

/* FALSE: it is to be tried again. */
AWAITS static gboolean pause_once(Migration *migration)
{
    Domain *domain = migration->domain;
    g_auto(JobGuard) guard = {NULL};
    g_autoptr(GError) error = NULL;

    if (!job_guard_begin(&guard, domain, JOB_SUSPEND, "pause beside another host", &error) ||
        (is_standing_back(migration) && domain->guest && domain->state == DOMAIN_RUNNING &&
         !domain_pause(domain, PAUSED_MIGRATION, &error))) {
        log_error("domain '%s' runs on two hosts and cannot be paused here, which is tried again: %s", domain->name, error->message);
        return FALSE;
    }
    return TRUE;
}

/* It is the other host's: a definition that came here with it goes as it came. */
AWAITS static void take_away(Migration *migration)
{
    Domain *domain = migration->domain;
    g_auto(JobGuard) guard = {NULL};
    g_autoptr(GError) error = NULL;

    if (!job_guard_begin(&guard, domain, JOB_DEFINE, "remove what the other host has", &error))
        log_warning("domain '%s': %s, continuing: its definition stays here", domain->name, error->message);
    else if (migration->side == SIDE_SOURCE)
        source_undefine(migration);
    else if (!migration->journal->was_defined && domain->persistent && !domain_drop_persistent(domain, &error))
        log_error("domain '%s' is the other host's, but its definition cannot be removed here: %s; `undefine` it", domain->name,
                  error->message);
    if (!domain->persistent && !domain_is_active(domain))
        registry_remove(domain);
}

AWAITS static gboolean give_way(Migration *migration, GError **error)
{
    g_autoptr(Domain) hold = domain_ref(migration->domain);

    if (domain_is_active(migration->domain) && !domain_kill(migration->domain, SHUTOFF_MIGRATED, TRUE, error))
        return FALSE;
    take_away(migration);
    return TRUE;
}

AWAITS static void stand_back(void *data)
{
    Migration *migration = data;
    g_autoptr(GError) error = NULL;

    if (migration->journal->has_yielded) {
        if (!give_way(migration, &error))
            log_error("domain '%s' is the other host's, but cannot be ended here: %s; `destroy` it", migration->domain->name, error->message);
        return;
    }
    while (!pause_once(migration))
        if (!await_sleep(RETRY_MS, NULL))
            return;
}

static void stand_back_soon(Migration *migration)
{
    task_spawn("migration-rival", stand_back, migration_ref(migration), (GDestroyNotify)migration_unref);
}

gboolean rival_resume(Migration *migration)
{
    const Journal *journal = migration->journal;

    if (!rival_is_open(migration) && (!journal->has_yielded || journal->has_left)) /* what is here by then is another guest */
        return FALSE;
    stand_back_soon(migration);
    return TRUE;
}

static gboolean is_claimed_by_both(const Migration *migration, OwnerWord theirs)
{
    const OwnerWord ours = migration_word(migration);

    return (ours == WORD_KEPT && theirs == WORD_TAKEN) || (ours == WORD_TAKEN && theirs == WORD_KEPT) ||
           (ours == WORD_TAKEN && theirs == WORD_CRASHED && migration->ask.is_out && !migration->domain->guest); /* its half is lost here, and given up there */
}

void rival_hear(Migration *migration, OwnerWord theirs, uint64_t epoch)
{
    Journal *journal = migration->journal;
    Domain *domain = migration->domain;
    const gboolean is_lower = epoch > journal->epoch || (epoch == journal->epoch && migration->side == SIDE_DESTINATION);
    g_autofree char *sentence = NULL;
    g_autoptr(GError) error = NULL;

    if (!is_claimed_by_both(migration, theirs) || domain->migration != migration || migration->has_rival)
        return;
    migration->has_rival = TRUE;
    if (!is_lower) {
        log_error("domain '%s' is on %s too: a person's word about its migration %s was not true; that host stands back",
                  domain->name, journal->peer ?: "another host", journal->id);
        return;
    }
    if (journal->rival_epoch)
        return;
    journal->rival_epoch = epoch;
    journal->has_yielded = !domain->guest; /* nothing of it is left here to choose */
    if (!migration_save(migration, &error))
        log_error("%s, continuing: after a restart the guest counts as this host's", error->message);
    sentence = journal->has_yielded ? g_strdup_printf("has ended here, and a person has given it to %s", journal->peer ?: "another host")
                                    : rival_sentence(migration);
    log_write(LOG_LEVEL_ERROR, LOG_FIELDS("DOMAIN", domain->name, "MIGRATION", journal->id), "domain '%s' %s", domain->name, sentence);
    stand_back_soon(migration);
}

AWAITS gboolean rival_go_on(Migration *migration, GError **error)
{
    Domain *domain = migration->domain;
    Journal *journal = migration->journal;
    const uint64_t rival_epoch = journal->rival_epoch;
    const gboolean has_yielded = journal->has_yielded;

    journal->rival_epoch = 0;
    journal->has_yielded = FALSE;
    if (!migration_save_durable(migration, error)) { /* then nothing was picked */
        journal->rival_epoch = rival_epoch;
        journal->has_yielded = has_yielded;
        return FALSE;
    }
    return !domain->guest || domain->state != DOMAIN_PAUSED || domain->wants_paused || domain_run(domain, RUNNING_UNPAUSED, error);
}

AWAITS gboolean rival_yield(Migration *migration, GError **error)
{
    migration->journal->has_yielded = TRUE;
    if (!migration_save_durable(migration, error)) {
        migration->journal->has_yielded = FALSE;
        return FALSE;
    }
    return give_way(migration, error);
}
