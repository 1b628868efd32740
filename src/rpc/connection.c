/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connection: its life, calls, replies, events. */
#include "rpc/connection.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "rpc/engine.h"
#include "wire/error.h"
#include "wire/writer.h"

typedef struct {
    const WireProcedure *procedure;
    uint32_t serial;       /* the key of the table */
    RpcReplyFunc on_reply; /* NULL: forgotten */
    void *data;
} PendingCall;

RpcConnection *rpc_connection_new(RpcRole role, const RpcHandlers *handlers, void *data)
{
    RpcConnection *conn = g_new0(RpcConnection, 1);

    conn->role = role;
    conn->handlers = handlers;
    conn->data = data;
    conn->max_frame = role == RPC_SERVER ? RPC_LOGIN_FRAME_MAX : WIRE_FRAME_MAX;
    conn->in = g_byte_array_new();
    conn->in_fds = g_array_new(FALSE, FALSE, sizeof(int));
    conn->pending = g_hash_table_new_full(g_int_hash, g_int_equal, NULL, g_free);
    conn->streams = rpc_engine_stream_table();
    conn->all_streams = g_hash_table_new(NULL, NULL);
    g_queue_init(&conn->out);
    return conn;
}

static void drop_input(RpcConnection *conn)
{
    for (unsigned i = 0; i < conn->in_fds->len; i++)
        close(g_array_index(conn->in_fds, int, i));
    g_array_set_size(conn->in_fds, 0);
    conn->payload_left = 0;
    conn->payload_stream = NULL;
}

void rpc_connection_free(RpcConnection *conn)
{
    if (!conn)
        return;
    g_assert(!conn->is_delivering);
    rpc_engine_streams_orphan(conn);
    rpc_engine_output_clear(conn);
    drop_input(conn);
    g_byte_array_unref(conn->in);
    g_array_unref(conn->in_fds);
    g_hash_table_unref(conn->pending);
    g_hash_table_unref(conn->streams);
    g_hash_table_unref(conn->all_streams);
    g_free(conn);
}

static void answer(const PendingCall *call, const RpcReply *reply)
{
    if (call->on_reply)
        call->on_reply(reply, call->data);
}

void rpc_connection_close(RpcConnection *conn, const GError *reason)
{
    g_autoptr(GList) calls = NULL;
    g_autoptr(GError) fallback = NULL;

    if (conn->is_closed)
        return;
    conn->is_closed = TRUE;
    if (!reason)
        reason = fallback = error_new(ERROR_INTERNAL_ERROR, "the connection was closed");
    rpc_engine_output_clear(conn);
    drop_input(conn);
    rpc_engine_streams_abort(conn, reason);
    /* No handler can add a call any more, but each may forget one. */
    calls = g_hash_table_get_values(conn->pending);
    for (GList *link = calls; link; link = link->next) {
        const PendingCall *call = link->data;
        const RpcReply reply = {
            .procedure = call->procedure, .serial = call->serial, .error = reason};

        answer(call, &reply);
    }
    g_hash_table_remove_all(conn->pending);
}

void rpc_connection_set_max_frame(RpcConnection *conn, uint32_t bytes)
{
    conn->max_frame = CLAMP(bytes, WIRE_FRAME_MIN, WIRE_FRAME_MAX);
}

void rpc_connection_allow_fds(RpcConnection *conn)
{
    conn->takes_fds = TRUE;
}

void rpc_connection_set_max_calls(RpcConnection *conn, unsigned count)
{
    conn->max_calls = count;
}

unsigned rpc_connection_calls_open(const RpcConnection *conn)
{
    return conn->calls_open;
}

void rpc_connection_pause(RpcConnection *conn, gboolean is_paused)
{
    conn->is_paused = is_paused;
}

/* --- sending --- */

static gboolean dup_fds(RpcConnection *conn, const int *fds, unsigned count, int *ret_fds,
                        GError **error)
{
    if (count > WIRE_FRAME_FDS_MAX || (count && !conn->takes_fds))
        return error_set_from(error, FROM_RPC, ERROR_RPC,
                              "%u descriptors cannot pass over this connection", count);
    for (unsigned i = 0; i < count; i++) {
        ret_fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
        if (ret_fds[i] >= 0)
            continue;
        error_errno(error, "cannot duplicate a descriptor to send");
        while (i)
            close(ret_fds[--i]);
        return FALSE;
    }
    return TRUE;
}

