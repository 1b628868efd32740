/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Members of what QEMU answers.  QEMU is not trusted to send what its schema says: a member that is
 * missing or of another type reads as NULL, "" or FALSE. */
#pragma once

#include <glib.h>
#include <json-c/json.h>

json_object *answer_get(const json_object *object, const char *name);
const char *answer_text(const json_object *object, const char *name);
gboolean answer_flag(const json_object *object, const char *name);
/* The alias in a device's path: "/machine/peripheral/virtio-disk0/virtio-backend" → "virtio-disk0";
 * what is no such path stays as it is.  The caller frees. */
char *answer_alias(const char *path);
