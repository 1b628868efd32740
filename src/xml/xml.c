/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* XML trees: expat fills an arena; limits are checked as nodes arrive, so a hostile document costs
 * no more than they allow.  Without a DOCTYPE there are no entities but the five and characters,
 * hence nothing that could expand. */
#include "xml/xml.h"

#include <expat.h>
#include <string.h>

#include "base/arena.h"
#include "base/error.h"

struct XmlTree {
    Arena *arena;
    char *source; /* the tree's own copy */
    size_t source_len;
    XmlNode *root;
};

/* One element that is open while parsing. */
typedef struct {
    XmlNode *node;
    XmlNode *last_child;
    GString *text; /* NULL until there is some */
} OpenElement;

typedef struct {
    XmlTree *tree;
    XML_Parser expat;
    OpenElement open[XML_DEPTH_MAX];
    unsigned depth;
    unsigned nodes;
    unsigned namespaces;
    const char *root_name;
    gboolean in_text; /* the piece of text that goes on was counted already */
    GError *error;
} Build;

static void build_fail(Build *build, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void build_fail(Build *build, const char *format, ...)
{
    g_autofree char *what = NULL;
    va_list args;

    if (build->error)
        return;
    va_start(args, format);
    what = g_strdup_vprintf(format, args);
    va_end(args);
    error_set_from(&build->error, FROM_XML, ERROR_XML_ERROR, "XML error: line %lu: %s",
                   (unsigned long)XML_GetCurrentLineNumber(build->expat), what);
    XML_StopParser(build->expat, XML_FALSE);
}

static gboolean build_count(Build *build)
{
    if (++build->nodes <= XML_NODES_MAX)
        return TRUE;
    build_fail(build, "more than %u elements, attributes and texts", XML_NODES_MAX);
    return FALSE;
}

static void build_attrs(Build *build, XmlNode *node, const XML_Char **pairs)
{
    XmlAttr **attrs_end = &node->attrs, **namespaces_end = &node->namespaces;

    for (; pairs[0] && build_count(build); pairs += 2) {
        gboolean is_namespace = g_str_has_prefix(pairs[0], "xmlns:");
        XmlAttr ***end = is_namespace ? &namespaces_end : &attrs_end;
        XmlAttr *attr = arena_new0(build->tree->arena, XmlAttr, 1);

        if (is_namespace && ++build->namespaces > XML_NAMESPACES_MAX)
            return build_fail(build, "more than %u namespaces are declared", XML_NAMESPACES_MAX);
        attr->name =
            arena_strdup(build->tree->arena, pairs[0] + (is_namespace ? strlen("xmlns:") : 0));
        attr->value = arena_strdup(build->tree->arena, pairs[1]);
        **end = attr;
        *end = &attr->next;
    }
}

static void XMLCALL on_start(void *data, const XML_Char *name, const XML_Char **pairs)
{
    Build *build = data;
    OpenElement *outer = build->depth ? &build->open[build->depth - 1] : NULL;
    XmlNode *node;

    build->in_text = FALSE;
    if (build->error || !build_count(build))
        return;
    if (build->depth + 1 >= XML_DEPTH_MAX)
        return build_fail(build, "elements are nested %u deep; this host reads less than that",
                          XML_DEPTH_MAX);
    if (!outer && build->root_name && !g_str_equal(build->root_name, name))
        return build_fail(build, "unexpected root element <%.100s>, expecting <%s>", name,
                          build->root_name);

    node = arena_new0(build->tree->arena, XmlNode, 1);
    node->tree = build->tree;
    node->name = arena_strdup(build->tree->arena, name);
    node->text = "";
    node->begin = (size_t)XML_GetCurrentByteIndex(build->expat);
    node->inner_begin = node->begin + (size_t)XML_GetCurrentByteCount(build->expat);
    build_attrs(build, node, pairs);
    if (!outer) {
        build->tree->root = node;
    } else {
        node->parent = outer->node;
        if (outer->last_child)
            outer->last_child->next = node;
        else
            outer->node->first_child = node;
        outer->last_child = node;
    }
    build->open[build->depth++] = (OpenElement){.node = node};
}

static void XMLCALL on_end(void *data, const XML_Char *name)
{
    Build *build = data;
    OpenElement *element;

    build->in_text = FALSE;
    if (build->error || build->depth == 0)
        return;
    element = &build->open[--build->depth];
    /* For <a/> expat reports the end as a place after the tag, of no length. */
    element->node->inner_end = (size_t)XML_GetCurrentByteIndex(build->expat);
    element->node->end = element->node->inner_end + (size_t)XML_GetCurrentByteCount(build->expat);
    if (element->node->inner_begin > element->node->inner_end)
        element->node->inner_begin = element->node->inner_end;
    if (element->text) {
        element->node->text =
            arena_strndup(build->tree->arena, element->text->str, element->text->len);
        g_string_free(element->text, TRUE);
        element->text = NULL;
    }
}

static void XMLCALL on_text(void *data, const XML_Char *text, int len)
{
    Build *build = data;
    OpenElement *element;

    if (build->error || build->depth == 0)
        return;
    if (!build->in_text && !build_count(build))
        return;
    build->in_text = TRUE;
    element = &build->open[build->depth - 1];
    if (!element->text)
        element->text = g_string_new(NULL);
    g_string_append_len(element->text, text, len);
}

static void XMLCALL on_doctype(void *data, const XML_Char *name, const XML_Char *system_id,
                               const XML_Char *public_id, int has_internal_subset)
{
    build_fail(data, "a document type declaration (DOCTYPE) is not accepted");
}

static void build_clear(Build *build)
{
    for (unsigned i = 0; i < build->depth; i++)
        if (build->open[i].text)
            g_string_free(build->open[i].text, TRUE);
    XML_ParserFree(build->expat);
}

/* The length of the longest start tag, or more: up to its '>' outside quotes, and never beyond the
 * next '<', which no tag holds. */
static size_t longest_tag(const char *text, size_t len, size_t *ret_place)
{
    size_t begin = len, longest = 0;
    char quote = '\0';

    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (c == '<') { /* comments and CDATA are no tags */
            begin = i + 1 < len && text[i + 1] == '!' ? len : i;
            quote = '\0';
        } else if (quote ? c == quote : c == '"' || c == '\'') {
            quote = quote ? '\0' : c;
        } else if (c == '>' && !quote) {
            begin = len;
        }
        if (begin < i && i - begin > longest) {
            longest = i - begin;
            *ret_place = begin;
        }
    }
    return longest;
}

