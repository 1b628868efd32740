/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Streams towards a peer: opened by a call, filled by a pump, finished with an answer. */
#include "base/error.h"
#include "base/file.h"
#include "client/peer-private.h"

struct PeerStream {
    Peer *peer;
    RpcStream *rpc;
    Carry *carry;    /* NULL before peer_stream_carry */
    Await *drained;  /* all that was in the pipe is sent */
    Await *finished; /* the peer has answered our finish */
    GError *failure;
    PeerStreamLostFunc on_lost;
    void *lost_data;
};

static gboolean set_failure(const PeerStream *stream, GError **error)
{
    g_propagate_error(error, g_error_copy(stream->failure));
    return FALSE;
}

static void on_finish(RpcStream *rpc, void *data)
{
    PeerStream *stream = data;

    await_succeed(stream->finished);
}

/* Also when the call that was to open it fails, or the connection ends. */
static void on_abort(RpcStream *rpc, const GError *error, void *data)
{
    PeerStream *stream = data;
    PeerStreamLostFunc fn = stream->on_lost;

    g_clear_error(&stream->failure);
    if (error)
        stream->failure = g_error_copy(error);
    else
        error_set_from(&stream->failure, FROM_STREAMS, ERROR_OPERATION_FAILED,
                       "the peer has given the stream up");
    await_fail(stream->drained, stream->failure);
    await_fail(stream->finished, stream->failure);
    stream->on_lost = NULL;
    if (fn)
        fn(stream, stream->failure, stream->lost_data);
}

static const RpcStreamHandlers stream_handlers = {.on_finish = on_finish, .on_abort = on_abort};

static void on_carry_end(Carry *carry, PumpEnd end, const GError *error, void *data)
{
    PeerStream *stream = data;

    if (end == PUMP_DRAINED)
        await_succeed(stream->drained);
    /* broken: the connection ends, on_abort follows */
}

AWAITS PeerStream *peer_call_stream(Peer *peer, uint32_t program, int32_t procedure,
                                    const void *args, Arena *arena, void *ret, int64_t timeout_ms,
                                    GError **error)
{
    g_autoptr(PeerStream) stream = NULL;
    PeerCall call;

    if (!peer_call_start(&call, peer, program, procedure, args, arena, ret, error))
        return NULL;
    stream = g_new0(PeerStream, 1);
    stream->peer = peer_ref(peer);
    stream->drained = await_new("the rest of a stream");
    stream->finished = await_new("the end of a stream");
    stream->rpc =
        rpc_stream_new(carrier_connection(peer->carrier), &(RpcCallId){call.procedure, call.serial},
                       FALSE, &stream_handlers, stream);
    return peer_call_wait(&call, timeout_ms, error) ? g_steal_pointer(&stream) : NULL;
}

gboolean peer_stream_carry(PeerStream *stream, int pipe_fd, size_t max_payload, GError **error)
{
    g_assert(!stream->carry);
    if (stream->failure) {
        fd_clear(&pipe_fd);
        return set_failure(stream, error);
    }
    stream->carry = carrier_carry_out(stream->peer->carrier, stream->rpc, pipe_fd, max_payload,
                                      on_carry_end, stream, error);
    return stream->carry != NULL;
}

void peer_stream_on_lost(PeerStream *stream, PeerStreamLostFunc fn, void *data)
{
    stream->on_lost = fn;
    stream->lost_data = data;
}

AWAITS gboolean peer_stream_finish(PeerStream *stream, int64_t timeout_ms, GError **error)
{
    if (stream->carry) {
        carry_drain(stream->carry);
        if (!await(stream->drained, timeout_ms, error))
            return FALSE;
    }
    if (stream->failure)
        return set_failure(stream, error);
    rpc_stream_finish(stream->rpc);
    carrier_flush(stream->peer->carrier);
    return await(stream->finished, timeout_ms, error);
}

void peer_stream_drop(PeerStream *stream)
{
    g_clear_pointer(&stream->carry, carry_free);
    if (!stream->failure)
        error_set(&stream->failure, ERROR_OPERATION_ABORTED, "the stream has been given up");
}

uint64_t peer_stream_bytes(const PeerStream *stream)
{
    return stream->carry ? carry_bytes(stream->carry) : 0;
}

void peer_stream_free(PeerStream *stream)
{
    if (!stream)
        return;
    stream->on_lost = NULL;
    carry_free(stream->carry);
    rpc_stream_free(stream->rpc);
    carrier_flush(stream->peer->carrier);
    await_unref(stream->drained);
    await_unref(stream->finished);
    g_clear_error(&stream->failure);
    peer_unref(stream->peer);
    g_free(stream);
}
