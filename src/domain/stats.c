/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers about a domain.  Groups are rows; what QEMU does not answer is left out, never guessed.
 */
#include "domain/stats.h"

#include <stdio.h>

#include "base/error.h"
#include "base/log.h"
#include "domain/domain.h"
#include "model/guest-def.h"
#include "qemu/guest.h"

/* The names of the ecosystem: "vcpu.3.time". */
static void add_numbered(Params *params, const char *group, unsigned index, const char *field,
                         uint64_t value)
{
    char name[80];

    snprintf(name, sizeof(name), "%s.%u.%s", group, index, field);
    params_add_ullong(params, name, value);
}

static gboolean read_times(Domain *domain, QemuTimes *times)
{
    return domain->guest && !qemu_guest_is_lost(domain->guest) &&
           qemu_guest_times(domain->guest, times);
}

/* What the balloon holds: events keep it in the live definition, so QEMU is not asked. */
static uint64_t current_memory_kib(const GuestDef *def)
{
    return def->current_memory_kib ? def->current_memory_kib : def->memory_kib;
}

static unsigned current_vcpus(const GuestDef *def)
{
    return def->current_vcpus ? def->current_vcpus : def->vcpus;
}

gboolean stats_get_info(Domain *domain, DomainInfo *ret_info, GError **error)
{
    const GuestDef *def = domain_definition(domain);
    g_auto(QemuTimes) times = {0};

    if (!def)
        return error_set(error, ERROR_INTERNAL_ERROR,
                         "internal error: domain '%s' has no definition", domain->name);
    *ret_info = (DomainInfo){.max_memory_kib = def->memory_kib,
                             .memory_kib = current_memory_kib(def),
                             .vcpus = current_vcpus(def)};
    if (read_times(domain, &times))
        ret_info->cpu_time_ns = times.cpu_ns;
    return TRUE;
}

GArray *stats_get_vcpus(Domain *domain, GError **error)
{
    g_auto(QemuTimes) times = {0};

    if (!domain_check_active(domain, error))
        return NULL;
    GArray *vcpus = g_array_new(FALSE, TRUE, sizeof(VcpuInfo));
    const gboolean has_times = read_times(domain, &times);

    for (unsigned i = 0; i < current_vcpus(domain->live); i++) {
        const VcpuInfo vcpu = {.number = i,
                               .state = 1,
                               .cpu = -1,
                               .cpu_time_ns =
                                   has_times && i < times.vcpu_count ? times.vcpu_ns[i] : 0};

        g_array_append_val(vcpus, vcpu);
    }
    return vcpus;
}

/* --- groups of connect_get_all_domain_stats --- */

static void collect_state(Domain *domain, const QemuTimes *times, Params *params)
{
    params_add_int(params, "state.state", (int)domain->state);
    params_add_int(params, "state.reason", domain->reason);
}

static void collect_cpu(Domain *domain, const QemuTimes *times, Params *params)
{
    if (!times)
        return;
    params_add_ullong(params, "cpu.time", times->cpu_ns);
    params_add_ullong(params, "cpu.user", times->user_ns);
    params_add_ullong(params, "cpu.system", times->system_ns);
}

static void collect_balloon(Domain *domain, const QemuTimes *times, Params *params)
{
    const GuestDef *def = domain_definition(domain);

    if (domain_is_active(domain))
        params_add_ullong(params, "balloon.current", current_memory_kib(def));
    params_add_ullong(params, "balloon.maximum", def->memory_kib);
    if (times)
        params_add_ullong(params, "balloon.rss", times->rss_kib);
}

static void collect_vcpu(Domain *domain, const QemuTimes *times, Params *params)
{
    const GuestDef *def = domain_definition(domain);
    char name[80];

    params_add_uint(params, "vcpu.current", current_vcpus(def));
    params_add_uint(params, "vcpu.maximum", def->vcpus);
    for (unsigned i = 0; times && i < MIN(times->vcpu_count, current_vcpus(def)); i++) {
        snprintf(name, sizeof(name), "vcpu.%u.state", i);
        params_add_int(params, name, 1);
        add_numbered(params, "vcpu", i, "time", times->vcpu_ns[i]);
        if (times->vcpu_wait_ns)
            add_numbered(params, "vcpu", i, "wait", times->vcpu_wait_ns[i]);
    }
}

