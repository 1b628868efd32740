/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "phase/fallback.h"

static void an_administrator_allows_some(void)
{
    static const struct {
        const char *words;
        unsigned allowed;
    } rows[] = {
        {"", FALLBACK_NONE},          {"none", FALLBACK_NONE},   {"all", FALLBACK_ALL},
        {"tunnel", FALLBACK_TUNNEL},  {"relay", FALLBACK_RELAY}, {"relay tunnel", FALLBACK_ALL},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(GStrv) words = *rows[i].words ? g_strsplit(rows[i].words, " ", -1) : NULL;
        unsigned allowed = 99;

        g_assert_true(fallback_parse((const char *const *)words, &allowed, NULL));
        g_assert_cmpuint(allowed, ==, rows[i].allowed);
    }
}

static void what_means_nothing_is_refused(void)
{
    static const char *const rows[] = {"yes", "all none", "none tunnel", "relay all", "tunel"};

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(GStrv) words = g_strsplit(rows[i], " ", -1);
        g_autoptr(GError) error = NULL;
        unsigned allowed = 99;

        g_assert_false(fallback_parse((const char *const *)words, &allowed, &error));
        g_assert_true(error_is(error, ERROR_CONF_SYNTAX));
        g_assert_cmpuint(allowed, ==, 99);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/phase/fallback/an-administrator-allows-some", an_administrator_allows_some);
    g_test_add_func("/phase/fallback/what-means-nothing-is-refused", what_means_nothing_is_refused);
    return g_test_run();
}
