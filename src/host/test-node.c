/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "host/node.h"
#include "host/port.h"
#include "host/scope.h"

static char *make_root(void)
{
    g_autoptr(GError) error = NULL;
    char *root = g_dir_make_tmp("ferry-node-XXXXXX", &error);

    g_assert_no_error(error);
    return root;
}

static void put(const char *root, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(root, name, NULL);
    g_autofree char *dir = g_path_get_dirname(path);

    g_assert_cmpint(g_mkdir_with_parents(dir, 0700), ==, 0);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void remove_root(char **root)
{
    g_autofree char *command = g_strdup_printf("rm -rf '%s'", *root);

    g_assert_cmpint(system(command), ==, 0);
    g_free(*root);
}
#define auto_root __attribute__((cleanup(remove_root)))

static void put_topology(const char *root, unsigned cpu, const char *file, unsigned value)
{
    g_autofree char *name = g_strdup_printf("sys/devices/system/cpu/cpu%u/topology/%s", cpu, file);
    g_autofree char *text = g_strdup_printf("%u\n", value);

    put(root, name, text);
}

static void a_machine_of_two_sockets_is_understood(void)
{
    auto_root char *root = make_root();

    put(root, "proc/meminfo",
        "MemTotal:       16000 kB\nMemFree:         4000 kB\nMemAvailable:    9000 kB\n"
        "Buffers:            5 kB\nSwapCached:         1 kB\nCached:             7 kB\n");
    put(root, "proc/cpuinfo",
        "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel\t\t: 85\nmodel name\t: Xeon\n"
        "cpu MHz\t\t: 2400.5\nflags\t\t: fpu sse2\n\nprocessor\t: 1\n");
    put(root, "sys/devices/system/cpu/online", "0-7\n");
    for (unsigned i = 0; i < 8; i++) {
        put_topology(root, i, "physical_package_id", i / 4);
        put_topology(root, i, "core_id", i % 4 / 2);
    }
    put(root, "sys/devices/system/node/online", "0-1\n");
    put(root, "sys/devices/system/node/node0/meminfo",
        "Node 0 MemTotal: 9000 kB\nNode 0 MemFree: 100 kB\n");
    put(root, "sys/devices/system/node/node1/meminfo",
        "Node 1 MemTotal: 7000 kB\nNode 1 MemFree: 200 kB\n");
    put(root, "sys/devices/system/node/node0/cpulist", "0-3\n");
    put(root, "sys/devices/system/node/node1/cpulist", "4-5,6,7\n");
    put(root, "sys/devices/system/node/node1/distance", "21 10\n");

    g_autoptr(Node) node = node_read(root);
    NodeMemory memory;
    g_assert_cmpuint(node->cpu_count, ==, 8);
    g_assert_cmpuint(node->cells, ==, 2);
    g_assert_cmpuint(node->sockets, ==, 1);
    g_assert_cmpuint(node->cores, ==, 2);
    g_assert_cmpuint(node->threads, ==, 2);
    g_assert_cmpuint(node->mhz, ==, 2400);
    g_assert_cmpstr(node->cpu_name, ==, "Xeon");
    g_assert_cmpstr(node->cpu_vendor, ==, "Intel");
    g_assert_cmpuint(node->memory_kib, ==, 16000);
    g_assert_cmpuint(node->cell[1].memory_kib, ==, 7000);
    g_assert_cmpuint(node->cell[1].cpu_count, ==, 4);
    g_assert_cmpuint(node->cell[1].cpus[3], ==, 7);
    g_assert_cmpuint(node->cell[1].distances[1], ==, 10);
    g_assert_cmpuint(node_free_memory(root, -1), ==, 4000 * 1024);
    g_assert_cmpuint(node_free_memory(root, 1), ==, 200 * 1024);
    g_assert_cmpuint(node_free_memory(root, 2), ==, 0);
    g_assert_true(node_memory_stats(root, &memory, NULL));
    g_assert_cmpuint(memory.cached_kib, ==, 7);
}

static void an_empty_proc_and_sys_give_a_modest_answer(void)
{
    auto_root char *root = make_root();

    put(root, "sys/devices/system/cpu/online", "5-,x,99999999,-3\n");
    put(root, "sys/devices/system/node/online", "\n");
    g_autoptr(Node) node = node_read(root);
    g_assert_cmpuint(node->cpu_count, >=, 1);
    g_assert_cmpuint(node->cell_count, ==, 1);
    g_assert_cmpuint(node->cells * node->sockets * node->cores * node->threads, ==,
                     node->cpu_count);
    g_assert_cmpuint(node->memory_kib, >, 0);
}

static void this_machine_is_understood(void)
{
    g_autoptr(Node) node = node_read("");

    g_assert_cmpuint(node->cells * node->sockets * node->cores * node->threads, ==,
                     node->cpu_count);
    g_assert_cmpuint(node_free_memory("", -1), >, 0);
}

static void the_uuid_is_configured_or_smbios_or_kept(void)
{
    auto_root char *root = make_root();
    g_autofree char *state = g_build_filename(root, "state", NULL);
    g_autoptr(GError) error = NULL;
    char text[UUID_TEXT_SIZE];
    Uuid first, second;

    g_assert_true(node_uuid(root, "6e4c1bd4-2f1c-4e2b-9bb1-0d4f8a1c2b3d", state, &first, &error));
    g_assert_cmpstr(uuid_format(&first, text), ==, "6e4c1bd4-2f1c-4e2b-9bb1-0d4f8a1c2b3d");

    put(root, "sys/class/dmi/id/product_uuid", "6E4C1BD4-2F1C-4E2B-9BB1-0D4F8A1C2B3E\n");
    g_assert_true(node_uuid(root, NULL, state, &first, &error));
    g_assert_cmpstr(uuid_format(&first, text), ==, "6e4c1bd4-2f1c-4e2b-9bb1-0d4f8a1c2b3e");

    put(root, "sys/class/dmi/id/product_uuid", "03000200-0400-0500-0006-000700080009\n");
    g_assert_true(node_uuid(root, NULL, state, &first, &error));
    g_assert_false(node_uuid_is_dummy(&first));
    g_assert_true(node_uuid(root, NULL, state, &second, &error));
    g_assert_true(uuid_equal(&first, &second));

    put(root, "state/host-uuid", "rubbish\n");
    g_assert_false(node_uuid(root, NULL, state, &second, &error));
    g_assert_nonnull(strstr(error->message, "remove it"));
    g_clear_error(&error);
    g_assert_false(node_uuid(root, "00000000-0000-0000-0000-000000000000", state, &second, &error));
}

static void a_port_is_reserved_by_its_socket(void)
{
    PortRange range = {0, 0};
    auto_fd int first = -1;
    auto_fd int second = -1;
    auto_fd int third = -1;
    g_autoptr(GError) error = NULL;
    uint16_t a = 0, b = 0;

    /* Some range of two that is free now. */
    for (uint16_t base = 42001; base < 42800 && first < 0; base += 2) {
        range = (PortRange){base, (uint16_t)(base + 1)};
        if (!port_listen(NULL, 0, range, &first, &a, NULL) || a != base ||
            !port_listen(NULL, 0, range, &second, &b, NULL))
            fd_clear(&first);
    }
    g_assert_cmpuint(b, ==, a + 1);
    g_assert_false(port_listen(NULL, 0, range, &third, &b, &error));
    g_assert_nonnull(strstr(error->message, "are in use"));
    g_clear_error(&error);
    g_assert_false(port_listen(NULL, a, range, &third, &b, &error));
    g_assert_nonnull(strstr(error->message, "cannot listen on any address, port"));
    fd_clear(&first);
    g_assert_true(port_listen(NULL, 0, range, &third, &b, NULL));
    g_assert_cmpuint(b, ==, a);
}

static void a_partition_is_a_slice(void)
{
    static const char *const rows[][2] = {
        {NULL, "machine.slice"},
        {"/machine", "machine.slice"},
        {"/machine/web", "machine-web.slice"},
        {"/a b/c-d", "a\\x20b-c\\x2dd.slice"},
        {"machine", NULL},
        {"/", NULL},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *slice = scope_slice_name(rows[i][0]);
        g_assert_cmpstr(slice, ==, rows[i][1]);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/host/node/a-machine-of-two-sockets-is-understood",
                    a_machine_of_two_sockets_is_understood);
    g_test_add_func("/host/node/an-empty-proc-and-sys-give-a-modest-answer",
                    an_empty_proc_and_sys_give_a_modest_answer);
    g_test_add_func("/host/node/this-machine-is-understood", this_machine_is_understood);
    g_test_add_func("/host/node/the-uuid-is-configured-or-smbios-or-kept",
                    the_uuid_is_configured_or_smbios_or_kept);
    g_test_add_func("/host/port/a-port-is-reserved-by-its-socket",
                    a_port_is_reserved_by_its_socket);
    g_test_add_func("/host/scope/a-partition-is-a-slice", a_partition_is_a_slice);
    return g_test_run();
}