static unsigned line_of(const char *text, size_t place)
{
    unsigned line = 1;

    for (size_t i = 0; i < place; i++)
        line += text[i] == '\n';
    return line;
}

static gboolean check_tags(const char *text, size_t len, GError **error)
{
    size_t place = 0;

    if (len <= XML_TAG_MAX || longest_tag(text, len, &place) <= XML_TAG_MAX)
        return TRUE;
    return error_set_from(error, FROM_XML, ERROR_XML_ERROR,
                          "XML error: line %u: a tag is longer than %u bytes", line_of(text, place),
                          XML_TAG_MAX);
}

static gboolean build_run(Build *build, GError **error)
{
    if (XML_Parse(build->expat, build->tree->source, (int)build->tree->source_len, XML_TRUE) ==
            XML_STATUS_OK &&
        !build->error)
        return TRUE;
    if (!build->error)
        error_set_from(&build->error, FROM_XML, ERROR_XML_ERROR,
                       "XML error: line %lu, column %lu: %s",
                       (unsigned long)XML_GetCurrentLineNumber(build->expat),
                       (unsigned long)XML_GetCurrentColumnNumber(build->expat) + 1,
                       XML_ErrorString(XML_GetErrorCode(build->expat)));
    g_propagate_error(error, g_steal_pointer(&build->error));
    return FALSE;
}

XmlTree *xml_parse(const char *text, size_t len, const char *root_name, GError **error)
{
    g_autoptr(XmlTree) tree = NULL;
    Build build = {.root_name = root_name};
    gboolean is_ok;

    if (len > XML_BYTES_MAX) {
        error_set_from(error, FROM_XML, ERROR_XML_ERROR,
                       "XML error: the document has %zu bytes; this host reads at most %u", len,
                       XML_BYTES_MAX);
        return NULL;
    }
    if (!check_tags(text, len, error))
        return NULL;
    tree = g_new0(XmlTree, 1);
    tree->arena = arena_new();
    tree->source = g_strndup(text, len);
    tree->source_len = len;

    /* Always UTF-8, whatever the document declares: what is kept to the byte is sent on as UTF-8.
     */
    build.tree = tree;
    build.expat = XML_ParserCreate("UTF-8");
    XML_SetUserData(build.expat, &build);
    XML_SetElementHandler(build.expat, on_start, on_end);
    XML_SetCharacterDataHandler(build.expat, on_text);
    XML_SetStartDoctypeDeclHandler(build.expat, on_doctype);
    is_ok = build_run(&build, error);
    build_clear(&build);
    return is_ok ? g_steal_pointer(&tree) : NULL;
}

