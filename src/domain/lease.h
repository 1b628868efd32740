/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guests' leases: a fence around each guest that all hosts of a lockspace see (sanlock).
 * Nothing of it lies in the downtime of a migration; where no leases are kept (lock_manager = none)
 * everything here says yes at once.  docs/storage.md tells what a lease says when. */
#pragma once

#include <glib.h>

#include "base/uuid.h"
#include "domain/lease-value.h"
#include "loop/task.h"

typedef struct Domain Domain;

typedef struct {
    const char *helper; /* path of ferry-lease */
    const char *dir;
    const char *host_name;
    unsigned host_id;
    unsigned io_timeout_s; /* 0: sanlock's own */
} LeaseSettings;

/* NULL: none are kept.  Borrowed for ever. */
void lease_init(const LeaseSettings *settings);
gboolean lease_is_on(void);
/* Once the guests are loaded.  On a task of its own this host enters the lockspace, which takes
 * sanlock a while, and stays at it until it is in.  Then each guest's lease is looked at: one that
 * runs here and whose lease another host has taken is ended. */
void lease_enter(void);
/* Waits until it is, with a time-out not longer than until it is known why not; FALSE with that
 * sentence. */
AWAITS gboolean lease_wait_until_entered(int64_t timeout_ms, GError **error);

/* The three that a migration and a start ask for, and wait for. */
AWAITS gboolean lease_take(const Domain *domain, GError **error);
/* Source in Begin, destination in Prepare (LEASE_JOIN), source before the memory goes
 * (LEASE_JOINED), and later in doubt (LEASE_BEREFT). */
AWAITS gboolean lease_share(const Domain *domain, LeaseOp op, const char *attempt, GError **error);
/* At the final word (LEASE_HERE, _AWAY) and when a guest has ended (LEASE_RELEASE): nobody
 * waits; it is tried until it works. */
void lease_settle(const Uuid *uuid, const char *name, LeaseOp op, const char *attempt);