/* A frame with a body after type; FALSE: it cannot be encoded. */
static gboolean send_typed(RpcConnection *conn, const WireFrameHeader *header, const WireType *type,
                           const void *value, const int *fds, unsigned fd_count, GError **error)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    size_t start = wire_frame_begin(frame, header);
    int copies[WIRE_FRAME_FDS_MAX];

    if (conn->is_closed)
        return TRUE;
    if (header->type == WIRE_FRAME_TYPE_CALL_WITH_FDS ||
        header->type == WIRE_FRAME_TYPE_REPLY_WITH_FDS)
        wire_write_u32(frame, fd_count);
    if ((type && !wire_encode(type, value, frame, error)) || !wire_frame_end(frame, start, error))
        return FALSE;
    if (!dup_fds(conn, fds, fd_count, copies, error))
        return FALSE;
    rpc_engine_send(conn, g_steal_pointer(&frame), copies, fd_count, NULL, 0);
    return TRUE;
}

static void send_error(RpcConnection *conn, const WireFrameHeader *call, const GError *error)
{
    WireFrameHeader header = *call;
    GByteArray *frame;
    size_t start;
    gboolean is_sized;

    if (conn->is_closed)
        return;
    header.type = WIRE_FRAME_TYPE_REPLY;
    header.status = WIRE_FRAME_STATUS_ERROR;
    frame = g_byte_array_new();
    start = wire_frame_begin(frame, &header);
    wire_error_encode(frame, error);
    is_sized = wire_frame_end(frame, start, NULL);
    g_assert(is_sized);
    rpc_engine_send(conn, frame, NULL, 0, NULL, 0);
}

static WireFrameHeader header_of(const WireProcedure *procedure, int32_t type, uint32_t serial)
{
    return (WireFrameHeader){
        .prog = procedure->program,
        .vers = wire_program_find(procedure->program)->version,
        .proc = procedure->number,
        .type = type,
        .serial = serial,
        .status = WIRE_FRAME_STATUS_OK,
    };
}

static void call_answered(RpcConnection *conn, const RpcCallId *call, const GError *error)
{
    if (conn->calls_open)
        conn->calls_open--;
    if (!conn->is_closed)
        rpc_engine_stream_reply(conn, call, error);
}

void rpc_connection_reply_error(RpcConnection *conn, const RpcCallId *call, const GError *error)
{
    const WireFrameHeader header = header_of(call->procedure, WIRE_FRAME_TYPE_REPLY, call->serial);

    send_error(conn, &header, error);
    call_answered(conn, call, error);
}

static gboolean reply(RpcConnection *conn, const RpcCallId *call, int32_t type, const void *ret,
                  const int *fds, unsigned fd_count)
{
    const WireFrameHeader header = header_of(call->procedure, type, call->serial);
    g_autoptr(GError) problem = NULL;
    g_autoptr(GError) error = NULL;

    if (send_typed(conn, &header, call->procedure->ret, ret, fds, fd_count, &problem)) {
        call_answered(conn, call, NULL);
        return TRUE;
    }
    error = error_new(ERROR_INTERNAL_ERROR, "cannot send the result of %s: %s",
                      call->procedure->name, problem->message);
    rpc_connection_reply_error(conn, call, error);
    return FALSE;
}

gboolean rpc_connection_reply(RpcConnection *conn, const RpcCallId *call, const void *ret)
{
    return reply(conn, call, WIRE_FRAME_TYPE_REPLY, ret, NULL, 0);
}

void rpc_connection_reply_fds(RpcConnection *conn, const RpcCallId *call, const void *ret,
                              const int *fds, unsigned fd_count)
{
    reply(conn, call, WIRE_FRAME_TYPE_REPLY_WITH_FDS, ret, fds, fd_count);
}

