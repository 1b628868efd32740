/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole definition: one table for what is said of the guest itself, one list of the device classes. */
#include "model/guest-def.h"

#include <string.h>

#include "base/error.h"
#include "base/number.h"
#include "model/guest-def-internal.h"

/* ---- the lists of devices, in the order in which they are printed ---- */

typedef struct {
    const GuestDeviceClass *class;
    size_t offset; /* of the GPtrArray * in GuestDef */
} DeviceList;

/* clang-format off */
static const DeviceList lists_before_console[] = {
    {&guest_disk_class,       offsetof(GuestDef, disks)},
    {&guest_controller_class, offsetof(GuestDef, controllers)},
    {&guest_interface_class,  offsetof(GuestDef, interfaces)},
    {&guest_serial_class,     offsetof(GuestDef, serials)},
    {NULL},
};

static const DeviceList lists_before_balloon[] = {
    {&guest_input_class,      offsetof(GuestDef, inputs)},
    {NULL},
};

static const DeviceList lists_at_the_end[] = {
    {&guest_rng_class,        offsetof(GuestDef, rngs)},
    {NULL},
};
/* clang-format on */

static const DeviceList *const all_lists[] = {lists_before_console, lists_before_balloon, lists_at_the_end};

#define ARRAY(def, list) (*(GPtrArray **)((char *)(def) + (list)->offset))
#define ARRAY_CONST(def, list) (*(GPtrArray *const *)((const char *)(def) + (list)->offset))

void guest_def_each_device(const GuestDef *def, GuestDeviceFunc func, void *data)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(all_lists); i++)
        for (const DeviceList *list = all_lists[i]; list->class; list++)
            for (unsigned k = 0; k < ARRAY_CONST(def, list)->len; k++)
                func(list->class, g_ptr_array_index(ARRAY_CONST(def, list), k), k, data);
    func(&guest_balloon_class, (void *)&def->balloon, 0, data);
}

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

static const FieldKind uuid_kind = {
    .size = sizeof(Uuid), .read = uuid_read, .write = uuid_write, .equal = uuid_is_equal, .text = uuid_text};

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

static const FieldKind metadata_kind = {
    .size = sizeof(char *), .read = metadata_read, .write = metadata_write, .copy = string_copy, .clear = string_clear};

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
        return xml_error(node, error, "'%.40s' %s is not an amount of memory up to 1024 TiB", text, unit);
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

static const FieldKind memory_kind = {
    .size = sizeof(uint64_t), .read = memory_read, .write = memory_write, .equal = memory_equal, .text = memory_text};

