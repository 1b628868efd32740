/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Streams tied to descriptors, and events. */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "server/test-help.h"

#define BULK (5 * 1024 * 1024)

static int console_fd = -1, tunnel_fd = -1;
static CallerStream *server_stream;
static gboolean refuses;
static GString *ends;

static gboolean serve_open(Call *call, const RemoteConnectOpenArgs *args, void *ret, GError **error)
{
    return TRUE;
}

static void on_end(CallerStream *stream, CallerStreamEnd end, void *data)
{
    g_assert_true(stream == server_stream);
    server_stream = NULL;
    g_string_append_printf(ends, "%s:%d;", (const char *)data, (int)end);
}

static gboolean serve_console(Call *call, const RemoteDomainOpenConsoleArgs *args, void *ret,
                              GError **error)
{
    server_stream = call_open_stream(call, fd_steal(&console_fd), on_end, (void *)"console", error);
    if (refuses)
        return error_set(error, ERROR_OPERATION_FAILED, "changed its mind");
    return server_stream != NULL;
}

static AWAITS gboolean serve_tunnel(Call *call, const RemoteDomainMigratePrepareTunnel3Args *args,
                                    RemoteDomainMigratePrepareTunnel3Ret *ret, GError **error)
{
    if (!await_sleep(1, error))
        return FALSE;
    server_stream = call_open_stream(call, fd_steal(&tunnel_fd), on_end, (void *)"tunnel", error);
    return server_stream != NULL;
}

static gboolean serve_register(Call *call,
                               const RemoteConnectDomainEventCallbackRegisterAnyArgs *args,
                               RemoteConnectDomainEventCallbackRegisterAnyRet *ret, GError **error)
{
    ret->callback_id = caller_subscribe(call_caller(call), CALLER_EVENTS_DOMAIN, args->event_id,
                                        args->dom ? &args->dom->uuid : NULL, NULL, NULL, error);
    return ret->callback_id >= 0;
}

static gboolean serve_deregister(Call *call,
                                 const RemoteConnectDomainEventCallbackDeregisterAnyArgs *args,
                                 void *ret, GError **error)
{
    return caller_unsubscribe(call_caller(call), CALLER_EVENTS_DOMAIN, args->callback_id, error);
}

/* clang-format off */
static const ServerRow rows[] = {
    SERVER_ROW(REMOTE, CONNECT_OPEN,            serve_open,    CALL_INLINE, CALL_OPENS),
    SERVER_ROW(REMOTE, DOMAIN_OPEN_CONSOLE,     serve_console, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, DOMAIN_MIGRATE_PREPARE_TUNNEL3, serve_tunnel, CALL_TASK, 0),
    SERVER_ROW(REMOTE, CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY,   serve_register,   CALL_INLINE, 0),
    SERVER_ROW(REMOTE, CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY, serve_deregister, CALL_INLINE, 0),
};
/* clang-format on */

static void case_body(void *data)
{
    server_init(&server_default_limits);
    server_add_rows(rows, G_N_ELEMENTS(rows));
    server_add_rows(server_session_rows, server_session_row_count);
    ends = g_string_new(NULL);
    refuses = FALSE;
    ((TaskFunc)(intptr_t)data)(NULL);
    server_clear();
    g_string_free(ends, TRUE);
}

static void run_case(TaskFunc fn)
{
    loop_test_run(case_body, (void *)(intptr_t)fn);
}

/* --- the client's side --- */

typedef struct {
    RpcStream *rpc;
    GByteArray *got;
    gboolean is_open, has_ended, is_finished, is_aborted;
    char *why;
} Stream;

static void on_open(RpcStream *rpc, void *data)
{
    ((Stream *)data)->is_open = TRUE;
}

static void on_data(RpcStream *rpc, const guint8 *bytes, size_t len, void *data)
{
    g_byte_array_append(((Stream *)data)->got, bytes, (guint)len);
}

static void on_stream_end(RpcStream *rpc, void *data)
{
    ((Stream *)data)->has_ended = TRUE;
}

static void on_finish(RpcStream *rpc, void *data)
{
    ((Stream *)data)->is_finished = TRUE;
}

static void on_abort(RpcStream *rpc, const GError *error, void *data)
{
    ((Stream *)data)->is_aborted = TRUE;
    ((Stream *)data)->why = g_strdup(error ? error->message : "");
}

static const RpcStreamHandlers handlers = {.on_open = on_open,
                                           .on_data = on_data,
                                           .on_end = on_stream_end,
                                           .on_finish = on_finish,
                                           .on_abort = on_abort};

