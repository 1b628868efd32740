/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Does another host see the same file?  Nobody can know for sure; the file system's kind is what
 * stock hosts go by. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "base/error.h"
#include "base/file.h"
#include "host/image.h"

#define FUSE_MAGIC       0x65735546UL
#define PLACE_TIMEOUT_MS (20 * 1000)
#define MOUNTS_MAX       (16 * 1024 * 1024)

static const unsigned long shared_magics[] = {
    0x00006969, /* nfs */
    0xfe534d42, /* smb2 */
    0xff534d42, /* cifs */
    0x0000517b, /* smb */
    0x01161970, /* gfs2 */
    0x7461636f, /* ocfs2 */
    0x5346414f, /* afs */
    0x00c36400, /* ceph */
    0x47504653, /* gpfs */
    0x0bd00bd0, /* lustre */
    0x61636673, /* acfs */
    0x19830326, /* beegfs */
    0x51626d6f, /* quobyte */
};
static const char *const shared_fuse_types[] = {"fuse.glusterfs", "fuse.quobyte"};

typedef struct {
    char *path;
    char **extra_dirs;
    ImagePlace place;
} Query;

static void query_free(void *data)
{
    Query *query = data;

    g_free(query->path);
    g_strfreev(query->extra_dirs);
    g_free(query);
}

/* The kind of a FUSE mount is only in mountinfo: "36 35 98:0 / /mnt rw - fuse.glusterfs …". */
static gboolean is_shared_fuse(const char *path)
{
    g_autofree char *text = file_read("/proc/self/mountinfo", MOUNTS_MAX, NULL, NULL);
    g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
    struct stat status;

    if (stat(path, &status) < 0)
        return FALSE;
    g_autofree char *device =
        g_strdup_printf(" %u:%u ", major(status.st_dev), minor(status.st_dev));
    for (char **line = lines; *line; line++) {
        const char *type = strstr(*line, " - ");

        if (!type || !strstr(*line, device))
            continue;
        for (unsigned i = 0; i < G_N_ELEMENTS(shared_fuse_types); i++) {
            if (g_str_has_prefix(type + 3, shared_fuse_types[i]))
                return TRUE;
        }
    }
    return FALSE;
}

static gboolean is_below(const char *path, const char *dir)
{
    size_t len = strlen(dir);

    while (len > 1 && dir[len - 1] == '/')
        len--;
    return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* On a worker. */
static gboolean query_work(void *data, GError **error)
{
    Query *query = data;
    g_autofree char *folder = g_path_get_dirname(query->path);
    struct stat status;
    const char *there = stat(query->path, &status) == 0 ? query->path : folder;
    struct statfs fs;

    if (statfs(there, &fs) < 0) {
        if (errno != ENOENT && errno != ENOTDIR)
            return error_errno(error, "cannot ask for the file system of '%s'", query->path);
        query->place = IMAGE_PLACE_MISSING;
        return TRUE;
    }
    char *real = realpath(there, NULL);
    for (char **dir = query->extra_dirs; dir && *dir; dir++) {
        if (is_below(query->path, *dir) || (real && is_below(real, *dir)))
            query->place = IMAGE_PLACE_SHARED;
    }
    free(real);
    for (unsigned i = 0; i < G_N_ELEMENTS(shared_magics); i++) {
        if (((unsigned long)fs.f_type & 0xffffffff) == shared_magics[i])
            query->place = IMAGE_PLACE_SHARED;
    }
    if (((unsigned long)fs.f_type & 0xffffffff) == FUSE_MAGIC && is_shared_fuse(there))
        query->place = IMAGE_PLACE_SHARED;
    return TRUE;
}

AWAITS gboolean image_place(const char *path, const char *const *extra_dirs, ImagePlace *ret_place,
                            GError **error)
{
    Query *query = g_new0(Query, 1);

    query->path = g_strdup(path);
    query->extra_dirs = g_strdupv((char **)extra_dirs);
    g_autofree char *what = g_strdup_printf("the file system of '%s'", path);
    g_autoptr(Work) work = work_new(what, query_work, query, query_free);
    if (!work_run(work, PLACE_TIMEOUT_MS, error))
        return FALSE;
    *ret_place = query->place;
    return TRUE;
}
