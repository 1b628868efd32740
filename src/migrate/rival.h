/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest is on both hosts, because a person's word (`migration resolve`) was not true: between the daemons alone that
 * cannot be.  The side with the lower generation stands back, paused and not destroyed, until a person picks. */
#pragma once

#include "migrate/migration.h"

/* What the other side of an ended migration has said last, and in which generation. */
void rival_hear(Migration *migration, OwnerWord theirs, uint64_t epoch);
/* A new daemon has found it: if it stands back, or a person has left it to the other host, the old one may have ended before
 * it had obeyed.  FALSE: neither. */
gboolean rival_resume(Migration *migration);
/* It stands back: whose guest it is, is for a person to say. */
gboolean rival_is_open(const Migration *migration);
/* For whom, and what a person can do; the caller frees it. */
char *rival_sentence(const Migration *migration);
/* The other side does, and the guest runs here: for whoever asks about it.  NULL: it is nowhere else; the caller frees it. */
char *rival_note(const Migration *migration);
/* The person's word.  It goes on here; the other host is not told, and must have ended it. */
AWAITS gboolean rival_go_on(Migration *migration, GError **error);
/* It is the other host's: the image here is destroyed. */
AWAITS gboolean rival_yield(Migration *migration, GError **error);
