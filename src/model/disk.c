/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks. */
#include "model/disk.h"

#include <string.h>

#include "model/device.h"

/* clang-format off */
const EnumName guest_image_format_names[] = {{"raw", GUEST_IMAGE_RAW}, {"qcow2", GUEST_IMAGE_QCOW2}, {NULL}};

const EnumName guest_disk_cache_names[] = {
    {"none", GUEST_DISK_CACHE_NONE}, {"writethrough", GUEST_DISK_CACHE_WRITETHROUGH},
    {"writeback", GUEST_DISK_CACHE_WRITEBACK}, {"directsync", GUEST_DISK_CACHE_DIRECTSYNC},
    {"unsafe", GUEST_DISK_CACHE_UNSAFE}, {NULL},
};

const EnumName guest_disk_io_names[] = {
    {"native", GUEST_DISK_IO_NATIVE}, {"threads", GUEST_DISK_IO_THREADS}, {"io_uring", GUEST_DISK_IO_URING}, {NULL},
};

const EnumName guest_disk_discard_names[] = {
    {"unmap", GUEST_DISK_DISCARD_UNMAP}, {"ignore", GUEST_DISK_DISCARD_IGNORE}, {NULL},
};

static const EnumName only_file[] = {{"file"}, {NULL}};
static const EnumName only_disk[] = {{"disk"}, {NULL}};
static const EnumName only_qemu[] = {{"qemu"}, {NULL}};
static const EnumName only_virtio[] = {{"virtio"}, {NULL}};
/* clang-format on */

#define BACKING_MAX 32 /* images below one disk */

/* ---- <backingStore>: the images below, as far as the XML names them ---- */

void guest_backing_free(GuestBacking *backing)
{
    while (backing) {
        GuestBacking *next = backing->next;

        g_free(backing->file);
        g_free(backing);
        backing = next;
    }
}

static gboolean backing_read_file(XmlNode *node, GuestBacking *backing, GError **error)
{
    XmlNode *source = xml_child(node, "source"), *format = xml_child(node, "format");
    const char *type = xml_attr(node, "type"), *file = source ? xml_attr(source, "file") : NULL;
    int image_format = GUEST_IMAGE_RAW;
    unsigned index = 0;

    if (!g_str_equal(type, "file"))
        return xml_unsupported_value(node, "type", type, error);
    if (!file || *file != '/')
        return xml_error(node, error,
                         "a backing image needs <source file=…> with an absolute path");
    if (!format || !xml_attr(format, "type"))
        return xml_error(node, error, "a backing image needs <format type=…>");
    if (!xml_attr_enum(format, "type", guest_image_format_names, &image_format, error) ||
        !xml_attr_uint(node, "index", G_MAXINT, &index, error))
        return FALSE;
    backing->file = g_strdup(file);
    backing->format = (GuestImageFormat)image_format;
    backing->index = index;
    return TRUE;
}

static gboolean backing_read(XmlNode *node, void *value, GError **error)
{
    GuestBacking **end = value;

    for (unsigned depth = 0; node; depth++, node = xml_child(node, "backingStore")) {
        if (depth == BACKING_MAX)
            return xml_error(node, error, "more than %u images below one another", BACKING_MAX);
        *end = g_new0(GuestBacking, 1);
        if (!xml_attr(node, "type"))
            return TRUE; /* <backingStore/>: nothing is below */
        if (!backing_read_file(node, *end, error))
            return FALSE;
        end = &(*end)->next;
    }
    return TRUE;
}

static void backing_write(XmlWriter *writer, const char *name, const void *value)
{
    const GuestBacking *const *first = value;
    unsigned open = 0;

    for (const GuestBacking *backing = *first; backing; backing = backing->next, open++) {
        xml_write_open(writer, name);
        if (!backing->file)
            continue;
        xml_write_attr(writer, "type", "file");
        if (backing->index)
            xml_write_attr_format(writer, "index", "%u", backing->index);
        xml_write_open(writer, "format");
        xml_write_attr(writer, "type", enum_name(guest_image_format_names, backing->format));
        xml_write_close(writer);
        xml_write_open(writer, "source");
        xml_write_attr(writer, "file", backing->file);
        xml_write_close(writer);
    }
    while (open-- > 0)
        xml_write_close(writer);
}

static gboolean backing_equal(const void *a, const void *b)
{
    const GuestBacking *x = *(const GuestBacking *const *)a, *y = *(const GuestBacking *const *)b;

    while (x && y && x->format == y->format && g_strcmp0(x->file, y->file) == 0) {
        x = x->next;
        y = y->next;
    }
    return !x && !y;
}

static void backing_copy(void *target, const void *source)
{
    GuestBacking **end = target;

    *end = NULL;
    for (const GuestBacking *backing = *(const GuestBacking *const *)source; backing;
         backing = backing->next) {
        *end = g_memdup2(backing, sizeof *backing);
        (*end)->file = g_strdup(backing->file);
        (*end)->next = NULL;
        end = &(*end)->next;
    }
}

static void backing_clear(void *value)
{
    g_clear_pointer((GuestBacking **)value, guest_backing_free);
}

