/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The user that QEMU and its tools run as. */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct {
    gboolean is_set; /* false: everything runs as whoever runs the daemon, and nothing is chowned */
    uid_t uid;
    gid_t gid;
    char *name; /* for messages; never NULL when is_set */
} HostUser;

/* Numbers or names from the configuration; either may be NULL.  user NULL: the first that exists of
 * stock's libvirt-qemu (group kvm) and ferry-qemu.  When the daemon is not root, *ret_user is "not
 * set" whatever is asked. Looks names up, so call it at start-up only. */
gboolean host_user_find(const char *user, const char *group, HostUser *ret_user, GError **error);
void host_user_clear(HostUser *user);
