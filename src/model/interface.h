/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Network interfaces: virtio-net on a tap, a bridge, a named network or QEMU's user-mode stack. */
#pragma once

#include <stdint.h>

#include "model/address.h"

typedef enum {
    GUEST_INTERFACE_USER,
    GUEST_INTERFACE_BRIDGE,
    GUEST_INTERFACE_NETWORK,
    GUEST_INTERFACE_ETHERNET,
} GuestInterfaceType;

typedef enum { GUEST_LINK_DEFAULT, GUEST_LINK_UP, GUEST_LINK_DOWN } GuestLink;

typedef struct {
    uint8_t bytes[6];
    gboolean is_set;
} GuestMac;

typedef struct {
    GuestInterfaceType type;
    GuestMac mac;
    char *bridge;          /* type bridge */
    char *network;         /* type network */
    char *target_dev;      /* the tap's name; live, or chosen by the user (not vnetN) */
    Switch target_managed; /* type ethernet: no means the tap exists already */
    GuestLink link;
    unsigned boot_order; /* 0: none of its own; see guest_def_boot_order */
    char *alias;
    GuestAddress address;
} GuestInterface;

extern const EnumName guest_interface_type_names[];

/* "52:54:00:12:34:56" */
#define GUEST_MAC_TEXT_SIZE 18
char *guest_mac_format(const GuestMac *mac, char text[GUEST_MAC_TEXT_SIZE]);
/* A multicast address is no interface's own: false. */
gboolean guest_mac_parse(const char *text, GuestMac *ret_mac);

void guest_interface_free(GuestInterface *interface);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(GuestInterface, guest_interface_free)
