/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Input devices. */
#include "model/input.h"

#include "model/device.h"

/* clang-format off */
const EnumName guest_input_type_names[] = {{"mouse", GUEST_INPUT_MOUSE}, {"keyboard", GUEST_INPUT_KEYBOARD}, {NULL}};
static const EnumName only_ps2[] = {{"ps2"}, {NULL}};

#define IN(field) offsetof(GuestInput, field)

static const Field input_rows[] = {
    /* path   type          field       flags        more */
    {"@type", FIELD_ENUM,   IN(type),   FIELD_GUEST | FIELD_REQUIRED, guest_input_type_names},
    {"@bus",  FIELD_CONST,  0,          0,           only_ps2},
    {"alias", FIELD_KIND,   IN(alias),  0,           .kind = &guest_alias_kind},
    {NULL},
};
/* clang-format on */

const GuestDeviceClass guest_input_class = {
    .element = "input",
    .size = sizeof(GuestInput),
    .rows = input_rows,
    .free = (GDestroyNotify)guest_input_free,
    .max = 2,
};

void guest_input_free(GuestInput *input)
{
    guest_device_free(&guest_input_class, input);
}