void rpc_connection_reply_bytes(RpcConnection *conn, const RpcCallId *call, const guint8 *body,
                                size_t len)
{
    const WireFrameHeader header = header_of(call->procedure, WIRE_FRAME_TYPE_REPLY, call->serial);
    g_autoptr(GByteArray) frame = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    size_t start = wire_frame_begin(frame, &header);

    if (len)
        g_byte_array_append(frame, body, (guint)MIN(len, (size_t)WIRE_FRAME_MAX));
    if (!wire_frame_end(frame, start, &error)) {
        rpc_connection_reply_error(conn, call, error);
        return;
    }
    if (!conn->is_closed)
        rpc_engine_send(conn, g_steal_pointer(&frame), NULL, 0, NULL, 0);
    call_answered(conn, call, NULL);
}

gboolean rpc_connection_send_event(RpcConnection *conn, const WireProcedure *procedure,
                                   const void *msg, GError **error)
{
    /* Serial 1 is what stock servers put there; nobody reads it. */
    const WireFrameHeader header = header_of(procedure, WIRE_FRAME_TYPE_MESSAGE, 1);

    return send_typed(conn, &header, procedure->args, msg, NULL, 0, error);
}

gboolean rpc_connection_call(RpcConnection *conn, const WireProcedure *procedure, const void *args,
                             const int *fds, unsigned fd_count, RpcReplyFunc on_reply, void *data,
                             uint32_t *ret_serial, GError **error)
{
    gboolean may_carry = procedure->fds & WIRE_FDS_CALL && fd_count;
    const WireFrameHeader header =
        header_of(procedure, may_carry ? WIRE_FRAME_TYPE_CALL_WITH_FDS : WIRE_FRAME_TYPE_CALL,
                  conn->next_serial);
    PendingCall *call;

    if (conn->is_closed)
        return error_set_from(error, FROM_RPC, ERROR_INTERNAL_ERROR, "the connection is closed");
    if (fd_count && !may_carry)
        return error_set_from(error, FROM_RPC, ERROR_RPC, "%s takes no descriptors",
                              procedure->name);
    if (!send_typed(conn, &header, procedure->args, args, fds, fd_count, error))
        return FALSE;
    call = g_new(PendingCall, 1);
    *call = (PendingCall){
        .procedure = procedure, .serial = conn->next_serial, .on_reply = on_reply, .data = data};
    g_hash_table_replace(conn->pending, &call->serial, call);
    *ret_serial = conn->next_serial++;
    return TRUE;
}

void rpc_connection_forget(RpcConnection *conn, uint32_t serial)
{
    PendingCall *call = g_hash_table_lookup(conn->pending, &serial);

    if (call)
        call->on_reply = NULL;
}

/* --- receiving --- */

/* What the engine answers itself; NULL: the call is one for the owner. */
static GError *refusal(const WireFrameHeader *header, const WireProcedure *procedure)
{
    const WireProgram *program = wire_program_find(header->prog);
    GError *error = NULL;

    /* The keepalive program has messages only. */
    if (!program || program->version != header->vers || header->prog == KEEPALIVE_PROGRAM)
        error_set_from(&error, FROM_RPC, ERROR_RPC, "Cannot find program %u version %u",
                       header->prog, header->vers);
    else if (!procedure || procedure->kind != WIRE_CALL)
        error_set_from(&error, FROM_RPC, ERROR_RPC, "unknown procedure: %d", header->proc);
    else if (header->status != WIRE_FRAME_STATUS_OK)
        error_set_from(&error, FROM_RPC, ERROR_RPC, "Unexpected message status %d", header->status);
    return error;
}

gboolean rpc_engine_call(RpcConnection *conn, const WireFrameHeader *header, const guint8 *body,
                         size_t len, int *fds, unsigned fd_count, GError **error)
{
    const WireProcedure *procedure = wire_procedure_find(header->prog, header->proc);
    g_autoptr(GError) refused = refusal(header, procedure);
    RpcCall call = {.id = {procedure, header->serial},
                    .body = body,
                    .body_len = len,
                    .fds = fds,
                    .fd_count = fd_count};

    if (refused) {
        send_error(conn, header, refused);
        return TRUE;
    }
    conn->calls_open++;
    conn->handlers->on_call(conn, &call, conn->data);
    return TRUE;
}

