/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The migrations of this host, for people: those that are open, from memory, and those that have ended, from the journals. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "base/uuid.h"
#include "loop/task.h"
#include "migrate/journal.h"
#include "migrate/record.h"

typedef struct Migration Migration;

typedef enum { /* wire values */
               MIGRATION_ACTIVE,  /* under way */
               MIGRATION_WAITING, /* for the other host's answer: the guest stays as it is */
               MIGRATION_ENDED,
} MigrationState;

typedef struct {
    char *id;
    char *name;
    Uuid uuid;
    uint64_t epoch;
    gboolean is_outgoing;
    char *peer;         /* NULL: not known */
    MigrationState state;
    const char *word;   /* "GO" */
    char *phase;        /* NULL: none */
    int64_t started_ms; /* wall clock, as are all here; 0: not known */
    int64_t since_ms;   /* the word's time: of one that waits, since when */
    int64_t ended_ms;
    char *heard;        /* the other host's word, as it last said; NULL: it has not */
    int64_t heard_ms;
    char *sentence;     /* where the guest is, or for whom it waits */
    char *cause;        /* NULL: none */
} MigrationRow;

#define MIGRATION_ROWS_MAX 2048 /* of one answer */

/* Of MigrationRow *, open ones first, then the newest.  guest: its name or uuid; NULL: all.  Reads the journals only if
 * wants_ended. */
AWAITS GPtrArray *migration_list(const char *guest, gboolean wants_ended);
void migration_row_free(MigrationRow *row);
