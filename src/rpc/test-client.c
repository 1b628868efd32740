/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The calling end, as transcripts; then both ends against each other. */
#include "rpc/test-rpc.h"

enum { CALL, REPLY, MESSAGE, STREAM, CALL_FDS, REPLY_FDS, HOLE }; /* frame types */
enum { OK, ERROR, CONTINUE };                                     /* frame states */

#define HOSTNAME REMOTE_CONNECT_GET_HOSTNAME
#define CONSOLE  REMOTE_DOMAIN_OPEN_CONSOLE

static void on_reply(const RpcReply *reply, void *data)
{
    g_string_append_printf(((End *)data)->log, "%s[%u]=%s(%zu) ", reply->procedure->name,
                           reply->serial, reply->error ? reply->error->message : "ok",
                           reply->body_len);
}

static uint32_t call(End *end, int32_t number)
{
    const WireProcedure *procedure = wire_procedure_get(REMOTE_PROGRAM, number);
    const RemoteDomainOpenConsoleArgs args = {.dom = {.name = (char *)"vm1"}};
    g_autoptr(GError) error = NULL;
    uint32_t serial;

    rpc_connection_call(end->conn, procedure, &args, NULL, 0, on_reply, end, &serial, &error);
    g_assert_no_error(error);
    return serial;
}

static void test_calls(void)
{
    End end;

    end_init(&end, RPC_CLIENT);
    g_assert_cmpuint(call(&end, HOSTNAME), ==, 0);
    g_assert_cmpuint(call(&end, REMOTE_CONNECT_GET_URI), ==, 1);
    g_assert_cmpuint(call(&end, HOSTNAME), ==, 2);
    g_assert_cmpstr(end_output(&end), ==, "0:59:0:0:28 0:110:1:0:28 0:59:2:0:28");
    rpc_connection_forget(end.conn, 2);
    g_assert_true(feed_frame(&end, HOSTNAME, REPLY, 2, OK, "12345678", 8));
    g_assert_true(feed_frame(&end, REMOTE_CONNECT_GET_URI, REPLY, 1, OK, "1234", 4));
    g_assert_true(feed_frame(&end, HOSTNAME, REPLY, 0, OK, "12345678", 8));
    g_assert_cmpstr(end_said(&end), ==, "connect_get_uri[1]=ok(4) connect_get_hostname[0]=ok(8)");
    end_clear(&end);
}

static void test_error(void)
{
    g_autoptr(GError) error = error_new(ERROR_NO_DOMAIN, "no such guest");
    g_autoptr(GByteArray) body = g_byte_array_new();
    End end;

    wire_error_encode(body, error);
    end_init(&end, RPC_CLIENT);
    call(&end, HOSTNAME);
    g_assert_true(feed_frame(&end, HOSTNAME, REPLY, 0, ERROR, body->data, body->len));
    g_assert_true(g_str_has_prefix(end_said(&end), "connect_get_hostname[0]=no such guest("));
    call(&end, HOSTNAME);
    g_assert_true(feed_frame(&end, HOSTNAME, REPLY, 1, ERROR, "123",
                             3)); /* broken, but an error all the same */
    g_assert_nonnull(strstr(end_said(&end), "cannot be read"));
    end_clear(&end);
}

static gboolean survives(int32_t procedure, int32_t type, uint32_t serial, int32_t status)
{
    gboolean is_ok;
    End end;

    end_init(&end, RPC_CLIENT);
    call(&end, HOSTNAME);
    is_ok = feed_frame(&end, procedure, type, serial, status, "1234", 4);
    end_clear(&end);
    return is_ok;
}

static void test_broken_servers(void)
{
    g_assert_true(survives(HOSTNAME, REPLY, 0, OK));
    g_assert_false(survives(HOSTNAME, REPLY, 7, OK));
    g_assert_false(survives(CONSOLE, REPLY, 0, OK));
    g_assert_false(survives(HOSTNAME, REPLY, 0, CONTINUE));
    g_assert_false(survives(HOSTNAME, CALL, 0, OK));
    g_assert_false(survives(HOSTNAME, 99, 0, OK));
    g_assert_true(survives(9999, MESSAGE, 0, OK));
    g_assert_true(survives(CONSOLE, STREAM, 55, CONTINUE));
    g_assert_true(survives(CONSOLE, STREAM, 55, OK));
}

static void test_events(void)
{
    g_autoptr(GByteArray) alien = frame_of(1, MESSAGE, 0, OK, NULL, 0);
    End end;

    end_init(&end, RPC_CLIENT);
    g_assert_true(feed_frame(&end, REMOTE_DOMAIN_EVENT_REBOOT, MESSAGE, 1, OK, "1234", 4));
    g_assert_true(feed_frame(&end, HOSTNAME, MESSAGE, 1, OK, "1234", 4)); /* a call's number */
    g_assert_cmpstr(end_said(&end), ==, "domain_event_reboot(4)");
    wire_patch_u32(alien, 4, 0x12345678);
    g_assert_false(feed_bytes(&end, alien));
    end_clear(&end);
}

