/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writing cookies: element by element, in stock's order, our own section last. */
#include <string.h>

#include "base/error.h"
#include "base/number.h"
#include "phase/cookie.h"

static void write_uuid(XmlWriter *writer, const char *name, const Uuid *uuid)
{
    char text[UUID_TEXT_SIZE];

    xml_write_element(writer, name, uuid_format(uuid, text));
}

static void write_identity(const MigrationCookie *cookie, XmlWriter *writer)
{
    xml_write_element(writer, "name", cookie->name);
    write_uuid(writer, "uuid", &cookie->uuid);
    xml_write_element(writer, "hostname", cookie->hostname);
    write_uuid(writer, "hostuuid", &cookie->host_uuid);
    for (const EnumName *row = cookie_feature_names; row->name; row++) {
        if (!(cookie->features & (unsigned)row->value))
            continue;
        xml_write_open(writer, "feature");
        xml_write_attr(writer, "name", row->name);
        xml_write_close(writer);
    }
}

static void write_graphics(const MigrationCookie *cookie, XmlWriter *writer)
{
    if (!cookie->has_graphics)
        return;
    xml_write_open(writer, "graphics");
    xml_write_attr(writer, "type", cookie->graphics_type);
    xml_write_attr_format(writer, "port", "%u", cookie->graphics_port);
    xml_write_attr(writer, "listen", cookie->graphics_listen);
    xml_write_attr_format(writer, "tlsPort", "%d", cookie->graphics_tls_port);
    if (cookie->graphics_subject) {
        xml_write_open(writer, "cert");
        xml_write_attr(writer, "info", "subject");
        xml_write_attr(writer, "value", cookie->graphics_subject);
        xml_write_close(writer);
    }
    xml_write_close(writer);
}

static void write_lockstate(const MigrationCookie *cookie, XmlWriter *writer)
{
    if (!cookie->lock_driver)
        return;
    xml_write_open(writer, "lockstate");
    xml_write_attr(writer, "driver", cookie->lock_driver);
    xml_write_element(writer, "leases", cookie->lock_leases);
    xml_write_close(writer);
}

/* A subtree again, at our depth.  What stands in <metadata> is not ours to lay out. */
static gboolean write_tree(XmlNode *node, XmlWriter *writer, GError **error)
{
    xml_write_open(writer, node->name);
    for (const XmlAttr *declared = node->namespaces; declared; declared = declared->next) {
        g_autofree char *name = g_strdup_printf("xmlns:%s", declared->name);

        xml_write_attr(writer, name, declared->value);
    }
    for (const XmlAttr *attr = node->attrs; attr; attr = attr->next)
        xml_write_attr(writer, attr->name, attr->value);
    if (g_str_equal(node->name, "metadata")) {
        g_autofree char *inner = xml_inner(node, error);

        if (!inner)
            return FALSE;
        xml_write_raw(writer, inner);
    } else if (node->first_child) {
        for (XmlNode *child = node->first_child; child; child = child->next)
            if (!write_tree(child, writer, error))
                return FALSE;
    } else if (*node->text) {
        xml_write_text(writer, node->text);
    }
    xml_write_close(writer);
    return TRUE;
}

static gboolean write_subtree(const char *xml, const char *name, XmlWriter *writer, GError **error)
{
    g_autoptr(XmlTree) tree = NULL;

    if (!xml)
        return TRUE;
    tree = xml_parse(xml, strlen(xml), name, error);
    return tree && write_tree(xml_root(tree), writer, error);
}

static void write_network(const MigrationCookie *cookie, XmlWriter *writer)
{
    if (cookie->interfaces->len == 0)
        return;
    xml_write_open(writer, "network");
    for (guint i = 0; i < cookie->interfaces->len; i++) {
        const CookieInterface *interface = &g_array_index(cookie->interfaces, CookieInterface, i);

        xml_write_open(writer, "interface");
        xml_write_attr_format(writer, "index", "%u", interface->index);
        xml_write_attr(writer, "vporttype", interface->vport_type);
        xml_write_element(writer, "portdata", interface->port_data);
        xml_write_close(writer);
    }
    xml_write_close(writer);
}

static void write_nbd(const MigrationCookie *cookie, XmlWriter *writer)
{
    if (!cookie->has_nbd)
        return;
    xml_write_open(writer, "nbd");
    if (cookie->nbd_port)
        xml_write_attr_format(writer, "port", "%u", cookie->nbd_port);
    for (guint i = 0; i < cookie->nbd_disks->len; i++) {
        const CookieDisk *disk = &g_array_index(cookie->nbd_disks, CookieDisk, i);

        xml_write_open(writer, "disk");
        xml_write_attr(writer, "target", disk->target);
        xml_write_attr_format(writer, "capacity", "%" G_GUINT64_FORMAT, disk->capacity_bytes);
        xml_write_close(writer);
    }
    xml_write_close(writer);
}

