/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is not supported, malformed or impossible: refused by name, never dropped. */
#include <string.h>

#include "base/error.h"
#include "model/guest-def.h"

static const GuestMachineAlias aliases[] = {{"q35", "pc-q35-7.2"}, {"pc", "pc-i440fx-7.2"}, {NULL}};
static const GuestFacts facts = {.emulator = "/usr/bin/qemu-system-x86_64",
                                 .machine_aliases = aliases};

/* A guest with additions: attributes of <domain>, elements below it, in <os>, and devices. */
typedef struct {
    const char *domain, *os, *devices;
    const char *words; /* in the error; NULL: accepted */
    ErrorCode code;
    const char *machine;
} Case;

static char *build(const Case *c)
{
    return g_strdup_printf(
        "<domain type='qemu'>\n<name>n</name>\n<memory>65536</memory>\n"
        "<os><type machine='%s'>hvm</type>%s</os>\n%s\n<devices>\n%s\n</devices></domain>",
        c->machine ?: "q35", c->os ?: "", c->domain ?: "", c->devices ?: "");
}

static void run(const Case *cases, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const Case *c = &cases[i];
        g_autofree char *xml = build(c);
        g_autoptr(GError) error = NULL;
        g_autoptr(GuestDef) def = guest_def_parse(xml, strlen(xml), GUEST_PARSE_INACTIVE, &error);
        gboolean is_ok = def && guest_def_fill_defaults(def, &facts, &error);

        if (is_ok != (c->words == NULL))
            g_error("%s: %s", is_ok ? "accepted" : error->message, xml);
        if (is_ok)
            continue;
        if (!strstr(error->message, c->words))
            g_error("'%s' is not in: %s", c->words, error->message);
        if ((int)error_code(error) != (int)c->code)
            g_error("code %d: %s", error_code(error), error->message);
    }
}

#define XML         ERROR_XML_ERROR
#define UNSUPPORTED ERROR_CONFIG_UNSUPPORTED
#define DISK(more)                                                                                 \
    "<disk type='file'><source file='/i'/><target dev='vda' bus='virtio'/>" more "</disk>"
#define PORT(index, address)                                                                       \
    "<controller type='pci' index='" index "' model='pcie-root-port'>" address "</controller>"
#define AT(bus, slot, function)                                                                    \
    "<address type='pci' bus='" bus "' slot='" slot "' function='" function "'/>"

