/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What carrier.c (socket, engine, timer) and carry.c (pumps) share.  Nobody else includes it. */
#pragma once

#include "carrier/carrier.h"

struct Carrier {
    Link *link;
    RpcConnection *conn;
    const CarrierHandlers *handlers;
    void *data;

    Watch
        *watch; /* NULL while a pump has the one direction and nothing is to be done in the other */
    unsigned watched;
    Timer *keepalive;
    gboolean is_feeding;   /* inside the engine: ending waits */
    gboolean is_closing;   /* carrier_close came meanwhile */
    gboolean is_finishing; /* reads no more, closes when all is written */
    gboolean is_closed;
    gboolean is_blocked; /* the socket has no room */
    gboolean is_resume_posted;
    GError *close_reason;
    void *resume_token; /* outlives us until the posted call has run */

    GByteArray *returned; /* what an out pump left unsent: goes before the engine's output */
    GByteArray
        *handed; /* frames that an in pump handed over, not yet fed; handed_at bytes of them are */
    size_t handed_at;
    Carry *in, *out;
    uint64_t heard_activity; /* of the in pump, when the keepalive was last told */
};

/* carrier.c */
/* Ends it with the reason (may be NULL), or notes that if the engine is at work. */
void carrier_end(Carrier *carrier, const GError *reason);
/* Feeds bytes; FALSE: the carrier has ended, perhaps even been freed. */
gboolean carrier_feed(Carrier *carrier, const guint8 *bytes, size_t len);
/* Looks again at what is to be watched. */
void carrier_watch(Carrier *carrier);
/* Feeds what was handed over as far as the engine takes it.  FALSE as above. */
gboolean carrier_feed_handed(Carrier *carrier);
/* Moves the engine's output behind what was returned. */
void carrier_return_output(Carrier *carrier);

/* carry.c */
/* Lends the socket to the in pump if the engine stands before data of its stream.  FALSE: the
 * carrier has ended. */
gboolean carry_try_start(Carry *carry);
gboolean carry_is_running(const Carry *carry);
/* The engine's output, for the pump to write. */
void carry_send(Carry *carry, const guint8 *bytes, size_t len);
uint64_t carry_activity(const Carry *carry);
/* The engine is behind with what was handed over, or no longer. */
void carry_set_paused(Carry *carry, gboolean is_paused);
/* The carrier goes: ends the pump and tells the owner. */
void carry_cut(Carry *carry, const GError *reason);
