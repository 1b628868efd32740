/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Recorded frames: what stock clients and daemons wrote is read, and written again byte for byte.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/number.h"
#include "wire/frame.h"

static char *recording;

/* What the body holds: a type, nothing (NULL), or raw bytes (*ret_is_raw). */
static const WireType *body_type(const WireFrameHeader *header, gboolean *ret_is_raw)
{
    const WireProcedure *procedure = wire_procedure_find(header->prog, header->proc);

    g_assert_nonnull(procedure);
    *ret_is_raw = FALSE;
    switch (header->type) {
    case WIRE_FRAME_TYPE_CALL:
    case WIRE_FRAME_TYPE_MESSAGE:
        return procedure->args;
    case WIRE_FRAME_TYPE_REPLY:
        return header->status == WIRE_FRAME_STATUS_OK ? procedure->ret : &wire_type_rpc_error;
    case WIRE_FRAME_TYPE_STREAM:
        g_assert_cmpint(procedure->stream, !=, WIRE_STREAM_NONE);
        *ret_is_raw = TRUE;
        return NULL;
    default:
        g_assert_not_reached();
    }
}

static void check_body(const WireType *type, const guint8 *body, size_t len, GByteArray *out)
{
    g_autoptr(Arena) arena = arena_new();
    g_autoptr(GError) error = NULL;
    const void *value = wire_decode(type, body, len, arena, &error);

    g_assert_no_error(error);
    g_assert_true(wire_encode(type, value, out, &error));
    g_assert_no_error(error);
    for (size_t cut = 0; cut < len; cut++) {
        g_autofree guint8 *exact = g_memdup2(body, cut);
        g_autoptr(Arena) other = arena_new();

        g_assert_null(wire_decode(type, exact, cut, other, NULL));
    }
}

static void check_frame(const guint8 *frame, size_t len)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    WireFrameHeader header;
    const WireType *type;
    gboolean is_raw;
    uint32_t length;
    size_t start;

    g_assert_true(wire_frame_length(frame, WIRE_FRAME_MAX, &length, NULL));
    g_assert_cmpuint(length, ==, len);
    wire_frame_header_decode(frame + 4, &header);
    type = body_type(&header, &is_raw);
    start = wire_frame_begin(out, &header);
    if (type)
        check_body(type, frame + WIRE_FRAME_HEADER_SIZE, len - WIRE_FRAME_HEADER_SIZE, out);
    else if (is_raw)
        g_byte_array_append(out, frame + WIRE_FRAME_HEADER_SIZE,
                            (guint)(len - WIRE_FRAME_HEADER_SIZE));
    g_assert_true(wire_frame_end(out, start, NULL));
    g_assert_cmpmem(out->data, out->len, frame, len);
}

static void test_recorded(void)
{
    g_auto(GStrv) lines = g_strsplit(recording, "\n", -1);
    unsigned count = 0;

    for (char **line = lines; *line; line++) {
        size_t len = strlen(*line) / 2 - 1;
        g_autofree guint8 *frame = NULL;

        if (**line != '<' && **line != '>')
            continue;
        frame = g_malloc(len);
        g_assert_true(hex_parse(*line + 2, frame, len));
        check_frame(frame, len);
        count++;
    }
    g_assert_cmpuint(count, >, 100);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_true(argc > 1 && g_file_get_contents(argv[1], &recording, NULL, NULL));
    g_test_add_func("/wire/recorded/same-bytes-again-and-clean-errors-when-cut", test_recorded);
    return g_test_run();
}
