/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The driver of the five phases: begin (source), prepare (destination), perform (source), finish
 * (destination), confirm (source), and what follows when one of them fails.
 *
 *     who                     source endpoint        destination endpoint
 *     ferryd, peer-to-peer    its own functions      a peer
 *     libferry                a connection           a connection
 *     tests                   fake                   fake
 *
 * Pure but for what the endpoints do. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "base/enum.h"
#include "base/params.h"

typedef enum {
    PHASE_BEGIN,
    PHASE_PREPARE,
    PHASE_ADDRESS, /* the driver's own: Prepare must have led to an address */
    PHASE_PERFORM,
    PHASE_FINISH,
    PHASE_CONFIRM,
    PHASE_COUNT,
} Phase;

extern const EnumName phase_names[]; /* "begin", … */

/* Where the guest is, as far as the driver was told. */
typedef enum {
    PHASE_STAYED,  /* not moved: the source has it */
    PHASE_ARRIVED, /* Finish answered with the domain */
    PHASE_UNKNOWN, /* Finish(0) was sent and no answer came: nobody may guess */
} PhaseOutcome;

/* Causes in a source's journal on which a client acts: the attempt ended in KEPT since its daemon was restarted, and nobody begins
 * it again, or the new daemon does; or since the other one was. */
#define PHASE_CAUSE_RESTART  "the daemon was restarted"
#define PHASE_CAUSE_REPEATED "the daemon was restarted, and begins it again"
#define PHASE_CAUSE_HUNG_UP  "the destination's daemon hung up, as one that is restarted does, and it is begun again"

/* One run.  The caller fills the first part, endpoints read it all and write what their phase
 * gives. */
typedef struct {
    uint64_t flags; /* as the source gets them, with CHANGE_PROTECTION; Begin adds PAUSED if the
                       guest is paused */
    const Params *params;  /* the user's; borrowed, may be NULL */
    gboolean is_protected; /* the source holds its job from Begin to Confirm: Confirm follows a
                              failed Prepare */

    char *xml;      /* given by Begin */
    GBytes *cookie; /* what the phase before gave: C1 … C4; NULL: none.  A phase takes it and puts
                       its own */
    char *uri_out;  /* given by Prepare: where to, if it chose or completed the address */
    const char
        *uri; /* the address in force: uri_out, else the user's; NULL: tunnelled.  Borrowed */
    gboolean is_unwanted;  /* set by an endpoint when the user has given up: ends it between Prepare
                              and Perform */
    gboolean is_cancelled; /* argument of Finish and of Confirm */
    PhaseOutcome outcome;  /* given by Finish */

    GError *confirm_error; /* Confirm failed after all went well: for a log line, the migration
                              stands */
} PhaseRun;

void phase_run_init(PhaseRun *run);
void phase_run_clear(PhaseRun *run);
/* Replaces the cookie; takes it (NULL: none). */
void phase_run_set_cookie(PhaseRun *run, GBytes *cookie);

/* A phase at an endpoint.  FALSE: failed, with the reason.  This type stands for AWAITS: in the
 * daemon such a function may give up the floor, and so may phase_driver_run; in the library it
 * blocks.
 *
 * Finish: before it asks anybody it sets run->outcome to PHASE_UNKNOWN unless run->is_cancelled; an
 * answer, good or bad, sets PHASE_ARRIVED or PHASE_STAYED.  Confirm is called with all three; what
 * it tells the source in case of PHASE_UNKNOWN is its own matter (not "resume"). */
typedef gboolean (*PhaseAwaits)(void *endpoint, PhaseRun *run, GError **error);

typedef struct {
    void *source;
    void *destination;
    PhaseAwaits begin;   /* source */
    PhaseAwaits prepare; /* destination */
    PhaseAwaits perform; /* source */
    PhaseAwaits finish;  /* destination */
    PhaseAwaits confirm; /* source */
    /* May be NULL.  Before each phase, for progress. */
    void (*on_phase)(Phase phase, const PhaseRun *run, void *data);
    void *data;
} PhaseEndpoints;

/* TRUE: the guest arrived.  FALSE: the first cause, see the rule below. */
gboolean phase_driver_run(const PhaseEndpoints *endpoints, PhaseRun *run, GError **error);

/* Finish of a destination that refused, or that was cancelled, answers with this code, so that who
 * drives can tell "it never ran there and never will" (REFUSED, and durable) from any other
 * trouble. */
gboolean phase_error_is_refused(const GError *error);
gboolean phase_error_refused(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* The source found no way to the address that the destination gave: nothing has been sent, so another way does no
 * harm.  Known by stock's leading words, whoever says them. */
gboolean phase_error_is_no_route(const GError *error);
/* The same between two stock hosts, which may also have found a wrong host that hung up, or a
 * destination that has no name to give. */
gboolean phase_error_is_astray(const GError *error);
/* Its first line, without the table that may follow; the caller frees it. */
char *phase_error_line(const GError *error);

/* The rule of the first cause.  Takes later, may replace *first. */
void phase_error_choose(GError **first, GError *later, Phase first_failed);
