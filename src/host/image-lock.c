/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who holds the lock that QEMU has been refused.  QEMU's locks belong to open files, not to
 * processes, so the kernel tells that there is one but not whose: for that the open files of this
 * host are walked.  What is not found among them is another host's. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "host/image-file.h"

#define LOOK_TIMEOUT_MS (5 * 1000)
#define FDINFO_MAX      (64 * 1024)

typedef struct {
    char **paths;
    pid_t own;
    char *sentence;
} LockLook;

static void look_free(void *data)
{
    LockLook *look = data;

    g_strfreev(look->paths);
    g_free(look->sentence);
    g_free(look);
}

/* fdinfo has a line "lock: 1: OFDLCK ADVISORY READ -1 08:01:1234 100 101" for each. */
static gboolean holds_lock(const char *pid, const char *fd, const struct stat *image)
{
    g_autofree char *link = g_strdup_printf("/proc/%s/fd/%s", pid, fd);
    g_autofree char *info = g_strdup_printf("/proc/%s/fdinfo/%s", pid, fd);
    g_autofree char *text = NULL;
    struct stat status;

    if (stat(link, &status) < 0 || status.st_dev != image->st_dev || status.st_ino != image->st_ino)
        return FALSE;
    text = file_read(info, FDINFO_MAX, NULL, NULL);
    return text && strstr(text, "lock:");
}

static gboolean process_holds(const char *pid, const struct stat *image)
{
    g_autofree char *folder = g_strdup_printf("/proc/%s/fd", pid);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *fd;

    while (dir && (fd = g_dir_read_name(dir)))
        if (holds_lock(pid, fd, image))
            return TRUE;
    return FALSE;
}

/* "process 123 (qemu-img)"; NULL: nobody on this host but, perhaps, our own QEMU. */
static char *find_holder(const struct stat *image, pid_t own)
{
    g_autoptr(GDir) dir = g_dir_open("/proc", 0, NULL);
    const char *pid;

    while (dir && (pid = g_dir_read_name(dir))) {
        g_autofree char *path = g_strdup_printf("/proc/%s/comm", pid);
        g_autofree char *name = NULL;

        if (!g_ascii_isdigit(*pid) || atoi(pid) == own || !process_holds(pid, image))
            continue;
        name = file_read(path, 64, NULL, NULL);
        return g_strdup_printf("process %s (%s)", pid,
                               name ? g_strchomp(name) : "which has ended meanwhile");
    }
    return NULL;
}

static gboolean is_locked(const char *path, struct stat *ret_status)
{
    auto_fd int fd = image_open(path);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    return fd >= 0 && fstat(fd, ret_status) == 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 &&
           lock.l_type != F_UNLCK;
}

/* A lock that nobody of this host holds, not even our own QEMU, is another host's. */
static gboolean look_work(void *data, GError **error)
{
    LockLook *look = data;
    const char *foreign = NULL;

    for (char **path = look->paths; *path; path++) {
        g_autofree char *own = g_strdup_printf("%d", (int)look->own);
        g_autofree char *holder = NULL;
        struct stat status;

        if (!is_locked(*path, &status))
            continue;
        holder = find_holder(&status, look->own);
        if (holder) {
            look->sentence =
                g_strdup_printf("image '%s' is locked by %s of this host: end that", *path, holder);
            return TRUE;
        }
        if (!foreign && !process_holds(own, &status))
            foreign = *path;
    }
    if (foreign)
        look->sentence = g_strdup_printf(
            "image '%s' is locked, and by no process of this host: find the host that uses it "
            "(`fuser -v '%s'` there) and end that",
            foreign, foreign);
    return TRUE;
}

AWAITS char *image_lock_describe(const char *const *paths, pid_t own, GError **error)
{
    LockLook *look = g_new0(LockLook, 1);
    g_autoptr(Work) work = NULL;

    look->paths = g_strdupv((char **)paths);
    look->own = own;
    work = work_new("who holds an image's lock", look_work, look, look_free);
    return work_run(work, LOOK_TIMEOUT_MS, error) ? g_steal_pointer(&look->sentence) : NULL;
}
