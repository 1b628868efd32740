/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest's lease says: which hosts may run it, in which generation, and for which attempt to
 * migrate it is shared.  Here it is decided what each of them may make of it.  Pure. */
#pragma once

#include <glib.h>
#include <stdint.h>

#define LEASE_HOSTS_MAX    2
#define LEASE_NAME_SIZE    64
#define LEASE_ATTEMPT_SIZE 40
#define LEASE_TEXT_MAX     511

typedef struct {
    uint64_t id; /* sanlock's number of the host */
    char name[LEASE_NAME_SIZE];
} LeaseHost;

typedef struct {
    uint64_t epoch;
    char attempt[LEASE_ATTEMPT_SIZE]; /* a destination may join for this one; "": none */
    LeaseHost hosts[LEASE_HOSTS_MAX];
    unsigned count;
} LeaseValue;

/* "ferry 1 epoch=7 attempt=0123… hosts=1/fedora1,2/fedora2"; "" is nobody's, and new. */
gboolean lease_value_parse(const char *text, LeaseValue *ret_value, GError **error);
char *lease_value_format(const LeaseValue *value); /* the caller frees it */
const LeaseHost *lease_value_find(const LeaseValue *value, uint64_t id);

typedef enum {
    LEASE_STATE_UNKNOWN,
    LEASE_STATE_FREE, /* has left the lockspace, which it cannot while guests of it run */
    LEASE_STATE_LIVE,
    LEASE_STATE_FAIL, /* does not renew its lease any more; its watchdog has not fired yet */
    LEASE_STATE_DEAD, /* its watchdog has fired */
} LeaseState;

typedef struct {
    uint64_t id;
    LeaseState state;
} LeaseStatus;

/* "host 2 live"; FALSE if it is no such line. */
gboolean lease_status_parse(const char *line, LeaseStatus *ret_status);
/* Is it proven that the host runs nothing any more?  That it has entered the lockspace anew is
 * none: sanlock may have been restarted under running guests, which its watchdog ends only later.
 */
gboolean lease_status_is_proof(const LeaseStatus *status, const LeaseHost *host);

typedef enum {
    LEASE_TAKE,    /* to run it here: from nobody, or from hosts that are proven to be dead */
    LEASE_KEEP,    /* it runs here already: nobody else must have taken it */
    LEASE_SHARE,   /* source, before Prepare: the attempt's destination may join */
    LEASE_JOIN,    /* destination, in Prepare */
    LEASE_JOINED,  /* source, before the memory goes: has it? */
    LEASE_BEREFT,  /* source, in doubt: it names others, and all of them are proven to be dead */
    LEASE_HERE,    /* final words: it is this host's alone */
    LEASE_AWAY,    /* it is not this host's, or its image is lost */
    LEASE_RELEASE, /* it has been shut off here */
} LeaseOp;

typedef struct {
    LeaseOp op;
    LeaseHost self;
    const char *attempt; /* NULL: none */
    const LeaseStatus *others;
    unsigned other_count;
} LeaseRequest;

/* What the value becomes, perhaps the same.  FALSE with the sentence that names who has the guest.
 */
gboolean lease_decide(const LeaseValue *now, const LeaseRequest *request, LeaseValue *ret_next,
                      GError **error);
