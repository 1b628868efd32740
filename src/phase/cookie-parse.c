/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading cookies.  They come from outside: what is merely unknown is skipped, what is wrong is
 * refused. */
#include <string.h>

#include "base/error.h"
#include "base/number.h"
#include "phase/cookie.h"

#define CPU_HOTPLUG (COOKIE_MEMORY_HOTPLUG | COOKIE_CPU_HOTPLUG | COOKIE_CPU)

static const unsigned expected_features[] = {
    [COOKIE_FOR_PREPARE] =
        COOKIE_LOCKSTATE | COOKIE_NBD | CPU_HOTPLUG | COOKIE_CAPABILITIES | COOKIE_DIRTY_BITMAPS |
        COOKIE_STORAGE_PROOF,
    [COOKIE_FOR_PERFORM] =
        COOKIE_GRAPHICS | COOKIE_NBD | COOKIE_CAPABILITIES | COOKIE_DIRTY_BITMAPS,
    [COOKIE_FOR_FINISH] = COOKIE_NETWORK | COOKIE_STATISTICS | COOKIE_NBD | COOKIE_PERSISTENT,
    [COOKIE_FOR_CONFIRM] = COOKIE_STATISTICS,
};

static gboolean malformed(GError **error, const char *what)
{
    return error_set(error, ERROR_INTERNAL_ERROR, "internal error: malformed %s in migration data",
                     what);
}

static const char *required_text(XmlNode *root, const char *name, GError **error)
{
    XmlNode *node = xml_child(root, name);

    if (!node) {
        error_set(error, ERROR_INTERNAL_ERROR,
                  "internal error: missing %s element in migration data", name);
        return NULL;
    }
    return xml_text(node);
}

static MigrationCookie *read_identity(XmlNode *root, GError **error)
{
    const char *name, *uuid_text, *hostname, *host_uuid_text;
    Uuid uuid, host_uuid;

    if (!(name = required_text(root, "name", error)) ||
        !(uuid_text = required_text(root, "uuid", error)) ||
        !(hostname = required_text(root, "hostname", error)) ||
        !(host_uuid_text = required_text(root, "hostuuid", error)))
        return NULL;
    if (!uuid_parse(uuid_text, &uuid)) {
        malformed(error, "uuid element");
        return NULL;
    }
    if (!uuid_parse(host_uuid_text, &host_uuid)) {
        malformed(error, "hostuuid element");
        return NULL;
    }
    return cookie_new(name, &uuid, hostname, &host_uuid);
}

static gboolean read_features(MigrationCookie *cookie, XmlNode *root, CookieReader reader,
                              GError **error)
{
    for (XmlNode *node = xml_child(root, "feature"); node; node = xml_next(node, "feature")) {
        const char *name = xml_attr(node, "name");
        int feature = 0;

        if (!name)
            return error_set(error, ERROR_INTERNAL_ERROR,
                             "internal error: missing feature name in migration data");
        if (!enum_find(cookie_feature_names, name, &feature))
            return error_set(error, ERROR_INTERNAL_ERROR,
                             "internal error: Unknown migration cookie feature %.255s", name);
        if (!(expected_features[reader] & (unsigned)feature))
            return error_set(error, ERROR_INTERNAL_ERROR,
                             "internal error: Unsupported migration cookie feature %s", name);
        cookie->features |= (unsigned)feature;
    }
    return TRUE;
}

static gboolean read_graphics(MigrationCookie *cookie, XmlNode *root, GError **error)
{
    XmlNode *node = xml_child(root, "graphics");
    XmlNode *cert = node ? xml_child(node, "cert") : NULL;
    const char *tls_port = node ? xml_attr(node, "tlsPort") : NULL;
    int64_t number = -1;

    if (!node)
        return TRUE;
    cookie->has_graphics = TRUE;
    cookie->graphics_type = g_strdup(xml_attr(node, "type"));
    cookie->graphics_listen = g_strdup(xml_attr(node, "listen"));
    if (!cookie->graphics_type || !cookie->graphics_listen || !xml_attr(node, "port") ||
        !xml_attr_uint(node, "port", UINT16_MAX, &cookie->graphics_port, NULL) ||
        (tls_port && !number_parse_i64(tls_port, -1, UINT16_MAX, &number)))
        return malformed(error, "graphics element");
    cookie->graphics_tls_port = (int)number;
    for (; cert; cert = xml_next(cert, "cert"))
        if (!cookie->graphics_subject && g_strcmp0(xml_attr(cert, "info"), "subject") == 0)
            cookie->graphics_subject = g_strdup(xml_attr(cert, "value"));
    return TRUE;
}

