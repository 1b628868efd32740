/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "qemu/guest-part.h"

static void the_last_words_are_qemus_own(void)
{
    static const char *const rows[][2] = {
        {"", ""},
        {"one\ntwo\n", "two"},
        {"2026-11-23T05:13:01.361000Z qemu-system-x86_64: Failed to get \"write\" lock\nIs another "
         "process using it?\n",
         "Is another process using it?"},
        {"2026-11-23T05:13:01.361000Z qemu-system-x86_64: -blockdev {}: Could not open 'x'\n\n",
         "-blockdev {}: Could not open 'x'"},
        {"qemu-system-x86_64: load of migration failed: Input/output error\n",
         "load of migration failed: Input/output error"},
        /* what a healthy one says, too */
        {"char device redirected to /dev/pts/0 (label charserial0)\n", ""},
        {"real\nqemu-system-x86_64: warning: TCG doesn't support requested feature\n", "real"},
        /* of an earlier start */
        {"old words\n2026-11-23 05:00:00.000000+0000: starting up: /usr/bin/qemu -S\n", ""},
        {"old\n2026-11-23 05:00:00.000000+0000: starting up: /usr/bin/qemu -S\nnew\n", "new"},
        {"no newline", "no newline"},
        {"\xff\xfe\n", "\xef\xbf\xbd\xef\xbf\xbd"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *words = guest_log_pick(rows[i][0]);
        g_assert_cmpstr(words, ==, rows[i][1]);
    }
}

static void a_log_does_not_grow_without_end(void)
{
    g_autofree char *dir = g_dir_make_tmp("ferry-log-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "x.log", NULL);
    auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    g_autofree char *words = NULL;
    off_t start = 100;

    g_assert_cmpint(write(fd, "qemu: early\n", 12), ==, 12);
    g_assert_false(guest_log_bound(path, &start));
    g_assert_cmpint(ftruncate(fd, 9 << 20), ==, 0);
    g_assert_true(guest_log_bound(path, &start));
    g_assert_cmpint(start, ==, 0);
    g_assert_cmpint(write(fd, "qemu: late\n", 11), ==, 11);
    words = guest_log_last_words(path, start);
    g_assert_cmpstr(words, ==, "late");
    g_assert_cmpint(lseek(fd, 0, SEEK_END), <, 4096);
    g_assert_false(guest_log_bound("/nonexistent", &start));
    g_remove(path);
    g_rmdir(dir);
}

static void every_name_has_a_log(void)
{
    QemuEnv env = {.log_dir = (char *)"/logs"};
    g_autofree char *plain = guest_log_path(&env, "web 1");
    g_autofree char *a = g_strnfill(255, '/');
    g_autofree char *b = g_strnfill(254, '/');
    g_autofree char *long_a = guest_log_path(&env, a);
    g_autofree char *long_b = guest_log_path(&env, b);

    g_assert_cmpstr(plain, ==, "/logs/web%201.log");
    g_assert_cmpuint(strlen(long_a), <, 255);
    g_assert_cmpstr(long_a, !=, long_b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu/log/the-last-words-are-qemus-own", the_last_words_are_qemus_own);
    g_test_add_func("/qemu/log/a-log-does-not-grow-without-end", a_log_does_not_grow_without_end);
    g_test_add_func("/qemu/log/every-name-has-a-log", every_name_has_a_log);
    return g_test_run();
}