static void test_elements_of_other_hosts_are_named(void)
{
    static const Case cases[] = {
        {.words = NULL},
        {.domain = "<memoryBacking><locked/></memoryBacking>",
         .words = "<domain/memoryBacking> (line 5)",
         .code = UNSUPPORTED},
        {.domain = "<cputune/>", .words = "<domain/cputune>", .code = UNSUPPORTED},
        {.domain = "<genid/>", .words = "<domain/genid>", .code = UNSUPPORTED},
        {.domain = "<iothreads>1</iothreads>", .words = "<domain/iothreads>", .code = UNSUPPORTED},
        {.domain = "<qemu:commandline xmlns:qemu='u'/>",
         .words = "<domain/qemu:commandline>",
         .code = UNSUPPORTED},
        {.domain = "<vcpu cpuset='1'>2</vcpu>",
         .words = "attribute 'cpuset' of <domain/vcpu>",
         .code = UNSUPPORTED},
        {.domain = "<vcpu placement='auto'>2</vcpu>",
         .words = "placement='auto'",
         .code = UNSUPPORTED},
        {.domain = "<features><hyperv/></features>",
         .words = "<domain/features/hyperv>",
         .code = UNSUPPORTED},
        {.domain = "<cpu mode='host-model'/>",
         .words = "mode='host-model' of <domain/cpu>",
         .code = UNSUPPORTED},
        {.domain = "<cpu match='minimum'><model>qemu64</model></cpu>",
         .words = "match='minimum'",
         .code = UNSUPPORTED},
        {.domain = "<cpu><numa/></cpu>", .words = "<domain/cpu/numa>", .code = UNSUPPORTED},
        {.domain = "<clock offset='variable'/>",
         .words = "offset='variable' of <domain/clock>",
         .code = UNSUPPORTED},
        {.domain = "<clock offset='utc'><timer name='hypervclock'/></clock>",
         .words = "name='hypervclock'",
         .code = UNSUPPORTED},
        {.domain = "<on_crash>coredump-destroy</on_crash>",
         .words = "'coredump-destroy' in <domain/on_crash>",
         .code = UNSUPPORTED},
        {.domain = "<seclabel type='static'><label>x</label></seclabel>",
         .words = "type='static'",
         .code = UNSUPPORTED},
        {.domain = "<seclabel type='dynamic' relabel='no'/>",
         .words = "relabel='no'",
         .code = UNSUPPORTED},
        {.os = "<loader>/x</loader>", .words = "<domain/os/loader>", .code = UNSUPPORTED},
        {.os = "<bootmenu enable='yes'/>", .words = "<domain/os/bootmenu>", .code = UNSUPPORTED},
        {.machine = "microvm", .words = "machine type 'microvm'", .code = UNSUPPORTED},
        {.devices = "<tpm model='tpm-crb'/>",
         .words = "<domain/devices/tpm> (line 7)",
         .code = UNSUPPORTED},
        {.devices = "<hostdev/>", .words = "<domain/devices/hostdev>", .code = UNSUPPORTED},
        {.devices = "<input type='tablet' bus='usb'/>",
         .words = "type='tablet' of <domain/devices/input>",
         .code = UNSUPPORTED},
        {.devices = "<input type='mouse' bus='ps2'/><input type='mouse'/>",
         .words = "two PS/2 inputs of one type",
         .code = XML},
        {.devices = "<audio id='1' type='spice'/>", .words = "type='spice'", .code = UNSUPPORTED},
        {.devices = "<controller type='scsi'/>",
         .words = "type='scsi' of <domain/devices/controller>",
         .code = UNSUPPORTED},
        {.devices = "<memballoon model='virtio' autodeflate='on'/>",
         .words = "attribute 'autodeflate'",
         .code = UNSUPPORTED},
        {.devices = "<memballoon model='virtio'/><memballoon model='virtio'/>",
         .words = "<domain/devices/memballoon>",
         .code = UNSUPPORTED},
        {.devices = "<rng model='virtio'><backend model='egd'/></rng>",
         .words = "model='egd'",
         .code = UNSUPPORTED},
    };

    run(cases, G_N_ELEMENTS(cases));
}

static void test_disks(void)
{
    static const Case cases[] = {
        {.devices = DISK("")},
        {.devices = DISK("<backingStore/>")},
        {.devices = DISK("<driver name='qemu' type='vmdk'/>"),
         .words = "type='vmdk' of <domain/devices/disk/driver>",
         .code = UNSUPPORTED},
        {.devices = DISK("<driver name='qemu' queues='2'/>"),
         .words = "attribute 'queues'",
         .code = UNSUPPORTED},
        {.devices = DISK("<iotune/>"),
         .words = "<domain/devices/disk/iotune>",
         .code = UNSUPPORTED},
        {.devices = DISK("<transient/>"),
         .words = "<domain/devices/disk/transient>",
         .code = UNSUPPORTED},
        {.devices = DISK(
             "<backingStore type='block'><format type='raw'/><source dev='/d'/></backingStore>"),
         .words = "type='block'",
         .code = UNSUPPORTED},
        {.devices = DISK("<address type='drive'/>"),
         .words = "type='drive' of <domain/devices/disk/address>",
         .code = UNSUPPORTED},
        {.devices = DISK("<serial>a,b=c</serial>"),
         .words = "the serial of disk 'vda' may hold",
         .code = XML},
        {.devices = DISK("<serial>123456789012345678901</serial>"),
         .words = "longer than 20",
         .code = XML},
        {.devices = DISK("<boot order='0'/>"), .words = "greater than 0", .code = XML},
        {.devices = DISK("") DISK(""), .words = "two disks have the target 'vda'", .code = XML},
        {.devices = DISK("<boot order='1'/>"),
         .os = "<boot dev='hd'/>",
         .words = "cannot be used together",
         .code = UNSUPPORTED},
        {.devices = DISK("<boot order='1'/>") "<interface type='user'><model type='virtio'/><boot "
                                              "order='1'/></interface>",
         .words = "boot order '1' used for more than one",
         .code = XML},
        {.devices = "<disk type='network'/>",
         .words = "type='network' of <domain/devices/disk>",
         .code = UNSUPPORTED},
        {.devices = "<disk device='cdrom'/>", .words = "device='cdrom'", .code = UNSUPPORTED},
        {.devices = "<disk><target dev='vda'/></disk>",
         .words = "missing attribute source/@file",
         .code = XML},
        {.devices = "<disk><source file='i'/><target dev='vda'/></disk>",
         .words = "absolute path",
         .code = XML},
        {.devices = "<disk><source file='/i'/><target dev='sda' bus='sata'/></disk>",
         .words = "bus='sata'",
         .code = UNSUPPORTED},
        {.devices = "<disk><source file='/i'/><target dev='vd/../x'/></disk>",
         .words = "is no disk name",
         .code = XML},
        {.devices = "<disk><source file='/i' startupPolicy='optional'/><target dev='vda'/></disk>",
         .words = "'startupPolicy'",
         .code = UNSUPPORTED},
    };

    run(cases, G_N_ELEMENTS(cases));
}

