/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the daemon opens for a guest and QEMU inherits: taps, sockets and files that QEMU's own user
 * could not open. */
#pragma once

#include "qemu/argv.h"
#include "qemu/env.h"

typedef struct {
    GArray *list; /* of QemuDescriptor, for the argument builder; owns the descriptors */
    GArray *fds;  /* of int: all of them, for the child */
} Descriptors;

void descriptors_init(Descriptors *descriptors);
/* Closes them: QEMU has its own by then, or never came to be. */
void descriptors_clear(Descriptors *descriptors);
/* Opens all that def needs, and writes what they are called into it (tap names). */
gboolean descriptors_open(Descriptors *descriptors, const QemuEnv *env, GuestDef *def,
                          GError **error);
/* At the end of a guest: unlinks the sockets of its serial ports unless somebody else listens there
 * by now. */
void descriptors_remove_socket(const char *path);
/* Takes fd, for no device: inherited only. */
void descriptors_add_other(Descriptors *descriptors, int fd);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Descriptors, descriptors_clear)
