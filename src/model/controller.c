/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Controllers. */
#include "model/controller.h"

#include "model/device.h"

const EnumName guest_controller_type_names[] = {
    {"pci", GUEST_CONTROLLER_PCI},
    {"usb", GUEST_CONTROLLER_USB},
    {"sata", GUEST_CONTROLLER_SATA},
    {"ide", GUEST_CONTROLLER_IDE},
    {"virtio-serial", GUEST_CONTROLLER_VIRTIO_SERIAL},
    {"fdc", GUEST_CONTROLLER_FDC},
    {NULL},
};

static const EnumName model_names[] = {
    {"none", GUEST_CONTROLLER_MODEL_NONE},
    {"pci-root", GUEST_CONTROLLER_MODEL_PCI_ROOT},
    {"pci-bridge", GUEST_CONTROLLER_MODEL_PCI_BRIDGE},
    {"pcie-root", GUEST_CONTROLLER_MODEL_PCIE_ROOT},
    {"pcie-root-port", GUEST_CONTROLLER_MODEL_PCIE_ROOT_PORT},
    {"pcie-to-pci-bridge", GUEST_CONTROLLER_MODEL_PCIE_TO_PCI_BRIDGE},
    {"piix3-uhci", GUEST_CONTROLLER_MODEL_PIIX3_UHCI},
    {"qemu-xhci", GUEST_CONTROLLER_MODEL_QEMU_XHCI},
    {"nec-xhci", GUEST_CONTROLLER_MODEL_NEC_XHCI},
    {NULL},
};

#define IN(field) offsetof(GuestController, field)

/* clang-format off */
static const Field controller_rows[] = {
    /* path               type           field                   flags  more */
    {"@type",             FIELD_ENUM,    IN(type),               FIELD_GUEST | FIELD_REQUIRED, guest_controller_type_names},
    {"@index",            FIELD_INT,     IN(index),              FIELD_GUEST, .max = 255},
    {"@model",            FIELD_ENUM,    IN(model),              FIELD_GUEST, model_names},
    {"@ports",            FIELD_UINT,    IN(ports),              FIELD_GUEST, .max = 511},
    {"@vectors",          FIELD_UINT,    IN(vectors),            FIELD_GUEST, .max = 2048},
    {"model/@name",       FIELD_STRING,  IN(model_name),         FIELD_GUEST},
    {"target/@chassisNr", FIELD_INT,     IN(chassis_nr),         FIELD_GUEST, .max = 255},
    {"target/@chassis",   FIELD_INT,     IN(chassis),            FIELD_GUEST, .max = 255},
    {"target/@port",      FIELD_HEX,     IN(port),               FIELD_GUEST, .max = 255},
    {"alias",             FIELD_KIND,    IN(alias),              0, .kind = &guest_alias_kind},
    {"address",           FIELD_KIND,    IN(address),            FIELD_GUEST, .kind = &guest_address_kind},
    {NULL},
};

/* What a model is: its type, QEMU's name for it, and which settings mean something to it. */
static const struct {
    GuestControllerModel model;
    GuestControllerType type;
    const char *model_name;
    gboolean has_chassis, has_chassis_nr, has_address;
    unsigned ports_max;
} models[] = {
    {GUEST_CONTROLLER_MODEL_NONE,               GUEST_CONTROLLER_USB, NULL,              .ports_max = 0},
    {GUEST_CONTROLLER_MODEL_PIIX3_UHCI,         GUEST_CONTROLLER_USB, NULL,              .has_address = TRUE},
    {GUEST_CONTROLLER_MODEL_QEMU_XHCI,          GUEST_CONTROLLER_USB, NULL,              .has_address = TRUE, .ports_max = 15},
    {GUEST_CONTROLLER_MODEL_NEC_XHCI,           GUEST_CONTROLLER_USB, NULL,              .has_address = TRUE, .ports_max = 15},
    {GUEST_CONTROLLER_MODEL_PCI_ROOT,           GUEST_CONTROLLER_PCI, NULL},
    {GUEST_CONTROLLER_MODEL_PCIE_ROOT,          GUEST_CONTROLLER_PCI, NULL},
    {GUEST_CONTROLLER_MODEL_PCI_BRIDGE,         GUEST_CONTROLLER_PCI, "pci-bridge",      .has_address = TRUE, .has_chassis_nr = TRUE},
    {GUEST_CONTROLLER_MODEL_PCIE_ROOT_PORT,     GUEST_CONTROLLER_PCI, "pcie-root-port",  .has_address = TRUE, .has_chassis = TRUE},
    {GUEST_CONTROLLER_MODEL_PCIE_TO_PCI_BRIDGE, GUEST_CONTROLLER_PCI, "pcie-pci-bridge", .has_address = TRUE},
};
/* clang-format on */

