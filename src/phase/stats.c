/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The numbers of a migration, by one table. */
#include "phase/stats.h"

#include "base/error.h"
#include "base/number.h"

#define OFF(field)   offsetof(MigrationStats, field)
#define NAMED(field) #field, OFF(field)

typedef enum {
    ROW_NONZERO = 1 << 0, /* as a parameter only if it is not 0 */
    ROW_INT = 1 << 1,     /* an int32_t, and so as a parameter; otherwise 64 bits without sign */
    ROW_SIGNED = 1 << 2,
    ROW_COOKIE = 1 << 3, /* only in cookies */
} RowFlags;

/* A number that is made of others. */
typedef gboolean (*Derive)(const MigrationStats *stats, uint64_t *ret_value);

typedef struct {
    const char *name;
    size_t offset;
    unsigned has;   /* StatsHas that has to be set; 0: always */
    unsigned flags; /* RowFlags */
    Derive derive;  /* then it is only a parameter */
} Row;

static gboolean net(const MigrationStats *stats, uint64_t total, uint64_t *ret_value)
{
    int64_t delta = stats->delta_ms;

    if (stats->type != JOB_TYPE_COMPLETED || !(stats->has & STATS_HAS_DELTA) ||
        (delta > 0 && (uint64_t)delta >= total) || total > INT64_MAX ||
        (delta < 0 && (int64_t)total > INT64_MAX + delta))
        return FALSE;
    *ret_value = (uint64_t)((int64_t)total - delta);
    return TRUE;
}

static gboolean elapsed_net(const MigrationStats *stats, uint64_t *ret_value)
{
    return net(stats, stats->time_elapsed_ms, ret_value);
}

static gboolean downtime_net(const MigrationStats *stats, uint64_t *ret_value)
{
    return (stats->has & STATS_HAS_DOWNTIME) && net(stats, stats->downtime_ms, ret_value);
}

static gboolean data_total(const MigrationStats *stats, uint64_t *ret_value)
{
    *ret_value = stats->memory_total + stats->disk_total;
    return TRUE;
}

static gboolean data_processed(const MigrationStats *stats, uint64_t *ret_value)
{
    *ret_value = stats->memory_processed + stats->disk_processed;
    return TRUE;
}

static gboolean data_remaining(const MigrationStats *stats, uint64_t *ret_value)
{
    *ret_value = stats->memory_remaining + stats->disk_remaining;
    return TRUE;
}

/* clang-format off */
static const Row rows[] = { /* in the order of both shapes */
    /* name and field                only with              how */
    { "started", OFF(started_ms),      0,                     ROW_COOKIE },
    { "stopped", OFF(stopped_ms),      0,                     ROW_COOKIE },
    { "sent", OFF(sent_ms),            0,                     ROW_COOKIE },
    { "delta", OFF(delta_ms),          STATS_HAS_DELTA,       ROW_COOKIE | ROW_SIGNED },
    { "time_elapsed", OFF(time_elapsed_ms), 0,                     0 },
    { "time_elapsed_net", .derive = elapsed_net },
    { "downtime", OFF(downtime_ms),    STATS_HAS_DOWNTIME,    0 },
    { "downtime_net", .derive = downtime_net },
    { "setup_time", OFF(setup_time_ms), STATS_HAS_SETUP_TIME,  0 },
    { "data_total", .derive = data_total },
    { "data_processed", .derive = data_processed },
    { "data_remaining", .derive = data_remaining },
    { NAMED(memory_total),             0,                     0 },
    { NAMED(memory_processed),         0,                     0 },
    { NAMED(memory_remaining),         0,                     0 },
    { NAMED(memory_bps),               0,                     ROW_NONZERO },
    { NAMED(memory_constant),          STATS_HAS_PAGES,       0 },
    { NAMED(memory_normal),            STATS_HAS_PAGES,       0 },
    { NAMED(memory_normal_bytes),      STATS_HAS_PAGES,       0 },
    { NAMED(memory_dirty_rate),        0,                     0 },
    { NAMED(memory_iteration),         0,                     0 },
    { NAMED(memory_postcopy_requests), 0,                     0 },
    { NAMED(memory_page_size),         0,                     ROW_NONZERO },
    { NAMED(disk_total),               0,                     0 },
    { NAMED(disk_processed),           0,                     0 },
    { NAMED(disk_remaining),           0,                     0 },
    { NAMED(disk_bps),                 0,                     ROW_NONZERO },
    { NAMED(compression_cache),        STATS_HAS_XBZRLE,      0 },
    { NAMED(compression_bytes),        STATS_HAS_XBZRLE,      0 },
    { NAMED(compression_pages),        STATS_HAS_XBZRLE,      0 },
    { NAMED(compression_cache_misses), STATS_HAS_XBZRLE,      0 },
    { NAMED(compression_overflow),     STATS_HAS_XBZRLE,      0 },
    { NAMED(auto_converge_throttle),   0,                     ROW_NONZERO | ROW_INT },
};
/* clang-format on */

