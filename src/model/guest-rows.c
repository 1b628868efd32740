/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is said of the guest itself: one table, and the kinds of values that only it has. */
#include <string.h>

#include "base/number.h"
#include "model/guest-def-internal.h"

/* ---- kinds of values that only the definition has ---- */

static gboolean uuid_read(XmlNode *node, void *value, GError **error)
{
    if (uuid_parse(xml_text(node), value) && !uuid_is_null(value))
        return TRUE;
    return xml_error(node, error, "'%.60s' is not a UUID", node->text);
}

static void uuid_write(XmlWriter *writer, const char *name, const void *value)
{
    char text[UUID_TEXT_SIZE];

    if (!uuid_is_null(value))
        xml_write_element(writer, name, uuid_format(value, text));
}

static gboolean uuid_is_equal(const void *a, const void *b)
{
    return uuid_equal(a, b);
}

static char *uuid_text(const void *value)
{
    char text[UUID_TEXT_SIZE];

    return g_strdup(uuid_format(value, text));
}

static const FieldKind uuid_kind = {.size = sizeof(Uuid),
                                    .read = uuid_read,
                                    .write = uuid_write,
                                    .equal = uuid_is_equal,
                                    .text = uuid_text};

static gboolean metadata_read(XmlNode *node, void *value, GError **error)
{
    if (!node->first_child) { /* nothing but blanks */
        xml_ignore(node);
        return TRUE;
    }
    *(char **)value = xml_inner(node, error);
    return *(char **)value != NULL;
}

static void metadata_write(XmlWriter *writer, const char *name, const void *value)
{
    const char *metadata = *(char *const *)value;

    if (!metadata)
        return;
    xml_write_open(writer, name);
    xml_write_raw(writer, metadata);
    xml_write_close(writer);
}

static void string_copy(void *target, const void *source)
{
    *(char **)target = g_strdup(*(char *const *)source);
}

static void string_clear(void *value)
{
    g_clear_pointer((char **)value, g_free);
}

static const FieldKind metadata_kind = {.size = sizeof(char *),
                                        .read = metadata_read,
                                        .write = metadata_write,
                                        .copy = string_copy,
                                        .clear = string_clear};

/* clang-format off */
static const struct {
    const char *name;
    uint64_t bytes;
} units[] = {
    {"b", 1}, {"bytes", 1}, {"KB", 1000}, {"k", 1024}, {"KiB", 1024}, {"MB", 1000000}, {"M", 1 << 20}, {"MiB", 1 << 20},
    {"GB", 1000000000}, {"G", 1 << 30}, {"GiB", 1 << 30}, {"TB", 1000000000000}, {"T", 1ULL << 40}, {"TiB", 1ULL << 40},
};
/* clang-format on */

#define MEMORY_MAX_BYTES (1ULL << 50)

static gboolean memory_read(XmlNode *node, void *value, GError **error)
{
    g_autofree char *text = g_strstrip(g_strdup(xml_text(node)));
    const char *unit = xml_attr(node, "unit") ?: "KiB";
    uint64_t number, scale = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(units); i++)
        if (g_ascii_strcasecmp(units[i].name, unit) == 0)
            scale = units[i].bytes;
    if (scale == 0)
        return xml_error(node, error, "'%.20s' is not a unit of memory", unit);
    if (!number_parse_u64(text, MEMORY_MAX_BYTES / scale, &number))
        return xml_error(node, error, "'%.40s' %s is not an amount of memory up to 1024 TiB", text,
                         unit);
    *(uint64_t *)value = (number * scale + 1023) / 1024;
    return TRUE;
}

static void memory_write(XmlWriter *writer, const char *name, const void *value)
{
    uint64_t kib = *(const uint64_t *)value;

    if (kib == 0)
        return;
    xml_write_open(writer, name);
    xml_write_attr(writer, "unit", "KiB");
    xml_write_text_format(writer, "%" G_GUINT64_FORMAT, kib);
    xml_write_close(writer);
}

static gboolean memory_equal(const void *a, const void *b)
{
    return *(const uint64_t *)a == *(const uint64_t *)b;
}

static char *memory_text(const void *value)
{
    return g_strdup_printf("%" G_GUINT64_FORMAT " KiB", *(const uint64_t *)value);
}

