/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cookies: the struct, and what is checked of it.  Writing and reading are in cookie-format.c and
 * cookie-parse.c. */
#include "phase/cookie.h"

#include <string.h>

#include "base/error.h"
#include "base/number.h"

#define COOKIE_UNSAFE_WORDS "Unsafe migration: Migration without shared storage is unsafe"

const EnumName cookie_feature_names[] = {
    {"graphics", COOKIE_GRAPHICS},
    {"lockstate", COOKIE_LOCKSTATE},
    {"persistent", COOKIE_PERSISTENT},
    {"network", COOKIE_NETWORK},
    {"nbd", COOKIE_NBD},
    {"statistics", COOKIE_STATISTICS},
    {"memory-hotplug", COOKIE_MEMORY_HOTPLUG},
    {"cpu-hotplug", COOKIE_CPU_HOTPLUG},
    {"cpu", COOKIE_CPU},
    {"allowReboot", COOKIE_ALLOW_REBOOT},
    {"capabilities", COOKIE_CAPABILITIES},
    {"block-dirty-bitmaps", COOKIE_DIRTY_BITMAPS},
    /* A stock host that refuses it shows the name to its user, so that is a sentence. */
    {COOKIE_UNSAFE_WORDS ": only a ferryd can tell whether a disk is the same file there; if all "
                         "are, repeat with --unsafe",
     COOKIE_STORAGE_PROOF},
    {NULL},
};

const EnumName cookie_word_names[] = {
    {"OFFERED", COOKIE_WORD_OFFERED},
    {"PREPARED", COOKIE_WORD_PREPARED},
    {"GO", COOKIE_WORD_GO},
    {"TAKEN", COOKIE_WORD_TAKEN},
    {"REFUSED", COOKIE_WORD_REFUSED},
    {"LOST", COOKIE_WORD_LOST},
    {NULL},
};

static void capability_clear(CookieCapability *capability)
{
    g_free(capability->name);
}

static void disk_clear(CookieDisk *disk)
{
    g_free(disk->target);
}

static void bitmap_clear(CookieBitmap *bitmap)
{
    g_free(bitmap->target);
    g_free(bitmap->bitmap);
    g_free(bitmap->alias);
}

void cookie_proof_clear(CookieProof *proof)
{
    g_free(proof->target);
    g_free(proof->id);
    g_free(proof->secret);
    g_free(proof->serial);
    *proof = (CookieProof){0};
}

void cookie_proof_copy(const CookieProof *proof, CookieProof *ret_copy)
{
    *ret_copy = (CookieProof){
        .target = g_strdup(proof->target),
        .layer = proof->layer,
        .id = g_strdup(proof->id),
        .secret = g_strdup(proof->secret),
        .inode = proof->inode,
        .serial = g_strdup(proof->serial),
    };
}

static void interface_clear(CookieInterface *interface)
{
    g_free(interface->vport_type);
    g_free(interface->port_data);
}

static GArray *list_new(size_t item_size, GDestroyNotify clear)
{
    GArray *list = g_array_new(FALSE, TRUE, (guint)item_size);

    g_array_set_clear_func(list, clear);
    return list;
}

GArray *cookie_proofs_new(void)
{
    return list_new(sizeof(CookieProof), (GDestroyNotify)cookie_proof_clear);
}

MigrationCookie *cookie_new(const char *name, const Uuid *uuid, const char *hostname,
                            const Uuid *host_uuid)
{
    MigrationCookie *cookie = g_new0(MigrationCookie, 1);

    cookie->name = g_strdup(name);
    cookie->uuid = *uuid;
    cookie->hostname = g_strdup(hostname);
    cookie->host_uuid = *host_uuid;
    cookie->graphics_tls_port = -1;
    cookie->interfaces = list_new(sizeof(CookieInterface), (GDestroyNotify)interface_clear);
    cookie->nbd_disks = list_new(sizeof(CookieDisk), (GDestroyNotify)disk_clear);
    cookie->capabilities = list_new(sizeof(CookieCapability), (GDestroyNotify)capability_clear);
    cookie->bitmaps = list_new(sizeof(CookieBitmap), (GDestroyNotify)bitmap_clear);
    cookie->proofs = cookie_proofs_new();
    return cookie;
}

