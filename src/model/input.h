/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Input devices: the PS/2 mouse and keyboard that every PC has; nothing on QEMU's command line. */
#pragma once

#include "model/address.h"

typedef enum { GUEST_INPUT_MOUSE, GUEST_INPUT_KEYBOARD } GuestInputType;

typedef struct {
    GuestInputType type;
    char *alias;
} GuestInput;

extern const EnumName guest_input_type_names[];

void guest_input_free(GuestInput *input);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(GuestInput, guest_input_free)
