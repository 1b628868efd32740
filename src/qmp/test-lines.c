/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/error.h"
#include "qmp/lines.h"

static void append(json_object *object, void *data)
{
    g_string_append(data, json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
    g_string_append_c(data, ';');
}

static const char stream[] =
    "{\"QMP\": {}}\r\n\r\n  {\"return\": {\"a\": [1, {\"b\": \"}\\\"[\"}]}, \"id\": \"x\"}\r\n"
    "{\"big\": 18446744073709551615}\n";
static const char objects[] =
    "{\"QMP\":{}};{\"return\":{\"a\":[1,{\"b\":\"}\\\"[\"}]},\"id\":\"x\"};"
    "{\"big\":18446744073709551615};";

static void objects_come_out_however_the_bytes_are_cut(void)
{
    for (size_t step = 1; step < sizeof stream; step++) {
        g_autoptr(QmpLines) lines = qmp_lines_new();
        g_autoptr(GString) seen = g_string_new(NULL);
        g_autoptr(GError) error = NULL;

        for (size_t at = 0; at < sizeof stream - 1; at += step)
            g_assert_true(qmp_lines_feed(lines, stream + at, MIN(step, sizeof stream - 1 - at),
                                         append, seen, &error));
        g_assert_cmpstr(seen->str, ==, objects);
    }
}

static gboolean is_refused(const char *text, const char *why)
{
    g_autoptr(QmpLines) lines = qmp_lines_new();
    g_autoptr(GString) seen = g_string_new(NULL);
    g_autoptr(GError) error = NULL;

    if (qmp_lines_feed(lines, text, strlen(text), append, seen, &error))
        return FALSE;
    g_assert_nonnull(strstr(error->message, why));
    return TRUE;
}

static void nonsense_is_refused(void)
{
    g_assert_true(is_refused("hello\n", "not a JSON object"));
    g_assert_true(is_refused("123\n", "ends inside"));
    g_assert_true(is_refused("null\n", "ends inside"));
    g_assert_true(is_refused("[1]\n", "not a JSON object"));
    g_assert_true(is_refused("{\"a\": 1\n", "ends inside"));
    g_assert_true(is_refused("{} {}\n", "goes on behind"));
    g_assert_true(is_refused("{}x", "goes on behind"));
    g_assert_false(is_refused("{} \r\n \n{}", ""));
}

static char *repeat(const char *head, const char *piece, int count)
{
    GString *text = g_string_new(head);

    for (int i = 0; i < count; i++)
        g_string_append(text, piece);
    return g_string_free(text, FALSE);
}

static void size_depth_and_containers_are_bounded(void)
{
    g_autofree char *deep = repeat("", "{\"a\":", QMP_DEPTH_MAX + 1);
    g_autofree char *many = repeat("{\"a\":[", "[],", QMP_CONTAINERS_MAX);
    g_autofree char *in_string = repeat("{\"a\":\"", "[{", QMP_CONTAINERS_MAX);
    g_autofree char *blank = repeat("", "                ", QMP_LINE_MAX / 16 + 1);

    g_assert_true(is_refused(deep, "nesting too deep"));
    g_assert_true(is_refused(many, "more than 100000"));
    g_assert_false(is_refused(in_string, ""));
    g_assert_true(is_refused(blank, "longer than"));
}

static void a_whole_object_may_span_lines(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(json_object) object = qmp_object_parse("{\n \"execute\": \"stop\"\n}\n", &error);

    g_assert_no_error(error);
    g_assert_cmpstr(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN), ==,
                    "{\"execute\":\"stop\"}");
    g_assert_null(qmp_object_parse("", &error));
    g_assert_true(error_is(error, ERROR_INVALID_ARG));
    g_clear_error(&error);
    g_assert_null(qmp_object_parse("{} {}", &error));
    g_clear_error(&error);
    g_assert_null(qmp_object_parse("{", &error));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp/lines/objects-come-out-however-the-bytes-are-cut",
                    objects_come_out_however_the_bytes_are_cut);
    g_test_add_func("/qmp/lines/nonsense-is-refused", nonsense_is_refused);
    g_test_add_func("/qmp/lines/size-depth-and-containers-are-bounded",
                    size_depth_and_containers_are_bounded);
    g_test_add_func("/qmp/lines/a-whole-object-may-span-lines", a_whole_object_may_span_lines);
    return g_test_run();
}