gboolean rpc_engine_reply(RpcConnection *conn, const WireFrameHeader *header, const guint8 *body,
                          size_t len, int *fds, unsigned fd_count, GError **error)
{
    PendingCall *call = g_hash_table_lookup(conn->pending, &header->serial);
    const WireProgram *program = wire_program_find(header->prog);
    g_autoptr(GError) failure = NULL;
    g_autofree PendingCall *owned = NULL;
    RpcReply reply = {
        .body = body, .body_len = len, .fds = fds, .fd_count = fd_count, .serial = header->serial};

    if (!call || call->procedure->program != header->prog || program->version != header->vers)
        return error_set_from(error, FROM_RPC, ERROR_RPC,
                              "the peer answered call %u, which nobody made", header->serial);
    if (call->procedure->number != header->proc)
        return error_set_from(error, FROM_RPC, ERROR_RPC, "the peer answered %s with procedure %d",
                              call->procedure->name, header->proc);
    if (header->status != WIRE_FRAME_STATUS_OK && header->status != WIRE_FRAME_STATUS_ERROR)
        return error_set_from(error, FROM_RPC, ERROR_RPC, "the peer answered %s with status %d",
                              call->procedure->name, header->status);
    if (header->status == WIRE_FRAME_STATUS_ERROR)
        failure = wire_error_decode(body, len);
    reply.procedure = call->procedure;
    reply.error = failure;
    g_hash_table_steal(conn->pending, &header->serial);
    owned = call;
    answer(call, &reply);
    rpc_engine_stream_reply(conn, &(RpcCallId){reply.procedure, reply.serial}, failure);
    return TRUE;
}

gboolean rpc_engine_event(RpcConnection *conn, const WireFrameHeader *header, const guint8 *body,
                          size_t len, GError **error)
{
    const WireProgram *program = wire_program_find(header->prog);
    const WireProcedure *procedure = wire_procedure_find(header->prog, header->proc);

    if (!program || program->version != header->vers)
        return error_set_from(error, FROM_RPC, ERROR_RPC,
                              "the peer sent an event of program %u version %u", header->prog,
                              header->vers);
    if (procedure && procedure->kind == WIRE_EVENT && conn->handlers->on_event)
        conn->handlers->on_event(conn, procedure, body, len, conn->data);
    return TRUE;
}

/* --- keepalive --- */

static void send_keepalive(RpcConnection *conn, int32_t number)
{
    const WireFrameHeader header =
        header_of(wire_procedure_get(KEEPALIVE_PROGRAM, number), WIRE_FRAME_TYPE_MESSAGE, 0);

    send_typed(conn, &header, NULL, NULL, NULL, 0, NULL);
}

void rpc_engine_keepalive(RpcConnection *conn, int32_t procedure)
{
    /* One PONG answers any number of PINGs: who PINGs without reading shall not fill the queue. */
    if (procedure != KEEPALIVE_PING || conn->is_pong_queued)
        return;
    conn->is_pong_queued = TRUE;
    send_keepalive(conn, KEEPALIVE_PONG);
}

void rpc_connection_start_keepalive(RpcConnection *conn, int interval_s, unsigned count,
                                    int64_t now_ms)
{
    rpc_keepalive_start(&conn->keepalive, interval_s, count, now_ms);
}

gboolean rpc_connection_tick(RpcConnection *conn, int64_t now_ms, GError **error)
{
    if (conn->is_closed)
        return TRUE;
    switch (rpc_keepalive_check(&conn->keepalive, now_ms)) {
    case RPC_KEEPALIVE_WAIT:
        break;
    case RPC_KEEPALIVE_PING:
        send_keepalive(conn, KEEPALIVE_PING);
        break;
    case RPC_KEEPALIVE_DEAD:
        return error_set_from(
            error, FROM_RPC, ERROR_INTERNAL_ERROR,
            "connection closed due to keepalive timeout: nothing was heard for %" G_GINT64_FORMAT
            " s",
            (now_ms - conn->keepalive.heard_ms) / 1000);
    }
    return TRUE;
}

void rpc_connection_heard(RpcConnection *conn, int64_t now_ms)
{
    rpc_keepalive_heard(&conn->keepalive, now_ms);
}

int64_t rpc_connection_next_deadline(const RpcConnection *conn)
{
    return conn->is_closed ? INT64_MAX : rpc_keepalive_deadline(&conn->keepalive);
}
