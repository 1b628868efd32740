/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The blocking pump: polls the link of a connection (and of its companion), feeds what comes to the
 * RPC engine and writes what it wants written.  The engine is pure; all waiting of the library
 * happens in this file. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "connection.h"

void connection_lose(FerryConnection *conn, GError *reason)
{
    if (conn->lost) {
        g_error_free(reason);
        return;
    }
    conn->lost = reason;
    rpc_connection_close(conn->rpc, reason);
}

/* The far end has closed, or reading failed (cause, taken): a command may have said why. */
static GError *end_reason(FerryConnection *conn, GError *cause)
{
    g_autofree char *words =
        conn->link->kind == LINK_KIND_COMMAND ? link_command_words(conn->link) : NULL;
    GError *error = NULL;

    if (words && *words)
        error_set_from(&error, FROM_RPC, ERROR_SYSTEM_ERROR,
                       "Cannot recv data: %s: Connection reset by peer", words);
    else if (cause)
        return cause;
    else
        error_set_from(&error, FROM_RPC, ERROR_SYSTEM_ERROR,
                       "End of file while reading data: Input/output error");
    g_clear_error(&cause);
    return error;
}

void connection_flush(FerryConnection *conn)
{
    RpcOutput output;

    while (!conn->lost && rpc_connection_output(conn->rpc, &output) && output.fd < 0 &&
           !output.window) {
        GError *error = NULL;
        size_t written = 0;

        switch (link_write(conn->link, output.iov[0].iov_base, output.iov[0].iov_len, &written,
                           &error)) {
        case LINK_OK:
            rpc_connection_consumed(conn->rpc, written);
            continue;
        case LINK_AGAIN:
            return;
        case LINK_END:
            connection_lose(conn, end_reason(conn, NULL));
            return;
        case LINK_FAILED:
            connection_lose(conn, end_reason(conn, error));
            return;
        }
    }
}

static void take_input(FerryConnection *conn)
{
    guint8 buffer[RPC_READ_SIZE];
    size_t len = 0, room = MIN(rpc_connection_read_hint(conn->rpc), sizeof buffer);
    GError *error = NULL;

    if (room == 0)
        return;
    switch (link_read(conn->link, buffer, room, NULL, &len, &error)) {
    case LINK_OK:
        if (!rpc_connection_feed(conn->rpc, buffer, len, clock_now_ms(), &error))
            connection_lose(conn, error);
        return;
    case LINK_AGAIN:
        return;
    case LINK_END:
        connection_lose(conn, end_reason(conn, NULL));
        return;
    case LINK_FAILED:
        connection_lose(conn, end_reason(conn, error));
        return;
    }
}

static void tick(FerryConnection *conn)
{
    GError *error = NULL;

    if (conn->lost)
        return;
    if (clock_now_ms() >= conn->login_deadline_ms)
        error_set_from(&error, FROM_RPC, ERROR_SYSTEM_ERROR, "the daemon at '%s' does not answer",
                       conn->uri_text);
    else if (conn->is_held) /* silent to us, because we do not listen */
        rpc_connection_heard(conn->rpc, clock_now_ms());
    if (!error && rpc_connection_tick(conn->rpc, clock_now_ms(), &error))
        return;
    connection_lose(conn, error);
}

/* FALSE: nothing to poll. */
static gboolean poll_prepare(FerryConnection *conn, struct pollfd *ret_entry, int64_t *deadline_ms)
{
    RpcOutput output;

    *ret_entry = (struct pollfd){.fd = -1};
    if (!conn || conn->lost)
        return FALSE;
    connection_flush(conn);
    if (conn->lost)
        return FALSE;
    ret_entry->fd = conn->link->fd;
    ret_entry->events = (conn->is_held ? 0 : POLLIN) | (rpc_connection_output(conn->rpc, &output) ? POLLOUT : 0);
    *deadline_ms =
        MIN(*deadline_ms, MIN(rpc_connection_next_deadline(conn->rpc), conn->login_deadline_ms));
    return TRUE;
}

static void poll_done(FerryConnection *conn, const struct pollfd *entry)
{
    if (entry->fd < 0)
        return;
    if (entry->revents & (POLLIN | POLLHUP | POLLERR))
        take_input(conn);
    connection_flush(conn);
    tick(conn);
}

static int poll_timeout(int64_t deadline_ms)
{
    if (deadline_ms == INT64_MAX)
        return -1;
    return (int)CLAMP(deadline_ms - clock_now_ms(), 0, INT_MAX);
}

