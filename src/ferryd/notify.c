/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One datagram with a word in it is the whole protocol, so no library is needed for it. */
#include "ferryd/notify.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/number.h"

#define FIRST_SOCKET 3 /* where the service manager's sockets begin */

void notify_send(const char *state)
{
    const char *path = g_getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const size_t len = path ? strlen(path) : 0;

    if (len < 2 || len >= sizeof(address.sun_path) || (*path != '/' && *path != '@'))
        return;
    memcpy(address.sun_path, path, len);
    if (*path == '@')
        address.sun_path[0] = '\0';
    auto_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
}

gboolean notify_has_tcp_socket(void)
{
    uint64_t pid = 0, count = 0;

    if (!number_parse_u64(g_getenv("LISTEN_PID") ?: "", G_MAXINT, &pid) ||
        pid != (uint64_t)getpid() || !number_parse_u64(g_getenv("LISTEN_FDS") ?: "", 1024, &count))
        return FALSE;
    for (int fd = FIRST_SOCKET; fd < FIRST_SOCKET + (int)count; fd++) {
        int family = AF_UNSPEC;
        socklen_t len = sizeof(family);

        if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) == 0 &&
            (family == AF_INET || family == AF_INET6))
            return TRUE;
    }
    return FALSE;
}
