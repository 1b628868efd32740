/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/error.h"
#include "phase/cookie.h"

/* As two stock hosts sent them. */
static const char c1[] = "<qemu-migration>\n"
                         "  <name>g1</name>\n"
                         "  <uuid>64cf857b-dd6d-4d9a-820c-3ed9a0a84d9d</uuid>\n"
                         "  <hostname>fedora1</hostname>\n"
                         "  <hostuuid>00000001-1111-2222-3333-444444444441</hostuuid>\n"
                         "  <feature name='lockstate'/>\n"
                         "  <cpu mode='custom' match='exact' check='full'>\n"
                         "    <model fallback='forbid'>qemu64</model>\n"
                         "    <feature policy='require' name='hypervisor'/>\n"
                         "    <feature policy='require' name='lahf_lm'/>\n"
                         "  </cpu>\n"
                         "  <capabilities>\n"
                         "    <cap name='xbzrle' auto='no'/>\n"
                         "    <cap name='auto-converge' auto='no'/>\n"
                         "    <cap name='rdma-pin-all' auto='no'/>\n"
                         "    <cap name='postcopy-ram' auto='no'/>\n"
                         "    <cap name='compress' auto='no'/>\n"
                         "    <cap name='pause-before-switchover' auto='yes'/>\n"
                         "    <cap name='late-block-activate' auto='no'/>\n"
                         "    <cap name='multifd' auto='no'/>\n"
                         "    <cap name='dirty-bitmaps' auto='no'/>\n"
                         "    <cap name='return-path' auto='no'/>\n"
                         "    <cap name='zero-copy-send' auto='no'/>\n"
                         "  </capabilities>\n"
                         "</qemu-migration>\n";

static const char c2[] = "<qemu-migration>\n"
                         "  <name>g1</name>\n"
                         "  <uuid>64cf857b-dd6d-4d9a-820c-3ed9a0a84d9d</uuid>\n"
                         "  <hostname>fedora2</hostname>\n"
                         "  <hostuuid>00000002-1111-2222-3333-444444444442</hostuuid>\n"
                         "  <graphics type='spice' port='5900' listen='127.0.0.1' tlsPort='-1'/>\n"
                         "  <nbd port='49153'>\n"
                         "    <disk target='vda' capacity='268435456'/>\n"
                         "  </nbd>\n"
                         "  <capabilities>\n"
                         "    <cap name='xbzrle' auto='no'/>\n"
                         "    <cap name='late-block-activate' auto='yes'/>\n"
                         "  </capabilities>\n"
                         "  <blockDirtyBitmaps>\n"
                         "    <disk target='vda'>\n"
                         "      <bitmap name='c1' alias='libvirt-vda-c1'/>\n"
                         "    </disk>\n"
                         "  </blockDirtyBitmaps>\n"
                         "</qemu-migration>\n";

static const char c4[] = "<qemu-migration>\n"
                         "  <name>g1</name>\n"
                         "  <uuid>64cf857b-dd6d-4d9a-820c-3ed9a0a84d9d</uuid>\n"
                         "  <hostname>fedora2</hostname>\n"
                         "  <hostuuid>00000002-1111-2222-3333-444444444442</hostuuid>\n"
                         "  <statistics>\n"
                         "    <started>1795374226582</started>\n"
                         "    <stopped>1795374227337</stopped>\n"
                         "    <sent>1795374227385</sent>\n"
                         "    <delta>2</delta>\n"
                         "    <time_elapsed>810</time_elapsed>\n"
                         "    <downtime>55</downtime>\n"
                         "    <setup_time>1</setup_time>\n"
                         "    <memory_total>268967936</memory_total>\n"
                         "    <memory_processed>95677447</memory_processed>\n"
                         "    <memory_remaining>0</memory_remaining>\n"
                         "    <memory_bps>247012177</memory_bps>\n"
                         "    <memory_constant>42492</memory_constant>\n"
                         "    <memory_normal>23220</memory_normal>\n"
                         "    <memory_normal_bytes>95109120</memory_normal_bytes>\n"
                         "    <memory_dirty_rate>0</memory_dirty_rate>\n"
                         "    <memory_iteration>3</memory_iteration>\n"
                         "    <memory_postcopy_requests>0</memory_postcopy_requests>\n"
                         "    <memory_page_size>4096</memory_page_size>\n"
                         "    <disk_total>0</disk_total>\n"
                         "    <disk_processed>0</disk_processed>\n"
                         "    <disk_remaining>0</disk_remaining>\n"
                         "    <disk_bps>0</disk_bps>\n"
                         "    <auto_converge_throttle>0</auto_converge_throttle>\n"
                         "  </statistics>\n"
                         "</qemu-migration>\n";