static void test_interfaces(void)
{
    static const Case cases[] = {
        {.devices = "<interface type='bridge'><source bridge='br0'/><target dev='vnet3'/><model "
                    "type='virtio'/></interface>"},
        {.devices = "<interface type='network'><source network='n' portid='x' bridge='b'/><model "
                    "type='virtio'/></interface>"},
        {.devices = "<interface type='direct'><model type='virtio'/></interface>",
         .words = "type='direct'",
         .code = UNSUPPORTED},
        {.devices = "<interface type='user'/>",
         .words = "missing attribute model/@type",
         .code = XML},
        {.devices = "<interface type='user'><model type='e1000e'/></interface>",
         .words = "type='e1000e'",
         .code = UNSUPPORTED},
        {.devices = "<interface type='bridge'><model type='virtio'/></interface>",
         .words = "<source bridge=",
         .code = XML},
        {.devices = "<interface type='network'><model type='virtio'/></interface>",
         .words = "<source network=",
         .code = XML},
        {.devices = "<interface type='user'><source bridge='b'/><model type='virtio'/></interface>",
         .words = "<domain/devices/interface/source>",
         .code = UNSUPPORTED},
        {.devices =
             "<interface type='bridge'><source bridge='a/b'/><model type='virtio'/></interface>",
         .words = "cannot be the name",
         .code = XML},
        {.devices = "<interface type='ethernet'><target dev='sixteen-letters-'/><model "
                    "type='virtio'/></interface>",
         .words = "cannot be the name",
         .code = XML},
        {.devices =
             "<interface type='ethernet'><target managed='no'/><model type='virtio'/></interface>",
         .words = "managed='no' needs",
         .code = XML},
        {.devices = "<interface type='user'><mac address='01:00:00:00:00:00'/><model "
                    "type='virtio'/></interface>",
         .words = "unicast",
         .code = XML},
        {.devices = "<interface type='user'><mac address='52:54:00:00:00'/><model "
                    "type='virtio'/></interface>",
         .words = "unicast",
         .code = XML},
        {.devices = "<interface type='user'><model type='virtio'/><virtualport/></interface>",
         .words = "virtualport",
         .code = UNSUPPORTED},
        {.devices =
             "<interface type='user'><model type='virtio'/><alias name='ua-a,id=b'/></interface>",
         .words = "the alias has to be",
         .code = XML},
        {.devices = "<interface type='user'><model type='virtio'/><alias name='ua-a'/></interface>"
                    "<interface type='user'><model type='virtio'/><alias name='ua-a'/></interface>",
         .words = "two devices have the alias 'ua-a'",
         .code = XML},
    };

    run(cases, G_N_ELEMENTS(cases));
}

