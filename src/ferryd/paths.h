/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where everything is: the system's folders, an unprivileged user's, or either below a root of
 * one's own. */
#pragma once

#include <glib.h>

typedef struct {
    gboolean is_session;
    char *config_file;
    char *state_dir, *run_dir, *log_dir;
    char *socket, *socket_ro;               /* ferry's own */
    char *compat_socket, *compat_socket_ro; /* where stock clients look; _ro NULL in a session */
    char *exec_helper, *kvm_helper, *lease_helper; /* programs that belong to the daemon */
} Paths;

/* root: "" or the folder given by --root.  Pure but for environment, uid and the place of our own
 * program. */
Paths *paths_new(const char *root, gboolean is_session);
void paths_free(Paths *paths);
/* Makes the folders. */
gboolean paths_make(const Paths *paths, GError **error);
/* Does a stock daemon claim the compat socket on this machine, running or not? */
gboolean paths_has_stock_daemon(void);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Paths, paths_free)