static MigrationCookie *parse(const char *text, CookieReader reader, GError **error)
{
    return cookie_parse(text, strlen(text) + 1, reader, error);
}

static char *again(const MigrationCookie *cookie)
{
    g_autoptr(GBytes) bytes = cookie_format(cookie, NULL);

    g_assert_nonnull(bytes);
    return g_strdup(g_bytes_get_data(bytes, NULL));
}

static void captured_cookies_come_back_to_the_byte(void)
{
    static const struct {
        const char *text;
        CookieReader reader;
    } cases[] = {{c1, COOKIE_FOR_PREPARE}, {c2, COOKIE_FOR_PERFORM}, {c4, COOKIE_FOR_CONFIRM}};

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(MigrationCookie) cookie = parse(cases[i].text, cases[i].reader, &error);
        g_autofree char *text = NULL;

        g_assert_no_error(error);
        text = again(cookie);
        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

static void a_c1_is_built_from_values(void)
{
    g_autoptr(MigrationCookie) cookie = NULL;
    g_autofree char *text = NULL;
    static const char *const capabilities[] = {"xbzrle",
                                               "auto-converge",
                                               "rdma-pin-all",
                                               "postcopy-ram",
                                               "compress",
                                               "pause-before-switchover",
                                               "late-block-activate",
                                               "multifd",
                                               "dirty-bitmaps",
                                               "return-path",
                                               "zero-copy-send"};
    Uuid uuid, host;

    g_assert_true(uuid_parse("64cf857b-dd6d-4d9a-820c-3ed9a0a84d9d", &uuid));
    g_assert_true(uuid_parse("00000001-1111-2222-3333-444444444441", &host));
    cookie = cookie_new("g1", &uuid, "fedora1", &host);
    cookie->features = COOKIE_LOCKSTATE;
    cookie->cpu_xml = g_strdup("<cpu mode='custom' match='exact' check='full'>\n  <model "
                               "fallback='forbid'>qemu64</model>\n"
                               "  <feature policy='require' name='hypervisor'/>\n"
                               "  <feature policy='require' name='lahf_lm'/>\n</cpu>\n");
    for (size_t i = 0; i < G_N_ELEMENTS(capabilities); i++)
        cookie_add_capability(cookie, capabilities[i],
                              g_str_equal(capabilities[i], "pause-before-switchover"));
    text = again(cookie);
    g_assert_cmpstr(text, ==, c1);
}

static void our_own_section_comes_back(void)
{
    g_autoptr(MigrationCookie) cookie = parse(c1, COOKIE_FOR_PREPARE, NULL);
    g_autoptr(MigrationCookie) back = NULL;
    g_autofree char *text = NULL;
    CookieFerry *ferry = cookie_ferry(cookie);

    g_strlcpy(ferry->attempt, "00112233445566778899aabbccddeeff", sizeof ferry->attempt);
    ferry->epoch = 7;
    ferry->has_token = TRUE;
    memset(ferry->token, 0xab, sizeof ferry->token);
    ferry->word = COOKIE_WORD_OFFERED;
    ferry->wants_paused = TRUE;
    ferry->definition = g_strdup("<domain type='kvm'>\n  <name>a&amp;b</name>\n</domain>\n");
    text = again(cookie);
    back = parse(text, COOKIE_FOR_PREPARE, NULL);
    g_assert_nonnull(back);
    g_assert_cmpstr(back->ferry->attempt, ==, ferry->attempt);
    g_assert_cmpuint(back->ferry->epoch, ==, 7);
    g_assert_cmpmem(back->ferry->token, COOKIE_TOKEN_BYTES, ferry->token, COOKIE_TOKEN_BYTES);
    g_assert_cmpint(back->ferry->word, ==, COOKIE_WORD_OFFERED);
    g_assert_true(back->ferry->wants_paused);
    g_assert_cmpstr(back->ferry->definition, ==, ferry->definition);
    g_assert_true(uuid_equal(&back->ferry->uuid, &cookie->uuid));
    g_assert_cmpuint(back->ferry->port, ==, 0);
    g_assert_cmpuint(back->ferry->addresses->len, ==, 0);
}

/* In the place of the closing tag of c1. */
static MigrationCookie *parse_with(const char *more, CookieReader reader, GError **error)
{
    g_autofree char *text = g_strdup_printf(
        "%.*s%s</qemu-migration>", (int)(strlen(c1) - strlen("</qemu-migration>\n")), c1, more);

    return parse(text, reader, error);
}

#define OUR_OWN                                                                                    \
    "<ferry version='1' uuid='64cf857b-dd6d-4d9a-820c-3ed9a0a84d9d' "                              \
    "attempt='00112233445566778899aabbccddeeff' epoch='1'>"

static const CookieAddress *address_of(const MigrationCookie *cookie, guint index)
{
    g_assert_cmpuint(cookie->ferry->addresses->len, >, index);
    return cookie->ferry->addresses->pdata[index];
}

static void addresses_come_back_in_their_order(void)
{
    static const CookieAddress given[] = {
        {(char *)"192.0.2.1", (char *)"migration_networks 192.0.2.0/24"},
        {(char *)"2001:db8::1", (char *)"host name 'häst' <&>"},
        {(char *)"fe80::1%eth0", (char *)"interface eth0"},
    };
    g_autoptr(MigrationCookie) cookie = parse(c1, COOKIE_FOR_PREPARE, NULL);
    g_autoptr(MigrationCookie) back = NULL;
    g_autofree char *text = NULL;
    CookieFerry *ferry = cookie_ferry(cookie);

    g_strlcpy(ferry->attempt, "00112233445566778899aabbccddeeff", sizeof ferry->attempt);
    ferry->port = 49152;
    ferry->definition = g_strdup("<domain/>");
    for (size_t i = 0; i < G_N_ELEMENTS(given); i++)
        g_assert_true(cookie_add_address(ferry, given[i].literal, given[i].origin));
    text = again(cookie);
    g_assert_nonnull(strstr(text, "    <reach port='49152'>\n"
                                  "      <address origin='migration_networks 192.0.2.0/24'>"
                                  "192.0.2.1</address>\n"));
    back = parse(text, COOKIE_FOR_PREPARE, NULL);
    g_assert_nonnull(back);
    g_assert_cmpuint(back->ferry->port, ==, 49152);
    g_assert_cmpstr(back->ferry->definition, ==, "<domain/>");
    g_assert_cmpuint(back->ferry->addresses->len, ==, G_N_ELEMENTS(given));
    for (guint i = 0; i < G_N_ELEMENTS(given); i++) {
        g_assert_cmpstr(address_of(back, i)->literal, ==, given[i].literal);
        g_assert_cmpstr(address_of(back, i)->origin, ==, given[i].origin);
    }
}

static void more_addresses_than_we_keep_are_left_out(void)
{
    g_autoptr(GString) more = g_string_new(OUR_OWN "<reach port='1' later='x'><news/>");
    g_autoptr(MigrationCookie) cookie = NULL;

    for (int i = 0; i < 3 * COOKIE_ADDRESSES_MAX; i++)
        g_string_append_printf(more, "<address origin='x' later='y'>10.0.0.%d<b/></address>", i);
    g_string_append(more, "</reach></ferry>");
    cookie = parse_with(more->str, COOKIE_FOR_PERFORM, NULL);
    g_assert_null(cookie); /* its mandatory lockstate is not for this reader */
    cookie = parse_with(more->str, COOKIE_FOR_PREPARE, NULL);
    g_assert_nonnull(cookie);
    g_assert_cmpuint(cookie->ferry->addresses->len, ==, COOKIE_ADDRESSES_MAX);
    g_assert_cmpstr(address_of(cookie, COOKIE_ADDRESSES_MAX - 1)->literal, ==, "10.0.0.31");
    g_assert_false(cookie_add_address(cookie->ferry, "10.0.0.99", "x"));
}

static void what_a_reader_would_refuse_is_not_written(void)
{
    g_autofree char *longest = g_strnfill(COOKIE_LITERAL_MAX, '1');
    g_autofree char *longer = g_strnfill(COOKIE_LITERAL_MAX + 1, '1');
    g_autofree char *origin = g_strnfill(COOKIE_ORIGIN_MAX, 'x');
    g_autofree char *too_much = g_strnfill(COOKIE_ORIGIN_MAX + 1, 'x');

    g_assert_true(cookie_address_is_fit(longest, origin));
    g_assert_false(cookie_address_is_fit(longer, "x"));
    g_assert_false(cookie_address_is_fit("10.0.0.1", too_much));
    g_assert_false(cookie_address_is_fit("", "x"));
    g_assert_false(cookie_address_is_fit("10.0.0.1", ""));
    g_assert_false(cookie_address_is_fit("10.0.0.1 ", "x"));
    g_assert_false(cookie_address_is_fit("10.0.0.1", "two\nlines"));
    g_assert_false(cookie_address_is_fit("10.0.0.1", "\x1b[2J"));
    g_assert_false(cookie_address_is_fit("10.0.0.1", "\xff"));
}

static void what_is_unknown_is_skipped(void)
{
    g_autoptr(MigrationCookie) cookie =
        parse_with("<news a='1'><b/></news><ferry version='1' "
                   "attempt='00112233445566778899aabbccddeeff' epoch='1' "
                   "uuid='64cf857b-dd6d-4d9a-820c-3ed9a0a84d9d' later='x'/>",
                   COOKIE_FOR_PREPARE, NULL);

    g_assert_nonnull(cookie);
    g_assert_false(cookie->ferry->has_token);
    g_assert_cmpint(cookie->ferry->word, ==, COOKIE_WORD_NONE);
    g_assert_null(cookie->ferry->definition);
}

static void what_is_wrong_is_refused_in_stock_words(void)
{
#define LONG            "0123456789abcdef0123456789abcdef"
#define MALFORMED_REACH "internal error: malformed reach element in migration data"
#define FERRY           "<ferry version='1' uuid='64cf857b-dd6d-4d9a-820c-3ed9a0a84d9d' "
    static const struct {
        const char *more, *message;
    } cases[] = {
        {"<feature name='ferry'/>", "internal error: Unknown migration cookie feature ferry"},
        {"<feature name='graphics'/>",
         "internal error: Unsupported migration cookie feature graphics"},
        {"<statistics><sent>-1</sent></statistics>",
         "internal error: malformed sent in migration statistics"},
        {"<graphics type='spice' port='70000' listen='x'/>",
         "internal error: malformed graphics element in migration data"},
        {"<nbd port='70000'/>", "internal error: malformed nbd element in migration data"},
        {"<lockstate/>", "internal error: malformed lockstate element in migration data"},
        {"<ferry version='2'/>",
         "internal error: the other host speaks version 2 of the hand-over, this one version 1"},
        {FERRY "attempt='0' epoch='1'/>",
         "internal error: malformed ferry element in migration data"},
        {FERRY "attempt='00112233445566778899aabbccddeeff'/>",
         "internal error: malformed ferry element in migration data"},
        {FERRY "attempt='00112233445566778899aabbccddeeff' epoch='1' token='12'/>",
         "internal error: malformed ferry element in migration data"},
        {FERRY "attempt='00112233445566778899aabbccddeeff' epoch='1' word='PERHAPS'/>",
         "internal error: malformed ferry element in migration data"},
        {OUR_OWN "<reach port='65536'/></ferry>", MALFORMED_REACH},
        {OUR_OWN "<reach port='-1'/></ferry>", MALFORMED_REACH},
        {OUR_OWN "<reach port=''/></ferry>", MALFORMED_REACH},
        {OUR_OWN "<reach><address>10.0.0.1</address></reach></ferry>", MALFORMED_REACH},
        {OUR_OWN "<reach><address origin='x'/></reach></ferry>", MALFORMED_REACH},
        {OUR_OWN "<reach><address origin='x'> 10.0.0.1</address></reach></ferry>", MALFORMED_REACH},
        {OUR_OWN "<reach><address origin='a&#10;b'>10.0.0.1</address></reach></ferry>",
         MALFORMED_REACH},
        {OUR_OWN "<reach><address origin='a&#x9b;b'>10.0.0.1</address></reach></ferry>",
         MALFORMED_REACH},
        {OUR_OWN "<reach><address origin='x'>" LONG LONG "1</address></reach></ferry>",
         MALFORMED_REACH},
        {OUR_OWN "<reach><address origin='" LONG LONG LONG LONG
                 "1'>10.0.0.1</address></reach></ferry>",
         MALFORMED_REACH},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(parse_with(cases[i].more, COOKIE_FOR_PREPARE, &error));
        g_assert_cmpstr(error->message, ==, cases[i].message);
    }
}

static void who_sent_it_must_be_named(void)
{
    static const char *const names[] = {"name", "uuid", "hostname", "hostuuid"};

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *open = g_strdup_printf("<%s>", names[i]);
        g_autofree char *shut = g_strdup_printf("</%s>", names[i]);
        g_auto(GStrv) parts = g_strsplit(c1, open, 2);
        g_auto(GStrv) rest = g_strsplit(parts[1], shut, 2);
        g_autofree char *text = g_strconcat(parts[0], rest[1], NULL);
        g_autofree char *message =
            g_strdup_printf("internal error: missing %s element in migration data", names[i]);
        g_autoptr(GError) error = NULL;

        g_assert_null(parse(text, COOKIE_FOR_PREPARE, &error));
        g_assert_cmpstr(error->message, ==, message);
    }
}

