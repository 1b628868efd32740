/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images as the kernel knows them: which file a path means, what a qcow2 image says is below it,
 * and who holds a lock on it.  File servers hang, so what looks at files runs on workers. */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <sys/types.h>

#include "loop/task.h"

/* Two paths with the same identity are the same image, whatever links and mounts lead there. */
typedef struct {
    uint64_t device, inode; /* of a block device: its number, and 0 */
    gboolean is_device;
} ImageIdentity;

gboolean image_identity_equal(const ImageIdentity *a, const ImageIdentity *b);

/* One image of a chain that is to be looked up. */
typedef struct {
    char *path; /* owned */
    gboolean is_qcow2;
    gboolean ends_chain; /* nothing below it, whatever it says itself */
} ImageLink;

typedef struct {
    char *path; /* owned */
    ImageIdentity identity;
    unsigned chain; /* which of the chains that were asked for */
    unsigned layer; /* 0: the top */
} ImageFile;

/* The identity of every file of the chains; each is an array of ImageLink, the top first, taken as
 * far as it is given and followed from there by what the images say themselves.  What is not there,
 * cannot be read or is no file is left out.  Takes chains (of GArray).  Returns a new array of
 * ImageFile, NULL if nothing has answered within 20 s. */
AWAITS GArray *image_files_look_up(GPtrArray *chains, GError **error);
GPtrArray *image_chains_new(void);
/* Adds an empty chain; borrowed. */
GArray *image_chains_add(GPtrArray *chains);
void image_chain_link(GArray *chain, const char *path, gboolean is_qcow2, gboolean ends_chain);

/* What the beginning of a qcow2 image says of the file below; FALSE: there is none, or it is none.
 * Pure. */
#define QCOW2_HEADER_MAX 4096
typedef struct {
    uint64_t name_offset;
    uint32_t name_len;
    gboolean
        is_qcow2; /* the file below, by the word of this one; never by what that one looks like */
} Qcow2Backing;
gboolean qcow2_header_parse(const uint8_t *header, size_t len, Qcow2Backing *ret_backing);
/* Where that file is: relative to the folder of path.  NULL: no local file.  The caller frees it.
 */
char *qcow2_backing_path(const char *path, const char *name);

/* For reading; -1 unless it is what an image can be: the mere opening of some devices does
 * something.  On workers. */
int image_open(const char *path);

/* Which of the paths somebody else than the process own holds locked, who that is and what to do:
 * "image 'PATH' is locked by process 123 (qemu-img) of this host: end that".  NULL: none of them
 * is. The caller frees it. */
AWAITS char *image_lock_describe(const char *const *paths, pid_t own, GError **error);