static void test_serial_ports_and_consoles(void)
{
    static const Case cases[] = {
        {.devices = "<console type='pty'/>"},
        {.devices = "<serial type='pty'/><console type='pty' tty='/dev/pts/1'><source "
                    "path='/dev/pts/1'/></console>"},
        {.devices = "<serial type='file'><source path='/l'/></serial><console type='file'><source "
                    "path='/l'/><target type='serial'/></console>"},
        {.devices = "<serial type='file'><source path='/l'/></serial><console type='pty'/>",
         .words = "<console> other than the first <serial>",
         .code = UNSUPPORTED},
        {.devices = "<console type='pty'><target type='virtio'/></console>",
         .words = "type='virtio' of <domain/devices/console/target>",
         .code = UNSUPPORTED},
        {.devices = "<console type='pty'/><console type='pty'/>",
         .words = "<domain/devices/console>",
         .code = UNSUPPORTED},
        {.devices = "<serial type='spicevmc'/>", .words = "type='spicevmc'", .code = UNSUPPORTED},
        {.devices = "<serial type='file'/>", .words = "needs <source path=", .code = XML},
        {.devices = "<serial type='file'><source path='l'/></serial>",
         .words = "absolute",
         .code = XML},
        {.devices = "<serial type='tcp'><source host='h' service='70000'/></serial>",
         .words = "port number",
         .code = XML},
        {.devices = "<serial type='tcp'><source host='h' service='http'/></serial>",
         .words = "port number",
         .code = XML},
        {.devices = "<serial type='pty'><source mode='bind'/></serial>",
         .words = "attribute 'mode'",
         .code = UNSUPPORTED},
        {.devices = "<serial type='unix'><source path='/s' tls='yes'/></serial>",
         .words = "attribute 'tls'",
         .code = UNSUPPORTED},
        {.devices = "<serial type='pty'><log file='/l'/></serial>",
         .words = "<domain/devices/serial/log>",
         .code = UNSUPPORTED},
        {.devices = "<serial type='pty'><target port='1'/></serial><serial type='pty'><target "
                    "port='1'/></serial>",
         .words = "serial port 1 is used twice",
         .code = XML},
        {.devices = "<serial type='pty'><target port='4'/></serial>",
         .words = "from 0 to 3",
         .code = XML},
        {.devices = "<serial type='pty'/><serial type='pty'/><serial type='pty'/><serial "
                    "type='pty'/><serial type='pty'/>",
         .words = "more than 4 <serial>",
         .code = XML},
    };

    run(cases, G_N_ELEMENTS(cases));
}