static void test_close_answers_calls(void)
{
    End end;

    end_init(&end, RPC_CLIENT);
    call(&end, HOSTNAME);
    call(&end, HOSTNAME);
    rpc_connection_forget(end.conn, 1);
    rpc_connection_close(end.conn, NULL);
    g_assert_cmpstr(end_said(&end), ==, "connect_get_hostname[0]=the connection was closed(0)");
    end_clear(&end);
}

static void open_console(End *end)
{
    const WireProcedure *procedure = wire_procedure_get(REMOTE_PROGRAM, CONSOLE);
    uint32_t serial;

    end_init(end, RPC_CLIENT);
    serial = call(end, CONSOLE);
    end->stream = rpc_stream_new(end->conn, &(RpcCallId){procedure, serial}, FALSE,
                                 &end_stream_handlers, end);
    end_output(end);
}

static void test_stream_data_right_behind_the_reply(void)
{
    g_autoptr(GByteArray) bytes = frame_of(CONSOLE, REPLY, 0, OK, NULL, 0);
    g_autoptr(GByteArray) data = frame_of(CONSOLE, STREAM, 0, CONTINUE, "hello", 5);
    End end;

    g_byte_array_append(bytes, data->data, data->len);
    open_console(&end);
    g_assert_true(feed_bytes(&end, bytes));
    g_assert_cmpstr(end_said(&end), ==, "domain_open_console[0]=ok(0) open data(5)");
    g_assert_true(feed_frame(&end, CONSOLE, STREAM, 0, CONTINUE, NULL, 0));
    g_assert_cmpstr(end_said(&end), ==, "end");
    g_assert_true(rpc_stream_send(end.stream, "x", 1));
    g_assert_true(rpc_stream_finish(end.stream));
    g_assert_false(rpc_stream_send(end.stream, "x", 1));
    g_assert_cmpstr(end_output(&end), ==, "3:201:0:2:29 3:201:0:0:28");
    g_assert_true(feed_frame(&end, CONSOLE, STREAM, 0, CONTINUE, "late", 4));
    g_assert_true(feed_frame(&end, CONSOLE, STREAM, 0, OK, NULL, 0));
    g_assert_cmpstr(end_said(&end), ==, "drained data(4) finish");
    g_assert_cmpint(rpc_stream_state(end.stream), ==, RPC_STREAM_CLOSED);
    end_clear(&end);
}

static void test_stream_endings(void)
{
    g_autoptr(GError) error = error_new(ERROR_OPERATION_FAILED, "another console took it");
    g_autoptr(GByteArray) body = g_byte_array_new();
    End end;

    wire_error_encode(body, error);
    open_console(&end);
    g_assert_true(feed_frame(&end, CONSOLE, REPLY, 0, ERROR, body->data, body->len));
    g_assert_true(g_str_has_suffix(end_said(&end), "abort(another console took it)"));
    end_clear(&end);

    open_console(&end);
    g_assert_true(feed_frame(&end, CONSOLE, REPLY, 0, OK, NULL, 0));
    g_assert_true(feed_frame(&end, CONSOLE, STREAM, 0, ERROR, body->data, body->len));
    g_assert_true(g_str_has_suffix(end_said(&end), "abort(another console took it)"));
    end_clear(&end);

    open_console(&end);
    g_assert_true(feed_frame(&end, CONSOLE, REPLY, 0, OK, NULL, 0));
    end_said(&end);
    g_assert_true(rpc_stream_abort(end.stream));
    g_assert_true(
        feed_frame(&end, CONSOLE, STREAM, 0, CONTINUE, "late", 4)); /* nobody wants it now */
    g_assert_true(feed_frame(&end, CONSOLE, STREAM, 0, OK, NULL, 0));
    g_assert_cmpstr(end_said(&end), ==, "finish");
    end_clear(&end);

    open_console(&end);
    g_assert_true(feed_frame(&end, CONSOLE, REPLY, 0, OK, NULL, 0));
    g_assert_false(feed_frame(&end, CONSOLE, STREAM, 0, OK, NULL, 0)); /* unasked */
    end_clear(&end);

    open_console(&end);
    g_assert_true(feed_frame(&end, CONSOLE, REPLY, 0, OK, NULL, 0));
    rpc_stream_free(g_steal_pointer(&end.stream));
    g_assert_cmpstr(end_output(&end), ==, "3:201:0:1:28");
    g_assert_true(feed_frame(&end, CONSOLE, STREAM, 0, OK, NULL, 0));
    end_clear(&end);
}

