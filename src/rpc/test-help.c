/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/test-rpc.h"

static void on_data(RpcStream *stream, const guint8 *bytes, size_t len, void *data)
{
    g_string_append_printf(((End *)data)->log, "data(%zu) ", len);
}

static void on_open(RpcStream *stream, void *data)
{
    g_string_append(((End *)data)->log, "open ");
}

static void on_hole(RpcStream *stream, int64_t length, void *data)
{
    g_string_append_printf(((End *)data)->log, "hole(%d) ", (int)length);
}

static void on_end(RpcStream *stream, void *data)
{
    g_string_append(((End *)data)->log, "end ");
}

static void on_finish(RpcStream *stream, void *data)
{
    g_string_append(((End *)data)->log, "finish ");
}

static void on_abort(RpcStream *stream, const GError *error, void *data)
{
    g_string_append_printf(((End *)data)->log, "abort(%s) ", error ? error->message : "");
}

static void on_drained(RpcStream *stream, void *data)
{
    g_string_append(((End *)data)->log, "drained ");
}

const RpcStreamHandlers end_stream_handlers = {on_open,   on_data,  on_hole,   on_end,
                                               on_finish, on_abort, on_drained};

static void on_call(RpcConnection *conn, RpcCall *call, void *data)
{
    End *end = data;

    g_string_append_printf(end->log, "%s(%zu,%u) ", call->id.procedure->name, call->body_len,
                           call->fd_count);
    end->last_call = call->id;
    if (call->fd_count && end->taken_fd == -1) {
        end->taken_fd = call->fds[0];
        call->fds[0] = -1;
    }
    if (call->id.procedure->stream && !end->stream)
        end->stream = rpc_stream_new(conn, &call->id, end->keeps_holes, &end_stream_handlers, end);
    if (end->answers)
        rpc_connection_reply_bytes(conn, &call->id, NULL, 0);
}

static void on_event(RpcConnection *conn, const WireProcedure *procedure, const guint8 *body,
                     size_t len, void *data)
{
    g_string_append_printf(((End *)data)->log, "%s(%zu) ", procedure->name, len);
}

static const RpcHandlers handlers = {.on_call = on_call, .on_event = on_event};

void end_init(End *end, RpcRole role)
{
    *end = (End){.log = g_string_new(NULL),
                 .taken_fd = -1,
                 .conn = rpc_connection_new(role, &handlers, end)};
    rpc_connection_set_max_frame(end->conn, WIRE_FRAME_MAX);
}

void end_clear(End *end)
{
    rpc_stream_free(end->stream);
    rpc_connection_free(end->conn);
    g_string_free(end->log, TRUE);
    if (end->taken_fd >= 0)
        close(end->taken_fd);
}

static const char *keep(char *text)
{
    static char *kept;

    g_free(kept);
    return kept = text;
}

const char *end_said(End *end)
{
    char *text = g_strchomp(g_strdup(end->log->str));

    g_string_set_size(end->log, 0);
    return keep(text);
}

GByteArray *frame_of(int32_t procedure, int32_t type, uint32_t serial, int32_t status,
                     const void *body, size_t len)
{
    GByteArray *frame = g_byte_array_new();
    const WireFrameHeader header = {REMOTE_PROGRAM, 1, procedure, type, serial, status};
    size_t start = wire_frame_begin(frame, &header);

    g_byte_array_append(frame, body, (guint)len);
    g_assert_true(wire_frame_end(frame, start, NULL));
    return frame;
}

gboolean feed_bytes(End *end, const GByteArray *bytes)
{
    return rpc_connection_feed(end->conn, bytes->data, bytes->len, 0, NULL);
}

gboolean feed_frame(End *end, int32_t procedure, int32_t type, uint32_t serial, int32_t status,
                    const void *body, size_t len)
{
    g_autoptr(GByteArray) frame = frame_of(procedure, type, serial, status, body, len);

    return feed_bytes(end, frame);
}

GByteArray *end_output_bytes(End *end)
{
    GByteArray *bytes = g_byte_array_new();
    RpcOutput output;

    while (rpc_connection_output(end->conn, &output)) {
        size_t len = 0;

        g_assert_null(output.window);
        for (unsigned i = 0; i < output.iov_count; i++) {
            g_byte_array_append(bytes, output.iov[i].iov_base, (guint)output.iov[i].iov_len);
            len += output.iov[i].iov_len;
        }
        rpc_connection_consumed(end->conn, len);
    }
    return bytes;
}

const char *end_output(End *end)
{
    g_autoptr(GByteArray) bytes = end_output_bytes(end);
    GString *text = g_string_new(NULL);
    uint32_t length;

    for (size_t at = 0; at < bytes->len; at += length) {
        WireFrameHeader header;

        g_assert_true(wire_frame_length(bytes->data + at, WIRE_FRAME_MAX, &length, NULL));
        wire_frame_header_decode(bytes->data + at + 4, &header);
        g_string_append_printf(text, "%s%d:%d:%u:%d:%u", at ? " " : "", header.type, header.proc,
                               header.serial, header.status, length);
    }
    return keep(g_string_free(text, FALSE));
}
