/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The devices of a command line, kind by kind in stock's order: the order decides what a bus
 * without an address gets, and the ids are part of the migration stream. */
#include <string.h>

#include "base/error.h"
#include "qemu/argv-part.h"

/* --- JSON, in the order in which it is written --- */

static void put_text(json_object *object, const char *name, const char *value)
{
    json_object_object_add(object, name, json_object_new_string(value));
}

static void put_number(json_object *object, const char *name, uint64_t value)
{
    json_object_object_add(object, name, json_object_new_uint64(value));
}

static void put_flag(json_object *object, const char *name, gboolean value)
{
    json_object_object_add(object, name, json_object_new_boolean(value));
}

static void put_printf(json_object *object, const char *name, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static void put_printf(json_object *object, const char *name, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    put_text(object, name, text);
}

static json_object *new_device(const char *driver)
{
    json_object *device = json_object_new_object();

    put_text(device, "driver", driver);
    return device;
}

/* "bus" and "addr" of a PCI device.  A bus is named after the controller that makes it. */
static void put_address(const ArgvBuilder *builder, json_object *device,
                        const GuestAddress *address)
{
    const GuestDef *def = builder->def;
    const GuestController *controller;

    if (address->type != GUEST_ADDRESS_PCI)
        return;
    controller = guest_def_find_controller(def, GUEST_CONTROLLER_PCI, (int)address->bus);
    if (address->bus == 0)
        put_text(device, "bus", guest_def_is_q35(def) ? "pcie.0" : "pci.0");
    else if (controller && controller->alias)
        put_text(device, "bus", controller->alias);
    else
        put_printf(device, "bus", "pci.%u", address->bus);
    if (address->multifunction != SWITCH_ABSENT)
        put_flag(device, "multifunction", address->multifunction == SWITCH_ON);
    if (address->function > 0)
        put_printf(device, "addr", "0x%x.0x%x", address->slot, address->function);
    else
        put_printf(device, "addr", "0x%x", address->slot);
}

/* --- controllers --- */

static void put_root_port(json_object *device, const GuestController *controller)
{
    put_number(device, "port", controller->port < 0 ? 0 : (uint64_t)controller->port);
    put_number(device, "chassis", controller->chassis < 0 ? 0 : (uint64_t)controller->chassis);
}

static void put_bridge(json_object *device, const GuestController *controller)
{
    if (controller->chassis_nr >= 0)
        put_number(device, "chassis_nr", (uint64_t)controller->chassis_nr);
}

static void put_xhci(json_object *device, const GuestController *controller)
{
    if (controller->ports == 0)
        return;
    put_number(device, "p2", controller->ports);
    put_number(device, "p3", controller->ports);
}

static void put_virtio_serial(json_object *device, const GuestController *controller)
{
    if (controller->ports > 0)
        put_number(device, "max_ports", controller->ports);
    if (controller->vectors > 0)
        put_number(device, "vectors", controller->vectors);
}

typedef struct {
    GuestControllerType type;
    GuestControllerModel model;
    const char *driver; /* NULL: part of the machine, nothing to say */
    void (*before_id)(json_object *device, const GuestController *controller);
    void (*after_id)(json_object *device, const GuestController *controller);
} ControllerKind;

/* clang-format off */
static const ControllerKind controller_kinds[] = {
    /* type                        model                                      driver               before id     after id */
    { GUEST_CONTROLLER_PCI,        GUEST_CONTROLLER_MODEL_PCI_ROOT,            NULL,                NULL,          NULL },
    { GUEST_CONTROLLER_PCI,        GUEST_CONTROLLER_MODEL_PCIE_ROOT,           NULL,                NULL,          NULL },
    { GUEST_CONTROLLER_PCI,        GUEST_CONTROLLER_MODEL_PCI_BRIDGE,          "pci-bridge",        put_bridge,    NULL },
    { GUEST_CONTROLLER_PCI,        GUEST_CONTROLLER_MODEL_PCIE_ROOT_PORT,      "pcie-root-port",    put_root_port, NULL },
    { GUEST_CONTROLLER_PCI,        GUEST_CONTROLLER_MODEL_PCIE_TO_PCI_BRIDGE,  "pcie-pci-bridge",   NULL,          NULL },
    { GUEST_CONTROLLER_USB,        GUEST_CONTROLLER_MODEL_NONE,                NULL,                NULL,          NULL },
    { GUEST_CONTROLLER_USB,        GUEST_CONTROLLER_MODEL_PIIX3_UHCI,          "piix3-usb-uhci",    NULL,          NULL },
    { GUEST_CONTROLLER_USB,        GUEST_CONTROLLER_MODEL_QEMU_XHCI,           "qemu-xhci",         put_xhci,      NULL },
    { GUEST_CONTROLLER_USB,        GUEST_CONTROLLER_MODEL_NEC_XHCI,            "nec-usb-xhci",      put_xhci,      NULL },
    { GUEST_CONTROLLER_VIRTIO_SERIAL, GUEST_CONTROLLER_MODEL_DEFAULT,          "virtio-serial-pci", NULL, put_virtio_serial },
    { GUEST_CONTROLLER_SATA,       GUEST_CONTROLLER_MODEL_DEFAULT,             NULL,                NULL,          NULL },
    { GUEST_CONTROLLER_IDE,        GUEST_CONTROLLER_MODEL_DEFAULT,             NULL,                NULL,          NULL },
    { GUEST_CONTROLLER_FDC,        GUEST_CONTROLLER_MODEL_DEFAULT,             NULL,                NULL,          NULL },
};
/* clang-format on */

/* SATA on q35 and IDE on pc are part of the machine; a second one, or one on the other machine, is
 * a device. */
static const char *extra_driver(const ArgvBuilder *builder, const GuestController *controller)
{
    gboolean is_q35 = guest_def_is_q35(builder->def);

    if (controller->type == GUEST_CONTROLLER_SATA && (controller->index > 0 || !is_q35))
        return "ich9-ahci";
    return NULL;
}

static gboolean add_controller(ArgvBuilder *builder, const GuestController *controller,
                               GError **error)
{
    const ControllerKind *kind = NULL;
    const char *driver;
    json_object *device;

    for (unsigned i = 0; i < G_N_ELEMENTS(controller_kinds); i++) {
        if (controller_kinds[i].type == controller->type &&
            controller_kinds[i].model == controller->model)
            kind = &controller_kinds[i];
    }
    if (!kind)
        return error_set(
            error, ERROR_CONFIG_UNSUPPORTED,
            "unsupported configuration: no QEMU device is known for controller %s %d of model '%s'",
            enum_name(guest_controller_type_names, controller->type), controller->index,
            guest_controller_model_name(controller) ?: "default");
    driver = kind->driver ? kind->driver : extra_driver(builder, controller);
    if (!driver)
        return TRUE;
    device = new_device(driver);
    if (kind->before_id)
        kind->before_id(device, controller);
    put_text(device, "id", controller->alias);
    if (kind->after_id)
        kind->after_id(device, controller);
    put_address(builder, device, &controller->address);
    argv_add_json(builder, "-device", device);
    return TRUE;
}

static gboolean add_controllers(ArgvBuilder *builder, GError **error)
{
    static const GuestControllerType order[] = {
        GUEST_CONTROLLER_PCI,  GUEST_CONTROLLER_USB, GUEST_CONTROLLER_IDE,
        GUEST_CONTROLLER_SATA, GUEST_CONTROLLER_FDC, GUEST_CONTROLLER_VIRTIO_SERIAL};
    const GuestDef *def = builder->def;

    for (unsigned o = 0; o < G_N_ELEMENTS(order); o++) {
        for (unsigned i = 0; i < def->controllers->len; i++) {
            const GuestController *controller = guest_def_controller(def, i);

            if (controller->type == order[o] && !add_controller(builder, controller, error))
                return FALSE;
        }
    }
    return TRUE;
}

/* --- disks --- */

typedef struct {
    gboolean is_said, is_direct, has_no_flush;
    const char *write_cache; /* of the device; NULL: QEMU's default */
} CacheMode;

static const CacheMode cache_modes[] = {
    [GUEST_DISK_CACHE_DEFAULT] = {FALSE, FALSE, FALSE, NULL},
    [GUEST_DISK_CACHE_NONE] = {TRUE, TRUE, FALSE, "on"},
    [GUEST_DISK_CACHE_WRITETHROUGH] = {TRUE, FALSE, FALSE, "off"},
    [GUEST_DISK_CACHE_WRITEBACK] = {TRUE, FALSE, FALSE, "on"},
    [GUEST_DISK_CACHE_DIRECTSYNC] = {TRUE, TRUE, FALSE, "off"},
    [GUEST_DISK_CACHE_UNSAFE] = {TRUE, FALSE, TRUE, "on"},
};

static void put_cache(json_object *node, const GuestDisk *disk)
{
    const CacheMode *mode = &cache_modes[disk->cache];
    json_object *cache;

    if (!mode->is_said)
        return;
    cache = json_object_new_object();
    put_flag(cache, "direct", mode->is_direct);
    put_flag(cache, "no-flush", mode->has_no_flush);
    json_object_object_add(node, "cache", cache);
}

static void add_storage_node(ArgvBuilder *builder, const GuestDisk *disk, const char *file,
                             unsigned index)
{
    json_object *node = new_device("file");

    put_text(node, "filename", file);
    if (disk->io != GUEST_DISK_IO_DEFAULT)
        put_text(node, "aio", enum_name(guest_disk_io_names, disk->io));
    put_printf(node, "node-name", "libvirt-%u-storage", index);
    put_cache(node, disk);
    put_flag(node, "auto-read-only", TRUE);
    put_text(node, "discard", "unmap");
    argv_add_json(builder, "-blockdev", node);
}

/* below: what is known of the image underneath; NULL: nothing, QEMU follows the image's own word.
 */
static void add_format_node(ArgvBuilder *builder, const GuestDisk *disk, GuestImageFormat format,
                            unsigned index, gboolean is_top, const GuestBacking *below)
{
    json_object *node = json_object_new_object();

    put_printf(node, "node-name", "libvirt-%u-format", index);
    put_flag(node, "read-only", !is_top || disk->is_readonly);
    if (is_top && disk->discard != GUEST_DISK_DISCARD_DEFAULT)
        put_text(node, "discard", enum_name(guest_disk_discard_names, disk->discard));
    put_cache(node, disk);
    put_text(node, "driver", enum_name(guest_image_format_names, format));
    put_printf(node, "file", "libvirt-%u-storage", index);
    if (below && below->file)
        put_printf(node, "backing", "libvirt-%u-format", below->index);
    else if (below && format != GUEST_IMAGE_RAW)
        json_object_object_add(node, "backing", NULL);
    argv_add_json(builder, "-blockdev", node);
}

/* The lowest image first: a node can only name what is there already. */
static void add_backing(ArgvBuilder *builder, const GuestDisk *disk, const GuestBacking *backing)
{
    if (!backing || !backing->file)
        return;
    add_backing(builder, disk, backing->next);
    add_storage_node(builder, disk, backing->file, backing->index);
    add_format_node(builder, disk, backing->format, backing->index, FALSE, backing->next);
}

static void add_disk(ArgvBuilder *builder, const GuestDisk *disk)
{
    unsigned boot_index = guest_def_disk_boot_index(builder->def, disk);
    const char *write_cache = cache_modes[disk->cache].write_cache;
    json_object *device = new_device("virtio-blk-pci");

    add_backing(builder, disk, disk->backing);
    add_storage_node(builder, disk, disk->file, disk->index);
    add_format_node(builder, disk, disk->format, disk->index, TRUE, disk->backing);

    put_address(builder, device, &disk->address);
    if (disk->is_shareable)
        put_flag(device, "share-rw", TRUE);
    put_printf(device, "drive", "libvirt-%u-format", disk->index);
    put_text(device, "id", disk->alias);
    if (boot_index > 0)
        put_number(device, "bootindex", boot_index);
    if (write_cache)
        put_text(device, "write-cache", write_cache);
    if (disk->serial)
        put_text(device, "serial", disk->serial);
    argv_add_json(builder, "-device", device);
}

/* --- interfaces --- */

static gboolean add_interface(ArgvBuilder *builder, const GuestInterface *interface, GError **error)
{
    const QemuDescriptor *tap = argv_find_descriptor(builder, interface->alias);
    unsigned boot_index = guest_def_interface_boot_index(builder->def, interface);
    json_object *netdev = json_object_new_object();
    json_object *device = new_device("virtio-net-pci");
    char mac[GUEST_MAC_TEXT_SIZE];

    if (tap) {
        put_text(netdev, "type", "tap");
        put_printf(netdev, "fd", "%d", tap->fd);
        if (tap->vhost_fd >= 0) {
            put_flag(netdev, "vhost", TRUE);
            put_printf(netdev, "vhostfd", "%d", tap->vhost_fd);
        }
    } else {
        put_text(netdev, "type", "user");
    }
    put_printf(netdev, "id", "host%s", interface->alias);
    put_printf(device, "netdev", "host%s", interface->alias);
    put_text(device, "id", interface->alias);
    put_text(device, "mac", guest_mac_format(&interface->mac, mac));
    if (boot_index > 0)
        put_number(device, "bootindex", boot_index);
    put_address(builder, device, &interface->address);
    if (!tap && interface->type != GUEST_INTERFACE_USER) {
        json_object_put(netdev);
        json_object_put(device);
        return error_set(error, ERROR_INTERNAL_ERROR, "internal error: interface '%s' has no tap",
                         interface->alias);
    }
    argv_add_json(builder, "-netdev", netdev);
    argv_add_json(builder, "-device", device);
    return TRUE;
}

/* --- serial ports --- */

/* fd: what the daemon opened for it, or NULL. */
static char *format_chardev(const GuestChardev *source, const char *alias, const QemuDescriptor *fd)
{
    const char *append = source->append == SWITCH_OFF ? "off" : "on";
    g_autofree char *path = argv_escape(source->path ? source->path : "");
    g_autofree char *host = argv_escape(source->host ? source->host : "");
    g_autofree char *service = argv_escape(source->service ? source->service : "");

    switch (source->type) {
    case GUEST_CHARDEV_PTY:
        return g_strdup_printf("pty,id=char%s", alias);
    case GUEST_CHARDEV_FILE:
        if (fd)
            return g_strdup_printf("file,id=char%s,path=/dev/fdset/%d,append=on", alias, fd->fd);
        return source->append == SWITCH_ABSENT
                   ? g_strdup_printf("file,id=char%s,path=%s", alias, path)
                   : g_strdup_printf("file,id=char%s,path=%s,append=%s", alias, path, append);
    case GUEST_CHARDEV_UNIX:
        if (source->mode != GUEST_CHARDEV_BIND)
            return g_strdup_printf("socket,id=char%s,path=%s", alias, path);
        return fd ? g_strdup_printf("socket,id=char%s,fd=%d,server=on,wait=off", alias, fd->fd)
                  : g_strdup_printf("socket,id=char%s,path=%s,server=on,wait=off", alias, path);
    case GUEST_CHARDEV_TCP:
        return g_strdup_printf("socket,id=char%s,host=%s,port=%s%s%s", alias, host, service,
                               source->protocol == GUEST_CHARDEV_TELNET ? ",telnet=on" : "",
                               source->mode == GUEST_CHARDEV_BIND ? ",server=on,wait=off" : "");
    }
    return NULL;
}

static void add_serial(ArgvBuilder *builder, const GuestSerial *serial)
{
    const QemuDescriptor *fd = argv_find_descriptor(builder, serial->alias);
    g_autofree char *chardev = format_chardev(&serial->source, serial->alias, fd);
    json_object *device = new_device("isa-serial");

    if (fd && serial->source.type == GUEST_CHARDEV_FILE)
        argv_add(builder, "-add-fd", "set=%d,fd=%d,opaque=%s-source", fd->fd, fd->fd,
                 serial->alias);
    argv_add(builder, "-chardev", "%s", chardev);
    put_printf(device, "chardev", "char%s", serial->alias);
    put_text(device, "id", serial->alias);
    put_number(device, "index", serial->port < 0 ? 0 : (uint64_t)serial->port);
    argv_add_json(builder, "-device", device);
}

/* --- the rest --- */

static void add_balloon(ArgvBuilder *builder)
{
    const GuestBalloon *balloon = &builder->def->balloon;
    json_object *device;

    if (balloon->model != GUEST_BALLOON_VIRTIO)
        return;
    device = new_device("virtio-balloon-pci");
    put_text(device, "id", balloon->alias);
    put_address(builder, device, &balloon->address);
    argv_add_json(builder, "-device", device);
}

static void add_rng(ArgvBuilder *builder, const GuestRng *rng)
{
    json_object *object = json_object_new_object();
    json_object *device = new_device("virtio-rng-pci");

    put_text(object, "qom-type", "rng-random");
    put_printf(object, "id", "obj%s", rng->alias);
    put_text(object, "filename", rng->path ? rng->path : "/dev/urandom");
    put_printf(device, "rng", "obj%s", rng->alias);
    put_text(device, "id", rng->alias);
    if (rng->rate_bytes > 0) {
        put_number(device, "max-bytes", rng->rate_bytes);
        put_number(device, "period", rng->rate_period_ms ? rng->rate_period_ms : 1000);
    }
    put_address(builder, device, &rng->address);
    argv_add_json(builder, "-object", object);
    argv_add_json(builder, "-device", device);
}

static void add_audio(ArgvBuilder *builder)
{
    json_object *audio = json_object_new_object();

    put_text(audio, "id", "audio1");
    put_text(audio, "driver", "none");
    argv_add_json(builder, "-audiodev", audio);
}

gboolean argv_add_devices(ArgvBuilder *builder, GError **error)
{
    const GuestDef *def = builder->def;

    if (!add_controllers(builder, error))
        return FALSE;
    for (unsigned i = 0; i < def->disks->len; i++)
        add_disk(builder, guest_def_disk(def, i));
    for (unsigned i = 0; i < def->interfaces->len; i++) {
        if (!add_interface(builder, guest_def_interface(def, i), error))
            return FALSE;
    }
    for (unsigned i = 0; i < def->serials->len; i++)
        add_serial(builder, guest_def_serial(def, i));
    add_audio(builder);
    if (builder->plan->is_incoming)
        argv_add(builder, "-incoming", "defer");
    add_balloon(builder);
    for (unsigned i = 0; i < def->rngs->len; i++)
        add_rng(builder, guest_def_rng(def, i));
    return TRUE;
}
