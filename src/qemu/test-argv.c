/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Arguments against what a stock host makes of the same definition.  testdata/NAME.argv is its
 * answer to domxml-to-native, one argument a line, without the object for its own secrets and with
 * the monitor as a descriptor.  That answer shows every interface as a tap and forgets its address
 * and boot order; where these matter (bridge-pc, cpus-q35, pcibridge-q35, pty-q35, ua-q35) the
 * arguments are those of a real start, less the "backing":null of chains that stock has looked up.
 */
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "qemu/argv.h"

static char *load(const char *name, const char *kind)
{
    const char *const folders[] = {"testdata", "../model/testdata"};
    g_autofree char *file = g_strdup_printf("%s.%s", name, kind);
    char *text = NULL;

    for (unsigned i = 0; !text && i < G_N_ELEMENTS(folders); i++) {
        g_autofree char *path = g_test_build_filename(G_TEST_DIST, folders[i], file, NULL);
        text = file_read(path, 1 << 20, NULL, NULL);
    }
    g_assert_nonnull(text);
    return text;
}

/* The number that stock gave to the descriptor of that device. */
static int expected_fd(const char *argv, const char *alias)
{
    g_autofree char *netdev = g_strdup_printf("\"id\":\"host%s\"", alias);
    const char *at = strstr(argv, netdev);
    const char *line = at ? g_strrstr_len(argv, at - argv, "\n") : NULL;
    const char *number = line ? strstr(line, "\"fd\":\"") : NULL;

    return number && number < at ? (int)g_ascii_strtoll(number + 6, NULL, 10) : -1;
}

static const GuestMachineAlias aliases[] = {{"q35", "pc-q35-7.2"}, {NULL}};
static const GuestFacts facts = {.emulator = "/usr/bin/qemu-system-x86_64",
                                 .machine_aliases = aliases};

static void the_guest_sees_what_stock_shows(gconstpointer data)
{
    const char *name = data;
    g_autofree char *xml = load(name, "out.xml");
    g_autofree char *expected = load(name, "argv");
    g_auto(GStrv) lines = g_strsplit(g_strchomp(expected), "\n", -1);
    g_autofree char *joined = g_strjoinv("\n", lines);
    g_autoptr(GError) error = NULL;
    g_autoptr(GuestDef) def = guest_def_parse(xml, strlen(xml), GUEST_PARSE_INACTIVE, &error);
    QemuDescriptor descriptors[64];
    QemuArgvPlan plan = {
        .qemu_version = 7002022, .monitor_fd = 9, .descriptors = descriptors, .has_sandbox = TRUE};
    g_auto(GStrv) argv = NULL;

    g_assert_no_error(error);
    g_assert_true(guest_def_fill_defaults(
        def, &facts, &error)); /* all is filled in already, so nothing changes */
    guest_def_assign_aliases(def);
    for (unsigned i = 0; i < def->interfaces->len; i++) {
        const char *alias = guest_def_interface(def, i)->alias;
        int fd = expected_fd(joined, alias);

        if (fd >= 0)
            descriptors[plan.descriptor_count++] = (QemuDescriptor){alias, fd, -1};
    }
    def->on_reboot = GUEST_ACTION_RESTART; /* what stock says over QMP, we say by -no-reboot */
    argv = qemu_argv_build(def, &plan, &error);
    g_assert_no_error(error);
    for (unsigned i = 0; argv[i] && lines[i]; i++)
        g_assert_cmpstr(argv[i], ==, lines[i]);
    g_assert_cmpuint(g_strv_length(argv), ==, g_strv_length(lines));
}

static const char base_xml[] =
    "<domain type='qemu'><name>a,b</name><uuid>6e4c1bd4-2f1c-4e2b-9bb1-0d4f8a1c2b3d</uuid><memory "
    "unit='MiB'>64</memory>"
    "<os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>"
    "<clock offset='utc'><timer name='hpet' present='no'/></clock>"
    "<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>"
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/top'/>"
    "<backingStore type='file'><format type='raw'/><source "
    "file='/base'/><backingStore/></backingStore>"
    "<target dev='vda' bus='virtio'/></disk>"
    "<interface type='user'><mac address='52:54:00:11:22:33'/><model type='virtio'/></interface>"
    "<serial type='file'><source path='/log'/><target port='0'/></serial>"
    "</devices></domain>";

