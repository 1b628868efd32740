/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unix sockets between us and one QEMU, for connections of which it takes no descriptor: those of a
 * migration that has several. */
#pragma once

#include <glib.h>

#include "loop/task.h"

typedef struct QemuGuest QemuGuest;

/* Lets QEMU find these places, once; when it is asked for the URI of one it may not answer any more. */
AWAITS gboolean qemu_socket_prepare(QemuGuest *guest, GError **error);

/* Listens where QEMU may connect.  Returns the descriptor, -1 with an error; *ret_uri is
 * "unix:PATH" for QEMU. */
AWAITS int qemu_socket_listen(QemuGuest *guest, char **ret_uri, GError **error);
/* Nobody connects any more. */
void qemu_socket_unlisten(QemuGuest *guest);

/* A place where QEMU itself may listen, in a folder that belongs to its user; "unix:PATH", or NULL
 * with an error. */
AWAITS char *qemu_socket_place(QemuGuest *guest, GError **error);
/* Connects to QEMU there.  Returns the descriptor, -1 with an error.  Never waits: QEMU's queue has
 * room for all that it expects. */
int qemu_socket_connect(QemuGuest *guest, GError **error);
/* Removes the folder and what is in it. */
void qemu_socket_clear_place(QemuGuest *guest);

/* Is the process at the other end this QEMU, and not another of its user? */
gboolean qemu_socket_is_its(const QemuGuest *guest, int fd);
