/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The small parts: cursor, limits, frames, errors, parameters. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "wire/cursor.h"
#include "wire/error.h"
#include "wire/frame.h"
#include "wire/params.h"
#include "wire/writer.h"

static const WireType *args_of(int32_t number)
{
    return wire_procedure_get(REMOTE_PROGRAM, number)->args;
}

static void test_strings(void)
{
    static const guint8 nul_inside[] = {0, 0, 0, 5, 'a', 'b', 0, 'c', 'd', 9, 9, 9, 0, 0, 0, 0};
    static const guint8 no_padding[] = {0, 0, 0, 1, 'a', 0, 0};
    static const guint8 too_long[] = {0, 0x40, 0, 1};
    g_autoptr(Arena) arena = arena_new();
    WireCursor cursor = wire_cursor(nul_inside, sizeof nul_inside, arena);

    g_assert_cmpstr(wire_cursor_string(&cursor, WIRE_STRING_MAX), ==, "ab");
    g_assert_cmpstr(wire_cursor_string(&cursor, WIRE_STRING_MAX), ==, "");
    g_assert_null(cursor.problem);
    g_assert_cmpstr(wire_cursor_string(&cursor, WIRE_STRING_MAX), ==, "");
    g_assert_cmpstr(cursor.problem, ==, "it ends too early");

    cursor = wire_cursor(no_padding, sizeof no_padding, arena);
    wire_cursor_string(&cursor, WIRE_STRING_MAX);
    g_assert_cmpstr(cursor.problem, ==, "it ends too early");
    cursor = wire_cursor(too_long, sizeof too_long, arena);
    wire_cursor_string(&cursor, WIRE_STRING_MAX);
    g_assert_cmpstr(cursor.problem, ==, "a length is over its limit");
}

static void test_optional(void)
{
    /* go-libvirt writes the optional word with its bytes the other way round. */
    static const guint8 bytes[] = {1, 0, 0, 0, 0, 0, 0, 1, 'x', 0, 0, 0, 0, 0, 0, 0};
    g_autoptr(Arena) arena = arena_new();
    const RemoteConnectOpenArgs *args =
        wire_decode(args_of(REMOTE_CONNECT_OPEN), bytes, sizeof bytes, arena, NULL);

    g_assert_cmpstr(args->name, ==, "x");
}

static void test_trailing_bytes(void)
{
    static const guint8 bytes[] = {0, 0, 0, 7, 1, 2, 3};
    g_autoptr(Arena) arena = arena_new();
    const RemoteConnectSupportsFeatureArgs *args =
        wire_decode(args_of(REMOTE_CONNECT_SUPPORTS_FEATURE), bytes, sizeof bytes, arena, NULL);

    g_assert_cmpint(args->feature, ==, 7);
}

static void test_list_limit(void)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autoptr(Arena) arena = arena_new();
    g_autoptr(GError) error = NULL;
    uint32_t codes[17] = {0};
    RemoteDomainSendKeyArgs args = {
        .dom = {.name = (char *)""}, .keycodes = codes, .keycodes_count = 16};

    g_assert_true(wire_encode(args_of(REMOTE_DOMAIN_SEND_KEY), &args, out, &error));
    args.keycodes_count = 17;
    g_byte_array_set_size(out, 0);
    g_byte_array_append(out, (const guint8 *)"kept", 4);
    g_assert_false(wire_encode(args_of(REMOTE_DOMAIN_SEND_KEY), &args, out, &error));
    g_assert_error(error, error_quark(FROM_RPC), ERROR_RPC);
    g_assert_cmpuint(out->len, ==, 4);

    /* The same on the way in: name, uuid, id, codeset, holdtime, then the count. */
    g_byte_array_set_size(out, 0);
    for (int i = 0; i < 8; i++)
        wire_write_u32(out, 0);
    wire_write_u32(out, 17);
    for (int i = 0; i < 18; i++)
        wire_write_u32(out, 0);
    g_assert_null(wire_decode(args_of(REMOTE_DOMAIN_SEND_KEY), out->data, out->len, arena, NULL));
    wire_patch_u32(out, 8 * 4, 16);
    g_assert_nonnull(
        wire_decode(args_of(REMOTE_DOMAIN_SEND_KEY), out->data, out->len, arena, NULL));
}

