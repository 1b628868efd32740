/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's view: would it notice that one definition took the place of another?  Which fields it
 * sees, the rows say. */
#include "base/error.h"
#include "model/guest-def-internal.h"

static gboolean mismatch(const char *what, const Field *row, const void *source, const void *target,
                         GError **error)
{
    g_autofree char *in_source = field_text(row, source), *in_target = field_text(row, target);

    return error_set(error, ERROR_CONFIG_UNSUPPORTED,
                     "unsupported configuration: Target %s %s '%s' does not match source '%s'",
                     what, row->label ? row->label : row->path, in_target, in_source);
}

/* "disk 'vda'", "controller pci 3", "interface 0" */
static char *device_name(const GuestDeviceClass *class, const void *device, unsigned i)
{
    const GuestController *controller = device;

    if (class == &guest_disk_class)
        return g_strdup_printf("disk '%s'", ((const GuestDisk *)device)->target);
    if (class == &guest_controller_class)
        return g_strdup_printf("%s controller %d",
                               enum_name(guest_controller_type_names, controller->type),
                               controller->index);
    if (class == &guest_balloon_class)
        return g_strdup("memballoon");
    return g_strdup_printf("%s %u", class->element, i);
}

static gboolean compare_pair(const GuestDeviceClass *class, const void *source, const void *target,
                             unsigned i, GError **error)
{
    const Field *row = fields_find_difference(class->rows, source, target);
    g_autofree char *name = NULL;

    if (!row)
        return TRUE;
    name = device_name(class, source, i);
    return mismatch(name, row, source, target, error);
}

/* Controllers are known by type and index, all else by its place: the order of devices is the order
 * of their names. */
static gboolean compare_controllers(const GuestDef *source, const GuestDef *target, GError **error)
{
    for (unsigned i = 0; i < source->controllers->len; i++) {
        const GuestController *controller = guest_def_controller(source, i);
        const GuestController *other =
            guest_def_find_controller(target, controller->type, controller->index);

        if (!other)
            return error_set(error, ERROR_CONFIG_UNSUPPORTED,
                             "unsupported configuration: Target domain without %s controller %d "
                             "does not match source",
                             enum_name(guest_controller_type_names, controller->type),
                             controller->index);
        if (!compare_pair(&guest_controller_class, controller, other, i, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean compare_list(const GuestDeviceClass *class, const GPtrArray *source,
                             const GPtrArray *target, GError **error)
{
    if (source->len != target->len)
        return error_set(
            error, ERROR_CONFIG_UNSUPPORTED,
            "unsupported configuration: Target domain %s count %u does not match source %u",
            class->element, target->len, source->len);
    /* Controllers are compared below; of the PS/2 inputs each guest has one mouse and one keyboard,
     * in any order. */
    if (class == &guest_controller_class || class == &guest_input_class)
        return TRUE;
    for (unsigned i = 0; i < source->len; i++)
        if (!compare_pair(class, g_ptr_array_index(source, i), g_ptr_array_index(target, i), i,
                          error))
            return FALSE;
    return TRUE;
}

gboolean guest_def_compare_abi(const GuestDef *source, const GuestDef *target, GError **error)
{
    const Field *row = fields_find_difference(guest_def_rows, source, target);

    if (row)
        return mismatch("domain", row, source, target, error);
    return guest_cpu_compare_abi(&source->cpu, &target->cpu, error) &&
           guest_clock_compare_abi(&source->clock, &target->clock, error) &&
           compare_list(&guest_disk_class, source->disks, target->disks, error) &&
           compare_list(&guest_controller_class, source->controllers, target->controllers, error) &&
           compare_controllers(source, target, error) &&
           compare_list(&guest_interface_class, source->interfaces, target->interfaces, error) &&
           compare_list(&guest_serial_class, source->serials, target->serials, error) &&
           compare_list(&guest_input_class, source->inputs, target->inputs, error) &&
           compare_list(&guest_rng_class, source->rngs, target->rngs, error) &&
           compare_pair(&guest_balloon_class, &source->balloon, &target->balloon, 0, error);
}
