/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A peer against a fake daemon in the same loop; the fake one sits on a carrier too, so both its
 * roles are tried. */
#include "client/peer.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "carrier/carrier.h"
#include "link/listen.h"
#include "loop/child.h"
#include "loop/loop-test.h"

typedef struct {
    char *folder, *path, *uri;
    int listener;
    Watch *watch;
    Carrier *carrier;
    GString *log;
    int32_t auth;
    gboolean says_nothing; /* get_hostname is never answered */
    gboolean answers_late; /* get_hostname is answered when get_type has been */
    gboolean hangs_up;     /* at get_hostname */
    gboolean has_late;
    RpcCallId late;
    RpcStream *stream;
    Carry *carry;
    int pipe_read_fd;
    PumpEnd carry_end;
} Fake;

static void fake_reply(Fake *fake, const RpcCallId *id, const void *ret)
{
    rpc_connection_reply(carrier_connection(fake->carrier), id, ret);
}

static void fake_on_finish(RpcStream *stream, void *data)
{
    g_string_append(((Fake *)data)->log, "finish ");
    rpc_stream_finish(stream);
}

static void fake_on_abort(RpcStream *stream, const GError *error, void *data)
{
    g_string_append(((Fake *)data)->log, error ? "lost " : "abort ");
}

static const RpcStreamHandlers fake_stream_handlers = {.on_finish = fake_on_finish,
                                                       .on_abort = fake_on_abort};

static void fake_on_carry_end(Carry *carry, PumpEnd end, const GError *error, void *data)
{
    Fake *fake = data;

    fake->carry_end = end;
    if (end == PUMP_PIPE_FAILED) {
        rpc_stream_fail(fake->stream, error);
        carrier_flush(fake->carrier);
    }
}

static void fake_open_stream(Fake *fake, RpcConnection *conn, const RpcCall *call)
{
    int write_fd;

    g_assert_true(pump_pipe(&fake->pipe_read_fd, &write_fd, NULL));
    fake->stream = rpc_stream_new(conn, &call->id, FALSE, &fake_stream_handlers, fake);
    fake->carry =
        carrier_carry_in(fake->carrier, fake->stream, write_fd, fake_on_carry_end, fake, NULL);
    g_assert_nonnull(fake->carry);
}

static void fake_on_call(RpcConnection *conn, RpcCall *call, void *data)
{
    Fake *fake = data;
    const RpcCallId *id = &call->id;
    int32_t number = id->procedure->number;
    g_autoptr(GError) error = NULL;

    g_string_append_printf(fake->log, "%s ", id->procedure->name);
    switch (number) {
    case REMOTE_AUTH_LIST:
        fake_reply(fake, id, &(RemoteAuthListRet){.types = &fake->auth, .types_count = 1});
        break;
    case REMOTE_CONNECT_SUPPORTS_FEATURE:
        fake_reply(fake, id, &(RemoteConnectSupportsFeatureRet){.supported = 1});
        break;
    case REMOTE_CONNECT_GET_HOSTNAME:
        if (fake->answers_late || fake->says_nothing) {
            fake->late = *id;
            fake->has_late = fake->answers_late;
        } else if (fake->hangs_up) {
            carrier_close(fake->carrier, NULL);
        } else {
            fake_reply(fake, id, &(RemoteConnectGetHostnameRet){.hostname = "fake"});
        }
        break;
    case REMOTE_CONNECT_GET_TYPE:
        fake_reply(fake, id, &(RemoteConnectGetTypeRet){.type = "QEMU"});
        if (fake->has_late)
            fake_reply(fake, &fake->late, &(RemoteConnectGetHostnameRet){.hostname = "late"});
        fake->has_late = FALSE;
        break;
    case REMOTE_DOMAIN_MIGRATE_PREPARE_TUNNEL3_PARAMS:
        fake_open_stream(fake, conn, call);
        fake_reply(fake, id, &(RemoteDomainMigratePrepareTunnel3ParamsRet){0});
        break;
    case REMOTE_CONNECT_CLOSE:
        fake_reply(fake, id, NULL);
        carrier_close_when_sent(fake->carrier);
        break;
    case REMOTE_DOMAIN_LOOKUP_BY_NAME:
        error = error_new(ERROR_NO_DOMAIN, "Domain not found: no domain with matching name 'x'");
        rpc_connection_reply_error(conn, id, error);
        break;
    default:
        fake_reply(fake, id, NULL);
    }
}

