/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/env.h"

#include "qemu/probe.h"

void qemu_env_init(QemuEnv *env)
{
    const char *const dirs[] = {"/usr/bin", NULL};

    *env = (QemuEnv){
        .run_dir = g_strdup("/run/ferry"),
        .log_dir = g_strdup("/var/log/ferry"),
        .state_dir = g_strdup("/var/lib/ferry"),
        .emulator_dirs = g_strdupv((char **)dirs),
        .has_sandbox = TRUE,
    };
}

void qemu_env_clear(QemuEnv *env)
{
    g_clear_pointer(&env->probes, probe_cache_free);
    host_user_clear(&env->user);
    g_strfreev(env->emulator_dirs);
    g_strfreev(env->network_map);
    g_free(env->run_dir);
    g_free(env->log_dir);
    g_free(env->state_dir);
    g_free(env->cgroup_root);
    *env = (QemuEnv){0};
}
