/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "doctor/finding.h"
#include "doctor/process.h"

#define RUN  "/run/ferry"
#define UUID "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"

static char *top;

static void put(const char *name, const char *bytes, gssize len)
{
    g_autofree char *path = g_build_filename(top, name, NULL);
    g_autofree char *dir = g_path_get_dirname(path);

    g_assert_true(dir_make(dir, 0700, NULL));
    g_assert_true(g_file_set_contents(path, bytes, len, NULL));
}

#define PUT(name, text) put(name, text, sizeof(text) - 1)
#define STAT(pid, parent) pid " (qemu) a ) b) S " parent " 1 1 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 7777 1 1"

static void only_what_carries_the_mark_is_ours(void)
{
    Uuid uuid;
    g_autoptr(GPtrArray) list = NULL;
    const OwnProcess *probe, *guest;

    PUT("10/environ", "LC_ALL=C\0HOME=" RUN "\0");
    PUT("10/stat", STAT("10", "3"));
    PUT("10/cmdline", "/usr/bin/qemu-system-x86_64\0-machine\0none,accel=tcg\0");
    PUT("20/environ", "HOME=" RUN "/" UUID "\0PATH=/bin\0");
    PUT("20/stat", STAT("20", "1"));
    PUT("20/cmdline", "/usr/bin/qemu-system-x86_64\0-name\0guest=a,,b,debug-threads=on\0");
    PUT("30/environ", "HOME=" RUN "-other\0"); /* another root's */
    PUT("30/stat", STAT("30", "1"));
    PUT("40/environ", "HOME=" RUN "/notes\0"); /* no guest */
    PUT("40/stat", STAT("40", "1"));
    PUT("50/environ", ""); /* of a process that ends nothing can be read */
    PUT("50/stat", STAT("50", "1"));
    PUT("60/environ", "HOME=" RUN "/" UUID "\0");
    PUT("60/stat", "60 (qemu) S"); /* cut off */
    PUT("self/environ", "HOME=" RUN "\0");

    list = process_list(top, RUN);
    g_assert_cmpuint(list->len, ==, 2);
    probe = list->pdata[0];
    g_assert_cmpint(probe->pid, ==, 10);
    g_assert_cmpint(probe->parent, ==, 3);
    g_assert_cmpuint(probe->start_time, ==, 7777);
    g_assert_false(probe->has_guest);
    guest = list->pdata[1];
    g_assert_true(guest->has_guest);
    g_assert_cmpstr(guest->name, ==, "a,b");
    g_assert_true(uuid_parse(UUID, &uuid));
    g_assert_true(process_find_guest(list, &uuid) == guest);
}

static void what_a_process_holds_is_read_from_its_descriptors(void)
{
    g_autoptr(GHashTable) taps = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) inodes = g_hash_table_new(NULL, NULL);
    g_autoptr(GHashTable) ports = NULL;
    g_autofree char *link = g_build_filename(top, "70/fd/5", NULL);

    PUT("70/fdinfo/5", "pos:\t0\nflags:\t02\n");
    PUT("70/fdinfo/6", "pos:\t0\nflags:\t0104002\nmnt_id:\t26\niff:\tvnet3\n");
    PUT("70/fd/6", "");
    g_assert_cmpint(symlink("socket:[4711]", link), ==, 0);
    PUT("self/net/tcp", "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
                        "   0: 00000000:C000 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100\n"
                        "   1: 0100007F:C001 0100007F:1234 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100\n");
    PUT("self/net/tcp6", "  sl  local_address                         remote_address st\n"
                         "   0: 00000000000000000000000000000000:C002 00000000000000000000000000000000:0000 0A 00000000:00000000 "
                         "00:00000000 00000000     0        0 4713 1\n");
    process_holds(top, 70, taps, inodes);
    g_assert_cmpuint(g_hash_table_size(taps), ==, 1);
    g_assert_true(g_hash_table_contains(taps, "vnet3"));
    g_assert_true(g_hash_table_contains(inodes, GUINT_TO_POINTER(4711)));
    ports = process_listening(top);
    g_assert_cmpuint(g_hash_table_size(ports), ==, 2);
    g_assert_true(g_hash_table_lookup(ports, GUINT_TO_POINTER(0xC000)) == GUINT_TO_POINTER(4711));
    g_assert_true(g_hash_table_lookup(ports, GUINT_TO_POINTER(0xC002)) == GUINT_TO_POINTER(4713));
}

static void the_worst_comes_first_and_commands_can_be_pasted(void)
{
    g_autoptr(GPtrArray) findings = findings_new();
    g_autofree char *command = finding_command("rm -f", "/a b/it's", "/plain/x_1.json", NULL);

    findings_add(findings, FINDING_USED, "a", "x");
    findings_add(findings, FINDING_LEFTOVER, "b", "x");
    findings_add(findings, FINDING_PERSON, "c", "%d", 1);
    findings_add(findings, FINDING_LEFTOVER, "d", "x");
    findings_sort(findings);
    g_assert_cmpstr(((Finding *)findings->pdata[0])->what, ==, "c");
    g_assert_cmpstr(((Finding *)findings->pdata[1])->what, ==, "b");
    g_assert_cmpstr(((Finding *)findings->pdata[2])->what, ==, "d");
    g_assert_cmpstr(command, ==, "rm -f '/a b/it'\\''s' /plain/x_1.json");
}

int main(int argc, char **argv)
{
    g_autofree char *remove = NULL;
    int status;

    g_test_init(&argc, &argv, NULL);
    top = g_dir_make_tmp("ferry-doctor-XXXXXX", NULL);
    g_test_add_func("/doctor/only-what-carries-the-mark-is-ours", only_what_carries_the_mark_is_ours);
    g_test_add_func("/doctor/what-a-process-holds-is-read-from-its-descriptors", what_a_process_holds_is_read_from_its_descriptors);
    g_test_add_func("/doctor/the-worst-comes-first-and-commands-can-be-pasted", the_worst_comes_first_and_commands_can_be_pasted);
    status = g_test_run();
    remove = g_strdup_printf("rm -rf %s", top);
    g_spawn_command_line_sync(remove, NULL, NULL, NULL, NULL);
    return status;
}