static Stream *stream_open(Client *client, int32_t number, const void *args, gboolean *ret_is_ok)
{
    Stream *stream = g_new0(Stream, 1);
    g_autoptr(Answer) answer = client_send(client, REMOTE_PROGRAM, number, args);

    stream->got = g_byte_array_new();
    stream->rpc = rpc_stream_new(client->conn, &answer->id, FALSE, &handlers, stream);
    g_assert_true(await(answer->end, 10000, NULL));
    if (ret_is_ok)
        *ret_is_ok = !answer->error;
    else
        g_assert_no_error(answer->error);
    return stream;
}

static void stream_clear(Client *client, Stream *stream)
{
    rpc_stream_free(stream->rpc);
    client_flush(client);
    g_byte_array_unref(stream->got);
    g_free(stream->why);
    g_free(stream);
}

static guint8 *pattern(size_t len)
{
    guint8 *bytes = g_malloc(len);

    for (size_t i = 0; i < len; i++)
        bytes[i] = (guint8)(i * 31 + i / 4096);
    return bytes;
}

static int console_pair(void)
{
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==,
                    0);
    console_fd = pair[0];
    return pair[1];
}

static const RemoteDomainOpenConsoleArgs console_args = {.dom = {.name = (char *)"vm1"}};

/* --- both ways --- */

static void bulk_body(void *data)
{
    g_autoptr(Client) client = client_open(FALSE, NULL);
    auto_fd int guest = console_pair();
    Stream *stream = stream_open(client, REMOTE_DOMAIN_OPEN_CONSOLE, &console_args, NULL);
    g_autofree guint8 *bytes = pattern(BULK);
    g_autofree guint8 *back = g_malloc(BULK);
    size_t put = 0, got = 0;

    g_assert_true(rpc_stream_send(stream->rpc, bytes, BULK));
    client_flush(client);
    while (got < BULK || stream->got->len < BULK) {
        ssize_t step = send(guest, bytes + put, MIN(BULK - put, 100000), MSG_DONTWAIT);

        put += step > 0 ? (size_t)step : 0;
        step = recv(guest, back + got, MIN(BULK - got, 50000), MSG_DONTWAIT);
        got += step > 0 ? (size_t)step : 0;
        task_yield();
    }
    g_assert_cmpmem(back, BULK, bytes, BULK);
    g_assert_cmpmem(stream->got->data, stream->got->len, bytes, BULK);
    g_assert_cmpuint(caller_stream_bytes(server_stream), ==, 2 * BULK);
    g_assert_true(rpc_stream_finish(stream->rpc));
    client_flush(client);
    wait_until(stream->is_finished);
    g_assert_cmpstr(ends->str, ==, "console:0;");
    g_assert_cmpint(recv(guest, back, 1, 0), ==, 0);
    stream_clear(client, stream);
}

static void bytes_go_both_ways_at_the_slower_pace(void)
{
    run_case(bulk_body);
}

/* A guest that reads nothing: the client is paused, others are not, and calls get through again
 * later. */
static void pause_body(void *data)
{
    g_autoptr(Client) client = client_open(FALSE, NULL);
    g_autoptr(Client) other = client_open(FALSE, NULL);
    auto_fd int guest = console_pair();
    Stream *stream = stream_open(client, REMOTE_DOMAIN_OPEN_CONSOLE, &console_args, NULL);
    g_autofree guint8 *bytes = pattern(BULK);
    g_autofree guint8 *back = g_malloc(BULK);
    g_autoptr(Answer) answer = NULL;
    size_t got = 0;

    g_assert_true(rpc_stream_send(stream->rpc, bytes, BULK));
    answer = client_send(client, REMOTE_PROGRAM, REMOTE_AUTH_LIST, NULL);
    g_assert_true(await_sleep(30, NULL));
    g_assert_nonnull(client_call(other, REMOTE_PROGRAM, REMOTE_AUTH_LIST, NULL, NULL));
    g_assert_false(await_is_done(answer->end));
    g_assert_cmpuint(rpc_connection_unsent(client->conn), >, 1024 * 1024);
    while (got < BULK) {
        ssize_t step = recv(guest, back + got, BULK - got, MSG_DONTWAIT);

        got += step > 0 ? (size_t)step : 0;
        task_yield();
    }
    g_assert_cmpmem(back, BULK, bytes, BULK);
    g_assert_true(await(answer->end, 10000, NULL));
    stream_clear(client, stream);
    wait_until(!server_stream);
    g_assert_cmpstr(ends->str, ==, "console:1;");
}

static void who_does_not_read_pauses_its_client_only(void)
{
    run_case(pause_body);
}