PumpResult connection_pump(FerryConnection *conn, int extra_fd, int64_t deadline_ms)
{
    struct pollfd entries[3];
    gboolean has_any = poll_prepare(conn, &entries[0], &deadline_ms);
    int ready;

    poll_prepare(conn->companion, &entries[1], &deadline_ms);
    entries[2] = (struct pollfd){.fd = extra_fd, .events = POLLIN};
    if (!has_any)
        return PUMP_MOVED; /* it has ended: whoever waits will see */
    ready = poll(entries, G_N_ELEMENTS(entries), poll_timeout(deadline_ms));
    if (ready < 0)
        return errno == EINTR ? PUMP_INTERRUPTED : PUMP_MOVED;
    poll_done(conn, &entries[0]);
    if (conn->companion)
        poll_done(conn->companion, &entries[1]);
    if (entries[2].revents)
        return PUMP_EXTRA;
    return ready > 0 ? PUMP_MOVED : PUMP_TIMEOUT;
}

gboolean connection_check(const FerryConnection *conn, GError **error)
{
    if (conn->lost && error)
        *error = g_error_copy(conn->lost);
    return !conn->lost;
}

bool ferry_connection_wait(FerryConnection *conn, int extra_fd, int timeout_ms, FerryError **error)
{
    int64_t deadline_ms = timeout_ms < 0 ? INT64_MAX : clock_now_ms() + timeout_ms;

    while (!conn->lost) {
        PumpResult result = connection_pump(conn, extra_fd, deadline_ms);

        if (result != PUMP_TIMEOUT || clock_now_ms() >= deadline_ms)
            return connection_check(conn, error);
    }
    return connection_check(conn, error);
}

/* ---- calls ---- */

typedef struct {
    gboolean is_done;
    GError *error;
    GByteArray *body;
} Pending;

static void on_reply(const RpcReply *reply, void *data)
{
    Pending *pending = data;

    pending->is_done = TRUE;
    if (reply->error)
        pending->error = g_error_copy(reply->error);
    else
        g_byte_array_append(pending->body, reply->body, (guint)reply->body_len);
}

/* How one waits: idle (may be NULL) is called every interval_ms. */
typedef struct {
    int interval_ms;
    IdleFunc idle;
    void *data;
} Patience;

static gboolean wait_reply(FerryConnection *conn, Pending *pending, const Patience *patience,
                           const WireProcedure *procedure, Arena *arena, void *ret, GError **error)
{
    int64_t next_ms = patience->idle ? clock_now_ms() + patience->interval_ms : INT64_MAX;

    while (!pending->is_done) {
        PumpResult result = connection_pump(conn, -1, next_ms);

        if (patience->idle && !pending->is_done &&
            (result == PUMP_INTERRUPTED || clock_now_ms() >= next_ms)) {
            patience->idle(patience->data);
            next_ms = clock_now_ms() + patience->interval_ms;
        }
    }
    if (pending->error) {
        g_propagate_error(error, pending->error);
        return FALSE;
    }
    return !ret || wire_decode_into(procedure->ret, pending->body->data, pending->body->len, arena,
                                    ret, error);
}

static gboolean call(FerryConnection *conn, const WireProcedure *procedure, const void *args,
                     Arena *arena, void *ret, const Patience *patience, GError **error)
{
    g_autoptr(GByteArray) body = g_byte_array_new();
    Pending pending = {.body = body};
    uint32_t serial;

    return connection_check(conn, error) &&
           rpc_connection_call(conn->rpc, procedure, args, NULL, 0, on_reply, &pending, &serial,
                               error) &&
           wait_reply(conn, &pending, patience, procedure, arena, ret, error);
}

RpcStream *connection_call_stream(FerryConnection *conn, const StreamCall *wanted, const void *args,
                                  Arena *arena, void *ret, int interval_ms, IdleFunc idle,
                                  void *data, GError **error)
{
    const Patience patience = {interval_ms, idle, data};
    RpcCallId id = {.procedure = wire_procedure_get(wanted->program, wanted->procedure)};
    g_autoptr(GByteArray) body = g_byte_array_new();
    Pending pending = {.body = body};
    RpcStream *stream;

    if (!connection_check(conn, error) ||
        !rpc_connection_call(conn->rpc, id.procedure, args, NULL, 0, on_reply, &pending, &id.serial,
                             error))
        return NULL;
    stream = rpc_stream_new(conn->rpc, &id, FALSE, wanted->handlers, wanted->data);
    if (!wait_reply(conn, &pending, &patience, id.procedure, arena, ret, error))
        g_clear_pointer(&stream, rpc_stream_free);
    return stream;
}

gboolean connection_call(FerryConnection *conn, uint32_t program, int32_t procedure,
                         const void *args, Arena *arena, void *ret, GError **error)
{
    static const Patience endless = {0};

    return call(conn, wire_procedure_get(program, procedure), args, arena, ret, &endless, error);
}

gboolean connection_call_long(FerryConnection *conn, int32_t procedure, const void *args,
                              Arena *arena, void *ret, int interval_ms, IdleFunc idle, void *data,
                              GError **error)
{
    const Patience patience = {interval_ms, idle, data};

    return call(conn, wire_procedure_get(REMOTE_PROGRAM, procedure), args, arena, ret, &patience,
                error);
}