static void test_union(void)
{
    /* Parameters with a value of type 9. */
    static const guint8 bytes[] = {0, 0, 0, 1, 0, 0, 0, 1, 'a', 0, 0, 0,
                                   0, 0, 0, 9, 0, 0, 0, 0, 0,   0, 0, 0};
    g_autoptr(Arena) arena = arena_new();
    const RemoteNodeSetMemoryParametersArgs args = {
        .params = &(WireTypedParam){.field = (char *)"a", .value = {.selector = 9}},
        .params_count = 1};
    g_autoptr(GByteArray) out = g_byte_array_new();
    const WireType *type = args_of(REMOTE_NODE_SET_MEMORY_PARAMETERS);

    g_assert_null(wire_decode(type, bytes, sizeof bytes, arena, NULL));
    g_assert_false(wire_encode(type, &args, out, NULL));
}

static void test_frame(void)
{
    const WireFrameHeader header = {REMOTE_PROGRAM,        1, 59,
                                    WIRE_FRAME_TYPE_REPLY, 5, WIRE_FRAME_STATUS_OK};
    static const guint8 expected[] = {0, 0, 0, 0x20, 0x20, 0, 0x80, 0x86, 0, 0, 0, 1, 0, 0, 0, 0x3b,
                                      0, 0, 0, 1,    0,    0, 0,    5,    0, 0, 0, 0, 1, 2, 3, 4};
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    WireFrameHeader again;
    uint32_t length;
    size_t start = wire_frame_begin(out, &header);

    g_byte_array_append(out, expected + 28, 4);
    g_assert_true(wire_frame_end(out, start, &error));
    g_assert_cmpmem(out->data, out->len, expected, sizeof expected);
    g_assert_true(wire_frame_length(out->data, WIRE_FRAME_MAX, &length, &error));
    g_assert_cmpuint(length, ==, 32);
    wire_frame_header_decode(out->data + 4, &again);
    g_assert_cmpmem(&again, sizeof again, &header, sizeof header);
    g_assert_cmpuint(WIRE_FRAME_MAX, ==, 33554436);
    g_assert_cmpuint(WIRE_BODY_MAX, ==, 33554408);
    g_assert_false(wire_frame_length(out->data, 31, &length, &error));
    g_assert_error(error, error_quark(FROM_RPC), ERROR_RPC);
}

static void test_error(void)
{
    static const guint8 expected[] = {0, 0, 0, 42,  0,   0,   0,   10,  0,   0,   0,   1,   0,
                                      0, 0, 4, 'g', 'o', 'n', 'e', 0,   0,   0,   2, /* … level */
                                      0, 0, 0, 0,                                    /* dom */
                                      0, 0, 0, 1,   0,   0,   0,   2,   '%', 's', 0,   0,   0,
                                      0, 0, 1, 0,   0,   0,   4,   'g', 'o', 'n', 'e', /* str1, str2
                                                                                        */
                                      0, 0, 0, 0,   255, 255, 255, 255, 255, 255, 255, 255, 0,
                                      0, 0, 0}; /* str3, ints, net */
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autoptr(GError) error = error_new(ERROR_NO_DOMAIN, "gone");
    g_autoptr(GError) again = NULL;

    wire_error_encode(out, error);
    g_assert_cmpmem(out->data, out->len, expected, sizeof expected);
    again = wire_error_decode(out->data, out->len);
    g_assert_error(again, error_quark(FROM_QEMU), ERROR_NO_DOMAIN);
    g_assert_cmpstr(again->message, ==, "gone");
    for (guint len = 0; len < out->len; len++) {
        g_autofree guint8 *exact = g_memdup2(out->data, len);
        g_autoptr(GError) broken = wire_error_decode(exact, len);

        g_assert_error(broken, error_quark(FROM_RPC), ERROR_RPC);
    }
}

/* Stock's int1 of a system error: scripts look for ENOENT there. */
static void test_error_errno(void)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) again = NULL;

    errno = ENOENT;
    error_errno(&error, "cannot access '/x'");
    wire_error_encode(out, error);
    g_assert_cmpint(out->data[out->len - 9], ==, ENOENT); /* before int2 and the absent network */
    again = wire_error_decode(out->data, out->len);
    g_assert_cmpint(error_get_errno(again), ==, ENOENT);
    out->data[out->len - 10] = 0xff; /* no errno of this world */
    g_clear_error(&again);
    again = wire_error_decode(out->data, out->len);
    g_assert_cmpint(error_get_errno(again), ==, -1);
    g_assert_true(error_is(again, ERROR_SYSTEM_ERROR));
}

static void test_error_not_served(void)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) again = NULL;

    error_set_from(&error, FROM_RPC, ERROR_RPC, "unknown procedure: 9");
    wire_error_encode(out, error);
    again = wire_error_decode(out->data, out->len);
    g_assert_error(again, error_quark(FROM_RPC), ERROR_NO_SUPPORT);
}

