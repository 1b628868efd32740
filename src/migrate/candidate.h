/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Candidates: addresses where a host may be reached, each with how it is known.  The host gathers its own, ranks them,
 * and names them to the other side in a cookie; there they are raced.  Whether one leads to the right host is not decided
 * here: the proof on the connection does that.  All are literals; nothing that leaves this file is ever looked up. */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <sys/socket.h>

#include "host/address.h"
#include "loop/task.h"
#include "phase/cookie.h"

#define CANDIDATES_HEARD_MAX 64
#define CANDIDATES_LINK_LOCAL_MAX 4 /* as many are told, and each is tried over as many interfaces */

/* How an address is known, best first; the rows are in candidate-rank.c. */
typedef enum {
    CANDIDATE_EXPLICIT,      /* ordered by the user */
    CANDIDATE_CONFIGURED,    /* migration_host */
    CANDIDATE_NETWORK,       /* of this host, within migration_networks */
    CANDIDATE_CONTROL,       /* where the control connection arrived */
    CANDIDATE_OWN_NAME,      /* what the host's own name means, and an address of this host */
    CANDIDATE_DEFAULT_ROUTE, /* of the interface with the default route */
    CANDIDATE_INTERFACE,     /* of another interface */
    CANDIDATE_FAR_NAME,      /* what the own name means, but no address of this host: translated, or wrong */
    CANDIDATE_PEER,          /* named by the other side, whose order holds */
} CandidateKind;

typedef struct {
    struct sockaddr_storage address; /* with port, with scope */
    CandidateKind kind;
    unsigned turn;  /* within its kind: the network's place in migration_networks */
    char *origin;   /* for people: "interface eth0", "migration_networks 10.1.0.0/16" */
    char *filtered; /* NULL: usable; else why it is not offered: "loopback", "interface eth1 is down" */
} Candidate;

/* Lists own their candidates: usable ones, best first, then filtered ones. */
GPtrArray *candidates_new(void);
/* At the end, usable.  An address that is in the list already is not added again: FALSE. */
gboolean candidates_add(GPtrArray *candidates, const struct sockaddr_storage *address, CandidateKind kind,
                        const char *origin);
unsigned candidates_count_usable(const GPtrArray *candidates);
/* "10.0.0.1:49152 (interface eth0)", "127.0.1.1 (host name fedora2; loopback)".  The caller frees it. */
char *candidate_format(const Candidate *candidate);

/* What this host knows of itself; NULL or 0 where it does not. */
typedef struct {
    const char *configured_text; /* migration_host, as written */
    const ResolvedName *configured;
    const char *const *network_texts; /* migration_networks */
    const AddressNetwork *networks;   /* the same, read */
    unsigned network_count;
    gboolean wants_networks_only;
    const struct sockaddr_storage *control_local; /* where the control connection arrived; NULL: a unix socket */
    const char *own_name_texts[2];                /* host name, full name */
    const ResolvedName *own_names[2];
    const HostAddresses *addresses; /* never NULL */
    uint16_t port;
} CandidateFacts;

/* Pure. */
GPtrArray *candidates_rank(const CandidateFacts *facts);

/* Those of this host, for a peer that is to come to port; control_local: where the control connection arrived, NULL: a
 * unix socket.  Names only add to what is known: a resolver that does not answer holds nobody up, migration_host for at most
 * a second and once.  The debug log says what was filtered and why.  NULL: cancelled, or the kernel did not answer. */
AWAITS GPtrArray *candidates_gather(const struct sockaddr_storage *control_local, uint16_t port, GError **error);
/* Filters what a socket that is bound to that address does not hear. */
void candidates_restrict(GPtrArray *candidates, const struct sockaddr_storage *bound);
/* The best one for a source that can be told one only; NULL: none.  Borrowed. */
const Candidate *candidates_choose_single(const GPtrArray *candidates);

/* The usable ones and the port into a cookie, and out of it on the other side.  A link-local address means nothing
 * without an interface of the host that connects: it travels bare and comes back once for every interface of ours (own)
 * that may share its link.  Each may need a time-out of its own, so few are told. */
void candidates_tell(const GPtrArray *candidates, uint16_t port, CookieFerry *ferry);
GPtrArray *candidates_hear(const CookieFerry *ferry, const HostAddresses *own);
