/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Output: a queue of frames, of descriptors that follow them, and of windows that the owner fills.
 */
#include <unistd.h>

#include "rpc/engine.h"

typedef struct {
    GByteArray *bytes; /* NULL: a window */
    uint64_t at;       /* so much of it is written */
    uint64_t len;
    int fd;            /* goes with the first byte; or -1 */
    RpcStream *stream; /* counts payload bytes of this one; NULL: no stream, or freed */
    uint64_t payload;
    gboolean is_pong;
    gboolean is_window;
} OutItem;

/* What an item takes beside its bytes; without it, many small frames would look cheap. */
#define ITEM_COST 256

static void item_free(OutItem *item)
{
    if (item->bytes)
        g_byte_array_unref(item->bytes);
    if (item->fd >= 0)
        close(item->fd);
    g_free(item);
}

void rpc_engine_trace(RpcConnection *conn, gboolean is_sent, const WireFrameHeader *header,
                      const guint8 *body, size_t len)
{
    if (conn->handlers->on_frame)
        conn->handlers->on_frame(conn, is_sent, header, body, len, conn->data);
}

static void queue_fd(RpcConnection *conn, int fd)
{
    OutItem *item = g_new0(OutItem, 1);

    item->bytes = g_byte_array_sized_new(1);
    g_byte_array_append(item->bytes, (const guint8[1]){0}, 1);
    item->len = 1;
    item->fd = fd;
    g_queue_push_tail(&conn->out, item);
    conn->unsent += 1 + ITEM_COST;
}

void rpc_engine_send(RpcConnection *conn, GByteArray *frame, const int *fds, unsigned fd_count,
                     RpcStream *stream, size_t payload)
{
    OutItem *item = g_new0(OutItem, 1);
    WireFrameHeader header;

    wire_frame_header_decode(frame->data + 4, &header);
    rpc_engine_trace(conn, TRUE, &header,
                     stream && payload ? NULL : frame->data + WIRE_FRAME_HEADER_SIZE,
                     frame->len - WIRE_FRAME_HEADER_SIZE);
    *item = (OutItem){
        .bytes = frame,
        .len = frame->len,
        .fd = -1,
        .stream = stream,
        .payload = payload,
        .is_pong = header.prog == KEEPALIVE_PROGRAM && header.proc == KEEPALIVE_PONG,
    };
    g_queue_push_tail(&conn->out, item);
    conn->unsent += frame->len + ITEM_COST;
    if (stream)
        stream->unsent += payload;
    for (unsigned i = 0; i < fd_count; i++)
        queue_fd(conn, fds[i]);
}

void rpc_engine_send_window(RpcConnection *conn, RpcStream *stream, uint32_t bytes)
{
    OutItem *item = g_new0(OutItem, 1);

    *item =
        (OutItem){.len = bytes, .fd = -1, .stream = stream, .payload = bytes, .is_window = TRUE};
    g_queue_push_tail(&conn->out, item);
    stream->unsent += bytes;
}

gboolean rpc_connection_output(RpcConnection *conn, RpcOutput *ret_output)
{
    static guint8 zeros[4096];
    const OutItem *first = g_queue_peek_head(&conn->out);

    ret_output->iov_count = 0;
    ret_output->fd = -1;
    ret_output->window = NULL;
    ret_output->window_left = 0;
    if (!first)
        return FALSE;
    if (first->is_window && first->stream) {
        ret_output->window = first->stream;
        ret_output->window_left = first->len - first->at;
        return TRUE;
    }
    if (first->is_window) {
        ret_output->iov[ret_output->iov_count++] =
            (struct iovec){.iov_base = zeros, .iov_len = MIN(sizeof zeros, first->len - first->at)};
        return TRUE;
    }
    for (const GList *link = conn->out.head; link && ret_output->iov_count < RPC_OUTPUT_IOV;
         link = link->next) {
        const OutItem *item = link->data;

        if (item->is_window || (item->fd >= 0 && item != first))
            break;
        ret_output->iov[ret_output->iov_count++] = (struct iovec){
            .iov_base = item->bytes->data + item->at, .iov_len = item->len - item->at};
        if (item->fd >= 0) {
            ret_output->fd = item->fd;
            break;
        }
    }
    return TRUE;
}

void rpc_connection_consumed(RpcConnection *conn, uint64_t bytes)
{
    while (bytes) {
        OutItem *item = g_queue_peek_head(&conn->out);
        uint64_t step;
        RpcStream *stream;

        if (!item) /* closed meanwhile */
            return;
        step = MIN(bytes, item->len - item->at);
        item->at += step;
        bytes -= step;
        if (!item->is_window)
            conn->unsent -= step;
        if (item->at < item->len)
            return;
        g_queue_pop_head(&conn->out);
        conn->unsent -= item->is_window ? 0 : ITEM_COST;
        conn->is_pong_queued &= !item->is_pong;
        stream = item->stream;
        step = item->payload;
        item_free(item);
        if (stream)
            rpc_engine_stream_drained(stream, step);
    }
}

uint64_t rpc_connection_unsent(const RpcConnection *conn)
{
    return conn->unsent;
}

/* Its frames stay in the queue: they were promised.  Windows that nobody can fill any more are
 * filled with zeros; the peer learns from the abort behind them what they are worth. */
void rpc_engine_output_forget_stream(RpcConnection *conn, RpcStream *stream)
{
    for (GList *link = conn->out.head; link; link = link->next) {
        OutItem *item = link->data;

        if (item->stream == stream)
            item->stream = NULL;
    }
}

void rpc_engine_output_clear(RpcConnection *conn)
{
    g_queue_clear_full(&conn->out, (GDestroyNotify)item_free);
    conn->unsent = 0;
}
