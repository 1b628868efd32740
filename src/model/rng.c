/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Random number devices. */
#include "model/rng.h"

#include "model/device.h"

/* clang-format off */
static const EnumName only_virtio[] = {{"virtio"}, {NULL}};
static const EnumName only_random[] = {{"random"}, {NULL}};

#define IN(field) offsetof(GuestRng, field)

static const Field rng_rows[] = {
    /* path             type           field               flags           more */
    {"@model",          FIELD_CONST,   0,                  FIELD_REQUIRED, only_virtio},
    {"rate/@bytes",     FIELD_UINT,    IN(rate_bytes),     FIELD_GUEST},
    {"rate/@period",    FIELD_UINT,    IN(rate_period_ms), FIELD_GUEST},
    {"backend/@model",  FIELD_CONST,   0,                  FIELD_REQUIRED, only_random},
    {"backend",         FIELD_STRING,  IN(path)},
    {"alias",           FIELD_KIND,    IN(alias),          0,              .kind = &guest_alias_kind},
    {"address",         FIELD_KIND,    IN(address),        FIELD_GUEST,    .kind = &guest_address_kind},
    {NULL},
};
/* clang-format on */

static gboolean rng_check(void *device, XmlNode *node, GError **error)
{
    GuestRng *rng = device;
    XmlNode *rate = xml_child(node, "rate");

    if (rng->path)
        g_strstrip(rng->path);
    if (rng->path && *rng->path == '\0')
        g_clear_pointer(&rng->path, g_free);
    if (rng->path && *rng->path != '/')
        return xml_error(xml_child(node, "backend"), error,
                         "the random source needs an absolute path");
    if (rate && rng->rate_bytes == 0)
        return xml_error(rate, error, "a rate needs bytes greater than 0");
    if (rng->address.type == GUEST_ADDRESS_ISA)
        return xml_unsupported_value(xml_child(node, "address"), "type", "isa", error);
    return TRUE;
}

const GuestDeviceClass guest_rng_class = {
    .element = "rng",
    .size = sizeof(GuestRng),
    .rows = rng_rows,
    .check = rng_check,
    .free = (GDestroyNotify)guest_rng_free,
    .max = 16,
};

void guest_rng_free(GuestRng *rng)
{
    guest_device_free(&guest_rng_class, rng);
}
