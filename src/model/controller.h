/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Controllers: PCI buses and bridges, USB, SATA, IDE, virtio-serial. */
#pragma once

#include "model/address.h"

typedef enum {
    GUEST_CONTROLLER_PCI,
    GUEST_CONTROLLER_USB,
    GUEST_CONTROLLER_SATA,
    GUEST_CONTROLLER_IDE,
    GUEST_CONTROLLER_VIRTIO_SERIAL,
    GUEST_CONTROLLER_FDC,
} GuestControllerType;

typedef enum {
    GUEST_CONTROLLER_MODEL_DEFAULT, /* sata, ide, fdc, virtio-serial: they have only one */
    GUEST_CONTROLLER_MODEL_NONE,    /* <controller type='usb' model='none'/>: no USB at all */
    GUEST_CONTROLLER_MODEL_PCI_ROOT,
    GUEST_CONTROLLER_MODEL_PCI_BRIDGE,
    GUEST_CONTROLLER_MODEL_PCIE_ROOT,
    GUEST_CONTROLLER_MODEL_PCIE_ROOT_PORT,
    GUEST_CONTROLLER_MODEL_PCIE_TO_PCI_BRIDGE,
    GUEST_CONTROLLER_MODEL_PIIX3_UHCI,
    GUEST_CONTROLLER_MODEL_QEMU_XHCI,
    GUEST_CONTROLLER_MODEL_NEC_XHCI,
} GuestControllerModel;

typedef struct {
    GuestControllerType type;
    GuestControllerModel model;
    int index;        /* -1: not yet given */
    char *model_name; /* <model name=>: QEMU's device name, e.g. "pcie-root-port" */
    int chassis;      /* <target chassis=>, -1: none */
    int port;         /* <target port=>, -1: none */
    int chassis_nr;   /* <target chassisNr=> of a pci-bridge, -1: none */
    unsigned ports;   /* usb (xhci) and virtio-serial: 0 is QEMU's default */
    unsigned vectors; /* virtio-serial: 0 is QEMU's default */
    char *alias;
    GuestAddress address;
} GuestController;

extern const EnumName guest_controller_type_names[];
/* NULL for GUEST_CONTROLLER_MODEL_DEFAULT. */
const char *guest_controller_model_name(const GuestController *controller);

GuestController *guest_controller_new(GuestControllerType type, GuestControllerModel model,
                                      int index);
void guest_controller_free(GuestController *controller);
/* The one USB controller inside a pc's south bridge, with nothing said of it but that. */
gboolean guest_controller_is_builtin_usb(const GuestController *controller);
/* The one bus that every pc has, likewise. */
gboolean guest_controller_is_plain_pci_root(const GuestController *controller);
/* What follows from index and address: QEMU's model name, chassis and port numbers. */
void guest_controller_fill(GuestController *controller);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(GuestController, guest_controller_free)
