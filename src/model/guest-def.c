/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole definition: made, parsed, formatted, copied by walking the table of what is said of the
 * guest itself (guest-rows.c) and the lists of device classes. */
#include "model/guest-def.h"

#include <string.h>

#include "base/error.h"
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

static const DeviceList *const all_lists[] = {lists_before_console, lists_before_balloon,
                                              lists_at_the_end};

#define ARRAY(def, list)       (*(GPtrArray **)((char *)(def) + (list)->offset))
#define ARRAY_CONST(def, list) (*(GPtrArray *const *)((const char *)(def) + (list)->offset))

void guest_def_each_device(const GuestDef *def, GuestDeviceFunc func, void *data)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(all_lists); i++)
        for (const DeviceList *list = all_lists[i]; list->class; list++)
            for (unsigned k = 0; k < ARRAY_CONST(def, list)->len; k++)
                func(list->class, g_ptr_array_index(ARRAY_CONST(def, list), k), k, data);
    func(&guest_balloon_class, (void *)&def->balloon, 0, data);
}

/* ---- making and freeing ---- */

static GuestDef *def_new(void)
{
    GuestDef *def = g_new0(GuestDef, 1);

    fields_init(guest_def_rows, def);
    for (unsigned i = 0; i < G_N_ELEMENTS(all_lists); i++)
        for (const DeviceList *list = all_lists[i]; list->class; list++)
            ARRAY(def, list) = g_ptr_array_new_with_free_func(list->class->free);
    def->seclabels = g_ptr_array_new_with_free_func(guest_seclabel_class.free);
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
                g_ptr_array_add(
                    ARRAY(copy, list),
                    guest_device_copy(list->class, g_ptr_array_index(ARRAY_CONST(def, list), k)));
    fields_copy(guest_balloon_class.rows, &copy->balloon, &def->balloon);
    copy->has_audio = def->has_audio;
    for (unsigned i = 0; i < def->seclabels->len; i++)
        g_ptr_array_add(copy->seclabels, guest_device_copy(&guest_seclabel_class,
                                                           g_ptr_array_index(def->seclabels, i)));
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
        return error_set_from(error, FROM_XML, ERROR_XML_ERROR,
                              "XML error: a guest's name has 1 to %u bytes, this one %zu",
                              GUEST_NAME_MAX, len);
    if (!g_utf8_validate(name, (gssize)len, NULL))
        return error_set_from(error, FROM_XML, ERROR_XML_ERROR,
                              "XML error: the guest's name is not UTF-8");
    if (strchr(name, '/') || g_str_equal(name, ".") || g_str_equal(name, ".."))
        return error_set_from(
            error, FROM_XML, ERROR_XML_ERROR,
            "XML error: the name '%s' cannot be a guest's: it may not hold '/' nor be '.' or '..'",
            name);
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return error_set_from(
                error, FROM_XML, ERROR_XML_ERROR,
                "XML error: the guest's name holds a control byte (0x%02x at byte %zu)",
                (unsigned char)*c, (size_t)(c - name));
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

static gboolean read_list(const GuestDeviceClass *class, XmlNode *parent, GPtrArray *array,
                          GError **error)
{
    for (XmlNode *node = xml_child(parent, class->element); node;
         node = xml_next(node, class->element)) {
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
                         "unsupported configuration: a <console> other than the first <serial> "
                         "(line %u) is not supported by "
                         "this host",
                         xml_line(node));
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
        def->vcpus = def->current_vcpus = 1;
    if (!check_os(def, root, error) || !read_devices(def, root, error) ||
        !read_list(&guest_seclabel_class, root, def->seclabels, error))
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
        guest_device_write(&guest_seclabel_class, writer, g_ptr_array_index(def->seclabels, i));
    xml_write_close(writer);
    return xml_writer_finish(g_steal_pointer(&writer));
}

/* The place of the only controller of that type; -1: there are none or more. */
static int find_only(const GuestDef *def, GuestControllerType type)
{
    int only = -1;

    for (unsigned i = 0; i < def->controllers->len; i++) {
        if (guest_def_controller(def, i)->type != type)
            continue;
        if (only >= 0)
            return -1;
        only = (int)i;
    }
    return only;
}

/* What a pc has without anybody's word: USB in its south bridge, and one PCI bus. */
static void trim_controllers(GuestDef *def)
{
    int usb = find_only(def, GUEST_CONTROLLER_USB), pci;

    if (usb >= 0 && guest_controller_is_builtin_usb(guest_def_controller(def, (unsigned)usb)))
        g_ptr_array_remove_index(def->controllers, (unsigned)usb);
    pci = find_only(def, GUEST_CONTROLLER_PCI);
    if (pci >= 0 && guest_controller_is_plain_pci_root(guest_def_controller(def, (unsigned)pci)))
        g_ptr_array_remove_index(def->controllers, (unsigned)pci);
}

/* Left out: what every destination adds by itself, and what older stock ones would stumble over.
 * That is the built-in controllers of a pc, the PS/2 keyboard beside the mouse, the silent audio
 * backend; and labels of this host. */
static void trim_for_migration(GuestDef *def)
{
    const GuestInput *last =
        def->inputs->len ? g_ptr_array_index(def->inputs, def->inputs->len - 1) : NULL;

    g_ptr_array_set_size(def->seclabels, 0);
    def->has_audio = FALSE;
    if (last && last->type == GUEST_INPUT_KEYBOARD && !last->alias)
        g_ptr_array_set_size(def->inputs, (int)def->inputs->len - 1);
    trim_controllers(def);
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
