/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The engine that walks steps.  It knows no row. */
#include "migrate/step.h"

#include "base/log.h"
#include "migrate/fault.h"
#include "migrate/migration.h"

static void journal_note(Migration *migration, const char *phase, const char *step)
{
    g_autoptr(GError) error = NULL;

    g_free(migration->journal->phase);
    g_free(migration->journal->step);
    migration->journal->phase = g_strdup(phase);
    migration->journal->step = g_strdup(step);
    if (migration->record && !migration->is_in_blackout && !migration_save(migration, &error))
        log_warning("%s, continuing: the owner's word is kept apart", error->message);
}

static void journal_done(Migration *migration, const char *step)
{
    char *done = migration->journal->steps_done;

    migration->journal->steps_done = done ? g_strconcat(done, " ", step, NULL) : g_strdup(step);
    g_free(done);
}

AWAITS static void undo_from(const StepList *list, size_t count, Migration *migration)
{
    task_shield();
    while (count-- > 0) {
        const Step *step = &list->steps[count];

        if (step->undo) {
            log_debug("undoing %s %s of domain '%s'", list->phase, step->name, migration->journal->name);
            step->undo(migration);
        }
    }
    task_unshield();
}

AWAITS gboolean step_run(const StepList *list, unsigned row, Migration *migration, GError **error)
{
    const Step *step = &list->steps[row];

    journal_note(migration, list->phase, step->name);
    if (!fault_step(list->phase, step->name, FAULT_BEFORE, error) || !step->run(migration, error) ||
        !fault_step(list->phase, step->name, FAULT_AFTER, error))
        return FALSE;
    journal_done(migration, step->name);
    return TRUE;
}

AWAITS gboolean step_list_run(const StepList *list, Migration *migration, GError **error)
{
    for (unsigned row = 0; list->steps[row].name; row++)
        if (!step_run(list, row, migration, error)) {
            undo_from(list, row + 1, migration);
            return FALSE;
        }
    return TRUE;
}

AWAITS void step_list_undo(const StepList *list, Migration *migration)
{
    size_t count = 0;

    while (list->steps[count].name)
        count++;
    undo_from(list, count, migration);
}
