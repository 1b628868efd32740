/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What loop.c and task.c tell each other; nobody else includes this. */
#pragma once

#include <glib.h>
#include <stdint.h>

/* task.c: is a task waiting for the floor; lend it to those that are waiting now, one after the
 * other. */
gboolean tasks_are_runnable(void);
void tasks_lend_floor(void);
/* The calling thread becomes the loop thread; all tasks are forgotten. */
void tasks_init(void);
void tasks_clear(void);

/* task.c: does the calling thread hold the floor. */
gboolean floor_is_held(void);
/* Remembers the longest hold, and names in the debug log who kept the floor for more than
 * FLOOR_HOLD_MAX_US. */
#define FLOOR_HOLD_MAX_US 20000
void floor_note_hold(const char *kind, const char *name, int64_t since_us);
