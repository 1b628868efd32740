/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A pump carries one stream of a connection between its socket and a pipe, on a thread of its own,
 * by splice(2): the payload is never copied to user space and never sees the engine.
 *
 * The pump owns one direction of the socket as long as it runs; the other stays with the
 * connection's owner.
 *
 *   out:  pipe ──splice──▶ socket     The owner writes nothing itself: what the engine puts out
 * (PONG, calls, replies) goes in by pump_send and is written between two frames. in:   socket
 * ──splice──▶ pipe     The owner reads nothing itself: frames that are not data of this stream come
 * to on_bytes, byte for byte and in order, for the engine.  The frame that ends the stream (OK or
 * ERROR) is the last one handed over.
 *
 * The pump knows of frames only this: 28 bytes of header, big endian words, the first counts all
 * bytes of the frame, the last (status) is 2 for data; words 1 to 5 name the stream and are given
 * by the caller.
 *
 * A pump that ends cleanly ends between two frames, so that the owner simply goes on where it
 * stopped.  If it ends within a frame (PUMP_BROKEN), the connection is of no more use. */
#pragma once

#include <glib.h>
#include <stdint.h>

#define PUMP_HEADER_SIZE 28

/* Towards a stock daemon one frame carries at most this. */
#define PUMP_PAYLOAD_STOCK 262120
#define PUMP_PAYLOAD_FERRY (1024 * 1024)
/* A frame longer than this on the way in breaks the connection. */
#define PUMP_FRAME_MAX (32 * 1024 * 1024 + 4)
/* Of the pipe, asked for by F_SETPIPE_SZ; less is accepted. */
#define PUMP_PIPE_SIZE (1024 * 1024)

typedef struct Pump Pump;

typedef enum {
    PUMP_DRAINED,      /* out: the pipe's writer has closed, all of it is in the socket */
    PUMP_STREAM_ENDED, /* in: the frame that ends the stream has been handed over */
    PUMP_STOPPED,      /* by pump_stop, between two frames */
    PUMP_PIPE_FAILED,  /* in: the pipe's reader has gone; the rest of that frame was thrown away */
    PUMP_BROKEN,       /* the socket failed, or nonsense came in: the connection is finished */
} PumpEnd;

/* Both run on the pump's thread, without the floor and without locks of the pump.  on_end is the
 * last one. */
typedef struct {
    void (*on_bytes)(Pump *pump, const guint8 *bytes, size_t len, void *data); /* in only */
    void (*on_end)(Pump *pump, PumpEnd end, const GError *error,
                   void *data); /* error NULL for the first three */
    void *data;
} PumpEvents;

/* A pipe for a guest's stream, as large as we get it; both ends close-on-exec, blocking for QEMU's
 * end. */
gboolean pump_pipe(int *ret_read_fd, int *ret_write_fd, GError **error);

/* header: the stream's frame header; words 0 and 6 are filled in by the pump.  Takes pipe_fd,
 * borrows socket_fd (its owner keeps it open until pump_free).  pending (may be NULL): engine
 * output not yet written, to go first. */
Pump *pump_start_out(int socket_fd, int pipe_fd, const guint8 header[PUMP_HEADER_SIZE],
                     size_t max_payload, const void *pending, size_t pending_len,
                     const PumpEvents *events, GError **error);
/* payload_left: so many bytes of a data frame, whose header the owner has read, come first; nothing
 * else has been read. */
Pump *pump_start_in(int socket_fd, int pipe_fd, const guint8 header[PUMP_HEADER_SIZE],
                    size_t payload_left, const PumpEvents *events, GError **error);

/* out: copies bytes (whole frames) to be written between two frames.  Never waits. */
void pump_send(Pump *pump, const void *bytes, size_t len);
/* Of those, still unwritten; after the end: what the owner has to write now, by pump_take_unsent.
 */
size_t pump_unsent(Pump *pump);
GByteArray *pump_take_unsent(Pump *pump);

/* out: the guest has finished; send what the pipe holds, wait for no more, end as PUMP_DRAINED. */
void pump_drain(Pump *pump);
/* Ends at the next frame's boundary; on_end tells when.  in: what is left of the frame is thrown
 * away. */
void pump_stop(Pump *pump);
/* in: reads nothing from the socket while set, so that the sender feels it; for an owner who is
 * behind with what on_bytes gave him.  From any thread. */
void pump_set_paused(Pump *pump, gboolean is_paused);

/* Payload carried so far; also the proof of life that a keepalive timer needs while the engine sees
 * nothing. */
uint64_t pump_bytes(const Pump *pump);
/* Every byte of the connection that the pump has moved. */
uint64_t pump_activity(const Pump *pump);

/* Ends it at once, within a frame if need be, and waits for the thread (at most some milliseconds).
 * Before on_end has come: the connection is finished. */
void pump_free(Pump *pump);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Pump, pump_free)
