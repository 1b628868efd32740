/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xml/xml.h"

#include <string.h>

#include "base/error.h"
#include "xml/writer.h"

static XmlTree *parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    XmlTree *tree = xml_parse(text, strlen(text), NULL, &error);

    g_assert_no_error(error);
    return tree;
}

static void assert_refused(const char *text, size_t len, const char *words)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(xml_parse(text, len, "domain", &error));
    g_assert_true(error_is(error, ERROR_XML_ERROR));
    g_assert_cmpint(error_domain(error), ==, FROM_XML);
    if (words && !strstr(error->message, words))
        g_error("'%s' is not in: %s", words, error->message);
}

static void test_tree_knows_names_values_text_and_lines(void)
{
    g_autoptr(XmlTree) tree = parse(
        "<a x='1' y=\"&lt;&#65;&gt;\">one<b/>two<!-- no --><b\nz='2'>in</b><![CDATA[<raw>]]></a>");
    XmlNode *root = xml_root(tree), *b = xml_child(root, "b");

    g_assert_cmpstr(xml_attr(root, "y"), ==, "<A>");
    g_assert_cmpstr(xml_text(root), ==, "onetwo<raw>");
    g_assert_null(xml_attr(root, "z"));
    b = xml_next(b, "b");
    g_assert_cmpuint(xml_line(b), ==, 1);
    g_assert_cmpstr(xml_text(b), ==, "in");
    g_assert_null(xml_next(b, "b"));
    g_assert_null(xml_child(root, "b/c"));
}

static void test_path_walks_down(void)
{
    g_autoptr(XmlTree) tree = parse("<a><boots/><os>\n<boot dev='hd'/></os></a>");
    XmlNode *boot = xml_child(xml_root(tree), "os/boot");
    g_autofree char *path = xml_path(boot);

    g_assert_cmpstr(path, ==, "a/os/boot");
    g_assert_cmpuint(xml_line(boot), ==, 2);
    g_assert_null(xml_child(xml_root(tree), "boot"));
}

static void test_doctype_is_refused_before_it_means_anything(void)
{
    const char *bomb =
        "<!DOCTYPE domain [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;'>]><domain>&b;</domain>";
    const char *outside =
        "<?xml version='1.0'?>\n<!DOCTYPE domain SYSTEM 'file:///etc/passwd'><domain/>";

    assert_refused(bomb, strlen(bomb), "DOCTYPE");
    assert_refused(outside, strlen(outside), "line 2");
}

static void test_malformed_names_the_line(void)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "no element found"},
        {"<domain>\n<a>\n</b></domain>", "line 3, column 3: mismatched tag"},
        {"<domain>&nope;</domain>", "undefined entity"},
        {"<domain a='1' a='2'/>", "duplicate attribute"},
        {"<domain>\xff</domain>", "not well-formed"},
        {"<?xml version='1.0' encoding='UTF-16'?><domain/>", NULL},
        {"<network/>", "unexpected root element <network>, expecting <domain>"},
        {"<domain/><domain/>", "junk after document element"},
        {"<domain>&#1;</domain>", NULL},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(XmlTree) tree = NULL;

        if (strstr(cases[i].text, "UTF-16")) { /* read as the UTF-8 that it is */
            tree = xml_parse(cases[i].text, strlen(cases[i].text), "domain", NULL);
            g_assert_nonnull(tree);
            continue;
        }
        assert_refused(cases[i].text, strlen(cases[i].text), cases[i].words);
    }
    assert_refused("<domain>\0</domain>", 18, NULL);
}