static void test_keepalive(void)
{
    int64_t now = 1000;
    End end;

    end_init(&end, RPC_CLIENT);
    g_assert_true(rpc_connection_next_deadline(end.conn) == INT64_MAX);
    rpc_connection_start_keepalive(end.conn, -1, 6, now);
    g_assert_true(rpc_connection_next_deadline(end.conn) == INT64_MAX);
    rpc_connection_start_keepalive(end.conn, 5, 6, now);
    for (int pings = 0; pings < 6; pings++) {
        g_assert_cmpint(rpc_connection_next_deadline(end.conn), ==, now + 5000);
        g_assert_true(rpc_connection_tick(end.conn, now + 4999, NULL));
        g_assert_cmpstr(end_output(&end), ==, "");
        now += 5000;
        g_assert_true(rpc_connection_tick(end.conn, now, NULL));
        g_assert_cmpstr(end_output(&end), ==, "2:1:0:0:28");
    }
    g_assert_true(rpc_connection_tick(end.conn, now + 4999, NULL));
    g_assert_false(rpc_connection_tick(end.conn, now + 5000, NULL)); /* 35 s after the last byte */
    g_assert_true(rpc_connection_feed(end.conn, (const guint8 *)"", 1, now + 5000, NULL));
    g_assert_true(
        rpc_connection_tick(end.conn, now + 9999, NULL)); /* any byte starts the count anew */
    end_clear(&end);
}

/* Moves all bytes from one end to the other, cut at random. */
static void carry(GRand *random, End *from, End *to)
{
    g_autoptr(GByteArray) bytes = end_output_bytes(from);

    for (guint at = 0, step; at < bytes->len; at += step) {
        step = MIN(bytes->len - at, (guint)g_rand_int_range(random, 1, 100000));
        g_assert_true(rpc_connection_feed(to->conn, bytes->data + at, step, 0, NULL));
    }
}

static size_t received;

static void count_data(RpcStream *stream, const guint8 *bytes, size_t len, void *data)
{
    for (size_t i = 0; i < len; i++)
        g_assert_cmpuint(bytes[i], ==, (guint8)((received + i) * 7 % 251));
    received += len;
}

static void answer_finish(RpcStream *stream, void *data)
{
    g_assert_true(rpc_stream_finish(stream));
}

static void test_both_ends(void)
{
    static const RpcStreamHandlers counting = {.on_data = count_data, .on_finish = answer_finish};
    const size_t size = 3000000;
    g_autofree guint8 *bytes = g_malloc(size);
    g_autoptr(GRand) random = g_rand_new_with_seed(7);
    End client, server;

    for (size_t i = 0; i < size; i++)
        bytes[i] = (guint8)(i * 7 % 251);
    open_console(&client);
    end_init(&server, RPC_SERVER);
    g_assert_true(feed_frame(&server, CONSOLE, CALL, 0, OK, NULL, 0));
    rpc_stream_free(server.stream);
    server.stream = rpc_stream_new(server.conn, &server.last_call, FALSE, &counting, NULL);
    rpc_connection_reply_bytes(server.conn, &server.last_call, NULL, 0);
    carry(random, &server, &client);
    g_assert_true(rpc_stream_send(client.stream, bytes, size));
    g_assert_true(rpc_stream_finish(client.stream));
    carry(random, &client, &server);
    g_assert_cmpuint(received, ==, size);
    carry(random, &server, &client);
    g_assert_cmpint(rpc_stream_state(client.stream), ==, RPC_STREAM_CLOSED);
    g_assert_cmpint(rpc_stream_state(server.stream), ==, RPC_STREAM_CLOSED);
    g_assert_true(g_str_has_suffix(end_said(&client), "drained finish"));
    end_clear(&client);
    end_clear(&server);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rpc/client/replies-find-their-calls", test_calls);
    g_test_add_func("/rpc/client/errors-arrive", test_error);
    g_test_add_func("/rpc/client/gives-up-on-broken-servers", test_broken_servers);
    g_test_add_func("/rpc/client/events-of-known-programs", test_events);
    g_test_add_func("/rpc/client/close-answers-all-calls", test_close_answers_calls);
    g_test_add_func("/rpc/client/stream-data-right-behind-the-reply",
                    test_stream_data_right_behind_the_reply);
    g_test_add_func("/rpc/client/stream-endings", test_stream_endings);
    g_test_add_func("/rpc/client/keepalive-in-frozen-time", test_keepalive);
    g_test_add_func("/rpc/both/three-megabytes-cut-anywhere", test_both_ends);
    return g_test_run();
}
