/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may open an image: gives files to QEMU's user and back, and tries them as that user.
 *
 * The owner before is kept on the file, in the extended attributes that stock hosts write:
 *     trusted.libvirt.security.dac            "+UID:+GID"  the owner to return to
 *     trusted.libvirt.security.ref_dac        "N"          guests that use it
 *     trusted.libvirt.security.timestamp_dac  "SECONDS"    boot of the host that counts; older
 * counts are void File systems that cannot keep these (tmpfs of old kernels, NFS) have the same
 * three lines in a file of memory_dir. */
#include "host/image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/number.h"
#include "host/command.h"

#define FILE_TIMEOUT_MS (20 * 1000)
#define XATTR_OWNER     "trusted.libvirt.security.dac"
#define XATTR_COUNT     "trusted.libvirt.security.ref_dac"
#define XATTR_BOOT      "trusted.libvirt.security.timestamp_dac"
#define VALUE_MAX       64
/* Boot times are computed from the wall clock, which is stepped now and then. */
#define BOOT_TOLERANCE_S 300

typedef struct {
    uid_t uid;
    gid_t gid;
    unsigned count;
    uint64_t boot_s;
} Memory;

typedef struct {
    char *path;
    char *link; /* /proc/self/fd/N of the opened path: what is checked is what is changed */
    char *file; /* in memory_dir, or NULL */
    uid_t uid;
    gid_t gid;
    gboolean gives;
} Job;

static void job_free(void *data)
{
    Job *job = data;

    g_free(job->path);
    g_free(job->link);
    g_free(job->file);
    g_free(job);
}

/* NULL: nowhere. */
static char *memory_path(const char *memory_dir, const char *path)
{
    g_autofree char *name = g_compute_checksum_for_string(G_CHECKSUM_SHA256, path, -1);

    return memory_dir ? g_build_filename(memory_dir, "owners", name, NULL) : NULL;
}

static uint64_t boot_time_s(void)
{
    struct timespec up, now;

    clock_gettime(CLOCK_BOOTTIME, &up);
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)(now.tv_sec - up.tv_sec);
}

static gboolean parse_memory(const char *owner, const char *count, const char *boot,
                             Memory *ret_memory)
{
    g_auto(GStrv) ids = g_strsplit(owner, ":", 2);
    uint64_t uid, gid, number, boot_s;
    uint64_t now = boot_time_s();

    if (g_strv_length(ids) != 2 ||
        !number_parse_u64(ids[0] + (ids[0][0] == '+'), G_MAXUINT32 - 1, &uid) ||
        !number_parse_u64(ids[1] + (ids[1][0] == '+'), G_MAXUINT32 - 1, &gid) ||
        !number_parse_u64(count, G_MAXUINT16, &number) ||
        !number_parse_u64(boot, G_MAXINT64, &boot_s))
        return FALSE;
    if (MAX(now, boot_s) - MIN(now, boot_s) > BOOT_TOLERANCE_S)
        number = 0; /* a count of before the reboot; the owner is still the owner */
    *ret_memory = (Memory){(uid_t)uid, (gid_t)gid, (unsigned)number, boot_s};
    return TRUE;
}

static gboolean read_xattr(const char *link, const char *name, char value[VALUE_MAX])
{
    ssize_t n = getxattr(link, name, value, VALUE_MAX - 1);

    if (n < 0)
        return FALSE;
    value[n] = '\0';
    return TRUE;
}

static gboolean recall(const Job *job, Memory *ret_memory)
{
    char owner[VALUE_MAX], count[VALUE_MAX], boot[VALUE_MAX];

    if (read_xattr(job->link, XATTR_OWNER, owner) && read_xattr(job->link, XATTR_COUNT, count) &&
        read_xattr(job->link, XATTR_BOOT, boot))
        return parse_memory(owner, count, boot, ret_memory);
    g_autofree char *text = job->file ? file_read(job->file, 8192, NULL, NULL) : NULL;
    g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", 5);
    return g_strv_length(lines) >= 4 && strcmp(lines[3], job->path) == 0 &&
           parse_memory(lines[0], lines[1], lines[2], ret_memory);
}