/* /sys/class/net/DEV/statistics: what the host receives is what the guest sends, so rx and tx
 * change places. */
static const struct {
    const char *field, *file;
} net_rows[] = {
    {"rx.bytes", "tx_bytes"},  {"rx.pkts", "tx_packets"}, {"rx.errs", "tx_errors"},
    {"rx.drop", "tx_dropped"}, {"tx.bytes", "rx_bytes"},  {"tx.pkts", "rx_packets"},
    {"tx.errs", "rx_errors"},  {"tx.drop", "rx_dropped"},
};

static gboolean read_net_row(const char *device, unsigned row, uint64_t *ret_value)
{
    g_autofree char *path =
        g_strdup_printf("/sys/class/net/%s/statistics/%s", device, net_rows[row].file);
    g_autofree char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return FALSE;
    *ret_value = g_ascii_strtoull(text, NULL, 10);
    return TRUE;
}

static void collect_interface(Domain *domain, const QemuTimes *times, Params *params)
{
    const GuestDef *def = domain_definition(domain);
    char name[80];

    if (!domain_is_active(domain))
        return;
    params_add_uint(params, "net.count", def->interfaces->len);
    for (unsigned i = 0; i < def->interfaces->len; i++) {
        const char *dev = guest_def_interface(def, i)->target_dev;

        if (!dev)
            continue;
        snprintf(name, sizeof(name), "net.%u.name", i);
        params_add_string(params, name, dev);
        for (unsigned row = 0; row < G_N_ELEMENTS(net_rows); row++) {
            uint64_t value;

            if (read_net_row(dev, row, &value))
                add_numbered(params, "net", i, net_rows[row].field, value);
        }
    }
}

static const QemuBlockStats *find_block(const QemuBlockStats *stats, unsigned count,
                                        const char *alias)
{
    for (unsigned i = 0; i < count; i++)
        if (g_strcmp0(stats[i].device, alias) == 0)
            return &stats[i];
    return NULL;
}

