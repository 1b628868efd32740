/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disk images and other files a guest needs: who may open them, what is inside, where they live.
 * File servers hang, so all of it happens on workers or in children and is awaited. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "host/user.h"
#include "loop/task.h"

/* Gives path to QEMU's user.  The owner before is remembered on the file itself, in the extended
 * attributes that stock hosts use (with a count of users), so that either kind of host finds and
 * returns it; where these cannot be kept, in memory_dir.  Does nothing when user is not set, or for
 * what is not a regular file or block device. */
AWAITS gboolean image_give(const char *path, const HostUser *user, const char *memory_dir,
                           GError **error);
/* The reverse; the last user's return restores the owner.  Content to find nothing. */
AWAITS gboolean image_give_back(const char *path, const HostUser *user, const char *memory_dir,
                                GError **error);

typedef struct {
    char *path;
    uid_t uid; /* the owner that it is to be returned to */
    gid_t gid;
} ImageGiven;

/* Those of paths (ends with NULL) that were given to QEMU's user in this boot and not returned.  Of
 * ImageGiven *; NULL: somewhere it took longer than timeout_ms. */
AWAITS GPtrArray *image_find_given(char *const *paths, const HostUser *user, const char *memory_dir,
                                   int64_t timeout_ms, GError **error);

/* Really opens it as that user.  The error names the file, the user and the kernel's reason. */
AWAITS gboolean image_test_open(const char *path, gboolean for_writing, const HostUser *user,
                                GError **error);

typedef struct {
    char *path;   /* as the image above names it, made absolute */
    char *format; /* "qcow2", "raw" */
    uint64_t virtual_bytes;
    uint64_t actual_bytes;
} ImageLayer;

typedef struct {
    ImageLayer *layers; /* the image itself first */
    unsigned count;
} ImageChain;

#define IMAGE_CHAIN_MAX 64

/* Asks qemu-img as that user.  format: what the definition says, or NULL. */
AWAITS gboolean image_chain_read(const char *path, const char *format, const HostUser *user,
                                 ImageChain *ret_chain, GError **error);
void image_chain_clear(ImageChain *chain);

typedef enum {
    IMAGE_PLACE_LOCAL,   /* a file system of this host alone, or unknown */
    IMAGE_PLACE_SHARED,  /* a network or cluster file system */
    IMAGE_PLACE_MISSING, /* neither the file nor its folder is there */
} ImagePlace;

/* Where path lives, by the file system's magic.  extra_dirs: folders that the operator declared
 * shared (may be NULL). */
AWAITS gboolean image_place(const char *path, const char *const *extra_dirs, ImagePlace *ret_place,
                            GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImageChain, image_chain_clear)
