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
#define HEADER_V2        72
#define HEADER_V3        104
#define BACKING_FORMAT   0xe2792acaU

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

static GArray *files_new(void)
{
    GArray *files = g_array_new(FALSE, FALSE, sizeof(ImageFile));

    g_array_set_clear_func(files, file_clear);
    return files;
}

/* --- qcow2 --- */

static uint32_t get_u32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof value);
    return GUINT32_FROM_BE(value);
}

/* Behind the header lie extensions: type, length, and as many bytes, filled up to eight. */
static gboolean says_qcow2(const uint8_t *header, size_t len)
{
    const uint32_t version = get_u32(header + 4);
    size_t at = version < 3 ? HEADER_V2 : len >= HEADER_V3 ? get_u32(header + HEADER_V3 - 4) : len;

    while (at < len && len - at >= 8) {
        const uint32_t type = get_u32(header + at), size = get_u32(header + at + 4);

        at += 8;
        if (type == 0 || size > len - at)
            return FALSE;
        if (type == BACKING_FORMAT)
            return size == strlen("qcow2") && memcmp(header + at, "qcow2", size) == 0;
        at += (size + 7) & ~(size_t)7;
    }
    return FALSE;
}

gboolean qcow2_header_parse(const uint8_t *header, size_t len, Qcow2Backing *ret_backing)
{
    uint64_t offset;
    uint32_t size;

    if (len < HEADER_V2 || memcmp(header, "QFI\xfb", 4) != 0)
        return FALSE;
    memcpy(&offset, header + 8, sizeof offset);
    offset = GUINT64_FROM_BE(offset);
    size = get_u32(header + 16);
    if (offset == 0 || offset > INT64_MAX - BACKING_NAME_MAX || size == 0 ||
        size > BACKING_NAME_MAX)
        return FALSE;
    *ret_backing = (Qcow2Backing){offset, size, says_qcow2(header, len)};
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

int image_open(const char *path)
{
    auto_fd int place = open(path, O_PATH | O_CLOEXEC);
    struct stat status;

    if (place < 0 || fstat(place, &status) < 0 ||
        (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode)))
        return -1;
    g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", place);
    return open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

/* The file below; NULL: none.  What that file holds tells nothing of its format: a guest may have
 * written it. */
static char *read_backing(const char *path, gboolean *ret_is_qcow2)
{
    auto_fd int fd = image_open(path);
    uint8_t header[QCOW2_HEADER_MAX];
    char name[BACKING_NAME_MAX + 1];
    Qcow2Backing backing;
    const ssize_t len = fd < 0 ? -1 : pread(fd, header, sizeof header, 0);

    if (len < 0 || !qcow2_header_parse(header, (size_t)len, &backing) ||
        pread(fd, name, backing.name_len, (off_t)backing.name_offset) != (ssize_t)backing.name_len)
        return NULL;
    name[backing.name_len] = '\0';
    *ret_is_qcow2 = backing.is_qcow2;
    return qcow2_backing_path(path, name);
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
    gboolean is_qcow2 = FALSE;
    unsigned layer = 0;

    for (; layer < chain->len; layer++) {
        const ImageLink *link = &g_array_index(chain, ImageLink, layer);

        note(files, link->path, number, layer);
        g_free(below);
        below = link->is_qcow2 && !link->ends_chain ? read_backing(link->path, &is_qcow2) : NULL;
    }
    for (; below && layer < IMAGE_CHAIN_MAX; layer++) {
        g_autofree char *path = g_steal_pointer(&below);

        note(files, path, number, layer);
        below = is_qcow2 ? read_backing(path, &is_qcow2) : NULL;
    }
}

static gboolean look_up_work(void *data, GError **error)
{
    LookUp *look_up = data;

    look_up->files = files_new();
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