const char *guest_controller_model_name(const GuestController *controller)
{
    return enum_name(model_names, controller->model);
}

static gboolean check_model(GuestController *controller, XmlNode *node, GError **error)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(models); i++) {
        if (models[i].model != controller->model)
            continue;
        if (models[i].type != controller->type)
            return xml_unsupported_value(node, "model", guest_controller_model_name(controller),
                                         error);
        if (controller->model_name && g_strcmp0(controller->model_name, models[i].model_name) != 0)
            return xml_unsupported_value(xml_child(node, "model"), "name", controller->model_name,
                                         error);
        if (!models[i].has_chassis_nr && controller->chassis_nr >= 0)
            return xml_unsupported(xml_child(node, "target"), "chassisNr", error);
        if (!models[i].has_chassis && (controller->chassis >= 0 || controller->port >= 0))
            return xml_unsupported(xml_child(node, "target"),
                                   controller->chassis >= 0 ? "chassis" : "port", error);
        if (!models[i].has_address && controller->address.type != GUEST_ADDRESS_NONE)
            return xml_unsupported(xml_child(node, "address"), NULL, error);
        if (controller->ports > models[i].ports_max)
            return xml_unsupported(node, "ports", error);
        return TRUE;
    }
    g_assert_not_reached();
}

/* sata, ide, virtio-serial, fdc; usb whose model is still to be chosen. */
static gboolean check_without_model(GuestController *controller, XmlNode *node, GError **error)
{
    XmlNode *target = xml_child(node, "target"), *model = xml_child(node, "model");

    if (controller->type == GUEST_CONTROLLER_PCI)
        return xml_error(node, error, "a PCI controller needs a model");
    if (target)
        return xml_unsupported(target, NULL, error);
    if (model)
        return xml_unsupported(model, NULL, error);
    if (controller->type != GUEST_CONTROLLER_VIRTIO_SERIAL && controller->ports)
        return xml_unsupported(node, "ports", error);
    if (controller->type == GUEST_CONTROLLER_FDC && controller->address.type != GUEST_ADDRESS_NONE)
        return xml_unsupported(xml_child(node, "address"), NULL, error);
    return TRUE;
}

static gboolean controller_check(void *device, XmlNode *node, GError **error)
{
    GuestController *controller = device;

    if (controller->address.type == GUEST_ADDRESS_ISA)
        return xml_unsupported_value(xml_child(node, "address"), "type", "isa", error);
    if (controller->vectors && controller->type != GUEST_CONTROLLER_VIRTIO_SERIAL)
        return xml_unsupported(node, "vectors", error);
    if (controller->chassis_nr == 0)
        return xml_error(node, error, "chassisNr 0 is the host bridge's own");
    return controller->model == GUEST_CONTROLLER_MODEL_DEFAULT
               ? check_without_model(controller, node, error)
               : check_model(controller, node, error);
}

const GuestDeviceClass guest_controller_class = {
    .element = "controller",
    .size = sizeof(GuestController),
    .rows = controller_rows,
    .check = controller_check,
    .free = (GDestroyNotify)guest_controller_free,
    .max = 512,
};

static void fill_model(GuestController *controller)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(models); i++)
        if (models[i].model == controller->model && models[i].model_name && !controller->model_name)
            controller->model_name = g_strdup(models[i].model_name);
}

void guest_controller_fill(GuestController *controller)
{
    fill_model(controller);
    if (controller->model == GUEST_CONTROLLER_MODEL_PCI_BRIDGE && controller->chassis_nr < 0)
        controller->chassis_nr = controller->index;
    if (controller->model != GUEST_CONTROLLER_MODEL_PCIE_ROOT_PORT)
        return;
    if (controller->chassis < 0)
        controller->chassis = controller->index;
    if (controller->port < 0)
        controller->port = (int)(controller->address.slot * 8 + controller->address.function);
}

gboolean guest_controller_is_builtin_usb(const GuestController *controller)
{
    const GuestAddress *address = &controller->address;

    return controller->model == GUEST_CONTROLLER_MODEL_PIIX3_UHCI && controller->index == 0 &&
           !controller->alias && address->type == GUEST_ADDRESS_PCI && address->bus == 0 &&
           address->slot == 1 && address->function == 2;
}

gboolean guest_controller_is_plain_pci_root(const GuestController *controller)
{
    return controller->model == GUEST_CONTROLLER_MODEL_PCI_ROOT && !controller->alias;
}

GuestController *guest_controller_new(GuestControllerType type, GuestControllerModel model,
                                      int index)
{
    GuestController *controller = guest_device_new(&guest_controller_class);

    controller->type = type;
    controller->model = model;
    controller->index = index;
    return controller;
}

void guest_controller_free(GuestController *controller)
{
    guest_device_free(&guest_controller_class, controller);
}
