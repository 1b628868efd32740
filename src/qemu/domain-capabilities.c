/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a definition may contain for one emulator, machine and virtualization type, as a document.
 * Clients take from it what to offer, so what is not served yet is said to be unsupported. */
#include <string.h>

#include "base/error.h"
#include "qemu/capabilities-part.h"
#include "qemu/capabilities.h"

typedef struct {
    const Probe *probe;
    const ProbeMachine *machine;
    gboolean is_kvm;
} Choice;

/* A list of values under one name. */
typedef struct {
    const char *name;
    const char *const *values;
} EnumRow;

#define VALUES(...) ((const char *const[]){__VA_ARGS__, NULL})

typedef struct {
    const char *element;
    const EnumRow *rows; /* NULL: not supported */
} DeviceRow;

/* clang-format off */
static const EnumRow disk_rows[] = {
    { "diskDevice", VALUES("disk") },
    { "bus",        VALUES("virtio") },
    { "model",      VALUES("virtio") },
    { NULL },
};
static const EnumRow video_rows[] = { { "modelType", VALUES("none") }, { NULL } };
static const EnumRow rng_rows[] = {
    { "model",        VALUES("virtio") },
    { "backendModel", VALUES("random") },
    { NULL },
};

static const DeviceRow device_rows[] = {
    { "disk",       disk_rows },
    { "graphics",   NULL },
    { "video",      video_rows },
    { "hostdev",    NULL },
    { "rng",        rng_rows },
    { "filesystem", NULL },
    { "tpm",        NULL },
    { "redirdev",   NULL },
    { "channel",    NULL },
};

static const char *const feature_rows[] = { "gic", "vmcoreinfo", "genid", "backingStoreInput", "backup", "sev", "sgx", "hyperv" };
/* clang-format on */

static const Probe *find_probe(const CapabilitiesFacts *facts, const char *emulator,
                               const char *arch, GError **error)
{
    const char *wanted = arch ? arch : facts->node->arch;

    for (unsigned i = 0; i < facts->probe_count; i++) {
        const Probe *probe = facts->probes[i];

        if (emulator ? strcmp(probe->emulator, emulator) == 0 : strcmp(probe->arch, wanted) == 0) {
            if (!arch || strcmp(probe->arch, arch) == 0)
                return probe;
            error_set(error, ERROR_INVALID_ARG,
                      "invalid argument: architecture from emulator '%s' doesn't match given "
                      "architecture '%s'",
                      probe->arch, arch);
            return NULL;
        }
    }
    if (emulator)
        error_set(error, ERROR_INVALID_ARG,
                  "invalid argument: emulator '%s' is not available on this host", emulator);
    else
        error_set(
            error, ERROR_CONFIG_UNSUPPORTED,
            "unsupported configuration: unable to find any emulator to serve '%s' architecture",
            wanted);
    return NULL;
}

static const ProbeMachine *find_machine(const Probe *probe, const char *name, GError **error)
{
    const ProbeMachine *machine = name ? probe_find_machine(probe, name) : NULL;

    for (unsigned i = 0; !name && !machine && i < probe->machine_count; i++) {
        if (probe->machines[i].is_default)
            machine = &probe->machines[i];
    }
    if (machine && caps_knows_machine(machine->name))
        return machine;
    error_set(error, ERROR_INVALID_ARG,
              "invalid argument: the machine '%s' is not supported by emulator '%s'",
              name ? name : "(default)", probe->emulator);
    return NULL;
}

static gboolean choose(const CapabilitiesFacts *facts, const char *emulator, const char *arch,
                       const char *machine, const char *virt_type, Choice *ret_choice,
                       GError **error)
{
    const Probe *probe = find_probe(facts, emulator, arch, error);
    gboolean may_kvm = probe && facts->has_kvm && probe->has_kvm;

    if (!probe)
        return FALSE;
    if (virt_type && strcmp(virt_type, "qemu") != 0 && !(may_kvm && strcmp(virt_type, "kvm") == 0))
        return error_set(error, ERROR_INVALID_ARG,
                         "invalid argument: Emulator '%s' does not support virt type '%s'",
                         probe->emulator, virt_type);
    ret_choice->probe = probe;
    ret_choice->is_kvm = virt_type ? strcmp(virt_type, "kvm") == 0 : may_kvm;
    ret_choice->machine = find_machine(probe, machine, error);
    return ret_choice->machine != NULL;
}

