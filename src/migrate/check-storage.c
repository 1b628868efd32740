/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks of a guest that moves without them: are they the same files on the other host, and can QEMU open them there? */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/error.h"
#include "domain/image-use.h"
#include "domain/lease.h"
#include "host/image.h"
#include "migrate/check.h"
#include "migrate/proof.h"
#include "model/guest-def.h"
#include "phase/flags.h"

#define SECTION          "storage"
#define LOOK_TIMEOUT_MS  (5 * 1000)
#define MIB              (1024 * 1024)
#define UNSAFE_WORDS     "Unsafe migration: Migration without shared storage is unsafe: "

static char *disk_name(const char *target, unsigned layer)
{
    return layer ? g_strdup_printf("disk '%s', base image %u", target, layer) : g_strdup_printf("disk '%s'", target);
}

static const char *format_of(const GuestDisk *disk)
{
    return enum_name(guest_image_format_names, disk->format);
}

AWAITS static gboolean is_on_shared_place(const char *path)
{
    ImagePlace place;

    return image_place(path, migrate_settings()->shared_dirs, &place, NULL) && place == IMAGE_PLACE_SHARED;
}

/* --- the source --- */

static void hand_on(CheckScene *scene, const CookieProof *proof)
{
    g_autofree char *text = cookie_proof_format(proof);

    g_array_append_val(scene->proofs, *proof);
    params_add_string(scene->facts, CHECK_FACT_PROOF, text);
}

/* What an image is based on is only read, so its proof decides nothing: a rehearsal alone asks for it. */
AWAITS static void lay_below(CheckScene *scene, const GuestDisk *disk)
{
    g_auto(ImageChain) chain = {0};

    if (disk->format == GUEST_IMAGE_RAW ||
        !image_chain_read(disk->file, format_of(disk), &migrate_settings()->env->user, &chain, NULL))
        return;
    for (unsigned layer = 1; layer < chain.count && scene->proofs->len < COOKIE_PROOFS_MAX; layer++) {
        CookieProof proof = {0};

        if (proof_lay(chain.layers[layer].path, disk->target, layer, &proof, NULL))
            hand_on(scene, &proof);
    }
}

AWAITS static void source_disk(CheckScene *scene, const GuestDisk *disk, GPtrArray *rows)
{
    g_autofree char *name = disk_name(disk->target, 0);
    const gboolean is_shared = is_on_shared_place(disk->file);
    g_autoptr(GError) why = NULL;
    CookieProof proof = {0};

    if (is_shared)
        check_rows_add(rows, SECTION, name, CHECK_OK, "'%s' lies on storage that hosts share", disk->file);
    if (scene->proofs->len < COOKIE_PROOFS_MAX && proof_lay(disk->file, disk->target, 0, &proof, &why)) {
        scene->must_prove |= !is_shared && !disk->is_readonly;
        hand_on(scene, &proof);
    } else if (!is_shared && !disk->is_readonly && !(scene->flags & MIGRATE_UNSAFE)) {
        check_rows_block(rows, SECTION, name, ERROR_MIGRATE_UNSAFE,
                         UNSAFE_WORDS "disk '%s' is '%s', which is not known to be the same file on the other host, and "
                                      "that cannot be proven: %s; if it is the same, repeat with --unsafe",
                         disk->target, disk->file, why ? why->message : "there are too many disks");
    }
    if (scene->is_rehearsal)
        lay_below(scene, disk);
}

AWAITS void check_storage_source(CheckScene *scene, GPtrArray *rows)
{
    if ((scene->flags & MIGRATE_UNSAFE) && !scene->is_rehearsal)
        return;
    for (unsigned i = 0; i < scene->def->disks->len; i++) {
        const GuestDisk *disk = guest_def_disk(scene->def, i);

        if (disk->file)
            source_disk(scene, disk, rows);
    }
    params_add_bool(scene->facts, CHECK_FACT_PROVES, scene->must_prove);
}

/* --- the destination: can they be opened? --- */

/* What an administrator does about a file that does not open. */
static const char *open_remedy(const GError *error, const HostUser *user, char **ret_text)
{
    if (strstr(error->message, g_strerror(ENOENT)))
        return "mount the storage that holds it, under the same path, or name another file with --xml";
    if (strstr(error->message, g_strerror(EACCES)))
        return *ret_text = g_strdup_printf("let user '%s' (%u:%u) read and write it, and pass through its folders",
                                           user->is_set ? user->name : g_get_user_name(),
                                           user->is_set ? user->uid : getuid(), user->is_set ? user->gid : getgid());
    return "see that it opens there";
}

/* Takes why. */
static void cannot_open(const CheckScene *scene, const char *target, unsigned layer, GError *why, GPtrArray *rows)
{
    g_autofree char *name = disk_name(target, layer);
    g_autofree char *text = NULL;
    const char *remedy = open_remedy(why, &migrate_settings()->env->user, &text);
    CheckRow *row;

    g_prefix_error(&why, "disk '%s' cannot be used here: ", target);
    row = check_rows_add_error(rows, SECTION, name, CHECK_BLOCKER, why);
    check_row_advise(row, g_strdup(remedy));
}

