/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The attempt has ended by then, so this is a try like a user's own `resume`: with the job, behind the gate. */
#include "migrate/again.h"

#include "base/error.h"
#include "base/log.h"
#include "migrate/migration.h"

#define RETRY_MS 1000

typedef struct {
    Domain *domain;
    char *message;
} Again;

static GHashTable *tried; /* Domain: those that a task is at */

static void again_free(void *data)
{
    Again *again = data;

    g_hash_table_remove(tried, again->domain);
    domain_unref(again->domain);
    g_free(again->message);
    g_free(again);
}

/* Does it still stand as the migration has left it? */
static gboolean is_waiting(const Domain *domain)
{
    gboolean is_left_so = domain->reason == PAUSED_MIGRATION || domain->reason == PAUSED_POSTCOPY || domain->reason == PAUSED_POSTCOPY_FAILED;

    return domain->guest && domain->state == DOMAIN_PAUSED && is_left_so && !domain->wants_paused;
}

AWAITS static gboolean try_once(Domain *domain)
{
    g_auto(JobGuard) guard = {NULL};

    return !migration_of(domain) && job_guard_begin(&guard, domain, JOB_MODIFY, "resume after a migration", NULL) &&
           is_waiting(domain) && !migration_of(domain) && owner_gate_check(domain, OWNER_VERB_RESUME, NULL) &&
           domain_run(domain, RUNNING_MIGRATION_CANCELED, NULL);
}

AWAITS static void resume(void *data)
{
    Again *again = data;
    Domain *domain = again->domain;

    while (is_waiting(domain) && !try_once(domain))
        if (!await_sleep(RETRY_MS, NULL))
            break;
    domain_drop_message(domain, again->message);
    if (domain->guest && domain->state == DOMAIN_RUNNING)
        log_write(LOG_LEVEL_INFO, LOG_FIELDS("DOMAIN", domain->name), "domain '%s' goes on here: nothing keeps it from its images any more",
                  domain->name);
}

void again_resume(Domain *domain, const char *why)
{
    Again *again;

    tried = tried ?: g_hash_table_new(NULL, NULL);
    if (!g_hash_table_add(tried, domain))
        return;
    again = g_new0(Again, 1);
    again->domain = domain_ref(domain);
    again->message = g_strdup_printf("kept here after a migration, and cannot go on yet, which is tried each second: %s", why);
    domain_add_message(domain, "%s", again->message);
    task_spawn("migration-resume-again", resume, again, again_free);
}

void again_resume_found(Domain *domain)
{
    const Migration *migration = domain->migration;

    if (migration && migration->is_ended && migration_word(migration) == WORD_KEPT && is_waiting(domain))
        again_resume(domain, "the daemon was restarted meanwhile");
}
