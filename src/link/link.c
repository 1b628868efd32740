/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Links: sockets opened, read and written without waiting.  Bytes are always read by recvmsg, for a
 * descriptor that arrives with a byte read in any other way would be lost. */
#include "link/link.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

#define COMMAND_WORDS_MAX 4096
/* A command of ours that ignores SIGTERM is killed after this. */
#define COMMAND_GRACE_MS 1000

static void set_nonblocking(int fd)
{
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
}

Link *link_new(LinkKind kind, int fd)
{
    Link *link = g_new0(Link, 1);

    link->kind = kind;
    link->fd = fd;
    link->error_fd = -1;
    set_nonblocking(fd);
    if (kind == LINK_KIND_TCP)
        link_set_nodelay(fd);
    return link;
}

static void command_end(pid_t pid)
{
    kill(pid, SIGTERM);
    for (int waited_ms = 0; waited_ms < COMMAND_GRACE_MS; waited_ms += 10) {
        if (waitpid(pid, NULL, WNOHANG) != 0)
            return;
        g_usleep(10 * 1000);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

void link_free(Link *link)
{
    if (!link)
        return;
    fd_clear(&link->fd);
    fd_clear(&link->error_fd);
    if (link->pid > 0)
        command_end(link->pid);
    g_free(link);
}

/* ---- opening ---- */

Link *link_connect_unix(const char *path, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    auto_fd int fd = -1;

    if (strlen(path) >= sizeof address.sun_path) {
        error_set_from(error, FROM_RPC, ERROR_INVALID_ARG,
                       "Path '%s' is too long for a unix socket (%zu bytes at most)", path,
                       sizeof address.sun_path - 1);
        return NULL;
    }
    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        error_errno(error, "Failed to connect socket to '%s'", path);
        return NULL;
    }
    return link_new(LINK_KIND_UNIX, fd_steal(&fd));
}

static void set_connect_error(GError **error, const char *name)
{
    const char *reason = g_strerror(errno);

    error_set_from(error, FROM_RPC, ERROR_SYSTEM_ERROR, "unable to connect to server at '%s': %s",
                   name, reason);
}

Link *link_connect_tcp(const LinkAddress *address, GError **error)
{
    g_autofree char *name = link_address_format(address);
    auto_fd int fd =
        socket(address->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || (connect(fd, &address->u.any, address->len) < 0 && errno != EINPROGRESS)) {
        set_connect_error(error, name ?: "?");
        return NULL;
    }
    return link_new(LINK_KIND_TCP, fd_steal(&fd));
}

gboolean link_connect_result(Link *link, const char *name, GError **error)
{
    socklen_t len = sizeof errno;
    int failure = 0;

    if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &failure, &len) < 0)
        failure = errno;
    if (failure == 0)
        return TRUE;
    errno = failure;
    set_connect_error(error, name);
    return FALSE;
}

/* ---- commands ---- */

Link *link_new_command(int *ret_child_fd, int *ret_child_error_fd, GError **error)
{
    int pair[2], errors[2];
    Link *link;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        error_errno(error, "cannot make a socket pair");
        return NULL;
    }
    if (pipe2(errors, O_CLOEXEC) < 0) {
        error_errno(error, "cannot make a pipe");
        close(pair[0]);
        close(pair[1]);
        return NULL;
    }
    link = link_new(LINK_KIND_COMMAND, pair[0]);
    link->error_fd = errors[0];
    set_nonblocking(link->error_fd);
    *ret_child_fd = pair[1];
    *ret_child_error_fd = errors[1];
    return link;
}

char **link_command_env(void)
{
    static const char *const names[] = {
        "HOME",       "PATH",           "TERM",        "LOGNAME",      "USER",
        "SHELL",      "TMPDIR",         "LC_ALL",      "LANG",         "XDG_RUNTIME_DIR",
        "KRB5CCNAME", "SSH_AUTH_SOCK",  "SSH_ASKPASS", "OPENSSL_CONF", "DISPLAY",
        "XAUTHORITY", "WAYLAND_DISPLAY"};
    g_autoptr(GStrvBuilder) env = g_strv_builder_new();

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        const char *value = g_getenv(names[i]);
        g_autofree char *entry = value ? g_strconcat(names[i], "=", value, NULL) : NULL;

        if (entry)
            g_strv_builder_add(env, entry);
    }
    return g_strv_builder_end(env);
}

static int command_spawn(const char *const *argv, int child_fd, int child_error_fd, pid_t *ret_pid)
{
    g_auto(GStrv) env = link_command_env();
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    int failure;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, child_fd, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, child_fd, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, child_error_fd, STDERR_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    failure = posix_spawnp(ret_pid, argv[0], &actions, &attributes, (char *const *)argv, env);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failure;
}

Link *link_spawn_command(const char *const *argv, GError **error)
{
    auto_fd int child_fd = -1;
    auto_fd int child_error_fd = -1;
    g_autoptr(Link) link = link_new_command(&child_fd, &child_error_fd, error);
    pid_t pid;

    if (!link)
        return NULL;
    errno = command_spawn(argv, child_fd, child_error_fd, &pid);
    if (errno != 0) {
        error_errno(error, "cannot execute binary %s", argv[0]);
        return NULL;
    }
    link->pid = pid;
    return g_steal_pointer(&link);
}