static char *build(const QemuArgvPlan *plan)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GuestDef) def =
        guest_def_parse(base_xml, strlen(base_xml), GUEST_PARSE_INACTIVE, &error);

    g_assert_no_error(error);
    g_assert_true(guest_def_fill_defaults(def, &facts, &error));
    guest_def_assign_aliases(def);
    g_auto(GStrv) argv = qemu_argv_build(def, plan, &error);
    g_assert_no_error(error);
    return g_strjoinv("\n", argv);
}

static void descriptors_take_the_place_of_paths(void)
{
    QemuDescriptor descriptors[] = {{"serial0", 31, -1}, {"net0", 32, 33}};
    QemuArgvPlan plan = {.qemu_version = 7002022,
                         .monitor_fd = 9,
                         .descriptors = descriptors,
                         .descriptor_count = 2,
                         .is_incoming = TRUE};
    g_autofree char *text = build(&plan);

    g_assert_nonnull(strstr(text, "\n-add-fd\nset=31,fd=31,opaque=serial0-source\n-chardev\n"
                                  "file,id=charserial0,path=/dev/fdset/31,append=on\n"));
    g_assert_nonnull(strstr(
        text,
        "{\"type\":\"tap\",\"fd\":\"32\",\"vhost\":true,\"vhostfd\":\"33\",\"id\":\"hostnet0\"}"));
    g_assert_nonnull(strstr(text, "\n-incoming\ndefer\n"));
    g_assert_nonnull(strstr(text, "guest=a,,b,debug-threads=on"));
    g_assert_null(strstr(text, "-sandbox"));
}

static void a_chain_is_built_from_its_end(void)
{
    QemuArgvPlan plan = {.qemu_version = 7002022, .monitor_fd = 9};
    g_autofree char *text = build(&plan);
    const char *base = strstr(text, "\"filename\":\"/base\"");
    const char *top = strstr(text, "\"filename\":\"/top\"");

    g_assert_true(base && top && base < top);
    g_assert_nonnull(strstr(text, "\"driver\":\"raw\",\"file\":\"libvirt-2-storage\"}"));
    g_assert_nonnull(strstr(
        text,
        "\"driver\":\"qcow2\",\"file\":\"libvirt-1-storage\",\"backing\":\"libvirt-2-format\"}"));
    g_assert_nonnull(strstr(text, "{\"type\":\"user\",\"id\":\"hostnet0\"}"));
}

static void a_newer_qemu_gets_machine_properties(void)
{
    QemuArgvPlan plan = {.qemu_version = 8002000, .monitor_fd = 9, .default_ram = "ram"};
    g_autofree char *text = build(&plan);

    g_assert_nonnull(strstr(text, ",memory-backend=ram,hpet=off,acpi=off\n"));
    g_assert_null(strstr(text, "-no-hpet"));
    g_assert_null(strstr(text, "-no-acpi"));
}

int main(int argc, char **argv)
{
    static const char *const names[] = {
        "full-q35",      "full-pc",  "bridge-pc",    "cpus-q35",    "devices-pc",
        "devices-q35",   "many-q35", "minimal-pc",   "minimal-q35", "nousb-q35",
        "pcibridge-q35", "pty-q35",  "rootonly-q35", "install-q35", "ua-q35"};

    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path =
            g_strdup_printf("/qemu/argv/the-guest-sees-what-stock-shows/%s", names[i]);
        g_test_add_data_func(path, names[i], the_guest_sees_what_stock_shows);
    }
    g_test_add_func("/qemu/argv/descriptors-take-the-place-of-paths",
                    descriptors_take_the_place_of_paths);
    g_test_add_func("/qemu/argv/a-chain-is-built-from-its-end", a_chain_is_built_from_its_end);
    g_test_add_func("/qemu/argv/a-newer-qemu-gets-machine-properties",
                    a_newer_qemu_gets_machine_properties);
    return g_test_run();
}
