/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looking things up in a definition. */
#include "model/guest-def.h"

GuestDisk *guest_def_find_disk(const GuestDef *def, const char *target)
{
    for (unsigned i = 0; i < def->disks->len; i++)
        if (g_str_equal(guest_def_disk(def, i)->target, target))
            return guest_def_disk(def, i);
    return NULL;
}

GuestController *guest_def_find_controller(const GuestDef *def, GuestControllerType type, int index)
{
    for (unsigned i = 0; i < def->controllers->len; i++) {
        GuestController *controller = guest_def_controller(def, i);

        if (controller->type == type && controller->index == index)
            return controller;
    }
    return NULL;
}

GuestSerial *guest_def_find_console(const GuestDef *def)
{
    return def->serials->len > 0 ? guest_def_serial(def, 0) : NULL;
}

GuestSerial *guest_def_find_serial(const GuestDef *def, const char *alias)
{
    if (!alias)
        return guest_def_find_console(def);
    for (unsigned i = 0; i < def->serials->len; i++)
        if (g_strcmp0(guest_def_serial(def, i)->alias, alias) == 0)
            return guest_def_serial(def, i);
    return NULL;
}

/* The place of a kind of device in <os><boot dev=>, which means the first device of that kind. */
static unsigned boot_place(const GuestOs *os, GuestBoot kind)
{
    for (unsigned i = 0; i < os->boot_count; i++)
        if (os->boot[i] == kind)
            return i + 1;
    return 0;
}

unsigned guest_def_disk_boot_index(const GuestDef *def, const GuestDisk *disk)
{
    if (disk->boot_order)
        return disk->boot_order;
    return disk == guest_def_disk(def, 0) ? boot_place(&def->os, GUEST_BOOT_HD) : 0;
}

unsigned guest_def_interface_boot_index(const GuestDef *def, const GuestInterface *interface)
{
    if (interface->boot_order)
        return interface->boot_order;
    return interface == guest_def_interface(def, 0) ? boot_place(&def->os, GUEST_BOOT_NETWORK) : 0;
}

gboolean guest_def_is_q35(const GuestDef *def)
{
    return def->os.machine &&
           (g_str_has_prefix(def->os.machine, "pc-q35-") || g_str_equal(def->os.machine, "q35"));
}