static void ends_body(void *data)
{
    g_autoptr(Client) client = client_open(FALSE, NULL);
    g_autoptr(GError) cause = NULL;
    gboolean is_ok;
    Stream *stream;
    int guest;

    /* the guest ends */
    guest = console_pair();
    stream = stream_open(client, REMOTE_DOMAIN_OPEN_CONSOLE, &console_args, NULL);
    g_assert_cmpint(write(guest, "bye", 3), ==, 3);
    close(guest);
    wait_until(stream->has_ended);
    g_assert_cmpmem(stream->got->data, stream->got->len, "bye", 3);
    g_assert_true(rpc_stream_finish(stream->rpc));
    client_flush(client);
    wait_until(stream->is_finished);
    stream_clear(client, stream);
    /* it is taken away */
    guest = console_pair();
    stream = stream_open(client, REMOTE_DOMAIN_OPEN_CONSOLE, &console_args, NULL);
    error_set_from(&cause, FROM_STREAMS, ERROR_RPC, "taken over");
    caller_stream_fail(server_stream, cause);
    wait_until(stream->is_aborted);
    g_assert_cmpstr(stream->why, ==, "taken over");
    stream_clear(client, stream);
    close(guest);
    /* the call fails after all */
    refuses = TRUE;
    guest = console_pair();
    stream = stream_open(client, REMOTE_DOMAIN_OPEN_CONSOLE, &console_args, &is_ok);
    g_assert_false(is_ok);
    g_assert_true(stream->is_aborted);
    stream_clear(client, stream);
    refuses = FALSE;
    close(guest);
    /* a file is no stream */
    console_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    stream = stream_open(client, REMOTE_DOMAIN_OPEN_CONSOLE, &console_args, &is_ok);
    g_assert_false(is_ok);
    stream_clear(client, stream);
    /* the client vanishes */
    guest = console_pair();
    stream = stream_open(client, REMOTE_DOMAIN_OPEN_CONSOLE, &console_args, NULL);
    shutdown(client->fd, SHUT_RDWR);
    wait_until(!server_stream);
    stream_clear(client, stream);
    close(guest);
    g_assert_cmpstr(ends->str, ==, "console:0;console:2;console:2;console:1;");
}

static void every_end_is_told_once(void)
{
    run_case(ends_body);
}

/* --- tunnel --- */

static void tunnel_body(void *data)
{
    g_autoptr(Client) client = client_open(FALSE, NULL);
    const RemoteDomainMigratePrepareTunnel3Args args = {.dom_xml = (char *)"<domain/>"};
    g_autofree guint8 *bytes = pattern(BULK);
    g_autofree guint8 *back = g_malloc(BULK + 1);
    size_t put = 0, got = 0;
    Stream *stream;
    int pipe_fds[2];
    auto_fd int qemu = -1;

    g_assert_cmpint(pipe2(pipe_fds, O_CLOEXEC), ==, 0);
    qemu = pipe_fds[0];
    tunnel_fd = pipe_fds[1];
    fcntl(qemu, F_SETFL, O_NONBLOCK);
    stream = stream_open(client, REMOTE_DOMAIN_MIGRATE_PREPARE_TUNNEL3, &args, NULL);
    while (put < BULK) { /* frames of any size, calls between them */
        size_t step = MIN(BULK - put, 1 + (put * 7) % 300000);

        g_assert_true(rpc_stream_send(stream->rpc, bytes + put, step));
        put += step;
    }
    client_flush(client);
    g_assert_true(await_sleep(20, NULL)); /* the pipe is full now */
    g_assert_true(rpc_stream_finish(stream->rpc));
    client_flush(client);
    while (got < BULK) {
        ssize_t step = read(qemu, back + got, BULK - got);

        got += step > 0 ? (size_t)step : 0;
        task_yield();
    }
    wait_until(stream->is_finished);
    g_assert_cmpmem(back, BULK, bytes, BULK);
    g_assert_cmpint(read(qemu, back, 1), ==, 0);
    g_assert_cmpstr(ends->str, ==, "tunnel:0;");
    stream_clear(client, stream);
}

static void a_tunnel_is_spliced_to_its_pipe(void)
{
    run_case(tunnel_body);
}

static void broken_pipe_body(void *data)
{
    g_autoptr(Client) client = client_open(FALSE, NULL);
    const RemoteDomainMigratePrepareTunnel3Args args = {.dom_xml = (char *)"<domain/>"};
    g_autofree guint8 *bytes = pattern(BULK);
    Stream *stream;
    int pipe_fds[2];

    g_assert_cmpint(pipe2(pipe_fds, O_CLOEXEC), ==, 0);
    tunnel_fd = pipe_fds[1];
    stream = stream_open(client, REMOTE_DOMAIN_MIGRATE_PREPARE_TUNNEL3, &args, NULL);
    g_assert_true(rpc_stream_send(stream->rpc, bytes, BULK));
    client_flush(client);
    g_assert_true(await_sleep(20, NULL));
    close(pipe_fds[0]);
    wait_until(stream->is_aborted);
    g_assert_nonnull(strstr(stream->why, "Broken pipe"));
    g_assert_nonnull(client_call(client, REMOTE_PROGRAM, REMOTE_AUTH_LIST, NULL,
                                 NULL)); /* the connection lives */
    g_assert_cmpstr(ends->str, ==, "tunnel:2;");
    stream_clear(client, stream);
}

