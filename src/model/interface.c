/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Network interfaces. */
#include "model/interface.h"

#include <stdio.h>
#include <string.h>

#include "model/device.h"

/* clang-format off */
const EnumName guest_interface_type_names[] = {
    {"user", GUEST_INTERFACE_USER}, {"bridge", GUEST_INTERFACE_BRIDGE},
    {"network", GUEST_INTERFACE_NETWORK}, {"ethernet", GUEST_INTERFACE_ETHERNET}, {NULL},
};
static const EnumName link_names[] = {{"up", GUEST_LINK_UP}, {"down", GUEST_LINK_DOWN}, {NULL}};
static const EnumName only_virtio[] = {{"virtio"}, {NULL}};
/* clang-format on */

/* ---- MAC addresses ---- */

char *guest_mac_format(const GuestMac *mac, char text[GUEST_MAC_TEXT_SIZE])
{
    const uint8_t *b = mac->bytes;

    snprintf(text, GUEST_MAC_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3],
             b[4], b[5]);
    return text;
}

gboolean guest_mac_parse(const char *text, GuestMac *ret_mac)
{
    GuestMac mac = {.is_set = TRUE};

    for (unsigned i = 0; i < 6; i++) {
        int high = g_ascii_xdigit_value(*text), low;

        if (high < 0)
            return FALSE;
        text++;
        low = g_ascii_xdigit_value(*text);
        text += low >= 0;
        mac.bytes[i] = (uint8_t)(low >= 0 ? high * 16 + low : high);
        if (*text != (i < 5 ? ':' : '\0'))
            return FALSE;
        text++;
    }
    if (mac.bytes[0] & 1)
        return FALSE;
    *ret_mac = mac;
    return TRUE;
}

static gboolean mac_read(XmlNode *node, void *value, GError **error)
{
    const char *text = xml_attr(node, "address");

    if (!text || guest_mac_parse(text, value))
        return TRUE;
    return xml_error(node, error, "'%.40s' is not a unicast MAC address", text);
}

static void mac_write(XmlWriter *writer, const char *name, const void *value)
{
    const GuestMac *mac = value;
    char text[GUEST_MAC_TEXT_SIZE];

    if (!mac->is_set)
        return;
    xml_write_open(writer, name);
    xml_write_attr(writer, "address", guest_mac_format(mac, text));
    xml_write_close(writer);
}

static gboolean mac_equal(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(((GuestMac *)0)->bytes)) == 0;
}

static char *mac_text(const void *value)
{
    char text[GUEST_MAC_TEXT_SIZE];

    return g_strdup(guest_mac_format(value, text));
}

static const FieldKind mac_kind = {
    .size = sizeof(GuestMac),
    .read = mac_read,
    .write = mac_write,
    .equal = mac_equal,
    .text = mac_text,
};

/* ---- the interface ---- */

#define IN(field) offsetof(GuestInterface, field)

/* clang-format off */
static const Field interface_rows[] = {
    /* path              type            field                flags          more */
    {"@type",            FIELD_ENUM,     IN(type),            FIELD_REQUIRED, guest_interface_type_names},
    {"mac",              FIELD_KIND,     IN(mac),             FIELD_GUEST,   .kind = &mac_kind, .label = "mac"},
    {"source/@bridge",   FIELD_STRING,   IN(bridge)},
    {"source/@network",  FIELD_STRING,   IN(network)},
    {"target/@dev",      FIELD_STRING,   IN(target_dev)},
    {"target/@managed",  FIELD_YES_NO,   IN(target_managed)},
    {"model/@type",      FIELD_CONST,    0,                   FIELD_REQUIRED, only_virtio},
    {"link/@state",      FIELD_ENUM,     IN(link),            0,             link_names},
    {"boot/@order",      FIELD_UINT,     IN(boot_order),      0,             .max = G_MAXINT},
    {"alias",            FIELD_KIND,     IN(alias),           0,             .kind = &guest_alias_kind},
    {"address",          FIELD_KIND,     IN(address),         FIELD_GUEST,   .kind = &guest_address_kind},
    {NULL},
};
/* clang-format on */

#define HOST_NAME_MAX_BYTES 15 /* of an interface in the kernel */

static gboolean check_host_name(XmlNode *node, const char *name, GError **error)
{
    if (!name || (strlen(name) <= HOST_NAME_MAX_BYTES && !strpbrk(name, "/: \t\r\n%") &&
                  strcmp(name, ".") && strcmp(name, "..")))
        return TRUE;
    return xml_error(node, error, "'%.40s' cannot be the name of a network interface", name);
}

/* <source>: what it names depends on the type. */
static gboolean check_source(GuestInterface *interface, XmlNode *node, GError **error)
{
    XmlNode *source = xml_child(node, "source");
    gboolean is_bridge = interface->type == GUEST_INTERFACE_BRIDGE,
             is_network = interface->type == GUEST_INTERFACE_NETWORK;

    if (source && !is_bridge && !is_network)
        return xml_unsupported(source, NULL, error);
    if (is_bridge && interface->network)
        return xml_unsupported(source, "network", error);
    if (is_bridge && !interface->bridge)
        return xml_error(node, error, "an interface of type 'bridge' needs <source bridge=…>");
    if (is_network && !interface->network)
        return xml_error(node, error, "an interface of type 'network' needs <source network=…>");
    if (is_network) { /* a running guest's: which bridge and port its network gave it */
        g_clear_pointer(&interface->bridge, g_free);
        xml_ignore_attr(source, "portid");
    }
    return check_host_name(node, interface->bridge, error);
}

static gboolean check_target(GuestInterface *interface, XmlNode *node, GError **error)
{
    XmlNode *target = xml_child(node, "target");

    if (target && interface->type == GUEST_INTERFACE_USER)
        return xml_unsupported(target, NULL, error);
    if (interface->target_managed != SWITCH_ABSENT && interface->type != GUEST_INTERFACE_ETHERNET)
        return xml_unsupported(target, "managed", error);
    if (interface->target_managed == SWITCH_OFF && !interface->target_dev)
        return xml_error(target, error, "managed='no' needs the name of a tap that exists");
    return check_host_name(node, interface->target_dev, error);
}

static gboolean interface_check(void *device, XmlNode *node, GError **error)
{
    GuestInterface *interface = device;
    XmlNode *boot = xml_child(node, "boot");

    if (!check_source(interface, node, error) || !check_target(interface, node, error))
        return FALSE;
    if (boot && interface->boot_order == 0)
        return xml_error(boot, error, "the boot order has to be a number greater than 0");
    if (interface->address.type == GUEST_ADDRESS_ISA)
        return xml_unsupported_value(xml_child(node, "address"), "type", "isa", error);
    return TRUE;
}

/* Taps named vnetN were made by a host for one run; the name means nothing later or elsewhere. */
static void interface_clear_live(void *device)
{
    GuestInterface *interface = device;

    if (interface->target_dev && g_str_has_prefix(interface->target_dev, "vnet"))
        g_clear_pointer(&interface->target_dev, g_free);
}

const GuestDeviceClass guest_interface_class = {
    .element = "interface",
    .size = sizeof(GuestInterface),
    .rows = interface_rows,
    .check = interface_check,
    .clear_live = interface_clear_live,
    .free = (GDestroyNotify)guest_interface_free,
    .max = 256,
};

void guest_interface_free(GuestInterface *interface)
{
    guest_device_free(&guest_interface_class, interface);
}
