/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks: virtio disks in raw or qcow2 image files. */
#pragma once

#include "model/address.h"

typedef enum { GUEST_IMAGE_RAW, GUEST_IMAGE_QCOW2 } GuestImageFormat;

typedef enum {
    GUEST_DISK_CACHE_DEFAULT,
    GUEST_DISK_CACHE_NONE,
    GUEST_DISK_CACHE_WRITETHROUGH,
    GUEST_DISK_CACHE_WRITEBACK,
    GUEST_DISK_CACHE_DIRECTSYNC,
    GUEST_DISK_CACHE_UNSAFE,
} GuestDiskCache;

typedef enum {
    GUEST_DISK_IO_DEFAULT,
    GUEST_DISK_IO_NATIVE,
    GUEST_DISK_IO_THREADS,
    GUEST_DISK_IO_URING,
} GuestDiskIo;

typedef enum {
    GUEST_DISK_DISCARD_DEFAULT,
    GUEST_DISK_DISCARD_UNMAP,
    GUEST_DISK_DISCARD_IGNORE
} GuestDiskDiscard;

/* One image below another, as <backingStore> names it. */
typedef struct GuestBacking {
    char *file; /* NULL: <backingStore/>, the chain ends here */
    GuestImageFormat format;
    unsigned index;            /* live: N of QEMU's node names libvirt-N-*, 0 before */
    struct GuestBacking *next; /* NULL: not said; QEMU follows what the image says */
} GuestBacking;

typedef struct {
    GuestImageFormat format;
    GuestDiskCache cache;
    GuestDiskIo io;
    GuestDiskDiscard discard;
    char *file;
    unsigned index;        /* live: N of QEMU's node names libvirt-N-*, 0 before */
    GuestBacking *backing; /* NULL: not said; QEMU follows what the image says */
    char *target;          /* vda */
    char *serial;
    gboolean is_readonly;
    gboolean is_shareable;
    unsigned boot_order; /* 0: none of its own; see guest_def_boot_order */
    char *alias;
    GuestAddress address;
} GuestDisk;

extern const EnumName guest_image_format_names[];
extern const EnumName guest_disk_cache_names[];
extern const EnumName guest_disk_io_names[];
extern const EnumName guest_disk_discard_names[];

/* Which one it is: 0 for vda, 26 for vdaa. */
unsigned guest_disk_number(const GuestDisk *disk);

void guest_disk_free(GuestDisk *disk);
void guest_backing_free(GuestBacking *backing);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(GuestDisk, guest_disk_free)
