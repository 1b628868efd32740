/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ferry-lease: one question to sanlock, or one change of a lease's value, for ferryd.  A process of
 * its own: sanlock's calls block, sanlock may kill who holds a lease, and a ferryd that keeps no
 * leases needs no library for it.  What the value means is decided in ferryd
 * (domain/lease-value.c); here it is text that is compared and replaced.
 *
 *   ferry-lease join  DIR HOST_ID IO_TIMEOUT     enters the lockspace, which it makes if there is
 * none ferry-lease use   0|1                        1: this host must not outlive its lease; 0: it
 * may ferry-lease hosts ID…                        what is known of these hosts ferry-lease read
 * DIR NAME                   the value of a lease ferry-lease list  DIR which leases there are
 *   ferry-lease swap  DIR NAME OLD NEW           the value becomes NEW if it is OLD
 *
 * Answers, one a line: "value TEXT", "swapped yes|no", "host ID free|live|fail|dead|unknown",
 * "lease NAME".  Exit status 0, or 1 with a sentence on stderr; 2: this host is not in the
 * lockspace (any more). */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host/sanlock-abi.h"

#define LIBRARY    "libsanlock_client.so.1"
#define SOCKET     "/run/sanlock/sanlock.sock"
#define LOCKSPACE  "ferry"
#define AREA_BYTES (1024 * 1024) /* of a lockspace or a lease in a file, by sanlock's rules */
#define VALUE_MAX  512           /* a sector */
#define PATIENCE_S 10            /* another host changes the same lease: that takes it a moment */

/* --- sanlock's library --- */

static struct {
    int (*registers)(void);
    int (*acquire)(int sock, int pid, uint32_t flags, int count, SanlockResource *list[],
                   void *options);
    int (*release)(int sock, int pid, uint32_t flags, int count, SanlockResource *list[]);
    int (*get_lvb)(uint32_t flags, SanlockResource *resource, char *value, int len);
    int (*set_lvb)(uint32_t flags, SanlockResource *resource, char *value, int len);
    int (*write_lockspace)(SanlockLockspace *lockspace, int max_hosts, uint32_t flags,
                           uint32_t io_timeout);
    int (*write_resource)(SanlockResource *resource, int max_hosts, int hosts, uint32_t flags);
    int (*add_lockspace)(SanlockLockspace *lockspace, uint32_t flags, uint32_t io_timeout);
    int (*inq_lockspace)(SanlockLockspace *lockspace, uint32_t flags);
    int (*get_hosts)(const char *lockspace, uint64_t host_id, SanlockHost **hosts, int *count,
                     uint32_t flags);
    int (*set_config)(const char *lockspace, uint32_t flags, uint32_t command, void *data);
} sanlock;

/* clang-format off */
static const struct {
    const char *name;
    void *function;
} functions[] = {
    {"sanlock_register",              &sanlock.registers},
    {"sanlock_acquire",               &sanlock.acquire},
    {"sanlock_release",               &sanlock.release},
    {"sanlock_get_lvb",               &sanlock.get_lvb},
    {"sanlock_set_lvb",               &sanlock.set_lvb},
    {"sanlock_write_lockspace",       &sanlock.write_lockspace},
    {"sanlock_write_resource",        &sanlock.write_resource},
    {"sanlock_add_lockspace_timeout", &sanlock.add_lockspace},
    {"sanlock_inq_lockspace",         &sanlock.inq_lockspace},
    {"sanlock_get_hosts",             &sanlock.get_hosts},
    {"sanlock_set_config",            &sanlock.set_config},
};
/* clang-format on */

/* --- sentences --- */

static int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return 1;
}

