/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way between the two ferryds of one migration: the address that won, the pact lane over it, and the lanes that QEMU
 * has got.  The same on both sides; who dials which lane is decided once, by the first connection that was proven. */
#pragma once

#include <glib.h>
#include <sys/socket.h>

#include "loop/loop.h"
#include "loop/task.h"
#include "migrate/lane.h"
#include "migrate/pact.h"
#include "migrate/race.h"
#include "phase/cookie.h"

typedef struct Migration Migration;

#define ROUTE_PATIENCE_MS 3500      /* for a network that is silent */
#define ROUTE_CALL_BACK_AFTER_MS 250 /* the destination leaves the source so long to come by itself */
#define ROUTE_CALL_BACK_EVERY_MS 1000
#define ROUTE_CALL_BACK_GRACE_MS 800 /* the source waits so long for a call back once all has been refused */

typedef struct {
    GPtrArray *addresses;   /* Candidate: where the other side can be reached; NULL: an explicit address is ordered */
    LaneListener *listener; /* ours */
    Race *race;             /* under way */
    Timer *call_back;       /* destination: dials the source, if that does not come */
    Timer *listen_again;    /* after a restart: others have the port that the other side knows */
    Pact *pact;             /* NULL: no connection was proven */
    struct sockaddr_storage address; /* that won */
    gboolean is_ready;               /* the destination's QEMU waits for the memory */
    gboolean is_attached;            /* source: the destination's QEMU has the stream */
    gboolean is_called_back;         /* the destination dials, the source listens */
    gboolean is_met;                 /* a pact lane was proven, whatever became of it */
    gboolean is_mutual;              /* the other side has said a word since: its own note of the way is written as well */
    const PactEvents *pact_events;
    GPtrArray *dialling;    /* Greeting: lanes on their way */
    GArray *came;           /* Came: let in on the source's listener, not yet asked for */
    GArray *duplicates;     /* int: of lanes that QEMU has: shutdown() on them is the abort that always works */
} Route;

/* Content with what is all zero. */
void route_init(Route *route);
/* Closes everything; the addresses stay.  Lanes that QEMU has go on. */
void route_close(Route *route);
/* All but what the two daemons need to speak: the pact lane and its listener. */
void route_release_lanes(Route *route);
/* Into the journal: how they have met, for a daemon that is restarted; and back, where it listens again. */
void route_note(Migration *migration);
void route_recall(Migration *migration);
void route_clear(Route *route);

/* Where the other side says that it can be reached; it says nothing where its user ordered an address. */
gboolean route_hear(Route *route, const CookieFerry *ferry, GError **error);
/* The other side of this migration, as every hello must prove it. */
gboolean route_terms(const Migration *migration, HelloTerms *ret_terms, GError **error);

/* Source: finds the way (uri: the user's order, or where no addresses were told) and proves it.  The error is a table of
 * what was tried. */
AWAITS gboolean route_find(Migration *migration, const char *uri, GError **error);
/* Source: AWAITS the destination's QEMU.  Memory sent before it is there would lie in the sockets; of a small guest all of it
 * finds room in them, so it would be stopped and stand still until somebody reads.  Without a pact lane nobody tells, and
 * nothing is waited for. */
AWAITS gboolean route_wait_ready(Migration *migration, GError **error);
/* Source: one more lane over that way; the descriptor is the caller's. */
AWAITS gboolean route_open_lane(Migration *migration, LaneName name, int *ret_fd, GError **error);

/* Keeps a duplicate of a lane that goes to QEMU, and a note of it in the journal. */
void route_keep_duplicate(Migration *migration, int fd);
/* After a restart: duplicates of the lanes that QEMU still has, out of its process. */
void route_regain_duplicates(Migration *migration);
/* They have ended, or QEMU has: others may follow. */
void route_drop_duplicates(Migration *migration);
/* Frees a QEMU that is blocked on them. */
void route_shut_lanes(Route *route);
/* Ends the stream of a QEMU that has died, so that its other half does not wait for more; what it had written still arrives. */
void route_end_lanes(Route *route);
/* How long nothing came over any of them or the pact lane, in ms; -1: there is none. */
int64_t route_silence_ms(const Route *route);
