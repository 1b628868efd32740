/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls about the host. */
#include <string.h>

#include "host/node.h"
#include "service/calls.h"
#include "service/service.h"

gboolean service_node_get_info(Call *call, const void *args, RemoteNodeGetInfoRet *ret,
                               GError **error)
{
    const Node *node = service_settings()->node;

    g_strlcpy(ret->model, node->arch, sizeof(ret->model));
    ret->memory = node->memory_kib;
    ret->cpus = (int32_t)node->cpu_count;
    ret->mhz = (int32_t)node->mhz;
    ret->nodes = (int32_t)node->cells;
    ret->sockets = (int32_t)node->sockets;
    ret->cores = (int32_t)node->cores;
    ret->threads = (int32_t)node->threads;
    return TRUE;
}

gboolean service_node_get_free_memory(Call *call, const void *args, RemoteNodeGetFreeMemoryRet *ret,
                                      GError **error)
{
    ret->free_mem = node_free_memory("", -1);
    return TRUE;
}

gboolean service_node_get_cells_free_memory(Call *call,
                                            const RemoteNodeGetCellsFreeMemoryArgs *args,
                                            RemoteNodeGetCellsFreeMemoryRet *ret, GError **error)
{
    const Node *node = service_settings()->node;

    if (args->start_cell < 0 || (unsigned)args->start_cell >= node->cell_count)
        return error_set(error, ERROR_INTERNAL_ERROR,
                         "internal error: start cell %d out of range (0-%u)", args->start_cell,
                         node->cell_count - 1);
    if (args->maxcells < 0 || args->maxcells > WIRE_NODE_MAX_CELLS)
        return error_set(error, ERROR_INVALID_ARG, "invalid argument: room for %d cells",
                         args->maxcells);
    ret->cells_count = MIN((unsigned)args->maxcells, node->cell_count - (unsigned)args->start_cell);
    ret->cells = arena_new0(call_arena(call), uint64_t, ret->cells_count);
    for (unsigned i = 0; i < ret->cells_count; i++)
        ret->cells[i] =
            node_free_memory("", node->cell_count == 1 ? -1 : args->start_cell + (int)i);
    return TRUE;
}

gboolean service_node_get_security_model(Call *call, const void *args,
                                         RemoteNodeGetSecurityModelRet *ret, GError **error)
{
    const gboolean has_user = service_settings()->qemu->user.is_set;

    service_fill_chars(&ret->model, &ret->model_count, has_user ? "dac" : "none", call_arena(call));
    service_fill_chars(&ret->doi, &ret->doi_count, "0", call_arena(call));
    return TRUE;
}

gboolean service_node_get_cpu_map(Call *call, const RemoteNodeGetCpuMapArgs *args,
                                  RemoteNodeGetCpuMapRet *ret, GError **error)
{
    const Node *node = service_settings()->node;
    unsigned last = 0;

    if (!service_check_flags(args->flags, 0, "node_get_cpu_map", error))
        return FALSE;
    for (unsigned i = 0; i < node->cpu_count; i++)
        last = MAX(last, node->cpus[i].id);
    ret->ret = (int32_t)last + 1;
    ret->online = args->need_online ? node->cpu_count : 0;
    if (!args->need_map)
        return TRUE;
    ret->cpumap_len = MIN(last / 8 + 1, WIRE_CPUMAP_MAX);
    ret->cpumap = arena_alloc(call_arena(call), ret->cpumap_len);
    for (unsigned i = 0; i < node->cpu_count; i++)
        if (node->cpus[i].id / 8 < ret->cpumap_len)
            ret->cpumap[node->cpus[i].id / 8] |= (guint8)(1 << node->cpus[i].id % 8);
    return TRUE;
}

/* /proc/stat's line of one processor (or of all, -1) in nanoseconds. */
static gboolean read_cpu_times(int cpu, uint64_t times[5])
{
    enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, COUNT };
    g_autofree char *text = NULL;
    g_autofree char *prefix = cpu < 0 ? g_strdup("cpu ") : g_strdup_printf("cpu%d ", cpu);
    const uint64_t tick_ns = 1000000000u / 100;
    uint64_t value[COUNT] = {0};

    if (!g_file_get_contents("/proc/stat", &text, NULL, NULL))
        return FALSE;
    const char *line = g_str_has_prefix(text, prefix) ? text : NULL;
    g_autofree char *inner = g_strconcat("\n", prefix, NULL);
    if (!line && (line = strstr(text, inner)))
        line++;
    if (!line)
        return FALSE;
    char *end = (char *)line + strlen(prefix);
    for (unsigned i = 0; i < COUNT; i++)
        value[i] = g_ascii_strtoull(end, &end, 10) * tick_ns;
    times[0] = value[SYSTEM] + value[IRQ] + value[SOFTIRQ];
    times[1] = value[USER] + value[NICE];
    times[2] = value[IDLE];
    times[3] = value[IOWAIT];
    return TRUE;
}

gboolean service_node_get_cpu_stats(Call *call, const RemoteNodeGetCpuStatsArgs *args,
                                    RemoteNodeGetCpuStatsRet *ret, GError **error)
{
    static const char *const names[] = {"kernel", "user", "idle", "iowait"};
    uint64_t times[5];

    ret->nparams = G_N_ELEMENTS(names);
    if (args->nparams == 0)
        return TRUE;
    if (!read_cpu_times(args->cpu_num, times))
        return error_set(error, ERROR_INVALID_ARG,
                         "invalid argument: Invalid cpuNum in nodeGetCPUStats: %d", args->cpu_num);
    ret->params_count = MIN((uint32_t)MAX(args->nparams, 0), (uint32_t)G_N_ELEMENTS(names));
    ret->params = arena_new0(call_arena(call), WireNodeGetCpuStats, ret->params_count);
    for (unsigned i = 0; i < ret->params_count; i++)
        ret->params[i] = (WireNodeGetCpuStats){arena_strdup(call_arena(call), names[i]), times[i]};
    return TRUE;
}

gboolean service_node_get_memory_stats(Call *call, const RemoteNodeGetMemoryStatsArgs *args,
                                       RemoteNodeGetMemoryStatsRet *ret, GError **error)
{
    NodeMemory memory;

    ret->nparams = 4;
    if (args->nparams == 0)
        return TRUE;
    if (args->cell_num > 0)
        return error_set(error, ERROR_INVALID_ARG,
                         "invalid argument: cellNum in nodeGetMemoryStats: %d", args->cell_num);
    if (!node_memory_stats("", &memory, error))
        return FALSE;
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {{"total", memory.total_kib},
                {"free", memory.free_kib},
                {"buffers", memory.buffers_kib},
                {"cached", memory.cached_kib}};
    ret->params_count = MIN((uint32_t)MAX(args->nparams, 0), (uint32_t)G_N_ELEMENTS(rows));
    ret->params = arena_new0(call_arena(call), WireNodeGetMemoryStats, ret->params_count);
    for (unsigned i = 0; i < ret->params_count; i++)
        ret->params[i] =
            (WireNodeGetMemoryStats){arena_strdup(call_arena(call), rows[i].name), rows[i].value};
    return TRUE;
}
