/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks of a guest that moves without them: are they the same on the other host, and can it open them? */
#pragma once

#include <glib.h>

#include "loop/task.h"

typedef struct GuestDef GuestDef;

/* Source: every writable image lies where another host sees the same file, as far as the file system tells.  Else
 * ERROR_MIGRATE_UNSAFE, with stock's sentence, the disk and the remedy. */
AWAITS gboolean storage_check_shared(const GuestDef *def, GError **error);
/* Destination: every image, with its backing chain, really opens as QEMU's user.  Names disk, file and reason. */
AWAITS gboolean storage_check_opens(const GuestDef *def, GError **error);
