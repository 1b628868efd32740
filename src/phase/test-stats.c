/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "phase/stats.h"

/* The completed record of a destination, as a stock host sent it. */
static const MigrationStats completed = {
    .type = JOB_TYPE_COMPLETED,
    .operation = 4,
    .has = STATS_HAS_DOWNTIME | STATS_HAS_SETUP_TIME | STATS_HAS_PAGES | STATS_HAS_DELTA,
    .delta_ms = 15,
    .time_elapsed_ms = 2275,
    .downtime_ms = 114,
    .setup_time_ms = 1,
    .memory_total = 268967936,
    .memory_processed = 96367097,
    .memory_bps = 54109016,
    .memory_constant = 42502,
    .memory_normal = 23388,
    .memory_normal_bytes = 95797248,
    .memory_iteration = 3,
    .memory_page_size = 4096,
};

static char *text_of(const Params *params)
{
    GString *text = g_string_new(NULL);

    for (size_t i = 0; i < params->count; i++) {
        const Param *param = &params->items[i];

        g_string_append_printf(text, "%s%s: ", i ? ", " : "", param->name);
        if (param->type == PARAM_INT)
            g_string_append_printf(text, "%d", param->value.i);
        else
            g_string_append_printf(text, "%" G_GUINT64_FORMAT, param->value.ul);
    }
    return g_string_free(text, FALSE);
}

static void parameters_are_those_of_a_stock_host(void)
{
    g_autoptr(Params) params = params_new();
    g_autofree char *text = NULL;

    migration_stats_to_params(&completed, params);
    text = text_of(params);
    g_assert_cmpstr(text, ==,
                    "operation: 4, time_elapsed: 2275, time_elapsed_net: 2260, downtime: 114, "
                    "downtime_net: 99, setup_time: 1, "
                    "data_total: 268967936, data_processed: 96367097, data_remaining: 0, "
                    "memory_total: 268967936, "
                    "memory_processed: 96367097, memory_remaining: 0, memory_bps: 54109016, "
                    "memory_constant: 42502, "
                    "memory_normal: 23388, memory_normal_bytes: 95797248, memory_dirty_rate: 0, "
                    "memory_iteration: 3, "
                    "memory_postcopy_requests: 0, memory_page_size: 4096, disk_total: 0, "
                    "disk_processed: 0, disk_remaining: 0");
}

static void parameters_come_back(void)
{
    g_autoptr(Params) params = params_new();
    MigrationStats back;

    migration_stats_to_params(&completed, params);
    params_add_string(params, "something_new", "x");
    migration_stats_from_params(params, JOB_TYPE_COMPLETED, &back);
    g_assert_cmpmem(&back, sizeof back, &completed, sizeof completed);
}

static void while_it_runs_there_are_no_net_times(void)
{
    MigrationStats running = completed;
    g_autoptr(Params) params = params_new();

    running.type = JOB_TYPE_UNBOUNDED;
    running.auto_converge_throttle = 20;
    migration_stats_to_params(&running, params);
    g_assert_null(params_find(params, "time_elapsed_net"));
    g_assert_cmpint(params_get_int(params, "auto_converge_throttle", 0), ==, 20);
}

static void percent_stays_below_100_while_bytes_remain(void)
{
    MigrationStats stats = {.type = JOB_TYPE_UNBOUNDED};

    g_assert_cmpint(migration_stats_percent(&stats), ==, -1);
    stats.memory_total = 1000000;
    stats.memory_remaining = 1000000;
    g_assert_cmpint(migration_stats_percent(&stats), ==, 0);
    stats.memory_remaining = 1;
    g_assert_cmpint(migration_stats_percent(&stats), ==, 99);
    stats.memory_remaining = 0;
    g_assert_cmpint(migration_stats_percent(&stats), ==, 100);
    stats.memory_remaining = UINT64_MAX; /* a peer may say anything */
    g_assert_cmpint(migration_stats_percent(&stats), ==, 0);
}

static void a_wild_delta_is_no_net_time(void)
{
    static const int64_t deltas[] = {INT64_MIN, INT64_MAX, 2275, 2276, -1};

    for (size_t i = 0; i < G_N_ELEMENTS(deltas); i++) {
        MigrationStats stats = completed;
        g_autoptr(Params) params = params_new();

        stats.delta_ms = deltas[i];
        migration_stats_to_params(&stats, params);
        g_assert_true((params_find(params, "time_elapsed_net") != NULL) == (deltas[i] == -1));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/phase/stats/parameters-are-those-of-a-stock-host",
                    parameters_are_those_of_a_stock_host);
    g_test_add_func("/phase/stats/parameters-come-back", parameters_come_back);
    g_test_add_func("/phase/stats/while-it-runs-there-are-no-net-times",
                    while_it_runs_there_are_no_net_times);
    g_test_add_func("/phase/stats/percent-stays-below-100-while-bytes-remain",
                    percent_stays_below_100_while_bytes_remain);
    g_test_add_func("/phase/stats/a-wild-delta-is-no-net-time", a_wild_delta_is_no_net_time);
    return g_test_run();
}