/* What sanlock answers: an errno, or a number of its own. */
static int fail_sanlock(int status, const char *what, const char *name)
{
    if (status == -ECONNREFUSED || status == -ENOENT || status == -ENOSPC)
        return fail("%s '%s': sanlock does not answer on %s, or does not know the lockspace: see "
                    "that it runs (`systemctl "
                    "status sanlock`)",
                    what, name, SOCKET) +
               1;
    if (status == SANLOCK_HOST_ID_BUSY)
        return fail("%s '%s': another host uses this host's number: give each host a lease_host_id "
                    "of its own",
                    what, name);
    if (status == SANLOCK_IS_OWNED_BY_SILENT)
        return fail("%s '%s': a host that no longer renews its leases was changing it; it is free "
                    "once sanlock counts that "
                    "host as dead",
                    what, name);
    if (status > -200 && status < 0)
        return fail("%s '%s': %s", what, name, strerror(-status));
    return fail("%s '%s': sanlock's error %d (see its log, /var/log/sanlock.log)", what, name,
                status);
}

static int load(void)
{
    void *library = dlopen(LIBRARY, RTLD_NOW);

    if (!library)
        return fail(
            "%s: install sanlock and its client library (Debian: sanlock, libsanlock-client1)",
            dlerror());
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        void *symbol = dlsym(library, functions[i].name);

        if (!symbol)
            return fail("%s has no %s", LIBRARY, functions[i].name);
        memcpy(functions[i].function, &symbol, sizeof symbol);
    }
    return 0;
}

/* --- files --- */

/* sanlock keeps blanks and colons of a path with a backslash before them. */
static int set_path(char *to, const char *dir, const char *name)
{
    size_t n = 0;
    char path[SANLOCK_PATH_LEN];

    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        return fail("'%s/%s' is too long a path for sanlock", dir, name);
    for (const char *c = path; *c; c++) {
        if (n + 3 > SANLOCK_PATH_LEN)
            return fail("'%s' is too long a path for sanlock", path);
        if (*c == ':' || *c == ' ')
            to[n++] = '\\';
        to[n++] = *c;
    }
    to[n] = '\0';
    return 0;
}

/* An empty area that sanlock may write, under a name of our own: nobody else sees it half made. */
static int make_area(const char *dir, const char *name, char *temporary, size_t size)
{
    struct stat socket;
    int fd;

    if (snprintf(temporary, size, "%s/.%s.XXXXXX", dir, name) >= (int)size)
        return fail("'%s/%s' is too long a path", dir, name);
    fd = mkstemp(temporary);
    if (fd < 0)
        return fail("cannot make a lease in '%s' (lease_dir in ferryd.conf): %s", dir,
                    strerror(errno));
    if (ftruncate(fd, AREA_BYTES) < 0 || fchmod(fd, 0660) < 0) {
        close(fd);
        unlink(temporary);
        return fail("cannot make a lease in '%s': %s", dir, strerror(errno));
    }
    /* Where that is not allowed, sanlock says so itself. */
    if (stat(SOCKET, &socket) == 0 && fchown(fd, socket.st_uid, socket.st_gid) < 0)
        fprintf(stderr, "cannot give '%s' to sanlock's user: %s\n", temporary, strerror(errno));
    close(fd);
    return 0;
}

/* The first that is complete wins; another host may have been at it too. */
static int publish(const char *temporary, const char *dir, const char *name)
{
    char path[SANLOCK_PATH_LEN];
    int status;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    status = link(temporary, path) < 0 && errno != EEXIST ? errno : 0;
    unlink(temporary);
    return status ? fail("cannot make the lease '%s': %s", path, strerror(status)) : 0;
}

