/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Input: cuts the bytes into frames.
 *
 * Stream payload is handed on as it arrives and what will be ignored is dropped as it arrives;
 * every other frame is collected whole, in a buffer that grows with the bytes received and never
 * with the length announced. */
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "rpc/engine.h"
#include "wire/cursor.h"

/* While delivery is held back, so much more is read: room to see PINGs. */
#define HELD_MAX    (64 * 1024)
#define BUFFER_KEPT (256 * 1024)

static size_t held(const RpcConnection *conn)
{
    return conn->in->len - conn->in_at;
}

static gboolean is_held_back(const RpcConnection *conn)
{
    return conn->is_paused || conn->is_closed ||
           (conn->max_calls && conn->calls_open >= conn->max_calls);
}

static gboolean carries_fds(const WireFrameHeader *header)
{
    return header->type == WIRE_FRAME_TYPE_CALL_WITH_FDS ||
           header->type == WIRE_FRAME_TYPE_REPLY_WITH_FDS;
}

static uint32_t word_at(const guint8 *data)
{
    WireCursor cursor = wire_cursor(data, 4, NULL);

    return wire_cursor_u32(&cursor);
}

/* The payload of this frame is not collected: stream data, and what is thrown away. */
static gboolean is_passed_on(RpcConnection *conn, const WireFrameHeader *header,
                             RpcStream **ret_stream)
{
    RpcStream *stream;

    *ret_stream = NULL;
    switch (header->type) {
    case WIRE_FRAME_TYPE_STREAM:
    case WIRE_FRAME_TYPE_STREAM_HOLE:
        stream = rpc_engine_stream_find(conn, header);
        if (!stream || stream->state == RPC_STREAM_OPENING)
            return TRUE;
        if (header->type != WIRE_FRAME_TYPE_STREAM || header->status != WIRE_FRAME_STATUS_CONTINUE)
            return FALSE;
        if (rpc_engine_stream_listens(stream))
            *ret_stream = stream;
        return TRUE;
    case WIRE_FRAME_TYPE_CALL:
    case WIRE_FRAME_TYPE_CALL_WITH_FDS:
    case WIRE_FRAME_TYPE_REPLY_WITH_FDS:
        return FALSE;
    case WIRE_FRAME_TYPE_REPLY:
        return conn->role == RPC_SERVER;
    case WIRE_FRAME_TYPE_MESSAGE:
        return conn->role == RPC_SERVER && header->prog != KEEPALIVE_PROGRAM;
    default:
        return conn->role == RPC_SERVER; /* a client gives up on unknown types */
    }
}

static gboolean dispatch(RpcConnection *conn, const WireFrameHeader *header, const guint8 *body,
                         size_t len, int *fds, unsigned fd_count, GError **error)
{
    rpc_engine_trace(conn, FALSE, header, body, len);
    if (header->type == WIRE_FRAME_TYPE_MESSAGE && header->prog == KEEPALIVE_PROGRAM) {
        if (!conn->scan_at) /* else it was answered ahead of its turn */
            rpc_engine_keepalive(conn, header->proc);
        return TRUE;
    }
    if (header->type == WIRE_FRAME_TYPE_STREAM || header->type == WIRE_FRAME_TYPE_STREAM_HOLE)
        return rpc_engine_stream_frame(conn, header, body, len, error);
    if (conn->role == RPC_SERVER) {
        if (header->type == WIRE_FRAME_TYPE_CALL || header->type == WIRE_FRAME_TYPE_CALL_WITH_FDS)
            return rpc_engine_call(conn, header, body, len, fds, fd_count, error);
        return TRUE;
    }
    if (header->type == WIRE_FRAME_TYPE_REPLY || header->type == WIRE_FRAME_TYPE_REPLY_WITH_FDS)
        return rpc_engine_reply(conn, header, body, len, fds, fd_count, error);
    if (header->type == WIRE_FRAME_TYPE_MESSAGE)
        return rpc_engine_event(conn, header, body, len, error);
    return error_set_from(error, FROM_RPC, ERROR_RPC, "the peer sent a frame of unexpected type %d",
                          header->type);
}

/* A whole frame with descriptors: they come with one byte each, right behind it.  Answers the bytes
 * taken, 0: wait. */