static const RpcHandlers fake_rpc_handlers = {.on_call = fake_on_call};

static void fake_on_closed(Carrier *carrier, const GError *error, void *data)
{
    Fake *fake = data;

    if (error)
        g_test_message("closed: %s", error->message);
    g_clear_pointer(&fake->carry, carry_free);
    g_clear_pointer(&fake->stream, rpc_stream_free);
    g_clear_pointer(&fake->carrier, carrier_free);
}

static const CarrierHandlers fake_carrier_handlers = {.on_closed = fake_on_closed};

static void fake_on_connection(int fd, unsigned events, void *data)
{
    Fake *fake = data;
    Link *link;
    RpcConnection *conn;

    if (listen_accept(fd, LINK_KIND_UNIX, &link, NULL) != LINK_OK)
        return;
    conn = rpc_connection_new(RPC_SERVER, &fake_rpc_handlers, fake);
    rpc_connection_set_max_frame(conn, WIRE_FRAME_MAX); /* as after the log-in */
    fake->carrier = carrier_new(link, conn, &fake_carrier_handlers, fake);
}

static void fake_init(Fake *fake)
{
    *fake = (Fake){.pipe_read_fd = -1};
    fake->folder = g_dir_make_tmp("ferry-peer-XXXXXX", NULL);
    fake->path = g_build_filename(fake->folder, "sock", NULL);
    fake->uri = g_strdup_printf("qemu+unix:///system?socket=%s&x=y", fake->path);
    fake->log = g_string_new(NULL);
    fake->listener = listen_unix(fake->path, 0600, 5, NULL);
    fake->watch = watch_new(fake->listener, EPOLLIN, fake_on_connection, fake);
}

