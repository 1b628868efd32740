/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls, their order, their limits; who may come in and who has to go. */
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/server-private.h"
#include "server/test-help.h"

static Condition *gate;
static gboolean is_gate_open;
static int suspends_running, suspends_most, aborts;

static gboolean serve_open(Call *call, const RemoteConnectOpenArgs *args, void *ret, GError **error)
{
    if (!args->name)
        return error_set(error, ERROR_INTERNAL_ERROR, "no name");
    if (args->flags & 1)
        caller_set_readonly(call_caller(call));
    return TRUE;
}

static gboolean serve_feature(Call *call, const RemoteConnectSupportsFeatureArgs *args,
                              RemoteConnectSupportsFeatureRet *ret, GError **error)
{
    ret->supported = args->feature == 10;
    return TRUE;
}

static gboolean serve_hostname(Call *call, const void *args, RemoteConnectGetHostnameRet *ret,
                               GError **error)
{
    ret->hostname = arena_strdup(call_arena(call), "fedora1");
    return TRUE;
}

static gboolean serve_capabilities(Call *call, const void *args,
                                   RemoteConnectGetCapabilitiesRet *ret, GError **error)
{
    g_autofree char *text = g_strnfill(300000, 'c');

    ret->capabilities = arena_strdup(call_arena(call), text);
    return TRUE;
}

static AWAITS gboolean serve_suspend(Call *call, const RemoteDomainSuspendArgs *args, void *ret,
                                     GError **error)
{
    suspends_running++;
    suspends_most = MAX(suspends_most, suspends_running);
    while (!is_gate_open)
        if (!condition_wait(gate, 10000, error))
            return FALSE;
    suspends_running--;
    if (args->dom.id == 13)
        return error_set(error, ERROR_NO_DOMAIN, "no such domain '%s'", args->dom.name);
    return args->dom.id != 14;
}

static AWAITS gboolean serve_abort(Call *call, const void *args, void *ret, GError **error)
{
    aborts++;
    return await_sleep(1, error);
}

static gboolean serve_slow(Call *call, const void *args, RemoteConnectGetTypeRet *ret,
                           GError **error)
{
    usleep(200); /* a call that takes its time, on the loop thread */
    ret->type = arena_strdup(call_arena(call), "QEMU");
    return TRUE;
}

/* clang-format off */
static const ServerRow rows[] = {
    SERVER_ROW(REMOTE, CONNECT_OPEN,             serve_open,         CALL_INLINE, CALL_OPENS),
    SERVER_ROW(REMOTE, CONNECT_SUPPORTS_FEATURE, serve_feature,      CALL_INLINE, CALL_BEFORE_OPEN),
    SERVER_ROW(REMOTE, CONNECT_GET_HOSTNAME,     serve_hostname,     CALL_INLINE, 0),
    SERVER_ROW(REMOTE, CONNECT_GET_CAPABILITIES, serve_capabilities, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, CONNECT_GET_TYPE,         serve_slow,         CALL_INLINE, 0),
    SERVER_ROW(REMOTE, DOMAIN_SUSPEND,           serve_suspend,      CALL_TASK,   0),
    SERVER_ROW(REMOTE, DOMAIN_ABORT_JOB,         serve_abort,        CALL_TASK,   CALL_URGENT),
};
/* clang-format on */

static ServerLimits limits;

typedef struct {
    TaskFunc fn;
} Case;

static void case_body(void *data)
{
    server_init(&limits);
    server_add_rows(rows, G_N_ELEMENTS(rows));
    server_add_rows(server_session_rows, server_session_row_count);
    gate = condition_new("the gate");
    is_gate_open = FALSE;
    suspends_running = suspends_most = aborts = 0;
    ((Case *)data)->fn(NULL);
    server_clear();
    g_clear_pointer(&gate, condition_free);
}

static void run_case(TaskFunc fn)
{
    Case the_case = {fn};

    loop_test_run(case_body, &the_case);
    limits = server_default_limits;
}

static void open_gate(void)
{
    is_gate_open = TRUE;
    condition_signal(gate);
}

static const RemoteConnectOpenArgs open_args = {.name = (char *)"qemu:///system"};

