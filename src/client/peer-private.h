/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What peer.c (life, calls) and stream.c share.  Nobody else includes it. */
#pragma once

#include "carrier/carrier.h"
#include "client/peer.h"
#include "link/uri.h"
#include "loop/child.h"

struct Peer {
    unsigned refs;
    Uri *uri;
    Carrier *carrier; /* NULL before it is connected */
    Process *command; /* ssh */
    char *remote_address;
    GError *lost;        /* why; NULL: it lives */
    gboolean has_hung_up; /* it was the other end */
    gboolean is_closing; /* by us: nobody is told */
    gboolean has_close_callback;
    PeerLostFunc on_lost;
    void *lost_data;
};

/* One call on its way; lives on the stack of the task that made it. */
typedef struct {
    Peer *peer;
    const WireProcedure *procedure;
    Arena *arena;
    void *ret;
    uint32_t serial;
    Await *replied;
} PeerCall;

/* FALSE: nothing was sent.  Otherwise peer_call_wait follows. */
gboolean peer_call_start(PeerCall *call, Peer *peer, uint32_t program, int32_t procedure,
                         const void *args, Arena *arena, void *ret, GError **error);
AWAITS gboolean peer_call_wait(PeerCall *call, int64_t timeout_ms, GError **error);