static void fake_clear(Fake *fake)
{
    g_clear_pointer(&fake->watch, watch_free);
    fd_clear(&fake->listener);
    fd_clear(&fake->pipe_read_fd);
    carry_free(fake->carry);
    rpc_stream_free(fake->stream);
    carrier_free(fake->carrier);
    g_remove(fake->path);
    g_rmdir(fake->folder);
    g_free(fake->folder);
    g_free(fake->path);
    g_free(fake->uri);
    g_string_free(fake->log, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fake, fake_clear)

AWAITS static char *hostname_of(Peer *peer, int64_t timeout_ms, GError **error)
{
    g_autoptr(Arena) arena = arena_new();
    RemoteConnectGetHostnameRet ret = {0};

    if (!peer_call(peer, REMOTE_PROGRAM, REMOTE_CONNECT_GET_HOSTNAME, NULL, arena, &ret, timeout_ms,
                   error))
        return NULL;
    return g_strdup(ret.hostname);
}

AWAITS static void ask_type(Peer *peer)
{
    g_autoptr(Arena) arena = arena_new();
    RemoteConnectGetTypeRet ret = {0};

    g_assert_true(
        peer_call(peer, REMOTE_PROGRAM, REMOTE_CONNECT_GET_TYPE, NULL, arena, &ret, 10000, NULL));
    g_assert_cmpstr(ret.type, ==, "QEMU");
}

/* ---- the tests, each on a task ---- */

static void opens_and_closes_as_stock_clients_do(void *data)
{
    g_auto(Fake) fake;
    g_autoptr(GError) error = NULL;
    g_autofree char *name = NULL;
    Peer *peer;

    fake_init(&fake);
    peer = peer_open(fake.uri, &error);
    g_assert_no_error(error);
    name = hostname_of(peer, 10000, &error);
    g_assert_cmpstr(name, ==, "fake");
    peer_close(peer);
    g_assert_cmpstr(fake.log->str, ==,
                    "auth_list connect_supports_feature connect_open connect_supports_feature "
                    "connect_supports_feature connect_register_close_callback connect_get_hostname "
                    "connect_unregister_close_callback connect_close ");
}

static void an_error_comes_as_it_was_told(void *data)
{
    g_auto(Fake) fake;
    g_autoptr(GError) error = NULL;
    g_autoptr(Arena) arena = arena_new();
    g_autoptr(Peer) peer = NULL;
    RemoteDomainLookupByNameRet ret = {0};

    fake_init(&fake);
    peer = peer_open(fake.uri, NULL);
    g_assert_false(peer_call(peer, REMOTE_PROGRAM, REMOTE_DOMAIN_LOOKUP_BY_NAME,
                             &(RemoteDomainLookupByNameArgs){.name = "x"}, arena, &ret, 10000,
                             &error));
    g_assert_true(error_is(error, ERROR_NO_DOMAIN));
    g_assert_cmpstr(error->message, ==, "Domain not found: no domain with matching name 'x'");
}

typedef struct {
    Peer *peer;
    char *name;
    Await *done;
} Asking;

static void ask_on_task(void *data)
{
    Asking *asking = data;

    asking->name = hostname_of(asking->peer, 10000, NULL);
    await_succeed(asking->done);
}

static void answers_may_come_out_of_order(void *data)
{
    g_auto(Fake) fake;
    g_autoptr(Await) done = await_new("the other task");
    Asking asking = {.done = done};
    g_autoptr(Peer) peer = NULL;

    fake_init(&fake);
    fake.answers_late = TRUE;
    asking.peer = peer = peer_open(fake.uri, NULL);
    task_spawn("other", ask_on_task, &asking, NULL);
    while (!fake.has_late)
        g_assert_true(await_sleep(1, NULL));
    ask_type(peer);
    g_assert_true(await(done, 10000, NULL));
    g_assert_cmpstr(asking.name, ==, "late");
    g_free(asking.name);
}

static void a_late_answer_is_dropped(void *data)
{
    g_auto(Fake) fake;
    g_autoptr(GError) error = NULL;
    g_autoptr(Peer) peer = NULL;

    fake_init(&fake);
    fake.answers_late = TRUE;
    peer = peer_open(fake.uri, NULL);
    g_assert_null(hostname_of(peer, 20, &error));
    g_assert_true(error_is(error, ERROR_OPERATION_TIMEOUT));
    ask_type(peer);
    ask_type(peer);
}

static void note_lost(Peer *peer, const GError *error, void *data)
{
    ++*(int *)data;
}

static void a_lost_connection_fails_all_calls(void *data)
{
    g_auto(Fake) fake;
    g_autoptr(GError) error = NULL;
    g_autoptr(Peer) peer = NULL;
    int lost = 0;

    fake_init(&fake);
    fake.hangs_up = TRUE;
    peer = peer_open(fake.uri, NULL);
    peer_on_lost(peer, note_lost, &lost);
    for (int i = 0; i < 2; i++) {
        g_clear_error(&error);
        g_assert_null(hostname_of(peer, 10000, &error));
        g_assert_cmpstr(error->message, ==, "internal error: client socket is closed");
        g_assert_true(error_is(error, ERROR_INTERNAL_ERROR));
    }
    g_assert_cmpint(lost, ==, 1);
    g_assert_true(peer_is_lost(peer));
    peer_close(g_steal_pointer(&peer));
}

static void who_asks_for_credentials_is_refused(void *data)
{
    g_auto(Fake) fake;
    g_autoptr(GError) error = NULL;

    fake_init(&fake);
    fake.auth = 1;
    g_assert_null(peer_open(fake.uri, &error));
    g_assert_true(error_is(error, ERROR_AUTH_FAILED));
}

static void what_cannot_be_reached_is_named(void *data)
{
    /* clang-format off */
    static const struct { const char *uri, *sentence; } rows[] = {
        { "qemu+unix:///system?socket=/nonexistent", "Failed to connect socket to '/nonexistent': No such file or directory" },
        { "qemu+tcp://127.0.0.1:1/system", "unable to connect to server at '127.0.0.1:1': Connection refused" },
        { "qemu+ext:///system?command=/nonexistent", "cannot execute binary /nonexistent: No such file or directory" },
        { "qemu+foo:///system", "invalid argument: remote_open: transport in URL not recognised (should be tls|unix|ssh|ext|tcp|libssh2|libssh)" },
    };
    /* clang-format on */

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(peer_open(rows[i].uri, &error));
        g_assert_cmpstr(error->message, ==, rows[i].sentence);
    }
}

