/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a reply has arrived: told once, and never too early. */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/server-private.h"
#include "server/test-help.h"

static int delivered, unsent, unknown;
static size_t reply_len;
static Caller *the_caller;

static void on_delivery(CallDelivery delivery, void *data)
{
    g_assert_true(data == &delivered);
    delivered += delivery == CALL_DELIVERED;
    unsent += delivery == CALL_UNSENT;
    unknown += delivery == CALL_DELIVERY_UNKNOWN;
}

static gboolean serve_open(Call *call, const RemoteConnectOpenArgs *args, void *ret, GError **error)
{
    return TRUE;
}

static gboolean serve_capabilities(Call *call, const void *args,
                                   RemoteConnectGetCapabilitiesRet *ret, GError **error)
{
    g_autofree char *text = g_strnfill(reply_len, 'c');

    call_on_delivery(call, on_delivery, &delivered);
    ret->capabilities = arena_strdup(call_arena(call), text);
    return TRUE;
}

/* Its client goes away while it runs. */
static AWAITS gboolean serve_hostname(Call *call, const void *args,
                                      RemoteConnectGetHostnameRet *ret, GError **error)
{
    call_on_delivery(call, on_delivery, &delivered);
    while (!caller_is_gone(call_caller(call)))
        if (!await_sleep(1, error))
            return FALSE;
    ret->hostname = arena_strdup(call_arena(call), "fedora1");
    return TRUE;
}

static gboolean serve_failure(Call *call, const void *args, void *ret, GError **error)
{
    call_on_delivery(call, on_delivery, &delivered);
    return error_set(error, ERROR_INTERNAL_ERROR, "no");
}

/* clang-format off */
static const ServerRow rows[] = {
    SERVER_ROW(REMOTE, CONNECT_OPEN,             serve_open,         CALL_INLINE, CALL_OPENS),
    SERVER_ROW(REMOTE, CONNECT_GET_CAPABILITIES, serve_capabilities, CALL_TASK,   0),
    SERVER_ROW(REMOTE, CONNECT_GET_HOSTNAME,     serve_hostname,     CALL_TASK,   0),
    SERVER_ROW(REMOTE, CONNECT_GET_TYPE,         serve_failure,      CALL_TASK,   0),
};
/* clang-format on */

static void case_body(void *data)
{
    server_init(&server_default_limits);
    server_add_rows(rows, G_N_ELEMENTS(rows));
    delivered = unsent = unknown = 0;
    reply_len = 10;
    ((TaskFunc)data)(NULL);
    server_clear();
}

static void run_case(TaskFunc fn)
{
    loop_test_run(case_body, (void *)fn);
}

/* Over TCP with a small window, so that a deaf client leaves the reply unacknowledged. */
static Client *open_tcp(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int small = 4096, one, two, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const RemoteConnectOpenArgs args = {.name = (char *)"qemu:///system"};
    g_autoptr(GError) error = NULL;
    Client *client;

    g_assert_cmpint(bind(listener, (struct sockaddr *)&address, len), ==, 0);
    g_assert_cmpint(listen(listener, 1), ==, 0);
    g_assert_cmpint(getsockname(listener, (struct sockaddr *)&address, &len), ==, 0);
    one = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(setsockopt(one, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), ==, 0);
    g_assert_cmpint(connect(one, (struct sockaddr *)&address, len), ==, 0);
    two = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    g_assert_cmpint(two, >=, 0);
    close(listener);
    the_caller = server_adopt(two, FALSE);
    client = client_new(one);
    client_call(client, REMOTE_PROGRAM, REMOTE_CONNECT_OPEN, &args, &error);
    g_assert_no_error(error);
    return client;
}