static void test_error_long(void)
{
    g_autoptr(GString) text = g_string_new("x");
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) again = NULL;

    while (text->len < 5000000)
        g_string_append(text, "ä€");
    error = error_new(ERROR_INVALID_ARG, "%s", text->str);
    wire_error_encode(out, error);
    g_assert_cmpuint(out->len, <, 65536);
    again = wire_error_decode(out->data, out->len);
    g_assert_true(g_utf8_validate(again->message, -1, NULL));
    g_assert_cmpuint(strlen(again->message), >, 16000);
}

static void test_error_strange(void)
{
    /* Code and domain beyond all tables, no message. */
    static const guint8 bytes[] = {0x7f, 0, 0, 1, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                   2,    0, 0, 0, 0,    0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                   0,    0, 0, 0, 0,    0, 0, 0, 0, 0, 0, 0, 0, 0};
    g_autoptr(GError) error = wire_error_decode(bytes, sizeof bytes);

    g_assert_cmpstr(error->message, ==, "the peer reported an error without a text");
    g_assert_error(error, error_quark(FROM_NONE), 0x7f000001);
}

static void test_params(void)
{
    g_autoptr(Params) params = params_new();
    g_autoptr(Params) again = NULL;
    g_autoptr(Arena) arena = arena_new();
    WireTypedParam *items;
    uint32_t count;

    params_add_int(params, "i", -5);
    params_add_uint(params, "u", 5);
    params_add_llong(params, "l", INT64_MIN);
    params_add_ullong(params, "ul", UINT64_MAX);
    params_add_double(params, "d", 0.5);
    params_add_bool(params, "b", TRUE);
    params_add_string(params, "s", "text");
    params_add_string(params, "s", "again");
    items = wire_params_encode(params, FALSE, arena, &count);
    g_assert_cmpuint(count, ==, 6);
    items = wire_params_encode(params, TRUE, arena, &count);
    g_assert_cmpuint(count, ==, 8);
    again = wire_params_decode(items, count, NULL);
    g_assert_cmpuint(again->count, ==, 8);
    g_assert_cmpint(params_get_int(again, "i", 0), ==, -5);
    g_assert_cmpuint(params_find(again, "u")->value.u, ==, 5);
    g_assert_cmpint(params_find(again, "l")->value.l, ==, INT64_MIN);
    g_assert_cmpuint(params_get_ullong(again, "ul", 0), ==, UINT64_MAX);
    g_assert_cmpfloat(params_find(again, "d")->value.d, ==, 0.5);
    g_assert_cmpint(params_find(again, "b")->type, ==, PARAM_BOOL);
    g_assert_cmpint(params_find(again, "b")->value.b, ==, 1);
    g_assert_cmpstr(again->items[7].value.s, ==, "again");
}

static void test_params_names(void)
{
    char name[82] = "";
    WireTypedParam item = {.field = name, .value = {.selector = PARAM_INT}};
    g_autoptr(Params) fits = NULL;
    g_autoptr(GError) error = NULL;

    memset(name, 'n', 79);
    fits = wire_params_decode(&item, 1, NULL);
    g_assert_nonnull(fits);
    name[79] = 'n';
    g_assert_null(wire_params_decode(&item, 1, &error));
    g_assert_error(error, error_quark(FROM_QEMU), ERROR_INVALID_ARG);
    name[0] = '\0';
    g_assert_null(wire_params_decode(&item, 1, NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wire/cursor/strings", test_strings);
    g_test_add_func("/wire/type/any-word-but-zero-is-present", test_optional);
    g_test_add_func("/wire/type/trailing-bytes-are-ignored", test_trailing_bytes);
    g_test_add_func("/wire/type/lists-have-limits-both-ways", test_list_limit);
    g_test_add_func("/wire/type/unknown-union-arm-is-an-error", test_union);
    g_test_add_func("/wire/frame/round-trip-and-limits", test_frame);
    g_test_add_func("/wire/error/as-peers-expect-it", test_error);
    g_test_add_func("/wire/error/unknown-procedure-is-not-supported", test_error_not_served);
    g_test_add_func("/wire/error/system-error-carries-its-errno", test_error_errno);
    g_test_add_func("/wire/error/long-text-is-cut-between-characters", test_error_long);
    g_test_add_func("/wire/error/strange-numbers-pass", test_error_strange);
    g_test_add_func("/wire/params/round-trip", test_params);
    g_test_add_func("/wire/params/names-have-limits", test_params_names);
    return g_test_run();
}
