/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What migrations and guests leave at images: proofs beside them, and their owner.  File servers hang, so all of it is looked at
 * on workers. */
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "doctor/doctor.h"
#include "domain/domain.h"
#include "domain/registry.h"
#include "host/image.h"
#include "migrate/migration.h"
#include "migrate/proof.h"
#include "model/disk.h"
#include "model/guest-def.h"

#define FRESH_S     600 /* a proof is removed within seconds; what is younger may be in use */
#define LOOK_MS     5000
#define FOLDERS_MAX 256
#define ENTRIES_MAX 100000

/* --- files of guests --- */

static void add_file(GHashTable *files, const char *path)
{
    if (path)
        g_hash_table_add(files, g_strdup(path));
}

static void add_files(GHashTable *files, const GuestDef *def)
{
    for (unsigned i = 0; def && i < def->disks->len; i++)
        add_file(files, guest_def_disk(def, i)->file);
    add_file(files, def ? def->os.kernel : NULL);
    add_file(files, def ? def->os.initrd : NULL);
}

static GHashTable *path_set(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

/* Of guests that run, and of those that do not and are ours. */
static void gather(GHashTable *used, GHashTable *idle)
{
    g_autoptr(GPtrArray) all = registry_list(0);

    for (unsigned i = 0; i < all->len; i++) {
        Domain *domain = all->pdata[i];

        if (domain_is_active(domain) || owner_standing(domain) != OWNER_HERE)
            add_files(used, domain->live);
        if (domain_is_active(domain) || owner_standing(domain) != OWNER_HERE)
            add_files(used, domain->persistent);
        else
            add_files(idle, domain->persistent);
    }
}

static char **without(GHashTable *idle, GHashTable *used)
{
    GPtrArray *paths = g_ptr_array_new();
    GHashTableIter iter;
    gpointer path;

    g_hash_table_iter_init(&iter, idle);
    while (g_hash_table_iter_next(&iter, &path, NULL))
        if (!g_hash_table_contains(used, path))
            g_ptr_array_add(paths, g_strdup(path));
    g_ptr_array_add(paths, NULL);
    return (char **)g_ptr_array_free(paths, FALSE);
}

/* --- images whose owner was not given back --- */

static void add_hanging(Doctor *doctor, const char *what, const GError *why)
{
    findings_add(doctor->findings, FINDING_PERSON, what, "could not be looked at: %s", why->message);
}

static AWAITS void add_given(Doctor *doctor, const ImageGiven *given)
{
    const HostUser *user = &registry_settings()->qemu->user;
    g_autofree char *owner = g_strdup_printf("%u:%u", (unsigned)given->uid, (unsigned)given->gid);
    ImagePlace place = IMAGE_PLACE_LOCAL;
    const gboolean is_local =
        image_place(given->path, migrate_settings()->shared_dirs, &place, NULL) && place == IMAGE_PLACE_LOCAL;
    Finding *finding = findings_add(doctor->findings, is_local ? FINDING_LEFTOVER : FINDING_PERSON, "image",
                                    "belongs to user %s, who runs QEMU, and no running guest of this host uses it; before, its owner was "
                                    "%s%s",
                                    user->name, owner, is_local ? "" : "; a guest of another host may use it: look there first");

    finding->where = g_strdup(given->path);
    finding->command = finding_command("chown", owner, given->path, NULL);
}

AWAITS void look_images(Doctor *doctor)
{
    const QemuEnv *env = registry_settings()->qemu;
    g_autoptr(GHashTable) used = path_set();
    g_autoptr(GHashTable) idle = path_set();
    g_autoptr(GPtrArray) given = NULL;
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) paths = NULL;

    gather(used, idle);
    paths = without(idle, used);
    given = image_find_given(paths, &env->user, env->state_dir, LOOK_MS, &error);
    if (!given)
        add_hanging(doctor, "images", error);
    for (unsigned i = 0; given && i < given->len; i++)
        add_given(doctor, given->pdata[i]);
}

/* --- proofs --- */

typedef struct {
    char **folders;
    GPtrArray *found; /* char * */
} Search;

static void search_free(void *data)
{
    Search *search = data;

    g_strfreev(search->folders);
    g_ptr_array_unref(search->found);
    g_free(search);
}

/* On a worker. */
static gboolean search_work(void *data, GError **error)
{
    Search *search = data;
    unsigned entries = 0;

    for (char **folder = search->folders; *folder; folder++) {
        g_autoptr(GDir) dir = g_dir_open(*folder, 0, NULL);

        for (const char *name; dir && (name = g_dir_read_name(dir)) && ++entries < ENTRIES_MAX;) {
            g_autofree char *path = g_build_filename(*folder, name, NULL);

            if (g_str_has_prefix(name, PROOF_PREFIX) && !doctor_is_fresh(path, FRESH_S))
                g_ptr_array_add(search->found, g_steal_pointer(&path));
        }
    }
    return TRUE;
}

static char **folders_of_images(void)
{
    g_autoptr(GHashTable) files = path_set();
    g_autoptr(GHashTable) folders = path_set();
    GHashTableIter iter;
    gpointer path;

    gather(files, files);
    g_hash_table_iter_init(&iter, files);
    while (g_hash_table_iter_next(&iter, &path, NULL) && g_hash_table_size(folders) < FOLDERS_MAX)
        g_hash_table_add(folders, g_path_get_dirname(path));
    g_autoptr(GHashTable) none = path_set();
    return without(folders, none);
}

/* TRUE: a note that was told says where it lies. */
static void add_notes(Doctor *doctor, GHashTable *told)
{
    g_autofree char *path = g_build_filename(migrate_settings()->state_dir, "nonces", NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);

    for (const char *name; dir && (name = g_dir_read_name(dir));) {
        g_autofree char *note = g_build_filename(path, name, NULL);
        g_autofree char *nonce = file_read(note, PATH_MAX, NULL, NULL);
        Finding *finding;

        if (doctor_is_fresh(note, FRESH_S))
            continue;
        finding = findings_add(doctor->findings, FINDING_LEFTOVER, "proof beside an image", "was laid for a migration that has ended");
        finding->where = g_strdup(nonce ?: note);
        finding->command = finding_command("rm -f", note, nonce, NULL);
        if (nonce)
            g_hash_table_add(told, g_steal_pointer(&nonce));
    }
}

AWAITS void look_nonces(Doctor *doctor)
{
    g_autoptr(GHashTable) told = path_set();
    g_autoptr(GError) error = NULL;
    g_autoptr(Work) work = NULL;
    Search *search = g_new0(Search, 1);

    add_notes(doctor, told);
    search->folders = folders_of_images();
    search->found = g_ptr_array_new_with_free_func(g_free);
    work = work_new("the folders of the images", search_work, search, search_free);
    if (!work_run(work, LOOK_MS, &error)) {
        add_hanging(doctor, "folders of images", error);
        return;
    }
    for (unsigned i = 0; i < search->found->len; i++) {
        Finding *finding;

        if (g_hash_table_contains(told, search->found->pdata[i]))
            continue;
        finding = findings_add(doctor->findings, FINDING_LEFTOVER, "proof beside an image",
                               "was laid for a migration, by this or another host that sees the folder, and was not removed");
        finding->where = g_strdup(search->found->pdata[i]);
        finding->command = finding_command("rm -f", finding->where, NULL);
    }
}
