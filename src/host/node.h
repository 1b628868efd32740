/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The machine we run on: processors, memory, NUMA cells, its name and its UUID.  Reads /proc and
 * /sys below a root, so that tests bring their own. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "base/uuid.h"

typedef struct {
    unsigned id;
    uint64_t memory_kib;
    unsigned *cpus; /* ids of the online ones */
    unsigned cpu_count;
    unsigned *distances; /* to cell 0, 1 …, or NULL */
    unsigned distance_count;
} NodeCell;

typedef struct {
    unsigned id, socket, core;
    char *siblings; /* "0-1": threads of that core */
} NodeCpu;

typedef struct {
    char *arch;       /* as uname says, "x86_64" */
    char *cpu_name;   /* "AMD EPYC 7B13" or NULL */
    char *cpu_vendor; /* "AMD", "Intel" or NULL */
    char **cpu_flags; /* as /proc/cpuinfo spells them */
    uint64_t memory_kib;
    unsigned mhz;
    unsigned cpu_count; /* online */
    unsigned cells, sockets, cores,
        threads;               /* sockets per cell, as nodeinfo wants; 1 cell if uneven */
    unsigned topology_sockets; /* of the whole machine */
    NodeCpu *cpus;             /* cpu_count of them */
    NodeCell *cell;            /* cells of them; at least one */
    unsigned cell_count;
    uint64_t page_kib;
} Node;

/* root is "" in real life.  Never NULL: what cannot be read is guessed from sysconf. */
Node *node_read(const char *root);
void node_free(Node *node);

/* Free bytes (MemFree, as stock answers).  cell < 0: of the whole host; else of that cell, 0 if
 * there is none. */
uint64_t node_free_memory(const char *root, int cell);

typedef struct {
    uint64_t total_kib, free_kib, buffers_kib, cached_kib;
    uint64_t available_kib; /* for new programs, without swapping */
    uint64_t swap_free_kib;
} NodeMemory;
gboolean node_memory_stats(const char *root, NodeMemory *ret_memory, GError **error);

/* The host's UUID: the configured one; else SMBIOS's, unless missing or a well-known dummy; else
 * the one made once and kept in state_dir/host-uuid.  Blocks shortly: at start-up only. */
gboolean node_uuid(const char *root, const char *configured, const char *state_dir, Uuid *ret_uuid,
                   GError **error);
/* All zeros, all ones, and the values that careless firmware ships. */
gboolean node_uuid_is_dummy(const Uuid *uuid);

/* As gethostname says, completed by nothing: no look-up.  The caller frees it. */
char *node_hostname(void);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Node, node_free)
