/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The service manager, if there is one. */
#pragma once

#include <glib.h>

/* "READY=1", "STOPPING=1": to NOTIFY_SOCKET, or nowhere. */
void notify_send(const char *state);
/* Is one of the sockets handed over a TCP socket? */
gboolean notify_has_tcp_socket(void);
