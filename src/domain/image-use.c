/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The rule is QEMU's: who writes to an image wants no other writer and no reader; `share-rw` of a
 * disk
 * (<shareable/>) lifts that, for raw images, on both sides; a qcow2 image cannot be shared by
 * writers, whatever the disk says, as each QEMU keeps its metadata in memory. */
#include "domain/image-use.h"

#include "base/error.h"
#include "base/log.h"
#include "domain/domain.h"
#include "domain/registry.h"
#include "model/guest-def.h"

/* --- the rule --- */

static gboolean only_reads(const ImageUse *use)
{
    return use->is_base || use->is_readonly;
}

gboolean image_uses_agree(const ImageUse *a, const ImageUse *b)
{
    return (only_reads(a) && only_reads(b)) ||
           (a->is_shareable && b->is_shareable && !a->is_base && !b->is_base);
}

char *image_uses_explain(const ImageUse *ours, const ImageUse *theirs, const char *their_name)
{
    g_autofree char *whose =
        their_name ? g_strdup_printf("disk '%s' of guest '%s'", theirs->target, their_name)
                   : g_strdup_printf("disk '%s' of the same guest", theirs->target);
    g_autofree char *elsewhere = g_str_equal(ours->path, theirs->path)
                                     ? g_strdup("")
                                     : g_strdup_printf(" (there as '%s')", theirs->path);
    g_autofree char *other = their_name ? g_strdup_printf("shut guest '%s' down", their_name)
                                        : g_strdup("give each disk an image of its own");

    if (theirs->is_base)
        return g_strdup_printf(
            "image '%s', which disk '%s' would write to, is the base of %s%s: %s, or put an "
            "overlay of "
            "this disk's own on the image (`qemu-img create -f qcow2 -b '%s' -F FORMAT NEW`)",
            ours->path, ours->target, whose, elsewhere, other, ours->path);
    if (ours->is_base)
        return g_strdup_printf("image '%s', which disk '%s' is based on, is written to by %s%s: %s",
                               ours->path, ours->target, whose, elsewhere, other);
    if (ours->is_shareable_in_vain || theirs->is_shareable_in_vain)
        return g_strdup_printf("image '%s' of disk '%s' is in use by %s%s: %s; <shareable/> does "
                               "not help here, only raw "
                               "images can be shared by writers",
                               ours->path, ours->target, whose, elsewhere, other);
    return g_strdup_printf("image '%s' of disk '%s' is in use by %s%s: %s, or mark the disk "
                           "<shareable/> (raw images) or "
                           "<readonly/> in both definitions",
                           ours->path, ours->target, whose, elsewhere, other);
}

/* --- reading --- */

static void use_clear(void *data)
{
    ImageUse *use = data;

    g_free(use->path);
    g_free(use->target);
}

static GArray *uses_new(void)
{
    GArray *uses = g_array_new(FALSE, FALSE, sizeof(ImageUse));

    g_array_set_clear_func(uses, use_clear);
    return uses;
}

static void link_disk(GArray *chain, const GuestDisk *disk)
{
    const GuestBacking *below = disk->backing;

    image_chain_link(chain, disk->file, disk->format == GUEST_IMAGE_QCOW2, below && !below->file);
    for (; below && below->file; below = below->next)
        image_chain_link(chain, below->file, below->format == GUEST_IMAGE_QCOW2,
                         below->next && !below->next->file);
}

AWAITS GArray *image_uses_read(const GuestDef *def, GError **error)
{
    g_autoptr(GPtrArray) disks = g_ptr_array_new();
    GPtrArray *chains = image_chains_new();
    g_autoptr(GuestDef) hold = guest_def_copy(def); /* others may change it meanwhile */
    g_autoptr(GArray) files = NULL;
    GArray *uses;

    for (unsigned i = 0; i < hold->disks->len; i++)
        if (guest_def_disk(hold, i)->file) {
            g_ptr_array_add(disks, guest_def_disk(hold, i));
            link_disk(image_chains_add(chains), guest_def_disk(hold, i));
        }
    files = image_files_look_up(chains, error);
    if (!files)
        return NULL;
    uses = uses_new();
    for (unsigned i = 0; i < files->len; i++) {
        const ImageFile *file = &g_array_index(files, ImageFile, i);
        const GuestDisk *disk = disks->pdata[file->chain];
        const gboolean is_raw = disk->format == GUEST_IMAGE_RAW;
        const ImageUse use = {.path = g_strdup(file->path),
                              .target = g_strdup(disk->target),
                              .identity = file->identity,
                              .is_base = file->layer > 0,
                              .is_readonly = disk->is_readonly,
                              .is_shareable = disk->is_shareable && is_raw,
                              .is_shareable_in_vain = disk->is_shareable && !is_raw};

        g_array_append_val(uses, use);
    }
    return uses;
}

/* --- who uses what --- */

static gboolean check_pair(const ImageUse *ours, const ImageUse *theirs, const char *their_name,
                           GError **error)
{
    g_autofree char *why = NULL;

    if (!image_identity_equal(&ours->identity, &theirs->identity) || image_uses_agree(ours, theirs))
        return TRUE;
    why = image_uses_explain(ours, theirs, their_name);
    return error_set(error, ERROR_RESOURCE_BUSY, "resource busy: %s", why);
}

static gboolean check_all(const GArray *ours, const GArray *theirs, const char *their_name,
                          GError **error)
{
    for (unsigned i = 0; i < ours->len; i++)
        for (unsigned j = 0; j < (their_name ? theirs->len : i); j++)
            if (!check_pair(&g_array_index(ours, ImageUse, i), &g_array_index(theirs, ImageUse, j),
                            their_name, error))
                return FALSE;
    return TRUE;
}

gboolean image_uses_check(const GArray *uses, const Domain *self, GError **error)
{
    g_autoptr(GPtrArray) all = registry_list(0);

    for (unsigned i = 0; i < all->len; i++) {
        const Domain *other = all->pdata[i];

        if (other != self && other->image_uses &&
            !check_all(uses, other->image_uses, other->name, error))
            return FALSE;
    }
    return check_all(uses, uses, NULL, error);
}

AWAITS gboolean image_uses_claim(Domain *domain, GError **error)
{
    g_autoptr(GArray) uses = image_uses_read(domain->live, error);

    if (!uses || !image_uses_check(uses, domain, error))
        return FALSE;
    image_uses_drop(domain);
    domain->image_uses = g_steal_pointer(&uses);
    return TRUE;
}

static AWAITS void note(void *data)
{
    Domain *domain = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) uses = domain->live ? image_uses_read(domain->live, &error) : NULL;

    if (error)
        log_warning("domain '%s': %s, continuing with QEMU's own locks alone", domain->name,
                    error->message);
    if (!uses || !domain_is_active(domain) || domain->image_uses)
        return;
    domain->image_uses = g_steal_pointer(&uses);
}

void image_uses_note(Domain *domain)
{
    task_spawn("note-images", note, domain_ref(domain), (GDestroyNotify)domain_unref);
}

void image_uses_drop(Domain *domain)
{
    g_clear_pointer(&domain->image_uses, g_array_unref);
}
