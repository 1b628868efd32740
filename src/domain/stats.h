/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers about a domain: get_info, and the records of connect_get_all_domain_stats. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "base/params.h"
#include "loop/task.h"

typedef struct Domain Domain;

/* Wire values */
enum {
    STATS_STATE = 1 << 0,
    STATS_CPU_TOTAL = 1 << 1,
    STATS_BALLOON = 1 << 2,
    STATS_VCPU = 1 << 3,
    STATS_INTERFACE = 1 << 4,
    STATS_BLOCK = 1 << 5,
    STATS_SERVED = (1 << 6) - 1,
};

typedef struct {
    uint64_t max_memory_kib, memory_kib;
    unsigned vcpus;
    uint64_t cpu_time_ns;
} DomainInfo;

typedef struct {
    unsigned number;
    int state; /* 0 offline, 1 running, 2 blocked */
    uint64_t cpu_time_ns;
    int cpu; /* on which it runs, -1 unknown */
} VcpuInfo;

gboolean stats_get_info(Domain *domain, DomainInfo *ret_info, GError **error);
/* GArray of VcpuInfo, only of an active domain. */
GArray *stats_get_vcpus(Domain *domain, GError **error);
/* Adds what is known; what QEMU does not answer in time is left out.  may_wait false: nothing that
 * asks QEMU. */
AWAITS void stats_collect(Domain *domain, unsigned groups, gboolean may_wait, Params *params);
/* domain_memory_stats: pairs (tag, value). */
typedef struct {
    int tag;
    uint64_t value;
} MemoryStat;
GArray *stats_get_memory(Domain *domain, GError **error);

/* One disk, by target ("vda") or file; "" : all together.  ERROR_INVALID_ARG for one that is not
 * there. */
typedef struct {
    uint64_t read_requests, read_bytes, read_ns, write_requests, write_bytes, write_ns,
        flush_requests, flush_ns;
    uint64_t allocation, capacity, physical;
} BlockStats;
AWAITS gboolean stats_get_block(Domain *domain, const char *disk, BlockStats *ret_stats,
                                GError **error);

/* As the guest sees them: rx_bytes, rx_packets, rx_errs, rx_drop, then the same of tx.  device: the
 * tap's name. */
#define INTERFACE_STATS_COUNT 8
gboolean stats_get_interface(Domain *domain, const char *device,
                             uint64_t ret_values[INTERFACE_STATS_COUNT], GError **error);