typedef struct {
    char *path;
    uint64_t free_bytes;
} Space;

static void space_free(void *data)
{
    g_free(((Space *)data)->path);
    g_free(data);
}

/* On a worker. */
static gboolean space_work(void *data, GError **error)
{
    Space *space = data;
    struct statvfs fs;

    if (statvfs(space->path, &fs) < 0)
        return error_errno(error, "cannot ask for the free space of '%s'", space->path);
    space->free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    return TRUE;
}

AWAITS static gboolean free_space(const char *path, uint64_t *ret_bytes)
{
    Space *space = g_new0(Space, 1);
    g_autoptr(Work) work = NULL;

    space->path = g_strdup(path);
    work = work_new("free space", space_work, space, space_free);
    if (!work_run(work, LOOK_TIMEOUT_MS, NULL))
        return FALSE;
    *ret_bytes = space->free_bytes;
    return TRUE;
}

/* An image that is not yet as large as it may become stops the guest when its file system is full. */
AWAITS static void look_at_space(const GuestDisk *disk, const ImageLayer *top, GPtrArray *rows)
{
    g_autofree char *name = disk_name(disk->target, 0);
    const uint64_t growth = top->virtual_bytes > top->actual_bytes ? top->virtual_bytes - top->actual_bytes : 0;
    uint64_t bytes;

    if (disk->is_readonly || !free_space(top->path, &bytes))
        return;
    if (bytes < growth)
        check_rows_add(rows, "space", name, CHECK_WARNING,
                       "'%s' may still grow by %" G_GUINT64_FORMAT " MiB, and %" G_GUINT64_FORMAT
                       " MiB are free; make room before the guest fills it",
                       disk->file, growth / MIB, bytes / MIB);
    else
        check_rows_add(rows, "space", name, CHECK_OK,
                       "%" G_GUINT64_FORMAT " MiB free, and it may still grow by %" G_GUINT64_FORMAT " MiB", bytes / MIB,
                       growth / MIB);
}

/* FALSE: one of them does not open, and the row is there. */
AWAITS static gboolean open_layers(CheckScene *scene, const GuestDisk *disk, const ImageChain *chain, GPtrArray *rows)
{
    for (unsigned layer = 1; layer < chain->count; layer++) {
        GError *why = NULL;

        if (image_test_open(chain->layers[layer].path, FALSE, &migrate_settings()->env->user, &why))
            continue;
        cannot_open(scene, disk->target, layer, why, rows);
        return FALSE;
    }
    return TRUE;
}

AWAITS static void open_disk(CheckScene *scene, const GuestDisk *disk, GPtrArray *rows)
{
    const HostUser *user = &migrate_settings()->env->user;
    g_autofree char *name = disk_name(disk->target, 0);
    g_auto(ImageChain) chain = {0};
    GError *why = NULL;

    if (!image_test_open(disk->file, !disk->is_readonly, user, &why) ||
        ((scene->is_rehearsal || disk->format != GUEST_IMAGE_RAW) &&
         !image_chain_read(disk->file, format_of(disk), user, &chain, &why))) {
        cannot_open(scene, disk->target, 0, why, rows);
        return;
    }
    if (!open_layers(scene, disk, &chain, rows) || !scene->is_rehearsal)
        return;
    check_rows_add(rows, SECTION, name, CHECK_OK, "'%s' opens as user '%s'%s", disk->file,
                   user->is_set ? user->name : g_get_user_name(), chain.count > 1 ? ", with all that it is based on" : "");
    look_at_space(disk, &chain.layers[0], rows);
}

AWAITS void check_storage_opens(CheckScene *scene, GPtrArray *rows)
{
    for (unsigned i = 0; i < scene->def->disks->len; i++) {
        const GuestDisk *disk = guest_def_disk(scene->def, i);

        if (disk->file)
            open_disk(scene, disk, rows);
    }
}

/* --- both: the guest's lease --- */

/* Both hosts keep leases, or none does: a host that keeps none could not be kept from running the guest. */
AWAITS void check_storage_lease(CheckScene *scene, GPtrArray *rows)
{
    const char *theirs = scene->peer ? params_get_string(scene->peer, CHECK_FACT_LEASES) : NULL;
    GError *why = NULL;

    params_add_string(scene->facts, CHECK_FACT_LEASES, lease_is_on() ? "sanlock" : "none");
    if (theirs && g_str_equal(theirs, "sanlock") != lease_is_on())
        check_rows_add(rows, SECTION, "lease", CHECK_BLOCKER,
                       "lock_manager is %s at the source and %s here; set it alike in ferryd.conf, with the same lease_dir",
                       theirs, lease_is_on() ? "sanlock" : "none");
    else if (lease_is_on() && !lease_wait_until_entered(0, &why))
        check_rows_add_error(rows, SECTION, "lease", CHECK_BLOCKER, why);
    else if (lease_is_on())
        check_rows_add(rows, SECTION, "lease", CHECK_OK, "sanlock has let this host into the lockspace");
}