static void backing_clear_live(void *value)
{
    for (GuestBacking *backing = *(GuestBacking **)value; backing; backing = backing->next)
        backing->index = 0;
}

static const FieldKind backing_kind = {
    .size = sizeof(GuestBacking *),
    .read = backing_read,
    .write = backing_write,
    .equal = backing_equal,
    .copy = backing_copy,
    .clear = backing_clear,
    .clear_live = backing_clear_live,
};

/* ---- the disk ---- */

#define IN(field) offsetof(GuestDisk, field)

/* clang-format off */
static const Field disk_rows[] = {
    /* path              type           field            flags           more */
    {"@type",            FIELD_CONST,   0,               0,              only_file},
    {"@device",          FIELD_CONST,   0,               0,              only_disk},
    {"driver/@name",     FIELD_CONST,   0,               0,              only_qemu},
    {"driver/@type",     FIELD_ENUM,    IN(format),      0,              guest_image_format_names},
    {"driver/@cache",    FIELD_ENUM,    IN(cache),       0,              guest_disk_cache_names},
    {"driver/@io",       FIELD_ENUM,    IN(io),          0,              guest_disk_io_names},
    {"driver/@discard",  FIELD_ENUM,    IN(discard),     0,              guest_disk_discard_names},
    {"source/@file",     FIELD_STRING,  IN(file),        FIELD_REQUIRED},
    {"source/@index",    FIELD_UINT,    IN(index),       FIELD_LIVE,     .max = G_MAXINT},
    {"backingStore",     FIELD_KIND,    IN(backing),     0,              .kind = &backing_kind},
    {"target/@dev",      FIELD_STRING,  IN(target),      FIELD_GUEST | FIELD_REQUIRED},
    {"target/@bus",      FIELD_CONST,   0,               0,              only_virtio},
    {"readonly",         FIELD_FLAG,    IN(is_readonly), FIELD_GUEST},
    {"shareable",        FIELD_FLAG,    IN(is_shareable)},
    {"serial",           FIELD_STRING,  IN(serial),      FIELD_GUEST},
    {"boot/@order",      FIELD_UINT,    IN(boot_order),  0,              .max = G_MAXINT},
    {"alias",            FIELD_KIND,    IN(alias),       0,              .kind = &guest_alias_kind},
    {"address",          FIELD_KIND,    IN(address),     FIELD_GUEST,    .kind = &guest_address_kind},
    {NULL},
};
/* clang-format on */

#define SERIAL_MAX 20 /* bytes that virtio-blk shows its guest */
#define TARGET_MAX 6

static gboolean check_target(const GuestDisk *disk, XmlNode *node, GError **error)
{
    XmlNode *target = xml_child(node, "target");
    const char *letters = disk->target + 2;

    if (!g_str_has_prefix(disk->target, "vd"))
        return xml_attr(target, "bus")
                   ? xml_unsupported_value(target, "dev", disk->target, error)
                   : xml_error(target, error, "the disk '%.20s' needs bus='virtio'", disk->target);
    if (*letters == '\0' || letters[strspn(letters, "abcdefghijklmnopqrstuvwxyz")] != '\0' ||
        strlen(letters) > TARGET_MAX - 2)
        return xml_error(target, error, "'%.20s' is no disk name like 'vda'", disk->target);
    return TRUE;
}

static gboolean disk_check(void *device, XmlNode *node, GError **error)
{
    GuestDisk *disk = device;
    XmlNode *boot = xml_child(node, "boot");

    if (!check_target(disk, node, error))
        return FALSE;
    if (*disk->file != '/')
        return xml_error(node, error, "the image '%.100s' needs an absolute path", disk->file);
    if (disk->serial && strlen(disk->serial) > SERIAL_MAX)
        return xml_error(node, error, "the serial of disk '%s' is longer than %u bytes",
                         disk->target, SERIAL_MAX);
    if (disk->serial &&
        disk->serial[strspn(disk->serial, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                          "0123456789_-. +")] != '\0')
        return xml_error(node, error,
                         "the serial of disk '%s' may hold letters, digits and \"_-. +\" only",
                         disk->target);
    if (boot && disk->boot_order == 0)
        return xml_error(boot, error, "the boot order has to be a number greater than 0");
    if (disk->address.type == GUEST_ADDRESS_ISA)
        return xml_unsupported_value(xml_child(node, "address"), "type", "isa", error);
    return TRUE;
}

const GuestDeviceClass guest_disk_class = {
    .element = "disk",
    .size = sizeof(GuestDisk),
    .rows = disk_rows,
    .check = disk_check,
    .free = (GDestroyNotify)guest_disk_free,
    .max = 256,
};

void guest_disk_free(GuestDisk *disk)
{
    guest_device_free(&guest_disk_class, disk);
}

/* vda is 0, vdz 25, vdaa 26 */
unsigned guest_disk_number(const GuestDisk *disk)
{
    unsigned number = 0;

    for (const char *letter = disk->target + 2; *letter; letter++)
        number = number * 26 + (unsigned)(*letter - 'a' + 1);
    return number - 1;
}