static gboolean remember(const Job *job, const Memory *memory, GError **error)
{
    g_autofree char *owner = g_strdup_printf("+%u:+%u", memory->uid, memory->gid);
    g_autofree char *count = g_strdup_printf("%u", memory->count);
    g_autofree char *boot = g_strdup_printf("%" G_GUINT64_FORMAT, memory->boot_s);

    if (setxattr(job->link, XATTR_OWNER, owner, strlen(owner), 0) == 0 &&
        setxattr(job->link, XATTR_COUNT, count, strlen(count), 0) == 0 &&
        setxattr(job->link, XATTR_BOOT, boot, strlen(boot), 0) == 0)
        return TRUE;
    if (!job->file)
        return TRUE;
    g_autofree char *text = g_strdup_printf("%s\n%s\n%s\n%s\n", owner, count, boot, job->path);
    g_autofree char *dir = g_path_get_dirname(job->file);
    return dir_make(dir, 0700, error) &&
           file_write_atomic(job->file, text, strlen(text), 0600, error);
}

static void forget(const Job *job)
{
    removexattr(job->link, XATTR_OWNER);
    removexattr(job->link, XATTR_COUNT);
    removexattr(job->link, XATTR_BOOT);
    if (job->file)
        unlink(job->file);
}

/* A file server that squashes root, or a read-only one, decides for itself; opening the file as
 * that user tells. */
static gboolean is_their_decision(int number)
{
    return number == EPERM || number == EACCES || number == EROFS || number == EOPNOTSUPP ||
           number == ENOSYS || number == EINVAL;
}

static gboolean change_owner(int fd, const char *path, uid_t uid, gid_t gid, GError **error)
{
    if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH) == 0 || is_their_decision(errno))
        return TRUE;
    return error_errno(error, "cannot give '%s' to user %u and group %u", path, uid, gid);
}

static gboolean give(const Job *job, int fd, const struct stat *now, GError **error)
{
    Memory memory;

    /* Whoever gave it another owner meanwhile meant it: that one gets it back, and no older count holds. */
    if (!recall(job, &memory) || memory.count == 0 || now->st_uid != job->uid)
        memory = (Memory){now->st_uid, now->st_gid, 0, boot_time_s()};
    memory.count++;
    memory.boot_s = boot_time_s();
    return remember(job, &memory, error) && change_owner(fd, job->path, job->uid, job->gid, error);
}

static gboolean give_back(const Job *job, int fd, GError **error)
{
    Memory memory;

    if (!recall(job, &memory))
        return TRUE;
    if (memory.count > 1) {
        memory.count--;
        return remember(job, &memory, error);
    }
    if (!change_owner(fd, job->path, memory.uid, memory.gid, error))
        return FALSE;
    forget(job);
    return TRUE;
}

/* On a worker. */
static gboolean job_work(void *data, GError **error)
{
    Job *job = data;
    auto_fd int fd = open(job->path, O_PATH | O_CLOEXEC);
    struct stat now;

    if (fd < 0 && errno == ENOENT && !job->gives)
        return TRUE;
    if (fd < 0 || fstat(fd, &now) < 0)
        return error_errno(error, "cannot access '%s'", job->path);
    if (!S_ISREG(now.st_mode) && !S_ISBLK(now.st_mode))
        return TRUE;
    job->link = g_strdup_printf("/proc/self/fd/%d", fd);
    return job->gives ? give(job, fd, &now, error) : give_back(job, fd, error);
}

/* Counting is read, add, write: one at a time per path. */
static GHashTable *busy_paths;
static Condition *busy_changed;

AWAITS static gboolean busy_begin(const char *path, GError **error)
{
    if (!busy_paths) {
        busy_paths = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        busy_changed = condition_new("another use of the same image");
    }
    while (g_hash_table_contains(busy_paths, path)) {
        if (!condition_wait(busy_changed, FILE_TIMEOUT_MS, error))
            return FALSE;
    }
    g_hash_table_add(busy_paths, g_strdup(path));
    return TRUE;
}

static void busy_end(const char *path)
{
    g_hash_table_remove(busy_paths, path);
    condition_signal(busy_changed);
}

