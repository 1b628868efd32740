/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>

#include "base/error.h"
#include "base/file.h"

static void names_survive_encoding(void)
{
    static const char *const names[] = {"vm1", "a b", "..", ".hidden", "ä%2F", "x/y", "\"<>&'"};

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *encoded = name_encode(names[i]);
        g_autofree char *decoded = name_decode(encoded);

        g_assert_null(strchr(encoded, '/'));
        g_assert_cmpint(encoded[0], !=, '.');
        g_assert_cmpstr(decoded, ==, names[i]);
    }
    g_assert_null(name_decode("%2"));
    g_assert_null(name_decode("%zz"));
    g_assert_null(name_decode("%00"));
}

static void written_file_is_read_back_within_limit(void)
{
    g_autofree char *dir = g_dir_make_tmp("ferry-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "f", NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    size_t len;

    g_assert_true(file_write_atomic(path, "hello", 5, 0600, &error));
    text = file_read(path, 5, &len, &error);
    g_assert_cmpstr(text, ==, "hello");
    g_assert_cmpuint(len, ==, 5);
    g_assert_null(file_read(path, 4, NULL, &error));
    g_assert_true(error_is(error, ERROR_OVERFLOW));
    g_assert_true(file_remove(path, NULL));
    g_assert_true(file_remove(path, NULL));
    g_rmdir(dir);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/base/file/names-survive-encoding", names_survive_encoding);
    g_test_add_func("/base/file/written-file-is-read-back-within-limit", written_file_is_read_back_within_limit);
    return g_test_run();
}
