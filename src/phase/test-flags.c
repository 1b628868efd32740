/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "phase/flags.h"

static void every_bit_has_a_name(void)
{
    for (int bit = 0; bit < 32; bit++) {
        gboolean is_known = (MIGRATE_FLAGS_KNOWN >> bit) & 1;

        g_assert_true((enum_name(migrate_flag_names, (int)(1u << bit)) != NULL) == is_known);
    }
}

static void what_is_not_served_is_refused_by_name(void)
{
    g_autoptr(GError) unknown = NULL, tls = NULL, both = NULL, streams = NULL;
    const uint64_t alone = MIGRATE_TUNNELLED | MIGRATE_PARALLEL | MIGRATE_POSTCOPY | MIGRATE_PAUSED | MIGRATE_OFFLINE;

    g_assert_true(migrate_flags_check((MIGRATE_FLAGS_SERVED & ~alone) | MIGRATE_PAUSED, "f", NULL));
    for (unsigned bit = 0; bit < 21; bit++)
        if (alone & 1u << bit)
            g_assert_true(migrate_flags_check((MIGRATE_FLAGS_SERVED & ~alone) | 1u << bit, "f", NULL));
    g_assert_false(migrate_flags_check(1u << 21 | MIGRATE_LIVE, "f", &unknown));
    g_assert_cmpstr(unknown->message, ==, "unsupported flags (0x200000) in function f");
    g_assert_true(error_is(unknown, ERROR_INVALID_ARG));
    g_assert_false(migrate_flags_check(MIGRATE_LIVE | MIGRATE_TLS, "f", &tls));
    g_assert_cmpstr(
        tls->message, ==,
        "argument unsupported: migration flag VIR_MIGRATE_TLS is not served by this host yet");
    g_assert_false(migrate_flags_check(MIGRATE_LIVE | MIGRATE_POSTCOPY | MIGRATE_PARALLEL, "f", &streams));
    g_assert_true(g_str_has_prefix(streams->message, "argument unsupported: post-copy migration is not supported with parallel"));
    g_assert_false(
        migrate_flags_check(MIGRATE_NON_SHARED_DISK | MIGRATE_NON_SHARED_INC, "f", &both));
    g_assert_cmpstr(both->message, ==,
                    "Flags 'VIR_MIGRATE_NON_SHARED_DISK' and 'VIR_MIGRATE_NON_SHARED_INC' are "
                    "mutually exclusive");
}