/* The bits of a signed value, if it is one. */
static uint64_t row_get(const Row *row, const MigrationStats *stats)
{
    const void *field = (const char *)stats + row->offset;

    return row->flags & ROW_INT ? (uint64_t) * (const int32_t *)field : *(const uint64_t *)field;
}

static void row_set(const Row *row, MigrationStats *stats, uint64_t value)
{
    void *field = (char *)stats + row->offset;

    if (row->flags & ROW_INT)
        *(int32_t *)field = (int32_t)value;
    else
        *(uint64_t *)field = value;
    stats->has |= row->has;
}

void migration_stats_to_params(const MigrationStats *stats, Params *params)
{
    params_add_int(params, "operation", stats->operation);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        const Row *row = &rows[i];
        uint64_t value = 0;

        if (row->flags & ROW_COOKIE || (stats->has & row->has) != row->has)
            continue;
        if (row->derive && !row->derive(stats, &value))
            continue;
        if (!row->derive)
            value = row_get(row, stats);
        if (row->flags & ROW_NONZERO && !value)
            continue;
        if (row->flags & ROW_INT)
            params_add_int(params, row->name, (int32_t)value);
        else
            params_add_ullong(params, row->name, value);
    }
}

void migration_stats_from_params(const Params *params, JobType type, MigrationStats *ret_stats)
{
    MigrationStats stats = {.type = type, .operation = params_get_int(params, "operation", 0)};
    const Param *net_param = params_find(params, "time_elapsed_net");

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        const Param *param = params_find(params, rows[i].name);

        if (!param || rows[i].derive || rows[i].flags & ROW_COOKIE)
            continue;
        if (rows[i].flags & ROW_INT && param->type == PARAM_INT)
            row_set(&rows[i], &stats, (uint64_t)param->value.i);
        else if (!(rows[i].flags & ROW_INT) && param->type == PARAM_ULLONG)
            row_set(&rows[i], &stats, param->value.ul);
    }
    if (net_param && net_param->type == PARAM_ULLONG && stats.time_elapsed_ms <= INT64_MAX &&
        net_param->value.ul <= INT64_MAX) {
        stats.delta_ms = (int64_t)stats.time_elapsed_ms - (int64_t)net_param->value.ul;
        stats.has |= STATS_HAS_DELTA;
    }
    *ret_stats = stats;
}

int migration_stats_percent(const MigrationStats *stats)
{
    double total = (double)stats->memory_total + (double)stats->disk_total;
    double remaining = (double)stats->memory_remaining + (double)stats->disk_remaining;

    if (stats->type == JOB_TYPE_COMPLETED)
        return 100;
    if (total <= 0)
        return -1;
    return remaining <= 0 ? 100 : CLAMP((int)(100 - remaining * 100 / total), 0, 99);
}

void migration_stats_write(const MigrationStats *stats, XmlWriter *writer)
{
    xml_write_open(writer, "statistics");
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        const Row *row = &rows[i];

        if (row->derive || (stats->has & row->has) != row->has)
            continue;
        if (row->flags & (ROW_INT | ROW_SIGNED))
            xml_write_element_format(writer, row->name, "%" G_GINT64_FORMAT,
                                     (gint64)row_get(row, stats));
        else
            xml_write_element_format(writer, row->name, "%" G_GUINT64_FORMAT, row_get(row, stats));
    }
    xml_write_close(writer);
}

static gboolean row_read(const Row *row, const char *text, MigrationStats *stats)
{
    int64_t number = 0;
    uint64_t value = 0;

    if (row->flags & ROW_SIGNED
            ? number_parse_i64(text, INT64_MIN, INT64_MAX, &number)
            : number_parse_u64(text, row->flags & ROW_INT ? INT32_MAX : UINT64_MAX, &value)) {
        row_set(row, stats, row->flags & ROW_SIGNED ? (uint64_t)number : value);
        return TRUE;
    }
    return FALSE;
}

gboolean migration_stats_read(XmlNode *node, MigrationStats *ret_stats, GError **error)
{
    MigrationStats stats = {.type = JOB_TYPE_COMPLETED};

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        XmlNode *child = rows[i].derive ? NULL : xml_child(node, rows[i].name);

        if (child && !row_read(&rows[i], xml_text(child), &stats))
            return error_set(error, ERROR_INTERNAL_ERROR,
                             "internal error: malformed %s in migration statistics", rows[i].name);
    }
    *ret_stats = stats;
    return TRUE;
}