/* --- the destination: does another guest use them? --- */

AWAITS void check_storage_free(CheckScene *scene, GPtrArray *rows)
{
    GError *why = NULL;
    g_autoptr(GArray) uses = image_uses_read(scene->def, &why);

    if (!uses)
        check_rows_add_error(rows, SECTION, "images in use", CHECK_UNKNOWN, why);
    else if (!image_uses_check(uses, NULL, &why))
        check_rows_add_error(rows, SECTION, "images in use", CHECK_BLOCKER, why);
    else if (uses->len)
        check_rows_add(rows, SECTION, "images in use", CHECK_OK, "no guest of this host uses the same");
}

/* --- the destination: are they the same? --- */

/* Where the proof of that layer is to be looked for here; NULL: there is no such layer. */
AWAITS static char *layer_path(const GuestDisk *disk, unsigned layer)
{
    g_auto(ImageChain) chain = {0};

    if (layer == 0)
        return g_strdup(disk->file);
    if (!image_chain_read(disk->file, format_of(disk), &migrate_settings()->env->user, &chain, NULL) || layer >= chain.count)
        return NULL;
    return g_strdup(chain.layers[layer].path);
}

static void not_same(CheckScene *scene, const GuestDisk *disk, unsigned layer, const char *path, const char *why,
                     GPtrArray *rows)
{
    g_autofree char *name = disk_name(disk->target, layer);

    if (layer > 0 || disk->is_readonly || (scene->flags & MIGRATE_UNSAFE))
        check_rows_add(rows, SECTION, name, CHECK_WARNING,
                       "'%s' is not the same file as at the source: %s; see that both hold the same data", path, why);
    else
        check_rows_block(rows, SECTION, name, ERROR_MIGRATE_UNSAFE,
                         UNSAFE_WORDS "disk '%s': '%s' is not the same file as at the source: %s; mount the storage that "
                                      "the source uses there under the same path",
                         disk->target, path, why);
}

/* Not proven, and not disproven: then the kind of file system has to do. */
AWAITS static void not_proven(CheckScene *scene, const GuestDisk *disk, const char *path, const char *why, GPtrArray *rows)
{
    g_autofree char *name = disk_name(disk->target, 0);

    if (is_on_shared_place(path))
        check_rows_add(rows, SECTION, name, CHECK_OK, "'%s' lies on storage that hosts share (not proven: %s)", path, why);
    else if (scene->must_prove && !disk->is_readonly && !(scene->flags & MIGRATE_UNSAFE))
        check_rows_block(rows, SECTION, name, ERROR_MIGRATE_UNSAFE,
                         UNSAFE_WORDS "disk '%s': nobody can tell whether '%s' is the same file as at the source: %s; if it "
                                      "is, repeat with --unsafe",
                         disk->target, path, why);
    else
        check_rows_add(rows, SECTION, name, CHECK_UNKNOWN,
                       "nobody can tell whether '%s' is the same file as at the source: %s; look yourself", path, why);
}

AWAITS static void compare(CheckScene *scene, const CookieProof *proof, GPtrArray *rows)
{
    const GuestDisk *disk = guest_def_find_disk(scene->def, proof->target);
    g_autofree char *path = disk && disk->file ? layer_path(disk, proof->layer) : NULL;
    g_autofree char *name = disk_name(proof->target, proof->layer);
    g_autofree char *why = NULL;

    if (!path)
        return;
    switch (proof_read(path, proof, &why)) {
    case PROOF_SAME:
        check_rows_add(rows, SECTION, name, CHECK_OK, "'%s' is the same %s on both hosts (proven)", path,
                       proof->serial ? "device" : "file");
        break;
    case PROOF_OTHER:
        not_same(scene, disk, proof->layer, path, why, rows);
        break;
    case PROOF_UNKNOWN:
        if (proof->layer == 0)
            not_proven(scene, disk, path, why, rows);
        break;
    case PROOF_MISSING: /* that it does not open is said elsewhere */
        break;
    }
}

static gboolean has_proof(const CheckScene *scene, const char *target)
{
    for (guint i = 0; i < scene->proofs->len; i++)
        if (g_str_equal(g_array_index(scene->proofs, CookieProof, i).target, target))
            return TRUE;
    return FALSE;
}

AWAITS void check_storage_same(CheckScene *scene, GPtrArray *rows)
{
    for (guint i = 0; i < scene->proofs->len; i++)
        compare(scene, &g_array_index(scene->proofs, CookieProof, i), rows);
    for (unsigned i = 0; i < scene->def->disks->len && scene->is_rehearsal; i++) {
        const GuestDisk *disk = guest_def_disk(scene->def, i);

        if (disk->file && !has_proof(scene, disk->target))
            not_proven(scene, disk, disk->file, "the source left no proof", rows);
    }
}