static gboolean read_lockstate(MigrationCookie *cookie, XmlNode *root, GError **error)
{
    XmlNode *node = xml_child(root, "lockstate");
    XmlNode *leases = node ? xml_child(node, "leases") : NULL;

    if (!node)
        return TRUE;
    cookie->lock_driver = g_strdup(xml_attr(node, "driver"));
    cookie->lock_leases = g_strdup(leases ? xml_text(leases) : NULL);
    return cookie->lock_driver || malformed(error, "lockstate element");
}

static gboolean read_network(MigrationCookie *cookie, XmlNode *root, GError **error)
{
    XmlNode *node = xml_child(root, "network/interface");

    for (; node; node = xml_next(node, "interface")) {
        XmlNode *data = xml_child(node, "portdata");
        CookieInterface interface = {0};

        if (!xml_attr(node, "index") ||
            !xml_attr_uint(node, "index", UINT_MAX, &interface.index, NULL) ||
            !xml_attr(node, "vporttype"))
            return malformed(error, "network element");
        interface.vport_type = g_strdup(xml_attr(node, "vporttype"));
        interface.port_data = g_strdup(data ? xml_text(data) : NULL);
        g_array_append_val(cookie->interfaces, interface);
    }
    return TRUE;
}

static gboolean read_nbd(MigrationCookie *cookie, XmlNode *root, GError **error)
{
    XmlNode *node = xml_child(root, "nbd");
    XmlNode *disk = node ? xml_child(node, "disk") : NULL;

    if (!node)
        return TRUE;
    cookie->has_nbd = TRUE;
    if (!xml_attr_uint(node, "port", UINT16_MAX, &cookie->nbd_port, NULL))
        return malformed(error, "nbd element");
    for (; disk; disk = xml_next(disk, "disk")) {
        uint64_t capacity = 0;

        if (!xml_attr(disk, "target") ||
            !xml_attr_u64(disk, "capacity", UINT64_MAX, &capacity, NULL))
            return malformed(error, "nbd element");
        cookie_add_disk(cookie, xml_attr(disk, "target"), capacity);
    }
    return TRUE;
}

static gboolean read_capabilities(MigrationCookie *cookie, XmlNode *root, GError **error)
{
    XmlNode *node = xml_child(root, "capabilities");
    XmlNode *cap = node ? xml_child(node, "cap") : NULL;

    cookie->has_capabilities = node != NULL;
    for (; cap; cap = xml_next(cap, "cap")) {
        const char *is_auto = xml_attr(cap, "auto");

        if (!xml_attr(cap, "name") ||
            (g_strcmp0(is_auto, "yes") != 0 && g_strcmp0(is_auto, "no") != 0))
            return malformed(error, "capabilities element");
        cookie_add_capability(cookie, xml_attr(cap, "name"), g_str_equal(is_auto, "yes"));
    }
    return TRUE;
}

static gboolean read_bitmaps(MigrationCookie *cookie, XmlNode *root, GError **error)
{
    for (XmlNode *disk = xml_child(root, "blockDirtyBitmaps/disk"); disk;
         disk = xml_next(disk, "disk")) {
        const char *target = xml_attr(disk, "target");

        for (XmlNode *node = xml_child(disk, "bitmap"); node; node = xml_next(node, "bitmap")) {
            CookieBitmap bitmap;

            if (!target || !xml_attr(node, "name") || !xml_attr(node, "alias"))
                return malformed(error, "blockDirtyBitmaps element");
            bitmap.target = g_strdup(target);
            bitmap.bitmap = g_strdup(xml_attr(node, "name"));
            bitmap.alias = g_strdup(xml_attr(node, "alias"));
            g_array_append_val(cookie->bitmaps, bitmap);
        }
    }
    return TRUE;
}

/* Where the sender can be reached.  More addresses than we keep: the best come first. */
static gboolean read_reach(CookieFerry *ferry, XmlNode *node, GError **error)
{
    unsigned port = 0;

    if (!node)
        return TRUE;
    if (!xml_attr_uint(node, "port", UINT16_MAX, &port, NULL))
        return malformed(error, "reach element");
    ferry->port = (uint16_t)port;
    for (XmlNode *child = xml_child(node, "address");
         child && ferry->addresses->len < COOKIE_ADDRESSES_MAX;
         child = xml_next(child, "address")) {
        const char *origin = xml_attr(child, "origin");

        if (!origin || !cookie_add_address(ferry, xml_text(child), origin))
            return malformed(error, "reach element");
    }
    return TRUE;
}

