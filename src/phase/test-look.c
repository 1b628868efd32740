/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "phase/look.h"

enum { RUNNING = 1, BLOCKED = 2, PAUSED = 3, SHUTOFF = 5, CRASHED = 6 };

static void what_runs_has_run(void)
{
    for (int reason = -1; reason < 40; reason++) {
        g_assert_cmpint(look_judge(RUNNING, reason, FALSE, INT64_MAX), ==, LOOK_RAN);
        g_assert_cmpint(look_judge(BLOCKED, reason, TRUE, 0), ==, LOOK_RAN);
        g_assert_cmpint(look_judge(CRASHED, reason, TRUE, 0), ==, LOOK_RAN);
    }
}

static void a_paused_one_may_be_in_finish(void)
{
    g_assert_cmpint(look_judge(PAUSED, 2, TRUE, 0), ==, LOOK_AGAIN);
    g_assert_cmpint(look_judge(PAUSED, 11, TRUE, INT64_MAX), ==, LOOK_AGAIN);
    g_assert_cmpint(look_judge(PAUSED, -5, TRUE, 0), ==, LOOK_AGAIN);
    g_assert_cmpint(look_judge(PAUSED, 1, TRUE, 0), ==, LOOK_RAN); /* by its user, who could do so only after Finish */
    g_assert_cmpint(look_judge(0, 0, TRUE, 0), ==, LOOK_AGAIN);
}

static void how_it_was_shut_off_says_whether_it_ran(void)
{
    const int ran[] = {1, 4, 5}, unclear[] = {0, 2, 3, 7, 8, 1000, -1}; /* nothing, destroyed, crashed, … */

    for (size_t i = 0; i < G_N_ELEMENTS(ran); i++)
        g_assert_cmpint(look_judge(SHUTOFF, ran[i], TRUE, 0), ==, LOOK_RAN);
    for (size_t i = 0; i < G_N_ELEMENTS(unclear); i++)
        g_assert_cmpint(look_judge(SHUTOFF, unclear[i], i % 2, 0), ==, LOOK_PERSON);
    g_assert_cmpint(look_judge(SHUTOFF, 6, FALSE, INT64_MAX), ==, LOOK_NEVER_RAN);
    g_assert_cmpint(look_judge(SHUTOFF, 6, TRUE, 0), ==, LOOK_NEVER_RAN);
}

static void an_absent_one_that_was_to_be_defined_never_ran(void)
{
    g_assert_cmpint(look_judge(LOOK_ABSENT, 0, TRUE, INT64_MAX), ==, LOOK_NEVER_RAN);
    g_assert_cmpint(look_judge(LOOK_ABSENT, 0, FALSE, LOOK_FRESH_MS - 1), ==, LOOK_NEVER_RAN);
    g_assert_cmpint(look_judge(LOOK_ABSENT, 0, FALSE, LOOK_FRESH_MS), ==, LOOK_PERSON);
}

static void it_is_that_host_by_its_uuid(void)
{
    static const char *const others[] = {
        "<capabilities><host><uuid>b0000000-0000-4000-8000-000000000002</uuid></host></capabilities>",
        "<capabilities><host><uuid>no</uuid></host></capabilities>",
        "<capabilities><host/></capabilities>",
        "<capabilities>",
        "<other/>",
        "",
    };
    const char *own = "<capabilities><host><uuid>a0000000-0000-4000-8000-000000000001</uuid></host></capabilities>";
    Uuid wanted;

    g_assert_true(uuid_parse("a0000000-0000-4000-8000-000000000001", &wanted));
    g_assert_true(look_check_host(own, &wanted, "qemu+tcp://b/system", NULL));
    for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(look_check_host(others[i], &wanted, "qemu+tcp://b/system", &error));
        g_assert_nonnull(error);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/phase/look/what-runs-has-run", what_runs_has_run);
    g_test_add_func("/phase/look/a-paused-one-may-be-in-finish", a_paused_one_may_be_in_finish);
    g_test_add_func("/phase/look/how-it-was-shut-off-says-whether-it-ran", how_it_was_shut_off_says_whether_it_ran);
    g_test_add_func("/phase/look/an-absent-one-that-was-to-be-defined-never-ran", an_absent_one_that_was_to_be_defined_never_ran);
    g_test_add_func("/phase/look/it-is-that-host-by-its-uuid", it_is_that_host_by_its_uuid);
    return g_test_run();
}
