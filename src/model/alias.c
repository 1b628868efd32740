/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Aliases and node numbers: what a running guest's devices are called in QEMU.  Some of these names
 * travel in the migration stream, so they are the stock host's. */
#include "model/guest-def-internal.h"

/* NULL: this one has none. */
static char *controller_alias(const GuestController *controller)
{
    switch (controller->type) {
    case GUEST_CONTROLLER_PCI:
        return g_strdup_printf(controller->model == GUEST_CONTROLLER_MODEL_PCIE_ROOT ? "pcie.%d"
                                                                                     : "pci.%d",
                               controller->index);
    case GUEST_CONTROLLER_USB:
        if (controller->model == GUEST_CONTROLLER_MODEL_NONE)
            return NULL;
        return controller->index == 0 ? g_strdup("usb")
                                      : g_strdup_printf("usb%d", controller->index);
    case GUEST_CONTROLLER_SATA:
    case GUEST_CONTROLLER_IDE:
        return g_strdup("ide");
    case GUEST_CONTROLLER_VIRTIO_SERIAL:
        return g_strdup_printf("virtio-serial%d", controller->index);
    case GUEST_CONTROLLER_FDC:
        return g_strdup_printf("fdc%d", controller->index);
    }
    g_assert_not_reached();
}

static char *make_alias(const GuestDeviceClass *class, const void *device, unsigned i)
{
    if (class == &guest_controller_class)
        return controller_alias(device);
    if (class == &guest_disk_class)
        return g_strdup_printf("virtio-disk%u", guest_disk_number(device));
    if (class == &guest_interface_class)
        return g_strdup_printf("net%u", i);
    if (class == &guest_serial_class)
        return g_strdup_printf("serial%u", i);
    if (class == &guest_input_class)
        return g_strdup_printf("input%u", i);
    if (class == &guest_rng_class)
        return g_strdup_printf("rng%u", i);
    if (class == &guest_balloon_class &&
        ((const GuestBalloon *)device)->model == GUEST_BALLOON_VIRTIO)
        return g_strdup_printf("balloon%u", i);
    return NULL;
}

typedef struct {
    const GuestDeviceClass *class;
    unsigned
        next; /* number of the next device of that class; those with a user's alias take none */
} Numbering;

/* A name from an earlier run is not kept: beside it, a new one could be given twice. */
static void assign_alias(const GuestDeviceClass *class, void *device, unsigned i, void *data)
{
    const gboolean by_place = class == &guest_serial_class || class == &guest_input_class;
    Numbering *numbering = data;
    char **alias = guest_device_alias(class, device);

    if (numbering->class != class)
        *numbering = (Numbering){class, 0};
    if (guest_alias_is_user(*alias))
        return;
    g_free(*alias);
    /* Serial ports and inputs are numbered by their place, also behind a user's alias; the stock
     * host does so. */
    *alias = make_alias(class, device, by_place ? i : numbering->next++);
}

/* The last disk has the lowest numbers; within a disk they grow downwards. */
static void number_nodes(GuestDef *def)
{
    unsigned next = 1;

    for (unsigned i = def->disks->len; i-- > 0;) {
        GuestDisk *disk = guest_def_disk(def, i);

        disk->index = next++;
        for (GuestBacking *backing = disk->backing; backing && backing->file;
             backing = backing->next)
            backing->index = next++;
    }
}

void guest_def_assign_aliases(GuestDef *def)
{
    Numbering numbering = {0};

    guest_def_each_device(def, assign_alias, &numbering);
    number_nodes(def);
}
