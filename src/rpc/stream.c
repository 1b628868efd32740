/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Streams. */
#include "rpc/stream.h"

#include <string.h>

#include "base/error.h"
#include "rpc/engine.h"
#include "wire/error.h"
#include "wire/writer.h"

/* Something that arrives for it is for its owner. */
gboolean rpc_engine_stream_listens(const RpcStream *stream)
{
    return stream->state == RPC_STREAM_OPEN ||
           (stream->state == RPC_STREAM_FINISHING && stream->conn->role == RPC_CLIENT);
}

static unsigned key_hash(gconstpointer value)
{
    const RpcStreamKey *key = value;

    return key->program ^ (uint32_t)key->procedure * 31 ^ key->serial * 2654435761U;
}

static gboolean key_equal(gconstpointer a, gconstpointer b)
{
    const RpcStreamKey *left = a, *right = b;

    return left->program == right->program && left->procedure == right->procedure &&
           left->serial == right->serial;
}

/* Its name is free again; nothing more is delivered. */
static void stream_close(RpcStream *stream)
{
    RpcConnection *conn = stream->conn;

    if (stream->state == RPC_STREAM_CLOSED)
        return;
    stream->state = RPC_STREAM_CLOSED;
    g_hash_table_remove(conn->streams, &stream->key);
    if (conn->payload_stream == stream)
        conn->payload_stream = NULL;
    rpc_stream_set_raw(stream, FALSE);
}

/* The stream is CLOSED and its owner is told; it may be freed afterwards. */
static void stream_abort(RpcStream *stream, const GError *error)
{
    stream_close(stream);
    if (stream->handlers->on_abort)
        stream->handlers->on_abort(stream, error, stream->data);
}

RpcStream *rpc_stream_new(RpcConnection *conn, const RpcCallId *call, gboolean may_have_holes,
                          const RpcStreamHandlers *handlers, void *data)
{
    RpcStream *stream = g_new0(RpcStream, 1);
    RpcStream *old;

    *stream = (RpcStream){
        .conn = conn,
        .key = {call->procedure->program, call->procedure->number, call->serial},
        .may_have_holes = may_have_holes,
        .handlers = handlers,
        .data = data,
        .state = conn->is_closed ? RPC_STREAM_CLOSED : RPC_STREAM_OPENING,
    };
    g_hash_table_add(conn->all_streams, stream);
    if (conn->is_closed)
        return stream;
    /* A peer may use a serial twice; then the newer stream has the name and the older one is cut
     * off. */
    old = g_hash_table_lookup(conn->streams, &stream->key);
    if (old)
        stream_close(old);
    g_hash_table_insert(conn->streams, &stream->key, stream);
    if (old) {
        g_autoptr(GError) error =
            error_new(ERROR_OPERATION_FAILED, "the serial of this stream was used again");

        stream_abort(old, error);
    }
    return stream;
}

static GByteArray *frame_new(const RpcStream *stream, int32_t type, int32_t status,
                             size_t *ret_start)
{
    GByteArray *frame = g_byte_array_new();
    const WireProgram *program = wire_program_find(stream->key.program);
    const WireFrameHeader header = {
        .prog = stream->key.program,
        .vers = program->version,
        .proc = stream->key.procedure,
        .type = type,
        .serial = stream->key.serial,
        .status = status,
    };

    *ret_start = wire_frame_begin(frame, &header);
    return frame;
}

void rpc_stream_header(const RpcStream *stream, guint8 ret_bytes[28])
{
    size_t start;
    g_autoptr(GByteArray) frame =
        frame_new(stream, WIRE_FRAME_TYPE_STREAM, WIRE_FRAME_STATUS_CONTINUE, &start);

    wire_frame_end(frame, start, NULL);
    memcpy(ret_bytes, frame->data, WIRE_FRAME_HEADER_SIZE);
}

static void send_frame(RpcStream *stream, int32_t type, int32_t status, const void *body,
                       size_t len, size_t payload)
{
    size_t start;
    GByteArray *frame = frame_new(stream, type, status, &start);
    gboolean is_sized;

    if (len)
        g_byte_array_append(frame, body, (guint)len);
    is_sized = wire_frame_end(frame, start, NULL);
    g_assert(is_sized);
    rpc_engine_send(stream->conn, frame, NULL, 0, stream, payload);
}

static void send_status(RpcStream *stream, int32_t status)
{
    send_frame(stream, WIRE_FRAME_TYPE_STREAM, status, NULL, 0, 0);
}

static void send_error(RpcStream *stream, const GError *error)
{
    g_autoptr(GByteArray) body = g_byte_array_new();

    wire_error_encode(body, error);
    send_frame(stream, WIRE_FRAME_TYPE_STREAM, WIRE_FRAME_STATUS_ERROR, body->data, body->len, 0);
}