/* <vcpu>: the value is the definition itself. */
static gboolean vcpu_read(XmlNode *node, void *value, GError **error)
{
    GuestDef *def = value;
    g_autofree char *text = g_strstrip(g_strdup(xml_text(node)));
    const char *placement = xml_attr(node, "placement");
    uint64_t number;

    if (!number_parse_u64(text, GUEST_VCPUS_MAX, &number) || number == 0)
        return xml_error(node, error, "'%.20s' is not a number of vCPUs from 1 to %u", text, GUEST_VCPUS_MAX);
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

static const FieldKind vcpu_kind = {
    .read = vcpu_read, .write = vcpu_write, .equal = vcpu_equal, .copy = vcpu_copy, .text = vcpu_text};

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
    memcpy(((GuestOs *)target)->boot, ((const GuestOs *)source)->boot, sizeof(((GuestOs *)0)->boot));
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

static const FieldKind cpu_kind = {.read = cpu_read, .write = cpu_write, .copy = cpu_copy, .clear = cpu_clear};

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

static const FieldKind clock_kind = {.read = clock_read, .write = clock_write, .copy = clock_copy, .clear = clock_clear};

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

/* ---- <seclabel>: dynamic labels say nothing but what is usual, and are kept for who wrote them ---- */

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
    if (g_str_equal(label->type, "none") && g_strcmp0(label->model, "none") == 0 && label->relabel == SWITCH_ABSENT)
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

static const GuestDeviceClass seclabel_class = {
    .element = "seclabel",
    .size = sizeof(GuestSeclabel),
    .rows = seclabel_rows,
    .check = seclabel_check,
    .free = seclabel_free,
    .max = 8,
};

static void seclabel_free(void *label)
{
    guest_device_free(&seclabel_class, label);
}

/* ---- making and freeing ---- */

static GuestDef *def_new(void)
{
    GuestDef *def = g_new0(GuestDef, 1);

    fields_init(guest_def_rows, def);
    for (unsigned i = 0; i < G_N_ELEMENTS(all_lists); i++)
        for (const DeviceList *list = all_lists[i]; list->class; list++)
            ARRAY(def, list) = g_ptr_array_new_with_free_func(list->class->free);
    def->seclabels = g_ptr_array_new_with_free_func(seclabel_free);
    return def;
}

void guest_def_free(GuestDef *def)
{
    if (!def)
        return;
    fields_clear(guest_def_rows, def);
    g_free(def->emulator);
    for (unsigned i = 0; i < G_N_ELEMENTS(all_lists); i++)
        for (const DeviceList *list = all_lists[i]; list->class; list++)
            g_ptr_array_unref(ARRAY(def, list));
    fields_clear(guest_balloon_class.rows, &def->balloon);
    g_ptr_array_unref(def->seclabels);
    g_free(def);
}

GuestDef *guest_def_copy(const GuestDef *def)
{
    GuestDef *copy = def_new();

    fields_copy(guest_def_rows, copy, def);
    copy->emulator = g_strdup(def->emulator);
    for (unsigned i = 0; i < G_N_ELEMENTS(all_lists); i++)
        for (const DeviceList *list = all_lists[i]; list->class; list++)
            for (unsigned k = 0; k < ARRAY_CONST(def, list)->len; k++)
                g_ptr_array_add(ARRAY(copy, list),
                                guest_device_copy(list->class, g_ptr_array_index(ARRAY_CONST(def, list), k)));
    fields_copy(guest_balloon_class.rows, &copy->balloon, &def->balloon);
    copy->has_audio = def->has_audio;
    for (unsigned i = 0; i < def->seclabels->len; i++)
        g_ptr_array_add(copy->seclabels, guest_device_copy(&seclabel_class, g_ptr_array_index(def->seclabels, i)));
    return copy;
}

static void clear_live_of(const GuestDeviceClass *class, void *device, unsigned i, void *data)
{
    guest_device_clear_live(class, device);
}

void guest_def_clear_live(GuestDef *def)
{
    fields_clear_live(guest_def_rows, def);
    guest_def_each_device(def, clear_live_of, NULL);
}

/* ---- parsing ---- */

gboolean guest_name_check(const char *name, GError **error)
{
    size_t len = strlen(name);

    if (len == 0 || len > GUEST_NAME_MAX)
        return error_set_from(error, FROM_XML, ERROR_XML_ERROR, "XML error: a guest's name has 1 to %u bytes, this one %zu",
                              GUEST_NAME_MAX, len);
    if (!g_utf8_validate(name, (gssize)len, NULL))
        return error_set_from(error, FROM_XML, ERROR_XML_ERROR, "XML error: the guest's name is not UTF-8");
    if (strchr(name, '/') || g_str_equal(name, ".") || g_str_equal(name, ".."))
        return error_set_from(error, FROM_XML, ERROR_XML_ERROR,
                              "XML error: the name '%s' cannot be a guest's: it may not hold '/' nor be '.' or '..'", name);
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return error_set_from(error, FROM_XML, ERROR_XML_ERROR,
                                  "XML error: the guest's name holds a control byte (0x%02x at byte %zu)", (unsigned char)*c,
                                  (size_t)(c - name));
    return TRUE;
}

gboolean guest_def_rename(GuestDef *def, const char *name, GError **error)
{
    if (!guest_name_check(name, error))
        return FALSE;
    g_free(def->name);
    def->name = g_strdup(name);
    return TRUE;
}

static gboolean read_list(const GuestDeviceClass *class, XmlNode *parent, GPtrArray *array, GError **error)
{
    for (XmlNode *node = xml_child(parent, class->element); node; node = xml_next(node, class->element)) {
        void *device = guest_device_new(class);

        g_ptr_array_add(array, device);
        if (array->len > class->max)
            return xml_error(node, error, "more than %u <%s> elements", class->max, class->element);
        if (!guest_device_read(class, node, device, error))
            return FALSE;
    }
    return TRUE;
}

/* The first serial port and <console> are one thing said twice; either may stand alone. */
static gboolean read_console(GuestDef *def, XmlNode *devices, GError **error)
{
    XmlNode *node = xml_child(devices, "console");
    g_autoptr(GuestSerial) console = guest_device_new(&guest_console_class);
    GuestSerial *serial;

    if (!node)
        return TRUE;
    if (!guest_device_read(&guest_console_class, node, console, error))
        return FALSE;
    if (def->serials->len == 0) {
        g_ptr_array_add(def->serials, g_steal_pointer(&console));
        return TRUE;
    }
    serial = g_ptr_array_index(def->serials, 0);
    if (console->source.type == GUEST_CHARDEV_PTY && serial->source.type == GUEST_CHARDEV_PTY)
        return TRUE; /* a pty has no settings; which one it is, the serial port says */
    if (!guest_chardev_equal(&console->source, &serial->source))
        return error_set(error, ERROR_CONFIG_UNSUPPORTED,
                         "unsupported configuration: a <console> other than the first <serial> (line %u) is not supported by "
                         "this host",
                         node->line);
    return TRUE;
}

static gboolean read_audio(GuestDef *def, XmlNode *devices, GError **error)
{
    XmlNode *node = xml_child(devices, "audio");
    const char *id, *type;

    if (!node)
        return TRUE;
    id = xml_attr(node, "id");
    type = xml_attr(node, "type");
    if (id && !g_str_equal(id, "1"))
        return xml_unsupported_value(node, "id", id, error);
    if (!type || !g_str_equal(type, "none"))
        return xml_unsupported_value(node, "type", type ?: "", error);
    def->has_audio = TRUE;
    return TRUE;
}

static gboolean read_devices(GuestDef *def, XmlNode *root, GError **error)
{
    XmlNode *devices = xml_child(root, "devices"), *node;

    if (!devices)
        return TRUE;
    node = xml_child(devices, "emulator");
    if (node && *xml_text(node) != '/')
        return xml_error(node, error, "the emulator needs an absolute path");
    if (node)
        def->emulator = g_strdup(node->text);
    for (unsigned i = 0; i < G_N_ELEMENTS(all_lists); i++)
        for (const DeviceList *list = all_lists[i]; list->class; list++)
            if (!read_list(list->class, devices, ARRAY(def, list), error))
                return FALSE;
    node = xml_child(devices, "memballoon");
    if (node && !guest_device_read(&guest_balloon_class, node, &def->balloon, error))
        return FALSE;
    return read_console(def, devices, error) && read_audio(def, devices, error);
}

static gboolean check_os(const GuestDef *def, XmlNode *root, GError **error)
{
    XmlNode *os = xml_child(root, "os"), *type = xml_child(os, "type");

    if (def->os.arch && !g_str_equal(def->os.arch, "x86_64"))
        return xml_unsupported_value(type, "arch", def->os.arch, error);
    if (!guest_word_check(type, "machine type", def->os.machine, error))
        return FALSE;
    if ((def->os.kernel && *def->os.kernel != '/') || (def->os.initrd && *def->os.initrd != '/'))
        return xml_error(os, error, "kernel and initrd need absolute paths");
    if (!def->os.kernel && (def->os.initrd || def->os.cmdline))
        return xml_error(os, error, "initrd and cmdline need a kernel");
    return TRUE;
}

static gboolean read_def(GuestDef *def, XmlNode *root, GError **error)
{
    guest_cpu_init(&def->cpu);
    guest_clock_init(&def->clock);
    if (!fields_read(guest_def_rows, root, def, error) || !guest_name_check(def->name, error))
        return FALSE;
    if (def->title && strchr(def->title, '\n'))
        return xml_error(root, error, "a title has one line");
    if (def->memory_kib == 0)
        return xml_error(root, error, "a guest needs memory");
    if (def->vcpus == 0)
        def->vcpus = 1;
    if (!check_os(def, root, error) || !read_devices(def, root, error) ||
        !read_list(&seclabel_class, root, def->seclabels, error))
        return FALSE;
    return xml_check_all_read(root, error);
}

GuestDef *guest_def_parse(const char *xml, size_t len, GuestParseFlags flags, GError **error)
{
    g_autoptr(XmlTree) tree = xml_parse(xml, len, "domain", error);
    g_autoptr(GuestDef) def = NULL;

    if (!tree)
        return NULL;
    def = def_new();
    if (!read_def(def, xml_root(tree), error))
        return NULL;
    if (!(flags & GUEST_PARSE_LIVE))
        guest_def_clear_live(def);
    return g_steal_pointer(&def);
}

/* ---- formatting ---- */

static void write_lists(const GuestDef *def, const DeviceList *lists, XmlWriter *writer)
{
    for (const DeviceList *list = lists; list->class; list++)
        for (unsigned i = 0; i < ARRAY_CONST(def, list)->len; i++)
            guest_device_write(list->class, writer, g_ptr_array_index(ARRAY_CONST(def, list), i));
}

static void write_devices(const GuestDef *def, XmlWriter *writer)
{
    xml_write_open(writer, "devices");
    xml_write_element(writer, "emulator", def->emulator);
    write_lists(def, lists_before_console, writer);
    if (def->serials->len > 0)
        guest_console_write(guest_def_serial(def, 0), writer);
    write_lists(def, lists_before_balloon, writer);
    if (def->has_audio) {
        xml_write_open(writer, "audio");
        xml_write_attr(writer, "id", "1");
        xml_write_attr(writer, "type", "none");
        xml_write_close(writer);
    }
    if (def->balloon.model != GUEST_BALLOON_UNSET)
        guest_device_write(&guest_balloon_class, writer, &def->balloon);
    write_lists(def, lists_at_the_end, writer);
    xml_write_close(writer);
}

static char *write_def(const GuestDef *def)
{
    g_autoptr(XmlWriter) writer = xml_writer_new();

    xml_write_open(writer, "domain");
    fields_write(guest_def_rows, writer, def);
    write_devices(def, writer);
    for (unsigned i = 0; i < def->seclabels->len; i++)
        guest_device_write(&seclabel_class, writer, g_ptr_array_index(def->seclabels, i));
    xml_write_close(writer);
    return xml_writer_finish(g_steal_pointer(&writer));
}

/* What every destination adds by itself, and what older stock ones would stumble over: the PS/2 keyboard beside the
 * mouse, the silent audio backend, the USB controller built into a pc, labels of this host. */
static void trim_for_migration(GuestDef *def)
{
    unsigned usb = 0, usb_count = 0;
    const GuestInput *last_input;

    for (unsigned i = 0; i < def->controllers->len; i++) {
        if (guest_def_controller(def, i)->type != GUEST_CONTROLLER_USB)
            continue;
        usb = i;
        usb_count++;
    }
    g_ptr_array_set_size(def->seclabels, 0);
    def->has_audio = FALSE;
    last_input = def->inputs->len ? g_ptr_array_index(def->inputs, def->inputs->len - 1) : NULL;
    if (last_input && last_input->type == GUEST_INPUT_KEYBOARD && !last_input->alias)
        g_ptr_array_set_size(def->inputs, (int)def->inputs->len - 1);
    if (usb_count == 1 && guest_controller_is_builtin_usb(guest_def_controller(def, usb)))
        g_ptr_array_remove_index(def->controllers, usb);
}

char *guest_def_format(const GuestDef *def, GuestFormatFlags flags)
{
    g_autoptr(GuestDef) copy = NULL;

    if (!(flags & (GUEST_FORMAT_INACTIVE | GUEST_FORMAT_MIGRATABLE)))
        return write_def(def);
    copy = guest_def_copy(def);
    guest_def_clear_live(copy);
    if (flags & GUEST_FORMAT_MIGRATABLE)
        trim_for_migration(copy);
    return write_def(copy);
}
