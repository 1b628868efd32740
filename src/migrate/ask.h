/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The asking: each side tells the other its record until both are final and both know it.  Any road will do: the pact lane,
 * a fresh one (the side that dialled it dials again), and where the hosts only meet in calls, a call of the other daemon.
 * What is heard goes to the tables of migrate/owner; no row reads silence as an answer, so nothing here decides. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "loop/loop.h"
#include "loop/task.h"
#include "migrate/journal.h"
#include "migrate/owner.h"
#include "migrate/pact.h"
#include "migrate/race.h"
#include "migrate/told.h"

typedef struct Migration Migration;

#define ASK_FIRST_MS 100          /* doubling … */
#define ASK_PAUSE_MS 1000         /* … to this; */
#define ASK_LONG_AFTER_MS (10 * 60 * 1000) /* after that, where no guest waits, every */
#define ASK_PAUSE_LONG_MS 10000
#define ASK_PATIENCE_MS (20 * 1000) /* of a client that waits for the outcome */

typedef struct {
    Timer *timer;            /* the next asking; NULL: nothing is asked */
    Race *race;              /* a fresh pact lane is dialled */
    gboolean is_calling;     /* the other daemon is called, on a task of its own */
    gboolean has_heard;      /* since the last asking */
    int64_t pause_ms;
    int64_t since_ms, since_wall_ms; /* of the first one, on both clocks; 0: none yet */
    int64_t told_ms;         /* when the log last said so */
    int64_t heard_wall_ms;   /* of the last word; 0: none */
    unsigned asked;
    OwnerWord peer_word;     /* newest; WORD_NONE: none heard */
    uint64_t peer_epoch;     /* and its generation */
    gboolean is_peer_over;
    gboolean is_peer_loaded; /* the destination has said LOADED, and nothing else since */
    gboolean has_ended;      /* postcopy: the destination has said ENDED */
    gboolean is_out;         /* postcopy: the source has said OUT */
    char *obstacle;          /* why the last try reached nobody, or told nothing */
    gboolean is_for_a_person; /* and never will, whatever it reaches */
} Ask;

/* Whether the other side can be asked at all: a ferryd that has been met, or can be called; or a stock daemon that can be called,
 * and looked at, for want of an answer. */
gboolean ask_is_possible(const Migration *migration);
/* Begins now, or asks at once if it has begun. */
void ask_start(Migration *migration);
/* Says what this side's record is, over the pact lane if there is one.  No waiting. */
void ask_say(Migration *migration, gboolean is_answer);
/* The two daemons have met: takes fd, a proven connection, for the pact lane. */
void ask_meet(Migration *migration, int fd, const PactEvents *events);
/* A word has come over the pact lane, which is ended if it is none of this migration. */
void ask_hear(Migration *migration, const uint8_t *bytes, size_t len);
/* The pact lane is lost: whoever dials gets another. */
void ask_pact_lost(Migration *migration);
/* AWAITS an outcome: the migration's end, or an answer that ends it; FALSE: none came within ASK_PATIENCE_MS. */
AWAITS gboolean ask_await(Migration *migration);

/* The migration has ended here: says so, and goes on asking until the other side knows. */
void ask_end(Migration *migration);
void ask_clear(Ask *ask);
/* After a restart: an ended migration of which the other side may not know. */
void ask_resume_ended(Migration *migration);

/* What a caller of any kind brings: the sealed word of the other side, answered with ours. */
AWAITS GBytes *ask_answer_call(const void *bytes, size_t len, GError **error);
/* Fills in attempt and reason (for people; NULL: none).  NULL: cannot be sealed. */
GBytes *ask_seal(const char *attempt, const char *hex_token, Told *told, const char *reason);
/* Is it of that attempt and the journal's guest, by who knows the journal's token? */
gboolean ask_unseal(const char *attempt, const Journal *journal, const void *bytes, size_t len, Told *ret_told);
/* Our own, for a courier: of an attempt that is in memory.  A new reference; NULL with the reason. */
GBytes *ask_own_word(const char *attempt, GError **error);