/* The owner leaves an open stream: the peer is told. */
static void send_farewell(RpcStream *stream)
{
    g_autoptr(GError) error = NULL;

    if (stream->state != RPC_STREAM_OPEN && stream->state != RPC_STREAM_FINISHING)
        return;
    if (stream->conn->role == RPC_CLIENT) {
        if (stream->state == RPC_STREAM_OPEN)
            send_status(stream, WIRE_FRAME_STATUS_ERROR);
        return;
    }
    error = error_new(ERROR_OPERATION_FAILED, "the stream was closed");
    send_error(stream, error);
}

void rpc_stream_free(RpcStream *stream)
{
    RpcConnection *conn;

    if (!stream)
        return;
    conn = stream->conn;
    if (conn) {
        send_farewell(stream);
        stream_close(stream);
        rpc_engine_output_forget_stream(conn, stream);
        g_hash_table_remove(conn->all_streams, stream);
    }
    g_free(stream);
}

RpcStreamState rpc_stream_state(const RpcStream *stream)
{
    return stream->state;
}

static gboolean can_send(const RpcStream *stream)
{
    return stream->state == RPC_STREAM_OPEN ||
           (stream->state == RPC_STREAM_FINISHING && stream->conn->role == RPC_SERVER);
}

gboolean rpc_stream_send(RpcStream *stream, const void *bytes, size_t len)
{
    const guint8 *at = bytes;

    if (!can_send(stream))
        return FALSE;
    for (size_t left = len; left;) {
        size_t step = MIN(left, (size_t)WIRE_STREAM_DATA_MAX);

        send_frame(stream, WIRE_FRAME_TYPE_STREAM, WIRE_FRAME_STATUS_CONTINUE, at, step, step);
        at += step;
        left -= step;
    }
    return TRUE;
}

gboolean rpc_stream_send_window(RpcStream *stream, uint32_t bytes)
{
    size_t start;
    GByteArray *frame;

    if (!can_send(stream) || !bytes || bytes > WIRE_STREAM_DATA_MAX)
        return FALSE;
    frame = frame_new(stream, WIRE_FRAME_TYPE_STREAM, WIRE_FRAME_STATUS_CONTINUE, &start);
    wire_patch_u32(frame, start, WIRE_FRAME_HEADER_SIZE + bytes);
    rpc_engine_send(stream->conn, frame, NULL, 0, stream, 0);
    rpc_engine_send_window(stream->conn, stream, bytes);
    return TRUE;
}

uint64_t rpc_stream_unsent(const RpcStream *stream)
{
    return stream->unsent;
}

void rpc_stream_set_raw(RpcStream *stream, gboolean is_raw)
{
    if (!stream->conn || stream->is_raw == is_raw)
        return;
    stream->is_raw = is_raw;
    stream->conn->raw_streams += is_raw ? 1 : -1;
}

gboolean rpc_stream_end(RpcStream *stream)
{
    if (!can_send(stream) || stream->conn->role != RPC_SERVER)
        return FALSE;
    send_status(stream, WIRE_FRAME_STATUS_CONTINUE);
    return TRUE;
}

gboolean rpc_stream_finish(RpcStream *stream)
{
    gboolean is_server = stream->conn && stream->conn->role == RPC_SERVER;

    if (stream->state != (is_server ? RPC_STREAM_FINISHING : RPC_STREAM_OPEN))
        return FALSE;
    send_status(stream, WIRE_FRAME_STATUS_OK);
    if (is_server)
        stream_close(stream);
    else
        stream->state = RPC_STREAM_FINISHING;
    return TRUE;
}

gboolean rpc_stream_abort(RpcStream *stream)
{
    if (stream->state != RPC_STREAM_OPEN || stream->conn->role != RPC_CLIENT)
        return FALSE;
    send_status(stream, WIRE_FRAME_STATUS_ERROR);
    stream->state = RPC_STREAM_ABORTING;
    return TRUE;
}

gboolean rpc_stream_fail(RpcStream *stream, const GError *error)
{
    if (!can_send(stream) || stream->conn->role != RPC_SERVER)
        return FALSE;
    send_error(stream, error);
    stream_close(stream);
    return TRUE;
}

/* --- what the engine tells --- */

RpcStream *rpc_engine_stream_find(RpcConnection *conn, const WireFrameHeader *header)
{
    const RpcStreamKey key = {header->prog, header->proc, header->serial};

    return g_hash_table_lookup(conn->streams, &key);
}

void rpc_engine_stream_payload(RpcStream *stream, const guint8 *bytes, size_t len)
{
    if (stream->handlers->on_data)
        stream->handlers->on_data(stream, bytes, len, stream->data);
}

