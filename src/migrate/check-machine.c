/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The destination's emulator against what the guest is made of. */
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "host/kvm.h"
#include "host/node.h"
#include "migrate/check.h"
#include "model/guest-def.h"
#include "phase/flags.h"
#include "qemu/probe.h"

#define SECTION "machine"

/* --- emulator, machine type, devices --- */

AWAITS static const Probe *probe_of(const CheckScene *scene, GError **error)
{
    const QemuEnv *env = migrate_settings()->env;

    if (!scene->def->emulator) {
        error_set(error, ERROR_CONFIG_UNSUPPORTED, "the definition names no emulator, and this host has none for it: "
                  "install QEMU here, or name it in <emulator>");
        return NULL;
    }
    return probe_check_emulator(env, scene->def->emulator, error) ? probe_get(env->probes, scene->def->emulator, error) : NULL;
}

static void need(GPtrArray *types, const char *type)
{
    if (type && !g_ptr_array_find_with_equal_func(types, type, g_str_equal, NULL))
        g_ptr_array_add(types, (gpointer)type);
}

static const char *controller_type(const GuestController *controller)
{
    switch (controller->model) {
    case GUEST_CONTROLLER_MODEL_PCI_BRIDGE:
        return "pci-bridge";
    case GUEST_CONTROLLER_MODEL_PCIE_ROOT_PORT:
        return "pcie-root-port";
    case GUEST_CONTROLLER_MODEL_PCIE_TO_PCI_BRIDGE:
        return "pcie-pci-bridge";
    case GUEST_CONTROLLER_MODEL_PIIX3_UHCI:
        return "piix3-usb-uhci";
    case GUEST_CONTROLLER_MODEL_QEMU_XHCI:
        return "qemu-xhci";
    case GUEST_CONTROLLER_MODEL_NEC_XHCI:
        return "nec-usb-xhci";
    case GUEST_CONTROLLER_MODEL_DEFAULT:
        return controller->type == GUEST_CONTROLLER_VIRTIO_SERIAL ? "virtio-serial-pci" : NULL;
    case GUEST_CONTROLLER_MODEL_NONE: /* parts of every machine */
    case GUEST_CONTROLLER_MODEL_PCI_ROOT:
    case GUEST_CONTROLLER_MODEL_PCIE_ROOT:
        break;
    }
    return NULL;
}

/* QEMU's names of all devices of the guest; borrowed texts. */
static GPtrArray *device_types(const GuestDef *def)
{
    GPtrArray *types = g_ptr_array_new();

    for (unsigned i = 0; i < def->controllers->len; i++)
        need(types, controller_type(guest_def_controller(def, i)));
    need(types, def->disks->len ? "virtio-blk-pci" : NULL);
    need(types, def->interfaces->len ? "virtio-net-pci" : NULL);
    need(types, def->serials->len ? "isa-serial" : NULL);
    need(types, def->rngs->len ? "virtio-rng-pci" : NULL);
    need(types, def->balloon.model == GUEST_BALLOON_VIRTIO ? "virtio-balloon-pci" : NULL);
    return types;
}

static void check_devices(const CheckScene *scene, const Probe *probe, GPtrArray *rows)
{
    g_autoptr(GPtrArray) types = device_types(scene->def);
    gboolean lacks = FALSE;

    for (guint i = 0; i < types->len; i++) {
        const char *type = g_ptr_array_index(types, i);
        g_autofree char *name = g_strdup_printf("device '%s'", type);

        if (probe_has_device(probe, type))
            continue;
        lacks = TRUE;
        check_rows_block(rows, SECTION, name, ERROR_CONFIG_UNSUPPORTED,
                         "unsupported configuration: device '%s' is not known to '%s' on this host; install the QEMU that "
                         "the source has, with all its modules",
                         type, probe->emulator);
    }
    if (!lacks)
        check_rows_add(rows, SECTION, "devices", CHECK_OK, "'%s' knows all %u kinds that the guest has", probe->emulator,
                       types->len);
}

static char *version_text(unsigned version, const char *ferryd)
{
    return g_strdup_printf("QEMU %u.%u.%u%s%s", version / 1000000, version / 1000 % 1000, version % 1000,
                           ferryd ? " and ferryd " : "", ferryd ?: "");
}