static void expect(Client *client, int32_t number, const void *args, ErrorCode code,
                   ErrorDomain domain, const char *text)
{
    g_autoptr(GError) error = NULL;

    client_call(client, REMOTE_PROGRAM, number, args, &error);
    if (code == ERROR_OK) {
        g_assert_no_error(error);
        return;
    }
    g_assert_nonnull(error);
    g_assert_cmpint(error_code(error), ==, code);
    g_assert_cmpint(error_domain(error), ==, domain);
    g_assert_nonnull(strstr(error->message, text));
}

/* --- order --- */

static void order_body(void *data)
{
    g_autoptr(Client) client = client_connect(FALSE, NULL);
    const RemoteConnectOpenArgs nameless = {0};
    const RemoteConnectSupportsFeatureArgs feature = {10};
    const RemoteAuthListRet *list;

    expect(client, REMOTE_CONNECT_GET_HOSTNAME, NULL, ERROR_INTERNAL_ERROR, FROM_RPC,
           "connection not open");
    list = client_call(client, REMOTE_PROGRAM, REMOTE_AUTH_LIST, NULL, NULL);
    g_assert_true(list->types_count == 1 && list->types[0] == 0);
    expect(client, REMOTE_CONNECT_SUPPORTS_FEATURE, &feature, ERROR_OK, 0, NULL);
    expect(client, REMOTE_CONNECT_OPEN, &nameless, ERROR_INTERNAL_ERROR, FROM_QEMU, "no name");
    expect(client, REMOTE_CONNECT_OPEN, &open_args, ERROR_OK, 0, NULL);
    expect(client, REMOTE_CONNECT_GET_HOSTNAME, NULL, ERROR_OK, 0, NULL);
    expect(client, REMOTE_CONNECT_REGISTER_CLOSE_CALLBACK, NULL, ERROR_OK, 0, NULL);
    expect(client, REMOTE_CONNECT_OPEN, &open_args, ERROR_INTERNAL_ERROR, FROM_RPC, "already open");
    expect(client, REMOTE_CONNECT_GET_HOSTNAME, NULL, ERROR_INTERNAL_ERROR, FROM_RPC,
           "connection not open");
    expect(client, REMOTE_CONNECT_CLOSE, NULL, ERROR_OK, 0, NULL);
    wait_until(client->is_ended);
    g_assert_cmpuint(server_client_count(), ==, 0);
}

static void connections_open_once_and_close(void)
{
    run_case(order_body);
}

/* --- refusals --- */

static void refusals_body(void *data)
{
    g_autoptr(Client) client = client_open(FALSE, NULL);
    g_autoptr(Client) reader = client_open(TRUE, NULL);
    g_autoptr(Client) asked = client_connect(FALSE, NULL);
    const RemoteConnectOpenArgs readonly = {.name = (char *)"", .flags = 1};
    const RemoteDomainSuspendArgs suspend = {.dom = {.name = (char *)"vm1"}};
    const RemoteDomainSuspendArgs missing = {.dom = {.name = (char *)"vm1", .id = 13}};
    const RemoteDomainSuspendArgs silent = {.dom = {.name = (char *)"vm1", .id = 14}};

    expect(client, REMOTE_DOMAIN_RESUME, &suspend, ERROR_NO_SUPPORT, FROM_RPC,
           "not supported by the connection driver: domain_resume");
    expect(reader, REMOTE_DOMAIN_SUSPEND, &suspend, ERROR_OPERATION_DENIED, FROM_DOMAIN,
           "read only access prevents");
    expect(asked, REMOTE_CONNECT_OPEN, &readonly, ERROR_OK, 0, NULL);
    expect(asked, REMOTE_DOMAIN_SUSPEND, &suspend, ERROR_OPERATION_DENIED, FROM_DOMAIN,
           "read only access prevents");
    expect(reader, REMOTE_AUTH_LIST, NULL, ERROR_OK, 0, NULL);
    open_gate();
    expect(client, REMOTE_DOMAIN_SUSPEND, &missing, ERROR_NO_DOMAIN, FROM_QEMU,
           "no such domain 'vm1'");
    expect(client, REMOTE_DOMAIN_SUSPEND, &silent, ERROR_INTERNAL_ERROR, FROM_RPC,
           "cause is unknown");
}