static void a_cookie_cut_anywhere_is_an_error(void)
{
    g_autoptr(GError) no_nul = NULL;

    for (size_t len = 0; len < strlen(c1); len++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = g_strndup(c1, len);

        if (len == strlen(c1) - 1) /* only the last line break is missing */
            continue;
        g_assert_null(cookie_parse(text, len + 1, COOKIE_FOR_PREPARE, &error));
        g_assert_nonnull(error);
    }
    g_assert_null(cookie_parse(c1, strlen(c1), COOKIE_FOR_PREPARE, &no_nul));
    g_assert_cmpstr(no_nul->message, ==,
                    "internal error: Migration cookie was not NULL terminated");
}

static void the_right_guest_from_another_host(void)
{
    g_autoptr(MigrationCookie) cookie = parse(c1, COOKIE_FOR_PREPARE, NULL);
    g_autoptr(GError) name = NULL, uuid_error = NULL, host = NULL, lock = NULL;
    Uuid uuid = cookie->uuid, here = cookie->host_uuid, other = cookie->uuid;

    here.bytes[15] ^= 1;
    other.bytes[0] ^= 1;
    g_assert_true(cookie_check(cookie, "g1", &uuid, &here, NULL));
    g_assert_false(cookie_check(cookie, "g2", &uuid, &here, &name));
    g_assert_cmpstr(name->message, ==,
                    "internal error: Incoming cookie data had unexpected name g1 vs g2");
    g_assert_false(cookie_check(cookie, "g1", &other, &here, &uuid_error));
    g_assert_cmpstr(uuid_error->message, ==,
                    "internal error: Incoming cookie data had unexpected UUID "
                    "64cf857b-dd6d-4d9a-820c-3ed9a0a84d9d vs "
                    "65cf857b-dd6d-4d9a-820c-3ed9a0a84d9d");
    g_assert_false(cookie_check(cookie, "g1", &uuid, &cookie->host_uuid, &host));
    g_assert_cmpstr(host->message, ==,
                    "internal error: Attempt to migrate guest to the same host "
                    "00000001-1111-2222-3333-444444444441");
    g_assert_true(cookie_check_lock(cookie, NULL, NULL));
    cookie->lock_driver = g_strdup("sanlock");
    g_assert_false(cookie_check_lock(cookie, NULL, &lock));
    g_assert_cmpstr(lock->message, ==,
                    "internal error: Source host lock driver sanlock different from target none");
}

