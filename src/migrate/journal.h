/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The journal of one migration on one side: migrations/ID.json, kept after the end as history, and beside the
 * definitions UUID.attempt, from which the gate finds it.  Saving is atomic; only journal_sync outlives the power. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "base/uuid.h"
#include "migrate/owner.h"

#define ATTEMPT_ID_SIZE 33 /* 32 hexadecimal digits and NUL */
#define TOKEN_SIZE 32

typedef struct {
    char *id;            /* 32 hexadecimal digits: the attempt */
    int side;            /* OwnerSide */
    Uuid uuid;           /* the guest's */
    char *name;          /* here */
    char *source_name;   /* there, on a destination that renames it */
    uint64_t epoch;
    Uuid peer_host;      /* null: not known */
    char *peer;          /* the other host, for people */
    char *token;         /* 64 hexadecimal digits; the file's mode is 0600 for it.  NULL: the other side is a stock host */
    uint64_t flags;      /* migration flags, phase/flags.h */
    char *definition;    /* source: the guest's own; destination: what is to be defined, if asked */
    gboolean is_paused;  /* its user left it paused */
    char *given_to;      /* destination: the guest had been given to that host before; still true if this one is refused */
    gboolean has_left;   /* source: given away, and no definition of it stayed here */
    gboolean was_defined; /* destination: a definition of this guest was there before */
    char *phase;
    char *step;
    char *steps_done;    /* names joined by blanks, in order */
    char *address;       /* where the memory went */
    int64_t started_ms;  /* wall clock */
    int64_t ended_ms;    /* 0: open */
    char *outcome;       /* the last word, when it ended */
    char *cause;         /* why it failed */
    char *way;           /* "dialled" or "called back": how the two daemons have met; NULL: they have not, beside the calls */
    char *reach;         /* the dialling side: where the other one listens, "192.0.2.1:49152 [2001:db8::1]:49152 …", best first */
    uint64_t port;       /* the listening side: its port; 0: none */
    char *lanes;         /* those that QEMU has: the inodes of their sockets, joined by blanks; NULL: none, or it has ended */
    gboolean is_carried; /* part of the memory passes through this daemon and ends with it */
    char *peer_uri;      /* source, peer-to-peer: the destination's daemon */
    char *params;        /* source, peer-to-peer: what was asked beside the flags, to begin it again; NULL: not all of it is kept */
    char *reclaims;      /* the attempt by which it had been given away, where it was only given back (migrate/reclaim.h) */
    char *repeats;       /* the attempt that was begun again by this one; NULL: none */
    uint64_t restarts;   /* whose restarts have ended the attempts before it: a set of 1 << OwnerSide */
    gboolean has_fallen; /* source: QEMU has ended while the migration had its guest stopped, under our eyes */
    gboolean wants_switch; /* source: its user wants it to switch to postcopy, which its QEMU has not been told */
    gboolean is_unwanted; /* its user has given it up */
    gboolean is_over;    /* both records are final, and both sides know it, or the other one will never ask */
    uint64_t rival_epoch; /* the guest is the other side's too, of that generation, by a person's word; 0: it is not */
    gboolean has_yielded; /* and a person has left it to that side */
} Journal;

/* A new attempt of the guest, with random id and token. */
Journal *journal_new(OwnerSide side, const Uuid *uuid, const char *name, uint64_t epoch);
void journal_free(Journal *journal);
gboolean journal_is_open(const Journal *journal);

/* Pure. */
char *journal_format(const Journal *journal);
/* ERROR_CONFIG_UNSUPPORTED: of a newer ferryd. */
Journal *journal_parse(const char *text, GError **error);

/* dir: …/migrations.  save survives the daemon; sync (blocks) also makes the last save and its name durable. */
gboolean journal_save(const Journal *journal, const char *dir, GError **error);
gboolean journal_sync(const Journal *journal, const char *dir, GError **error);
Journal *journal_load(const char *dir, const char *id, GError **error);
/* The files of an attempt that nothing points to; blocks.  FALSE: they are still there. */
gboolean journal_remove(const char *dir, const char *id);
/* Whether this host has a record of that attempt already. */
gboolean journal_exists(const char *dir, const char *id);
/* The ids found in dir, for recovery and `migration list`. */
GPtrArray *journal_list(const char *dir);

/* UUID.attempt in dir …/domains: which attempt touched the guest last, and the highest epoch ever seen. */
typedef struct {
    char *id;
    uint64_t epoch;
    char *peer;
    GError *newer; /* of a newer ferryd, with members that this one does not know; NULL: all of it is known */
} Attempt;

gboolean attempt_write(const char *dir, const Uuid *uuid, const Journal *journal, GError **error); /* durable; blocks */
Attempt *attempt_read(const char *dir, const Uuid *uuid); /* NULL: none */
void attempt_free(Attempt *attempt);
/* FALSE: it is a newer ferryd's, and nothing may take its place but a person's word.  last may be NULL. */
gboolean attempt_check(const Attempt *last, GError **error);
/* The guest's next generation; last may be NULL.  FALSE: there is none, and to begin again would make old guests new. */
gboolean attempt_next_epoch(const Attempt *last, const char *name, uint64_t *ret_epoch, GError **error);

/* How many ended attempts a host remembers beyond those that guests refer to. */
#define JOURNAL_HISTORY_MAX 1000

/* Removes from dir …/migrations ended attempts but the newest `keep`, and what a crash left of attempts that were never
 * announced.  What a UUID.attempt in `domains` points to stays, and so does what cannot be read.  What was
 * never announced looks like what is just being announced: it goes only if nothing migrates, as at start-up.  Blocks.
 * Returns how many attempts it removed. */
unsigned journal_prune(const char *dir, const char *domains, unsigned keep, gboolean is_quiet);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Journal, journal_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Attempt, attempt_free)
