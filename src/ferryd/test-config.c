/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ferryd/config.h"

#include <string.h>

#include "base/error.h"

static void test_rows(void)
{
    g_autoptr(Config) config = config_new();
    g_autoptr(GError) error = NULL;

    g_assert_true(config_parse(
        config,
        "# comment\n\nlisten_tcp = 1\nauth_tcp = \"none\"  # said aloud\ntcp_port=12345\n"
        "emulator_dirs = [ \"/a\", \"/b\" ]\nunix_sock_rw_perms = 0770\n",
        "t", &error));
    g_assert_no_error(error);
    g_assert_true(config->listen_tcp);
    g_assert_cmpint(config->tcp_port, ==, 12345);
    g_assert_cmpint(config->unix_sock_rw_perms, ==, 0770);
    g_assert_cmpstr(config->emulator_dirs[1], ==, "/b");
    g_assert_null(config->emulator_dirs[2]);
    g_assert_true(config_check(config, &error));
}

static void expect_refusal(const char *text, const char *words)
{
    g_autoptr(Config) config = config_new();
    g_autoptr(GError) error = NULL;

    g_assert_false(config_parse(config, text, "ferryd.conf", &error) &&
                   config_check(config, &error));
    g_assert_true(error_is(error, ERROR_CONF_SYNTAX));
    if (!strstr(error->message, words))
        g_error("'%s' does not say '%s'", error->message, words);
}

static void test_refusals(void)
{
    expect_refusal("\nlisten_tpc = 1\n", "ferryd.conf:2: unknown key 'listen_tpc'");
    expect_refusal("tcp_port = 70000", "ferryd.conf:1: 'tcp_port' is a number from 1 to 65535");
    expect_refusal("listen_tcp = maybe", "yes or no");
    expect_refusal("log_level = loud", "error warning info debug");
    expect_refusal("user = \"x", "quotes");
    expect_refusal("just words", "key = value");
    expect_refusal("listen_tcp = yes", "auth_tcp is not set");
    expect_refusal("migration_port_min = 50000", "above");
    expect_refusal("network_map = default", "NAME=BRIDGE");
    expect_refusal("host_uuid = abc", "not a UUID");
    expect_refusal("migration_networks = 10.1.0.0/16 eth0", "has 'eth0', which is not a network");
    expect_refusal("lock_manager = sanlock", "lease_host_id or lease_dir is missing");
    expect_refusal("resolve = lease", "set lock_manager = sanlock");
    expect_refusal("lock_manager = lockd", "one of: none sanlock");
    expect_refusal("lease_host_id = 2001", "from 0 to 2000");
    expect_refusal("migration_networks_only = yes", "migration_networks names none");
}

static void test_template(void)
{
    g_autofree char *text = config_template();
    g_autoptr(GString) open = g_string_new(NULL);
    g_autoptr(Config) config = config_new();
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    unsigned count = 0;

    for (char **line = lines; *line; line++)
        if (**line == '#' && g_ascii_islower((*line)[1])) {
            g_string_append_printf(open, "%s\n", *line + 1);
            count++;
        }
    g_assert_cmpuint(count, >, 20);
    g_assert_true(config_parse(config, open->str, "template", &error));
    g_assert_no_error(error);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ferryd/config/rows-are-read", test_rows);
    g_test_add_func("/ferryd/config/refusals-name-line-and-remedy", test_refusals);
    g_test_add_func("/ferryd/config/template-can-be-read-back", test_template);
    return g_test_run();
}
