/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "migrate/acquaintance.h"

#include <string.h>

#include "base/error.h"

static void a_host_is_called_by_its_name(void)
{
    static const char *const rows[] = {"fedora2 qemu+ssh://root@fedora2/system", "fedora22 qemu+tcp://[2001:db8::22]/system", NULL};

    g_assert_true(acquaintance_set_uris(rows, NULL));
    g_assert_cmpstr(acquaintance_uri("fedora2"), ==, "qemu+ssh://root@fedora2/system");
    g_assert_cmpstr(acquaintance_uri("FEDORA22"), ==, "qemu+tcp://[2001:db8::22]/system");
    g_assert_null(acquaintance_uri("fedora"));
    g_assert_null(acquaintance_uri(""));
    g_assert_null(acquaintance_uri(NULL));
    g_assert_true(acquaintance_set_uris(NULL, NULL));
    g_assert_null(acquaintance_uri("fedora2"));
}

/* At the start of the daemon, not on the night when it is to call. */
static void what_could_not_be_called_is_refused(void)
{
    static const char *const wrong[] = {
        "",
        "fedora2",
        "fedora2 ",
        " qemu+tcp://fedora2/system",
        "fedora2 fedora2",
        "fedora2 qemu+tpc://fedora2/system",
        "fedora2 qemu+tcp://fedora2:99999/system",
        "fedora2 qemu+tcp://fedora2/system qemu+tcp://fedora3/system",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        const char *const rows[] = {wrong[i], NULL};
        g_autoptr(GError) error = NULL;

        if (acquaintance_set_uris(rows, &error))
            g_error("'%s' was taken", wrong[i]);
        g_assert_true(error_is(error, ERROR_CONF_SYNTAX));
        g_assert_nonnull(strstr(error->message, wrong[i]));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migrate/acquaintance/a-host-is-called-by-its-name", a_host_is_called_by_its_name);
    g_test_add_func("/migrate/acquaintance/what-could-not-be-called-is-refused", what_could_not_be_called_is_refused);
    return g_test_run();
}