static void a_reader_that_goes_fails_the_tunnel_only(void)
{
    run_case(broken_pipe_body);
}

/* --- events --- */

static void send_lifecycle(const CallerSubscription *subscription, void *data)
{
    const RemoteDomainEventCallbackLifecycleMsg msg = {
        .callback_id = subscription->callback_id,
        .msg = {.dom = {.name = (char *)"vm1"}, .event = GPOINTER_TO_INT(data)},
    };

    caller_send_event(subscription->caller, REMOTE_PROGRAM, REMOTE_DOMAIN_EVENT_CALLBACK_LIFECYCLE,
                      &msg);
}

static void count_close(Caller *caller, void *data)
{
    g_assert_true(caller_is_gone(caller));
    ++*(int *)data;
}

static unsigned count_in(const char *text, const char *word)
{
    unsigned count = 0;

    for (; (text = strstr(text, word)); text++)
        count++;
    return count;
}

static void events_body(void *data)
{
    Caller *caller;
    g_autoptr(Client) client = client_open(FALSE, &caller);
    RemoteConnectDomainEventCallbackRegisterAnyArgs all = {.event_id = 0};
    WireDomain dom = {.name = (char *)"vm1", .uuid = {{1}}};
    RemoteConnectDomainEventCallbackRegisterAnyArgs one = {.event_id = 0, .dom = &dom};
    const Uuid other = {{2}};
    RemoteConnectDomainEventCallbackDeregisterAnyArgs deregister;
    const RemoteConnectDomainEventCallbackRegisterAnyRet *ret;
    g_autoptr(GError) error = NULL;
    int closes = 0;
    CallerHook *hook;

    g_assert_false(callers_want_event(CALLER_EVENTS_DOMAIN, 0));
    ret = client_call(client, REMOTE_PROGRAM, REMOTE_CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY,
                      &all, NULL);
    deregister.callback_id = ret->callback_id;
    client_call(client, REMOTE_PROGRAM, REMOTE_CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY, &one,
                NULL);
    g_assert_true(callers_want_event(CALLER_EVENTS_DOMAIN, 0));
    callers_each_subscription(CALLER_EVENTS_DOMAIN, 0, &dom.uuid, send_lifecycle,
                              GINT_TO_POINTER(4));
    callers_each_subscription(CALLER_EVENTS_DOMAIN, 0, &other, send_lifecycle, GINT_TO_POINTER(5));
    callers_each_subscription(CALLER_EVENTS_DOMAIN, 1, &other, send_lifecycle, GINT_TO_POINTER(6));
    client_call(client, REMOTE_PROGRAM, REMOTE_CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY,
                &deregister, &error);
    g_assert_no_error(error);
    callers_each_subscription(CALLER_EVENTS_DOMAIN, 0, &other, send_lifecycle, GINT_TO_POINTER(7));
    client_call(client, REMOTE_PROGRAM, REMOTE_CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY,
                &deregister, &error);
    g_assert_true(error_is(error, ERROR_INTERNAL_ERROR));
    g_assert_cmpuint(count_in(client->events->str, "event=4"), ==, 2);
    g_assert_cmpuint(count_in(client->events->str, "event=5"), ==, 1);
    g_assert_cmpuint(count_in(client->events->str, "event="), ==, 3);
    hook = caller_on_close(caller, count_close, &closes);
    caller_drop_hook(hook);
    caller_on_close(caller, count_close, &closes);
    g_clear_pointer(&client, client_free);
    wait_until(closes > 0);
    g_assert_cmpint(closes, ==, 1);
    g_assert_false(callers_want_event(CALLER_EVENTS_DOMAIN, 0));
}

static void events_go_to_those_who_asked(void)
{
    run_case(events_body);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/server/stream/bytes-go-both-ways-at-the-slower-pace",
                    bytes_go_both_ways_at_the_slower_pace);
    g_test_add_func("/server/stream/who-does-not-read-pauses-its-client-only",
                    who_does_not_read_pauses_its_client_only);
    g_test_add_func("/server/stream/every-end-is-told-once", every_end_is_told_once);
    g_test_add_func("/server/stream/a-tunnel-is-spliced-to-its-pipe",
                    a_tunnel_is_spliced_to_its_pipe);
    g_test_add_func("/server/stream/a-reader-that-goes-fails-the-tunnel-only",
                    a_reader_that_goes_fails_the_tunnel_only);
    g_test_add_func("/server/subscription/events-go-to-those-who-asked",
                    events_go_to_those_who_asked);
    return g_test_run();
}