static void address_free(void *data)
{
    CookieAddress *address = data;

    g_free(address->literal);
    g_free(address->origin);
    g_free(address);
}

static void ferry_free(CookieFerry *ferry)
{
    if (!ferry)
        return;
    g_free(ferry->definition);
    g_ptr_array_unref(ferry->addresses);
    g_free(ferry);
}

void cookie_free(MigrationCookie *cookie)
{
    if (!cookie)
        return;
    g_free(cookie->name);
    g_free(cookie->hostname);
    g_free(cookie->graphics_type);
    g_free(cookie->graphics_listen);
    g_free(cookie->graphics_subject);
    g_free(cookie->lock_driver);
    g_free(cookie->lock_leases);
    g_free(cookie->domain_xml);
    g_free(cookie->cpu_xml);
    g_array_unref(cookie->interfaces);
    g_array_unref(cookie->nbd_disks);
    g_array_unref(cookie->capabilities);
    g_array_unref(cookie->bitmaps);
    g_array_unref(cookie->proofs);
    ferry_free(cookie->ferry);
    g_free(cookie);
}

void cookie_add_capability(MigrationCookie *cookie, const char *name, gboolean is_auto)
{
    CookieCapability capability = {.name = g_strdup(name), .is_auto = is_auto};

    cookie->has_capabilities = TRUE;
    g_array_append_val(cookie->capabilities, capability);
}

void cookie_add_disk(MigrationCookie *cookie, const char *target, uint64_t capacity_bytes)
{
    CookieDisk disk = {.target = g_strdup(target), .capacity_bytes = capacity_bytes};

    cookie->has_nbd = TRUE;
    g_array_append_val(cookie->nbd_disks, disk);
}

CookieFerry *cookie_ferry(MigrationCookie *cookie)
{
    if (!cookie->ferry) {
        cookie->ferry = g_new0(CookieFerry, 1);
        cookie->ferry->uuid = cookie->uuid;
        cookie->ferry->addresses = g_ptr_array_new_with_free_func(address_free);
    }
    return cookie->ferry;
}

static gboolean is_word(const char *text)
{
    for (const char *c = text; *c; c++)
        if (!g_ascii_isgraph(*c))
            return FALSE;
    return *text != '\0';
}

static gboolean is_printable(const char *text)
{
    if (!g_utf8_validate(text, -1, NULL))
        return FALSE;
    for (const char *c = text; *c; c = g_utf8_next_char(c))
        if (!g_unichar_isprint(g_utf8_get_char(c)))
            return FALSE;
    return *text != '\0';
}

gboolean cookie_address_is_fit(const char *literal, const char *origin)
{
    return strlen(literal) <= COOKIE_LITERAL_MAX && is_word(literal) &&
           strlen(origin) <= COOKIE_ORIGIN_MAX && is_printable(origin);
}

gboolean cookie_add_address(CookieFerry *ferry, const char *literal, const char *origin)
{
    CookieAddress *address;

    if (ferry->addresses->len >= COOKIE_ADDRESSES_MAX || !cookie_address_is_fit(literal, origin))
        return FALSE;
    address = g_new0(CookieAddress, 1);
    address->literal = g_strdup(literal);
    address->origin = g_strdup(origin);
    g_ptr_array_add(ferry->addresses, address);
    return TRUE;
}

gboolean cookie_check(const MigrationCookie *cookie, const char *name, const Uuid *uuid,
                      const Uuid *own_host, GError **error)
{
    char theirs[UUID_TEXT_SIZE], ours[UUID_TEXT_SIZE];

    if (!g_str_equal(cookie->name, name))
        return error_set(error, ERROR_INTERNAL_ERROR,
                         "internal error: Incoming cookie data had unexpected name %s vs %s",
                         cookie->name, name);
    if (!uuid_equal(&cookie->uuid, uuid) ||
        (cookie->ferry && !uuid_equal(&cookie->ferry->uuid, uuid)))
        return error_set(error, ERROR_INTERNAL_ERROR,
                         "internal error: Incoming cookie data had unexpected UUID %s vs %s",
                         uuid_format(&cookie->uuid, theirs), uuid_format(uuid, ours));
    if (uuid_equal(&cookie->host_uuid, own_host))
        return error_set(error, ERROR_INTERNAL_ERROR,
                         "internal error: Attempt to migrate guest to the same host %s",
                         uuid_format(own_host, ours));
    return TRUE;
}