static void write_enum(Caps *caps, const char *name, const char *const *values)
{
    g_autofree char *tag = g_strdup_printf("enum name='%s'", name);

    caps_open(caps, tag);
    for (const char *const *value = values; *value; value++)
        caps_line(caps, "<value>%s</value>", *value);
    caps_close(caps, "enum");
}

static void write_cpu_mode(Caps *caps, const char *name, const char *enum_name_,
                           gboolean is_supported)
{
    g_autofree char *tag = g_strdup_printf("mode name='%s' supported='yes'", name);

    if (!is_supported) {
        caps_line(caps, "<mode name='%s' supported='no'/>", name);
        return;
    }
    caps_open(caps, tag);
    write_enum(caps, enum_name_, VALUES("on", "off"));
    caps_close(caps, "mode");
}

static void write_cpu(Caps *caps, const Choice *choice)
{
    caps_open(caps, "cpu");
    write_cpu_mode(caps, "host-passthrough", "hostPassthroughMigratable", choice->is_kvm);
    write_cpu_mode(caps, "maximum", "maximumMigratable", TRUE);
    caps_line(caps, "<mode name='host-model' supported='no'/>");
    caps_open(caps, "mode name='custom' supported='yes'");
    for (unsigned i = 0; i < choice->probe->cpu_count; i++) {
        const ProbeCpu *cpu = &choice->probe->cpus[i];
        gboolean is_usable = choice->is_kvm ? cpu->is_usable_kvm : cpu->is_usable_tcg;

        if (!cpu->is_variant)
            caps_line(caps, "<model usable='%s' vendor='unknown'>%s</model>",
                      is_usable ? "yes" : "no", cpu->name);
    }
    caps_close(caps, "mode");
    caps_close(caps, "cpu");
}

static void write_device(Caps *caps, const DeviceRow *row)
{
    g_autofree char *tag = g_strdup_printf("%s supported='yes'", row->element);

    if (!row->rows) {
        g_string_append_printf(caps->text, "%*s<%s supported='no'/>\n", caps->depth * 2, "",
                               row->element);
        return;
    }
    caps_open(caps, tag);
    for (const EnumRow *values = row->rows; values->name; values++)
        write_enum(caps, values->name, values->values);
    caps_close(caps, row->element);
}

char *domain_capabilities_format(const CapabilitiesFacts *facts, const char *emulator,
                                 const char *arch, const char *machine, const char *virt_type,
                                 GError **error)
{
    Caps caps = {NULL, 0};
    Choice choice = {0};

    if (!choose(facts, emulator, arch, machine, virt_type, &choice, error))
        return NULL;
    caps.text = g_string_new(NULL);
    caps_open(&caps, "domainCapabilities");
    caps_line(&caps, "<path>%s</path>", choice.probe->emulator);
    caps_line(&caps, "<domain>%s</domain>", choice.is_kvm ? "kvm" : "qemu");
    caps_line(&caps, "<machine>%s</machine>", choice.machine->name);
    caps_line(&caps, "<arch>%s</arch>", choice.probe->arch);
    caps_line(&caps, "<vcpu max='%u'/>", choice.machine->max_cpus);
    caps_line(&caps, "<iothreads supported='no'/>");
    caps_open(&caps, "os supported='yes'");
    caps_line(&caps, "<enum name='firmware'/>");
    caps_line(&caps, "<loader supported='no'/>");
    caps_close(&caps, "os");
    write_cpu(&caps, &choice);
    caps_line(&caps, "<memoryBacking supported='no'/>");
    caps_open(&caps, "devices");
    for (unsigned i = 0; i < G_N_ELEMENTS(device_rows); i++)
        write_device(&caps, &device_rows[i]);
    caps_close(&caps, "devices");
    caps_open(&caps, "features");
    for (unsigned i = 0; i < G_N_ELEMENTS(feature_rows); i++) {
        gboolean is_there = strcmp(feature_rows[i], "backingStoreInput") == 0;
        g_string_append_printf(caps.text, "%*s<%s supported='%s'/>\n", caps.depth * 2, "",
                               feature_rows[i], is_there ? "yes" : "no");
    }
    caps_close(&caps, "features");
    caps_close(&caps, "domainCapabilities");
    return g_string_free(caps.text, FALSE);
}
