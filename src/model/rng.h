/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Random number devices: virtio-rng over a host file. */
#pragma once

#include "model/address.h"

typedef struct {
    char *path;              /* /dev/urandom */
    unsigned rate_bytes;     /* per period; 0: no limit */
    unsigned rate_period_ms; /* 0: QEMU's default, 1000 */
    char *alias;
    GuestAddress address;
} GuestRng;

void guest_rng_free(GuestRng *rng);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(GuestRng, guest_rng_free)