AWAITS static gboolean change(const char *path, const HostUser *user, const char *memory_dir,
                              gboolean gives, GError **error)
{
    Job *job;
    gboolean is_done;

    if (!user->is_set)
        return TRUE;
    if (!busy_begin(path, error))
        return FALSE;
    job = g_new0(Job, 1);
    job->path = g_strdup(path);
    job->gives = gives;
    job->uid = user->uid;
    job->gid = user->gid;
    job->file = memory_path(memory_dir, path);
    g_autofree char *what = g_strdup_printf("the owner of '%s'", path);
    g_autoptr(Work) work = work_new(what, job_work, job, job_free);
    is_done = work_run(work, FILE_TIMEOUT_MS, error);
    busy_end(path);
    return is_done;
}

AWAITS gboolean image_give(const char *path, const HostUser *user, const char *memory_dir,
                           GError **error)
{
    return change(path, user, memory_dir, TRUE, error);
}

AWAITS gboolean image_give_back(const char *path, const HostUser *user, const char *memory_dir,
                                GError **error)
{
    return change(path, user, memory_dir, FALSE, error);
}

/* --- what was not returned --- */

typedef struct {
    char **paths;
    char *memory_dir;
    uid_t uid;
    GPtrArray *given;
} GivenSearch;

static void given_free(void *data)
{
    ImageGiven *given = data;

    g_free(given->path);
    g_free(given);
}

static void given_search_free(void *data)
{
    GivenSearch *search = data;

    g_strfreev(search->paths);
    g_free(search->memory_dir);
    g_ptr_array_unref(search->given);
    g_free(search);
}

static void given_look(GivenSearch *search, const char *path)
{
    auto_fd int fd = open(path, O_PATH | O_CLOEXEC);
    g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", fd);
    g_autofree char *file = memory_path(search->memory_dir, path);
    const Job job = {.path = (char *)path, .link = link, .file = file};
    struct stat now;
    Memory memory;
    ImageGiven *given;

    if (fd < 0 || fstat(fd, &now) < 0 || now.st_uid != search->uid || !recall(&job, &memory) ||
        memory.count == 0 || memory.uid == search->uid)
        return;
    given = g_new0(ImageGiven, 1);
    *given = (ImageGiven){.path = g_strdup(path), .uid = memory.uid, .gid = memory.gid};
    g_ptr_array_add(search->given, given);
}

/* On a worker. */
static gboolean given_work(void *data, GError **error)
{
    GivenSearch *search = data;

    for (char **path = search->paths; *path; path++)
        given_look(search, *path);
    return TRUE;
}

AWAITS GPtrArray *image_find_given(char *const *paths, const HostUser *user, const char *memory_dir,
                                   int64_t timeout_ms, GError **error)
{
    g_autoptr(Work) work = NULL;
    GivenSearch *search;

    if (!user->is_set)
        return g_ptr_array_new();
    search = g_new0(GivenSearch, 1);
    search->paths = g_strdupv((char **)paths);
    search->memory_dir = g_strdup(memory_dir);
    search->uid = user->uid;
    search->given = g_ptr_array_new_with_free_func(given_free);
    work = work_new("the owners of images", given_work, search, given_search_free);
    return work_run(work, timeout_ms, error) ? g_ptr_array_ref(search->given) : NULL;
}

AWAITS gboolean image_test_open(const char *path, gboolean for_writing, const HostUser *user,
                                GError **error)
{
    g_autofree char *target = g_strconcat(for_writing ? "of=" : "if=", path, NULL);
    /* /bin, not /usr/bin: it is there on hosts where the two are not one, too */
    const char *const reading[] = {"/bin/dd", target, "of=/dev/null", "count=0", "status=none",
                                   NULL};
    const char *const writing[] = {"/bin/dd", "if=/dev/null", target, "conv=notrunc,nocreat",
                                   "count=0", "status=none",  NULL};
    g_auto(CommandResult) result = {0};
    const char *why;

    if (!command_run(for_writing ? writing : reading, user, VALUE_MAX, FILE_TIMEOUT_MS, &result,
                     error)) {
        g_prefix_error(error, "cannot open '%s': ", path);
        return FALSE;
    }
    if (result.wait_status == 0)
        return TRUE;
    why = strrchr(result.complaint, ':');
    return error_set(error, ERROR_OPEN_FAILED, "cannot open '%s' for %s as user '%s': %s", path,
                     for_writing ? "writing" : "reading",
                     user->is_set ? user->name : g_get_user_name(),
                     why ? why + 2 : result.complaint);
}
