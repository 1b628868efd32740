/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The map of folders.  See docs/architecture.md. */
#include "ferryd/paths.h"

#include <unistd.h>

#include "base/file.h"

static char *below(const char *root, const char *path)
{
    return g_strconcat(root, path, NULL);
}

static void fill_system(Paths *paths, const char *root)
{
    paths->config_file = below(root, "/etc/ferry/ferryd.conf");
    paths->state_dir = below(root, "/var/lib/ferry");
    paths->run_dir = below(root, "/run/ferry");
    paths->log_dir = below(root, "/var/log/ferry");
    paths->compat_socket = below(root, "/run/libvirt/libvirt-sock");
    paths->compat_socket_ro = below(root, "/run/libvirt/libvirt-sock-ro");
}

/* As GLib does, but XDG_RUNTIME_DIR falls back to where stock clients look, in the cache. */
static void fill_session(Paths *paths)
{
    const char *runtime = g_getenv("XDG_RUNTIME_DIR");
    g_autofree char *run =
        runtime && *runtime ? g_strdup(runtime) : g_strdup(g_get_user_cache_dir());

    paths->config_file = g_build_filename(g_get_user_config_dir(), "ferry/ferryd.conf", NULL);
    paths->state_dir = g_build_filename(g_get_user_state_dir(), "ferry", NULL);
    paths->run_dir = g_build_filename(run, "ferry", NULL);
    paths->log_dir = g_build_filename(g_get_user_state_dir(), "ferry/log", NULL);
    paths->compat_socket = g_build_filename(run, "libvirt/libvirt-sock", NULL);
}

/* Beside us in the build tree, else where the installation puts it. */
static char *find_helper(const char *in_tree, const char *installed)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *dir = self ? g_path_get_dirname(self) : g_strdup("/");
    g_autofree char *path = g_build_filename(dir, "..", in_tree, NULL);

    return access(path, X_OK) == 0 ? g_canonicalize_filename(path, NULL)
                                   : g_build_filename(FERRY_LIBEXECDIR, installed, NULL);
}

Paths *paths_new(const char *root, gboolean is_session)
{
    Paths *paths = g_new0(Paths, 1);

    paths->is_session = is_session;
    if (is_session && !*root)
        fill_session(paths);
    else
        fill_system(paths, root);
    paths->socket = g_build_filename(paths->run_dir, "ferry-sock", NULL);
    paths->socket_ro = g_build_filename(paths->run_dir, "ferry-sock-ro", NULL);
    paths->exec_helper = find_helper("exec/ferry-exec", "ferry-exec");
    paths->kvm_helper = find_helper("host/ferry-kvm-probe", "ferry-kvm-probe");
    paths->lease_helper = find_helper("host/ferry-lease", "ferry-lease");
    return paths;
}

void paths_free(Paths *paths)
{
    if (!paths)
        return;
    g_free(paths->config_file);
    g_free(paths->state_dir);
    g_free(paths->run_dir);
    g_free(paths->log_dir);
    g_free(paths->socket);
    g_free(paths->socket_ro);
    g_free(paths->compat_socket);
    g_free(paths->compat_socket_ro);
    g_free(paths->exec_helper);
    g_free(paths->kvm_helper);
    g_free(paths->lease_helper);
    g_free(paths);
}

gboolean paths_make(const Paths *paths, GError **error)
{
    /* QEMU's user passes through the first two, to images' memory and sockets; it reads neither. */
    return dir_make(paths->state_dir, 0711, error) && dir_make(paths->run_dir, 0755, error) &&
           dir_make(paths->log_dir, 0750, error);
}

gboolean paths_has_stock_daemon(void)
{
    static const char *const units[] = {
        "/usr/lib/systemd/system/libvirtd.service", "/lib/systemd/system/libvirtd.service",
        "/etc/systemd/system/libvirtd.service",     "/usr/lib/systemd/system/virtqemud.service",
        "/lib/systemd/system/virtqemud.service",    "/etc/systemd/system/virtqemud.service",
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(units); i++)
        if (access(units[i], F_OK) == 0)
            return TRUE;
    return FALSE;
}