static void add_block(Params *params, unsigned index, const GuestDisk *disk,
                      const QemuBlockStats *stats)
{
    char name[80];

    snprintf(name, sizeof(name), "block.%u.name", index);
    params_add_string(params, name, disk->target);
    if (disk->file) {
        snprintf(name, sizeof(name), "block.%u.path", index);
        params_add_string(params, name, disk->file);
    }
    if (!stats)
        return;
    const struct {
        const char *field;
        uint64_t value;
    } rows[] = {
        {"rd.reqs", stats->read_requests},  {"rd.bytes", stats->read_bytes},
        {"rd.times", stats->read_ns},       {"wr.reqs", stats->write_requests},
        {"wr.bytes", stats->write_bytes},   {"wr.times", stats->write_ns},
        {"fl.reqs", stats->flush_requests}, {"fl.times", stats->flush_ns},
        {"allocation", stats->allocation},  {"capacity", stats->capacity},
        {"physical", stats->physical},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
        add_numbered(params, "block", index, rows[i].field, rows[i].value);
}

static AWAITS void collect_block(Domain *domain, gboolean may_wait, Params *params)
{
    unsigned count = 0;
    QemuBlockStats *stats = NULL;
    g_autoptr(GError) error = NULL;

    if (may_wait && domain->guest && !domain->is_incoming && domain->planned_end < 0 &&
        !qemu_guest_is_lost(domain->guest)) {
        g_autoptr(QemuGuest) guest = qemu_guest_ref(domain->guest);

        stats = qemu_guest_block_stats(guest, &count, &error);
    }
    const GuestDef *def = domain_definition(domain); /* may have changed while QEMU was asked */

    params_add_uint(params, "block.count", def ? def->disks->len : 0);
    for (unsigned i = 0; def && i < def->disks->len; i++) {
        const GuestDisk *disk = guest_def_disk(def, i);

        add_block(params, i, disk, find_block(stats, count, disk->alias));
    }
    qemu_block_stats_free(stats, count);
}

AWAITS void stats_collect(Domain *domain, unsigned groups, gboolean may_wait, Params *params)
{
    static const struct {
        unsigned group;
        void (*collect)(Domain *domain, const QemuTimes *times,
                        Params *params); /* NULL: not running */
    } rows[] = {
        {STATS_STATE, collect_state},         {STATS_CPU_TOTAL, collect_cpu},
        {STATS_BALLOON, collect_balloon},     {STATS_VCPU, collect_vcpu},
        {STATS_INTERFACE, collect_interface},
    };

    g_auto(QemuTimes) times = {0};

    if (!domain_definition(domain))
        return;
    const gboolean has_times =
        groups & (STATS_CPU_TOTAL | STATS_BALLOON | STATS_VCPU) && read_times(domain, &times);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
        if (groups & rows[i].group)
            rows[i].collect(domain, has_times ? &times : NULL, params);
    if (groups & STATS_BLOCK)
        collect_block(domain, may_wait, params);
}

GArray *stats_get_memory(Domain *domain, GError **error)
{
    enum { TAG_ACTUAL_BALLOON = 6, TAG_RSS = 7 }; /* wire values */
    g_auto(QemuTimes) times = {0};

    if (!domain_check_active(domain, error))
        return NULL;
    GArray *list = g_array_new(FALSE, TRUE, sizeof(MemoryStat));
    MemoryStat stat = {TAG_ACTUAL_BALLOON, current_memory_kib(domain->live)};

    g_array_append_val(list, stat);
    if (read_times(domain, &times)) {
        stat = (MemoryStat){TAG_RSS, times.rss_kib};
        g_array_append_val(list, stat);
    }
    return list;
}

/* --- one device --- */

static void add_up(BlockStats *sum, const QemuBlockStats *stats)
{
    sum->read_requests += stats->read_requests;
    sum->read_bytes += stats->read_bytes;
    sum->read_ns += stats->read_ns;
    sum->write_requests += stats->write_requests;
    sum->write_bytes += stats->write_bytes;
    sum->write_ns += stats->write_ns;
    sum->flush_requests += stats->flush_requests;
    sum->flush_ns += stats->flush_ns;
    sum->allocation += stats->allocation;
    sum->capacity += stats->capacity;
    sum->physical += stats->physical;
}

AWAITS gboolean stats_get_block(Domain *domain, const char *disk, BlockStats *ret_stats,
                                GError **error)
{
    BlockStats sum = {0};
    unsigned count = 0, found = 0;

    if (!domain_check_active(domain, error))
        return FALSE;
    if (!domain->guest)
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: domain is starting up; ask again when it runs");
    g_autoptr(QemuGuest) guest = qemu_guest_ref(domain->guest);
    QemuBlockStats *stats = qemu_guest_block_stats(guest, &count, error);
    if (!stats && error && *error)
        return FALSE;
    for (unsigned i = 0; domain->live && i < domain->live->disks->len; i++) {
        const GuestDisk *candidate = guest_def_disk(domain->live, i);
        const QemuBlockStats *row = find_block(stats, count, candidate->alias);

        if (*disk && g_strcmp0(candidate->target, disk) != 0 &&
            g_strcmp0(candidate->file, disk) != 0)
            continue;
        found++;
        if (row)
            add_up(&sum, row);
    }
    qemu_block_stats_free(stats, count);
    if (*disk && !found)
        return error_set(error, ERROR_INVALID_ARG,
                         "invalid argument: invalid path %.255s not assigned to domain", disk);
    *ret_stats = sum;
    return TRUE;
}

gboolean stats_get_interface(Domain *domain, const char *device,
                             uint64_t ret_values[INTERFACE_STATS_COUNT], GError **error)
{
    if (!domain_check_active(domain, error))
        return FALSE;
    for (unsigned i = 0; i < domain->live->interfaces->len; i++) {
        if (g_strcmp0(guest_def_interface(domain->live, i)->target_dev, device) != 0)
            continue;
        for (unsigned row = 0; row < INTERFACE_STATS_COUNT; row++)
            if (!read_net_row(device, row, &ret_values[row]))
                return error_errno(error, "cannot read the counters of '%s'", device);
        return TRUE;
    }
    return error_set(error, ERROR_INVALID_ARG,
                     "invalid argument: invalid path, '%.255s' is not a known interface", device);
}