static size_t take_with_fds(RpcConnection *conn, const WireFrameHeader *header, const guint8 *data,
                            size_t len, uint32_t length, GError **error)
{
    const guint8 *body = data + WIRE_FRAME_HEADER_SIZE;
    int fds[WIRE_FRAME_FDS_MAX];
    uint32_t count;
    gboolean is_ok;

    if (!conn->takes_fds)
        return error_set_from(error, FROM_RPC, ERROR_RPC,
                              "descriptors cannot pass over this connection"),
               0;
    if (length < WIRE_FRAME_HEADER_SIZE + 4)
        return error_set_from(error, FROM_RPC, ERROR_RPC,
                              "a message with descriptors does not say how many"),
               0;
    count = word_at(body);
    if (count > WIRE_FRAME_FDS_MAX)
        return error_set_from(error, FROM_RPC, ERROR_RPC,
                              "a message with %u descriptors, the limit is %u", count,
                              (unsigned)WIRE_FRAME_FDS_MAX),
               0;
    if (len < (size_t)length + count)
        return 0;
    if (conn->in_fds->len < count)
        return error_set_from(error, FROM_RPC, ERROR_RPC, "%u descriptors were announced, %u came",
                              count, conn->in_fds->len),
               0;
    if (count) {
        memcpy(fds, conn->in_fds->data, count * sizeof(int));
        g_array_remove_range(conn->in_fds, 0, count);
    }
    is_ok =
        dispatch(conn, header, body + 4, length - WIRE_FRAME_HEADER_SIZE - 4, fds, count, error);
    for (uint32_t i = 0; i < count; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    return is_ok ? (size_t)length + count : 0;
}

/* Takes what stands first: a piece of payload or a frame.  Answers the bytes taken; 0: more are
 * needed, or an error. */
static size_t take(RpcConnection *conn, const guint8 *data, size_t len, GError **error)
{
    WireFrameHeader header;
    uint32_t length;
    RpcStream *stream;

    if (conn->payload_left) {
        size_t step = MIN(len, conn->payload_left);

        conn->payload_left -= step;
        stream = conn->payload_stream;
        if (!conn->payload_left)
            conn->payload_stream = NULL;
        if (stream && step)
            rpc_engine_stream_payload(stream, data, step);
        return step;
    }
    if (len < 4 || !wire_frame_length(data, conn->max_frame, &length, error) ||
        len < WIRE_FRAME_HEADER_SIZE)
        return 0;
    wire_frame_header_decode(data + 4, &header);
    if (length > WIRE_FRAME_HEADER_SIZE && is_passed_on(conn, &header, &stream)) {
        rpc_engine_trace(conn, FALSE, &header, NULL, length - WIRE_FRAME_HEADER_SIZE);
        conn->payload_left = length - WIRE_FRAME_HEADER_SIZE;
        conn->payload_stream = stream;
        return WIRE_FRAME_HEADER_SIZE;
    }
    if (len < length)
        return 0;
    if (carries_fds(&header))
        return take_with_fds(conn, &header, data, len, length, error);
    if (!dispatch(conn, &header, data + WIRE_FRAME_HEADER_SIZE, length - WIRE_FRAME_HEADER_SIZE,
                  NULL, 0, error))
        return 0;
    return length;
}

/* Takes as much as it can; answers how much, and FALSE with an error if the peer broke the
 * protocol. */
static gboolean deliver(RpcConnection *conn, const guint8 *data, size_t len, size_t *ret_taken,
                        GError **error)
{
    g_autoptr(GError) problem = NULL;
    size_t taken = 0;

    g_assert(!conn->is_delivering);
    conn->is_delivering = TRUE;
    while (taken < len && !is_held_back(conn)) {
        size_t step = take(conn, data + taken, len - taken, &problem);

        if (!step)
            break;
        taken += step;
        conn->scan_at -= MIN(step, conn->scan_at);
    }
    conn->is_delivering = FALSE;
    *ret_taken = taken;
    if (!problem)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&problem));
    return FALSE;
}

/* Delivery is held back: answers the PINGs among what waits.  What is malformed is found in its
 * turn. */
static void scan(RpcConnection *conn)
{
    const guint8 *data = conn->in->data + conn->in_at;
    WireFrameHeader header;
    uint32_t length;

    conn->scan_at = MAX(conn->scan_at, conn->payload_left);
    while (conn->scan_at + WIRE_FRAME_HEADER_SIZE <= held(conn)) {
        const guint8 *at = data + conn->scan_at;

        if (!wire_frame_length(at, conn->max_frame, &length, NULL))
            return;
        wire_frame_header_decode(at + 4, &header);
        if (header.type == WIRE_FRAME_TYPE_MESSAGE && header.prog == KEEPALIVE_PROGRAM)
            rpc_engine_keepalive(conn, header.proc);
        if (carries_fds(&header)) {
            if (held(conn) - conn->scan_at < WIRE_FRAME_HEADER_SIZE + 4)
                return;
            conn->scan_at +=
                MIN(word_at(at + WIRE_FRAME_HEADER_SIZE), (uint32_t)WIRE_FRAME_FDS_MAX);
        }
        conn->scan_at += length;
    }
}