static const FieldKind memory_kind = {.size = sizeof(uint64_t),
                                      .read = memory_read,
                                      .write = memory_write,
                                      .equal = memory_equal,
                                      .text = memory_text};

/* <vcpu>: the value is the definition itself. */
static gboolean vcpu_read(XmlNode *node, void *value, GError **error)
{
    GuestDef *def = value;
    g_autofree char *text = g_strstrip(g_strdup(xml_text(node)));
    const char *placement = xml_attr(node, "placement");
    uint64_t number;

    if (!number_parse_u64(text, GUEST_VCPUS_MAX, &number) || number == 0)
        return xml_error(node, error, "'%.20s' is not a number of vCPUs from 1 to %u", text,
                         GUEST_VCPUS_MAX);
    if (placement && !g_str_equal(placement, "static"))
        return xml_unsupported_value(node, "placement", placement, error);
    def->vcpus = def->current_vcpus = (unsigned)number; /* no attribute means all of them */
    if (!xml_attr_uint(node, "current", def->vcpus, &def->current_vcpus, error))
        return FALSE;
    if (xml_attr(node, "current") && def->current_vcpus == 0)
        return xml_error(node, error, "a guest needs at least one vCPU");
    return TRUE;
}

static void vcpu_write(XmlWriter *writer, const char *name, const void *value)
{
    const GuestDef *def = value;

    xml_write_open(writer, name);
    xml_write_attr(writer, "placement", "static");
    if (def->current_vcpus && def->current_vcpus != def->vcpus)
        xml_write_attr_format(writer, "current", "%u", def->current_vcpus);
    xml_write_text_format(writer, "%u", def->vcpus);
    xml_write_close(writer);
}

static gboolean vcpu_equal(const void *a, const void *b)
{
    const GuestDef *x = a, *y = b;

    return x->vcpus == y->vcpus && x->current_vcpus == y->current_vcpus;
}

static void vcpu_copy(void *target, const void *source)
{
    ((GuestDef *)target)->vcpus = ((const GuestDef *)source)->vcpus;
    ((GuestDef *)target)->current_vcpus = ((const GuestDef *)source)->current_vcpus;
}

static char *vcpu_text(const void *value)
{
    const GuestDef *def = value;

    return g_strdup_printf("%u of %u", def->current_vcpus, def->vcpus);
}

static const FieldKind vcpu_kind = {.read = vcpu_read,
                                    .write = vcpu_write,
                                    .equal = vcpu_equal,
                                    .copy = vcpu_copy,
                                    .text = vcpu_text};

/* <boot dev=>, any number of them: the value is the GuestOs. */
/* clang-format off */
static const EnumName boot_names[] = {
    {"fd", GUEST_BOOT_FD}, {"hd", GUEST_BOOT_HD}, {"cdrom", GUEST_BOOT_CDROM}, {"network", GUEST_BOOT_NETWORK}, {NULL},
};
/* clang-format on */

static gboolean boot_read(XmlNode *node, void *value, GError **error)
{
    GuestOs *os = value;

    for (; node; node = xml_next(node, "boot")) {
        int device = -1;

        if (!xml_attr_enum(node, "dev", boot_names, &device, error))
            return FALSE;
        if (device < 0)
            return xml_error(node, error, "missing attribute dev");
        if (os->boot_count == GUEST_BOOT_MAX)
            return xml_error(node, error, "more than %u boot devices", GUEST_BOOT_MAX);
        os->boot[os->boot_count++] = (GuestBoot)device;
    }
    return TRUE;
}

static void boot_write(XmlWriter *writer, const char *name, const void *value)
{
    const GuestOs *os = value;

    for (unsigned i = 0; i < os->boot_count; i++) {
        xml_write_open(writer, name);
        xml_write_attr(writer, "dev", enum_name(boot_names, os->boot[i]));
        xml_write_close(writer);
    }
}

static void boot_copy(void *target, const void *source)
{
    memcpy(((GuestOs *)target)->boot, ((const GuestOs *)source)->boot,
           sizeof(((GuestOs *)0)->boot));
    ((GuestOs *)target)->boot_count = ((const GuestOs *)source)->boot_count;
}

static const FieldKind boot_kind = {.read = boot_read, .write = boot_write, .copy = boot_copy};