static void test_every_limit_holds_to_the_one(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(XmlTree) tree = NULL;

    for (unsigned i = 0; i < XML_DEPTH_MAX - 1; i++)
        g_string_append(text, i ? "<a>" : "<domain>");
    for (unsigned i = XML_DEPTH_MAX - 1; i-- > 0;)
        g_string_append(text, i ? "</a>" : "</domain>");
    tree = parse(text->str);
    g_string_insert(text, strlen("<domain>"), "<a>");
    assert_refused(text->str, text->len, "nested");

    g_string_assign(text, "<domain>");
    for (unsigned i = 0; i < XML_NODES_MAX - 1; i++)
        g_string_append(text, "<a/>");
    g_string_append(text, "</domain>");
    xml_free(g_steal_pointer(&tree));
    tree = parse(text->str);
    g_string_insert(text, strlen("<domain>"), "<a/>");
    assert_refused(text->str, text->len, "more than 50000");

    g_string_assign(text, "<domain>");
    while (text->len <= XML_BYTES_MAX)
        g_string_append_c(text, ' ');
    g_string_append(text, "</domain>");
    assert_refused(text->str, text->len, "at most 1048576");

    g_string_assign(text, "<domain");
    for (unsigned i = 0; i <= XML_NAMESPACES_MAX; i++)
        g_string_append_printf(text, " xmlns:n%u='u'", i);
    g_string_append(text, "/>");
    assert_refused(text->str, text->len, "namespaces");

    g_string_assign(text, "<domain>\n<a x='>");
    while (text->len <= XML_TAG_MAX)
        g_string_append_c(text, '>');
    g_string_append(text, "' y='<'/></domain>");
    assert_refused(text->str, text->len, "not well-formed");
    g_string_insert(text, (gssize)strlen("<domain>\n<a x='>"), ">>>>>>>>>>>");
    assert_refused(text->str, text->len, "line 2: a tag is longer than 32768");
    g_string_assign(text, "<domain>");
    while (text->len <= 2 * XML_TAG_MAX)
        g_string_append(text, "it's long text");
    g_string_append(text, "</domain>");
    xml_free(g_steal_pointer(&tree));
    tree = parse(text->str);
}

static void test_cut_anywhere_is_a_clean_error(void)
{
    const char *text = "<?xml version='1.0'?><!-- c --><domain "
                       "type='qemu'><name>a&amp;b</name><m><x:y xmlns:x='u'/></m></domain>";

    for (size_t len = 0; len < strlen(text); len++)
        assert_refused(text, len, NULL);
}

static void assert_leftover(const char *text, const char *words)
{
    g_autoptr(XmlTree) tree = parse(text);
    XmlNode *root = xml_root(tree), *known = xml_child(root, "known");
    g_autoptr(GError) error = NULL;

    xml_attr(root, "type");
    xml_attr(known, "x");
    if (!words) {
        g_assert_true(xml_check_all_read(root, &error));
        g_assert_no_error(error);
        return;
    }
    g_assert_false(xml_check_all_read(root, &error));
    g_assert_true(error_is(error, ERROR_CONFIG_UNSUPPORTED));
    if (!strstr(error->message, words))
        g_error("'%s' is not in: %s", words, error->message);
}

static void test_what_nobody_read_is_refused_by_name(void)
{
    assert_leftover("<d type='1'>\n<known x='1'/>\n</d>", NULL);
    assert_leftover("<d xmlns:q='u'><known/></d>", NULL);
    assert_leftover("<d><known/>\n<tpm/></d>", "<d/tpm> (line 2) is not supported by this host");
    assert_leftover("<d><known y='1'/></d>",
                    "attribute 'y' of <d/known> (line 1) is not supported");
    assert_leftover("<d><known>words</known></d>", "'words' in <d/known>");
    assert_leftover("<d><known/><known/></d>", "<d/known>");
    assert_leftover("<d><known><in/></known></d>", "<d/known/in>");
    assert_leftover("<d xmlns:q='u'><known/><q:commandline/></d>", "<d/q:commandline>");
}

static void test_inner_is_kept_to_the_byte(void)
{
    const char *inner =
        "\n <x:a  xmlns:x=\"u\" b='1'>t&#65;<![CDATA[<]]><x:c/></x:a>\t<!-- kept -->";
    g_autofree char *text = g_strdup_printf("<d><m>%s</m><e/></d>", inner), *got = NULL;
    g_autoptr(XmlTree) tree = parse(text);
    g_autoptr(GError) error = NULL;

    got = xml_inner(xml_child(xml_root(tree), "m"), &error);
    g_assert_no_error(error);
    g_assert_cmpstr(got, ==, inner);
    g_clear_pointer(&got, g_free);
    got = xml_inner(xml_child(xml_root(tree), "e"), &error);
    g_assert_cmpstr(got, ==, "");
}

static void test_inner_declares_what_only_the_outside_declared(void)
{
    g_autoptr(XmlTree) tree = parse("<d xmlns:x='u&amp;v' xmlns:y='w'><m xmlns:z='q'><x:a/><b "
                                    "z:k='1'><x:c xmlns:x='own'/></b></m>"
                                    "<n><p:a/></n></d>");
    g_autoptr(GError) error = NULL;
    g_autofree char *got = xml_inner(xml_child(xml_root(tree), "m"), &error);

    g_assert_no_error(error);
    g_assert_cmpstr(got, ==,
                    "<x:a xmlns:x='u&amp;v'/><b xmlns:z='q' z:k='1'><x:c xmlns:x='own'/></b>");
    g_assert_null(xml_inner(xml_child(xml_root(tree), "n"), &error));
    g_assert_true(error_is(error, ERROR_XML_ERROR));
}