static void test_the_guest_itself(void)
{
    static const Case cases[] = {
        {.domain = "<vcpu>0</vcpu>", .words = "from 1 to 288", .code = XML},
        {.domain = "<vcpu>289</vcpu>", .words = "from 1 to 288", .code = XML},
        {.domain = "<vcpu>256</vcpu>",
         .machine = "pc",
         .words = "at most 255 vCPUs",
         .code = UNSUPPORTED},
        {.domain = "<vcpu current='3'>2</vcpu>", .words = "current='3'", .code = XML},
        {.domain = "<vcpu>4</vcpu><cpu><topology sockets='1' cores='2' threads='1'/></cpu>",
         .words = "does not match the maximum vCPU count 4",
         .code = UNSUPPORTED},
        {.domain = "<cpu><topology sockets='1' cores='0' threads='1'/></cpu>",
         .words = "each at least 1",
         .code = XML},
        {.domain =
             "<vcpu>2</vcpu><cpu><topology sockets='2' clusters='1' cores='1' threads='1'/></cpu>"},
        {.domain =
             "<vcpu>2</vcpu><cpu><topology sockets='1' clusters='2' cores='1' threads='1'/></cpu>",
         .words = "clusters='2'",
         .code = UNSUPPORTED},
        {.domain = "<cpu><model>a,b</model></cpu>", .words = "CPU model may hold", .code = XML},
        {.domain = "<cpu><model>a</model><feature name='x=y'/></cpu>",
         .words = "CPU feature may hold",
         .code = XML},
        {.domain = "<cpu><model>a</model><feature name='x'/><feature name='x'/></cpu>",
         .words = "named twice",
         .code = XML},
        {.domain = "<cpu mode='maximum'><model>a</model></cpu>",
         .words = "<domain/cpu/model>",
         .code = UNSUPPORTED},
        {.domain = "<uuid>nonsense</uuid>", .words = "'nonsense' is not a UUID", .code = XML},
        {.domain = "<uuid>00000000-0000-0000-0000-000000000000</uuid>",
         .words = "is not a UUID",
         .code = XML},
        {.domain = "<title>a\nb</title>", .words = "one line", .code = XML},
        {.domain = "<currentMemory unit='XB'>1</currentMemory>",
         .words = "'XB' is not a unit",
         .code = XML},
        {.domain = "<currentMemory>-1</currentMemory>", .words = "not an amount", .code = XML},
        {.domain = "<currentMemory unit='TiB'>18446744073709551615</currentMemory>",
         .words = "not an amount",
         .code = XML},
        {.os = "<kernel>k</kernel>", .words = "absolute paths", .code = XML},
        {.os = "<cmdline>k</cmdline>", .words = "need a kernel", .code = XML},
        {.os = "<boot dev='hd'/><boot dev='hd'/><boot dev='hd'/><boot dev='hd'/><boot dev='hd'/>",
         .words = "more than 4 boot",
         .code = XML},
        {.machine = "pc-q35-7.2,usb=on", .words = "machine type may hold", .code = XML},
        {.devices = "<emulator>qemu</emulator>", .words = "absolute path", .code = XML},
    };

    run(cases, G_N_ELEMENTS(cases));
}

static void test_pci_addresses(void)
{
    static const Case cases[] = {
        {.devices = DISK(AT("0", "5", "0"))},
        {.devices = DISK(AT("5", "0", "0")),
         .words = "0000:05:00.0 of the disk 'vda' names bus 5",
         .code = XML},
        {.devices = DISK(AT("0", "0x1f", "2")),
         .words = "0000:00:1f.2 of the disk 'vda' is already taken by the sata controller 0",
         .code = XML},
        {.devices = DISK(AT("0", "0x1f", "0")), .words = "taken by the chipset", .code = XML},
        {.devices = DISK(AT("0", "1", "0")),
         .machine = "pc",
         .words = "taken by the chipset",
         .code = XML},
        {.devices = DISK(AT("0", "0", "1")),
         .words = "has a slot that the 'pcie-root'",
         .code = XML},
        {.devices = DISK(AT("0", "2", "0")) "<memballoon model='virtio'>" AT("0", "2",
                                                                             "0") "</memballoon>",
         .words = "is already taken by",
         .code = XML},
        {.devices = PORT("1", "") DISK(AT("1", "1", "0")),
         .words = "has a slot that the 'pcie-root-port' with index 1 does not have",
         .code = XML},
        {.devices = PORT("1", AT("2", "0", "0")) PORT("2", ""),
         .words = "bus of a lower index",
         .code = XML},
        {.devices = PORT("2", AT("1", "0", "0")) PORT("1", ""),
         .words = "where it cannot be plugged in",
         .code = XML},
        {.devices = PORT("1", "") PORT("1", ""),
         .words = "two pci controllers with index 1",
         .code = XML},
        {.devices = PORT("1", ""),
         .machine = "pc",
         .words = "'pcie-root-port' on machine type 'pc-i440fx-7.2'",
         .code = UNSUPPORTED},
        {.devices = "<controller type='pci' index='0' model='pci-root'/>",
         .words = "PCI controller 0 of model 'pci-root'",
         .code = UNSUPPORTED},
        {.devices = "<controller type='pci' index='1'/>", .words = "needs a model", .code = XML},
        {.devices = "<controller type='pci' index='1' model='qemu-xhci'/>",
         .words = "model='qemu-xhci'",
         .code = UNSUPPORTED},
        {.devices = "<controller type='usb' model='ehci'/>",
         .words = "model='ehci'",
         .code = UNSUPPORTED},
        {.devices =
             "<controller type='usb' model='none'/><controller type='usb' model='qemu-xhci'/>",
         .words = "beside another USB",
         .code = XML},
        {.devices = "<controller type='usb' model='piix3-uhci'/>",
         .words = "piix3-uhci on machine type",
         .code = UNSUPPORTED},
        {.devices = "<controller type='sata' index='1'/>",
         .words = "sata controller 1 on machine type",
         .code = UNSUPPORTED},
        {.devices = "<controller type='sata'>" AT("0", "9", "0") "</controller>",
         .words = "must have PCI address 0000:00:1f.2",
         .code = XML},
        {.devices = "<controller type='pci' index='1' model='pcie-root-port'><target chassis='1' "
                    "port='8' hotplug='off'/></controller>",
         .words = "attribute 'hotplug'",
         .code = UNSUPPORTED},
        {.devices = "<controller type='pci' index='1' model='pcie-root-port'><target "
                    "chassisNr='1'/></controller>",
         .words = "'chassisNr'",
         .code = UNSUPPORTED},
        {.devices = DISK("<address type='pci' domain='1' bus='0' slot='2'/>"),
         .words = "domain='1'",
         .code = UNSUPPORTED},
        {.devices = DISK("<address type='pci' bus='0' slot='32'/>"),
         .words = "from 0 to 31",
         .code = XML},
        {.devices =
             DISK("<address type='pci' slot='3' multifunction='off'/>") "<memballoon "
                                                                        "model='virtio'>" AT(
                                                                            "0", "3",
                                                                            "1") "</memballoon>",
         .words = "says multifunction='off'",
         .code = XML},
    };

    run(cases, G_N_ELEMENTS(cases));
}