static void an_error_of_finish_is_handed_on(void)
{
    g_autoptr(MigrationCookie) cookie = parse(c2, COOKIE_FOR_PERFORM, NULL);
    g_autoptr(MigrationCookie) told = NULL;
    g_autoptr(GBytes) stock = cookie_format(cookie, NULL);
    g_autoptr(GBytes) ours = NULL, answer = NULL;
    size_t len;

    g_assert_null(cookie_hand_on(stock, COOKIE_WORD_REFUSED));
    g_assert_null(cookie_hand_on(NULL, COOKIE_WORD_REFUSED));
    g_strlcpy(cookie_ferry(cookie)->attempt, "00112233445566778899aabbccddeeff",
              COOKIE_ATTEMPT_SIZE);
    cookie->ferry->word = COOKIE_WORD_PREPARED;
    cookie->ferry->port = 49152;
    cookie_add_address(cookie->ferry, "10.0.0.1", "interface eth0");
    ours = cookie_format(cookie, NULL);
    answer = cookie_hand_on(ours, COOKIE_WORD_REFUSED);
    told = cookie_parse(g_bytes_get_data(answer, &len), g_bytes_get_size(answer),
                        COOKIE_FOR_CONFIRM, NULL);
    g_assert_cmpint(told->ferry->word, ==, COOKIE_WORD_REFUSED);
    g_assert_cmpstr(told->ferry->attempt, ==, "00112233445566778899aabbccddeeff");
    g_assert_cmpstr(told->hostname, ==, "fedora2");
    g_assert_false(told->has_capabilities);
    g_assert_cmpuint(told->ferry->port, ==, 0);
    g_assert_cmpuint(told->ferry->addresses->len, ==, 0);
}