static void a_command_that_fails_is_quoted(void *data)
{
    g_autofree char *folder = g_dir_make_tmp("ferry-peer-XXXXXX", NULL);
    g_autofree char *script = g_build_filename(folder, "script", NULL);
    g_autofree char *uri = g_strdup_printf("qemu+ext:///system?command=%s", script);
    g_autoptr(GError) error = NULL;

    g_assert_true(
        g_file_set_contents(script, "#!/bin/sh\necho 'no route today' >&2\nexit 1\n", -1, NULL));
    g_chmod(script, 0700);
    g_assert_null(peer_open(uri, &error));
    g_assert_cmpstr(error->message, ==,
                    "Cannot recv data: no route today: Connection reset by peer");
    g_remove(script);
    g_rmdir(folder);
}

#define PATTERN_BLOCKS 1000
#define PATTERN_BLOCK  7000

static void *write_pattern(void *data)
{
    int fd = *(int *)data;
    guint8 block[PATTERN_BLOCK];

    for (unsigned i = 0; i < PATTERN_BLOCKS; i++) {
        memset(block, (int)i, sizeof block);
        if (write(fd, block, sizeof block) != sizeof block)
            break;
    }
    close(fd);
    return NULL;
}

static void *read_pattern(void *data)
{
    int fd = *(int *)data;
    guint8 block[PATTERN_BLOCK];
    size_t total = 0;
    ssize_t got;

    while ((got = read(fd, block, sizeof block)) > 0)
        for (ssize_t i = 0; i < got; i++, total++)
            if (block[i] != (guint8)(total / PATTERN_BLOCK))
                return GSIZE_TO_POINTER(0);
    return GSIZE_TO_POINTER(total);
}

AWAITS static PeerStream *open_tunnel(Peer *peer, int *ret_write_fd)
{
    g_autoptr(Arena) arena = arena_new();
    g_autoptr(GError) error = NULL;
    RemoteDomainMigratePrepareTunnel3ParamsArgs args = {0};
    RemoteDomainMigratePrepareTunnel3ParamsRet ret = {0};
    PeerStream *stream;
    int read_fd;

    stream = peer_call_stream(peer, REMOTE_PROGRAM, REMOTE_DOMAIN_MIGRATE_PREPARE_TUNNEL3_PARAMS,
                              &args, arena, &ret, 10000, &error);
    g_assert_no_error(error);
    g_assert_true(pump_pipe(&read_fd, ret_write_fd, NULL));
    g_assert_true(peer_stream_carry(stream, read_fd, PUMP_PAYLOAD_STOCK, NULL));
    return stream;
}

static void a_stream_is_carried_beside_calls(void *data)
{
    g_auto(Fake) fake;
    g_autoptr(GError) error = NULL;
    g_autoptr(Peer) peer = NULL;
    g_autoptr(PeerStream) stream = NULL;
    pthread_t writer, reader;
    void *total;
    int write_fd;

    fake_init(&fake);
    peer = peer_open(fake.uri, NULL);
    stream = open_tunnel(peer, &write_fd);
    pthread_create(&reader, NULL, read_pattern, &fake.pipe_read_fd);
    pthread_create(&writer, NULL, write_pattern, &write_fd);
    for (int i = 0; i < 20; i++)
        ask_type(peer);
    while (peer_stream_bytes(stream) < PATTERN_BLOCKS * PATTERN_BLOCK)
        g_assert_true(await_sleep(1, NULL));
    g_assert_true(peer_stream_finish(stream, 10000, &error));
    g_assert_no_error(error);
    pthread_join(writer, NULL);
    pthread_join(reader, &total);
    g_assert_cmpuint(GPOINTER_TO_SIZE(total), ==, PATTERN_BLOCKS * PATTERN_BLOCK);
    g_assert_true(g_str_has_suffix(fake.log->str, "finish "));
    ask_type(peer);
    g_assert_cmpint(fake.carry_end, ==, PUMP_STREAM_ENDED);
}

static void an_empty_stream_ends_too(void *data)
{
    g_auto(Fake) fake;
    g_autoptr(Peer) peer = NULL;
    g_autoptr(PeerStream) stream = NULL;
    int write_fd;

    fake_init(&fake);
    peer = peer_open(fake.uri, NULL);
    stream = open_tunnel(peer, &write_fd);
    g_assert_true(peer_stream_finish(stream, 10000,
                                     NULL)); /* the pipe is still open: what it holds is enough */
    g_assert_cmpuint(peer_stream_bytes(stream), ==, 0);
    close(write_fd);
    ask_type(peer);
}

static void note_stream_lost(PeerStream *stream, const GError *error, void *data)
{
    ++*(int *)data;
}

