/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Definitions that have come with a guest and cannot be written yet, as on a full disk.  The guest counts as defined, its
 * user is told, and the write is tried until it works.  Until then the journal stays open, so that a restart tries again. */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "domain/define.h"
#include "domain/job.h"
#include "domain/store.h"
#include "migrate/dest.h"
#include "model/guest-def.h"

#define RETRY_MS 5000

typedef struct {
    Migration *migration; /* a reference */
    GuestDef *def;        /* borrowed: the domain's, as long as its user brings no other */
    char *message;
} Owed;

static void owed_free(void *data)
{
    Owed *owed = data;

    migration_unref(owed->migration);
    g_free(owed->message);
    g_free(owed);
}

/* The user has defined or undefined it meanwhile. */
static gboolean is_over(const Owed *owed)
{
    return owed->migration->domain->persistent != owed->def;
}

AWAITS static gboolean write_now(Owed *owed)
{
    g_auto(JobGuard) guard = {NULL};

    return job_guard_begin(&guard, owed->migration->domain, JOB_DEFINE, "migration-define", NULL) && !is_over(owed) &&
           store_write_definition(owed->def, NULL);
}

AWAITS static void owed_task(void *data)
{
    Owed *owed = data;
    Migration *migration = owed->migration;
    g_autoptr(GError) error = NULL;

    do {
        if (!await_sleep(RETRY_MS, NULL))
            return;
    } while (!is_over(owed) && !write_now(owed));
    domain_drop_message(migration->domain, owed->message);
    if (!is_over(owed))
        log_info("domain '%s': its definition is written now", migration->journal->name);
    migration->is_definition_owed = FALSE;
    migration->journal->ended_ms = migration->is_ended ? clock_wall_ms() : 0;
    if (!migration_save(migration, &error))
        log_warning("%s, continuing", error->message);
}

void dest_owe_definition(Migration *migration, GuestDef *def, const char *why)
{
    Domain *domain = migration->domain;
    Owed *owed = g_new0(Owed, 1);

    owed->migration = migration_ref(migration);
    owed->def = def;
    owed->message = g_strdup_printf("has arrived, but its definition is not on the disk yet: %s; it is tried again", why);
    migration->is_definition_owed = TRUE;
    domain_hold_persistent(domain, def);
    domain_add_message(domain, "%s", owed->message);
    log_error("domain '%s' %s", domain->name, owed->message);
    task_spawn("migration-define", owed_task, owed, owed_free);
}