static gboolean read_proofs(MigrationCookie *cookie, XmlNode *root, GError **error)
{
    XmlNode *node = xml_child(root, "ferry-proof");

    for (; node; node = xml_next(node, "ferry-proof")) {
        CookieProof proof = {0};

        if (cookie->proofs->len >= COOKIE_PROOFS_MAX ||
            !xml_attr_uint(node, "layer", UINT16_MAX, &proof.layer, NULL) ||
            !xml_attr_u64(node, "inode", UINT64_MAX, &proof.inode, NULL))
            return malformed(error, "ferry-proof element");
        proof.target = g_strdup(xml_attr(node, "target"));
        proof.id = g_strdup(xml_attr(node, "id"));
        proof.secret = g_strdup(xml_attr(node, "secret"));
        proof.serial = g_strdup(xml_attr(node, "serial"));
        g_array_append_val(cookie->proofs, proof); /* freed with the cookie in any case */
        if (!cookie_proof_check(&proof))
            return malformed(error, "ferry-proof element");
    }
    return TRUE;
}

/* Attributes that we do not know are skipped; those that we do know decide who runs a guest, so
 * they have to be right. */
static gboolean read_ferry(MigrationCookie *cookie, XmlNode *root, GError **error)
{
    XmlNode *node = xml_child(root, "ferry");
    XmlNode *definition;
    const char *attempt, *uuid, *token, *word, *wish;
    uint8_t id[(COOKIE_ATTEMPT_SIZE - 1) / 2];
    CookieFerry *ferry;
    int value = COOKIE_WORD_NONE;

    if (!node)
        return TRUE;
    if (g_strcmp0(xml_attr(node, "version"), "1") != 0)
        return error_set(error, ERROR_INTERNAL_ERROR,
                         "internal error: the other host speaks version %.32s of the hand-over, "
                         "this one version 1",
                         xml_attr(node, "version") ?: "none");
    ferry = cookie_ferry(cookie);
    attempt = xml_attr(node, "attempt");
    uuid = xml_attr(node, "uuid");
    token = xml_attr(node, "token");
    word = xml_attr(node, "word");
    wish = xml_attr(node, "wish");
    if (!attempt || !hex_parse(attempt, id, sizeof id) || !uuid ||
        !uuid_parse(uuid, &ferry->uuid) || !xml_attr(node, "epoch") ||
        !xml_attr_u64(node, "epoch", UINT64_MAX, &ferry->epoch, NULL) ||
        (token && !hex_parse(token, ferry->token, COOKIE_TOKEN_BYTES)) ||
        (word && !enum_find(cookie_word_names, word, &value)))
        return malformed(error, "ferry element");
    g_strlcpy(ferry->attempt, attempt, sizeof ferry->attempt);
    for (char *c = ferry->attempt; *c; c++)
        *c = g_ascii_tolower(*c);
    ferry->has_token = token != NULL;
    ferry->word = (CookieWord)value;
    ferry->wants_paused = g_strcmp0(wish, "paused") == 0;
    definition = xml_child(node, "definition");
    ferry->definition = definition ? g_strdup(xml_text(definition)) : NULL;
    return read_reach(ferry, xml_child(node, "reach"), error);
}

/* The element as it stands in the source. */
static char *subtree(XmlNode *root, const char *name, const char *source)
{
    XmlNode *node = xml_child(root, name);

    return node ? g_strndup(source + node->begin, node->end - node->begin) : NULL;
}

MigrationCookie *cookie_parse(const void *bytes, size_t len, CookieReader reader, GError **error)
{
    const char *text = bytes;
    g_autoptr(MigrationCookie) cookie = NULL;
    g_autoptr(XmlTree) tree = NULL;
    XmlNode *root, *stats;

    if (len == 0 || len > COOKIE_BYTES_MAX || text[len - 1] != '\0') {
        error_set(error, ERROR_INTERNAL_ERROR,
                  "internal error: Migration cookie was not NULL terminated");
        return NULL;
    }
    tree = xml_parse(text, strlen(text), "qemu-migration", error);
    if (!tree)
        return NULL;
    root = xml_root(tree);
    cookie = read_identity(root, error);
    if (!cookie)
        return NULL;
    if (!read_features(cookie, root, reader, error) || !read_graphics(cookie, root, error) ||
        !read_lockstate(cookie, root, error) || !read_network(cookie, root, error) ||
        !read_nbd(cookie, root, error) || !read_capabilities(cookie, root, error) ||
        !read_bitmaps(cookie, root, error) || !read_ferry(cookie, root, error) ||
        !read_proofs(cookie, root, error))
        return NULL;
    stats = xml_child(root, "statistics");
    cookie->has_stats = stats != NULL;
    if (stats && !migration_stats_read(stats, &cookie->stats, error))
        return NULL;
    cookie->domain_xml = subtree(root, "domain", text);
    cookie->cpu_xml = subtree(root, "cpu", text);
    return g_steal_pointer(&cookie);
}
