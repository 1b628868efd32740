/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Would the guest notice?  Each case changes one word of a definition. */
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "model/guest-def.h"

static char *load(void)
{
    g_autofree char *path =
        g_test_build_filename(G_TEST_DIST, "testdata", "devices-q35.out.xml", NULL);
    char *text = file_read(path, 1 << 20, NULL, NULL);

    g_assert_nonnull(text);
    return text;
}

/* The first place of `from` becomes `to`. */
static GuestDef *with_change(const char *from, const char *to)
{
    static const GuestFacts facts = {.emulator = "/usr/bin/qemu-system-x86_64"};
    g_autofree char *text = load(), *changed = NULL;
    char *place = strstr(text, from);
    g_autoptr(GError) error = NULL;
    GuestDef *def;

    g_assert_nonnull(place);
    *place = '\0';
    changed = g_strdup_printf("%s%s%s", text, to, place + strlen(from));
    def = guest_def_parse(changed, strlen(changed), GUEST_PARSE_INACTIVE, &error);
    g_assert_no_error(error);
    guest_def_fill_defaults(def, &facts, &error);
    g_assert_no_error(error);
    return def;
}

typedef struct {
    const char *from, *to;
    const char *message; /* behind "unsupported configuration: "; NULL: the guest does not notice */
} Change;

/* clang-format off */
static const Change changes[] = {
    {"type='qemu'", "type='kvm'", "Target domain virt type 'kvm' does not match source 'qemu'"},
    {"8444-000000000003", "8444-0000000000ff", "Target domain uuid '11111111-2222-4333-8444-0000000000ff' does not match source '11111111-2222-4333-8444-000000000003'"},
    {"<name>devices", "<name>other", "Target domain name 'other & 'more' <q35>' does not match source 'devices & 'more' <q35>'"},
    {"1048576</memory>", "2097152</memory>", "Target domain max memory '2097152 KiB' does not match source '1048576 KiB'"},
    {"pc-q35-7.2", "pc-q35-7.1", "Target domain machine type 'pc-q35-7.1' does not match source 'pc-q35-7.2'"},
    {"<acpi/>", "", "Target domain feature acpi '' does not match source 'yes'"},
    {"<vmport state='off'/>", "", "Target domain feature vmport 'default' does not match source 'off'"},
    {"Westmere", "Nehalem", "Target CPU model 'Nehalem' does not match source 'Westmere'"},
    {"cores='2' threads='1'", "cores='1' threads='2'", "Target CPU cores '1' does not match source '2'"},
    {"<feature policy='disable' name='aes'/>", "", "Target CPU feature 'aes' policy default does not match source disable"},
    {"<feature policy='disable' name='aes'/>", "<feature policy='forbid' name='aes'/>", NULL},
    {"tickpolicy='catchup'", "tickpolicy='delay'", "Target rtc tick policy 'delay' does not match source 'catchup'"},
    {"<timer name='hpet' present='no'/>", "", "Target domain timer count 2 does not match source 3"},
    {"<clock offset='utc'>", "<clock offset='localtime'>", "Target clock offset 'localtime' does not match source 'utc'"},
    {"<suspend-to-mem enabled='no'/>", "", "Target domain suspend-to-mem '' does not match source 'no'"},
    {"ABC-123", "ABC-124", "Target disk 'vda' serial 'ABC-124' does not match source 'ABC-123'"},
    {"      <readonly/>\n", "", "Target disk 'vdb' readonly '' does not match source 'yes'"},
    {"<target dev='vdb'", "<target dev='vdc'", "Target disk 'vdb' target/@dev 'vdc' does not match source 'vdb'"},
    {"bus='0x07' slot='0x00'", "bus='0x0b' slot='0x00'", "Target disk 'vda' address '0000:0b:00.0' does not match source '0000:07:00.0'"},
    {"port='0xb'/>", "port='0x3b'/>", "Target pci controller 4 target/@port '0x3b' does not match source '0xb'"},
    {"52:54:00:00:00:02", "52:54:00:00:00:f2", "Target interface 1 mac '52:54:00:00:00:f2' does not match source '52:54:00:00:00:02'"},
    {"<rate bytes='1024' period='2000'/>", "", "Target rng 0 rate/@bytes '' does not match source '1024'"},
    {" ports='15'", "", "Target usb controller 0 @ports '' does not match source '15'"},
    /* what only the hosts see */
    {"<title>Devices</title>", "", NULL},
    {"app:colour=\"red\"", "", NULL},
    {"cache='none' io='native' discard='unmap'", "cache='directsync'", NULL},
    {"/var/lib/guests/a.qcow2", "/elsewhere/a.qcow2", NULL},
    {"bridge='br0'", "bridge='br1'", NULL},
    {"<on_reboot>destroy", "<on_reboot>restart", NULL},
    {"<link state='down'/>", "", NULL},
    {"/dev/urandom", "/dev/hwrng", NULL},
    {"<stats period='5'/>", "", NULL},
    {"fallback='forbid'", "fallback='allow'", NULL},
    {"/boot/vmlinuz", "/boot/other", NULL},
};
/* clang-format on */

