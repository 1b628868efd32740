/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The serving end, as transcripts. */
#include <fcntl.h>

#include "rpc/test-rpc.h"

enum { CALL, REPLY, MESSAGE, STREAM, CALL_FDS, REPLY_FDS, HOLE }; /* frame types */
enum { OK, ERROR, CONTINUE };                                     /* frame states */

#define HOSTNAME REMOTE_CONNECT_GET_HOSTNAME
#define CONSOLE  REMOTE_DOMAIN_OPEN_CONSOLE
#define UPLOAD   REMOTE_STORAGE_VOL_UPLOAD

static void test_reply_bytes(void)
{
    static const guint8 expected[] = {
        0, 0, 0, 0x28, 0x20, 0, 0x80, 0x86, 0, 0, 0, 1, 0,   0,   0,   0x3b, 0,   0,   0,   1,
        0, 0, 0, 5,    0,    0, 0,    0,    0, 0, 0, 7, 'f', 'e', 'd', 'o',  'r', 'a', '1', 0};
    const RemoteConnectGetHostnameRet ret = {.hostname = (char *)"fedora1"};
    g_autoptr(GByteArray) bytes = NULL;
    End end;

    end_init(&end, RPC_SERVER);
    g_assert_true(feed_frame(&end, HOSTNAME, CALL, 5, OK, NULL, 0));
    g_assert_cmpstr(end_said(&end), ==, "connect_get_hostname(0,0)");
    g_assert_cmpuint(rpc_connection_calls_open(end.conn), ==, 1);
    rpc_connection_reply(end.conn, &end.last_call, &ret);
    g_assert_cmpuint(rpc_connection_calls_open(end.conn), ==, 0);
    bytes = end_output_bytes(&end);
    g_assert_cmpmem(bytes->data, bytes->len, expected, sizeof expected);
    g_assert_cmpuint(rpc_connection_unsent(end.conn), ==, 0);
    end_clear(&end);
}

static void check_refusal(uint32_t program, uint32_t version, int32_t procedure, int32_t status,
                          const char *text)
{
    const WireFrameHeader header = {program, version, procedure, CALL, 0xffffffff, status};
    g_autoptr(GByteArray) frame = g_byte_array_new();
    g_autoptr(GByteArray) bytes = NULL;
    g_autoptr(GError) error = NULL;
    WireFrameHeader answer;
    End end;

    end_init(&end, RPC_SERVER);
    wire_frame_begin(frame, &header);
    wire_patch_u32(frame, 0, frame->len);
    g_assert_true(feed_bytes(&end, frame));
    g_assert_cmpstr(end_said(&end), ==, "");
    bytes = end_output_bytes(&end);
    wire_frame_header_decode(bytes->data + 4, &answer);
    g_assert_cmpuint(answer.prog, ==, program);
    g_assert_cmpuint(answer.vers, ==, version);
    g_assert_cmpint(answer.proc, ==, procedure);
    g_assert_cmpint(answer.type, ==, REPLY);
    g_assert_cmpuint(answer.serial, ==, 0xffffffff);
    g_assert_cmpint(answer.status, ==, ERROR);
    error = wire_error_decode(bytes->data + WIRE_FRAME_HEADER_SIZE,
                              bytes->len - WIRE_FRAME_HEADER_SIZE);
    g_assert_cmpstr(error->message, ==, text);
    g_assert_cmpint(error->code, ==,
                    g_str_has_prefix(text, "unknown procedure") ? ERROR_NO_SUPPORT : ERROR_RPC);
    end_clear(&end);
}

static void test_refusals(void)
{
    check_refusal(REMOTE_PROGRAM, 1, 9999, OK, "unknown procedure: 9999");
    check_refusal(REMOTE_PROGRAM, 1, -7, OK, "unknown procedure: -7");
    check_refusal(REMOTE_PROGRAM, 1, REMOTE_DOMAIN_EVENT_REBOOT, OK, "unknown procedure: 169");
    check_refusal(0x20008088, 1, 1, OK, "Cannot find program 536903816 version 1");
    check_refusal(REMOTE_PROGRAM, 2, HOSTNAME, OK, "Cannot find program 536903814 version 2");
    check_refusal(KEEPALIVE_PROGRAM, 1, 1, OK, "Cannot find program 1801807216 version 1");
    check_refusal(REMOTE_PROGRAM, 1, HOSTNAME, ERROR, "Unexpected message status 1");
}