static void a_persistent_definition_travels(void)
{
    g_autoptr(MigrationCookie) cookie = parse(c2, COOKIE_FOR_PERFORM, NULL);
    g_autoptr(MigrationCookie) back = NULL;
    g_autofree char *text = NULL;

    cookie->has_graphics = FALSE;
    cookie->features = COOKIE_PERSISTENT;
    cookie->domain_xml = g_strdup("<domain type='qemu'>\n  <description>two\n lines "
                                  "&lt;</description>\n  <metadata>\n    <a:x "
                                  "xmlns:a=\"u\"> y </a:x>\n  </metadata>\n</domain>\n");
    text = again(cookie);
    g_assert_nonnull(strstr(text, "  <feature name='persistent'/>\n  <domain type='qemu'>\n    "
                                  "<description>two\n lines &lt;</description>\n"));
    g_assert_nonnull(strstr(text, "<metadata>\n    <a:x xmlns:a=\"u\"> y </a:x>\n  </metadata>"));
    back = parse(text, COOKIE_FOR_FINISH, NULL);
    g_assert_true(g_str_has_prefix(back->domain_xml, "<domain type='qemu'>"));
    g_assert_true(g_str_has_suffix(back->domain_xml, "</domain>"));
}

static void proofs_travel(void)
{
    static const char line[] = "vda 1 00112233445566778899aabbccddeeff "
                               "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff "
                               "77 a%20b";
    g_autoptr(MigrationCookie) cookie = parse(c1, COOKIE_FOR_PREPARE, NULL);
    g_autoptr(MigrationCookie) back = NULL;
    g_autofree char *text = NULL, *same = NULL;
    CookieProof proof = {0};

    g_assert_false(cookie_proof_parse("vda 1 00 00 77 ", &proof));
    g_assert_true(cookie_proof_parse(line, &proof));
    g_assert_cmpstr(proof.serial, ==, "a b");
    g_array_append_val(cookie->proofs, proof);
    text = again(cookie);
    back = parse(text, COOKIE_FOR_PREPARE, NULL);
    g_assert_cmpuint(back->proofs->len, ==, 1);
    same = cookie_proof_format(&g_array_index(back->proofs, CookieProof, 0));
    g_assert_cmpstr(same, ==, line);
}

