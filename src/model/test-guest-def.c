/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Definitions against what a stock host made of the same XML: testdata/NAME.in.xml is ours, .out.xml what the stock host
 * printed after define, .live.xml and .migratable.xml what it printed of the guest while it ran. */
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
        g_error("%s, line %u:\n  is    %s\n  wants %s", name, i + 1, lines[i] ?: "(end)", wanted[i] ?: "(end)");
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

int main(int argc, char **argv)
{
    static const char *const names[] = {"minimal-q35", "minimal-pc",    "devices-q35",  "devices-pc",
                                        "pty-q35",     "nousb-q35",     "many-q35",     "cpus-q35",
                                        "bridge-pc",   "pcibridge-q35", "rootonly-q35"};

    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_strdup_printf("/model/guest-def/define-prints-what-stock-prints/%s", names[i]);

        g_test_add_data_func(path, names[i], test_define_prints_what_stock_prints);
    }
    return g_test_run();
}
