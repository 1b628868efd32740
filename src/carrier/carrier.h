/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A carrier is one RPC connection on the loop: it owns the link and the engine, reads and writes
 * when the socket allows, keeps the keepalive timer and lends the socket to pumps.  client stands
 * on it; why server does not, see docs/architecture.md.  What calls, replies and events mean is its
 * owner's matter, through the engine's own handlers.
 *
 * Everything here is called with the floor and never waits. */
#pragma once

#include "link/link.h"
#include "link/pump.h"
#include "loop/loop.h"
#include "rpc/connection.h"
#include "rpc/stream.h"

typedef struct Carrier Carrier;
typedef struct Carry Carry;

typedef struct {
    /* The connection has ended: error says why, NULL: the other side has simply closed, or
     * carrier_close_when_sent is through.  Calls and streams have been told.  Comes once, never
     * inside another handler or function of the carrier but carrier_close; the owner may free the
     * carrier here. */
    void (*on_closed)(Carrier *carrier, const GError *error, void *data);
} CarrierHandlers;

/* Takes both; handlers and data are borrowed.  Begins to read at once. */
Carrier *carrier_new(Link *link, RpcConnection *conn, const CarrierHandlers *handlers, void *data);
/* Closes the socket without any callback but those of rpc_connection_free.  Not inside a handler of
 * the engine. */
void carrier_free(Carrier *carrier);

Link *carrier_link(const Carrier *carrier);
RpcConnection *carrier_connection(const Carrier *carrier);

/* After giving the engine something to say outside of its handlers (a reply from a task, a call, an
 * event, stream data): writes what goes now and the rest when there is room. */
void carrier_flush(Carrier *carrier);
/* After lifting a pause (rpc_connection_pause) or answering a call that held others back: delivers
 * what waits, soon. */
void carrier_resume(Carrier *carrier);

/* Ends it, on_closed comes before this returns (inside a handler of the engine: soon after). reason
 * may be NULL. */
void carrier_close(Carrier *carrier, const GError *reason);
/* Reads no more; closes when all is written.  on_closed comes later. */
void carrier_close_when_sent(Carrier *carrier);

/* PINGs after interval_s of silence; see rpc_connection_start_keepalive. */
void carrier_start_keepalive(Carrier *carrier, int interval_s, unsigned count);

/* ---- streams that bypass the engine, see link/pump.h ---- */

/* The pump has ended, on the loop thread.  PUMP_BROKEN is followed by on_closed. */
typedef void (*CarryFunc)(Carry *carry, PumpEnd end, const GError *error, void *data);

/* Data of this stream goes from the socket to pipe_fd (taken).  Call it when the stream is made,
 * before the reply that opens it.  End and abort of the stream still come to its own handlers,
 * after the pipe has been closed.  One at a time per carrier; NULL with an error otherwise. */
Carry *carrier_carry_in(Carrier *carrier, RpcStream *stream, int pipe_fd, CarryFunc fn, void *data,
                        GError **error);
/* What comes out of pipe_fd (taken) goes to this open stream, in frames of at most max_payload. The
 * stream's end is the caller's: after PUMP_DRAINED, rpc_stream_finish and carrier_flush. */
Carry *carrier_carry_out(Carrier *carrier, RpcStream *stream, int pipe_fd, size_t max_payload,
                         CarryFunc fn, void *data, GError **error);
/* out: send what the pipe holds now and end. */
void carry_drain(Carry *carry);
/* Payload so far. */
uint64_t carry_bytes(const Carry *carry);
/* May come before the end: an out pump stops at the next frame, an in pump too and the rest of the
 * stream is thrown away; fn is not called any more.  Before rpc_stream_free of its stream; the
 * carrier may have gone already. */
void carry_free(Carry *carry);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Carrier, carrier_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Carry, carry_free)
