/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* TCP ports for incoming migrations.  A port is reserved by the socket that listens on it and by
 * nothing else, so it is free again whenever the descriptor closes, however that comes about. */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <sys/socket.h>

typedef struct {
    uint16_t first, last; /* both included */
} PortRange;

/* Binds and listens (non-blocking, close-on-exec).  address NULL: every address of both families.
 * port 0: the lowest free one of the range; else exactly that.  ERROR_OPERATION_FAILED names the
 * range when it is used up. */
gboolean port_listen(const struct sockaddr_storage *address, uint16_t port, PortRange range,
                     int *ret_fd, uint16_t *ret_port, GError **error);