static void test_values_are_whole_numbers_and_known_words(void)
{
    static const EnumName names[] = {{"red", 1}, {"blue", 2}, {NULL}};
    g_autoptr(XmlTree) tree = parse(
        "<d n='0x1f' big='4294967296' bad='12x' neg='-1' c='blue' d='green' y='yes' z='on'/>");
    XmlNode *root = xml_root(tree);
    uint64_t number = 7;
    unsigned small = 7;
    int colour = 0;
    GError *error = NULL;

    g_assert_true(xml_attr_u64(root, "absent", 10, &number, NULL) && number == 7);
    g_assert_true(xml_attr_u64(root, "n", 31, &number, NULL) && number == 31);
    g_assert_true(xml_attr_u64(root, "big", G_MAXUINT64, &number, NULL) && number == 4294967296);
    g_assert_false(xml_attr_uint(root, "n", 30, &small, NULL));
    g_assert_false(xml_attr_uint(root, "bad", 30, &small, NULL));
    g_assert_false(xml_attr_uint(root, "neg", 30, &small, NULL));
    g_assert_cmpuint(small, ==, 7);
    g_assert_true(xml_attr_enum(root, "c", names, &colour, NULL) && colour == 2);
    g_assert_false(xml_attr_enum(root, "d", names, &colour, &error));
    g_assert_cmpstr(
        error->message, ==,
        "unsupported configuration: d='green' of <d> (line 1) is not supported by this host");
    g_clear_error(&error);
}

static void test_writer_indents_quotes_and_escapes(void)
{
    XmlWriter *writer = xml_writer_new();
    g_autofree char *text = NULL;

    xml_write_open(writer, "a");
    xml_write_attr(writer, "q", "<'&\">\n\t");
    xml_write_attr(writer, "none", NULL);
    xml_write_element(writer, "t", "<'&\">\nsecond\r");
    xml_write_element(writer, "absent", NULL);
    xml_write_open(writer, "b");
    xml_write_open(writer, "c");
    xml_write_attr_format(writer, "n", "0x%02x", 5);
    xml_write_close(writer);
    xml_write_close(writer);
    xml_write_open(writer, "raw");
    xml_write_raw(writer, "\n    <x/>\n  ");
    xml_write_close(writer);
    xml_write_element_format(writer, "e", "%u", 3);
    xml_write_close(writer);
    text = xml_writer_finish(writer);
    g_assert_cmpstr(text, ==,
                    "<a q='&lt;&apos;&amp;&quot;&gt;&#10;&#9;'>\n"
                    "  <t>&lt;&apos;&amp;&quot;&gt;\nsecond&#13;</t>\n"
                    "  <b>\n    <c n='0x05'/>\n  </b>\n"
                    "  <raw>\n    <x/>\n  </raw>\n"
                    "  <e>3</e>\n"
                    "</a>\n");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/tree-knows-names-values-text-and-lines",
                    test_tree_knows_names_values_text_and_lines);
    g_test_add_func("/xml/path-walks-down", test_path_walks_down);
    g_test_add_func("/xml/doctype-is-refused-before-it-means-anything",
                    test_doctype_is_refused_before_it_means_anything);
    g_test_add_func("/xml/malformed-names-the-line", test_malformed_names_the_line);
    g_test_add_func("/xml/every-limit-holds-to-the-one", test_every_limit_holds_to_the_one);
    g_test_add_func("/xml/cut-anywhere-is-a-clean-error", test_cut_anywhere_is_a_clean_error);
    g_test_add_func("/xml/what-nobody-read-is-refused-by-name",
                    test_what_nobody_read_is_refused_by_name);
    g_test_add_func("/xml/inner-is-kept-to-the-byte", test_inner_is_kept_to_the_byte);
    g_test_add_func("/xml/inner-declares-what-only-the-outside-declared",
                    test_inner_declares_what_only_the_outside_declared);
    g_test_add_func("/xml/values-are-whole-numbers-and-known-words",
                    test_values_are_whole_numbers_and_known_words);
    g_test_add_func("/xml/writer-indents-quotes-and-escapes",
                    test_writer_indents_quotes_and_escapes);
    return g_test_run();
}