char *link_command_words(Link *link)
{
    g_autofree char *text = g_malloc0(COMMAND_WORDS_MAX + 1);
    size_t len = 0;

    while (link->error_fd >= 0 && len < COMMAND_WORDS_MAX) {
        ssize_t got = read(link->error_fd, text + len, COMMAND_WORDS_MAX - len);

        if (got <= 0)
            break;
        len += (size_t)got;
    }
    return g_utf8_make_valid(g_strstrip(text), -1);
}

/* ---- who is there ---- */

gboolean link_local_address(const Link *link, LinkAddress *ret_address)
{
    LinkAddress address = {.len = sizeof address.u};

    if (link->kind != LINK_KIND_TCP || getsockname(link->fd, &address.u.any, &address.len) < 0)
        return FALSE;
    *ret_address = address;
    return TRUE;
}

gboolean link_remote_address(const Link *link, LinkAddress *ret_address)
{
    LinkAddress address = {.len = sizeof address.u};

    if (link->kind != LINK_KIND_TCP || getpeername(link->fd, &address.u.any, &address.len) < 0)
        return FALSE;
    *ret_address = address;
    return TRUE;
}

gboolean link_credentials(const Link *link, pid_t *ret_pid, uid_t *ret_uid, gid_t *ret_gid)
{
    struct ucred peer;
    socklen_t len = sizeof peer;

    if (link->kind != LINK_KIND_UNIX ||
        getsockopt(link->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
        return FALSE;
    *ret_pid = peer.pid;
    *ret_uid = peer.uid;
    *ret_gid = peer.gid;
    return TRUE;
}

/* ---- moving bytes ---- */

int link_fds_take(LinkFds *fds)
{
    int fd;

    if (fds->count == 0)
        return -1;
    fd = fds->items[0];
    fds->count--;
    memmove(fds->items, fds->items + 1, fds->count * sizeof(int));
    return fd;
}

void link_fds_clear(LinkFds *fds)
{
    while (fds->count > 0)
        close(fds->items[--fds->count]);
}

/* Keeps or closes every descriptor of the message; false: more than may wait. */
static gboolean fds_collect(struct msghdr *message, LinkFds *fds)
{
    gboolean is_room = !(message->msg_flags & MSG_CTRUNC);

    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
        size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < count; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
            if (fds && fds->count < LINK_FDS_MAX) {
                fds->items[fds->count++] = fd;
                continue;
            }
            is_room = is_room && !fds;
            close(fd);
        }
    }
    return is_room || !fds;
}

LinkResult link_read(Link *link, void *buffer, size_t size, LinkFds *fds, size_t *ret_len,
                     GError **error)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(LINK_FDS_MAX * sizeof(int))];
    } control;
    struct iovec piece = {.iov_base = buffer, .iov_len = size};
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t got;

    do
        got = recvmsg(link->fd, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EAGAIN)
        return LINK_AGAIN;
    if (got < 0) {
        error_set_from(error, FROM_RPC, ERROR_SYSTEM_ERROR, "Cannot recv data: %s",
                       g_strerror(errno));
        return LINK_FAILED;
    }
    if (!fds_collect(&message, fds)) {
        error_set_from(error, FROM_RPC, ERROR_RPC, "more than %d descriptors sent along",
                       LINK_FDS_MAX);
        return LINK_FAILED;
    }
    if (got == 0)
        return LINK_END;
    *ret_len = (size_t)got;
    return LINK_OK;
}

static LinkResult write_failure(GError **error)
{
    if (errno == EAGAIN)
        return LINK_AGAIN;
    error_set_from(error, FROM_RPC, ERROR_SYSTEM_ERROR, "Cannot write data: %s", g_strerror(errno));
    return LINK_FAILED;
}

LinkResult link_writev(Link *link, const struct iovec *pieces, unsigned count, size_t *ret_len,
                       GError **error)
{
    const struct msghdr message = {.msg_iov = (struct iovec *)pieces, .msg_iovlen = count};
    ssize_t sent;

    do
        sent = sendmsg(link->fd, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return write_failure(error);
    *ret_len = (size_t)sent;
    return LINK_OK;
}

LinkResult link_write(Link *link, const void *bytes, size_t len, size_t *ret_len, GError **error)
{
    const struct iovec piece = {.iov_base = (void *)bytes, .iov_len = len};

    return link_writev(link, &piece, 1, ret_len, error);
}

LinkResult link_send_fd(Link *link, int fd, GError **error)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    char zero = 0;
    struct iovec piece = {.iov_base = &zero, .iov_len = 1};
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *part = CMSG_FIRSTHDR(&message);
    ssize_t sent;

    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(part), &fd, sizeof fd);
    do
        sent = sendmsg(link->fd, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? write_failure(error) : LINK_OK;
}

void link_shutdown(Link *link)
{
    shutdown(link->fd, SHUT_RDWR);
}

/* ---- options ---- */

void link_set_nodelay(int fd)
{
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* Probing begins after half of the time and has failed four times when it is over. */
void link_set_timeout(int fd, unsigned timeout_ms)
{
    int on = 1, probes = 4;
    int idle_s = MAX(1, (int)(timeout_ms / 2000));
    int interval_s = MAX(1, (int)(timeout_ms / 2000) / probes);

    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
}
