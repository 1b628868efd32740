/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preloaded into a daemon of the lab: of every owner's record that it syncs it keeps a copy as it was then.  What a power
 * loss takes away is the difference.  As long as a file "slow" is in the folder of the copies, nothing becomes durable. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORD_BYTES 1024
#define LOOK_US 2000

/* Of an owner's record. */
static int find_copy(int fd, char *copy, size_t size)
{
    const char *folder = getenv("FERRY_DURABLE");
    char link[64], path[4096];
    ssize_t len;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    len = readlink(link, path, sizeof path - 1);
    if (!folder || len < 6)
        return 0;
    path[len] = '\0';
    return strcmp(path + len - 6, ".owner") == 0 && snprintf(copy, size, "%s%s", folder, strrchr(path, '/')) < (int)size;
}

static void wait_for_disk(void)
{
    char slow[4096];

    snprintf(slow, sizeof slow, "%s/slow", getenv("FERRY_DURABLE"));
    while (access(slow, F_OK) == 0)
        usleep(LOOK_US);
}

static void keep(int fd, const char *copy)
{
    char bytes[RECORD_BYTES];
    ssize_t len;
    int out;

    len = pread(fd, bytes, sizeof bytes, 0);
    out = open(copy, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (out < 0)
        return;
    if (len <= 0 || write(out, bytes, (size_t)len) != len)
        unlink(copy);
    close(out);
}

#define SYNCS(name)                                                     \
    __attribute__((visibility("default"))) int name(int fd)            \
    {                                                                   \
        int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, #name);       \
        char copy[4096];                                                \
        int is_record = find_copy(fd, copy, sizeof copy), result;       \
                                                                        \
        if (is_record)                                                  \
            wait_for_disk();                                            \
        result = real(fd);                                              \
        if (result == 0 && is_record)                                   \
            keep(fd, copy);                                             \
        return result;                                                  \
    }

int fdatasync(int fd);
int fsync(int fd);
SYNCS(fdatasync)
SYNCS(fsync)
