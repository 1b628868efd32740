/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What libsanlock_client.so.1 expects in memory, so that nothing of sanlock is needed to build
 * ferry-lease. Where its headers are installed, test-sanlock-abi.c compares the two. */
#pragma once

#include <stdint.h>

#define SANLOCK_NAME_LEN 48
#define SANLOCK_PATH_LEN 1024

typedef struct {
    char path[SANLOCK_PATH_LEN];
    uint64_t offset;
    uint32_t pad[2];
} SanlockDisk;

typedef struct {
    char lockspace[SANLOCK_NAME_LEN], name[SANLOCK_NAME_LEN];
    uint64_t version, data64;
    uint32_t data32, unused, flags, disk_count;
    SanlockDisk disk;
} SanlockResource;

typedef struct {
    char name[SANLOCK_NAME_LEN];
    uint64_t host_id;
    uint32_t flags;
    SanlockDisk disk;
} SanlockLockspace;

typedef struct {
    uint64_t host_id, generation, timestamp;
    uint32_t io_timeout, flags;
} SanlockHost;

enum { SANLOCK_ACQUIRE_LVB = 1, SANLOCK_ACQUIRE_NOWAIT = 8 };
enum { SANLOCK_USED = 1, SANLOCK_UNUSED = 2 };
enum {
    SANLOCK_HOST_UNKNOWN = 1,
    SANLOCK_HOST_FREE,
    SANLOCK_HOST_LIVE,
    SANLOCK_HOST_FAIL,
    SANLOCK_HOST_DEAD,
    SANLOCK_HOST_MASK = 15
};
enum {
    SANLOCK_IS_LIVE = -243,
    SANLOCK_IS_OWNED = -244,
    SANLOCK_IS_OTHERS = -245,
    SANLOCK_IS_OWNED_BY_SILENT = -247,
    SANLOCK_HOST_ID_BUSY = -262
};
