/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Turns: of many that would begin at once only so many are under way; the others wait, first come, first served.  Pure:
 * who waits is told by a function, and waits elsewhere. */
#pragma once

#include <glib.h>

typedef void (*TurnFunc)(void *owner);

typedef struct {
    TurnFunc granted;   /* called when one that waited has its turn */
    unsigned most;      /* under way at once; 0: no limit */
    unsigned under_way;
    unsigned moves;     /* how often a turn was given back: who waits sees that it goes on */
    GQueue waiting;     /* Turn, the next one first */
} Turns;

#define TURNS_INIT(fn) {.granted = (fn), .waiting = G_QUEUE_INIT}

typedef struct {
    Turns *turns; /* NULL: neither holds one nor waits for one */
    gboolean is_held;
    void *owner;
    GList link; /* in turns->waiting */
} Turn;

/* Held at once if there is room and nobody waits; else it waits.  owner: for granted. */
void turn_ask(Turn *turn, Turns *turns, void *owner);
/* Gives it back, or stops waiting.  Content to find neither. */
void turn_leave(Turn *turn);
gboolean turn_is_waiting(const Turn *turn);
/* How many go before this one: those under way and those that wait in front of it.  0 if it does not wait. */
unsigned turn_others(const Turn *turn);
