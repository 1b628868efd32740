/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guest addresses: where a device sits in the guest.  Part of the guest's hardware, so it never
 * changes. */
#pragma once

#include <glib.h>

#include "xml/field.h"

typedef enum {
    GUEST_ADDRESS_NONE,
    GUEST_ADDRESS_PCI,
    GUEST_ADDRESS_ISA, /* isa-serial; iobase and irq are QEMU's defaults */
} GuestAddressType;

typedef struct {
    GuestAddressType type;
    unsigned domain;   /* always 0 on the machines we know */
    unsigned bus;      /* index of the PCI controller */
    unsigned slot;     /* 0–31 */
    unsigned function; /* 0–7 */
    Switch multifunction;
} GuestAddress;

gboolean guest_address_equal(const GuestAddress *a, const GuestAddress *b);
/* "0000:03:01.0", for error texts; the caller frees it. */
char *guest_address_text(const GuestAddress *address);

/* An <address> element: how a row of a field table reads, writes and compares one. */
extern const FieldKind guest_address_kind;