static void check_version(const CheckScene *scene, const Probe *probe, GPtrArray *rows)
{
    const Param *told = scene->peer ? params_find(scene->peer, CHECK_FACT_QEMU) : NULL;
    const unsigned version = told && told->type == PARAM_UINT ? told->value.u : 0;
    g_autofree char *ours = version_text(probe->version, FERRYD_VERSION);
    g_autofree char *theirs = NULL;

    if (!version) {
        check_rows_add(rows, "host", "versions", CHECK_OK, "%s here, what the source has is not told", ours);
        return;
    }
    theirs = version_text(version, params_get_string(scene->peer, CHECK_FACT_FERRYD));
    check_rows_add(rows, "host", "versions", probe->version < version ? CHECK_WARNING : CHECK_OK, "%s here, %s at the source%s",
                   ours, theirs, probe->version < version ? "; going back to an older QEMU often fails: update it here" : "");
}

AWAITS void check_machine_emulator(CheckScene *scene, GPtrArray *rows)
{
    const GuestDef *def = scene->def;
    g_autofree char *name = g_strdup_printf("type '%s'", def->os.machine);
    GError *why = NULL;
    const Probe *probe = probe_of(scene, &why);

    if (!probe) {
        check_rows_add_error(rows, SECTION, "emulator", CHECK_BLOCKER, why);
        return;
    }
    if (probe_find_machine(probe, def->os.machine))
        check_rows_add(rows, SECTION, name, CHECK_OK, "'%s' knows it", probe->emulator);
    else
        check_rows_block(rows, SECTION, name, ERROR_CONFIG_UNSUPPORTED,
                         "unsupported configuration: machine type '%s' is not known to '%s' on this host; install a QEMU that "
                         "has it",
                         def->os.machine, def->emulator);
    check_devices(scene, probe, rows);
    if (scene->is_rehearsal)
        check_version(scene, probe, rows);
}

/* --- the processor --- */

/* Words of theirs that are not among ours; NULL: all are. */
static char *missing_words(const char *theirs, const char *const *ours)
{
    g_auto(GStrv) words = g_strsplit(theirs, " ", -1);
    g_autoptr(GString) missing = g_string_new(NULL);

    for (char **word = words; *word; word++)
        if (**word && !g_strv_contains(ours, *word))
            g_string_append_printf(missing, "%s%s", missing->len ? " " : "", *word);
    return missing->len ? g_string_free(g_steal_pointer(&missing), FALSE) : NULL;
}

static void compare_hosts(const CheckScene *scene, GPtrArray *rows)
{
    const char *flags = scene->peer ? params_get_string(scene->peer, CHECK_FACT_CPU) : NULL;
    const char *vendor = scene->peer ? params_get_string(scene->peer, CHECK_FACT_CPU_VENDOR) : NULL;
    g_autoptr(Node) node = node_read("");
    g_autofree char *missing = flags && node->cpu_flags ? missing_words(flags, (const char *const *)node->cpu_flags) : NULL;

    if (!flags || !node->cpu_flags)
        check_rows_add(rows, SECTION, "processor", CHECK_UNKNOWN,
                       "the guest has the source's own processor, and nobody told which that is; compare /proc/cpuinfo");
    else if (g_strcmp0(vendor, node->cpu_vendor) != 0)
        check_rows_add(rows, SECTION, "processor", CHECK_BLOCKER,
                       "the guest has the source's own processor, made by %s, and this host's is made by %s; give the guest a "
                       "model that both have",
                       vendor ?: "nobody known", node->cpu_vendor ?: "nobody known");
    else if (missing)
        check_rows_add(rows, SECTION, "processor", CHECK_BLOCKER,
                       "the guest has the source's own processor, and this host's lacks: %s; give the guest a model that both "
                       "have",
                       missing);
    else
        check_rows_add(rows, SECTION, "processor", CHECK_OK, "this host's has all that the source's has");
}

