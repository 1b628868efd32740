/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every guest's QEMU shares: folders, the user, limits.  Filled by ferryd from its
 * configuration, then constant. */
#pragma once

#include <glib.h>

#include "host/user.h"

typedef struct ProbeCache ProbeCache;

typedef struct {
    char *run_dir;   /* /run/ferry: run_dir/UUID/ is a guest's */
    char *log_dir;   /* /var/log/ferry: log_dir/NAME.log takes QEMU's own output */
    char *state_dir; /* /var/lib/ferry: owners of images whose file system cannot keep them */
    HostUser user;
    char **emulator_dirs; /* an emulator is a root-owned file in one of these */
    char **network_map;   /* "network=bridge", or NULL */
    char *cgroup_root; /* folder in which each guest gets a cgroup of its own, or NULL: stay in the
                          daemon's */
    gint64 max_fds;    /* RLIMIT_NOFILE of QEMU; 0: ours */
    gboolean has_sandbox;
    gboolean allows_any_emulator_owner; /* tests that run without root */
    ProbeCache *probes;
} QemuEnv;

/* Folders and user may be changed until the first guest starts; everything is freed by
 * qemu_env_clear. */
void qemu_env_init(QemuEnv *env);
void qemu_env_clear(QemuEnv *env);
