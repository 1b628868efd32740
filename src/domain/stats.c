/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers about a domain.  Groups are rows; what QEMU does not answer is left out, never guessed. */
#include "domain/stats.h"

#include <stdio.h>

#include "base/error.h"
#include "base/log.h"
#include "domain/domain.h"
#include "model/guest-def.h"
#include "qemu/guest.h"

/* The names of the ecosystem: "vcpu.3.time". */
static void add_numbered(Params *params, const char *group, unsigned index, const char *field, uint64_t value)
{
    char name[80];

    snprintf(name, sizeof(name), "%s.%u.%s", group, index, field);
    params_add_ullong(params, name, value);
}

static gboolean read_times(Domain *domain, QemuTimes *times)
{
    return domain->guest && !qemu_guest_is_lost(domain->guest) && qemu_guest_times(domain->guest, times);
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
    g_auto(QemuTimes) times = { 0 };

    if (!def)
        return error_set(error, ERROR_INTERNAL_ERROR, "internal error: domain '%s' has no definition", domain->name);
    *ret_info = (DomainInfo){ .max_memory_kib = def->memory_kib,
                              .memory_kib = current_memory_kib(def),
                              .vcpus = current_vcpus(def) };
    if (read_times(domain, &times))
        ret_info->cpu_time_ns = times.cpu_ns;
    return TRUE;
}

GArray *stats_get_vcpus(Domain *domain, GError **error)
{
    g_auto(QemuTimes) times = { 0 };

    if (!domain_check_active(domain, error))
        return NULL;
    GArray *vcpus = g_array_new(FALSE, TRUE, sizeof(VcpuInfo));
    const gboolean has_times = read_times(domain, &times);

    for (unsigned i = 0; i < current_vcpus(domain->live); i++) {
        const VcpuInfo vcpu = { .number = i,
                                .state = 1,
                                .cpu = -1,
                                .cpu_time_ns = has_times && i < times.vcpu_count ? times.vcpu_ns[i] : 0 };

        g_array_append_val(vcpus, vcpu);
    }
    return vcpus;
}

/* --- groups of connect_get_all_domain_stats ----------------------------------------------------------------------- */

static void collect_state(Domain *domain, Params *params)
{
    params_add_int(params, "state.state", (int)domain->state);
    params_add_int(params, "state.reason", domain->reason);
}

static void collect_cpu(Domain *domain, Params *params)
{
    g_auto(QemuTimes) times = { 0 };

    if (!read_times(domain, &times))
        return;
    params_add_ullong(params, "cpu.time", times.cpu_ns);
    params_add_ullong(params, "cpu.user", times.user_ns);
    params_add_ullong(params, "cpu.system", times.system_ns);
}

static void collect_balloon(Domain *domain, Params *params)
{
    const GuestDef *def = domain_definition(domain);
    g_auto(QemuTimes) times = { 0 };

    if (domain_is_active(domain))
        params_add_ullong(params, "balloon.current", current_memory_kib(def));
    params_add_ullong(params, "balloon.maximum", def->memory_kib);
    if (read_times(domain, &times))
        params_add_ullong(params, "balloon.rss", times.rss_kib);
}

static void collect_vcpu(Domain *domain, Params *params)
{
    const GuestDef *def = domain_definition(domain);
    g_auto(QemuTimes) times = { 0 };
    char name[80];

    params_add_uint(params, "vcpu.current", current_vcpus(def));
    params_add_uint(params, "vcpu.maximum", def->vcpus);
    if (!read_times(domain, &times))
        return;
    for (unsigned i = 0; i < MIN(times.vcpu_count, current_vcpus(def)); i++) {
        snprintf(name, sizeof(name), "vcpu.%u.state", i);
        params_add_int(params, name, 1);
        add_numbered(params, "vcpu", i, "time", times.vcpu_ns[i]);
        if (times.vcpu_wait_ns)
            add_numbered(params, "vcpu", i, "wait", times.vcpu_wait_ns[i]);
    }
}

/* /sys/class/net/DEV/statistics: what the host receives is what the guest sends, so rx and tx change places. */
static const struct {
    const char *field, *file;
} net_rows[] = {
    { "rx.bytes", "tx_bytes" },  { "rx.pkts", "tx_packets" }, { "rx.errs", "tx_errors" },
    { "rx.drop", "tx_dropped" }, { "tx.bytes", "rx_bytes" },  { "tx.pkts", "rx_packets" },
    { "tx.errs", "rx_errors" },  { "tx.drop", "rx_dropped" },
};

static void collect_interface(Domain *domain, Params *params)
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
            g_autofree char *path = g_strdup_printf("/sys/class/net/%s/statistics/%s", dev, net_rows[row].file);
            g_autofree char *text = NULL;

            if (g_file_get_contents(path, &text, NULL, NULL))
                add_numbered(params, "net", i, net_rows[row].field, g_ascii_strtoull(text, NULL, 10));
        }
    }
}

static const QemuBlockStats *find_block(const QemuBlockStats *stats, unsigned count, const char *alias)
{
    for (unsigned i = 0; i < count; i++)
        if (g_strcmp0(stats[i].device, alias) == 0)
            return &stats[i];
    return NULL;
}

static void add_block(Params *params, unsigned index, const GuestDisk *disk, const QemuBlockStats *stats)
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
        { "rd.reqs", stats->read_requests },  { "rd.bytes", stats->read_bytes },   { "rd.times", stats->read_ns },
        { "wr.reqs", stats->write_requests }, { "wr.bytes", stats->write_bytes },  { "wr.times", stats->write_ns },
        { "fl.reqs", stats->flush_requests }, { "fl.times", stats->flush_ns },     { "allocation", stats->allocation },
        { "capacity", stats->capacity },      { "physical", stats->physical },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
        add_numbered(params, "block", index, rows[i].field, rows[i].value);
}

static AWAITS void collect_block(Domain *domain, gboolean may_wait, Params *params)
{
    unsigned count = 0;
    QemuBlockStats *stats = NULL;
    g_autoptr(GError) error = NULL;

    if (may_wait && domain->guest && !domain->is_incoming && !qemu_guest_is_lost(domain->guest)) {
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
        void (*collect)(Domain *domain, Params *params);
    } rows[] = {
        { STATS_STATE, collect_state }, { STATS_CPU_TOTAL, collect_cpu },       { STATS_BALLOON, collect_balloon },
        { STATS_VCPU, collect_vcpu },   { STATS_INTERFACE, collect_interface },
    };

    if (!domain_definition(domain))
        return;
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
        if (groups & rows[i].group)
            rows[i].collect(domain, params);
    if (groups & STATS_BLOCK)
        collect_block(domain, may_wait, params);
}

GArray *stats_get_memory(Domain *domain, GError **error)
{
    enum { TAG_ACTUAL_BALLOON = 6, TAG_RSS = 7 }; /* wire values */
    g_auto(QemuTimes) times = { 0 };

    if (!domain_check_active(domain, error))
        return NULL;
    GArray *list = g_array_new(FALSE, TRUE, sizeof(MemoryStat));
    MemoryStat stat = { TAG_ACTUAL_BALLOON, current_memory_kib(domain->live) };

    g_array_append_val(list, stat);
    if (read_times(domain, &times)) {
        stat = (MemoryStat){ TAG_RSS, times.rss_kib };
        g_array_append_val(list, stat);
    }
    return list;
}
