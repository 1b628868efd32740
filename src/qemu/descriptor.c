/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opens taps, listening sockets and output files for a guest. */
#include "qemu/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "host/tap.h"
#include "qemu/guest-part.h"

void descriptors_init(Descriptors *descriptors)
{
    descriptors->list = g_array_new(FALSE, FALSE, sizeof(QemuDescriptor));
    descriptors->fds = g_array_new(FALSE, FALSE, sizeof(int));
}

void descriptors_clear(Descriptors *descriptors)
{
    if (!descriptors->fds)
        return;
    for (unsigned i = 0; i < descriptors->fds->len; i++)
        close(g_array_index(descriptors->fds, int, i));
    g_array_unref(descriptors->fds);
    g_array_unref(descriptors->list);
    *descriptors = (Descriptors){0};
}

void descriptors_add_other(Descriptors *descriptors, int fd)
{
    g_array_append_val(descriptors->fds, fd);
}

static void add(Descriptors *descriptors, const char *alias, int fd, int vhost_fd)
{
    QemuDescriptor descriptor = {alias, fd, vhost_fd};

    g_array_append_val(descriptors->list, descriptor);
    descriptors_add_other(descriptors, fd);
    if (vhost_fd >= 0)
        descriptors_add_other(descriptors, vhost_fd);
}

/* --- interfaces --- */

/* The bridge to plug into, or NULL for a tap of its own. */
static gboolean find_bridge(const QemuEnv *env, const GuestInterface *interface, char **ret_bridge,
                            GError **error)
{
    *ret_bridge = NULL;
    if (interface->type == GUEST_INTERFACE_BRIDGE)
        *ret_bridge = g_strdup(interface->bridge);
    else if (interface->type == GUEST_INTERFACE_NETWORK)
        *ret_bridge =
            network_find_bridge(interface->network, (const char *const *)env->network_map, error);
    return *ret_bridge || interface->type == GUEST_INTERFACE_ETHERNET;
}

static gboolean open_tap(Descriptors *descriptors, const QemuEnv *env, const GuestDef *def,
                         GuestInterface *interface, GError **error)
{
    gboolean is_foreign =
        interface->type == GUEST_INTERFACE_ETHERNET && interface->target_managed == SWITCH_OFF;
    gboolean is_named = interface->target_dev && !g_str_has_prefix(interface->target_dev, "vnet");
    g_autofree char *bridge = NULL;
    g_auto(Tap) tap = {0};
    int vhost_fd = -1;

    if (!find_bridge(env, interface, &bridge, error))
        return FALSE;
    TapSpec spec = {
        .name = is_named || is_foreign ? interface->target_dev : NULL,
        .bridge = bridge,
        .mac = is_foreign ? NULL : interface->mac.bytes,
        .wants_vnet_header = TRUE,
        .is_down = is_foreign,
    };
    if (!tap_open(&spec, &tap, error)) {
        g_prefix_error(error, "interface '%s': ", interface->alias);
        return FALSE;
    }
    if (def->virt == GUEST_VIRT_KVM)
        vhost_fd = open("/dev/vhost-net",
                        O_RDWR | O_CLOEXEC); /* without it QEMU carries the packets itself */
    g_free(interface->target_dev);
    interface->target_dev = g_strdup(tap.name);
    add(descriptors, interface->alias, fd_steal(&tap.fds[0]), vhost_fd);
    tap.queue_count = 0;
    return TRUE;
}

/* --- serial ports --- */

char *guest_socket_path(const char *dir, const char *name, int *ret_dir_fd, GError **error)
{
    int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        error_errno(error, "cannot open folder '%s'", dir);
        return NULL;
    }
    *ret_dir_fd = fd;
    return g_strdup_printf("/proc/self/fd/%d/%s", fd, name);
}

