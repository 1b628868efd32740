/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inside libferry: one migration under way. */
#pragma once

#include "connection.h"
#include "phase/cookie.h"
#include "phase/driver.h"
#include "phase/flags.h"
#include "relay.h"

typedef struct {
    FerryDomain *domain;   /* at the source */
    FerryConnection *dest; /* NULL: peer-to-peer */
    const FerryMigration *wanted;
    PhaseRun run;
    Phase phase;
    gboolean is_abort_asked; /* by the user */
    gboolean is_abort_told;  /* the source has accepted it */
    GBytes *c2;              /* kept for the answer to Confirm */
    Uuid dest_host;          /* whom C2 named; null: nobody yet */
    gboolean is_dest_ferry;  /* the destination is a ferryd */
    gboolean is_source_ferry; /* and so is the source */
    char *dest_literal;       /* at which we reach the destination's daemon; NULL: not over a network */
    unsigned waits_for; /* how many go before it; 0: it does not wait */
    gboolean has_stats;
    MigrationStats stats; /* the last that were heard */
    char *address, *notice; /* as the source told at the end; NULL: not told */
    gboolean is_listening;
    char attempt[COOKIE_ATTEMPT_SIZE]; /* its id; "": the source is no ferryd */
    int64_t missed_ms, looked_ms; /* since when the destination's daemon is missed, and when it was last looked for; 0: it is not */
    gboolean is_dest_back;        /* it was found again, and needs us for nothing before Finish */
    gboolean is_cut; /* it was to be begun again when the source's daemon went, too */
    gboolean is_given_up; /* Finish was not waited for any longer */
    gboolean is_settled; /* the source knows how it has ended: nothing is to be confirmed */
    gboolean is_relayed; /* the memory goes through here */
    Relay relay;
    int64_t started_ms;
    int64_t finish_ms; /* when Finish was sent */
} Migration;

/* The numbers of a job, if it has any yet. */
void progress_fill(const MigrationStats *stats, FerryProgress *progress);
/* Tells the user how far it is and hears whether to go on. */
void migration_report(Migration *migration);
/* Hears what the source tells at the end: numbers, where the memory went, what was done beside. */
void migration_listen(Migration *migration);
/* For long calls to the source: asks for numbers, reports, passes on an abort. */
void migration_idle(void *migration);

/* The endpoints of a client-led migration; source and destination are the Migration. */
void migration_endpoints(Migration *migration, PhaseEndpoints *ret_endpoints);

#define NO_FALLBACK "No other way was tried: the user wants none (--no-fallback)"

/* The source's daemon, a stock one, is asked to carry the memory through its connection to the destination's.  *error is
 * the cause so far; FALSE: it says more now. */
gboolean migrate_tunnelled(Migration *migration, const Params *params, GError **error, char **ret_notice);

#define MIGRATION_BACK_MS (20 * 1000) /* until a destination's daemon that hung up is back */

/* The destination's daemon has hung up, as one that is restarted does: the network was not silent. */
gboolean migration_is_missed(const Migration *migration);
/* It was waited for in vain. */
gboolean migration_is_left(const Migration *migration);

/* lib/migrate-led.c */
gboolean migrate_led(Migration *migration, const Params *params, char **ret_address,
                     char **ret_notice, GError **error);
/* That literal is one that failed. */
gboolean migration_has_tried(const GError *error, const char *literal);
/* A line behind the first cause, so that stock's words stay in front.  Returns FALSE. */
gboolean migration_add_cause(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* lib/courier.c: the same between two ferryds that meet in this client only: carries what each has to say to the other until the source
 * has settled it.  *cause is why Finish failed; where they cannot be carried either, the reason is added. */
PhaseOutcome courier_settle(Migration *migration, GError **cause);

#define MIGRATION_ANSWER_MS (20 * 1000) /* how long a user waits for an answer before he hears that it is not known yet */

/* lib/migrate-look.c: what a ferryd's record says of this attempt.  *ret_doubt (may be NULL; the caller frees it) is set if it waits for
 * the destination. */
PhaseOutcome migration_look_at_source(const Migration *migration, char **ret_doubt);
/* Finish(0) was not answered.  Looks at the destination, over a new connection
 * if need be. */
PhaseOutcome migration_look(Migration *migration);
