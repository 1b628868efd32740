/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stream: bytes beside the calls of a connection, opened by a call and named by its program,
 * procedure and serial.
 *
 * It opens when the OK reply of its call passes; what a peer sends before is lost, as at stock
 * peers.
 *
 *     OPENING ──reply──▶ OPEN ──finish──▶ FINISHING ──answer──▶ CLOSED
 *                          ├────abort──▶ ABORTING  ──answer──▶ CLOSED     (client)
 *                          └────STREAM/ERROR, end of connection──▶ CLOSED
 *
 * A client asks for the end (finish, abort) and the server answers; a server ends its data by
 * rpc_stream_end and never finishes unasked. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "rpc/connection.h"

typedef enum {
    RPC_STREAM_OPENING,
    RPC_STREAM_OPEN,
    RPC_STREAM_FINISHING, /* client: finish sent; server: finish received, not answered */
    RPC_STREAM_ABORTING,  /* client: abort sent */
    RPC_STREAM_CLOSED,
} RpcStreamState;

/* Each may be NULL.  After on_finish of a client and after on_abort the stream is CLOSED; freeing
 * it in a handler is fine. */
typedef struct {
    void (*on_open)(RpcStream *stream, void *data);
    /* In pieces as they arrive, not frame by frame.  A receiver that has enough pauses the
     * connection. */
    void (*on_data)(RpcStream *stream, const guint8 *bytes, size_t len, void *data);
    void (*on_hole)(RpcStream *stream, int64_t length, void *data);
    /* Client: the server has no more data; the stream is still to be finished. */
    void (*on_end)(RpcStream *stream, void *data);
    /* Client: our finish or abort was answered.  Server: the client wants the end: flush, then
     * rpc_stream_finish or rpc_stream_fail. */
    void (*on_finish)(RpcStream *stream, void *data);
    /* The peer gave up (error NULL: the client aborted), the call failed or the connection ended.
     */
    void (*on_abort)(RpcStream *stream, const GError *error, void *data);
    /* All data given to rpc_stream_send has been written: time for more. */
    void (*on_drained)(RpcStream *stream, void *data);
} RpcStreamHandlers;

/* For the call with this id: a client right after rpc_connection_call, a server before it replies.
 * may_have_holes: the call asked for a sparse stream.  Never NULL; handlers and data are borrowed.
 */
RpcStream *rpc_stream_new(RpcConnection *conn, const RpcCallId *call, gboolean may_have_holes,
                          const RpcStreamHandlers *handlers, void *data);
/* If it is still open, the peer is told: an abort from a client, an error from a server. */
void rpc_stream_free(RpcStream *stream);

RpcStreamState rpc_stream_state(const RpcStream *stream);

/* FALSE unless it is open (server: also while finishing).  Split into frames that every peer takes.
 */
gboolean rpc_stream_send(RpcStream *stream, const void *bytes, size_t len);
/* Announces a frame whose bytes (1 … WIRE_STREAM_DATA_MAX) the owner brings itself, see RpcOutput.
 */
gboolean rpc_stream_send_window(RpcStream *stream, uint32_t bytes);
/* Bytes of this stream not written yet, windows included. */
uint64_t rpc_stream_unsent(const RpcStream *stream);
/* The header of its data frames, for an owner who writes or reads whole frames past the engine; the
 * length says 28. */
void rpc_stream_header(const RpcStream *stream, guint8 ret_bytes[28]);
/* The owner wants to take payloads from the socket itself: rpc_connection_read_hint then stops at
 * headers. */
void rpc_stream_set_raw(RpcStream *stream, gboolean is_raw);

/* Server: no more data will come. */
gboolean rpc_stream_end(RpcStream *stream);
/* Client: asks for the end.  Server: answers that it came. */
gboolean rpc_stream_finish(RpcStream *stream);
/* Client: gives up; on_finish tells when the server knows. */
gboolean rpc_stream_abort(RpcStream *stream);
/* Server: it failed.  The stream is CLOSED. */
gboolean rpc_stream_fail(RpcStream *stream, const GError *error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(RpcStream, rpc_stream_free)
