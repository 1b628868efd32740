/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The race for a way to the other host, in the manner of RFC 8305: candidates are dialled in their order, staggered, a
 * failure brings the next at once, and the first that proves itself wins.  A better ranked one that is still under way when
 * a worse one is proven gets a moment more, so that a preferred network wins also where all are slow. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "loop/task.h"
#include "migrate/greeting.h"

#define RACE_STAGGER_MS 10          /* RFC 8305's smallest: on a healthy network the first one is proven before that */
#define RACE_AT_ONCE_MAX 8
#define RACE_GRACE_MAX_MS 100       /* for the better ranked, and never longer than the worse one took itself */

typedef struct Race Race;
typedef void (*RaceFunc)(void *data); /* on the loop thread: race_is_over() may be true now */

/* What became of one candidate. */
typedef struct {
    struct sockaddr_storage address; /* with its port */
    const char *origin;              /* borrowed from the race */
    GreetingVerdict verdict;
    const char *reason;              /* borrowed; NULL: proven, or not tried */
    int64_t elapsed_us;
} RaceEntry;

/* candidates: of migrate/candidate; only the usable ones run.  Each gets patience_ms. */
Race *race_new(const GPtrArray *candidates, const HelloTerms *terms, OwnerSide side, LaneName lane, int64_t patience_ms,
               RaceFunc fn, void *data);
void race_free(Race *race);
/* One has won, or all have failed. */
gboolean race_is_over(const Race *race);
/* Nothing is under way that has not failed: all answers were heard, or there was nobody to ask. */
gboolean race_is_lost(const Race *race);
/* -1: nobody has. */
int race_winner(const Race *race);
int race_steal_fd(Race *race);
/* From the start to the end, or until now. */
int64_t race_elapsed_us(const Race *race);
unsigned race_count(const Race *race);
RaceEntry race_entry(const Race *race, unsigned index);

/* "  ADDRESS   ORIGIN   VERDICT   TIME" of each, for errors; the caller frees it. */
char *race_table(const Race *race);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Race, race_free)
