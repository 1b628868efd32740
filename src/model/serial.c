/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Serial ports. */
#include "model/serial.h"

#include <string.h>

#include "base/number.h"
#include "model/device.h"

/* clang-format off */
const EnumName guest_chardev_type_names[] = {
    {"pty", GUEST_CHARDEV_PTY}, {"file", GUEST_CHARDEV_FILE},
    {"unix", GUEST_CHARDEV_UNIX}, {"tcp", GUEST_CHARDEV_TCP}, {NULL},
};
static const EnumName mode_names[] = {{"connect", GUEST_CHARDEV_CONNECT}, {"bind", GUEST_CHARDEV_BIND}, {NULL}};
static const EnumName protocol_names[] = {{"raw", GUEST_CHARDEV_RAW}, {"telnet", GUEST_CHARDEV_TELNET}, {NULL}};
static const EnumName only_isa_serial[] = {{"isa-serial"}, {NULL}};
static const EnumName only_serial[] = {{"serial"}, {NULL}};

#define IN(field) offsetof(GuestSerial, field)

#define SOURCE_ROWS                                                                                   \
    /* path              type           field                  flags  more */                         \
    {"@type",            FIELD_ENUM,    IN(source.type),       FIELD_REQUIRED, guest_chardev_type_names}, \
    {"source/@mode",     FIELD_ENUM,    IN(source.mode),       0,     mode_names},                    \
    {"source/@path",     FIELD_STRING,  IN(source.path)},                                             \
    {"source/@host",     FIELD_STRING,  IN(source.host)},                                             \
    {"source/@service",  FIELD_STRING,  IN(source.service)},                                          \
    {"source/@append",   FIELD_ON_OFF,  IN(source.append)},                                           \
    {"protocol/@type",   FIELD_ENUM,    IN(source.protocol),   0,     protocol_names}

static const Field serial_rows[] = {
    SOURCE_ROWS,
    {"target/@type",       FIELD_CONST,  0,            0,           only_isa_serial},
    {"target/@port",       FIELD_INT,    IN(port),     FIELD_GUEST, .max = 3},
    {"target/model/@name", FIELD_CONST,  0,            0,           only_isa_serial},
    {"alias",              FIELD_KIND,   IN(alias),    0,           .kind = &guest_alias_kind},
    {"address",            FIELD_KIND,   IN(address),  FIELD_GUEST, .kind = &guest_address_kind},
    {NULL},
};

/* The first serial port as <console> says it again. */
static const Field console_rows[] = {
    SOURCE_ROWS,
    {"target/@type",       FIELD_CONST,  0,            0,           only_serial},
    {"target/@port",       FIELD_INT,    IN(port),     0,           .max = 3},
    {"alias",              FIELD_KIND,   IN(alias),    0,           .kind = &guest_alias_kind},
    {NULL},
};
/* clang-format on */

#define SOCKET_PATH_MAX 107 /* bytes of a unix socket's address */

/* Which attributes of <source> each type has. */
static const char *find_stray(const GuestChardev *source)
{
    gboolean is_socket = source->type == GUEST_CHARDEV_UNIX || source->type == GUEST_CHARDEV_TCP;

    if (source->mode != GUEST_CHARDEV_NO_MODE && !is_socket)
        return "mode";
    if (source->path && source->type == GUEST_CHARDEV_TCP)
        return "path";
    if (source->host && source->type != GUEST_CHARDEV_TCP)
        return "host";
    if (source->service && source->type != GUEST_CHARDEV_TCP)
        return "service";
    if (source->append != SWITCH_ABSENT && source->type != GUEST_CHARDEV_FILE)
        return "append";
    return NULL;
}

static gboolean check_file_or_unix(const GuestChardev *source, XmlNode *node, GError **error)
{
    if (!source->path || *source->path != '/')
        return xml_error(node, error, "needs <source path=…> with an absolute path");
    if (source->type == GUEST_CHARDEV_UNIX && strlen(source->path) > SOCKET_PATH_MAX)
        return xml_error(node, error, "a socket's path has at most %u bytes", SOCKET_PATH_MAX);
    return TRUE;
}