/* The source without a lock driver sends no element; so a target with one has nothing to go on, and
 * the other way round. */
gboolean cookie_check_lock(const MigrationCookie *cookie, const char *lock_driver, GError **error)
{
    gboolean has_driver = lock_driver && !g_str_equal(lock_driver, "none");

    if (cookie->lock_driver && !g_str_equal(cookie->lock_driver, lock_driver ?: "none"))
        return error_set(error, ERROR_INTERNAL_ERROR,
                         "internal error: Source host lock driver %s different from target %s",
                         cookie->lock_driver, lock_driver ?: "none");
    if (!cookie->lock_driver && has_driver)
        return error_set(error, ERROR_INTERNAL_ERROR,
                         "internal error: Missing %s lock state for migration cookie", lock_driver);
    return TRUE;
}

char *cookie_proof_format(const CookieProof *proof)
{
    g_autofree char *serial = g_uri_escape_string(proof->serial ?: "", NULL, FALSE);

    return g_strdup_printf("%s %u %s %s %" G_GUINT64_FORMAT " %s", proof->target, proof->layer,
                           proof->id, proof->secret, proof->inode, serial);
}

gboolean cookie_proof_check(const CookieProof *proof)
{
    uint8_t bytes[COOKIE_PROOF_SECRET_BYTES];

    return proof->target && *proof->target && proof->id &&
           hex_parse(proof->id, bytes, COOKIE_PROOF_ID_BYTES) && proof->secret &&
           hex_parse(proof->secret, bytes, COOKIE_PROOF_SECRET_BYTES);
}

gboolean cookie_proof_parse(const char *text, CookieProof *ret_proof)
{
    g_auto(GStrv) words = g_strsplit(text, " ", 7);
    uint64_t layer;

    if (g_strv_length(words) != 6 || !number_parse_u64(words[1], UINT16_MAX, &layer) ||
        !number_parse_u64(words[4], UINT64_MAX, &ret_proof->inode))
        return FALSE;
    ret_proof->target = g_strdup(words[0]);
    ret_proof->layer = (unsigned)layer;
    ret_proof->id = g_strdup(words[2]);
    ret_proof->secret = g_strdup(words[3]);
    ret_proof->serial = *words[5] ? g_uri_unescape_string(words[5], NULL) : NULL;
    if (cookie_proof_check(ret_proof))
        return TRUE;
    cookie_proof_clear(ret_proof);
    return FALSE;
}

void cookie_explain_refusal(GError **error)
{
    const char *words = *error ? strstr((*error)->message, COOKIE_UNSAFE_WORDS) : NULL;
    g_autofree char *sentence = NULL;

    if (!words || error_is(*error, ERROR_MIGRATE_UNSAFE))
        return;
    sentence = g_strdup(words);
    g_clear_error(error);
    error_set(error, ERROR_MIGRATE_UNSAFE, "%s", sentence);
}

GBytes *cookie_hand_on(GBytes *c2, CookieWord word)
{
    size_t len = 0;
    const void *bytes = c2 ? g_bytes_get_data(c2, &len) : NULL;
    g_autoptr(MigrationCookie) from =
        bytes ? cookie_parse(bytes, len, COOKIE_FOR_PERFORM, NULL) : NULL;
    g_autoptr(MigrationCookie) answer = NULL;
    CookieFerry *ferry;

    if (!from || !from->ferry)
        return NULL;
    answer = cookie_new(from->name, &from->uuid, from->hostname, &from->host_uuid);
    ferry = cookie_ferry(answer);
    memcpy(ferry->attempt, from->ferry->attempt, sizeof ferry->attempt);
    ferry->uuid = from->ferry->uuid;
    ferry->epoch = from->ferry->epoch;
    ferry->word = word;
    return cookie_format(answer, NULL);
}