static void buffer_trim(RpcConnection *conn)
{
    if (held(conn) == 0) {
        conn->in_at = 0;
        if (conn->in->len > BUFFER_KEPT) {
            g_byte_array_unref(conn->in);
            conn->in = g_byte_array_new();
        } else {
            g_byte_array_set_size(conn->in, 0);
        }
    } else if (conn->in_at > held(conn)) {
        g_byte_array_remove_range(conn->in, 0, (guint)conn->in_at);
        conn->in_at = 0;
    }
}

static gboolean deliver_held(RpcConnection *conn, GError **error)
{
    size_t taken;
    gboolean is_ok = deliver(conn, conn->in->data + conn->in_at, held(conn), &taken, error);

    conn->in_at += taken;
    if (is_ok && is_held_back(conn))
        scan(conn);
    buffer_trim(conn);
    return is_ok;
}

gboolean rpc_connection_feed(RpcConnection *conn, const guint8 *bytes, size_t len, int64_t now_ms,
                             GError **error)
{
    size_t taken = 0;

    if (conn->is_closed)
        return error_set_from(error, FROM_RPC, ERROR_RPC, "the connection is closed");
    if (conn->in_fds->len > WIRE_FRAME_FDS_MAX)
        return error_set_from(error, FROM_RPC, ERROR_RPC,
                              "more descriptors came than messages may carry");
    if (len)
        rpc_keepalive_heard(&conn->keepalive, now_ms);
    /* Without anything waiting, frames are taken from where they are; only a remainder is copied.
     */
    if (held(conn) == 0 && !deliver(conn, bytes, len, &taken, error))
        return FALSE;
    if (taken == len)
        return TRUE;
    g_byte_array_append(conn->in, bytes + taken, (guint)(len - taken));
    if (taken == 0 || is_held_back(conn))
        return deliver_held(conn, error);
    return TRUE;
}

gboolean rpc_connection_continue(RpcConnection *conn, int64_t now_ms, GError **error)
{
    return conn->is_closed || held(conn) == 0 || deliver_held(conn, error);
}

gboolean rpc_connection_has_waiting(const RpcConnection *conn)
{
    return held(conn) > 0 && !is_held_back(conn);
}

void rpc_connection_feed_fd(RpcConnection *conn, int fd)
{
    if (conn->takes_fds && conn->in_fds->len <= WIRE_FRAME_FDS_MAX)
        g_array_append_val(conn->in_fds, fd);
    else
        close(fd);
}

/* Bytes missing from the header or frame that has begun, so that a read does not go beyond it. */
static size_t missing(const RpcConnection *conn)
{
    uint32_t length;

    if (held(conn) < WIRE_FRAME_HEADER_SIZE)
        return WIRE_FRAME_HEADER_SIZE - held(conn);
    length = word_at(conn->in->data + conn->in_at);
    return length > held(conn) ? length - held(conn) : RPC_READ_SIZE;
}

size_t rpc_connection_read_hint(const RpcConnection *conn)
{
    if (conn->is_closed)
        return 0;
    if (is_held_back(conn))
        return held(conn) < HELD_MAX && !conn->raw_streams && !conn->in_fds->len ? RPC_READ_SIZE
                                                                                 : 0;
    if (!conn->raw_streams)
        return RPC_READ_SIZE;
    return MIN(conn->payload_left ? conn->payload_left : missing(conn), RPC_READ_SIZE);
}

uint64_t rpc_connection_window(const RpcConnection *conn, RpcStream **ret_stream)
{
    gboolean is_open = conn->payload_left && conn->payload_stream && held(conn) == 0;

    *ret_stream = is_open ? conn->payload_stream : NULL;
    return is_open ? conn->payload_left : 0;
}

void rpc_connection_window_taken(RpcConnection *conn, uint64_t bytes, int64_t now_ms)
{
    g_assert(bytes <= conn->payload_left && held(conn) == 0);
    rpc_keepalive_heard(&conn->keepalive, now_ms);
    conn->payload_left -= bytes;
    conn->scan_at -= MIN(bytes, conn->scan_at);
    if (!conn->payload_left)
        conn->payload_stream = NULL;
}