static void test_ignored(void)
{
    End end;

    end_init(&end, RPC_SERVER);
    g_assert_true(feed_frame(&end, HOSTNAME, REPLY, 1, OK, "abcd", 4));
    g_assert_true(feed_frame(&end, HOSTNAME, MESSAGE, 1, OK, NULL, 0));
    g_assert_true(feed_frame(&end, HOSTNAME, 77, 1, OK, "abcd", 4));
    g_assert_true(feed_frame(&end, CONSOLE, STREAM, 1, CONTINUE, "abcd", 4));
    g_assert_true(feed_frame(&end, CONSOLE, STREAM, 1, OK, NULL, 0));
    g_assert_true(feed_frame(&end, CONSOLE, HOLE, 1, CONTINUE, "abcd", 4));
    g_assert_true(feed_frame(&end, HOSTNAME, CALL, 1, OK, NULL, 0));
    g_assert_cmpstr(end_said(&end), ==, "connect_get_hostname(0,0)");
    g_assert_cmpstr(end_output(&end), ==, "");
    end_clear(&end);
}

static void test_cut_bytes(void)
{
    End end;

    for (size_t step = 1; step < 70; step++) {
        g_autoptr(GByteArray) first = frame_of(HOSTNAME, CALL, 1, OK, "12345678", 8);
        g_autoptr(GByteArray) second = frame_of(CONSOLE, REPLY, 1, OK, "1234", 4);
        g_autoptr(GByteArray) third = frame_of(REMOTE_CONNECT_GET_URI, CALL, 2, OK, NULL, 0);

        g_byte_array_append(first, second->data, second->len);
        g_byte_array_append(first, third->data, third->len);
        end_init(&end, RPC_SERVER);
        for (size_t at = 0; at < first->len; at += step)
            g_assert_true(rpc_connection_feed(end.conn, first->data + at,
                                              MIN(step, first->len - at), 0, NULL));
        g_assert_cmpstr(end_said(&end), ==, "connect_get_hostname(8,0) connect_get_uri(0,0)");
        end_clear(&end);
    }
}

static gboolean is_length_taken(uint32_t length, uint32_t max)
{
    const uint32_t word = GUINT32_TO_BE(length);
    gboolean is_taken;
    End end;

    end_init(&end, RPC_SERVER);
    if (max)
        rpc_connection_set_max_frame(end.conn, max);
    is_taken = rpc_connection_feed(end.conn, (const guint8 *)&word, 4, 0, NULL);
    end_clear(&end);
    return is_taken;
}

static void test_lengths(void)
{
    g_assert_false(is_length_taken(0, 0));
    g_assert_false(is_length_taken(27, 0));
    g_assert_true(is_length_taken(28, 0));
    g_assert_true(is_length_taken(33554436, 0));
    g_assert_false(is_length_taken(33554437, 0));
    g_assert_false(is_length_taken(0xffffffff, 0));
    g_assert_true(is_length_taken(RPC_LOGIN_FRAME_MAX, RPC_LOGIN_FRAME_MAX));
    g_assert_false(is_length_taken(RPC_LOGIN_FRAME_MAX + 1, RPC_LOGIN_FRAME_MAX));
}

static void test_max_calls(void)
{
    End end;

    end_init(&end, RPC_SERVER);
    rpc_connection_set_max_calls(end.conn, 2);
    for (uint32_t serial = 0; serial < 4; serial++)
        g_assert_true(feed_frame(&end, HOSTNAME, CALL, serial, OK, NULL, 0));
    g_assert_cmpstr(end_said(&end), ==, "connect_get_hostname(0,0) connect_get_hostname(0,0)");
    g_assert_false(rpc_connection_has_waiting(end.conn));
    rpc_connection_reply_bytes(end.conn, &end.last_call, NULL, 0);
    g_assert_cmpstr(end_said(&end), ==, "");
    g_assert_true(rpc_connection_has_waiting(end.conn));
    g_assert_true(rpc_connection_continue(end.conn, 0, NULL));
    g_assert_cmpstr(end_said(&end), ==, "connect_get_hostname(0,0)");
    g_assert_cmpuint(end.last_call.serial, ==, 2);
    g_assert_cmpstr(end_output(&end), ==, "1:59:1:0:28");
    end_clear(&end);
}

