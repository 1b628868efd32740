/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sockets for lanes.  Guests share a user, and what lies in a folder of that user may be anything:
 * so whoever is at the other end is asked for its process, and no name there is followed by us. */
#include "qemu/socket.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "qemu/answer.h"
#include "qemu/guest-part.h"

#define LISTENER_NAME "lanes.sock" /* ours; in the run folder, which nobody else writes into */
#define PLACE_NAME    "lanes"      /* QEMU's folder */
#define PLACE_SOCKET  "in"
#define QUEUE_MAX     256 /* a main stream and its channels */

/* QEMU gets the run folder as a descriptor, once: a socket's name has room for 107 characters only,
 * and the folder may lie anywhere. */
AWAITS gboolean qemu_socket_prepare(QemuGuest *guest, GError **error)
{
    g_autoptr(QemuGuest) held = qemu_guest_ref(guest);
    g_autoptr(json_object) value = NULL;
    auto_fd int dir = open(guest->run_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (guest->run_dir_fd > 0)
        return TRUE;
    if (dir < 0)
        return error_errno(error, "cannot open folder '%s'", guest->run_dir);
    if (!guest->monitor || guest->is_monitor_lost)
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: domain is not running");
    if (!monitor_execute(guest->monitor, "add-fd", NULL, dir, GUEST_COMMAND_MS, &value, error))
        return FALSE;
    guest->run_dir_fd = json_object_get_int(answer_get(value, "fd"));
    return guest->run_dir_fd > 0 ||
           error_set(error, ERROR_INTERNAL_ERROR, "QEMU does not say what became of a descriptor");
}

AWAITS static char *uri_of(QemuGuest *guest, const char *name, GError **error)
{
    return qemu_socket_prepare(guest, error)
               ? g_strdup_printf("unix:/proc/self/fd/%d/%s", guest->run_dir_fd, name)
               : NULL;
}

static int open_socket(const char *run_dir, const char *name, struct sockaddr_un *ret_address,
                       int *ret_dir, GError **error)
{
    g_autofree char *path = guest_socket_path(run_dir, name, ret_dir, error);
    int fd;

    if (!path)
        return -1;
    *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    g_strlcpy(ret_address->sun_path, path, sizeof ret_address->sun_path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        error_errno(error, "cannot open a socket");
    return fd;
}

AWAITS int qemu_socket_listen(QemuGuest *guest, char **ret_uri, GError **error)
{
    const HostUser *user = &guest->env->user;
    g_autofree char *uri = uri_of(guest, LISTENER_NAME, error);
    struct sockaddr_un address;
    auto_fd int dir = -1;
    auto_fd int fd = uri ? open_socket(guest->run_dir, LISTENER_NAME, &address, &dir, error) : -1;

    if (fd < 0)
        return -1;
    unlinkat(dir, LISTENER_NAME, 0); /* of an earlier daemon */
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        fchmodat(dir, LISTENER_NAME, 0600, 0) < 0 ||
        (user->is_set && fchownat(dir, LISTENER_NAME, user->uid, user->gid, 0) < 0) ||
        listen(fd, QUEUE_MAX) < 0) {
        error_errno(error, "cannot listen on '%s/" LISTENER_NAME "' for QEMU", guest->run_dir);
        return -1;
    }
    *ret_uri = g_steal_pointer(&uri);
    return fd_steal(&fd);
}

void qemu_socket_unlisten(QemuGuest *guest)
{
    g_autofree char *path = g_build_filename(guest->run_dir, LISTENER_NAME, NULL);

    unlink(path);
}

AWAITS char *qemu_socket_place(QemuGuest *guest, GError **error)
{
    const HostUser *user = &guest->env->user;
    g_autofree char *uri = uri_of(guest, PLACE_NAME "/" PLACE_SOCKET, error);
    g_autofree char *place = g_build_filename(guest->run_dir, PLACE_NAME, NULL);

    if (!uri)
        return NULL;
    qemu_socket_clear_place(guest); /* of an earlier migration */
    if (mkdir(place, 0700) < 0 || (user->is_set && lchown(place, user->uid, user->gid) < 0)) {
        error_errno(error, "cannot make the folder '%s' for QEMU's socket", place);
        return NULL;
    }
    return g_steal_pointer(&uri);
}

int qemu_socket_connect(QemuGuest *guest, GError **error)
{
    g_autofree char *place = g_build_filename(guest->run_dir, PLACE_NAME, NULL);
    struct sockaddr_un address;
    auto_fd int dir = -1;
    auto_fd int fd = open_socket(place, PLACE_SOCKET, &address, &dir, error);

    if (fd < 0)
        return -1;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        error_errno(error, "cannot connect to QEMU at '%s/" PLACE_SOCKET "'", place);
        return -1;
    }
    if (!qemu_socket_is_its(guest, fd)) {
        error_set(error, ERROR_OPERATION_FAILED,
                  "operation failed: not QEMU of domain '%s' listens at '%s/" PLACE_SOCKET "'",
                  guest->name, place);
        return -1;
    }
    return fd_steal(&fd);
}

void qemu_socket_clear_place(QemuGuest *guest)
{
    g_autofree char *place = g_build_filename(guest->run_dir, PLACE_NAME, NULL);
    int fd = open(place, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (!dir) {
        fd_clear(&fd);
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    rmdir(place);
}

gboolean qemu_socket_is_its(const QemuGuest *guest, int fd)
{
    struct ucred credentials;
    socklen_t len = sizeof credentials;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &len) == 0 &&
           credentials.pid == guest->pid;
}