static void refusals_say_why(void)
{
    run_case(refusals_body);
}

static void undecodable_body(void *data)
{
    /* connect_open whose name says it is longer than the body */
    static const guint8 frame[] = {0, 0, 0, 36, 0x20, 0, 0x80, 0x86, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0,
                                   0, 0, 0, 0,  0,    9, 0,    0,    0, 0, 0, 0, 0, 1, 0, 0, 1, 0};
    guint8 reply[512];
    int pair[2];
    ssize_t got;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==,
                    0);
    server_adopt(pair[0], FALSE);
    g_assert_cmpint(write(pair[1], frame, sizeof frame), ==, sizeof frame);
    wait_until((got = recv(pair[1], reply, sizeof reply, MSG_DONTWAIT)) > 0);
    g_assert_cmpint(got, >, 36);
    g_assert_cmpint(reply[27], ==, 1);  /* an error */
    g_assert_cmpint(reply[31], ==, 39); /* ERROR_RPC */
    g_assert_cmpint(reply[35], ==, 7);  /* FROM_RPC */
    g_assert_cmpuint(server_client_count(), ==, 1);
    close(pair[1]);
    wait_until(server_client_count() == 0);
}

static void what_cannot_be_decoded_is_answered(void)
{
    run_case(undecodable_body);
}

/* --- tasks --- */

static void limits_body(void *data)
{
    g_autoptr(Client) client = client_open(FALSE, NULL);
    g_autoptr(Client) other = client_open(FALSE, NULL);
    const RemoteDomainSuspendArgs suspend = {.dom = {.name = (char *)"vm1"}};
    const RemoteDomainAbortJobArgs abort_job = {.dom = {.name = (char *)"vm1"}};
    Answer *answers[10];

    for (int i = 0; i < 10; i++)
        answers[i] = client_send(client, REMOTE_PROGRAM, REMOTE_DOMAIN_SUSPEND, &suspend);
    wait_until(suspends_running == 2);
    expect(client, REMOTE_DOMAIN_ABORT_JOB, &abort_job, ERROR_OK, 0, NULL);
    expect(client, REMOTE_CONNECT_GET_HOSTNAME, NULL, ERROR_OK, 0, NULL);
    g_assert_cmpint(aborts, ==, 1);
    /* the limit of all is 3: one more of the other client, and then nothing but what is urgent */
    expect(other, REMOTE_CONNECT_GET_HOSTNAME, NULL, ERROR_OK, 0, NULL);
    expect(other, REMOTE_DOMAIN_ABORT_JOB, &abort_job, ERROR_OK, 0, NULL);
    open_gate();
    for (int i = 0; i < 10; i++) {
        g_assert_true(await(answers[i]->end, 10000, NULL));
        g_assert_no_error(answers[i]->error);
        answer_free(answers[i]);
    }
    g_assert_cmpint(suspends_most, ==, 2);
}

static void tasks_are_bounded_but_aborts_get_through(void)
{
    limits.max_client_calls = 2;
    limits.max_calls = 3;
    run_case(limits_body);
}

static void overall_body(void *data)
{
    g_autoptr(Client) a = client_open(FALSE, NULL);
    g_autoptr(Client) b = client_open(FALSE, NULL);
    const RemoteDomainSuspendArgs suspend = {.dom = {.name = (char *)"vm1"}};
    Answer *answers[8];

    for (int i = 0; i < 4; i++)
        answers[i] = client_send(a, REMOTE_PROGRAM, REMOTE_DOMAIN_SUSPEND, &suspend);
    for (int i = 4; i < 8; i++)
        answers[i] = client_send(b, REMOTE_PROGRAM, REMOTE_DOMAIN_SUSPEND, &suspend);
    wait_until(suspends_running == 3);
    open_gate();
    for (int i = 0; i < 8; i++) {
        g_assert_true(await(answers[i]->end, 10000, NULL));
        answer_free(answers[i]);
    }
    g_assert_cmpint(suspends_most, ==, 3);
}

