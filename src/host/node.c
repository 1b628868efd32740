/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads processors, memory and NUMA cells from /proc and /sys.  Every number is bounded: a
 * container's odd /sys must give a modest answer, never a crash. */
#include "host/node.h"

#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/number.h"

#define CPU_ID_MAX  8191
#define CELL_ID_MAX 1023
#define FILE_MAX    (4 * 1024 * 1024)

static char *read_text(const char *root, const char *format, ...) G_GNUC_PRINTF(2, 3);

static char *read_text(const char *root, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *tail = g_strdup_vprintf(format, args);
    va_end(args);

    g_autofree char *path = g_strconcat(root, tail, NULL);
    char *text = file_read(path, FILE_MAX, NULL, NULL);
    return text ? g_strchomp(text) : NULL;
}

static unsigned read_number(const char *root, const char *file, unsigned cpu, unsigned fallback)
{
    g_autofree char *text = read_text(root, "/sys/devices/system/cpu/cpu%u/topology/%s", cpu, file);
    uint64_t value;

    return text && number_parse_u64(text, G_MAXUINT16, &value) ? (unsigned)value : fallback;
}

/* "0-3,8" as an array of numbers up to max. */
static GArray *parse_list(const char *text, unsigned max)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(unsigned));
    g_auto(GStrv) parts = g_strsplit(text ? text : "", ",", -1);

    for (char **part = parts; *part; part++) {
        uint64_t first, last;
        char *dash = strchr(*part, '-');

        if (dash)
            *dash = '\0';
        if (!number_parse_u64(*part, max, &first))
            continue;
        if (!dash || !number_parse_u64(dash + 1, max, &last))
            last = first;
        for (unsigned i = (unsigned)first; i <= last; i++)
            g_array_append_val(list, i);
    }
    return list;
}

/* The value behind "NAME  : value", of the first line that begins so, or NULL. */
static char *find_field(const char *text, const char *name)
{
    size_t len = strlen(name);

    for (const char *line = text; line && *line;
         line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        const char *rest = line + len;

        if (strncmp(line, name, len) != 0)
            continue;
        rest += strspn(rest, " \t");
        if (*rest != ':')
            continue;
        rest++;
        return g_strstrip(g_strndup(rest, strcspn(rest, "\n")));
    }
    return NULL;
}

/* "MemTotal:  123 kB", also behind "Node 0 ". */
static uint64_t find_kib(const char *text, const char *name)
{
    g_autofree char *needle = g_strconcat(name, ":", NULL);
    const char *at = text ? strstr(text, needle) : NULL;

    return at ? g_ascii_strtoull(at + strlen(needle), NULL, 10) : 0;
}

static void read_cpuinfo(const char *root, Node *node)
{
    g_autofree char *text = read_text(root, "/proc/cpuinfo");
    g_autofree char *vendor = find_field(text, "vendor_id");
    g_autofree char *flags = find_field(text, "flags");
    g_autofree char *mhz = find_field(text, "cpu MHz");

    node->cpu_name = find_field(text, "model name");
    node->cpu_vendor = !vendor                               ? NULL
                       : strcmp(vendor, "GenuineIntel") == 0 ? g_strdup("Intel")
                       : strcmp(vendor, "AuthenticAMD") == 0 ? g_strdup("AMD")
                                                             : NULL;
    node->cpu_flags = g_strsplit(flags ? flags : "", " ", -1);
    node->mhz = mhz ? (unsigned)g_ascii_strtoull(mhz, NULL, 10) : 0;
}

static void read_cpus(const char *root, Node *node)
{
    g_autofree char *online = read_text(root, "/sys/devices/system/cpu/online");
    g_autoptr(GArray) ids = parse_list(online, CPU_ID_MAX);
    long fallback = sysconf(_SC_NPROCESSORS_ONLN);

    for (unsigned i = 0; ids->len == 0 && i < (unsigned)MAX(fallback, 1); i++)
        g_array_append_val(ids, i);
    if (ids->len == 0) {
        unsigned zero = 0;
        g_array_append_val(ids, zero);
    }
    node->cpu_count = ids->len;
    node->cpus = g_new0(NodeCpu, ids->len);
    for (unsigned i = 0; i < ids->len; i++) {
        NodeCpu *cpu = &node->cpus[i];

        cpu->id = g_array_index(ids, unsigned, i);
        cpu->socket = read_number(root, "physical_package_id", cpu->id, 0);
        cpu->core = read_number(root, "core_id", cpu->id, cpu->id);
        cpu->siblings =
            read_text(root, "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list", cpu->id);
        if (!cpu->siblings)
            cpu->siblings = g_strdup_printf("%u", cpu->id);
    }
}

