/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "phase/uri.h"

static void a_port_is_added_in_the_form_given(void)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
        const char *with_port;
    } cases[] = {
        {"tcp://10.77.0.2", "10.77.0.2", 0, "tcp://10.77.0.2:49152"},
        {"tcp://10.77.0.2:0", "10.77.0.2", 0, "tcp://10.77.0.2:49152"},
        {"tcp://10.77.0.2:12345", "10.77.0.2", 12345, "tcp://10.77.0.2:49152"},
        {"tcp://10.77.0.2/path?x=y", "10.77.0.2", 0, "tcp://10.77.0.2:49152/path?x=y"},
        {"tcp:host", "host", 0, "tcp:host:49152"},
        {"tcp:host:65535", "host", 65535, "tcp:host:49152"},
        {"tcp://[fd77::2]:1", "fd77::2", 1, "tcp://[fd77::2]:49152"},
        {"tcp:[fe80::1%eth0]", "fe80::1%eth0", 0, "tcp:[fe80::1%eth0]:49152"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(MigrationUri) uri = migration_uri_parse(cases[i].text, NULL);
        g_autofree char *text = uri ? migration_uri_with_port(uri, 49152) : NULL;

        g_assert_nonnull(uri);
        g_assert_cmpstr(uri->host, ==, cases[i].host);
        g_assert_cmpuint(uri->port, ==, cases[i].port);
        g_assert_cmpstr(text, ==, cases[i].with_port);
    }
}

static void what_is_no_uri_is_refused_as_at_stock_hosts(void)
{
    static const struct {
        const char *text;
        ErrorCode code;
        const char *message;
    } cases[] = {
        {"10.77.0.2", ERROR_INVALID_ARG,
         "invalid argument: missing scheme in migration URI: 10.77.0.2"},
        {"", ERROR_INVALID_ARG, "invalid argument: missing scheme in migration URI: "},
        {"foo://h", ERROR_ARGUMENT_UNSUPPORTED,
         "argument unsupported: unsupported scheme foo in migration URI foo://h"},
        {"fd:3", ERROR_ARGUMENT_UNSUPPORTED,
         "argument unsupported: unsupported scheme fd in migration URI fd:3"},
        {"rdma://h", ERROR_ARGUMENT_UNSUPPORTED,
         "argument unsupported: unsupported scheme rdma in migration URI rdma://h"},
        {"tcp://", ERROR_INVALID_ARG, "invalid argument: missing host in migration URI: tcp://"},
        {"tcp:///", ERROR_INVALID_ARG, "invalid argument: missing host in migration URI: tcp:///"},
        {"tcp:", ERROR_INVALID_ARG, "invalid argument: missing host in migration URI: tcp:"},
        {"tcp://:49160", ERROR_INVALID_ARG,
         "invalid argument: missing host in migration URI: tcp://:49160"},
        {"tcp://h:abc", ERROR_INTERNAL_ERROR, "internal error: Unable to parse URI tcp://h:abc"},
        {"tcp://h:-1", ERROR_INTERNAL_ERROR, "internal error: Unable to parse URI tcp://h:-1"},
        {"tcp://[fe80::1", ERROR_INTERNAL_ERROR,
         "internal error: Unable to parse URI tcp://[fe80::1"},
        {"tcp://h:1:3", ERROR_INTERNAL_ERROR, "internal error: Unable to parse URI tcp://h:1:3"},
        {"tcp://u@h", ERROR_INTERNAL_ERROR, "internal error: Unable to parse URI tcp://u@h"},
        {"not a uri", ERROR_INTERNAL_ERROR, "internal error: Unable to parse URI not a uri"},
        {"tcp://h:99999", ERROR_INVALID_ARG,
         "invalid argument: port 99999 in migration URI tcp://h:99999 is above 65535"},
        {"tcp://h:99999999999999999999", ERROR_INTERNAL_ERROR,
         "internal error: Unable to parse URI tcp://h:99999999999999999999"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(migration_uri_parse(cases[i].text, &error));
        g_assert_cmpstr(error->message, ==, cases[i].message);
        g_assert_cmpint(error_code(error), ==, cases[i].code);
    }
}

static void a_destination_answers_the_short_form(void)
{
    g_autofree char *v4 = migration_uri_format("10.77.0.2", 49152);
    g_autofree char *v6 = migration_uri_format("fd77::2", 49153);

    g_assert_cmpstr(v4, ==, "tcp:10.77.0.2:49152");
    g_assert_cmpstr(v6, ==, "tcp:[fd77::2]:49153");
}

static void a_destination_that_knows_no_name_of_its_own_is_given_one(void)
{
    static const char said[] =
        "internal error: hostname on destination resolved to localhost, but migration requires an FQDN";
    g_autoptr(GError) missed = error_new(ERROR_INTERNAL_ERROR, said);
    g_autoptr(GError) alike = error_new(ERROR_OPERATION_FAILED, said);
    g_autoptr(GError) other = error_new(ERROR_INTERNAL_ERROR, "internal error: something else");
    g_autofree char *v4 = migration_uri_to("10.77.0.2");
    g_autofree char *v6 = migration_uri_to("fd77::2");

    g_assert_true(migration_uri_is_missed(missed));
    g_assert_false(migration_uri_is_missed(alike));
    g_assert_false(migration_uri_is_missed(other));
    g_assert_cmpstr(v4, ==, "tcp://10.77.0.2");
    g_assert_cmpstr(v6, ==, "tcp://[fd77::2]");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/phase/uri/a-port-is-added-in-the-form-given",
                    a_port_is_added_in_the_form_given);
    g_test_add_func("/phase/uri/what-is-no-uri-is-refused",
                    what_is_no_uri_is_refused_as_at_stock_hosts);
    g_test_add_func("/phase/uri/a-destination-answers-the-short-form",
                    a_destination_answers_the_short_form);
    g_test_add_func("/phase/uri/a-destination-that-knows-no-name-of-its-own-is-given-one",
                    a_destination_that_knows_no_name_of_its_own_is_given_one);
    return g_test_run();
}
