/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A peer is another host's daemon of which this daemon is a client.  Calls are straight-line code
 * on a task; several tasks may call at once.  A lost connection makes every waiting and later call
 * fail. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "base/arena.h"
#include "loop/task.h"
#include "wire/procedures.h"

typedef struct Peer Peer;
typedef struct PeerStream PeerStream;

/* ---- opening and closing ---- */

/* Resolves, connects (addresses raced, each literal and name with a deadline), logs in and opens
 * the driver as stock clients do, with keepalive.  A new reference; NULL with stock's
 * sentence; each step has PEER_OPEN_MS. */
#define PEER_OPEN_MS 30000
/* Once at start-up; without it 5 s × 5, as stock.  interval_s below 1: never. */
void peer_set_keepalive(int interval_s, unsigned count);
AWAITS Peer *peer_open(const char *uri, GError **error);
Peer *peer_ref(Peer *peer);
/* The last one drops the connection without a word. */
void peer_unref(Peer *peer);
/* Says good-bye first (short deadlines, failures ignored).  Takes the reference; NULL is fine. */
AWAITS void peer_close(Peer *peer);

/* Drops the connection at once, in the middle of a frame if need be: everything that waits on it
 * fails. */
void peer_break(Peer *peer, const char *why);

/* ---- who it is ---- */

const char *peer_uri(const Peer *peer); /* as given */
/* The literal of its end of a TCP connection; NULL for unix sockets and commands. */
const char *peer_remote_address(const Peer *peer);
gboolean peer_is_lost(const Peer *peer);
/* Lost since the other end closed it, as a daemon that is restarted does: the network was not silent, and we did not break it. */
gboolean peer_has_hung_up(const Peer *peer);

/* fn is called once, on the loop thread, when the connection is lost (not by our own closing);
 * NULL: nobody is told. */
typedef void (*PeerLostFunc)(Peer *peer, const GError *error, void *data);
void peer_on_lost(Peer *peer, PeerLostFunc fn, void *data);
/* ---- calls ---- */

/* args and ret fit the procedure's types (NULL if it has none); what ret points to lives in the
 * arena.  timeout_ms < 0: as long as the peer lives.  A late answer is dropped. */
AWAITS gboolean peer_call(Peer *peer, uint32_t program, int32_t procedure, const void *args,
                          Arena *arena, void *ret, int64_t timeout_ms, GError **error);
/* connect_supports_feature; FALSE also if it says no. *ret_supported is set on success. */
AWAITS gboolean peer_supports(Peer *peer, int feature, gboolean *ret_supported, GError **error);

/* ---- streams towards the peer ---- */

/* A call that opens one.  The stream is open when this returns. */
AWAITS PeerStream *peer_call_stream(Peer *peer, uint32_t program, int32_t procedure,
                                    const void *args, Arena *arena, void *ret, int64_t timeout_ms,
                                    GError **error);
/* What comes out of pipe_fd (taken in any case) goes into the stream, by splice.  Once per stream;
 * returns at once. */
gboolean peer_stream_carry(PeerStream *stream, int pipe_fd, size_t max_payload, GError **error);
/* fn is called once, on the loop thread, when the peer has given the stream up or the connection is
 * lost. */
typedef void (*PeerStreamLostFunc)(PeerStream *stream, const GError *error, void *data);
void peer_stream_on_lost(PeerStream *stream, PeerStreamLostFunc fn, void *data);
/* The guest has finished: sends what the pipe still holds, ends the stream and waits until the peer
 * has taken all. */
AWAITS gboolean peer_stream_finish(PeerStream *stream, int64_t timeout_ms, GError **error);
/* Its pipe is read no more, so that who writes to it fails, as soon as the frame under way is sent; the stream cannot be finished. */
void peer_stream_drop(PeerStream *stream);
uint64_t peer_stream_bytes(const PeerStream *stream);
/* If it has not been finished, the peer is told that it is given up (stock answers by failing its
 * guest). */
void peer_stream_free(PeerStream *stream);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Peer, peer_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PeerStream, peer_stream_free)
