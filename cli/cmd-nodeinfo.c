/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "commands.h"
#include "json.h"

static void print_json(const FerryNodeInfo *info)
{
    json_object *object = json_object_new_object();

    json_add_text(object, "model", info->model);
    json_add_number(object, "cpus", (guint64)info->cpus);
    json_add_number(object, "mhz", (guint64)info->mhz);
    json_add_number(object, "numa_cells", (guint64)info->nodes);
    json_add_number(object, "sockets", (guint64)info->sockets);
    json_add_number(object, "cores", (guint64)info->cores);
    json_add_number(object, "threads", (guint64)info->threads);
    json_add_number(object, "memory_kib", info->memory_kib);
    json_print(object);
}

static int run(Session *session, const Arguments *arguments)
{
    FerryConnection *conn = session_connect(session);
    FerryError *error = NULL;
    FerryNodeInfo info;

    if (!conn)
        return EXIT_BAD;
    if (!ferry_connection_node_info(conn, &info, &error))
        return fail_with(error, "failed to get node information");
    if (arguments_has(arguments, "json")) {
        print_json(&info);
        return EXIT_OK;
    }
    printf("%-20s %s\n", "CPU model:", info.model);
    printf("%-20s %d\n", "CPU(s):", info.cpus);
    if (info.mhz)
        printf("%-20s %d MHz\n", "CPU frequency:", info.mhz);
    printf("%-20s %d\n", "CPU socket(s):", info.sockets);
    printf("%-20s %d\n", "Core(s) per socket:", info.cores);
    printf("%-20s %d\n", "Thread(s) per core:", info.threads);
    printf("%-20s %d\n", "NUMA cell(s):", info.nodes);
    printf("%-20s %" G_GUINT64_FORMAT " KiB\n", "Memory size:", info.memory_kib);
    print_end(session);
    return EXIT_OK;
}

static const Option options[] = {
    JSON_OPTION,
    {NULL},
};

const Command command_nodeinfo = {
    .name = "nodeinfo",
    .group = GROUP_HOST,
    .summary = "print processors and memory of the host",
    .options = options,
    .run = run,
};
