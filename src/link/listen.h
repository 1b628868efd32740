/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Listening sockets.  A unix socket on which somebody listens is never taken away from him. */
#pragma once

#include "link/link.h"

/* A new listening descriptor.  A path left behind by a dead process is replaced; one that answers
 * is ERROR_OPERATION_INVALID.  mode: permission bits, in force before anybody can connect.  The
 * folder must exist. */
int listen_unix(const char *path, mode_t mode, int backlog, GError **error);
/* Removes the path if it still is the socket that fd listens on. */
void listen_unix_remove(int fd, const char *path);

/* host NULL or "": all addresses of both families.  A name is resolved, which blocks: at start-up
 * only.  port 0: the kernel chooses, one for both families.  Answers how many descriptors it wrote
 * to ret_fds (v6 ones are v6 only), 0 on failure. */
#define LISTEN_TCP_MAX 8
unsigned listen_tcp(const char *host, guint16 port, int backlog, int ret_fds[LISTEN_TCP_MAX],
                    GError **error);
/* The port of a TCP descriptor, 0 for others. */
guint16 listen_port(int fd);
/* Is it a listening stream socket (handed over by the service manager), and of which kind? */
gboolean listen_fd_kind(int fd, LinkKind *ret_kind);

/* Accepts one.  LINK_AGAIN: none waiting.  LINK_FAILED: out of descriptors or memory, pause
 * accepting for a while. */
LinkResult listen_accept(int fd, LinkKind kind, Link **ret_link, GError **error);
