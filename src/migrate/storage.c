/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks of a guest that moves without them. */
#include "migrate/storage.h"

#include "base/error.h"
#include "host/image.h"
#include "migrate/migration.h"
#include "model/guest-def.h"

AWAITS gboolean storage_check_shared(const GuestDef *def, GError **error)
{
    for (unsigned i = 0; i < def->disks->len; i++) {
        const GuestDisk *disk = guest_def_disk(def, i);
        ImagePlace place;

        if (!disk->file || disk->is_readonly)
            continue;
        if (!image_place(disk->file, migrate_settings()->shared_dirs, &place, error))
            return FALSE;
        if (place != IMAGE_PLACE_SHARED)
            return error_set(error, ERROR_MIGRATE_UNSAFE,
                             "Unsafe migration: Migration without shared storage is unsafe: disk '%s' is '%s', which is "
                             "not known to be the same file on the other host; if it is, repeat with --unsafe",
                             disk->target, disk->file);
    }
    return TRUE;
}

AWAITS static gboolean check_opens(const GuestDisk *disk, GError **error)
{
    const HostUser *user = &migrate_settings()->env->user;
    const char *format = enum_name(guest_image_format_names, disk->format);
    g_auto(ImageChain) chain = {0};

    if (!image_test_open(disk->file, !disk->is_readonly, user, error))
        return FALSE;
    if (disk->format == GUEST_IMAGE_RAW)
        return TRUE;
    if (!image_chain_read(disk->file, format, user, &chain, error))
        return FALSE;
    for (unsigned i = 1; i < chain.count; i++)
        if (!image_test_open(chain.layers[i].path, FALSE, user, error))
            return FALSE;
    return TRUE;
}

AWAITS gboolean storage_check_opens(const GuestDef *def, GError **error)
{
    for (unsigned i = 0; i < def->disks->len; i++) {
        const GuestDisk *disk = guest_def_disk(def, i);

        if (disk->file && !check_opens(disk, error)) {
            g_prefix_error(error, "disk '%s' cannot be used here: ", disk->target);
            return FALSE;
        }
    }
    return TRUE;
}
