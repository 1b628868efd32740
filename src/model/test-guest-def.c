/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Definitions against what a stock host made of the same XML: testdata/NAME.in.xml is ours,
 * .out.xml what the stock host printed after define, .live.xml and .migratable.xml what it printed
 * of the guest while it ran. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "model/guest-def.h"

static void count_bytes(void *data, void *buffer, size_t len)
{
    uint8_t *next = data;

    for (size_t i = 0; i < len; i++)
        ((uint8_t *)buffer)[i] = (*next)++;
}

static const GuestMachineAlias aliases[] = {{"q35", "pc-q35-7.2"}, {"pc", "pc-i440fx-7.2"}, {NULL}};

static GuestFacts facts_of(uint8_t *random)
{
    return (GuestFacts){
        .emulator = "/usr/bin/qemu-system-x86_64",
        .machine_aliases = aliases,
        .random_bytes = count_bytes,
        .random_data = random,
    };
}

static char *load(const char *name, const char *kind)
{
    g_autofree char *file = g_strdup_printf("%s.%s.xml", name, kind);
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "testdata", file, NULL);
    g_autoptr(GError) error = NULL;
    char *text = file_read(path, 1 << 20, NULL, &error);

    g_assert_no_error(error);
    return text;
}

static GuestDef *parse(const char *xml, GuestParseFlags flags)
{
    g_autoptr(GError) error = NULL;
    GuestDef *def = guest_def_parse(xml, strlen(xml), flags, &error);

    g_assert_no_error(error);
    g_assert_nonnull(def);
    return def;
}

static void fill(GuestDef *def)
{
    g_autoptr(GError) error = NULL;
    uint8_t random = 0;
    GuestFacts facts = facts_of(&random);

    guest_def_fill_defaults(def, &facts, &error);
    g_assert_no_error(error);
}

/* g_assert_cmpstr prints both in full; the first differing line says more. */
static void assert_same_text(const char *name, const char *text, const char *expected)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1), wanted = g_strsplit(expected, "\n", -1);
    unsigned i = 0;

    while (lines[i] && wanted[i] && g_str_equal(lines[i], wanted[i]))
        i++;
    if (lines[i] || wanted[i])
        g_error("%s, line %u:\n  is    %s\n  wants %s", name, i + 1, lines[i] ?: "(end)",
                wanted[i] ?: "(end)");
}

static GuestDef *defined(const char *name)
{
    g_autofree char *xml = load(name, "in");
    GuestDef *def = parse(xml, GUEST_PARSE_INACTIVE);

    fill(def);
    return def;
}

static void test_define_prints_what_stock_prints(gconstpointer data)
{
    g_autofree char *expected = load(data, "out"), *text = NULL, *again = NULL, *copied = NULL;
    g_autoptr(GuestDef) def = defined(data), second = NULL, copy = NULL;

    text = guest_def_format(def, GUEST_FORMAT_INACTIVE);
    assert_same_text(data, text, expected);

    second = parse(text, GUEST_PARSE_INACTIVE);
    fill(second);
    again = guest_def_format(second, GUEST_FORMAT_INACTIVE);
    assert_same_text("filled twice", again, text);

    copy = guest_def_copy(def);
    copied = guest_def_format(copy, GUEST_FORMAT_LIVE);
    g_clear_pointer(&text, g_free);
    text = guest_def_format(def, GUEST_FORMAT_LIVE);
    assert_same_text("copied", copied, text);
    g_assert_true(guest_def_compare_abi(def, copy, NULL));
}

/* Lines of text that hold a word, or that hold none of two. */
static char *keep_lines(const char *text, const char *with, const char *without,
                        const char *without_too)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    GString *kept = g_string_new(NULL);

    for (unsigned i = 0; lines[i]; i++)
        if ((!with || strstr(lines[i], with)) && (!without || !strstr(lines[i], without)) &&
            (!without_too || !strstr(lines[i], without_too)))
            g_string_append_printf(kept, "%s\n", lines[i]);
    return g_string_free(kept, FALSE);
}

/* What labels a stock host gave its run says nothing to us; all else of its live XML is understood
 * and kept. */
static void test_live_xml_of_stock_survives(gconstpointer data)
{
    g_autofree char *stock = load(data, "live"), *wanted = keep_lines(stock, NULL, "label", NULL);
    g_autoptr(GuestDef) def = parse(stock, GUEST_PARSE_LIVE);
    g_autofree char *text = guest_def_format(def, GUEST_FORMAT_LIVE),
                    *got = keep_lines(text, NULL, "label", NULL);

    assert_same_text(data, got, wanted);
}

static void test_live_parts_are_left_out_of_the_rest(gconstpointer data)
{
    g_autofree char *stock = load(data, "live"), *out = load(data, "out"), *text = NULL,
                    *got = NULL, *wanted = NULL;
    g_autoptr(GuestDef) def = parse(stock, GUEST_PARSE_INACTIVE);

    def->partition = (g_free(def->partition), NULL);
    text = guest_def_format(def, GUEST_FORMAT_INACTIVE);
    got = keep_lines(text, NULL, "label", NULL);
    wanted = keep_lines(out, NULL, "label", NULL);
    if (!strstr(stock,
                "backingStore")) /* a chain that was found out is kept: the image says the same */
        assert_same_text(data, got, wanted);
    g_assert_null(strstr(text, "alias name='net"));
    g_assert_null(strstr(text, "/dev/pts"));
    g_assert_null(strstr(text, " id='1'>"));
    g_assert_null(strstr(text, " index='3'>"));
}

