/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preloaded into a daemon of the lab: as long as a file "stall" is in the folder FERRY_STALL, whatever waits for a disk or looks a name
 * up stands still, and says in the file "calls" that it does. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOOK_US 2000
#define SHOWN __attribute__((visibility("default")))
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static void stall(const char *call)
{
    const char *folder = getenv("FERRY_STALL");
    char path[4096], line[64];
    int fd;

    snprintf(path, sizeof path, "%s/stall", folder ? folder : "");
    if (!folder || access(path, F_OK) < 0)
        return;
    snprintf(path, sizeof path, "%s/calls", folder);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    snprintf(line, sizeof line, "%s\n", call);
    if (fd < 0 || write(fd, line, strlen(line)) < 0)
        abort();
    close(fd);
    snprintf(path, sizeof path, "%s/stall", folder);
    while (access(path, F_OK) == 0)
        usleep(LOOK_US);
}

SHOWN int fsync(int fd)
{
    stall("fsync");
    return REAL(fsync)(fd);
}

SHOWN int fdatasync(int fd)
{
    stall("fdatasync");
    return REAL(fdatasync)(fd);
}

SHOWN int syncfs(int fd)
{
    stall("syncfs");
    return REAL(syncfs)(fd);
}

SHOWN void sync(void)
{
    stall("sync");
    REAL(sync)();
}

SHOWN int sync_file_range(int fd, off64_t offset, off64_t len, unsigned flags)
{
    stall("sync_file_range");
    return REAL(sync_file_range)(fd, offset, len, flags);
}

SHOWN int msync(void *at, size_t len, int flags)
{
    stall("msync");
    return REAL(msync)(at, len, flags);
}

SHOWN int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
    if (!hints || !(hints->ai_flags & AI_NUMERICHOST)) /* else nobody is asked */
        stall("getaddrinfo");
    return REAL(getaddrinfo)(node, service, hints, ret);
}

SHOWN int getnameinfo(const struct sockaddr *address, socklen_t len, char *host, socklen_t host_len, char *service, socklen_t service_len,
                      int flags)
{
    if (host && !(flags & NI_NUMERICHOST))
        stall("getnameinfo");
    return REAL(getnameinfo)(address, len, host, host_len, service, service_len, flags);
}

SHOWN struct hostent *gethostbyname(const char *name)
{
    stall("gethostbyname");
    return REAL(gethostbyname)(name);
}
