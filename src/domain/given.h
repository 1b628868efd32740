/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Notes of files that QEMU's user has got and that no status speaks of: their guest is being started, or has
 * ended and they are being returned.  A daemon that is killed meanwhile leaves the note in run_dir, and its
 * successor returns the files.  A note lives as long as the boot, as the counts of users do. */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "base/uuid.h"

#define GIVEN_PREFIX "given-"

/* pid: of the QEMU that has ended; 0: one is being started.  paths: ends with NULL.  NULL: nothing to note,
 * or it cannot be written (said in the log): then the files go without. */
char *given_note(const Uuid *uuid, pid_t pid, const char *const *paths);
/* Takes note. */
void given_note_drop(char *note);

typedef struct {
    char *note;
    char **paths;
} Given;
void given_free(Given *given);

/* What an earlier daemon still owes.  statuses: of StoredStatus *; a guest that one speaks of has the files of
 * its start, and an end that it does not know of yet is still to come. */
GPtrArray *given_list(const GPtrArray *statuses);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Given, given_free)