static void write_capabilities(const MigrationCookie *cookie, XmlWriter *writer)
{
    if (!cookie->has_capabilities)
        return;
    xml_write_open(writer, "capabilities");
    for (guint i = 0; i < cookie->capabilities->len; i++) {
        const CookieCapability *capability =
            &g_array_index(cookie->capabilities, CookieCapability, i);

        xml_write_open(writer, "cap");
        xml_write_attr(writer, "name", capability->name);
        xml_write_attr(writer, "auto", capability->is_auto ? "yes" : "no");
        xml_write_close(writer);
    }
    xml_write_close(writer);
}

/* Bitmaps of one disk stand together. */
static void write_bitmaps(const MigrationCookie *cookie, XmlWriter *writer)
{
    const char *target = NULL;

    if (cookie->bitmaps->len == 0)
        return;
    xml_write_open(writer, "blockDirtyBitmaps");
    for (guint i = 0; i < cookie->bitmaps->len; i++) {
        const CookieBitmap *bitmap = &g_array_index(cookie->bitmaps, CookieBitmap, i);

        if (!target || !g_str_equal(target, bitmap->target)) {
            if (target)
                xml_write_close(writer);
            target = bitmap->target;
            xml_write_open(writer, "disk");
            xml_write_attr(writer, "target", target);
        }
        xml_write_open(writer, "bitmap");
        xml_write_attr(writer, "name", bitmap->bitmap);
        xml_write_attr(writer, "alias", bitmap->alias);
        xml_write_close(writer);
    }
    xml_write_close(writer);
    xml_write_close(writer);
}

static void write_reach(const CookieFerry *ferry, XmlWriter *writer)
{
    if (!ferry->port && ferry->addresses->len == 0)
        return;
    xml_write_open(writer, "reach");
    if (ferry->port)
        xml_write_attr_format(writer, "port", "%u", ferry->port);
    for (guint i = 0; i < ferry->addresses->len; i++) {
        const CookieAddress *address = ferry->addresses->pdata[i];

        xml_write_open(writer, "address");
        xml_write_attr(writer, "origin", address->origin);
        xml_write_text(writer, address->literal);
        xml_write_close(writer);
    }
    xml_write_close(writer);
}

static void write_ferry(const CookieFerry *ferry, XmlWriter *writer)
{
    g_autofree char *token = NULL;
    char uuid[UUID_TEXT_SIZE];

    if (!ferry)
        return;
    xml_write_open(writer, "ferry");
    xml_write_attr(writer, "version", "1");
    xml_write_attr(writer, "attempt", ferry->attempt);
    xml_write_attr(writer, "uuid", uuid_format(&ferry->uuid, uuid));
    xml_write_attr_format(writer, "epoch", "%" G_GUINT64_FORMAT, ferry->epoch);
    if (ferry->has_token)
        token = hex_format(ferry->token, COOKIE_TOKEN_BYTES);
    xml_write_attr(writer, "token", token);
    xml_write_attr(writer, "word", enum_name(cookie_word_names, (int)ferry->word));
    xml_write_attr(writer, "wish", ferry->wants_paused ? "paused" : NULL);
    write_reach(ferry, writer);
    xml_write_element(writer, "definition", ferry->definition);
    xml_write_close(writer);
}

static void write_proofs(const MigrationCookie *cookie, XmlWriter *writer)
{
    for (guint i = 0; i < cookie->proofs->len; i++) {
        const CookieProof *proof = &g_array_index(cookie->proofs, CookieProof, i);

        xml_write_open(writer, "ferry-proof");
        xml_write_attr(writer, "target", proof->target);
        xml_write_attr_format(writer, "layer", "%u", proof->layer);
        xml_write_attr(writer, "id", proof->id);
        xml_write_attr(writer, "secret", proof->secret);
        xml_write_attr_format(writer, "inode", "%" G_GUINT64_FORMAT, proof->inode);
        xml_write_attr(writer, "serial", proof->serial);
        xml_write_close(writer);
    }
}

GBytes *cookie_format(const MigrationCookie *cookie, GError **error)
{
    g_autoptr(XmlWriter) writer = xml_writer_new();
    char *text;
    size_t size;

    xml_write_open(writer, "qemu-migration");
    write_identity(cookie, writer);
    write_graphics(cookie, writer);
    write_lockstate(cookie, writer);
    if (!write_subtree(cookie->domain_xml, "domain", writer, error))
        return NULL;
    write_network(cookie, writer);
    write_nbd(cookie, writer);
    if (cookie->has_stats)
        migration_stats_write(&cookie->stats, writer);
    if (!write_subtree(cookie->cpu_xml, "cpu", writer, error))
        return NULL;
    write_capabilities(cookie, writer);
    write_bitmaps(cookie, writer);
    write_ferry(cookie->ferry, writer);
    write_proofs(cookie, writer);
    xml_write_close(writer);

    text = xml_writer_finish(g_steal_pointer(&writer));
    size = strlen(text) + 1;
    if (size > COOKIE_BYTES_MAX) {
        g_free(text);
        error_set(error, ERROR_INTERNAL_ERROR,
                  "internal error: the migration cookie of domain '%s' is over %d bytes",
                  cookie->name, COOKIE_BYTES_MAX);
        return NULL;
    }
    return g_bytes_new_take(text, size);
}