static GByteArray *ping(void)
{
    GByteArray *frame = g_byte_array_new();
    const WireFrameHeader header = {KEEPALIVE_PROGRAM, 1, KEEPALIVE_PING, MESSAGE, 0, OK};

    wire_frame_begin(frame, &header);
    wire_patch_u32(frame, 0, frame->len);
    return frame;
}

static void test_ping_answered_while_paused(void)
{
    g_autoptr(GByteArray) frame = ping();
    End end;

    end_init(&end, RPC_SERVER);
    g_assert_true(feed_bytes(&end, frame));
    g_assert_cmpstr(end_output(&end), ==, "2:2:0:0:28");

    rpc_connection_pause(end.conn, TRUE);
    g_assert_true(feed_frame(&end, HOSTNAME, CALL, 0, OK, "0123", 4));
    for (guint at = 0; at < frame->len; at++)
        g_assert_true(rpc_connection_feed(end.conn, frame->data + at, 1, 0, NULL));
    g_assert_cmpstr(end_said(&end), ==, "");
    g_assert_cmpstr(end_output(&end), ==, "2:2:0:0:28");
    rpc_connection_pause(end.conn, FALSE);
    g_assert_true(rpc_connection_continue(end.conn, 0, NULL));
    g_assert_cmpstr(end_said(&end), ==, "connect_get_hostname(4,0)");
    g_assert_cmpstr(end_output(&end), ==, ""); /* not a second time */
    g_assert_true(feed_bytes(&end, frame));
    g_assert_cmpstr(end_output(&end), ==, "2:2:0:0:28");
    end_clear(&end);
}

static void test_ping_flood(void)
{
    g_autoptr(GByteArray) frame = ping();
    End end;

    end_init(&end, RPC_SERVER);
    for (int i = 0; i < 1000; i++)
        g_assert_true(feed_bytes(&end, frame));
    g_assert_cmpstr(end_output(&end), ==, "2:2:0:0:28");
    end_clear(&end);
}

static void test_pause_stops_reading(void)
{
    g_autofree guint8 *junk = g_malloc0(RPC_READ_SIZE);
    End end;

    end_init(&end, RPC_SERVER);
    rpc_connection_pause(end.conn, TRUE);
    g_assert_cmpuint(rpc_connection_read_hint(end.conn), >, 0);
    g_assert_true(rpc_connection_feed(end.conn, junk, RPC_READ_SIZE, 0, NULL));
    g_assert_cmpuint(rpc_connection_read_hint(end.conn), ==, 0);
    rpc_connection_pause(end.conn, FALSE);
    g_assert_false(rpc_connection_continue(end.conn, 0, NULL)); /* zeros are no frame */
    end_clear(&end);
}

/* --- descriptors --- */