static int exists(const char *dir, const char *name)
{
    char path[SANLOCK_PATH_LEN];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

static const char *file_of(const char *path)
{
    return strrchr(path, '/') + 1;
}

static int make_lockspace(const char *dir, unsigned io_timeout)
{
    SanlockLockspace lockspace = {.name = LOCKSPACE};
    char temporary[SANLOCK_PATH_LEN];
    int status;

    if (exists(dir, LOCKSPACE ".lockspace"))
        return 0;
    if (make_area(dir, LOCKSPACE, temporary, sizeof temporary) ||
        set_path(lockspace.disk.path, dir, file_of(temporary)))
        return 1;
    status = sanlock.write_lockspace(&lockspace, 0, 0, io_timeout);
    if (status < 0) {
        unlink(temporary);
        return fail_sanlock(status, "cannot make the lockspace in", dir);
    }
    return publish(temporary, dir, LOCKSPACE ".lockspace");
}

static int make_lease(const char *dir, const char *name, const char *file)
{
    SanlockResource resource = {.lockspace = LOCKSPACE, .disk_count = 1};
    char temporary[SANLOCK_PATH_LEN];
    int status;

    if (exists(dir, file))
        return 0;
    memcpy(resource.name, name, strlen(name));
    if (make_area(dir, name, temporary, sizeof temporary) ||
        set_path(resource.disk.path, dir, file_of(temporary)))
        return 1;
    status = sanlock.write_resource(&resource, 0, 0, 0);
    if (status < 0) {
        unlink(temporary);
        return fail_sanlock(status, "cannot make the lease", file);
    }
    return publish(temporary, dir, file);
}

/* --- the commands --- */

static void wait_a_moment(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 50 * 1000 * 1000}, NULL);
}

static int list_leases(const char *dir)
{
    DIR *folder = opendir(dir);
    struct dirent *entry;

    if (!folder)
        return fail("cannot list '%s' (lease_dir in ferryd.conf): %s", dir, strerror(errno));
    while ((entry = readdir(folder))) {
        const char *end = strstr(entry->d_name, ".lease");

        if (*entry->d_name != '.' && end && !strcmp(end, ".lease"))
            printf("lease %.*s\n", (int)(end - entry->d_name), entry->d_name);
    }
    closedir(folder);
    return 0;
}

/* Asked for by number: the list of all leaves out those that were never seen alive from here. */
static int tell_host(uint64_t id)
{
    static const char *const names[] = {
        [0] = "unknown",
        [SANLOCK_HOST_UNKNOWN] = "unknown",
        [SANLOCK_HOST_FREE] = "free",
        [SANLOCK_HOST_LIVE] = "live",
        [SANLOCK_HOST_FAIL] = "fail",
        [SANLOCK_HOST_DEAD] = "dead",
    };
    SanlockHost *hosts = NULL;
    int count = 0;
    int status = sanlock.get_hosts(LOCKSPACE, id, &hosts, &count, 0);

    if (status == -EAGAIN) { /* it has just entered, and has not looked at the others yet */
        printf("host %llu unknown\n", (unsigned long long)id);
        return 0;
    }
    if (status < 0)
        return fail_sanlock(status, "cannot ask for the hosts of lockspace", LOCKSPACE);
    for (int i = 0; i < count; i++) {
        const unsigned state = hosts[i].flags & SANLOCK_HOST_MASK;

        printf("host %llu %s\n", (unsigned long long)hosts[i].host_id,
               state < sizeof names / sizeof names[0] ? names[state] : "unknown");
    }
    free(hosts);
    return 0;
}

static int tell_hosts(char **ids)
{
    for (; *ids; ids++)
        if (tell_host(strtoull(*ids, NULL, 10)))
            return 1;
    return 0;
}

static int join(const char *dir, const char *host_id, const char *io_timeout)
{
    const unsigned seconds = (unsigned)strtoul(io_timeout, NULL, 10);
    SanlockLockspace lockspace = {.name = LOCKSPACE, .host_id = strtoull(host_id, NULL, 10)};
    int status;

    if (make_lockspace(dir, seconds) || set_path(lockspace.disk.path, dir, LOCKSPACE ".lockspace"))
        return 1;
    status = sanlock.inq_lockspace(&lockspace, 0);
    if (status != 0)
        status = sanlock.add_lockspace(&lockspace, 0, seconds);
    if (status == -EEXIST)
        return fail("this host is in lockspace '%s' already, with another number or another "
                    "folder: see `sanlock client "
                    "status`",
                    LOCKSPACE);
    if (status == -EINPROGRESS)
        status = sanlock.inq_lockspace(&lockspace, 1);
    if (status < 0)
        return fail_sanlock(status, "cannot enter the lockspace in", dir);
    return 0;
}

