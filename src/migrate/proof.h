/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Is it the same file on both hosts?  The source writes a nonce into a new file beside the image, the destination reads it
 * there; of block devices the serial numbers are compared.  The new file is the only thing written, and it is removed as
 * soon as the destination has answered.  File servers hang, so all of it happens on workers. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "loop/task.h"
#include "phase/cookie.h"

#define PROOF_PREFIX ".ferry-" /* of the new file's name */

typedef enum {
    PROOF_SAME,
    PROOF_OTHER,   /* a file or device of that name, but not the same one */
    PROOF_MISSING, /* nothing of that name */
    PROOF_UNKNOWN, /* it could not be looked */
} ProofResult;

/* Source: lays the nonce and notes it in *ret_proof, which is then to be released.  FALSE: it cannot be laid there (a
 * server that keeps root out, a file system that is full or read-only). */
AWAITS gboolean proof_lay(const char *path, const char *target, unsigned layer, CookieProof *ret_proof, GError **error);
/* Source: removes what these proofs (GArray of CookieProof) laid, behind the caller's back; content to find nothing. */
void proofs_remove(const GArray *proofs);
/* The same, and waits for it. */
AWAITS void proofs_remove_now(const GArray *proofs);
/* At start-up: removes what a daemon that was killed has left. */
void proofs_remove_leftovers(void);

/* Destination: what stands at path here.  *ret_why (may stay NULL; the caller frees) says what was seen. */
AWAITS ProofResult proof_read(const char *path, const CookieProof *proof, char **ret_why);
