/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Listening.  Whether a path that exists is somebody's or was left behind is found by connecting to
 * it, under a lock on its folder, so that two daemons starting at once do not both find it dead. */
#include "link/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

#define PORT_TRIES 16

/* ---- unix ---- */

static gboolean path_is_answered(const struct sockaddr_un *address)
{
    auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    /* EAGAIN: his queue is full, so there is one */
    return connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 || errno == EAGAIN;
}

/* Makes room at the path if only a dead socket is there. */
static gboolean path_clear(const struct sockaddr_un *address, GError **error)
{
    struct stat there;

    if (lstat(address->sun_path, &there) < 0)
        return errno == ENOENT || error_errno(error, "cannot look at '%s'", address->sun_path);
    if (!S_ISSOCK(there.st_mode))
        return error_set(error, ERROR_OPERATION_INVALID,
                         "cannot listen on '%s': it exists and is not a socket", address->sun_path);
    if (path_is_answered(address))
        return error_set(error, ERROR_OPERATION_INVALID,
                         "cannot listen on '%s': another process listens there", address->sun_path);
    return unlink(address->sun_path) == 0 ||
           error_errno(error, "cannot remove '%s'", address->sun_path);
}

static int folder_lock(const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    auto_fd int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || flock(fd, LOCK_EX) < 0) {
        error_errno(error, "cannot listen in '%s'", folder);
        return -1;
    }
    return fd_steal(&fd);
}

int listen_unix(const char *path, mode_t mode, int backlog, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    auto_fd int lock_fd = -1;
    auto_fd int fd = -1;

    if (strlen(path) >= sizeof address.sun_path) {
        error_set(error, ERROR_INVALID_ARG,
                  "cannot listen on '%s': the path is longer than %zu bytes", path,
                  sizeof address.sun_path - 1);
        return -1;
    }
    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    lock_fd = folder_lock(path, error);
    if (lock_fd < 0 || !path_clear(&address, error))
        return -1;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* nobody can connect before listen, so the mode comes in time */
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        chmod(path, mode) < 0 || listen(fd, backlog) < 0) {
        error_errno(error, "cannot listen on '%s'", path);
        return -1;
    }
    return fd_steal(&fd);
}

void listen_unix_remove(int fd, const char *path)
{
    g_autoptr(Link) probe = NULL;
    pid_t pid;
    uid_t uid;
    gid_t gid;

    if (fd < 0)
        return;
    probe = link_connect_unix(path, NULL);
    /* for a listening socket the credentials are those of who called listen */
    if (probe && link_credentials(probe, &pid, &uid, &gid) && pid == getpid())
        unlink(path);
}

/* ---- tcp ---- */

static int listen_address(const LinkAddress *address, int backlog, int *ret_errno, GError **error)
{
    g_autofree char *name = link_address_format(address);
    auto_fd int fd =
        socket(address->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;

    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd >= 0 && address->u.any.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (fd < 0 || bind(fd, &address->u.any, address->len) < 0 || listen(fd, backlog) < 0) {
        *ret_errno = errno;
        error_errno(error, "cannot listen on '%s'", name);
        return -1;
    }
    return fd_steal(&fd);
}

/* Both families on one port.  A host without IPv6 has the one; a host on which only the port is
 * taken has none. */
static unsigned listen_any(guint16 port, int backlog, int ret_fds[LISTEN_TCP_MAX], GError **error)
{
    LinkAddress v4, v6;
    int v4_fd, v6_fd, failure = 0;

    link_address_parse("0.0.0.0", port, &v4);
    v4_fd = listen_address(&v4, backlog, &failure, error);
    if (v4_fd < 0)
        return 0;
    ret_fds[0] = v4_fd;
    link_address_parse("::", listen_port(v4_fd), &v6);
    v6_fd = listen_address(&v6, backlog, &failure, NULL);
    if (v6_fd < 0 && failure == EADDRINUSE) {
        error_set(error, ERROR_SYSTEM_ERROR, "cannot listen on '[::]:%u': %s", listen_port(v4_fd),
                  g_strerror(failure));
        close(v4_fd);
        return 0;
    }
    if (v6_fd < 0)
        return 1;
    ret_fds[1] = v6_fd;
    return 2;
}

static unsigned listen_list(const LinkAddress *list, size_t count, int backlog,
                            int ret_fds[LISTEN_TCP_MAX], GError **error)
{
    unsigned done = 0;

    for (size_t i = 0; i < count && done < LISTEN_TCP_MAX; i++) {
        int failure = 0;
        int fd = listen_address(&list[i], backlog, &failure, error);

        if (fd < 0) {
            while (done > 0)
                close(ret_fds[--done]);
            return 0;
        }
        ret_fds[done++] = fd;
    }
    return done;
}

unsigned listen_tcp(const char *host, guint16 port, int backlog, int ret_fds[LISTEN_TCP_MAX],
                    GError **error)
{
    g_autofree LinkAddress *list = NULL;
    unsigned done = 0;
    size_t count;

    if (host && host[0] != '\0') {
        list = link_resolve(host, port, &count, error);
        return list ? listen_list(list, count, backlog, ret_fds, error) : 0;
    }
    /* port 0: what the kernel gives for the one family may be taken in the other */
    for (int i = 0; done == 0 && i < (port == 0 ? PORT_TRIES : 1); i++) {
        g_clear_error(error);
        done = listen_any(port, backlog, ret_fds, error);
    }
    return done;
}

guint16 listen_port(int fd)
{
    LinkAddress address = {.len = sizeof address.u};

    return getsockname(fd, &address.u.any, &address.len) == 0 ? link_address_port(&address) : 0;
}

gboolean listen_fd_kind(int fd, LinkKind *ret_kind)
{
    int is_listening = 0, type = 0, family = 0;
    socklen_t len = sizeof(int);

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &len) < 0 || !is_listening ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_STREAM ||
        getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) < 0)
        return FALSE;
    if (family != AF_UNIX && family != AF_INET && family != AF_INET6)
        return FALSE;
    *ret_kind = family == AF_UNIX ? LINK_KIND_UNIX : LINK_KIND_TCP;
    return TRUE;
}

LinkResult listen_accept(int fd, LinkKind kind, Link **ret_link, GError **error)
{
    int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (accepted >= 0) {
        *ret_link = link_new(kind, accepted);
        return LINK_OK;
    }
    switch (errno) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        error_errno(error, "cannot accept a connection");
        return LINK_FAILED;
    default: /* none there, or one that has gone again */
        return LINK_AGAIN;
    }
}
