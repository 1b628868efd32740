/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may run the guest: the two decision tables of the hand-over, and nothing else.  Pure.  They are asked after every
 * event, message, restart and timer, and may be asked at any time: each row is repeatable.  No row reads silence as an
 * answer. */
#pragma once

#include <glib.h>

#include "base/enum.h"
#include "migrate/record.h"

typedef enum { SIDE_SOURCE, SIDE_DESTINATION } OwnerSide;

/* What the own QEMU says (query-migrate, query-status, or its end). */
typedef enum {
    OWNER_QEMU_RUNNING,   /* source: active, or failed and running again by itself */
    OWNER_QEMU_STOPPED,   /* source: failed, cancelled or none, and stopped by the migration */
    OWNER_QEMU_COMPLETED, /* source: query-migrate says completed (never the runstate) */
    OWNER_QEMU_INCOMING,  /* destination: not the whole image yet */
    OWNER_QEMU_LOADED,    /* destination: the whole image, paused */
    OWNER_QEMU_RUNS,      /* destination: the guest runs */
    OWNER_QEMU_DEAD,
    OWNER_QEMU_FELL,      /* source: dead, and seen to be stopped from the migration's STOP to its end */
    /* postcopy */
    OWNER_QEMU_SWITCHED,  /* source: postcopy-active; each side has a part of the memory, and migrate_cancel still leads back */
    OWNER_QEMU_CUT,       /* source: postcopy-paused, or about to be recovered; nothing leads back without the destination's QEMU */
    OWNER_QEMU_SWITCHING, /* destination: incoming, of a source that may have switched: its QEMU may not be ended under it */
    OWNER_QEMU_HALF,      /* destination: could run, paused; a part of the memory is still at the source */
    OWNER_QEMU_RUNS_HALF, /* destination: the guest runs, and a part of its memory is still at the source */
} OwnerQemu;

/* What has been heard. */
typedef enum {
    HEARD_NOTHING,
    HEARD_READY,     /* source: completed, and Perform's caller is still connected (peer-to-peer: about to send Finish) */
    HEARD_ABORT,     /* source: user, Confirm(cancelled), lost caller; destination: Finish(cancelled), silence, its user */
    HEARD_TAKEN,
    HEARD_REFUSED,
    HEARD_LOST,
    HEARD_GO,        /* destination: the source says that it may run */
    HEARD_DROP,      /* destination: the source says that it may not; or who speaks for a source that cannot be asked */
    HEARD_LOADED,    /* source: the destination's QEMU has the whole image */
    HEARD_CANNOT,    /* source: the destination's QEMU refuses to run it */
    HEARD_HERE,      /* a person: the guest does not run there and never will; it may run here */
    HEARD_THERE,     /* a person, on a destination: the guest is the other host's */
    HEARD_FINISH,    /* destination, careful: a stock source's Finish(0), whose answer is yet to arrive there */
    HEARD_ACKNOWLEDGED, /* destination: the kernel of the stock source has the whole answer */
    HEARD_UNSAID,    /* destination: not a byte of the answer has left */
    HEARD_ENDED,     /* source, postcopy: the destination's record is final and its QEMU is gone */
    HEARD_OUT,       /* destination, postcopy: the source's QEMU is gone, or has left postcopy: no page comes any more */
} OwnerHeard;

typedef enum {
    OWNER_WRITE_SYNC = 1 << 0,   /* the word is durable before anything is said */
    OWNER_CANCEL = 1 << 1,       /* migrate_cancel (then shutdown of the lane) unless the migration has ended */
    OWNER_CONT = 1 << 2,         /* cont, as its user left it */
    OWNER_DESTROY = 1 << 3,      /* end the QEMU here */
    OWNER_DEFINE = 1 << 4,       /* write the definition, if asked */
    OWNER_UNDEFINE = 1 << 5,     /* remove the definition, if asked */
    OWNER_WAIT = 1 << 6,         /* stay as it is: paused, or down, and in doubt */
    OWNER_RUN = 1 << 7,          /* the guest runs here: leave it alone */
    OWNER_TAKE_BACK = 1 << 8,    /* ask for it again: say DROP */
} OwnerAction;

typedef struct {
    OwnerWord word;     /* to be written; equal to the present one: nothing is written */
    unsigned actions;   /* OwnerAction */
    const char *rule;   /* the name in the model (tests/model) */
    int row;            /* its place in the table, -1: no row fits; for the test that compares the tables with the model */
} OwnerVerdict;

/* is_this_boot: whether the present record was written in this boot. */
OwnerVerdict owner_decide(OwnerSide side, OwnerWord word, gboolean is_this_boot, OwnerQemu qemu, OwnerHeard heard);
/* The same where only a definition moves: no image, so no QEMU and no boot is asked about. */
OwnerVerdict owner_decide_offline(OwnerSide side, OwnerWord word, OwnerHeard heard);

/* RECLAIM: the guest was given away by one side or the other, and its other host wants to start it. */
typedef enum {
    HOLD_MINE,      /* it is this host's, or nobody's that it knows of */
    HOLD_GIVEN,     /* given to who asks */
    HOLD_ELSEWHERE, /* given to a third host */
    HOLD_UNSETTLED, /* an attempt is open, or both have claimed it by a person's word */
} OwnerHold;

typedef enum {
    CLAIM_OLDER, /* of a generation that has passed here */
    CLAIM_SAME,  /* of the one in which it was given back to who asks */
    CLAIM_NEWER,
} OwnerClaim;

typedef enum {
    RECLAIM_GIVE,      /* GONE of that epoch, durable, then say it */
    RECLAIM_AGAIN,     /* it stands already: say it */
    RECLAIM_RUNS,      /* all others refuse */
    RECLAIM_ELSEWHERE,
    RECLAIM_UNSETTLED,
    RECLAIM_STALE,
} OwnerReclaim;

/* What the side that is asked does; runs: a QEMU of the guest, in whatever state. */
OwnerReclaim owner_decide_reclaim(OwnerHold hold, gboolean runs, OwnerClaim claim);
unsigned owner_row_count(OwnerSide side);
/* For what names rows one by one.  "OFFERED.S-go"; ".2" and so on follows if rows before it have the same; the caller frees. */
char *owner_row_name(OwnerSide side, unsigned row);
gboolean owner_row_acts(OwnerSide side, unsigned row);

extern const EnumName owner_qemu_names[];
extern const EnumName owner_heard_names[];
extern const EnumName owner_hold_names[];
extern const EnumName owner_claim_names[];
extern const EnumName owner_reclaim_names[];
