/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What one side of a migration tells the other: its record, and what of its QEMU the other side's table asks for.  Sealed
 * under the attempt's token, so that any road and any courier will do; said as often as one likes, in any order.  Pure.
 *
 * On the wire: magic (8 bytes), attempt (16), guest (16), epoch (8), side, word, flags, more flags (1 each), nonce (16), length
 * of the reason (2), the reason, MAC (32); numbers are big-endian.  docs/security.md says what is under the MAC. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "base/uuid.h"
#include "migrate/hello.h"
#include "migrate/owner.h"

#define TOLD_MAGIC "FERRYTL1"
#define TOLD_NONCE_BYTES 16
#define TOLD_REASON_MAX 512
#define TOLD_HEAD_BYTES 70
#define TOLD_BYTES_MAX (TOLD_HEAD_BYTES + TOLD_REASON_MAX + HELLO_MAC_BYTES)

typedef enum {
    TOLD_LOADED = 1 << 0, /* destination: its QEMU has the whole image, paused */
    TOLD_CANNOT = 1 << 1, /* destination: QEMU refuses `cont`; the reason is QEMU's */
    TOLD_DROP = 1 << 2,   /* source: refuse it, if you have not run it */
    TOLD_PAUSED = 1 << 3, /* source: its user wants it paused */
    TOLD_OVER = 1 << 4,   /* my record is final and I know yours */
    TOLD_ANSWER = 1 << 5, /* needs no answer */
    TOLD_ENDED = 1 << 6,  /* destination, postcopy: its QEMU of this attempt is gone, and its record is final */
    TOLD_OUT = 1 << 7,    /* source, postcopy: its QEMU is gone, or has left postcopy */
    TOLD_RECLAIM = 1 << 8, /* PREPARED: give it back to me, with this epoch; GONE: it is given back (migrate/reclaim.h) */
} ToldFlag;

typedef struct {
    uint8_t attempt[HELLO_ATTEMPT_BYTES];
    Uuid guest;
    uint64_t epoch;
    OwnerSide side; /* who says it */
    OwnerWord word;
    unsigned flags; /* ToldFlag */
    char reason[TOLD_REASON_MAX + 1]; /* for people; UTF-8 */
} Told;

/* nonce: fresh random bytes. */
GBytes *told_seal(const Told *told, const uint8_t token[HELLO_TOKEN_BYTES], const uint8_t nonce[TOLD_NONCE_BYTES]);
/* The last bytes of a sealed word, over all before them. */
void told_mac(const uint8_t token[HELLO_TOKEN_BYTES], const void *text, size_t len, uint8_t ret_mac[HELLO_MAC_BYTES]);
/* What these bytes claim to be about (attempt, guest, epoch, flags), before anything is believed. */
gboolean told_peek(const void *bytes, size_t len, Told *ret_told);
/* FALSE: not sealed by who knows the token, or malformed. */
gboolean told_open(const void *bytes, size_t len, const uint8_t token[HELLO_TOKEN_BYTES], Told *ret_told);
