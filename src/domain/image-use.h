/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which images the guests of this host use, and which two uses go together.  QEMU's own locks say
 * the same later and less clearly; this is asked before anything is touched. */
#pragma once

#include <glib.h>

#include "host/image-file.h"
#include "loop/task.h"

typedef struct Domain Domain;
typedef struct GuestDef GuestDef;

typedef struct {
    char *path;   /* owned */
    char *target; /* of the disk, owned */
    ImageIdentity identity;
    gboolean is_base;      /* below another image: only read */
    gboolean is_readonly;  /* the disk is */
    gboolean is_shareable; /* the disk is, and its format lets several write at once */
    gboolean is_shareable_in_vain;
} ImageUse;

/* May both be open at once?  Both only read, or both shareable.  Pure. */
gboolean image_uses_agree(const ImageUse *a, const ImageUse *b);
/* The sentence why not, and what to do; ours is the guest that is to be started, NULL for theirs:
 * the same guest.  The caller frees it.  Pure. */
char *image_uses_explain(const ImageUse *ours, const ImageUse *theirs, const char *their_name);

/* What the guest would use.  A new array of ImageUse; NULL if a file server hangs. */
AWAITS GArray *image_uses_read(const GuestDef *def, GError **error);
/* FALSE if a guest of this host (another than self, which may be NULL) uses one of them, or two of
 * them are the same. */
gboolean image_uses_check(const GArray *uses, const Domain *self, GError **error);
/* Reads, checks and keeps those of domain->live, until image_uses_drop. */
AWAITS gboolean image_uses_claim(Domain *domain, GError **error);
/* Keeps them unchecked, soon: of a guest that was found running. */
void image_uses_note(Domain *domain);
void image_uses_drop(Domain *domain);
