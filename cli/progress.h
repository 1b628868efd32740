/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Progress of a migration: one line on a terminal, or the percentages of virsh. */
#pragma once

#include <ferry/ferry.h>
#include <glib.h>

typedef enum { PROGRESS_NONE, PROGRESS_PERCENT, PROGRESS_LINE } ProgressStyle;

typedef struct {
    ProgressStyle style;
    gboolean is_aborting; /* the user asked to */
    gboolean has_line;    /* something stands on the line */
} Progress;

void progress_show(Progress *progress, const FerryProgress *numbers);
/* Takes the line away, or ends it. */
void progress_end(Progress *progress, gboolean is_success);
/* "copying memory" */
const char *progress_phase_text(const char *phase);
/* The line itself; the caller frees it. */
char *progress_text(const FerryProgress *numbers, gboolean is_aborting);