static gboolean is_open_fd(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static gboolean feed_with_fds(End *end, unsigned announced, unsigned bytes, unsigned given,
                              int *ret_fds)
{
    const uint32_t count = GUINT32_TO_BE(announced);
    g_autoptr(GByteArray) frame =
        frame_of(REMOTE_DOMAIN_CREATE_WITH_FILES, CALL_FDS, 0, OK, &count, 4);

    if (!feed_bytes(end, frame))
        return FALSE;
    for (unsigned i = 0; i < bytes; i++) {
        if (i < given) {
            ret_fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
            rpc_connection_feed_fd(end->conn, ret_fds[i]);
        }
        if (!rpc_connection_feed(end->conn, (const guint8 *)"", 1, 0, NULL))
            return FALSE;
    }
    return TRUE;
}

static void test_fds(void)
{
    int fds[WIRE_FRAME_FDS_MAX];
    End end;

    end_init(&end, RPC_SERVER);
    g_assert_false(feed_with_fds(&end, 1, 0, 0, fds)); /* not over this connection */
    end_clear(&end);

    end_init(&end, RPC_SERVER);
    rpc_connection_allow_fds(end.conn);
    g_assert_true(feed_with_fds(&end, 0, 0, 0, fds));
    g_assert_cmpstr(end_said(&end), ==, "domain_create_with_files(0,0)");
    g_assert_true(feed_with_fds(&end, 3, 2, 2, fds));
    g_assert_cmpstr(end_said(&end), ==, "");
    fds[2] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    rpc_connection_feed_fd(end.conn, fds[2]);
    g_assert_true(rpc_connection_feed(end.conn, (const guint8 *)"", 1, 0, NULL));
    g_assert_cmpstr(end_said(&end), ==, "domain_create_with_files(0,3)");
    g_assert_cmpint(end.taken_fd, ==, fds[0]);
    g_assert_true(is_open_fd(fds[0]));
    g_assert_false(is_open_fd(fds[1]));
    g_assert_false(is_open_fd(fds[2]));
    g_assert_true(feed_frame(&end, HOSTNAME, CALL, 1, OK, NULL, 0));
    g_assert_cmpstr(end_said(&end), ==, "connect_get_hostname(0,0)");
    g_assert_true(feed_with_fds(&end, 32, 32, 32, fds));
    g_assert_cmpstr(end_said(&end), ==, "domain_create_with_files(0,32)");
    g_assert_false(feed_with_fds(&end, 2, 2, 1, fds)); /* one did not come */
    end_clear(&end);
    g_assert_false(is_open_fd(fds[0]));

    end_init(&end, RPC_SERVER);
    rpc_connection_allow_fds(end.conn);
    g_assert_false(feed_with_fds(&end, 33, 0, 0, fds));
    end_clear(&end);
}

static void test_fds_reply(void)
{
    const WireProcedure *procedure =
        wire_procedure_get(REMOTE_PROGRAM, REMOTE_DOMAIN_OPEN_GRAPHICS_FD);
    RpcOutput output;
    int sent;
    End end;

    end_init(&end, RPC_SERVER);
    rpc_connection_allow_fds(end.conn);
    rpc_connection_reply_fds(end.conn, &(RpcCallId){procedure, 3}, NULL, (const int[]){0}, 1);
    g_assert_true(rpc_connection_output(end.conn, &output));
    g_assert_cmpint(output.fd, ==, -1);
    g_assert_cmpuint(output.iov_count, ==, 1);
    g_assert_cmpuint(output.iov[0].iov_len, ==, 32);
    rpc_connection_consumed(end.conn, 32);
    g_assert_true(rpc_connection_output(end.conn, &output));
    sent = output.fd;
    g_assert_true(is_open_fd(sent));
    g_assert_cmpuint(output.iov_count, ==, 1);
    g_assert_cmpuint(output.iov[0].iov_len, ==, 1);
    rpc_connection_consumed(end.conn, 1);
    g_assert_false(is_open_fd(sent));
    g_assert_false(rpc_connection_output(end.conn, &output));
    end_clear(&end);
}

/* --- streams --- */

static void open_console(End *end)
{
    end_init(end, RPC_SERVER);
    g_assert_true(feed_frame(end, CONSOLE, CALL, 9, OK, NULL, 0));
    g_assert_cmpstr(end_said(end), ==, "domain_open_console(0,0)");
    rpc_connection_reply_bytes(end->conn, &end->last_call, NULL, 0);
    g_assert_cmpstr(end_said(end), ==, "open");
    g_assert_cmpstr(end_output(end), ==, "1:201:9:0:28");
}

static void test_stream_early_data_lost(void)
{
    End end;

    end_init(&end, RPC_SERVER);
    g_assert_true(feed_frame(&end, CONSOLE, CALL, 9, OK, NULL, 0));
    g_assert_true(feed_frame(&end, CONSOLE, STREAM, 9, CONTINUE, "early", 5));
    g_assert_false(rpc_stream_send(end.stream, "x", 1));
    rpc_connection_reply_bytes(end.conn, &end.last_call, NULL, 0);
    g_assert_true(feed_frame(&end, CONSOLE, STREAM, 9, CONTINUE, "later", 5));
    g_assert_true(feed_frame(&end, CONSOLE, STREAM, 8, CONTINUE, "other", 5));
    g_assert_cmpstr(end_said(&end), ==, "domain_open_console(0,0) open data(5)");
    end_clear(&end);
}

static void test_stream_refused(void)
{
    g_autoptr(GError) error = error_new(ERROR_NO_DOMAIN, "no such guest");
    End end;

    end_init(&end, RPC_SERVER);
    g_assert_true(feed_frame(&end, CONSOLE, CALL, 9, OK, NULL, 0));
    rpc_connection_reply_error(end.conn, &end.last_call, error);
    g_assert_cmpstr(end_said(&end), ==, "domain_open_console(0,0) abort(no such guest)");
    g_assert_cmpint(rpc_stream_state(end.stream), ==, RPC_STREAM_CLOSED);
    end_clear(&end);
}

static void test_stream_finish(void)
{
    g_autofree char *big = g_malloc0(300000);
    End end;

    open_console(&end);
    g_assert_true(rpc_stream_send(end.stream, big, 300000));
    g_assert_cmpuint(rpc_stream_unsent(end.stream), ==, 300000);
    g_assert_true(rpc_stream_end(end.stream));
    g_assert_true(feed_frame(&end, CONSOLE, STREAM, 9, CONTINUE, NULL, 0)); /* empty: ignored */
    g_assert_false(rpc_stream_finish(end.stream));                          /* never unasked */
    g_assert_true(feed_frame(&end, CONSOLE, STREAM, 9, OK, NULL, 0));
    g_assert_true(feed_frame(&end, CONSOLE, STREAM, 9, CONTINUE, "late", 4)); /* after the end */
    g_assert_cmpstr(end_said(&end), ==, "finish");
    g_assert_true(rpc_stream_finish(end.stream));
    g_assert_cmpstr(end_output(&end), ==,
                    "3:201:9:2:262148 3:201:9:2:37908 3:201:9:2:28 3:201:9:0:28");
    g_assert_cmpstr(end_said(&end), ==, "drained");
    g_assert_true(feed_frame(&end, CONSOLE, STREAM, 9, CONTINUE, "late", 4));
    g_assert_cmpstr(end_said(&end), ==, "");
    end_clear(&end);
}

static void test_stream_abort(void)
{
    End end;

    open_console(&end);
    g_assert_true(feed_frame(&end, CONSOLE, STREAM, 9, ERROR, NULL, 0));
    g_assert_cmpstr(end_said(&end), ==, "abort()");
    g_assert_cmpstr(end_output(&end), ==, "3:201:9:0:28");
    g_assert_cmpint(rpc_stream_state(end.stream), ==, RPC_STREAM_CLOSED);
    g_assert_false(rpc_stream_send(end.stream, "x", 1));
    end_clear(&end);
}

static void test_stream_status(void)
{
    End end;

    open_console(&end);
    g_assert_false(feed_frame(&end, CONSOLE, STREAM, 9, 3, NULL, 0));
    end_clear(&end);
    open_console(&end);
    g_assert_false(feed_frame(&end, CONSOLE, STREAM, 9, -1, "1234", 4));
    end_clear(&end);
}

static void test_stream_fail(void)
{
    g_autoptr(GError) error = error_new(ERROR_OPERATION_FAILED, "gone");
    End end;

    open_console(&end);
    g_assert_true(rpc_stream_fail(end.stream, error));
    g_assert_true(g_str_has_prefix(end_output(&end), "3:201:9:1:"));
    g_assert_true(feed_frame(&end, CONSOLE, STREAM, 9, OK, NULL, 0)); /* gets no answer */
    g_assert_cmpstr(end_output(&end), ==, "");
    end_clear(&end);

    open_console(&end);
    rpc_stream_free(g_steal_pointer(&end.stream));
    g_assert_true(g_str_has_prefix(end_output(&end), "3:201:9:1:"));
    end_clear(&end);
}

static void test_stream_holes(void)
{
    static const guint8 hole[12] = {0, 0, 0, 0, 0, 0, 0x10, 0};
    End end;

    open_console(&end);
    g_assert_false(feed_frame(&end, CONSOLE, HOLE, 9, CONTINUE, hole, sizeof hole));
    end_clear(&end);

    end_init(&end, RPC_SERVER);
    end.keeps_holes = end.answers = TRUE;
    g_assert_true(feed_frame(&end, UPLOAD, CALL, 9, OK, NULL, 0));
    g_assert_true(feed_frame(&end, UPLOAD, HOLE, 9, CONTINUE, hole, sizeof hole));
    g_assert_cmpstr(end_said(&end), ==, "storage_vol_upload(0,0) open hole(4096)");
    g_assert_false(feed_frame(&end, UPLOAD, HOLE, 9, CONTINUE, hole, 11));
    end_clear(&end);
}

static void test_stream_pause_in_frame(void)
{
    g_autoptr(GByteArray) frame = frame_of(CONSOLE, STREAM, 9, CONTINUE, "0123456789", 10);
    End end;

    open_console(&end);
    g_assert_true(rpc_connection_feed(end.conn, frame->data, 31, 0, NULL));
    g_assert_cmpstr(end_said(&end), ==, "data(3)");
    rpc_connection_pause(end.conn, TRUE);
    g_assert_true(rpc_connection_feed(end.conn, frame->data + 31, 7, 0, NULL));
    g_assert_cmpstr(end_said(&end), ==, "");
    rpc_connection_pause(end.conn, FALSE);
    g_assert_true(rpc_connection_continue(end.conn, 0, NULL));
    g_assert_cmpstr(end_said(&end), ==, "data(7)");
    end_clear(&end);
}

static void test_stream_window_in(void)
{
    g_autoptr(GByteArray) frame = frame_of(CONSOLE, STREAM, 9, CONTINUE, "0123456789", 10);
    RpcStream *stream;
    End end;

    open_console(&end);
    rpc_stream_set_raw(end.stream, TRUE);
    g_assert_cmpuint(rpc_connection_read_hint(end.conn), ==, 28);
    g_assert_true(rpc_connection_feed(end.conn, frame->data, 10, 0, NULL));
    g_assert_cmpuint(rpc_connection_read_hint(end.conn), ==, 18);
    g_assert_true(rpc_connection_feed(end.conn, frame->data + 10, 18, 0, NULL));
    g_assert_cmpuint(rpc_connection_window(end.conn, &stream), ==, 10);
    g_assert_true(stream == end.stream);
    rpc_connection_window_taken(end.conn, 6, 0);
    g_assert_cmpuint(rpc_connection_read_hint(end.conn), ==, 4);
    g_assert_true(rpc_connection_feed(end.conn, frame->data + 34, 4, 0, NULL)); /* or fed as ever */
    g_assert_cmpuint(rpc_connection_window(end.conn, &stream), ==, 0);
    g_assert_cmpstr(end_said(&end), ==, "data(4)");
    g_assert_true(feed_frame(&end, HOSTNAME, CALL, 10, OK, "1234", 4));
    g_assert_cmpstr(end_said(&end), ==, "connect_get_hostname(4,0)");
    end_clear(&end);
}

static void test_stream_window_out(void)
{
    RpcOutput output;
    End end;

    open_console(&end);
    g_assert_false(rpc_stream_send_window(end.stream, WIRE_STREAM_DATA_MAX + 1));
    g_assert_true(rpc_stream_send_window(end.stream, 1000));
    g_assert_true(rpc_stream_send(end.stream, "x", 1));
    g_assert_true(rpc_connection_output(end.conn, &output));
    g_assert_cmpuint(output.iov_count, ==,
                     1); /* the header, and nothing that stands behind the window */
    g_assert_cmpmem(output.iov[0].iov_base, 4, "\0\0\x04\x04", 4);
    rpc_connection_consumed(end.conn, 28);
    g_assert_true(rpc_connection_output(end.conn, &output));
    g_assert_true(output.window == end.stream);
    g_assert_cmpuint(output.window_left, ==, 1000);
    rpc_connection_consumed(end.conn, 400);
    g_assert_true(rpc_connection_output(end.conn, &output));
    g_assert_cmpuint(output.window_left, ==, 600);
    rpc_connection_consumed(end.conn, 600);
    g_assert_cmpuint(rpc_stream_unsent(end.stream), ==, 1);
    g_assert_cmpstr(end_output(&end), ==, "3:201:9:2:29");
    g_assert_cmpstr(end_said(&end), ==, "drained");

    g_assert_true(rpc_stream_send_window(end.stream, 5000));
    rpc_stream_free(g_steal_pointer(
        &end.stream)); /* nobody fills it any more: zeros, so that frames stay frames */
    g_assert_true(g_str_has_prefix(end_output(&end), "3:201:9:2:5028 3:201:9:1:"));
    end_clear(&end);
}

static void test_stream_serial_twice(void)
{
    RpcStream *old;
    End end;

    open_console(&end);
    old = g_steal_pointer(&end.stream);
    g_assert_true(feed_frame(&end, CONSOLE, CALL, 9, OK, NULL, 0));
    g_assert_nonnull(strstr(end_said(&end), "abort("));
    g_assert_cmpint(rpc_stream_state(old), ==, RPC_STREAM_CLOSED);
    rpc_stream_free(old);
    rpc_connection_reply_bytes(end.conn, &end.last_call, NULL, 0);
    g_assert_cmpint(rpc_stream_state(end.stream), ==, RPC_STREAM_OPEN);
    end_clear(&end);
}

static void test_close(void)
{
    g_autoptr(GError) error = error_new(ERROR_INTERNAL_ERROR, "lost");
    RpcOutput output;
    End end;

    open_console(&end);
    g_assert_true(rpc_stream_send(end.stream, "x", 1));
    rpc_connection_close(end.conn, error);
    g_assert_cmpstr(end_said(&end), ==, "abort(lost)");
    g_assert_cmpuint(rpc_connection_unsent(end.conn), ==, 0);
    g_assert_false(rpc_connection_output(end.conn, &output));
    rpc_connection_reply_bytes(end.conn, &end.last_call, NULL, 0); /* a late answer does nothing */
    g_assert_false(rpc_connection_output(end.conn, &output));
    rpc_connection_free(g_steal_pointer(&end.conn));
    end_clear(&end);
}

static void test_result_that_cannot_be_sent(void)
{
    const RemoteConnectGetHostnameRet ret = {NULL};
    End end;

    end_init(&end, RPC_SERVER);
    g_assert_true(feed_frame(&end, HOSTNAME, CALL, 5, OK, NULL, 0));
    rpc_connection_reply(end.conn, &end.last_call, &ret);
    g_assert_true(g_str_has_prefix(end_output(&end), "1:59:5:1:"));
    end_clear(&end);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rpc/server/reply-as-recorded", test_reply_bytes);
    g_test_add_func("/rpc/server/refuses-what-is-unknown-and-goes-on", test_refusals);
    g_test_add_func("/rpc/server/ignores-frames-that-are-not-for-it", test_ignored);
    g_test_add_func("/rpc/server/bytes-may-be-cut-anywhere", test_cut_bytes);
    g_test_add_func("/rpc/server/lengths-are-judged-by-four-bytes", test_lengths);
    g_test_add_func("/rpc/server/holds-calls-back-at-the-limit", test_max_calls);
    g_test_add_func("/rpc/server/answers-ping-while-paused", test_ping_answered_while_paused);
    g_test_add_func("/rpc/server/ping-flood-costs-one-pong", test_ping_flood);
    g_test_add_func("/rpc/server/reads-little-while-paused", test_pause_stops_reading);
    g_test_add_func("/rpc/server/descriptors-arrive-and-unused-ones-are-closed", test_fds);
    g_test_add_func("/rpc/server/descriptor-follows-its-reply", test_fds_reply);
    g_test_add_func("/rpc/server/stream-data-before-the-reply-is-lost",
                    test_stream_early_data_lost);
    g_test_add_func("/rpc/server/stream-of-a-refused-call-never-opens", test_stream_refused);
    g_test_add_func("/rpc/server/stream-is-finished-when-asked", test_stream_finish);
    g_test_add_func("/rpc/server/stream-abort-is-answered", test_stream_abort);
    g_test_add_func("/rpc/server/stream-of-no-known-status-ends-the-connection",
                    test_stream_status);
    g_test_add_func("/rpc/server/stream-failure-is-told", test_stream_fail);
    g_test_add_func("/rpc/server/holes-only-where-asked-for", test_stream_holes);
    g_test_add_func("/rpc/server/pause-in-the-middle-of-a-frame", test_stream_pause_in_frame);
    g_test_add_func("/rpc/server/payload-may-bypass-on-the-way-in", test_stream_window_in);
    g_test_add_func("/rpc/server/payload-may-bypass-on-the-way-out", test_stream_window_out);
    g_test_add_func("/rpc/server/serial-used-twice-cuts-the-older-stream",
                    test_stream_serial_twice);
    g_test_add_func("/rpc/server/close-tells-streams-and-late-answers-vanish", test_close);
    g_test_add_func("/rpc/server/result-over-a-limit-becomes-an-error",
                    test_result_that_cannot_be_sent);
    return g_test_run();
}
