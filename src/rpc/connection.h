/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connection: one end of an RPC connection as a pure machine.  Bytes, descriptors and time come in
 * as arguments; calls, replies, events and stream traffic come out through handlers, bytes to write
 * through rpc_connection_output. It does no I/O and knows no clock.
 *
 *     socket ──▶ rpc_connection_feed ──▶ handlers … rpc_connection_reply ──▶ rpc_connection_output
 * ──▶ socket
 *
 * Handlers may send, pause, and open or free streams; they must not feed, continue or free the
 * connection.  FALSE from feed, continue or tick means: this connection cannot go on; close the
 * socket and call rpc_connection_close. */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <sys/uio.h>

#include "wire/frame.h"
#include "wire/procedures.h"

typedef struct RpcConnection RpcConnection;
typedef struct RpcStream RpcStream; /* rpc/stream.h */

typedef enum { RPC_CLIENT, RPC_SERVER } RpcRole;

/* What the reply needs to know of a call; a plain value to keep. */
typedef struct {
    const WireProcedure *procedure;
    uint32_t serial;
} RpcCallId;

typedef struct {
    RpcCallId id;
    const guint8 *body; /* the arguments; valid during the handler */
    size_t body_len;
    int *fds; /* closed after the handler; set to -1 what you take */
    unsigned fd_count;
} RpcCall;

typedef struct {
    const WireProcedure *procedure;
    uint32_t serial;
    const GError *error; /* NULL: it went well */
    const guint8 *body;  /* the result; valid during the handler */
    size_t body_len;
    int *fds; /* closed after the handler; set to -1 what you take */
    unsigned fd_count;
} RpcReply;

/* Comes exactly once per call, also when the connection is closed; not after rpc_connection_forget.
 */
typedef void (*RpcReplyFunc)(const RpcReply *reply, void *data);

typedef struct {
    /* Server: a call of a known procedure.  To be answered once, now or later, by
     * rpc_connection_reply[_error]. Unknown programs, versions and procedures the engine answers
     * itself. */
    void (*on_call)(RpcConnection *conn, RpcCall *call, void *data);
    /* Client: an event of a known procedure.  body is valid during the handler.  May be NULL. */
    void (*on_event)(RpcConnection *conn, const WireProcedure *procedure, const guint8 *body,
                     size_t body_len, void *data);
    /* Every frame, for the log; of stream data the header only (body NULL, body_len its size).  May
     * be NULL. */
    void (*on_frame)(RpcConnection *conn, gboolean is_sent, const WireFrameHeader *header,
                     const guint8 *body, size_t body_len, void *data);
} RpcHandlers;

#define RPC_LOGIN_FRAME_MAX (64 * 1024)
#define RPC_READ_SIZE       (64 * 1024)

/* handlers and data are borrowed.  A server accepts frames up to RPC_LOGIN_FRAME_MAX until told
 * otherwise, a client up to WIRE_FRAME_MAX. */
RpcConnection *rpc_connection_new(RpcRole role, const RpcHandlers *handlers, void *data);
/* Without any callback.  Streams that still exist become closed; their owners free them. */
void rpc_connection_free(RpcConnection *conn);
/* Ends it: pending calls are answered with that error, streams get on_abort.  Afterwards sending
 * does nothing. */
void rpc_connection_close(RpcConnection *conn, const GError *reason);

void rpc_connection_set_max_frame(RpcConnection *conn, uint32_t bytes);
/* Descriptors may pass (unix sockets).  Otherwise a message with descriptors ends the connection.
 */
void rpc_connection_allow_fds(RpcConnection *conn);
/* Server: beyond so many unanswered calls nothing more is delivered; 0: no limit. */
void rpc_connection_set_max_calls(RpcConnection *conn, unsigned count);
unsigned rpc_connection_calls_open(const RpcConnection *conn);

/* --- input --- */

/* Takes a descriptor that came with bytes; call it before feeding those bytes.  Read with recvmsg
 * and room for WIRE_FRAME_FDS_MAX descriptors, then it does not matter how the reads cut the bytes.
 */
void rpc_connection_feed_fd(RpcConnection *conn, int fd);
/* FALSE: the peer broke the protocol. */
gboolean rpc_connection_feed(RpcConnection *conn, const guint8 *bytes, size_t len, int64_t now_ms,
                             GError **error);