void xml_free(XmlTree *tree)
{
    if (!tree)
        return;
    arena_free(tree->arena);
    g_free(tree->source);
    g_free(tree);
}

unsigned xml_line(const XmlNode *node)
{
    return line_of(node->tree->source, node->begin);
}

XmlNode *xml_root(XmlTree *tree)
{
    return tree->root;
}

/* ---- walking ---- */

static XmlNode *find_named(XmlNode *node, const char *name, size_t len)
{
    while (node && (strncmp(node->name, name, len) != 0 || node->name[len] != '\0'))
        node = node->next;
    return node;
}

XmlNode *xml_child(XmlNode *node, const char *path)
{
    while (node && *path) {
        size_t len = strcspn(path, "/");

        node = find_named(node->first_child, path, len);
        if (node)
            node->is_read = TRUE;
        path += len + (path[len] == '/');
    }
    return node;
}

XmlNode *xml_next(XmlNode *child, const char *name)
{
    XmlNode *next = find_named(child->next, name, strlen(name));

    if (next)
        next->is_read = TRUE;
    return next;
}

static XmlAttr *find_attr(const XmlNode *node, const char *name)
{
    XmlAttr *attr = node->attrs;

    while (attr && !g_str_equal(attr->name, name))
        attr = attr->next;
    return attr;
}

const char *xml_attr(XmlNode *node, const char *name)
{
    XmlAttr *attr = find_attr(node, name);

    if (!attr)
        return NULL;
    attr->is_read = TRUE;
    return attr->value;
}

const char *xml_text(XmlNode *node)
{
    node->is_text_read = TRUE;
    return node->text;
}

void xml_ignore(XmlNode *node)
{
    if (!node)
        return;
    node->is_read = node->is_text_read = TRUE;
    for (XmlAttr *attr = node->attrs; attr; attr = attr->next)
        attr->is_read = TRUE;
    for (XmlNode *child = node->first_child; child; child = child->next)
        xml_ignore(child);
}

void xml_ignore_child(XmlNode *node, const char *path)
{
    xml_ignore(xml_child(node, path));
}

void xml_ignore_attr(XmlNode *node, const char *name)
{
    (void)xml_attr(node, name);
}

char *xml_path(const XmlNode *node)
{
    g_autofree char *outer = NULL;

    if (!node->parent)
        return g_strndup(node->name, 100);
    outer = xml_path(node->parent);
    return g_strdup_printf("%s/%.100s", outer, node->name);
}

/* ---- what is not understood ---- */

/* Text from outside in an error stays one short line. */
static char *shorten(const char *text)
{
    g_autofree char *start = g_utf8_substring(text, 0, MIN(g_utf8_strlen(text, 400), 80));

    return g_strdelimit(g_steal_pointer(&start), "\r\n\t", ' ');
}

gboolean xml_error(const XmlNode *node, GError **error, const char *format, ...)
{
    g_autofree char *path = xml_path(node), *what = NULL;
    va_list args;

    va_start(args, format);
    what = g_strdup_vprintf(format, args);
    va_end(args);
    return error_set_from(error, FROM_XML, ERROR_XML_ERROR, "XML error: %s (<%s>, line %u)", what,
                          path, xml_line(node));
}

gboolean xml_unsupported(const XmlNode *node, const char *attr, GError **error)
{
    g_autofree char *path = xml_path(node);

    if (attr)
        return error_set(error, ERROR_CONFIG_UNSUPPORTED,
                         "unsupported configuration: attribute '%.100s' of <%s> (line %u) is not "
                         "supported by this host",
                         attr, path, xml_line(node));
    return error_set(error, ERROR_CONFIG_UNSUPPORTED,
                     "unsupported configuration: <%s> (line %u) is not supported by this host",
                     path, xml_line(node));
}