static char *many_interfaces(unsigned count)
{
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < count; i++)
        g_string_append(text, "<interface type='user'><model type='virtio'/></interface>");
    return g_string_free(text, FALSE);
}

static void test_a_full_bus_says_so(void)
{
    g_autofree char *fits = many_interfaces(29), *full = many_interfaces(30),
                    *ports = many_interfaces(239), *over = many_interfaces(240);
    const Case cases[] = {
        {.devices = fits, .machine = "pc"},
        {.devices = full,
         .machine = "pc",
         .words = "add a PCI controller of model 'pci-bridge'",
         .code = UNSUPPORTED},
        {.devices = over, .words = "no PCI slot is left for", .code = UNSUPPORTED},
        {.devices = ports,
         .words = "no PCI slot is left for",
         .code = UNSUPPORTED}, /* with usb and balloon */
    };

    run(cases, G_N_ELEMENTS(cases));
}

static void test_a_machine_that_the_emulator_lacks_is_refused(void)
{
    static const char *const machines[] = {"pc-q35-7.1", NULL};
    GuestFacts old = facts;
    Case c = {0};
    g_autofree char *xml = build(&c);
    g_autoptr(GuestDef) def = guest_def_parse(xml, strlen(xml), GUEST_PARSE_INACTIVE, NULL);
    g_autoptr(GError) error = NULL;

    old.machines = machines;
    g_assert_false(guest_def_fill_defaults(def, &old, &error));
    g_assert_nonnull(strstr(error->message, "no machine type 'pc-q35-7.2'"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/model/refuse/elements-of-other-hosts-are-named",
                    test_elements_of_other_hosts_are_named);
    g_test_add_func("/model/refuse/disks", test_disks);
    g_test_add_func("/model/refuse/interfaces", test_interfaces);
    g_test_add_func("/model/refuse/serial-ports-and-consoles", test_serial_ports_and_consoles);
    g_test_add_func("/model/refuse/the-guest-itself", test_the_guest_itself);
    g_test_add_func("/model/refuse/pci-addresses", test_pci_addresses);
    g_test_add_func("/model/refuse/a-full-bus-says-so", test_a_full_bus_says_so);
    g_test_add_func("/model/refuse/a-machine-that-the-emulator-lacks-is-refused",
                    test_a_machine_that_the_emulator_lacks_is_refused);
    return g_test_run();
}
