/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The capabilities and domain capabilities documents, made from facts alone. */
#pragma once

#include <glib.h>

#include "base/uuid.h"
#include "host/node.h"
#include "host/user.h"
#include "qemu/probe.h"

typedef struct {
    const Node *node;
    const Uuid *host_uuid;
    const HostUser *user; /* for the security model */
    gboolean has_kvm;     /* proven */
    const Probe *const *probes;
    unsigned probe_count;
} CapabilitiesFacts;

/* virConnectGetCapabilities' document. */
char *capabilities_format(const CapabilitiesFacts *facts);

/* virConnectGetDomainCapabilities' document.  arch, machine and virttype may be NULL: the defaults;
 * what this host does not offer is ERROR_INVALID_ARG, named. */
char *domain_capabilities_format(const CapabilitiesFacts *facts, const char *emulator,
                                 const char *arch, const char *machine, const char *virt_type,
                                 GError **error);