gboolean xml_unsupported_value(const XmlNode *node, const char *attr, const char *value,
                               GError **error)
{
    g_autofree char *path = xml_path(node), *shown = shorten(value);

    if (attr)
        return error_set(
            error, ERROR_CONFIG_UNSUPPORTED,
            "unsupported configuration: %s='%s' of <%s> (line %u) is not supported by this host",
            attr, shown, path, xml_line(node));
    return error_set(
        error, ERROR_CONFIG_UNSUPPORTED,
        "unsupported configuration: '%s' in <%s> (line %u) is not supported by this host", shown,
        path, xml_line(node));
}

static gboolean is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n")] == '\0';
}

gboolean xml_check_all_read(XmlNode *node, GError **error)
{
    if (!node->is_text_read && !is_blank(node->text))
        return xml_unsupported_value(node, NULL, node->text, error);
    for (XmlAttr *attr = node->attrs; attr; attr = attr->next)
        if (!attr->is_read)
            return xml_unsupported(node, attr->name, error);
    for (XmlNode *child = node->first_child; child; child = child->next) {
        if (!child->is_read)
            return xml_unsupported(child, NULL, error);
        if (!xml_check_all_read(child, error))
            return FALSE;
    }
    return TRUE;
}

/* ---- to the byte ---- */

/* The declaration of a prefix by node or an element around it, up to but without `end`; NULL: none.
 */
static const XmlAttr *find_declaration(const XmlNode *node, const XmlNode *end, const char *prefix,
                                       size_t len)
{
    for (; node && node != end; node = node->parent)
        for (const XmlAttr *attr = node->namespaces; attr; attr = attr->next)
            if (strncmp(attr->name, prefix, len) == 0 && attr->name[len] == '\0')
                return attr;
    return NULL;
}

/* One prefixed name in the subtree of `below`: notes in `needed` what only the outside declares. */
static gboolean note_prefix(const XmlNode *node, const XmlNode *below, const char *name,
                            GHashTable *needed, GError **error)
{
    const char *colon = strchr(name, ':');
    size_t len = colon ? (size_t)(colon - name) : 0;
    const XmlAttr *declaration;

    if (!colon || g_str_has_prefix(name, "xml:") || find_declaration(node, below, name, len))
        return TRUE;
    declaration = find_declaration(below, NULL, name, len);
    if (!declaration)
        return xml_error(node, error, "the namespace prefix of '%.100s' is declared nowhere", name);
    g_hash_table_insert(needed, (gpointer)declaration->name, (gpointer)declaration->value);
    return TRUE;
}

static gboolean note_prefixes(const XmlNode *node, const XmlNode *below, GHashTable *needed,
                              GError **error)
{
    if (!note_prefix(node, below, node->name, needed, error))
        return FALSE;
    for (const XmlAttr *attr = node->attrs; attr; attr = attr->next)
        if (!note_prefix(node, below, attr->name, needed, error))
            return FALSE;
    for (const XmlNode *child = node->first_child; child; child = child->next)
        if (!note_prefixes(child, below, needed, error))
            return FALSE;
    return TRUE;
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void append_declarations(GString *text, GHashTable *needed)
{
    guint count;
    g_autofree gpointer *names = g_hash_table_get_keys_as_array(needed, &count);

    qsort(names, count, sizeof *names, compare_names); /* the same input gives the same bytes */
    for (guint i = 0; i < count; i++) {
        g_autofree char *value = g_markup_escape_text(g_hash_table_lookup(needed, names[i]), -1);

        g_string_append_printf(text, " xmlns:%s='%s'", (char *)names[i], value);
    }
}

char *xml_inner(XmlNode *node, GError **error)
{
    const char *source = node->tree->source;
    g_autoptr(GString) text = g_string_new(NULL);
    size_t done = node->inner_begin;

    for (XmlNode *child = node->first_child; child; child = child->next) {
        g_autoptr(GHashTable) needed = g_hash_table_new(g_str_hash, g_str_equal);
        size_t name_end = child->begin + 1 + strlen(child->name);

        if (!note_prefixes(child, node, needed, error))
            return NULL;
        g_string_append_len(text, source + done, (gssize)(name_end - done));
        append_declarations(text, needed);
        done = name_end;
    }
    g_string_append_len(text, source + done, (gssize)(node->inner_end - done));
    xml_ignore(node);
    return g_string_free(g_steal_pointer(&text), FALSE);
}