/* A stock destination knows no proofs, and the user has to read why it refuses. */
static void a_refused_feature_is_unsafe(void)
{
    g_autoptr(GError) error = error_new(ERROR_INTERNAL_ERROR,
                                        "internal error: Unknown migration cookie feature %s",
                                        enum_name(cookie_feature_names, COOKIE_STORAGE_PROOF));

    cookie_explain_refusal(&error);
    g_assert_true(error_is(error, ERROR_MIGRATE_UNSAFE));
    g_assert_true(g_str_has_prefix(
        error->message, "Unsafe migration: Migration without shared storage is unsafe: "));
    g_assert_nonnull(strstr(error->message, "--unsafe"));
}

static void every_value_has_a_name(void)
{
    for (unsigned bit = 0; bit < 13; bit++)
        g_assert_nonnull(enum_name(cookie_feature_names, 1 << bit));
    for (int word = COOKIE_WORD_OFFERED; word <= COOKIE_WORD_LOST; word++)
        g_assert_nonnull(enum_name(cookie_word_names, word));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/phase/cookie/captured-cookies-come-back-to-the-byte",
                    captured_cookies_come_back_to_the_byte);
    g_test_add_func("/phase/cookie/a-c1-is-built-from-values", a_c1_is_built_from_values);
    g_test_add_func("/phase/cookie/our-own-section-comes-back", our_own_section_comes_back);
    g_test_add_func("/phase/cookie/addresses-come-back-in-their-order",
                    addresses_come_back_in_their_order);
    g_test_add_func("/phase/cookie/more-addresses-than-we-keep-are-left-out",
                    more_addresses_than_we_keep_are_left_out);
    g_test_add_func("/phase/cookie/what-a-reader-would-refuse-is-not-written",
                    what_a_reader_would_refuse_is_not_written);
    g_test_add_func("/phase/cookie/what-is-unknown-is-skipped", what_is_unknown_is_skipped);
    g_test_add_func("/phase/cookie/what-is-wrong-is-refused-in-stock-words",
                    what_is_wrong_is_refused_in_stock_words);
    g_test_add_func("/phase/cookie/who-sent-it-must-be-named", who_sent_it_must_be_named);
    g_test_add_func("/phase/cookie/a-cookie-cut-anywhere-is-an-error",
                    a_cookie_cut_anywhere_is_an_error);
    g_test_add_func("/phase/cookie/the-right-guest-from-another-host",
                    the_right_guest_from_another_host);
    g_test_add_func("/phase/cookie/an-error-of-finish-is-handed-on",
                    an_error_of_finish_is_handed_on);
    g_test_add_func("/phase/cookie/a-persistent-definition-travels",
                    a_persistent_definition_travels);
    g_test_add_func("/phase/cookie/proofs-travel", proofs_travel);
    g_test_add_func("/phase/cookie/a-refused-feature-is-unsafe", a_refused_feature_is_unsafe);
    g_test_add_func("/phase/cookie/every-value-has-a-name", every_value_has_a_name);
    return g_test_run();
}
