/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest's console as a stream in both directions. */
#include "connection.h"

struct FerryStream {
    FerryConnection *conn;
    RpcStream *stream;
    void (*output)(const void *bytes, size_t len, void *data);
    void *data;
    gboolean has_ended;
    GError *reason; /* why it was ended by the other side; NULL: no reason given */
};

static void on_data(RpcStream *rpc_stream, const guint8 *bytes, size_t len, void *data)
{
    FerryStream *stream = data;

    stream->output(bytes, len, stream->data);
}

static void on_end(RpcStream *rpc_stream, void *data)
{
    ((FerryStream *)data)->has_ended = TRUE;
}

static void on_abort(RpcStream *rpc_stream, const GError *error, void *data)
{
    FerryStream *stream = data;

    stream->has_ended = TRUE;
    if (error && !stream->reason)
        stream->reason = g_error_copy(error);
}

static const RpcStreamHandlers handlers = {
    .on_data = on_data, .on_end = on_end, .on_finish = on_end, .on_abort = on_abort};

typedef struct {
    gboolean is_done;
    GError *error;
} Opening;

static void on_opened(const RpcReply *reply, void *data)
{
    Opening *opening = data;

    opening->is_done = TRUE;
    opening->error = reply->error ? g_error_copy(reply->error) : NULL;
}

FerryStream *ferry_domain_console(FerryDomain *domain, const char *devname, unsigned flags,
                                  void (*output)(const void *bytes, size_t len, void *data),
                                  void *data, FerryError **error)
{
    const RemoteDomainOpenConsoleArgs args = {
        .dom = domain_wire(domain), .dev_name = (char *)devname, .flags = flags};
    FerryConnection *conn = domain->conn;
    RpcCallId id = {.procedure = wire_procedure_get(REMOTE_PROGRAM, REMOTE_DOMAIN_OPEN_CONSOLE)};
    Opening opening = {0};
    FerryStream *stream;

    if (!connection_check(conn, error) ||
        !rpc_connection_call(conn->rpc, id.procedure, &args, NULL, 0, on_opened, &opening,
                             &id.serial, error))
        return NULL;
    stream = g_new0(FerryStream, 1);
    *stream = (FerryStream){.conn = conn, .output = output, .data = data};
    stream->stream = rpc_stream_new(conn->rpc, &id, FALSE, &handlers, stream);
    while (!opening.is_done)
        connection_pump(conn, -1, INT64_MAX);
    if (opening.error) {
        g_propagate_error(error, opening.error);
        ferry_stream_close(stream);
        return NULL;
    }
    return stream;
}

bool ferry_stream_send(FerryStream *stream, const void *bytes, size_t len)
{
    if (!rpc_stream_send(stream->stream, bytes, len))
        return false;
    connection_flush(stream->conn);
    return true;
}

bool ferry_stream_is_open(FerryStream *stream, FerryError **error)
{
    if (stream->has_ended && stream->reason && error)
        *error = g_error_copy(stream->reason);
    return !stream->has_ended;
}

void ferry_stream_close(FerryStream *stream)
{
    if (!stream)
        return;
    rpc_stream_free(stream->stream);
    connection_flush(stream->conn);
    g_clear_error(&stream->reason);
    g_free(stream);
}
