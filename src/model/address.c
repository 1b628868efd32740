/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guest addresses. */
#include "model/address.h"

static const EnumName type_names[] = {
    {"pci", GUEST_ADDRESS_PCI}, {"isa", GUEST_ADDRESS_ISA}, {NULL}};

/* clang-format off */
static const Field pci_rows[] = {
    /* path             type          field                                    flags max */
    {"@domain",         FIELD_UINT,   offsetof(GuestAddress, domain),          0, .max = 0xffff},
    {"@bus",            FIELD_UINT,   offsetof(GuestAddress, bus),             0, .max = 0xff},
    {"@slot",           FIELD_UINT,   offsetof(GuestAddress, slot),            0, .max = 0x1f},
    {"@function",       FIELD_UINT,   offsetof(GuestAddress, function),        0, .max = 7},
    {"@multifunction",  FIELD_ON_OFF, offsetof(GuestAddress, multifunction)},
    {NULL},
};
/* clang-format on */

gboolean guest_address_equal(const GuestAddress *a, const GuestAddress *b)
{
    if (a->type != b->type)
        return FALSE;
    return a->type != GUEST_ADDRESS_PCI ||
           (a->domain == b->domain && a->bus == b->bus && a->slot == b->slot &&
            a->function == b->function &&
            (a->multifunction == SWITCH_ON) == (b->multifunction == SWITCH_ON));
}

char *guest_address_text(const GuestAddress *address)
{
    if (address->type != GUEST_ADDRESS_PCI)
        return g_strdup(enum_name(type_names, address->type) ?: "none");
    return g_strdup_printf("%04x:%02x:%02x.%x%s", address->domain, address->bus, address->slot,
                           address->function,
                           address->multifunction == SWITCH_ON ? " (multifunction)" : "");
}

static gboolean address_read(XmlNode *node, void *value, GError **error)
{
    GuestAddress address = {GUEST_ADDRESS_NONE};
    int type = GUEST_ADDRESS_NONE;

    if (!xml_attr(node, "type"))
        return xml_error(node, error, "an address needs a type");
    if (!xml_attr_enum(node, "type", type_names, &type, error))
        return FALSE;
    if (type == GUEST_ADDRESS_PCI && !fields_read(pci_rows, node, &address, error))
        return FALSE;
    if (address.domain != 0)
        return xml_unsupported_value(node, "domain", xml_attr(node, "domain"), error);
    /* Slot 0 of bus 0 is the host bridge's: nobody can mean it, so it stands for "choose one". */
    if (type != GUEST_ADDRESS_PCI || address.bus || address.slot || address.function)
        address.type = (GuestAddressType)type;
    *(GuestAddress *)value = address;
    return TRUE;
}

static void address_write(XmlWriter *writer, const char *name, const void *value)
{
    const GuestAddress *address = value;

    if (address->type == GUEST_ADDRESS_NONE)
        return;
    xml_write_open(writer, name);
    xml_write_attr(writer, "type", enum_name(type_names, address->type));
    if (address->type == GUEST_ADDRESS_PCI) {
        xml_write_attr_format(writer, "domain", "0x%04x", address->domain);
        xml_write_attr_format(writer, "bus", "0x%02x", address->bus);
        xml_write_attr_format(writer, "slot", "0x%02x", address->slot);
        xml_write_attr_format(writer, "function", "0x%x", address->function);
        if (address->multifunction != SWITCH_ABSENT)
            xml_write_attr(writer, "multifunction",
                           address->multifunction == SWITCH_ON ? "on" : "off");
    }
    xml_write_close(writer);
}

static gboolean address_is_equal(const void *a, const void *b)
{
    return guest_address_equal(a, b);
}

static char *address_text(const void *value)
{
    return guest_address_text(value);
}

const FieldKind guest_address_kind = {
    .size = sizeof(GuestAddress),
    .read = address_read,
    .write = address_write,
    .equal = address_is_equal,
    .text = address_text,
};