/* <vmport state='off'/>; without the attribute it is on. */
static gboolean state_read(XmlNode *node, void *value, GError **error)
{
    static const EnumName states[] = {{"on", SWITCH_ON}, {"off", SWITCH_OFF}, {NULL}};
    int state = SWITCH_ON;

    if (!xml_attr_enum(node, "state", states, &state, error))
        return FALSE;
    *(Switch *)value = (Switch)state;
    return TRUE;
}

static void state_write(XmlWriter *writer, const char *name, const void *value)
{
    xml_write_open(writer, name);
    xml_write_attr(writer, "state", *(const Switch *)value == SWITCH_ON ? "on" : "off");
    xml_write_close(writer);
}

static gboolean state_is_absent(const void *value)
{
    return *(const Switch *)value == SWITCH_ABSENT;
}

static gboolean state_equal(const void *a, const void *b)
{
    return *(const Switch *)a == *(const Switch *)b;
}

static char *state_text(const void *value)
{
    static const char *const texts[] = {"default", "on", "off"};

    return g_strdup(texts[*(const Switch *)value]);
}

static const FieldKind state_kind = {
    .size = sizeof(Switch),
    .read = state_read,
    .write = state_write,
    .is_absent = state_is_absent,
    .equal = state_equal,
    .text = state_text,
};

static gboolean cpu_read(XmlNode *node, void *value, GError **error)
{
    return guest_cpu_read(value, node, error);
}

static void cpu_write(XmlWriter *writer, const char *name, const void *value)
{
    const GuestCpu *cpu = value;

    if (cpu->mode != GUEST_CPU_DEFAULT || cpu->sockets)
        guest_cpu_format(cpu, writer);
}

static void cpu_copy(void *target, const void *source)
{
    guest_cpu_init(target);
    guest_cpu_copy_into(target, source);
}

static void cpu_clear(void *value)
{
    guest_cpu_clear(value);
}

static const FieldKind cpu_kind = {
    .read = cpu_read, .write = cpu_write, .copy = cpu_copy, .clear = cpu_clear};

static gboolean clock_read(XmlNode *node, void *value, GError **error)
{
    return guest_clock_read(value, node, error);
}

static void clock_write(XmlWriter *writer, const char *name, const void *value)
{
    guest_clock_write(value, writer);
}

static void clock_copy(void *target, const void *source)
{
    guest_clock_init(target);
    guest_clock_copy_into(target, source);
}

static void clock_clear(void *value)
{
    guest_clock_clear(value);
}

static const FieldKind clock_kind = {
    .read = clock_read, .write = clock_write, .copy = clock_copy, .clear = clock_clear};

/* ---- the table ---- */

/* clang-format off */
static const EnumName virt_names[] = {{"qemu", GUEST_VIRT_QEMU}, {"kvm", GUEST_VIRT_KVM}, {NULL}};
static const EnumName action_names[] = {
    {"destroy", GUEST_ACTION_DESTROY}, {"restart", GUEST_ACTION_RESTART}, {"preserve", GUEST_ACTION_PRESERVE}, {NULL},
};
static const EnumName only_hvm[] = {{"hvm"}, {NULL}};

#define IN(field) offsetof(GuestDef, field)

