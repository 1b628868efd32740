/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Listening sockets for incoming migrations. */
#include "host/port.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "host/address.h"

#define BACKLOG 128

/* -1 with errno. */
static int listen_at(const struct sockaddr_storage *address, uint16_t port)
{
    struct sockaddr_storage at = *address;
    auto_fd int fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    int off = 0;

    if (fd < 0)
        return -1;
    /* With SO_REUSEADDR a port whose last connection lingers in TIME_WAIT is free; another
     * listener's is not. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
        return -1;
    if (at.ss_family == AF_INET6 && address_is_wildcard(&at) &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) < 0)
        return -1;
    address_set_port(&at, port);
    if (bind(fd, (struct sockaddr *)&at, address_length(&at)) < 0 || listen(fd, BACKLOG) < 0)
        return -1;
    return fd_steal(&fd);
}

/* A host without IPv6 says so in one of these ways. */
static gboolean lacks_family(int number)
{
    return number == EAFNOSUPPORT || number == EADDRNOTAVAIL || number == EPROTONOSUPPORT;
}

static int listen_any(uint16_t port)
{
    struct sockaddr_storage v6 = {.ss_family = AF_INET6};
    struct sockaddr_storage v4 = {.ss_family = AF_INET};
    int fd = listen_at(&v6, port);

    return fd < 0 && lacks_family(errno) ? listen_at(&v4, port) : fd;
}

static int listen_on(const struct sockaddr_storage *address, uint16_t port)
{
    return address ? listen_at(address, port) : listen_any(port);
}

gboolean port_listen(const struct sockaddr_storage *address, uint16_t port, PortRange range,
                     int *ret_fd, uint16_t *ret_port, GError **error)
{
    uint16_t first = port ? port : range.first;
    uint16_t last = port ? port : range.last;
    g_autofree char *where = address ? address_format(address) : g_strdup("any address");

    for (unsigned number = first; number <= last; number++) {
        int fd = listen_on(address, (uint16_t)number);

        if (fd >= 0) {
            *ret_fd = fd;
            *ret_port = (uint16_t)number;
            return TRUE;
        }
        if (port || errno != EADDRINUSE)
            return error_errno(error, "cannot listen on %s, port %u", where, number);
    }
    return error_set(error, ERROR_OPERATION_FAILED,
                     "operation failed: all migration ports from %u to %u are in use on %s; widen "
                     "migration_port_min/max in ferryd.conf or "
                     "wait for a migration to end",
                     first, last, where);
}
