/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames: any bytes, cut anywhere, into both ends of a connection.  The first bytes choose the end,
 * the cut and how the handlers behave; two ends that get the same bytes in different cuts must say
 * the same. */
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "rpc/connection.h"
#include "rpc/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    ANSWER = 1,
    FAIL = 2,
    PAUSE = 4,
    ENDS = 8,
    FREE = 16,
    FDS = 32,
    RAW = 64
}; /* bits of the first byte */

#define STREAMS 8

typedef struct {
    RpcConnection *conn;
    RpcStream *streams[STREAMS];
    unsigned stream_count;
    uint8_t habits;
    uint64_t sum; /* of what was said; pieces of stream data may differ, their bytes not */
} End;

static void note(End *end, const void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        end->sum = end->sum * 31 + ((const uint8_t *)bytes)[i];
}

static void on_data(RpcStream *stream, const guint8 *bytes, size_t len, void *data)
{
    End *end = data;

    note(end, bytes, len);
    if (end->habits & PAUSE)
        rpc_connection_pause(end->conn, TRUE);
}

static void on_hole(RpcStream *stream, int64_t length, void *data)
{
    g_assert(length >= 0);
    note(data, &length, sizeof length);
}

static void on_finish(RpcStream *stream, void *data)
{
    note(data, "finish", 6);
    rpc_stream_finish(stream);
}

static void on_abort(RpcStream *stream, const GError *error, void *data)
{
    End *end = data;

    note(end, "abort", 5);
    for (unsigned i = 0; end->habits & FREE && i < end->stream_count; i++) {
        if (end->streams[i] == stream)
            rpc_stream_free(g_steal_pointer(&end->streams[i]));
    }
}

static const RpcStreamHandlers stream_handlers = {
    .on_data = on_data, .on_hole = on_hole, .on_finish = on_finish, .on_abort = on_abort};

static void on_call(RpcConnection *conn, RpcCall *call, void *data)
{
    End *end = data;
    const WireProcedure *procedure = call->id.procedure;
    g_autoptr(GError) error = NULL;

    note(end, procedure->name, strlen(procedure->name));
    note(end, call->body, call->body_len);
    if (procedure->stream && end->stream_count < STREAMS) {
        RpcStream *stream =
            rpc_stream_new(conn, &call->id, call->id.serial & 1, &stream_handlers, end);

        rpc_stream_set_raw(stream, end->habits & RAW);
        end->streams[end->stream_count++] = stream;
    }
    if (end->habits & FAIL)
        error = error_new(ERROR_OPERATION_FAILED, "as the dice fell");
    if (error)
        rpc_connection_reply_error(conn, &call->id, error);
    else if (end->habits & ANSWER)
        rpc_connection_reply_bytes(conn, &call->id, call->body, call->body_len);
}

static void on_event(RpcConnection *conn, const WireProcedure *procedure, const guint8 *body,
                     size_t len, void *data)
{
    note(data, procedure->name, strlen(procedure->name));
    note(data, body, len);
}

static void on_reply(const RpcReply *reply, void *data)
{
    note(data, reply->procedure->name, strlen(reply->procedure->name));
    note(data, reply->body, reply->body_len);
}

static const RpcHandlers handlers = {.on_call = on_call, .on_event = on_event};

/* A client has to have asked something, or every reply is one too many. */
static void ask(End *end)
{
    static const int32_t numbers[] = {REMOTE_CONNECT_GET_HOSTNAME, REMOTE_CONNECT_GET_URI,
                                      REMOTE_DOMAIN_OPEN_CONSOLE, REMOTE_STORAGE_VOL_DOWNLOAD};
    const guint8 empty[256] = {0};

    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        const WireProcedure *procedure = wire_procedure_get(REMOTE_PROGRAM, numbers[i]);
        g_autoptr(Arena) arena = arena_new();
        const void *args =
            procedure->args ? wire_decode(procedure->args, empty, sizeof empty, arena, NULL) : NULL;
        uint32_t serial;
        gboolean is_sent =
            rpc_connection_call(end->conn, procedure, args, NULL, 0, on_reply, end, &serial, NULL);

        g_assert(is_sent);
        if (procedure->stream)
            end->streams[end->stream_count++] = rpc_stream_new(
                end->conn, &(RpcCallId){procedure, serial}, TRUE, &stream_handlers, end);
    }
}

/* Descriptors come with any bytes; what nobody claims must be closed. */
static void give_fds(End *end)
{
    for (int i = 0; i < 3; i++)
        rpc_connection_feed_fd(end->conn, open("/dev/null", O_RDONLY | O_CLOEXEC));
}

static void drain(End *end)
{
    RpcOutput output;

    while (rpc_connection_output(end->conn, &output)) {
        uint64_t len = output.window_left;

        for (unsigned i = 0; i < output.iov_count; i++)
            len += output.iov[i].iov_len;
        g_assert(len > 0);
        rpc_connection_consumed(end->conn, len);
    }
    g_assert(rpc_connection_unsent(end->conn) == 0);
}

/* Answers whether all was well to the end. */
static gboolean run(End *end, RpcRole role, uint8_t habits, size_t step, const uint8_t *data,
                    size_t size)
{
    gboolean is_ok = TRUE;

    *end = (End){.conn = rpc_connection_new(role, &handlers, end), .habits = habits, .sum = 1};
    if (habits & FDS)
        rpc_connection_allow_fds(end->conn);
    if (role == RPC_CLIENT)
        ask(end);
    for (size_t at = 0; at < size && is_ok; at += step) {
        if (habits & FDS && at < 16 * step)
            give_fds(end);
        is_ok = rpc_connection_feed(end->conn, data + at, MIN(step, size - at), 0, NULL);
        while (is_ok && habits & PAUSE) {
            rpc_connection_pause(end->conn, FALSE);
            if (!rpc_connection_has_waiting(end->conn))
                break;
            uint64_t before = end->sum;

            is_ok = rpc_connection_continue(end->conn, 0, NULL);
            if (end->sum == before)
                break;
        }
        drain(end);
    }
    if (habits & ENDS)
        rpc_connection_close(end->conn, NULL);
    for (unsigned i = 0; i < end->stream_count; i++)
        rpc_stream_free(end->streams[i]);
    if (!(habits & ENDS))
        drain(end);
    rpc_connection_free(end->conn);
    return is_ok;
}

/* The lowest descriptor that is free: the same before and after, if none was forgotten. */
static int free_fd(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    close(fd);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = free_fd();
    RpcRole role;
    uint8_t habits;
    size_t step;
    gboolean is_ok;
    End whole, cut;

    if (size < 2)
        return 0;
    role = data[0] & 128 ? RPC_CLIENT : RPC_SERVER;
    habits = data[0] & 127;
    step = 1 + data[1] % 97;
    is_ok = run(&whole, role, habits, size, data + 2, size - 2);
    if (habits & FDS) /* whether they come in time depends on the cut */
        run(&cut, role, habits, step, data + 2, size - 2);
    else if (run(&cut, role, habits, step, data + 2, size - 2) == is_ok)
        g_assert(whole.sum == cut.sum);
    else
        g_assert_not_reached();
    g_assert(free_fd() == fd);
    return 0;
}