/* A socket that nobody answers on is left over and may go; one in use may not. */
static gboolean clear_place(const struct sockaddr_un *address, const char *path, GError **error)
{
    struct stat status;

    if (lstat(address->sun_path, &status) < 0)
        return TRUE;
    auto_fd int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (!S_ISSOCK(status.st_mode) ||
        connect(probe, (const struct sockaddr *)address, sizeof *address) == 0 || errno == EAGAIN)
        return error_set(
            error, ERROR_OPERATION_FAILED, "operation failed: cannot listen on '%s': %s", path,
            S_ISSOCK(status.st_mode) ? "somebody listens there already" : "it is not a socket");
    unlink(address->sun_path);
    return TRUE;
}

/* Folder by descriptor: the path may be longer than a socket address. */
static gboolean find_place(const char *path, int *ret_dir, struct sockaddr_un *ret_address,
                           GError **error)
{
    g_autofree char *dir = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(path);
    g_autofree char *short_path = guest_socket_path(dir, name, ret_dir, error);

    if (!short_path)
        return FALSE;
    *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (g_strlcpy(ret_address->sun_path, short_path, sizeof ret_address->sun_path) >=
        sizeof ret_address->sun_path)
        return error_set(error, ERROR_INVALID_ARG,
                         "invalid argument: the name of socket '%s' is too long", path);
    return TRUE;
}

void descriptors_remove_socket(const char *path)
{
    struct sockaddr_un address;
    auto_fd int dir_fd = -1;

    if (find_place(path, &dir_fd, &address, NULL))
        clear_place(&address, path, NULL);
}

static gboolean open_socket(Descriptors *descriptors, const QemuEnv *env, const GuestSerial *serial,
                            GError **error)
{
    const char *path = serial->source.path;
    struct sockaddr_un address;
    auto_fd int dir_fd = -1;
    auto_fd int fd = -1;

    if (!find_place(path, &dir_fd, &address, error) || !clear_place(&address, path, error))
        return FALSE;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 1) < 0)
        return error_errno(error, "cannot listen on '%s'", path);
    if (env->user.is_set && chown(address.sun_path, env->user.uid, env->user.gid) < 0)
        return error_errno(error, "cannot give socket '%s' to user '%s'", path, env->user.name);
    add(descriptors, serial->alias, fd_steal(&fd), -1);
    return TRUE;
}

static gboolean open_output(Descriptors *descriptors, const GuestSerial *serial, GError **error)
{
    int mode = serial->source.append == SWITCH_ON ? 0 : O_TRUNC;
    /* Not blocking while it is opened: the path may be a FIFO that nobody reads. */
    auto_fd int fd =
        open(serial->source.path,
             O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | mode, 0600);

    if (fd < 0 || fcntl(fd, F_SETFL, O_APPEND) < 0)
        return error_errno(error, "cannot open '%s' for serial port %d", serial->source.path,
                           serial->port);
    add(descriptors, serial->alias, fd_steal(&fd), -1);
    return TRUE;
}

static gboolean open_serial(Descriptors *descriptors, const QemuEnv *env, const GuestSerial *serial,
                            GError **error)
{
    const GuestChardev *source = &serial->source;

    if (source->type == GUEST_CHARDEV_FILE)
        return open_output(descriptors, serial, error);
    if (source->type == GUEST_CHARDEV_UNIX && source->mode == GUEST_CHARDEV_BIND)
        return open_socket(descriptors, env, serial, error);
    return TRUE;
}

gboolean descriptors_open(Descriptors *descriptors, const QemuEnv *env, GuestDef *def,
                          GError **error)
{
    for (unsigned i = 0; i < def->interfaces->len; i++) {
        GuestInterface *interface = guest_def_interface(def, i);

        if (interface->type != GUEST_INTERFACE_USER &&
            !open_tap(descriptors, env, def, interface, error))
            return FALSE;
    }
    for (unsigned i = 0; i < def->serials->len; i++) {
        if (!open_serial(descriptors, env, guest_def_serial(def, i), error))
            return FALSE;
    }
    return TRUE;
}