static int use(int is_used)
{
    const int status =
        sanlock.set_config(LOCKSPACE, 0, is_used ? SANLOCK_USED : SANLOCK_UNUSED, NULL);

    return status < 0 ? fail_sanlock(status, "cannot configure lockspace", LOCKSPACE) : 0;
}

static int is_taken(int status)
{
    return status == SANLOCK_IS_LIVE || status == SANLOCK_IS_OWNED || status == SANLOCK_IS_OTHERS;
}

static int acquire(int sock, SanlockResource *resource, const char *name)
{
    const time_t end = time(NULL) + PATIENCE_S;
    int status;

    while (is_taken(status = sanlock.acquire(sock, -1, SANLOCK_ACQUIRE_LVB | SANLOCK_ACQUIRE_NOWAIT,
                                             1, &resource, NULL)) &&
           time(NULL) < end)
        wait_a_moment();
    if (is_taken(status))
        return fail("cannot take the lease '%s': another host holds it for longer than %d s", name,
                    PATIENCE_S);
    return status < 0 ? fail_sanlock(status, "cannot take the lease", name) : 0;
}

/* Under the lease, so that no other host looks or writes meanwhile.  It is written with the
 * release. */
static int swap(const char *dir, const char *name, const char *old, const char *new)
{
    SanlockResource resource = {.lockspace = LOCKSPACE, .disk_count = 1};
    SanlockResource *list = &resource;
    char value[VALUE_MAX + 1] = "";
    char file[SANLOCK_NAME_LEN + sizeof ".lease"];
    int sock, status, is_old;

    if (strlen(name) >= SANLOCK_NAME_LEN || strchr(name, '/') || (new &&strlen(new) >= VALUE_MAX))
        return fail("'%s': the name or the value is too long", name);
    snprintf(file, sizeof file, "%s.lease", name);
    memcpy(resource.name, name, strlen(name));
    if (make_lease(dir, name, file) || set_path(resource.disk.path, dir, file))
        return 1;
    sock = sanlock.registers();
    if (sock < 0)
        return fail_sanlock(sock, "cannot take the lease", file);
    status = acquire(sock, &resource, file);
    if (status)
        return status;
    status = sanlock.get_lvb(0, &resource, value, VALUE_MAX);
    is_old = status >= 0 && old && strcmp(value, old) == 0;
    if (is_old) {
        char text[VALUE_MAX] = "";

        memcpy(text, new, strlen(new));
        status = sanlock.set_lvb(0, &resource, text, VALUE_MAX);
    }
    if (status < 0)
        return fail_sanlock(status, "cannot read or write the lease", file);
    status = sanlock.release(sock, -1, 0, 1, &list);
    if (status < 0)
        return fail_sanlock(status, "cannot release the lease", file);
    for (char *c = value; *c; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    printf("value %s\n", value);
    if (old)
        printf("swapped %s\n", is_old ? "yes" : "no");
    return 0;
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";

    if (load())
        return 1;
    if (!strcmp(command, "join") && argc == 5)
        return join(argv[2], argv[3], argv[4]);
    if (!strcmp(command, "use") && argc == 3)
        return use(*argv[2] == '1');
    if (!strcmp(command, "hosts"))
        return tell_hosts(argv + 2);
    if (!strcmp(command, "list") && argc == 3)
        return list_leases(argv[2]);
    if (!strcmp(command, "read") && argc == 4)
        return swap(argv[2], argv[3], NULL, NULL);
    if (!strcmp(command, "swap") && argc == 6)
        return swap(argv[2], argv[3], argv[4], argv[5]);
    return fail("ferry-lease: for ferryd; see the comment in lease-helper.c");
}
