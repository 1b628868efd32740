/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The memory balloon.  A guest has one, or says that it wants none. */
#pragma once

#include "model/address.h"

typedef enum { GUEST_BALLOON_UNSET, GUEST_BALLOON_VIRTIO, GUEST_BALLOON_NONE } GuestBalloonModel;

typedef struct {
    GuestBalloonModel model; /* GUEST_BALLOON_UNSET only before the defaults are filled in */
    unsigned stats_period_s; /* 0: off */
    char *alias;
    GuestAddress address;
} GuestBalloon;
