/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <gio/gio.h>

#include "base/enum.h"
#include "base/error.h"

static void keeps_code_and_domain(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(error_set_from(&error, FROM_RPC, ERROR_RPC, "unknown procedure: %d", 7));
    g_assert_cmpint(error_code(error), ==, 39);
    g_assert_cmpint(error_domain(error), ==, 7);
    g_assert_cmpstr(error->message, ==, "unknown procedure: 7");
}

static void foreign_error_is_internal(void)
{
    g_autoptr(GError) error = g_error_new(g_quark_from_string("other"), 42, "x");

    g_assert_cmpint(error_code(error), ==, ERROR_INTERNAL_ERROR);
    g_assert_false(error_is(error, ERROR_NO_DOMAIN));
}

static void errno_is_appended(void)
{
    g_autoptr(GError) error = NULL;

    errno = EACCES;
    error_errno(&error, "cannot listen on '%s'", "/x");
    g_assert_cmpstr(error->message, ==, "cannot listen on '/x': Permission denied");
    g_assert_true(error_is(error, ERROR_SYSTEM_ERROR));
    g_prefix_error(&error, "in vain: ");
    g_assert_cmpint(error_get_errno(error), ==, EACCES);
    g_assert_cmpint(error_domain(error), ==, FROM_QEMU);
    g_clear_error(&error);
    error_set(&error, ERROR_SYSTEM_ERROR, "without a number");
    g_assert_cmpint(error_get_errno(error), ==, -1);
}

static void enum_table_lists_its_names(void)
{
    static const EnumName table[] = {{"a", 1}, {"b", 2}, {"c", 3}, {NULL}};
    g_autofree char *list = enum_list(table);
    int value = 0;

    g_assert_cmpstr(list, ==, "a, b or c");
    g_assert_true(enum_find(table, "b", &value));
    g_assert_cmpint(value, ==, 2);
    g_assert_null(enum_name(table, 9));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/base/error/keeps-code-and-domain", keeps_code_and_domain);
    g_test_add_func("/base/error/foreign-error-is-internal", foreign_error_is_internal);
    g_test_add_func("/base/error/errno-is-appended", errno_is_appended);
    g_test_add_func("/base/enum/table-lists-its-names", enum_table_lists_its_names);
    return g_test_run();
}