static void a_guest_that_dies_over_there_is_told_at_once(void *data)
{
    g_auto(Fake) fake;
    g_autoptr(GError) error = NULL;
    g_autoptr(Peer) peer = NULL;
    g_autoptr(PeerStream) stream = NULL;
    pthread_t writer;
    int write_fd, lost = 0;

    fake_init(&fake);
    peer = peer_open(fake.uri, NULL);
    stream = open_tunnel(peer, &write_fd);
    peer_stream_on_lost(stream, note_stream_lost, &lost);
    fd_clear(&fake.pipe_read_fd);
    pthread_create(&writer, NULL, write_pattern, &write_fd);
    while (!lost)
        g_assert_true(await_sleep(1, NULL));
    g_assert_false(peer_stream_finish(stream, 10000, &error));
    g_assert_nonnull(error);
    g_clear_pointer(&stream, peer_stream_free);
    ask_type(peer); /* the connection lives on */
    off_floor { /* the pump may have to say on the loop that it has ended, before the pipe closes */
        pthread_join(writer, NULL);
    }
}

static void giving_a_stream_up_is_told(void *data)
{
    g_auto(Fake) fake;
    g_autoptr(Peer) peer = NULL;
    PeerStream *stream;
    int write_fd;
    char byte;

    fake_init(&fake);
    peer = peer_open(fake.uri, NULL);
    stream = open_tunnel(peer, &write_fd);
    g_assert_cmpint(write(write_fd, "abc", 3), ==, 3);
    while (peer_stream_bytes(stream) < 3)
        g_assert_true(await_sleep(1, NULL));
    peer_stream_free(stream);
    ask_type(peer);
    g_assert_true(g_str_has_suffix(fake.log->str, "abort connect_get_type "));
    for (int i = 0; i < 3; i++)
        g_assert_cmpint(read(fake.pipe_read_fd, &byte, 1), ==, 1);
    g_assert_cmpint(read(fake.pipe_read_fd, &byte, 1), ==, 0);
    close(write_fd);
}

static void a_connection_cut_under_a_stream_is_noticed(void *data)
{
    g_auto(Fake) fake;
    g_autoptr(GError) error = NULL;
    g_autoptr(Peer) peer = NULL;
    g_autoptr(PeerStream) stream = NULL;
    pthread_t writer;
    int write_fd, lost = 0, peer_lost = 0;

    fake_init(&fake);
    peer = peer_open(fake.uri, NULL);
    peer_on_lost(peer, note_lost, &peer_lost);
    stream = open_tunnel(peer, &write_fd);
    peer_stream_on_lost(stream, note_stream_lost, &lost);
    pthread_create(&writer, NULL, write_pattern, &write_fd);
    while (peer_stream_bytes(stream) < 10000)
        g_assert_true(await_sleep(1, NULL));
    carrier_close(fake.carrier, NULL);
    while (!lost || !peer_lost)
        g_assert_true(await_sleep(1, NULL));
    g_assert_false(peer_stream_finish(stream, 10000, &error));
    pthread_join(writer, NULL);
}

/* What the carriers have posted and the dead command are still to be taken in, or they count as
 * leaks. */
static void run_and_settle(void *data)
{
    ((TaskFunc)data)(NULL);
    await_sleep(20, NULL);
}

static void run(const void *fn)
{
    loop_test_run(run_and_settle, (void *)fn);
}

#define TEST(fn) g_test_add_data_func("/client/peer/" #fn, fn, run)

int main(int argc, char **argv)
{
    const char *helper = g_getenv("FERRY_EXEC");

    g_test_init(&argc, &argv, NULL);
    if (helper)
        child_set_helper(helper);
    TEST(opens_and_closes_as_stock_clients_do);
    TEST(an_error_comes_as_it_was_told);
    TEST(answers_may_come_out_of_order);
    TEST(a_late_answer_is_dropped);
    TEST(a_lost_connection_fails_all_calls);
    TEST(who_asks_for_credentials_is_refused);
    TEST(what_cannot_be_reached_is_named);
    if (helper)
        TEST(a_command_that_fails_is_quoted);
    TEST(a_stream_is_carried_beside_calls);
    TEST(an_empty_stream_ends_too);
    TEST(a_guest_that_dies_over_there_is_told_at_once);
    TEST(giving_a_stream_up_is_told);
    TEST(a_connection_cut_under_a_stream_is_noticed);
    return g_test_run();
}
