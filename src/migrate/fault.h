/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fault injection.  The points are the steps of the step tables and the rows of the owner's tables; `ferryd --list-steps`
 * prints them; beside them reclaim/ask, reclaim/record and give-back/record, of no migration (reclaim.c).  Only a build with -Dfault_injection=true obeys; in others nothing is left of the hooks.
 *
 * A fault is armed by a file RUN/faults/POINT that holds one word; it is renamed to POINT.hit when the daemon gets there, so
 * that each happens once and whoever armed it sees it:
 *   fail, fail-after     the step fails before or after it was run, the row's word cannot be written
 *   stall, stall-after   waits there until POINT.hit is removed
 *   kill, kill-after     SIGKILL to itself
 * The actions of a row are a point of their own, ROW.actions, where nothing can fail. */
#pragma once

#include "loop/task.h"
#include "migrate/owner.h"

typedef enum { FAULT_BEFORE, FAULT_AFTER } FaultPlace;

void fault_print_points(void);

#ifdef FERRY_FAULT_INJECTION
#define FAULT_BUILT TRUE
/* FALSE: it has failed here. */
AWAITS gboolean fault_step(const char *phase, const char *step, FaultPlace place, GError **error);
/* TRUE: it has waited there, and what held before need not hold any more: the table is to be asked again. */
AWAITS gboolean fault_row_stalled(OwnerSide side, const OwnerVerdict *verdict);
AWAITS gboolean fault_row(OwnerSide side, const OwnerVerdict *verdict, FaultPlace place, GError **error);
gboolean fault_row_now(OwnerSide side, const OwnerVerdict *verdict, FaultPlace place, GError **error); /* never stalls */
AWAITS void fault_actions(OwnerSide side, const OwnerVerdict *verdict, FaultPlace place);
#else
#define FAULT_BUILT FALSE
#define fault_step(phase, step, place, error) TRUE
#define fault_row_stalled(side, verdict) FALSE
#define fault_row(side, verdict, place, error) TRUE
#define fault_row_now(side, verdict, place, error) TRUE
#define fault_actions(side, verdict, place) ((void)0)
#endif
