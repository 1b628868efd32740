/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looks at this host for what belongs to nobody and for what waits or is wrong.  A table of looks; none of them changes
 * anything. */
#pragma once

#include <glib.h>

#include "doctor/finding.h"
#include "loop/task.h"

/* What the looks share. */
typedef struct {
    GPtrArray *findings;
    gboolean wants_used;
    GPtrArray *processes; /* doctor/process.h: those that carry our mark, as they were a moment ago */
} Doctor;

/* wants_used: also what is ours and in use.  A list of findings, worst first. */
AWAITS GPtrArray *doctor_examine(gboolean wants_used);

/* Younger than that many seconds, or gone already: in the making, or on its way out. */
gboolean doctor_is_fresh(const char *path, int seconds);

/* The looks. */
AWAITS void look_processes(Doctor *doctor);
AWAITS void look_taps(Doctor *doctor);
AWAITS void look_ports(Doctor *doctor);
AWAITS void look_folders(Doctor *doctor);
AWAITS void look_guests(Doctor *doctor);
AWAITS void look_memory(Doctor *doctor);
AWAITS void look_definitions(Doctor *doctor);
AWAITS void look_journals(Doctor *doctor);
AWAITS void look_nonces(Doctor *doctor);
AWAITS void look_images(Doctor *doctor);
