/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Engine: what the files of this folder share.  Nobody else includes it.
 * connection.c is calls, replies and the life of a connection; input.c reads frames; output.c
 * queues them; stream.c is streams. */
#pragma once

#include "rpc/connection.h"
#include "rpc/keepalive.h"
#include "rpc/stream.h"

typedef struct {
    uint32_t program;
    int32_t procedure;
    uint32_t serial;
} RpcStreamKey;

struct RpcStream {
    RpcConnection *conn; /* NULL once it was freed */
    RpcStreamKey key;
    RpcStreamState state;
    gboolean may_have_holes;
    gboolean is_raw;
    uint64_t unsent;
    const RpcStreamHandlers *handlers;
    void *data;
};

struct RpcConnection {
    RpcRole role;
    const RpcHandlers *handlers;
    void *data;
    gboolean is_closed;
    gboolean takes_fds;
    gboolean is_paused;
    gboolean is_delivering; /* inside feed or continue */
    uint32_t max_frame;

    /* input */
    GByteArray *in; /* what could not be taken yet; in_at bytes of it are done with */
    size_t in_at;
    size_t scan_at; /* so far ahead of in_at PINGs were answered while delivery was held back */
    GArray *in_fds; /* int; received, not yet claimed by a frame */
    RpcStream *payload_stream; /* whose payload is being read; NULL: it is thrown away */
    uint64_t payload_left;
    unsigned raw_streams;

    /* output */
    GQueue out; /* OutItem */
    uint64_t unsent;
    gboolean is_pong_queued;

    /* calls and streams */
    uint32_t next_serial;
    GHashTable *pending; /* client: serial → PendingCall */
    unsigned calls_open; /* server: delivered, not answered */
    unsigned max_calls;
    GHashTable *streams;     /* RpcStreamKey → RpcStream, borrowed; those that are not CLOSED */
    GHashTable *all_streams; /* set of RpcStream, borrowed; until they are freed */

    RpcKeepalive keepalive;
};

/* connection.c */
gboolean rpc_engine_call(RpcConnection *conn, const WireFrameHeader *header, const guint8 *body,
                         size_t len, int *fds, unsigned fd_count, GError **error);
gboolean rpc_engine_reply(RpcConnection *conn, const WireFrameHeader *header, const guint8 *body,
                          size_t len, int *fds, unsigned fd_count, GError **error);
gboolean rpc_engine_event(RpcConnection *conn, const WireFrameHeader *header, const guint8 *body,
                          size_t len, GError **error);
void rpc_engine_keepalive(RpcConnection *conn, int32_t procedure);

/* output.c */
/* Queues a whole frame (takes it) with descriptors behind it (takes).  stream (may be NULL) gets
 * payload bytes counted until they are written. */
void rpc_engine_send(RpcConnection *conn, GByteArray *frame, const int *fds, unsigned fd_count,
                     RpcStream *stream, size_t payload);
void rpc_engine_send_window(RpcConnection *conn, RpcStream *stream, uint32_t bytes);
void rpc_engine_output_forget_stream(RpcConnection *conn, RpcStream *stream);
void rpc_engine_output_clear(RpcConnection *conn);
void rpc_engine_trace(RpcConnection *conn, gboolean is_sent, const WireFrameHeader *header,
                      const guint8 *body, size_t len);

/* stream.c */
GHashTable *rpc_engine_stream_table(void);
RpcStream *rpc_engine_stream_find(RpcConnection *conn, const WireFrameHeader *header);
gboolean rpc_engine_stream_listens(const RpcStream *stream);
void rpc_engine_stream_payload(RpcStream *stream, const guint8 *bytes, size_t len);
/* The reply of the call passes: error NULL opens its stream, if it has one. */
void rpc_engine_stream_reply(RpcConnection *conn, const RpcCallId *call, const GError *error);
/* A whole STREAM frame that is no data, or a hole. */
gboolean rpc_engine_stream_frame(RpcConnection *conn, const WireFrameHeader *header,
                                 const guint8 *body, size_t len, GError **error);
void rpc_engine_stream_drained(RpcStream *stream, uint64_t bytes);
void rpc_engine_streams_abort(RpcConnection *conn, const GError *reason);
void rpc_engine_streams_orphan(RpcConnection *conn);