static void flags_that_need_each_other(void)
{
    static const struct {
        uint64_t flags;
        const char *text; /* NULL: fine */
    } cases[] = {
        {0, NULL},
        {MIGRATE_TUNNELLED, "cannot perform tunnelled migration without using peer2peer flag"},
        {MIGRATE_TUNNELLED | MIGRATE_PEER2PEER, NULL},
        {MIGRATE_TUNNELLED | MIGRATE_PEER2PEER | MIGRATE_PARALLEL,
         "Flags 'VIR_MIGRATE_TUNNELLED' and 'VIR_MIGRATE_PARALLEL' are mutually exclusive"},
        {MIGRATE_POSTCOPY, "argument unsupported: post-copy migration is not supported with "
                           "non-live or paused migration"},
        {MIGRATE_POSTCOPY | MIGRATE_LIVE, NULL},
        {MIGRATE_POSTCOPY | MIGRATE_LIVE | MIGRATE_PAUSED,
         "argument unsupported: post-copy migration is not supported with non-live or paused "
         "migration"},
        {MIGRATE_OFFLINE, "Requested operation is not valid: offline migration must be specified "
                          "with the persistent flag set"},
        {MIGRATE_OFFLINE | MIGRATE_PERSIST_DEST, NULL},
        {MIGRATE_ZEROCOPY,
         "Requested operation is not valid: zero-copy is only available for parallel migration"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_true(migrate_flags_check_known(cases[i].flags, "f", &error) == !cases[i].text);
        g_assert_cmpstr(error ? error->message : NULL, ==, cases[i].text);
    }
}

static void parameters_are_checked_before_anything_is_touched(void)
{
    g_autoptr(Params) params = params_new();
    g_autoptr(GError) not_served = NULL, tunnelled = NULL, speed = NULL, scheme = NULL;

    g_assert_true(migrate_params_check(NULL, 0, NULL));
    params_add_ullong(params, "bandwidth", 8796093022207);
    params_add_string(params, "destination_name", "x");
    g_assert_true(migrate_params_check(params, 0, NULL));
    params_add_string(params, "migrate_uri", "tcp://h:1");
    g_assert_true(migrate_params_check(params, MIGRATE_PEER2PEER, NULL));
    g_assert_false(migrate_params_check(params, MIGRATE_PEER2PEER | MIGRATE_TUNNELLED, &tunnelled));
    g_assert_cmpstr(tunnelled->message, ==,
                    "argument unsupported: migration URI is not supported by tunnelled migration");
    params_add_string(params, "migrate_disks", "vda");
    g_assert_false(migrate_params_check(params, 0, &not_served));
    g_assert_cmpstr(
        not_served->message, ==,
        "argument unsupported: migration parameter 'migrate_disks' is not served by this host yet");
    params_remove(params, "migrate_disks");
    params_remove(params, "bandwidth");
    params_add_ullong(params, "bandwidth", 8796093022208);
    g_assert_false(migrate_params_check(params, 0, &speed));
    g_assert_cmpstr(speed->message, ==,
                    "numerical overflow: bandwidth must be less than 8796093022208");
    params_remove(params, "bandwidth");
    params_remove(params, "migrate_uri");
    params_add_string(params, "migrate_uri", "10.77.0.2");
    g_assert_false(migrate_params_check(params, 0, &scheme));
    g_assert_cmpstr(scheme->message, ==,
                    "invalid argument: missing scheme in migration URI: 10.77.0.2");
}

static void connections_need_parallel_and_a_sane_number(void)
{
    static const struct {
        int32_t count;
        uint64_t flags;
        const char *text; /* NULL: fine */
    } cases[] = {
        {1, MIGRATE_PARALLEL, NULL},
        {255, MIGRATE_PARALLEL, NULL},
        {2, 0, "Turn parallel migration on to tune it"},
        {0, MIGRATE_PARALLEL, "expects a value between 1 and 255"},
        {256, MIGRATE_PARALLEL, "expects a value between 1 and 255"},
        {-1, MIGRATE_PARALLEL, "expects a value between 1 and 255"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Params) params = params_new();
        g_autoptr(GError) error = NULL;

        params_add_int(params, "parallel.connections", cases[i].count);
        g_assert_true(migrate_params_check(params, cases[i].flags, &error) == !cases[i].text);
        g_assert_true(!error || g_str_has_suffix(error->message, cases[i].text));
    }
}

static void the_destination_sees_its_flags(void)
{
    g_assert_cmphex(migrate_flags_for_destination(0x23b09), ==, 0x20a09);
}

static void each_phase_gets_its_parameters(void)
{
    g_autoptr(Params) user = params_new();
    g_autoptr(Params) prepare = NULL, perform = NULL, finish = NULL, direct = NULL;

    params_add_string(user, "destination_xml", "<theirs/>");
    params_add_string(user, "persistent_xml", "<domain/>");
    params_add_ullong(user, "bandwidth", 7);
    prepare = migrate_params_for_prepare(user, MIGRATE_BY_SOURCE, "<begin/>");
    g_assert_cmpstr(params_get_string(prepare, "destination_xml"), ==, "<begin/>");
    g_assert_null(params_find(prepare, "persistent_xml"));
    g_assert_cmpuint(params_get_ullong(prepare, "bandwidth", 0), ==, 7);
    direct = migrate_params_for_prepare(user, MIGRATE_BY_CLIENT, "<begin/>");
    g_assert_nonnull(params_find(direct, "persistent_xml"));
    perform = migrate_params_for_perform(user, "tcp:h:1");
    g_assert_cmpstr(params_get_string(perform, "migrate_uri"), ==, "tcp:h:1");
    g_assert_cmpstr(params_get_string(perform, "destination_xml"), ==, "<theirs/>");
    finish = migrate_params_for_finish(user, MIGRATE_BY_CLIENT, "guest", "tcp:h:1");
    g_assert_cmpstr(params_get_string(finish, "destination_name"), ==, "guest");
    g_assert_null(params_find(finish, "destination_xml"));
}

static void a_tunnel_takes_what_fits_into_one_stream(void)
{
    const uint64_t flags = MIGRATE_LIVE | MIGRATE_PERSIST_DEST | MIGRATE_PARALLEL | MIGRATE_ZEROCOPY | MIGRATE_POSTCOPY;
    g_autoptr(Params) params = params_new();
    g_autoptr(Params) fitting = NULL;
    g_autoptr(Params) nothing = migrate_params_for_tunnel(NULL);
    g_autoptr(GError) error = NULL;
    uint64_t tunnelled = migrate_flags_for_tunnel(flags);

    g_assert_cmphex(tunnelled, ==, MIGRATE_LIVE | MIGRATE_PERSIST_DEST | MIGRATE_PEER2PEER | MIGRATE_TUNNELLED);
    params_add_string(params, MIGRATE_PARAM_LISTEN_ADDRESS, "192.0.2.2");
    params_add_string(params, MIGRATE_PARAM_URI, "tcp://192.0.2.2");
    params_add_int(params, "parallel.connections", 4);
    params_add_ullong(params, MIGRATE_PARAM_BANDWIDTH, 7);
    fitting = migrate_params_for_tunnel(params);
    g_assert_cmpuint(fitting->count, ==, 1);
    g_assert_cmpuint(params_get_ullong(fitting, MIGRATE_PARAM_BANDWIDTH, 0), ==, 7);
    g_assert_cmpuint(nothing->count, ==, 0);
    g_assert_true(migrate_flags_check(tunnelled, "f", &error) && migrate_params_check(fitting, tunnelled, &error));
    g_assert_null(migrate_tunnel_refusal(flags));
    g_assert_nonnull(migrate_tunnel_refusal(flags | MIGRATE_NON_SHARED_INC));
    g_assert_nonnull(migrate_tunnel_refusal(flags | MIGRATE_TLS));
}

static void what_is_remembered_comes_back_and_no_secret_is(void)
{
    g_autoptr(Params) params = params_new();
    g_autofree char *nothing = migrate_params_remember(NULL), *line = NULL;
    g_autoptr(Params) back = NULL, none = migrate_params_recall("");

    g_assert_cmpstr(nothing, ==, "");
    g_assert_cmpuint(none->count, ==, 0);
    params_add_string(params, MIGRATE_PARAM_URI, "tcp://[2001:db8::1]:49200 =%");
    params_add_ullong(params, MIGRATE_PARAM_BANDWIDTH, G_MAXUINT64);
    params_add_int(params, MIGRATE_PARAM_CONNECTIONS, 4);
    line = migrate_params_remember(params);
    back = migrate_params_recall(line);
    g_assert_cmpuint(back->count, ==, 3);
    g_assert_cmpstr(params_get_string(back, MIGRATE_PARAM_URI), ==, "tcp://[2001:db8::1]:49200 =%");
    g_assert_cmpuint(params_get_ullong(back, MIGRATE_PARAM_BANDWIDTH, 0), ==, G_MAXUINT64);
    g_assert_cmpint(params_get_int(back, MIGRATE_PARAM_CONNECTIONS, 0), ==, 4);
    params_add_string(params, MIGRATE_PARAM_DEST_XML, "<domain/>");
    g_assert_null(migrate_params_remember(params));
    g_assert_null(migrate_params_recall("no-such-name=1"));
    g_assert_null(migrate_params_recall("bandwidth"));
    g_assert_null(migrate_params_recall("bandwidth=many"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/phase/flags/a-tunnel-takes-what-fits-into-one-stream", a_tunnel_takes_what_fits_into_one_stream);
    g_test_add_func("/phase/flags/what-is-remembered-comes-back", what_is_remembered_comes_back_and_no_secret_is);
    g_test_add_func("/phase/flags/every-bit-has-a-name", every_bit_has_a_name);
    g_test_add_func("/phase/flags/what-is-not-served-is-refused-by-name",
                    what_is_not_served_is_refused_by_name);
    g_test_add_func("/phase/flags/flags-that-need-each-other", flags_that_need_each_other);
    g_test_add_func("/phase/flags/parameters-are-checked",
                    parameters_are_checked_before_anything_is_touched);
    g_test_add_func("/phase/flags/connections-need-parallel-and-a-sane-number",
                    connections_need_parallel_and_a_sane_number);
    g_test_add_func("/phase/flags/the-destination-sees-its-flags", the_destination_sees_its_flags);
    g_test_add_func("/phase/flags/each-phase-gets-its-parameters", each_phase_gets_its_parameters);
    return g_test_run();
}
