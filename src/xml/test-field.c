/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xml/field.h"

#include <string.h>

#include "base/error.h"

typedef struct {
    int colour;
    int index;
    int port;
    unsigned size;
    uint64_t big;
    Switch state;
    Switch wish;
    gboolean is_readonly;
    char *path;
    char *words;
    unsigned serial; /* live */
} Thing;

static const EnumName colours[] = {{"red", 1}, {"blue", 2}, {NULL}};
static const EnumName only_x[] = {{"x"}, {NULL}};

#define IN(field) offsetof(Thing, field)

/* clang-format off */
static const Field rows[] = {
    {"@kind",          FIELD_CONST,   0,               0,              only_x},
    {"@colour",        FIELD_ENUM,    IN(colour),      FIELD_REQUIRED | FIELD_GUEST, colours},
    {"@index",         FIELD_INT,     IN(index),       FIELD_GUEST,    .max = 255},
    {"a/@port",        FIELD_HEX,     IN(port),        0,              .max = 255},
    {"a/@size",        FIELD_UINT,    IN(size)},
    {"a/b/@big",       FIELD_U64,     IN(big)},
    {"a/b",            FIELD_STRING,  IN(words)},
    {"state/@value",   FIELD_ON_OFF,  IN(state)},
    {"state/@wish",    FIELD_YES_NO,  IN(wish),        FIELD_GUEST},
    {"readonly",       FIELD_FLAG,    IN(is_readonly)},
    {"source/@path",   FIELD_STRING,  IN(path)},
    {"source/@serial", FIELD_UINT,    IN(serial),      FIELD_LIVE},
    {NULL},
};
/* clang-format on */

static gboolean read_thing(Thing *thing, const char *xml, GError **error)
{
    g_autoptr(XmlTree) tree = xml_parse(xml, strlen(xml), "thing", error);

    memset(thing, 0, sizeof *thing);
    fields_init(rows, thing);
    return tree && fields_read(rows, xml_root(tree), thing, error) &&
           xml_check_all_read(xml_root(tree), error);
}

static char *write_thing(const Thing *thing)
{
    XmlWriter *writer = xml_writer_new();

    xml_write_open(writer, "thing");
    fields_write(rows, writer, thing);
    xml_write_close(writer);
    return xml_writer_finish(writer);
}

static const char full[] = "<thing kind='x' colour='blue' index='0'>\n"
                           "  <a port='0x1f' size='7'>\n"
                           "    <b big='18446744073709551615'>words</b>\n"
                           "  </a>\n"
                           "  <state value='off' wish='yes'/>\n"
                           "  <readonly/>\n"
                           "  <source path='/x' serial='4'/>\n"
                           "</thing>\n";

static void test_a_row_writes_what_it_read(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL, *copied = NULL;
    Thing thing, copy = {0};

    g_assert_true(read_thing(&thing, full, &error));
    g_assert_no_error(error);
    text = write_thing(&thing);
    g_assert_cmpstr(text, ==, full);
    fields_copy(rows, &copy, &thing);
    fields_clear(rows, &thing);
    copied = write_thing(&copy);
    g_assert_cmpstr(copied, ==, full);
    fields_clear(rows, &copy);
}

static void test_absent_is_absent(void)
{
    g_autofree char *text = NULL;
    Thing thing;

    g_assert_true(read_thing(&thing, "<thing colour='red'/>", NULL));
    g_assert_cmpint(thing.index, ==, -1);
    text = write_thing(&thing);
    g_assert_cmpstr(text, ==, "<thing kind='x' colour='red'/>\n");
}

static void test_live_values_can_be_forgotten(void)
{
    g_autofree char *text = NULL;
    Thing thing;

    g_assert_true(
        read_thing(&thing, "<thing colour='red'><source serial='4' path='/x'/></thing>", NULL));
    fields_clear_live(rows, &thing);
    text = write_thing(&thing);
    g_assert_cmpstr(text, ==, "<thing kind='x' colour='red'>\n  <source path='/x'/>\n</thing>\n");
    fields_clear(rows, &thing);
}

static void test_wrong_values_are_named(void)
{
    static const struct {
        const char *xml, *words;
        ErrorCode code;
    } cases[] = {
        {"<thing/>", "missing attribute @colour", ERROR_XML_ERROR},
        {"<thing colour='green'/>", "colour='green' of <thing>", ERROR_CONFIG_UNSUPPORTED},
        {"<thing colour='red' kind='y'/>", "kind='y' of <thing>", ERROR_CONFIG_UNSUPPORTED},
        {"<thing colour='red' index='256'/>", "index='256' is not a number from 0 to 255",
         ERROR_XML_ERROR},
        {"<thing colour='red'><a port='-1'/></thing>", "<thing/a>", ERROR_XML_ERROR},
        {"<thing colour='red'><state wish='on'/></thing>", "wish='on'", ERROR_CONFIG_UNSUPPORTED},
        {"<thing colour='red'><readonly why='x'/></thing>", "attribute 'why'",
         ERROR_CONFIG_UNSUPPORTED},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        Thing thing;

        g_assert_false(read_thing(&thing, cases[i].xml, &error));
        g_assert_cmpint(error_code(error), ==, cases[i].code);
        if (!strstr(error->message, cases[i].words))
            g_error("'%s' is not in: %s", cases[i].words, error->message);
        fields_clear(rows, &thing);
    }
}

static void test_only_what_the_guest_sees_is_compared(void)
{
    g_autofree char *text = NULL;
    Thing a, b;

    g_assert_true(
        read_thing(&a, "<thing colour='red'><a size='1'/><state wish='no'/></thing>", NULL));
    g_assert_true(
        read_thing(&b, "<thing colour='red'><a size='2'/><state wish='no'/></thing>", NULL));
    g_assert_null(fields_find_difference(rows, &a, &b));
    b.wish = SWITCH_ON;
    g_assert_cmpstr(fields_find_difference(rows, &a, &b)->path, ==, "state/@wish");
    text = field_text(fields_find_difference(rows, &a, &b), &b);
    g_assert_cmpstr(text, ==, "yes");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/field/a-row-writes-what-it-read", test_a_row_writes_what_it_read);
    g_test_add_func("/xml/field/absent-is-absent", test_absent_is_absent);
    g_test_add_func("/xml/field/live-values-can-be-forgotten", test_live_values_can_be_forgotten);
    g_test_add_func("/xml/field/wrong-values-are-named", test_wrong_values_are_named);
    g_test_add_func("/xml/field/only-what-the-guest-sees-is-compared",
                    test_only_what_the_guest_sees_is_compared);
    return g_test_run();
}