static void check(const GuestDef *source, const GuestDef *target, const Change *change)
{
    g_autoptr(GError) error = NULL;
    gboolean is_same = guest_def_compare_abi(source, target, &error);

    if (is_same != (change->message == NULL))
        g_error("%s -> %s: %s", change->from, change->to, is_same ? "not noticed" : error->message);
    if (is_same)
        return;
    g_assert_true(error_is(error, ERROR_CONFIG_UNSUPPORTED));
    g_assert_true(g_str_has_prefix(error->message, "unsupported configuration: "));
    g_assert_cmpstr(error->message + strlen("unsupported configuration: "), ==, change->message);
}

static void test_every_word_that_the_guest_sees_counts(void)
{
    g_autoptr(GuestDef) source = with_change("<domain", "<domain");

    for (unsigned i = 0; i < G_N_ELEMENTS(changes); i++) {
        g_autoptr(GuestDef) target = with_change(changes[i].from, changes[i].to);
        check(source, target, &changes[i]);
    }
}

static void test_counts_of_devices_and_vcpus_are_compared(void)
{
    static const Change vcpus = {
        "", "", "Target domain vCPU count '2 of 2' does not match source '1 of 2'"};
    static const Change disks = {"", "", "Target domain disk count 1 does not match source 2"};
    static const Change serials = {"", "", "Target domain serial count 4 does not match source 3"};
    static const Change usb = {"", "",
                               "Target domain controller count 16 does not match source 15"};
    g_autoptr(GuestDef) source = with_change("<domain", "<domain"),
                        target = with_change(" current='1'", "");

    check(source, target, &vcpus);
    guest_def_free(target);
    target = guest_def_copy(source);
    g_ptr_array_set_size(target->disks, 1);
    check(source, target, &disks);
    guest_def_free(target);
    target = with_change("<serial type='tcp'>", "<serial type='pty'/><serial type='tcp'>");
    check(source, target, &serials);
    guest_def_free(target);
    target =
        with_change("<controller type='sata'", "<controller type='fdc'/><controller type='sata'");
    check(source, target, &usb);
}

static void test_order_of_controllers_does_not_matter(void)
{
    g_autoptr(GuestDef) source = with_change("<domain", "<domain"), target = guest_def_copy(source);
    gpointer first = g_ptr_array_steal_index(target->controllers, 0);

    g_ptr_array_add(target->controllers, first);
    g_assert_true(guest_def_compare_abi(source, target, NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/model/abi/every-word-that-the-guest-sees-counts",
                    test_every_word_that_the_guest_sees_counts);
    g_test_add_func("/model/abi/counts-of-devices-and-vcpus-are-compared",
                    test_counts_of_devices_and_vcpus_are_compared);
    g_test_add_func("/model/abi/order-of-controllers-does-not-matter",
                    test_order_of_controllers_does_not_matter);
    return g_test_run();
}