static void told_body(void *data)
{
    g_autoptr(Client) local = client_open(FALSE, NULL);
    g_autoptr(Client) remote = open_tcp();

    g_assert_nonnull(
        client_call(local, REMOTE_PROGRAM, REMOTE_CONNECT_GET_CAPABILITIES, NULL, NULL));
    wait_until(delivered == 1);
    g_assert_nonnull(
        client_call(remote, REMOTE_PROGRAM, REMOTE_CONNECT_GET_CAPABILITIES, NULL, NULL));
    wait_until(delivered == 2);
    client_call(local, REMOTE_PROGRAM, REMOTE_CONNECT_GET_TYPE, NULL, NULL);
    g_assert_cmpint(delivered + unsent + unknown, ==, 2); /* an error is nobody's question */
}

static void told(void)
{
    run_case(told_body);
}

static void late_body(void *data)
{
    g_autoptr(Client) client = open_tcp();
    g_autoptr(Answer) answer = NULL;

    reply_len = 100000; /* more than the window, less than the socket's buffer */
    client_set_deaf(client, TRUE);
    answer = client_send(client, REMOTE_PROGRAM, REMOTE_CONNECT_GET_CAPABILITIES, NULL);
    wait_until(the_caller->deliveries.length == 1 && rpc_connection_unsent(the_caller->conn) == 0);
    for (int i = 0; i < 20; i++)
        g_assert_true(await_sleep(1, NULL));
    g_assert_cmpint(delivered + unsent + unknown, ==, 0);
    client_set_deaf(client, FALSE);
    g_assert_true(await(answer->end, 10000, NULL));
    wait_until(delivered == 1);
}

/* Nothing is acknowledged by silence: the client stalls, then reads on. */
static void late(void)
{
    run_case(late_body);
}

static void outlives_body(void *data)
{
    g_autoptr(Client) client = open_tcp();
    g_autoptr(GError) reason = error_new(ERROR_RPC, "the test says so");
    g_autoptr(Answer) answer = NULL;

    reply_len = 100000;
    client_set_deaf(client, TRUE);
    answer = client_send(client, REMOTE_PROGRAM, REMOTE_CONNECT_GET_CAPABILITIES, NULL);
    wait_until(the_caller->deliveries.length == 1 && rpc_connection_unsent(the_caller->conn) == 0);
    caller_end(the_caller, reason);
    g_assert_cmpint(delivered + unsent + unknown, ==, 0);
    client_set_deaf(client, FALSE);
    g_assert_true(await(answer->end, 10000, NULL));
    wait_until(delivered == 1);
}

static void outlives(void)
{
    run_case(outlives_body);
}

static void reset_body(void *data)
{
    const struct linger hard = {.l_onoff = 1};
    g_autoptr(Client) client = open_tcp();
    g_autoptr(Answer) answer = NULL;

    reply_len = 100000;
    client_set_deaf(client, TRUE);
    answer = client_send(client, REMOTE_PROGRAM, REMOTE_CONNECT_GET_CAPABILITIES, NULL);
    wait_until(the_caller->deliveries.length == 1 && rpc_connection_unsent(the_caller->conn) == 0);
    g_assert_cmpint(setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), ==, 0);
    g_clear_pointer(&client, client_free);
    wait_until(unknown == 1);
    g_assert_cmpint(delivered + unsent, ==, 0);
}

static void reset(void)
{
    run_case(reset_body);
}

static void gone_body(void *data)
{
    g_autoptr(Client) client = open_tcp();
    g_autoptr(Answer) answer = client_send(client, REMOTE_PROGRAM, REMOTE_CONNECT_GET_HOSTNAME, NULL);

    wait_until(the_caller->running == 1);
    g_clear_pointer(&client, client_free);
    wait_until(unsent == 1);
    g_assert_cmpint(delivered + unknown, ==, 0);
}

static void gone(void)
{
    run_case(gone_body);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/server/delivery/is-told-when-the-client-has-it", told);
    g_test_add_func("/server/delivery/waits-for-a-client-that-stalls", late);
    g_test_add_func("/server/delivery/outlives-the-connection", outlives);
    g_test_add_func("/server/delivery/a-reset-leaves-it-unknown", reset);
    g_test_add_func("/server/delivery/a-client-that-has-gone-hears-nothing", gone);
    return g_test_run();
}
