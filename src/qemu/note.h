/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Notes of processes that nobody else knows of yet.  QEMU outlives its monitor and its daemon, so a
 * daemon that ends in the middle of a start or of a question would leave one for ever.  A note lies
 * in run_dir, written by ferry-exec before the program runs, until somebody has taken charge of it.
 */
#pragma once

#include <glib.h>

/* In run_dir/UUID: a guest whose start has not been taken charge of. */
#define NOTE_STARTING "starting"

/* In run_dir, with a number behind it: an emulator that is being asked. */
#define NOTE_ASKING "asking-"

/* Does the process that it speaks of still live? */
gboolean note_is_true(const char *path);
/* Kills the process that the note speaks of, unless it has gone, and removes the note. */
void note_end(const char *path);
