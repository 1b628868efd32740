/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keepalive: interval, interval, …, given up. */
#include "rpc/keepalive.h"

void rpc_keepalive_start(RpcKeepalive *keepalive, int interval_s, unsigned count, int64_t now_ms)
{
    *keepalive = (RpcKeepalive){.interval_ms = interval_s > 0 ? interval_s * INT64_C(1000) : 0,
                                .count = count};
    rpc_keepalive_heard(keepalive, now_ms);
}

void rpc_keepalive_heard(RpcKeepalive *keepalive, int64_t now_ms)
{
    keepalive->pings = 0;
    keepalive->heard_ms = now_ms;
    keepalive->deadline_ms = now_ms + keepalive->interval_ms;
}

RpcKeepaliveAction rpc_keepalive_check(RpcKeepalive *keepalive, int64_t now_ms)
{
    if (!keepalive->interval_ms || now_ms < keepalive->deadline_ms)
        return RPC_KEEPALIVE_WAIT;
    if (keepalive->pings >= keepalive->count)
        return RPC_KEEPALIVE_DEAD;
    keepalive->pings++;
    keepalive->deadline_ms = now_ms + keepalive->interval_ms;
    return RPC_KEEPALIVE_PING;
}

int64_t rpc_keepalive_deadline(const RpcKeepalive *keepalive)
{
    return keepalive->interval_ms ? keepalive->deadline_ms : INT64_MAX;
}
