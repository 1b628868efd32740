/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keepalive: when to PING a silent peer and when to give it up.  Fed with time, sends nothing
 * itself. */
#pragma once

#include <glib.h>
#include <stdint.h>

typedef struct {
    int64_t interval_ms; /* 0: off */
    unsigned count;      /* PINGs without an answer before it is given up, one interval later */
    unsigned pings;      /* sent since anything was heard */
    int64_t deadline_ms;
    int64_t heard_ms;
} RpcKeepalive;

typedef enum { RPC_KEEPALIVE_WAIT, RPC_KEEPALIVE_PING, RPC_KEEPALIVE_DEAD } RpcKeepaliveAction;

void rpc_keepalive_start(RpcKeepalive *keepalive, int interval_s, unsigned count, int64_t now_ms);
void rpc_keepalive_heard(RpcKeepalive *keepalive, int64_t now_ms);
/* PING: send one now (it is counted). */
RpcKeepaliveAction rpc_keepalive_check(RpcKeepalive *keepalive, int64_t now_ms);
/* INT64_MAX: off. */
int64_t rpc_keepalive_deadline(const RpcKeepalive *keepalive);