static void waiting_calls_of_all_clients_are_served_in_turn(void)
{
    limits.max_calls = 3;
    run_case(overall_body);
}

/* Ten waiting calls too many, and a client that goes away in the middle. */
static void vanish_body(void *data)
{
    g_autoptr(Client) client = client_open(FALSE, NULL);
    const RemoteDomainSuspendArgs suspend = {.dom = {.name = (char *)"vm1"}};
    Answer *answers[40];

    for (int i = 0; i < 40; i++)
        answers[i] = client_send(client, REMOTE_PROGRAM, REMOTE_DOMAIN_SUSPEND, &suspend);
    wait_until(suspends_running == 2);
    g_clear_pointer(&client, client_free);
    wait_until(server_client_count() == 0);
    for (int i = 0; i < 40; i++) {
        g_assert_true(await_is_done(answers[i]->end));
        answer_free(answers[i]);
    }
    open_gate();
    wait_until(suspends_running == 0);
}

static void a_client_that_vanishes_takes_its_waiting_calls_along(void)
{
    limits.max_client_calls = 2;
    run_case(vanish_body);
}

/* --- who may come in --- */

static void login_body(void *data)
{
    g_autoptr(Client) open = client_open(FALSE, NULL);
    g_autoptr(Client) idle = NULL;

    server.limits.login_timeout_ms = 30;
    idle = client_connect(FALSE, NULL);
    wait_until(idle->is_ended);
    g_assert_false(open->is_ended);
    g_assert_cmpuint(server_client_count(), ==, 1);
}

static void log_in_must_come_in_time(void)
{
    run_case(login_body);
}

static guint16 listen_on_loopback(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t len = sizeof address;

    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, len), ==, 0);
    g_assert_cmpint(listen(fd, 100), ==, 0);
    g_assert_cmpint(getsockname(fd, (struct sockaddr *)&address, &len), ==, 0);
    g_assert_true(server_add_listener(fd, NULL, FALSE, NULL));
    return ntohs(address.sin_port);
}

static Client *connect_tcp(guint16 port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    return client_new(fd);
}

static void address_body(void *data)
{
    guint16 port = listen_on_loopback();
    Client *clients[5];
    unsigned ended = 0;

    for (int i = 0; i < 5; i++)
        clients[i] = connect_tcp(port);
    wait_until(server_client_count() == 3 && server.outside.length == 2);
    /* one that has logged in does not count any more */
    expect(clients[0], REMOTE_CONNECT_OPEN, &open_args, ERROR_OK, 0, NULL);
    wait_until(server_client_count() == 4 && server.outside.length == 1);
    expect(clients[3], REMOTE_CONNECT_OPEN, &open_args, ERROR_OK, 0, NULL);
    wait_until(server_client_count() == 5 && server.outside.length == 0);
    client_free(clients[4]);
    clients[4] = connect_tcp(port);
    wait_until(server_client_count() == 5 && server.outside.length == 0); /* nor does one that has left */
    if (geteuid() == 0) { /* root on a unix socket is of no address */
        g_autoptr(Client) root = client_open(FALSE, NULL);

        g_assert_nonnull(root);
    }
    for (int i = 0; i < 5; i++) {
        ended += clients[i]->is_ended;
        client_free(clients[i]);
    }
    g_assert_cmpuint(ended, ==, 0);
    wait_until(server_client_count() == 0);
}

static void one_address_may_not_take_all_places(void)
{
    limits.max_anonymous_per_address = 3;
    run_case(address_body);
}

static void patience_body(void *data)
{
    guint16 port = listen_on_loopback();
    Client *clients[6];
    unsigned ended = 0;

    clients[0] = connect_tcp(port);
    wait_until(server_client_count() == 1);
    server.limits.login_timeout_ms = 500;
    for (int i = 1; i < 6; i++)
        clients[i] = connect_tcp(port);
    wait_until(server.outside.length == 4 && clients[5]->is_ended);
    for (int i = 1; i < 5; i++)
        wait_until(clients[i]->is_ended);
    g_assert_cmpuint(server.outside.length, ==, 0);
    for (int i = 0; i < 6; i++) {
        ended += clients[i]->is_ended;
        client_free(clients[i]);
    }
    g_assert_cmpuint(ended, ==, 5);
}

