/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest definition as QEMU's arguments.  Pure.  What the guest can see (machine, processor,
 * devices with their ids, buses, addresses and order) is exactly what stock hosts write, so that a
 * guest finds the same hardware on either. */
#pragma once

#include <glib.h>

#include "model/guest-def.h"

/* A descriptor that QEMU inherits for a device. */
typedef struct {
    const char *alias; /* "net0", "serial2" */
    int fd;
    int vhost_fd; /* interfaces under KVM; -1: none */
} QemuDescriptor;

typedef struct {
    unsigned qemu_version;   /* 7002022 */
    const char *default_cpu; /* of the machine, for a guest that names no model; NULL: qemu64 */
    const char *default_ram; /* RAM block id of the machine; NULL: pc.ram */
    int monitor_fd;          /* a listening socket */
    const QemuDescriptor *descriptors;
    unsigned descriptor_count;
    gboolean is_incoming, has_sandbox;
} QemuArgvPlan;

/* def has its defaults and aliases.  ERROR_CONFIG_UNSUPPORTED for what no QEMU argument is known
 * for.  The caller frees with g_strfreev. */
char **qemu_argv_build(const GuestDef *def, const QemuArgvPlan *plan, GError **error);
