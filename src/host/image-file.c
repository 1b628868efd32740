/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which files an image is made of.  Only the header of a qcow2 image is read here, and of it only
 * the name of the file below: for every start, qemu-img would be a process too many. */
#include "host/image-file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "host/image.h"

#define LOOK_TIMEOUT_MS  (20 * 1000)
#define BACKING_NAME_MAX 1023 /* by the format */

gboolean image_identity_equal(const ImageIdentity *a, const ImageIdentity *b)
{
    return a->device == b->device && a->inode == b->inode && a->is_device == b->is_device;
}

/* --- lists --- */

static void link_clear(void *data)
{
    g_free(((ImageLink *)data)->path);
}

static void file_clear(void *data)
{
    g_free(((ImageFile *)data)->path);
}

GPtrArray *image_chains_new(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)g_array_unref);
}

GArray *image_chains_add(GPtrArray *chains)
{
    GArray *chain = g_array_new(FALSE, FALSE, sizeof(ImageLink));

    g_array_set_clear_func(chain, link_clear);
    g_ptr_array_add(chains, chain);
    return chain;
}

void image_chain_link(GArray *chain, const char *path, gboolean is_qcow2, gboolean ends_chain)
{
    const ImageLink link = {g_strdup(path), is_qcow2, ends_chain};

    g_array_append_val(chain, link);
}

GArray *image_files_new(void)
{
    GArray *files = g_array_new(FALSE, FALSE, sizeof(ImageFile));

    g_array_set_clear_func(files, file_clear);
    return files;
}

/* --- qcow2 --- */

gboolean qcow2_header_parse(const uint8_t *header, size_t len, uint64_t *ret_offset,
                            uint32_t *ret_len)
{
    uint64_t offset;
    uint32_t size;

    if (len < QCOW2_HEADER_BYTES || memcmp(header, "QFI\xfb", 4) != 0)
        return FALSE;
    memcpy(&offset, header + 8, sizeof offset);
    memcpy(&size, header + 16, sizeof size);
    offset = GUINT64_FROM_BE(offset);
    size = GUINT32_FROM_BE(size);
    if (offset == 0 || offset > INT64_MAX - BACKING_NAME_MAX || size == 0 ||
        size > BACKING_NAME_MAX)
        return FALSE;
    *ret_offset = offset;
    *ret_len = size;
    return TRUE;
}

char *qcow2_backing_path(const char *path, const char *name)
{
    const char *slash = strchr(name, '/');
    const char *colon = strchr(name, ':');
    g_autofree char *folder = NULL;

    if (g_str_has_prefix(name, "file:"))
        return qcow2_backing_path(path, name + strlen("file:"));
    if (!*name || (colon && (!slash || colon < slash))) /* nbd:…, json:{…}, https:… */
        return NULL;
    if (*name == '/')
        return g_strdup(name);
    folder = g_path_get_dirname(path);
    return g_build_filename(folder, name, NULL);
}

static char *read_backing(const char *path)
{
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    uint8_t header[QCOW2_HEADER_BYTES];
    char name[BACKING_NAME_MAX + 1];
    uint64_t offset;
    uint32_t len;

    if (fd < 0 || pread(fd, header, sizeof header, 0) != sizeof header ||
        !qcow2_header_parse(header, sizeof header, &offset, &len) ||
        pread(fd, name, len, (off_t)offset) != (ssize_t)len)
        return NULL;
    name[len] = '\0';
    return qcow2_backing_path(path, name);
}

/* What lies below may have another format than it has a name for: a raw image that begins like a
 * qcow2 one.  Then a file too many is looked at, which only the word of the image above can tell.
 */
static gboolean looks_like_qcow2(const char *path)
{
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char magic[4];

    return fd >= 0 && pread(fd, magic, sizeof magic, 0) == sizeof magic &&
           memcmp(magic, "QFI\xfb", 4) == 0;
}

/* --- the look-up, on a worker --- */

typedef struct {
    GPtrArray *chains;
    GArray *files;
} LookUp;

static void look_up_free(void *data)
{
    LookUp *look_up = data;

    g_ptr_array_unref(look_up->chains);
    if (look_up->files)
        g_array_unref(look_up->files);
    g_free(look_up);
}

static gboolean identify(const char *path, ImageIdentity *ret_identity)
{
    struct stat status;

    if (stat(path, &status) < 0 || (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode)))
        return FALSE;
    *ret_identity = S_ISBLK(status.st_mode) ? (ImageIdentity){status.st_rdev, 0, TRUE}
                                            : (ImageIdentity){status.st_dev, status.st_ino, FALSE};
    return TRUE;
}

static void note(GArray *files, const char *path, unsigned chain, unsigned layer)
{
    ImageFile file = {.chain = chain, .layer = layer};

    if (!identify(path, &file.identity))
        return;
    file.path = g_strdup(path);
    g_array_append_val(files, file);
}

static void follow(GArray *files, const GArray *chain, unsigned number)
{
    g_autofree char *below = NULL;
    unsigned layer = 0;

    for (; layer < chain->len; layer++) {
        const ImageLink *link = &g_array_index(chain, ImageLink, layer);

        note(files, link->path, number, layer);
        g_free(below);
        below = link->is_qcow2 && !link->ends_chain ? read_backing(link->path) : NULL;
    }
    for (; below && layer < IMAGE_CHAIN_MAX; layer++) {
        g_autofree char *path = g_steal_pointer(&below);

        note(files, path, number, layer);
        below = looks_like_qcow2(path) ? read_backing(path) : NULL;
    }
}

static gboolean look_up_work(void *data, GError **error)
{
    LookUp *look_up = data;

    look_up->files = image_files_new();
    for (unsigned i = 0; i < look_up->chains->len; i++)
        follow(look_up->files, look_up->chains->pdata[i], i);
    return TRUE;
}

AWAITS GArray *image_files_look_up(GPtrArray *chains, GError **error)
{
    LookUp *look_up = g_new0(LookUp, 1);
    g_autoptr(Work) work = NULL;

    look_up->chains = chains;
    work = work_new("the files that the guest's images are made of", look_up_work, look_up,
                    look_up_free);
    if (!work_run(work, LOOK_TIMEOUT_MS, error)) {
        g_prefix_error(error, "cannot look at the guest's images: ");
        return NULL;
    }
    return g_steal_pointer(&look_up->files);
}