AWAITS static void check_model(const CheckScene *scene, const Probe *probe, GPtrArray *rows)
{
    const GuestDef *def = scene->def;
    const gboolean is_kvm = def->virt == GUEST_VIRT_KVM;
    const char *model = def->cpu.mode == GUEST_CPU_CUSTOM ? def->cpu.model : NULL;
    const ProbeMachine *machine = probe_find_machine(probe, def->os.machine);
    const ProbeCpu *cpu = NULL;
    g_autofree char *name = NULL;
    g_autofree char *lacks = NULL;
    char **blockers;

    if (!model && machine)
        model = machine->default_cpu;
    if (!model)
        return;
    name = g_strdup_printf("processor '%s'", model);
    cpu = probe_find_cpu(probe, model);
    if (!cpu && g_str_has_suffix(model, "-cpu")) /* a class's name: "qemu64-x86_64-cpu" */
        return;
    if (!cpu) {
        check_rows_block(rows, SECTION, name, ERROR_CONFIG_UNSUPPORTED,
                         "unsupported configuration: processor model '%s' is not known to '%s' on this host; install a QEMU "
                         "that has it",
                         model, probe->emulator);
        return;
    }
    blockers = is_kvm ? cpu->blockers_kvm : cpu->blockers_tcg;
    lacks = blockers ? g_strjoinv(" ", blockers) : NULL;
    if (!lacks || !*lacks)
        check_rows_add(rows, SECTION, name, CHECK_OK, "this host can give all of it");
    else if (is_kvm)
        check_rows_add(rows, SECTION, name, CHECK_BLOCKER,
                       "this host's processor lacks: %s; give the guest a model without them, or disable them in its <cpu>", lacks);
    else
        check_rows_add(rows, SECTION, name, CHECK_OK, "emulated as at the source, without: %s", lacks);
}

AWAITS void check_machine_cpu(CheckScene *scene, GPtrArray *rows)
{
    const GuestDef *def = scene->def;
    g_autofree char *reason = NULL;
    const Probe *probe;

    if (def->virt == GUEST_VIRT_KVM && !kvm_works(&reason)) {
        check_rows_block(rows, SECTION, "KVM", ERROR_CONFIG_UNSUPPORTED,
                         "unsupported configuration: domain type 'kvm' needs a working KVM, which this host has not: %s; load "
                         "kvm_intel or kvm_amd, and switch virtualization on in the firmware",
                         reason ?: "the probe failed");
        return;
    }
    if (!scene->is_rehearsal)
        return;
    if (def->virt == GUEST_VIRT_KVM && def->cpu.mode != GUEST_CPU_CUSTOM && def->cpu.mode != GUEST_CPU_DEFAULT)
        compare_hosts(scene, rows);
    else if ((probe = probe_of(scene, NULL)))
        check_model(scene, probe, rows);
}

/* --- postcopy --- */

#define UNPRIVILEGED "/proc/sys/vm/unprivileged_userfaultfd"
#define DEVICE       "/dev/userfaultfd" /* for QEMU from 8.0 on */

static gboolean device_is_open_to_all(void)
{
    struct stat status;

    return stat(DEVICE, &status) == 0 && (status.st_mode & (S_IROTH | S_IWOTH)) == (S_IROTH | S_IWOTH);
}

/* QEMU fetches what its guest touches through userfaultfd, which kernels keep from users without privileges, and QEMU has none. */
AWAITS void check_machine_postcopy(CheckScene *scene, GPtrArray *rows)
{
    g_autofree char *setting = NULL;

    if (!(scene->flags & MIGRATE_POSTCOPY))
        return;
    setting = file_read(UNPRIVILEGED, 16, NULL, NULL);
    if (!setting)
        check_rows_block(rows, SECTION, "post-copy", ERROR_CONFIG_UNSUPPORTED,
                         "post-copy needs userfaultfd, which this host's kernel does not have; migrate without --postcopy");
    else if (*setting != '1' && !device_is_open_to_all())
        check_rows_block(rows, SECTION, "post-copy", ERROR_CONFIG_UNSUPPORTED,
                         "post-copy needs userfaultfd, which this host's kernel keeps from QEMU's user (" UNPRIVILEGED
                         " is 0); `sysctl vm.unprivileged_userfaultfd=1` here, and in /etc/sysctl.d to stay");
    else
        check_rows_add(rows, SECTION, "post-copy", CHECK_OK, "QEMU's user may use userfaultfd");
}
