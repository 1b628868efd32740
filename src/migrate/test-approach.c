/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "migrate/approach.h"

static gboolean is_ten(const char *literal, const void *data)
{
    return g_str_has_prefix(literal, "10.");
}

/* "literal,literal!" in the order in which they would be tried; an exclamation mark: not tried. */
static char *order(const GPtrArray *rows)
{
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < rows->len; i++) {
        const ApproachRow *row = rows->pdata[i];

        g_string_append_printf(text, "%s%s%s", i ? " " : "", row->literal, row->filtered ? "!" : "");
    }
    return g_string_free(text, FALSE);
}

static void assert_order(const char *host, const char *control, const char *known, const char *expected)
{
    g_auto(GStrv) list = known ? g_strsplit(known, " ", -1) : NULL;
    const Approach approach = {.host = host, .port = 49152, .control = control, .known = list};
    g_autoptr(GPtrArray) rows = approach_rows(&approach, is_ten, NULL);
    g_autofree char *text = order(rows);

    g_assert_cmpstr(text, ==, expected);
}

static void a_literal_goes_first_and_the_control_address_behind_it(void)
{
    assert_order("192.0.2.2", "198.51.100.2", NULL, "192.0.2.2 198.51.100.2");
    assert_order("192.0.2.2", "192.0.2.2", NULL, "192.0.2.2");
    assert_order("2001:db8::2", "198.51.100.2", "2001:db8::2 198.51.100.3", "[2001:db8::2] 198.51.100.2 198.51.100.3");
}

static void where_it_was_met_goes_before_what_a_name_means(void)
{
    const Approach approach = {.host = "fedora2", .port = 49152, .control = "192.0.2.2"};
    g_autoptr(GPtrArray) rows = approach_rows(&approach, is_ten, NULL);
    g_autofree char *text = NULL;

    approach_add(rows, "192.0.2.66", "name", is_ten, NULL);
    approach_add(rows, "::ffff:192.0.2.2", "name", is_ten, NULL);
    text = order(rows);
    g_assert_cmpstr(text, ==, "192.0.2.2 192.0.2.66");
    assert_order("fedora2", NULL, "192.0.2.3 2001:db8::3", "192.0.2.3 [2001:db8::3]");
    assert_order("fedora2", "192.0.2.2", "192.0.2.3 192.0.2.2", "192.0.2.2 192.0.2.3");
    assert_order("fedora2", NULL, NULL, "");
}

static void what_leads_back_is_told_and_not_tried(void)
{
    assert_order("127.0.1.1", "192.0.2.2", NULL, "127.0.1.1! 192.0.2.2");
    assert_order("fedora2", "127.0.0.1", "10.0.0.1 192.0.2.3", "127.0.0.1! 10.0.0.1! 192.0.2.3");
    assert_order("0.0.0.0", "::1", NULL, "0.0.0.0! [::1]!");
}

static void what_is_no_address_is_passed_over(void)
{
    assert_order("fedora2", "fedora2.example", "x 192.0.2.3 ", "192.0.2.3");
    assert_order("", "", "", "");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migrate/approach/a-literal-goes-first-and-the-control-address-behind-it",
                    a_literal_goes_first_and_the_control_address_behind_it);
    g_test_add_func("/migrate/approach/where-it-was-met-goes-before-what-a-name-means",
                    where_it_was_met_goes_before_what_a_name_means);
    g_test_add_func("/migrate/approach/what-leads-back-is-told-and-not-tried", what_leads_back_is_told_and_not_tried);
    g_test_add_func("/migrate/approach/what-is-no-address-is-passed-over", what_is_no_address_is_passed_over);
    return g_test_run();
}