/* How many bytes to read next, at most RPC_READ_SIZE; 0: do not read now (paused, and enough is
 * waiting). */
size_t rpc_connection_read_hint(const RpcConnection *conn);
/* Stops delivery until set to FALSE again; then call rpc_connection_continue.  PINGs among what has
 * been fed are answered nevertheless. */
void rpc_connection_pause(RpcConnection *conn, gboolean is_paused);
/* Delivers what waited for a pause or for max_calls.  Call it from the loop, not from a handler. */
gboolean rpc_connection_continue(RpcConnection *conn, int64_t now_ms, GError **error);
/* Something fed waits and nothing holds it back: rpc_connection_continue would deliver. */
gboolean rpc_connection_has_waiting(const RpcConnection *conn);

/* The payload of the stream frame being read that is still in the socket: the owner may take up to
 * that many bytes from there itself (splice), telling so, instead of feeding them.  0: none, and
 * *ret_stream is NULL. */
uint64_t rpc_connection_window(const RpcConnection *conn, RpcStream **ret_stream);
void rpc_connection_window_taken(RpcConnection *conn, uint64_t bytes, int64_t now_ms);

/* --- output --- */

#define RPC_OUTPUT_IOV 32

typedef struct {
    struct iovec iov[RPC_OUTPUT_IOV]; /* valid until the next call on the connection */
    unsigned iov_count;
    int fd;            /* not -1: iov is one byte, to be sent with this descriptor (SCM_RIGHTS) */
    RpcStream *window; /* not NULL: no iov; the owner brings the next window_left bytes of this
                          stream itself */
    uint64_t window_left; /* … and nothing else may be written before they are */
} RpcOutput;

/* What to write next.  FALSE: nothing. */
gboolean rpc_connection_output(RpcConnection *conn, RpcOutput *ret_output);
/* So many bytes of it were written (or brought). */
void rpc_connection_consumed(RpcConnection *conn, uint64_t bytes);
/* Memory that holds what the peer has not taken yet (0: all is written); windows do not count. */
uint64_t rpc_connection_unsent(const RpcConnection *conn);

/* --- calls --- */

/* Client.  args fits procedure->args (NULL if that is).  FALSE: args cannot be encoded; nothing was
 * sent. */
gboolean rpc_connection_call(RpcConnection *conn, const WireProcedure *procedure, const void *args,
                             const int *fds, unsigned fd_count, RpcReplyFunc on_reply, void *data,
                             uint32_t *ret_serial, GError **error);
/* Nobody waits for that reply any more; it will be dropped. */
void rpc_connection_forget(RpcConnection *conn, uint32_t serial);

/* Server.  fds are borrowed (duplicated).  A result that cannot be encoded becomes an error reply:
 * then FALSE. */
gboolean rpc_connection_reply(RpcConnection *conn, const RpcCallId *call, const void *ret);
void rpc_connection_reply_fds(RpcConnection *conn, const RpcCallId *call, const void *ret,
                              const int *fds, unsigned fd_count);
void rpc_connection_reply_error(RpcConnection *conn, const RpcCallId *call, const GError *error);
/* The same with a result that is encoded already. */
void rpc_connection_reply_bytes(RpcConnection *conn, const RpcCallId *call, const guint8 *body,
                                size_t len);

/* Server.  FALSE: msg cannot be encoded; nothing was sent. */
gboolean rpc_connection_send_event(RpcConnection *conn, const WireProcedure *procedure,
                                   const void *msg, GError **error);

/* --- keepalive --- */

/* PINGs from now on, after interval_s of silence; interval_s <= 0: none.  A server starts when the
 * client has asked feature 10, never before. */
void rpc_connection_start_keepalive(RpcConnection *conn, int interval_s, unsigned count,
                                    int64_t now_ms);
/* Lets time pass.  FALSE: the peer has been silent too long. */
gboolean rpc_connection_tick(RpcConnection *conn, int64_t now_ms, GError **error);
/* Bytes came past the engine (a pump carries a stream): the peer lives. */
void rpc_connection_heard(RpcConnection *conn, int64_t now_ms);
/* When to call tick next; INT64_MAX: not needed. */
int64_t rpc_connection_next_deadline(const RpcConnection *conn);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(RpcConnection, rpc_connection_free)
