/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The memory balloon. */
#include "model/balloon.h"

#include "model/device.h"

/* clang-format off */
static const EnumName model_names[] = {{"virtio", GUEST_BALLOON_VIRTIO}, {"none", GUEST_BALLOON_NONE}, {NULL}};

#define IN(field) offsetof(GuestBalloon, field)

static const Field balloon_rows[] = {
    /* path           type         field               flags        more */
    {"@model",        FIELD_ENUM,  IN(model),          FIELD_GUEST | FIELD_REQUIRED, model_names},
    {"stats/@period", FIELD_UINT,  IN(stats_period_s), 0,           .max = G_MAXINT},
    {"alias",         FIELD_KIND,  IN(alias),          0,           .kind = &guest_alias_kind},
    {"address",       FIELD_KIND,  IN(address),        FIELD_GUEST, .kind = &guest_address_kind},
    {NULL},
};
/* clang-format on */

static gboolean balloon_check(void *device, XmlNode *node, GError **error)
{
    GuestBalloon *balloon = device;

    if (balloon->address.type == GUEST_ADDRESS_ISA ||
        (balloon->model == GUEST_BALLOON_NONE && balloon->address.type != GUEST_ADDRESS_NONE))
        return xml_unsupported(xml_child(node, "address"), NULL, error);
    return TRUE;
}

const GuestDeviceClass guest_balloon_class = {
    .element = "memballoon",
    .size = sizeof(GuestBalloon),
    .rows = balloon_rows,
    .check = balloon_check,
    .max = 1,
};
