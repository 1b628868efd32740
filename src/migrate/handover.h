/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Carries out what the tables of migrate/owner decide.  Nothing else starts, resumes or ends a guest once its hand-over
 * has begun. */
#pragma once

#include "migrate/migration.h"

/* What was heard goes through the table: the word is written (and durable where the row says so), then the actions follow.
 * false only if the word could not be written; then nothing was done.  cause: for the journal, may be NULL. */
AWAITS gboolean handover_hear(Migration *migration, OwnerHeard heard, const char *cause, GError **error);

/* The same for the end of QEMU, from the loop thread: the word only. */
void handover_qemu_died(Migration *migration);

/* Source: it is given up, and no task is at it, as recovery waits for a QEMU that is silent, perhaps since it is blocked on its
 * lanes.  It is freed of them, as by a link that breaks; what it says then goes through the table. */
void handover_free_silent(Migration *migration);

/* The own QEMU as the tables see it. */
OwnerQemu handover_qemu(const Migration *migration);
/* The destination's QEMU could run the guest. */
gboolean handover_is_loaded(const Migration *migration);
/* The word is final, and no part of the memory is on its way any more. */
gboolean handover_is_over(const Migration *migration);

/* GO without an answer, OFFERED of an older boot, an answer that may not have arrived (TOLD), a guest that was kept without a part
 * of its memory, or one that is on both hosts by a person's word: nobody here may decide. */
gboolean handover_is_in_doubt(const Migration *migration);
/* Marks it: the job ends, so that verbs get the sentence at once instead of waiting for the job. */
void handover_enter_doubt(Migration *migration, const char *why);
/* It has come here, and QEMU refuses to run it: why, and what is done about that.  NULL: it is not so.  The caller frees it. */
char *handover_stuck_note(const Migration *migration);
/* That, or "outcome not yet known: …": for whom it waits, since when, and what a person can do; the caller frees it. */
char *handover_sentence(const Migration *migration);
