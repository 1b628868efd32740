/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Taps and bridges.  A tap lives as long as somebody holds its descriptor: the daemon makes it,
 * QEMU inherits it, and the end of QEMU is the end of the tap. */
#pragma once

#include <glib.h>
#include <net/if.h>
#include <stdint.h>

#define TAP_QUEUES_MAX 64

typedef struct {
    char name[IFNAMSIZ]; /* as made by the kernel */
    int *fds;            /* queue_count, close-on-exec */
    unsigned queue_count;
} Tap;

typedef struct {
    const char *name;   /* a name, or NULL: vnet0, vnet1 … */
    const char *bridge; /* to plug it into, or NULL */
    const uint8_t
        *mac; /* the guest's, 6 bytes: the host side gets it with a first byte of 0xfe; or NULL */
    unsigned queues;            /* 0 and 1: one */
    unsigned mtu;               /* 0: the bridge's, else as made */
    gboolean wants_vnet_header; /* virtio */
    gboolean is_down;           /* <link state='down'/> on the host side */
} TapSpec;

/* Makes it, plugs it in, sets it up.  Nothing is left behind on failure. */
gboolean tap_open(const TapSpec *spec, Tap *ret_tap, GError **error);
/* Closes our descriptors. */
void tap_clear(Tap *tap);

/* Is there an interface of that name, and is it a bridge? */
gboolean bridge_exists(const char *name);

/* The bridge a network name stands for: by map ("name=bridge" strings, may be NULL), else a host
 * bridge of that name. The caller frees it; ERROR_NO_NETWORK with the remedy if there is none. */
char *network_find_bridge(const char *network, const char *const *map, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Tap, tap_clear)