static void test_migratable_xml_of_stock_arrives_as_the_same_hardware(gconstpointer data)
{
    g_autofree char *stock = load(data, "migratable");
    g_autoptr(GuestDef) source = defined(data), arrived = parse(stock, GUEST_PARSE_INACTIVE);
    g_autoptr(GError) error = NULL;

    fill(arrived);
    guest_def_compare_abi(source, arrived, &error);
    g_assert_no_error(error);
}

static void test_migratable_xml_is_what_stock_would_send(gconstpointer data)
{
    g_autofree char *stock = load(data, "migratable"), *text = NULL;
    g_autoptr(GuestDef) def = defined(data);

    guest_def_assign_aliases(def);
    def->id = 7;
    def->partition = g_strdup("/machine");
    if (def->serials->len > 0 && guest_def_serial(def, 0)->source.type == GUEST_CHARDEV_PTY)
        guest_def_serial(def, 0)->source.path = g_strdup("/dev/pts/9");
    text = guest_def_format(def, GUEST_FORMAT_MIGRATABLE);
    assert_same_text(data, text, stock);
}

static void test_aliases_and_nodes_are_those_of_stock(gconstpointer data)
{
    g_autofree char *stock = load(data, "live"), *wanted = keep_lines(stock, "<alias", NULL, NULL),
                    *text = NULL, *got = NULL;
    g_autoptr(GuestDef) def = defined(data);

    guest_def_assign_aliases(def);
    text = guest_def_format(def, GUEST_FORMAT_LIVE);
    got = keep_lines(text, "<alias", NULL, NULL);
    assert_same_text(data, got, wanted);
    for (unsigned i = 0; i < def->disks->len; i++)
        g_assert_cmpuint(guest_def_disk(def, i)->index, ==, def->disks->len - i);
}

static void test_user_aliases_stay(void)
{
    g_autoptr(GuestDef) def = defined("cpus-q35");
    g_autofree char *text = NULL;

    guest_def_assign_aliases(def);
    g_assert_cmpstr(guest_def_interface(def, 0)->alias, ==, "ua-net");
    g_assert_cmpstr(guest_def_interface(def, 1)->alias, ==, "net0");
    text = guest_def_format(def, GUEST_FORMAT_MIGRATABLE);
    g_assert_nonnull(strstr(text, "<alias name='ua-net'/>"));
    g_assert_null(strstr(text, "<alias name='net0'/>"));
}

static void test_words_are_kept_to_the_byte(void)
{
    const char *metadata =
        "\n\t<app:x xmlns:app=\"urn:a\"  k='&#65;'>a<![CDATA[<]]></app:x><!-- c -->\n";
    g_autofree char *xml =
        g_strdup_printf("<domain type='qemu'><name>n &amp; m</name><title>t 'q'</title>"
                        "<description> d\n\t\"e\" </description><metadata>%s</metadata>"
                        "<memory>1024</memory><os><type>hvm</type></os></domain>",
                        metadata);
    g_autoptr(GuestDef) def = parse(xml, GUEST_PARSE_INACTIVE), again = NULL;
    g_autofree char *text = guest_def_format(def, GUEST_FORMAT_INACTIVE);

    again = parse(text, GUEST_PARSE_INACTIVE);
    g_assert_cmpstr(again->metadata, ==, metadata);
    g_assert_cmpstr(again->description, ==, " d\n\t\"e\" ");
    g_assert_cmpstr(again->title, ==, "t 'q'");
    g_assert_cmpstr(again->name, ==, "n & m");
}

static void test_uuid_and_mac_come_from_the_given_source(void)
{
    g_autoptr(GuestDef) def = parse(
        "<domain type='kvm'><name>n</name><memory>1</memory><os><type>hvm</type></os><devices>"
        "<interface type='user'><model type='virtio'/></interface></devices></domain>",
        GUEST_PARSE_INACTIVE);
    char uuid[UUID_TEXT_SIZE], mac[GUEST_MAC_TEXT_SIZE];

    fill(def);
    g_assert_cmpstr(uuid_format(&def->uuid, uuid), ==, "00010203-0405-4607-8809-0a0b0c0d0e0f");
    g_assert_cmpstr(guest_mac_format(&guest_def_interface(def, 0)->mac, mac), ==,
                    "52:54:00:10:11:12");
    g_assert_cmpuint(def->memory_kib, ==, 1024);
    g_assert_cmpint(def->cpu.check, ==, GUEST_CPU_CHECK_NONE);
}

