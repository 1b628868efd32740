/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "relay.h"

#include "base/clock.h"

#define UNSENT_MAX (4 * 1024 * 1024)

static void hold(Relay *relay, gboolean is_held)
{
    relay->source->is_held = is_held;
}

void relay_drop(Relay *relay)
{
    relay->is_dropping = TRUE;
    hold(relay, FALSE);
}

/* ---- from the source ---- */

static void on_data(RpcStream *stream, const guint8 *bytes, size_t len, void *data)
{
    Relay *relay = data;

    if (relay->is_dropping)
        return;
    if (!relay->to || !rpc_stream_send(relay->to, bytes, len)) {
        relay_drop(relay);
        return;
    }
    relay->carried += len;
    connection_flush(relay->dest);
    if (rpc_stream_unsent(relay->to) > UNSENT_MAX)
        hold(relay, TRUE);
}

static void on_source_end(RpcStream *stream, void *data)
{
    ((Relay *)data)->has_ended = TRUE;
    if (rpc_stream_state(stream) == RPC_STREAM_OPEN)
        rpc_stream_finish(stream);
}

static void on_source_abort(RpcStream *stream, const GError *error, void *data)
{
    relay_drop(data);
}

const RpcStreamHandlers relay_from_handlers = {
    .on_data = on_data, .on_end = on_source_end, .on_finish = on_source_end, .on_abort = on_source_abort};

/* ---- to the destination ---- */

static void on_drained(RpcStream *stream, void *data)
{
    hold(data, FALSE);
}

static void on_taken(RpcStream *stream, void *data)
{
    ((Relay *)data)->is_finished = TRUE;
}

static void on_dest_abort(RpcStream *stream, const GError *error, void *data)
{
    Relay *relay = data;

    if (error && !relay->lost)
        relay->lost = g_error_copy(error);
    relay_drop(relay);
    if (relay->from && rpc_stream_state(relay->from) == RPC_STREAM_OPEN)
        rpc_stream_abort(relay->from); /* its QEMU notices at once */
}

const RpcStreamHandlers relay_to_handlers = {
    .on_drained = on_drained, .on_finish = on_taken, .on_abort = on_dest_abort};

/* ---- its end ---- */

gboolean relay_finish(Relay *relay, int interval_ms, IdleFunc idle, void *data)
{
    int64_t next_ms = clock_now_ms() + interval_ms;

    while (!relay->is_dropping && !relay->is_finished && !relay->dest->lost) {
        if ((relay->has_ended || relay->source->lost) && rpc_stream_state(relay->to) == RPC_STREAM_OPEN) {
            if (!relay->has_ended) /* cut short: the destination must not take it for the whole */
                return FALSE;
            rpc_stream_finish(relay->to);
        }
        connection_pump(relay->dest, -1, next_ms);
        if (clock_now_ms() >= next_ms) {
            idle(data);
            next_ms = clock_now_ms() + interval_ms;
        }
    }
    return relay->is_finished;
}

void relay_clear(Relay *relay)
{
    if (relay->source)
        hold(relay, FALSE);
    g_clear_pointer(&relay->from, rpc_stream_free);
    g_clear_pointer(&relay->to, rpc_stream_free);
    g_clear_error(&relay->lost);
    *relay = (Relay){0};
}
