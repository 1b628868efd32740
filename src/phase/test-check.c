/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "phase/check.h"

#define MIB (1024 * UINT64_C(1024))

static void test_sentence(void)
{
    g_autoptr(GPtrArray) rows = check_rows_new();
    CheckRow *row = check_rows_block(rows, "network", "bridge 'br0'", ERROR_OPERATION_FAILED,
                                     "operation failed: there is no '%s'; make it", "br0");
    g_autoptr(GError) error = NULL;

    g_assert_cmpstr(row->cause, ==, "there is no 'br0'");
    g_assert_cmpstr(row->remedy, ==, "make it");
    g_assert_false(check_rows_pass(rows, &error));
    g_assert_cmpstr(error->message, ==, "operation failed: there is no 'br0'; make it");
    g_assert_true(error_is(error, ERROR_OPERATION_FAILED));
}

static void test_order(void)
{
    static const CheckVerdict given[] = {CHECK_OK, CHECK_WARNING, CHECK_BLOCKER, CHECK_UNKNOWN,
                                         CHECK_BLOCKER};
    g_autoptr(GPtrArray) rows = check_rows_new();
    g_autoptr(GString) order = g_string_new(NULL);

    for (unsigned i = 0; i < G_N_ELEMENTS(given); i++) {
        g_autofree char *name = g_strdup_printf("%u", i);

        check_rows_add(rows, "s", name, given[i], "c");
    }
    check_rows_sort(rows);
    check_rows_each(row, rows)
        g_string_append(order, row->name);
    g_assert_cmpstr(order->str, ==, "24310");
    g_assert_cmpuint(check_rows_count(rows, CHECK_BLOCKER), ==, 2);
}

/* Warnings and what nobody knows stop no migration. */
static void test_pass(void)
{
    g_autoptr(GPtrArray) rows = check_rows_new();
    GPtrArray *more = check_rows_new();

    check_rows_add(rows, "s", "n", CHECK_UNKNOWN, "c");
    check_rows_add(more, "s", "n", CHECK_WARNING, "c");
    check_rows_take(rows, more);
    check_rows_set_host(rows, "h");
    g_assert_cmpuint(rows->len, ==, 2);
    g_assert_cmpstr(((CheckRow *)g_ptr_array_index(rows, 1))->host, ==, "h");
    g_assert_true(check_rows_pass(rows, NULL));
}

static void test_forecast(void)
{
    static const struct {
        ForecastFacts facts;
        gboolean converges;
        uint64_t least_ms, most_ms;
    } cases[] = {
        {{1024 * MIB, 100 * MIB, 0, 300}, TRUE, 10000, 10500},
        {{1024 * MIB, 100 * MIB, 50 * MIB, 300}, TRUE, 19000, 20500}, /* twice as long */
        {{1024 * MIB, 100 * MIB, 100 * MIB, 300}, FALSE, 0, 0},
        {{1024 * MIB, 100 * MIB, 5000 * MIB, 300}, FALSE, 0, 0},
        {{16 * MIB, 1000 * MIB, 5000 * MIB, 300}, TRUE, 0, 100}, /* all of it within the downtime */
        {{0, 0, 0, 300}, TRUE, 0, 0},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        Forecast forecast;

        forecast_make(&cases[i].facts, &forecast);
        g_assert_cmpint(forecast.converges, ==, cases[i].converges);
        g_assert_cmpuint(forecast.total_ms, >=, cases[i].least_ms);
        g_assert_cmpuint(forecast.total_ms, <=, cases[i].most_ms);
        g_assert_cmpuint(forecast.downtime_ms, <=, 300);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/phase/check/the-remedy-stands-behind-the-last-semicolon", test_sentence);
    g_test_add_func("/phase/check/blockers-come-first-and-order-stays", test_order);
    g_test_add_func("/phase/check/only-blockers-stop", test_pass);
    g_test_add_func("/phase/check/forecast", test_forecast);
    return g_test_run();
}