static void test_boot_order_is_turned_into_boot_indices(void)
{
    g_autoptr(GuestDef) both = defined("devices-q35"), own = defined("pty-q35"),
                        network = defined("bridge-pc");

    g_assert_cmpuint(guest_def_disk_boot_index(both, guest_def_disk(both, 0)), ==, 1);
    g_assert_cmpuint(guest_def_disk_boot_index(both, guest_def_disk(both, 1)), ==, 0);
    g_assert_cmpuint(guest_def_interface_boot_index(both, guest_def_interface(both, 0)), ==, 2);
    g_assert_cmpuint(guest_def_interface_boot_index(both, guest_def_interface(both, 1)), ==, 0);
    g_assert_cmpuint(guest_def_disk_boot_index(own, guest_def_disk(own, 0)), ==, 1);
    g_assert_cmpuint(guest_def_interface_boot_index(own, guest_def_interface(own, 0)), ==, 2);
    g_assert_cmpuint(guest_def_interface_boot_index(network, guest_def_interface(network, 0)), ==,
                     1);
}

static void test_look_ups(void)
{
    g_autoptr(GuestDef) def = defined("devices-q35");

    guest_def_assign_aliases(def);
    g_assert_true(guest_def_find_disk(def, "vdb") == guest_def_disk(def, 1));
    g_assert_null(guest_def_find_disk(def, "vdc"));
    g_assert_true(guest_def_find_console(def) == guest_def_serial(def, 0));
    g_assert_true(guest_def_find_serial(def, "serial2") == guest_def_serial(def, 2));
    g_assert_true(guest_def_find_serial(def, NULL) == guest_def_serial(def, 0));
    g_assert_null(guest_def_find_serial(def, "serial3"));
    g_assert_nonnull(guest_def_find_controller(def, GUEST_CONTROLLER_PCI, 11));
    g_assert_true(guest_def_is_q35(def));
}

static void test_names_that_cannot_be_files_or_lines_are_refused(void)
{
    g_autofree char *longest = g_strnfill(GUEST_NAME_MAX, 'n'),
                    *longer = g_strnfill(GUEST_NAME_MAX + 1, 'n');
    const char *bad[] = {"", "a/b", "a\nb", "a\x7f", "\t", ".", "..", "\xff", longer};
    const char *good[] = {"a b", ".a", "ä", "-x", "a'b\"&<>", longest};
    g_autoptr(GuestDef) def = defined("minimal-pc");

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(guest_def_rename(def, bad[i], &error));
        g_assert_true(error_is(error, ERROR_XML_ERROR));
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(good); i++) {
        g_assert_true(guest_def_rename(def, good[i], NULL));
        g_assert_cmpstr(def->name, ==, good[i]);
    }
}

static void add_each(const char *kind, const char *const *names, unsigned count, GTestDataFunc func)
{
    for (unsigned i = 0; i < count; i++) {
        g_autofree char *path = g_strdup_printf("/model/guest-def/%s/%s", kind, names[i]);

        g_test_add_data_func(path, names[i], func);
    }
}

int main(int argc, char **argv)
{
    static const char *const names[] = {
        "minimal-q35",  "minimal-pc", "devices-q35", "devices-pc", "pty-q35",
        "nousb-q35",    "many-q35",   "cpus-q35",    "bridge-pc",  "pcibridge-q35",
        "rootonly-q35", "ua-q35",     "install-q35"};
    static const char *const live[] = {"pty-q35", "bridge-pc", "install-q35", "ua-q35"};
    static const char *const sent[] = {"bridge-pc", "minimal-pc"};
    const unsigned live_count = G_N_ELEMENTS(live);

    g_test_init(&argc, &argv, NULL);
    add_each("define-prints-what-stock-prints", names, G_N_ELEMENTS(names),
             test_define_prints_what_stock_prints);
    add_each("live-xml-of-stock-survives", live, live_count, test_live_xml_of_stock_survives);
    add_each("live-parts-are-left-out-of-the-rest", live, 2,
             test_live_parts_are_left_out_of_the_rest);
    add_each("migratable-xml-of-stock-arrives-as-the-same-hardware", live, live_count,
             test_migratable_xml_of_stock_arrives_as_the_same_hardware);
    add_each("aliases-and-nodes-are-those-of-stock", live, live_count,
             test_aliases_and_nodes_are_those_of_stock);
    add_each("migratable-xml-is-what-stock-would-send", sent, G_N_ELEMENTS(sent),
             test_migratable_xml_is_what_stock_would_send);
    g_test_add_func("/model/guest-def/user-aliases-stay", test_user_aliases_stay);
    g_test_add_func("/model/guest-def/words-are-kept-to-the-byte", test_words_are_kept_to_the_byte);
    g_test_add_func("/model/guest-def/uuid-and-mac-come-from-the-given-source",
                    test_uuid_and_mac_come_from_the_given_source);
    g_test_add_func("/model/guest-def/boot-order-is-turned-into-boot-indices",
                    test_boot_order_is_turned_into_boot_indices);
    g_test_add_func("/model/guest-def/look-ups", test_look_ups);
    g_test_add_func("/model/guest-def/names-that-cannot-be-files-or-lines-are-refused",
                    test_names_that_cannot_be_files_or_lines_are_refused);
    return g_test_run();
}