void rpc_engine_stream_reply(RpcConnection *conn, const RpcCallId *call, const GError *error)
{
    const RpcStreamKey key = {call->procedure->program, call->procedure->number, call->serial};
    RpcStream *stream = g_hash_table_lookup(conn->streams, &key);

    if (!stream || stream->state != RPC_STREAM_OPENING)
        return;
    if (error) {
        stream_abort(stream, error);
        return;
    }
    stream->state = RPC_STREAM_OPEN;
    if (stream->handlers->on_open)
        stream->handlers->on_open(stream, stream->data);
}

static gboolean take_hole(RpcStream *stream, const guint8 *body, size_t len, GError **error)
{
    g_autoptr(Arena) arena = arena_new();
    const WireStreamHole *hole = wire_decode(&wire_type_stream_hole, body, len, arena, error);

    if (!hole)
        return FALSE;
    if (!stream->may_have_holes || hole->length < 0)
        return error_set_from(error, FROM_RPC, ERROR_RPC, "a hole in a stream that has none");
    if (rpc_engine_stream_listens(stream) && stream->handlers->on_hole)
        stream->handlers->on_hole(stream, hole->length, stream->data);
    return TRUE;
}

static void client_wants_end(RpcStream *stream, int32_t status)
{
    if (status == WIRE_FRAME_STATUS_ERROR) {
        send_status(stream, WIRE_FRAME_STATUS_OK);
        stream_abort(stream, NULL);
        return;
    }
    if (stream->state == RPC_STREAM_FINISHING)
        return;
    stream->state = RPC_STREAM_FINISHING;
    if (stream->handlers->on_finish)
        stream->handlers->on_finish(stream, stream->data);
    else
        rpc_stream_finish(stream);
}

static gboolean server_says_end(RpcStream *stream, const WireFrameHeader *header,
                                const guint8 *body, size_t len, GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (header->status == WIRE_FRAME_STATUS_ERROR) {
        failure = wire_error_decode(body, len);
        stream_abort(stream, failure);
        return TRUE;
    }
    if (stream->state == RPC_STREAM_OPEN)
        return error_set_from(error, FROM_RPC, ERROR_RPC, "the peer ended a stream unasked");
    stream_close(stream);
    if (stream->handlers->on_finish)
        stream->handlers->on_finish(stream, stream->data);
    return TRUE;
}

gboolean rpc_engine_stream_frame(RpcConnection *conn, const WireFrameHeader *header,
                                 const guint8 *body, size_t len, GError **error)
{
    RpcStream *stream = rpc_engine_stream_find(conn, header);

    if (!stream || stream->state == RPC_STREAM_OPENING)
        return TRUE;
    if (header->type == WIRE_FRAME_TYPE_STREAM_HOLE)
        return take_hole(stream, body, len, error);
    if (header->status < WIRE_FRAME_STATUS_OK || header->status > WIRE_FRAME_STATUS_CONTINUE)
        return error_set_from(error, FROM_RPC, ERROR_RPC, "a stream frame of status %d",
                              header->status);
    if (header->status == WIRE_FRAME_STATUS_CONTINUE) { /* empty: with bytes it would be payload */
        if (conn->role == RPC_CLIENT && stream->handlers->on_end)
            stream->handlers->on_end(stream, stream->data);
        return TRUE;
    }
    if (conn->role == RPC_CLIENT)
        return server_says_end(stream, header, body, len, error);
    client_wants_end(stream, header->status);
    return TRUE;
}

void rpc_engine_stream_drained(RpcStream *stream, uint64_t bytes)
{
    if (!bytes)
        return;
    stream->unsent -= bytes;
    if (!stream->unsent && stream->handlers->on_drained)
        stream->handlers->on_drained(stream, stream->data);
}

void rpc_engine_streams_abort(RpcConnection *conn, const GError *reason)
{
    GHashTableIter iter;
    void *stream;

    /* A handler may free any stream, so begin anew each time. */
    for (g_hash_table_iter_init(&iter, conn->streams); g_hash_table_iter_next(&iter, NULL, &stream);
         g_hash_table_iter_init(&iter, conn->streams))
        stream_abort(stream, reason);
}

void rpc_engine_streams_orphan(RpcConnection *conn)
{
    GHashTableIter iter;
    void *stream;

    for (g_hash_table_iter_init(&iter, conn->all_streams);
         g_hash_table_iter_next(&iter, &stream, NULL);) {
        ((RpcStream *)stream)->state = RPC_STREAM_CLOSED;
        ((RpcStream *)stream)->conn = NULL;
    }
}

GHashTable *rpc_engine_stream_table(void)
{
    return g_hash_table_new(key_hash, key_equal);
}
