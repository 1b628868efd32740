/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/params.h"

static const ParamRule rules[] = {
    {"bandwidth", PARAM_ULLONG},
    {"migrate_disks", PARAM_STRING, TRUE},
    {NULL},
};

static void check_names_the_offender(void)
{
    g_autoptr(Params) params = params_new();
    g_autoptr(GError) error = NULL;

    params_add_ullong(params, "bandwidth", 7);
    params_add_string(params, "migrate_disks", "vda");
    params_add_string(params, "migrate_disks", "vdb");
    g_assert_true(params_check(params, rules, &error));
    params_add_ullong(params, "bandwidth", 8);
    g_assert_false(params_check(params, rules, &error));
    g_assert_cmpstr(error->message, ==, "parameter 'bandwidth' is given twice");
    g_clear_error(&error);
    params_remove(params, "bandwidth");
    params_add_int(params, "bandwidth", 1);
    g_assert_false(params_check(params, rules, &error));
    g_clear_error(&error);
    params_remove(params, "bandwidth");
    params_add_int(params, "colour", 1);
    g_assert_false(params_check(params, rules, &error));
    g_assert_cmpstr(error->message, ==, "parameter 'colour' is not supported");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/base/params/check-names-the-offender", check_names_the_offender);
    return g_test_run();
}
