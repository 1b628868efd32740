/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Steps: each side of a phase is a list of rows, each with its undo.  The engine writes "phase, step" to the journal
 * before it runs one; on failure it undoes from the failing step backwards.  An undo tolerates finding nothing, because
 * it also runs for the step that failed half-way and after a restart; it removes only what this migration made. */
#pragma once

#include <glib.h>

#include "loop/task.h"

typedef struct Migration Migration;

typedef struct {
    const char *name;
    AWAITS gboolean (*run)(Migration *migration, GError **error);
    AWAITS void (*undo)(Migration *migration); /* NULL: leaves no trace */
} Step; /* a list ends with { NULL } */

typedef struct {
    const char *phase;
    const Step *steps;
} StepList;

extern const StepList begin_list, prepare_list, arrive_list, perform_list, p2p_list;

AWAITS gboolean step_list_run(const StepList *list, Migration *migration, GError **error);
/* One row of a list whose order and undoing are somebody else's: the driver of the phases. */
AWAITS gboolean step_run(const StepList *list, unsigned row, Migration *migration, GError **error);
/* All of it, last step first; shielded from cancels. */
AWAITS void step_list_undo(const StepList *list, Migration *migration);