static gboolean check_tcp(const GuestChardev *source, XmlNode *node, GError **error)
{
    uint64_t port;

    if (!source->host && source->mode == GUEST_CHARDEV_CONNECT)
        return xml_error(node, error, "needs <source host=…> to connect to");
    if (!source->service || !number_parse_u64(source->service, 65535, &port))
        return xml_error(node, error, "needs <source service=…> with a port number");
    return TRUE;
}

static gboolean check_source(GuestChardev *source, XmlNode *node, GError **error)
{
    XmlNode *protocol = xml_child(node, "protocol");
    const char *stray = find_stray(source);

    if (stray)
        return xml_unsupported(xml_child(node, "source"), stray, error);
    if (protocol && source->type != GUEST_CHARDEV_TCP)
        return xml_unsupported(protocol, NULL, error);
    if (source->mode == GUEST_CHARDEV_NO_MODE &&
        (source->type == GUEST_CHARDEV_UNIX || source->type == GUEST_CHARDEV_TCP))
        source->mode = GUEST_CHARDEV_CONNECT;
    if (source->protocol == GUEST_CHARDEV_NO_PROTOCOL && source->type == GUEST_CHARDEV_TCP)
        source->protocol = GUEST_CHARDEV_RAW;
    if (source->type == GUEST_CHARDEV_TCP)
        return check_tcp(source, node, error);
    return source->type == GUEST_CHARDEV_PTY || check_file_or_unix(source, node, error);
}

static gboolean serial_check(void *device, XmlNode *node, GError **error)
{
    GuestSerial *serial = device;

    xml_ignore_attr(node, "tty"); /* the pty's path again, as old clients know it */
    if (serial->address.type == GUEST_ADDRESS_PCI)
        return xml_unsupported_value(xml_child(node, "address"), "type", "pci", error);
    return check_source(&serial->source, node, error);
}

/* QEMU makes a pty anew for each run. */
static void serial_clear_live(void *device)
{
    GuestSerial *serial = device;

    if (serial->source.type == GUEST_CHARDEV_PTY)
        g_clear_pointer(&serial->source.path, g_free);
}

const GuestDeviceClass guest_serial_class = {
    .element = "serial",
    .size = sizeof(GuestSerial),
    .rows = serial_rows,
    .check = serial_check,
    .clear_live = serial_clear_live,
    .free = (GDestroyNotify)guest_serial_free,
    .max = 4,
};

const GuestDeviceClass guest_console_class = {
    .element = "console",
    .size = sizeof(GuestSerial),
    .rows = console_rows,
    .check = serial_check,
    .clear_live = serial_clear_live,
    .free = (GDestroyNotify)guest_serial_free,
    .max = 1,
};

void guest_console_write(const GuestSerial *serial, XmlWriter *writer)
{
    gboolean is_first_port = serial->port <= 0;

    xml_write_open(writer, "console");
    xml_write_attr(writer, "type", enum_name(guest_chardev_type_names, serial->source.type));
    if (serial->source.type == GUEST_CHARDEV_PTY && is_first_port)
        xml_write_attr(writer, "tty", serial->source.path);
    fields_write(console_rows + 1, writer, serial); /* all but the type, which is written */
    xml_write_close(writer);
}

gboolean guest_chardev_equal(const GuestChardev *a, const GuestChardev *b)
{
    return a->type == b->type && a->mode == b->mode && a->append == b->append &&
           a->protocol == b->protocol && g_strcmp0(a->path, b->path) == 0 &&
           g_strcmp0(a->host, b->host) == 0 && g_strcmp0(a->service, b->service) == 0;
}

void guest_serial_free(GuestSerial *serial)
{
    guest_device_free(&guest_serial_class, serial);
}