static void read_cell(const char *root, unsigned id, NodeCell *cell)
{
    g_autofree char *meminfo = read_text(root, "/sys/devices/system/node/node%u/meminfo", id);
    g_autofree char *cpulist = read_text(root, "/sys/devices/system/node/node%u/cpulist", id);
    g_autofree char *distance = read_text(root, "/sys/devices/system/node/node%u/distance", id);
    g_autoptr(GArray) cpus = parse_list(cpulist, CPU_ID_MAX);
    g_auto(GStrv) distances = g_strsplit(distance ? distance : "", " ", -1);

    cell->id = id;
    cell->memory_kib = find_kib(meminfo, "MemTotal");
    cell->cpu_count = cpus->len;
    cell->cpus = (unsigned *)(void *)g_array_free(g_steal_pointer(&cpus), FALSE);
    cell->distance_count = g_strv_length(distances);
    cell->distances = g_new0(unsigned, cell->distance_count);
    for (unsigned i = 0; i < cell->distance_count; i++)
        cell->distances[i] = (unsigned)g_ascii_strtoull(distances[i], NULL, 10);
}

static void read_cells(const char *root, Node *node)
{
    g_autofree char *online = read_text(root, "/sys/devices/system/node/online");
    g_autoptr(GArray) ids = parse_list(online, CELL_ID_MAX);

    node->cell_count = MAX(ids->len, 1);
    node->cell = g_new0(NodeCell, node->cell_count);
    for (unsigned i = 0; i < ids->len; i++)
        read_cell(root, g_array_index(ids, unsigned, i), &node->cell[i]);
    if (ids->len > 0)
        return;
    node->cell[0].memory_kib = node->memory_kib;
    node->cell[0].cpu_count = node->cpu_count;
    node->cell[0].cpus = g_new0(unsigned, node->cpu_count);
    for (unsigned i = 0; i < node->cpu_count; i++)
        node->cell[0].cpus[i] = node->cpus[i].id;
}

/* Sockets, cores and threads as nodeinfo wants them: their product over all cells is the number of
 * processors, or, on a machine that is not even, everything is one socket of one cell. */
static void count_topology(Node *node)
{
    g_autoptr(GHashTable) sockets = g_hash_table_new(NULL, NULL);
    g_autoptr(GHashTable) cores = g_hash_table_new(NULL, NULL);
    unsigned socket_count, core_count, threads;

    for (unsigned i = 0; i < node->cpu_count; i++) {
        const NodeCpu *cpu = &node->cpus[i];

        g_hash_table_add(sockets, GUINT_TO_POINTER(cpu->socket + 1));
        g_hash_table_add(cores, GUINT_TO_POINTER((cpu->socket << 16 | cpu->core) + 1));
    }
    socket_count = g_hash_table_size(sockets);
    core_count = g_hash_table_size(cores) / socket_count;
    threads = node->cpu_count / g_hash_table_size(cores);
    node->topology_sockets = socket_count;
    node->cells = node->cell_count;
    node->sockets = MAX(socket_count / node->cell_count, 1);
    node->cores = core_count;
    node->threads = threads;
    if (node->cells * node->sockets * node->cores * node->threads == node->cpu_count)
        return;
    node->cells = node->sockets = node->threads = 1;
    node->cores = node->cpu_count;
}

Node *node_read(const char *root)
{
    Node *node = g_new0(Node, 1);
    g_autofree char *meminfo = read_text(root, "/proc/meminfo");
    struct utsname name;

    node->arch = g_strdup(uname(&name) == 0 ? name.machine : "x86_64");
    node->page_kib = (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
    node->memory_kib = find_kib(meminfo, "MemTotal");
    if (node->memory_kib == 0)
        node->memory_kib = (uint64_t)sysconf(_SC_PHYS_PAGES) * node->page_kib;
    read_cpuinfo(root, node);
    read_cpus(root, node);
    read_cells(root, node);
    count_topology(node);
    return node;
}

void node_free(Node *node)
{
    if (!node)
        return;
    for (unsigned i = 0; i < node->cpu_count; i++)
        g_free(node->cpus[i].siblings);
    for (unsigned i = 0; i < node->cell_count; i++) {
        g_free(node->cell[i].cpus);
        g_free(node->cell[i].distances);
    }
    g_free(node->cpus);
    g_free(node->cell);
    g_free(node->arch);
    g_free(node->cpu_name);
    g_free(node->cpu_vendor);
    g_strfreev(node->cpu_flags);
    g_free(node);
}

uint64_t node_free_memory(const char *root, int cell)
{
    g_autofree char *text = cell < 0
                                ? read_text(root, "/proc/meminfo")
                                : read_text(root, "/sys/devices/system/node/node%d/meminfo", cell);

    /* MemFree, as stock answers: clients compare the two. */
    return find_kib(text, "MemFree") * 1024;
}

gboolean node_memory_stats(const char *root, NodeMemory *ret_memory, GError **error)
{
    g_autofree char *text = read_text(root, "/proc/meminfo");

    if (!text)
        return error_set(error, ERROR_OPERATION_FAILED,
                         "operation failed: cannot read %s/proc/meminfo", root);
    ret_memory->total_kib = find_kib(text, "MemTotal");
    ret_memory->free_kib = find_kib(text, "MemFree");
    ret_memory->buffers_kib = find_kib(text, "Buffers");
    ret_memory->cached_kib = find_kib(text, "\nCached");
    ret_memory->available_kib = find_kib(text, "MemAvailable");
    if (!ret_memory->available_kib) /* kernels before 3.14 */
        ret_memory->available_kib = ret_memory->free_kib + ret_memory->buffers_kib + ret_memory->cached_kib;
    ret_memory->swap_free_kib = find_kib(text, "SwapFree");
    return TRUE;
}