static void who_waits_for_a_place_is_one_of_few_and_not_for_ever(void)
{
    limits.max_anonymous = 4;
    limits.max_anonymous_per_address = 1;
    run_case(patience_body);
}

static void reserve_body(void *data)
{
    guint16 port = listen_on_loopback();
    Client *clients[16];
    unsigned ended = 0;

    for (int i = 0; i < 16; i++)
        clients[i] = connect_tcp(port);
    wait_until(server_client_count() == 14);
    if (geteuid() == 0) {
        g_autoptr(Client) first = client_open(FALSE, NULL);
        g_autoptr(Client) second = client_open(FALSE, NULL);

        g_assert_null(client_connect(FALSE, NULL)); /* 16 are 16 */
        g_assert_cmpuint(server_client_count(), ==, 16);
    }
    for (int i = 0; i < 16; i++) {
        ended += clients[i]->is_ended;
        client_free(clients[i]);
    }
    g_assert_cmpuint(ended, ==, 2);
}

static void an_eighth_is_kept_for_root(void)
{
    limits.max_clients = 16;
    run_case(reserve_body);
}

static void frame_body(void *data)
{
    static const guint8 length[] = {0, 1, 0, 4};
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==,
                    0);
    server_adopt(pair[0], FALSE);
    g_assert_cmpint(write(pair[1], length, sizeof length), ==, sizeof length);
    wait_until(server_client_count() == 0);
    close(pair[1]);
}

static void before_log_in_frames_are_small(void)
{
    run_case(frame_body);
}

/* --- who has to go --- */

static void unread_body(void *data)
{
    g_autoptr(Client) client = client_open(FALSE, NULL);
    g_autoptr(Client) other = client_open(FALSE, NULL);
    Answer *answers[20];

    client_set_deaf(client, TRUE);
    for (int i = 0; i < 20; i++)
        answers[i] = client_send(client, REMOTE_PROGRAM, REMOTE_CONNECT_GET_CAPABILITIES, NULL);
    wait_until(client->is_ended);
    g_assert_cmpuint(server_client_count(), ==, 1);
    for (int i = 0; i < 20; i++) {
        g_assert_nonnull(answers[i]->error);
        answer_free(answers[i]);
    }
    expect(other, REMOTE_CONNECT_GET_CAPABILITIES, NULL, ERROR_OK, 0, NULL);
}

static void who_does_not_read_is_closed(void)
{
    limits.client_unsent_bytes = 1024 * 1024;
    run_case(unread_body);
}

static void total_body(void *data)
{
    g_autoptr(Client) small = client_open(FALSE, NULL);
    g_autoptr(Client) large = client_open(FALSE, NULL);
    g_autoptr(Client) reading = client_open(FALSE, NULL);
    GPtrArray *answers = g_ptr_array_new_with_free_func((GDestroyNotify)answer_free);

    client_set_deaf(small, TRUE);
    client_set_deaf(large, TRUE);
    for (int i = 0; i < 3; i++)
        g_ptr_array_add(answers,
                        client_send(small, REMOTE_PROGRAM, REMOTE_CONNECT_GET_CAPABILITIES, NULL));
    for (int i = 0; i < 6; i++)
        g_ptr_array_add(answers,
                        client_send(large, REMOTE_PROGRAM, REMOTE_CONNECT_GET_CAPABILITIES, NULL));
    wait_until(large->is_ended);
    g_assert_false(small->is_ended);
    expect(reading, REMOTE_CONNECT_GET_CAPABILITIES, NULL, ERROR_OK, 0, NULL);
    g_clear_pointer(&small, client_free);
    g_ptr_array_unref(answers);
}

static void all_together_may_hold_so_much(void)
{
    limits.total_unsent_bytes = 2 * 1024 * 1024;
    run_case(total_body);
}