const Field guest_def_rows[] = {
    /* path                           type           field                   flags           more */
    {"@type",                         FIELD_ENUM,    IN(virt),               FIELD_GUEST | FIELD_REQUIRED, virt_names, .label = "virt type"},
    {"@id",                           FIELD_INT,     IN(id),                 FIELD_LIVE},
    {"name",                          FIELD_STRING,  IN(name),               FIELD_GUEST | FIELD_REQUIRED, .label = "name"},
    {"uuid",                          FIELD_KIND,    IN(uuid),               FIELD_GUEST,    .kind = &uuid_kind, .label = "uuid"},
    {"title",                         FIELD_STRING,  IN(title)},
    {"description",                   FIELD_STRING,  IN(description)},
    {"metadata",                      FIELD_KIND,    IN(metadata),           0,              .kind = &metadata_kind},
    {"memory",                        FIELD_KIND,    IN(memory_kib),         FIELD_GUEST | FIELD_REQUIRED, .kind = &memory_kind, .label = "max memory"},
    {"currentMemory",                 FIELD_KIND,    IN(current_memory_kib), 0,              .kind = &memory_kind},
    {"vcpu",                          FIELD_KIND,    0,                      FIELD_GUEST,    .kind = &vcpu_kind, .label = "vCPU count"},
    {"resource/partition",            FIELD_STRING,  IN(partition)},
    {"os/type/@arch",                 FIELD_STRING,  IN(os.arch),            FIELD_GUEST,    .label = "architecture"},
    {"os/type/@machine",              FIELD_STRING,  IN(os.machine),         FIELD_GUEST,    .label = "machine type"},
    {"os/type",                       FIELD_CONST,   0,                      FIELD_REQUIRED, only_hvm},
    {"os/kernel",                     FIELD_STRING,  IN(os.kernel)},
    {"os/initrd",                     FIELD_STRING,  IN(os.initrd)},
    {"os/cmdline",                    FIELD_STRING,  IN(os.cmdline)},
    {"os/boot",                       FIELD_KIND,    IN(os),                 0,              .kind = &boot_kind},
    {"features/acpi",                 FIELD_FLAG,    IN(features.has_acpi),  FIELD_GUEST,    .label = "feature acpi"},
    {"features/apic",                 FIELD_FLAG,    IN(features.has_apic),  FIELD_GUEST,    .label = "feature apic"},
    {"features/pae",                  FIELD_FLAG,    IN(features.has_pae),   FIELD_GUEST,    .label = "feature pae"},
    {"features/pmu",                  FIELD_KIND,    IN(features.pmu),       FIELD_GUEST,    .kind = &state_kind, .label = "feature pmu"},
    {"features/vmport",               FIELD_KIND,    IN(features.vmport),    FIELD_GUEST,    .kind = &state_kind, .label = "feature vmport"},
    {"features/smm",                  FIELD_KIND,    IN(features.smm),       FIELD_GUEST,    .kind = &state_kind, .label = "feature smm"},
    {"cpu",                           FIELD_KIND,    IN(cpu),                0,              .kind = &cpu_kind},
    {"clock",                         FIELD_KIND,    IN(clock),              0,              .kind = &clock_kind},
    {"on_poweroff",                   FIELD_ENUM,    IN(on_poweroff),        0,              action_names},
    {"on_reboot",                     FIELD_ENUM,    IN(on_reboot),          0,              action_names},
    {"on_crash",                      FIELD_ENUM,    IN(on_crash),           0,              action_names},
    {"pm/suspend-to-mem/@enabled",    FIELD_YES_NO,  IN(suspend_to_mem),     FIELD_GUEST,    .label = "suspend-to-mem"},
    {"pm/suspend-to-disk/@enabled",   FIELD_YES_NO,  IN(suspend_to_disk),    FIELD_GUEST,    .label = "suspend-to-disk"},
    {NULL},
};
/* clang-format on */

/* ---- <seclabel>: dynamic labels say nothing but what is usual, and are kept for who wrote them
 * ---- */

/* clang-format off */
#define LABEL(field) offsetof(GuestSeclabel, field)
static const Field seclabel_rows[] = {
    {"@type",     FIELD_STRING,  LABEL(type)},
    {"@model",    FIELD_STRING,  LABEL(model)},
    {"@relabel",  FIELD_YES_NO,  LABEL(relabel)},
    {NULL},
};
/* clang-format on */

static gboolean seclabel_check(void *value, XmlNode *node, GError **error)
{
    GuestSeclabel *label = value;

    if (!label->type)
        label->type = g_strdup("dynamic");
    if (g_str_equal(label->type, "none") && g_strcmp0(label->model, "none") == 0 &&
        label->relabel == SWITCH_ABSENT)
        return TRUE; /* a stock host without a security driver says so of its running guests */
    if (!g_str_equal(label->type, "dynamic"))
        return xml_unsupported_value(node, "type", label->type, error);
    if (label->relabel == SWITCH_OFF)
        return xml_unsupported_value(node, "relabel", "no", error);
    xml_ignore_child(node, "label"); /* given by the host to this run */
    xml_ignore_child(node, "imagelabel");
    return TRUE;
}

static void seclabel_free(void *label);

const GuestDeviceClass guest_seclabel_class = {
    .element = "seclabel",
    .size = sizeof(GuestSeclabel),
    .rows = seclabel_rows,
    .check = seclabel_check,
    .free = seclabel_free,
    .max = 8,
};

static void seclabel_free(void *label)
{
    guest_device_free(&guest_seclabel_class, label);
}
