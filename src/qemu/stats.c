/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a running guest has used: times from /proc, block counters from QEMU. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "qemu/answer.h"
#include "qemu/guest-part.h"

#define VCPUS_MAX     4096
#define NS_PER_SECOND 1000000000ULL

static char *read_proc(pid_t pid, const char *format, ...) G_GNUC_PRINTF(2, 3);

static char *read_proc(pid_t pid, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *tail = g_strdup_vprintf(format, args);
    va_end(args);

    g_autofree char *path = g_strdup_printf("/proc/%d/%s", pid, tail);
    return file_read(path, 65536, NULL, NULL);
}

/* Threads are called "CPU 0/TCG", "CPU 1/KVM" (debug-threads=on): no question to QEMU. */
static void find_vcpu_threads(QemuGuest *guest)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/task", guest->pid);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    if (guest->vcpu_threads || !dir)
        return;
    guest->vcpu_threads = g_array_new(FALSE, TRUE, sizeof(pid_t));
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *comm = read_proc(guest->pid, "task/%s/comm", name);
        unsigned index;

        if (!comm || sscanf(comm, "CPU %u/", &index) != 1 || index >= VCPUS_MAX)
            continue;
        if (index >= guest->vcpu_threads->len)
            g_array_set_size(guest->vcpu_threads, index + 1);
        g_array_index(guest->vcpu_threads, pid_t, index) = (pid_t)g_ascii_strtoll(name, NULL, 10);
    }
    if (guest->vcpu_threads->len == 0)
        g_clear_pointer(&guest->vcpu_threads, g_array_unref);
}

/* Fields 14 and 15 of /proc/PID/stat; the name in field 2 may hold anything but ends with the last
 * ')'. */
static gboolean read_process_times(pid_t pid, QemuTimes *times)
{
    g_autofree char *text = read_proc(pid, "stat");
    const char *rest = text ? strrchr(text, ')') : NULL;
    unsigned long long user, system;
    uint64_t ns_per_tick = NS_PER_SECOND / (uint64_t)sysconf(_SC_CLK_TCK);
    long long resident_pages;

    if (!rest || sscanf(rest,
                        ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d "
                        "%*d %*d %*u %*u %lld",
                        &user, &system, &resident_pages) != 3)
        return FALSE;
    times->user_ns = user * ns_per_tick;
    times->system_ns = system * ns_per_tick;
    times->cpu_ns = times->user_ns + times->system_ns;
    times->rss_kib = (guint64)MAX(resident_pages, 0) * (guint64)sysconf(_SC_PAGESIZE) / 1024;
    return TRUE;
}

gboolean qemu_guest_times(QemuGuest *guest, QemuTimes *ret_times)
{
    QemuTimes times = {0};

    if (guest->has_ended || !read_process_times(guest->pid, &times))
        return FALSE;
    find_vcpu_threads(guest);
    times.vcpu_count = guest->vcpu_threads ? guest->vcpu_threads->len : 0;
    times.vcpu_ns = g_new0(guint64, times.vcpu_count);
    times.vcpu_wait_ns = g_new0(guint64, times.vcpu_count);
    for (unsigned i = 0; i < times.vcpu_count; i++) {
        g_autofree char *text = read_proc(guest->pid, "task/%d/schedstat",
                                          g_array_index(guest->vcpu_threads, pid_t, i));
        unsigned long long run, wait;

        if (!text || sscanf(text, "%llu %llu", &run, &wait) != 2)
            continue;
        times.vcpu_ns[i] = run;
        times.vcpu_wait_ns[i] = wait;
    }
    *ret_times = times;
    return TRUE;
}

void qemu_times_clear(QemuTimes *times)
{
    g_free(times->vcpu_ns);
    g_free(times->vcpu_wait_ns);
    *times = (QemuTimes){0};
}

/* --- block devices --- */

static char *alias_of(json_object *entry)
{
    const char *path = answer_text(entry, "qdev");

    return path[0] ? answer_alias(path) : NULL;
}

static void read_stats(QemuBlockStats *stats, json_object *entry)
{
    const struct {
        const char *name;
        guint64 *value;
    } rows[] = {
        {"rd_operations", &stats->read_requests},
        {"rd_bytes", &stats->read_bytes},
        {"rd_total_time_ns", &stats->read_ns},
        {"wr_operations", &stats->write_requests},
        {"wr_bytes", &stats->write_bytes},
        {"wr_total_time_ns", &stats->write_ns},
        {"flush_operations", &stats->flush_requests},
        {"flush_total_time_ns", &stats->flush_ns},
        {"wr_highest_offset", &stats->allocation},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
        *rows[i].value = json_object_get_uint64(answer_get(entry, rows[i].name));
}

static void read_sizes(QemuBlockStats *stats, unsigned count, json_object *list)
{
    for (size_t i = 0;
         json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++) {
        json_object *entry = json_object_array_get_idx(list, i);
        json_object *image = answer_get(answer_get(entry, "inserted"), "image");
        g_autofree char *alias = alias_of(entry);

        for (unsigned j = 0; alias && j < count; j++) {
            if (strcmp(stats[j].device, alias) != 0)
                continue;
            stats[j].capacity = json_object_get_uint64(answer_get(image, "virtual-size"));
            stats[j].physical = json_object_get_uint64(answer_get(image, "actual-size"));
        }
    }
}

AWAITS QemuBlockStats *qemu_guest_block_stats(QemuGuest *guest, unsigned *ret_count, GError **error)
{
    g_autoptr(json_object) list = NULL;
    g_autoptr(json_object) images = NULL;
    QemuBlockStats *stats;
    unsigned count = 0;

    if (!guest_command(guest, "query-blockstats", NULL, &list, error) ||
        !guest_command(guest, "query-block", NULL, &images, error))
        return NULL;
    size_t length = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    stats = g_new0(QemuBlockStats, length + 1);
    for (size_t i = 0; i < length; i++) {
        json_object *entry = json_object_array_get_idx(list, i);
        char *alias = alias_of(entry);

        if (!alias)
            continue;
        stats[count].device = alias;
        read_stats(&stats[count], answer_get(entry, "stats"));
        count++;
    }
    read_sizes(stats, count, images);
    *ret_count = count;
    return stats;
}

void qemu_block_stats_free(QemuBlockStats *stats, unsigned count)
{
    for (unsigned i = 0; stats && i < count; i++)
        g_free(stats[i].device);
    g_free(stats);
}