/* 2,000 calls of 0.2 ms each in one go, of several clients; another one is answered in between. */
static void flood_body(void *data)
{
    enum { FLOODERS = 15 };
    Client *flooders[FLOODERS];
    g_autoptr(Client) other = client_open(FALSE, NULL);
    GPtrArray *answers = g_ptr_array_new_with_free_func((GDestroyNotify)answer_free);
    int64_t since_us, longest_us = 0;

    for (int i = 0; i < FLOODERS; i++)
        flooders[i] = client_open(FALSE, NULL);
    for (int i = 0; i < 2000; i++)
        g_ptr_array_add(answers, client_send(flooders[i % FLOODERS], REMOTE_PROGRAM,
                                             REMOTE_CONNECT_GET_TYPE, NULL));
    for (int i = 0; i < 10; i++) {
        since_us = g_get_monotonic_time();
        expect(other, REMOTE_CONNECT_GET_HOSTNAME, NULL, ERROR_OK, 0, NULL);
        longest_us = MAX(longest_us, g_get_monotonic_time() - since_us);
    }
    g_assert_false(await_is_done(((Answer *)answers->pdata[1999])->end));
    g_test_message("longest wait beside a flood: %d us", (int)longest_us);
    for (guint i = 0; i < answers->len; i++)
        g_assert_true(await(((Answer *)answers->pdata[i])->end, 10000, NULL));
    g_ptr_array_unref(answers);
    for (int i = 0; i < FLOODERS; i++)
        client_free(flooders[i]);
}

static void a_flood_does_not_hold_up_others(void)
{
    run_case(flood_body);
}

/* --- sockets --- */

static void unix_body(void *data)
{
    g_autofree char *dir = g_dir_make_tmp("ferry-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "ferry-sock", NULL);
    g_autoptr(GError) error = NULL;

    g_assert_true(server_listen_unix(path, 0600, (gid_t)-1, FALSE, &error));
    g_assert_false(server_listen_unix(path, 0600, (gid_t)-1, FALSE, &error));
    g_assert_nonnull(strstr(error->message, "listens there"));
    server_stop_listening();
    g_assert_cmpint(access(path, F_OK), <, 0);
    g_assert_cmpint(rmdir(dir), ==, 0);
}

static void a_socket_somebody_listens_on_is_left_alone(void)
{
    run_case(unix_body);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    limits = server_default_limits;
    g_test_add_func("/server/call/connections-open-once-and-close",
                    connections_open_once_and_close);
    g_test_add_func("/server/call/refusals-say-why", refusals_say_why);
    g_test_add_func("/server/call/what-cannot-be-decoded-is-answered",
                    what_cannot_be_decoded_is_answered);
    g_test_add_func("/server/call/tasks-are-bounded-but-aborts-get-through",
                    tasks_are_bounded_but_aborts_get_through);
    g_test_add_func("/server/call/waiting-calls-of-all-clients-are-served-in-turn",
                    waiting_calls_of_all_clients_are_served_in_turn);
    g_test_add_func("/server/call/a-client-that-vanishes-takes-its-waiting-calls-along",
                    a_client_that_vanishes_takes_its_waiting_calls_along);
    g_test_add_func("/server/call/a-flood-does-not-hold-up-others",
                    a_flood_does_not_hold_up_others);
    g_test_add_func("/server/server/log-in-must-come-in-time", log_in_must_come_in_time);
    g_test_add_func("/server/server/who-waits-for-a-place-is-one-of-few-and-not-for-ever", who_waits_for_a_place_is_one_of_few_and_not_for_ever);
    g_test_add_func("/server/server/one-address-may-not-take-all-places",
                    one_address_may_not_take_all_places);
    g_test_add_func("/server/server/an-eighth-is-kept-for-root", an_eighth_is_kept_for_root);
    g_test_add_func("/server/server/before-log-in-frames-are-small",
                    before_log_in_frames_are_small);
    g_test_add_func("/server/server/a-socket-somebody-listens-on-is-left-alone",
                    a_socket_somebody_listens_on_is_left_alone);
    g_test_add_func("/server/caller/who-does-not-read-is-closed", who_does_not_read_is_closed);
    g_test_add_func("/server/caller/all-together-may-hold-so-much", all_together_may_hold_so_much);
    return g_test_run();
}
