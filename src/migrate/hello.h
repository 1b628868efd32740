/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hello of a lane: both ends of a fresh connection prove that they are the two parties of this one migration, the
 * destination first, so that whoever else sits there gets nothing of the guest.  docs/security.md states it byte for byte.
 * A pure machine: bytes and the own nonce come in, bytes and a verdict go out. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "base/enum.h"
#include "base/uuid.h"
#include "migrate/owner.h"

#define HELLO_MAGIC "FERRYHI1" /* with the version */
#define HELLO_NONCE_BYTES 32
#define HELLO_MAC_BYTES 32
#define HELLO_TOKEN_BYTES 32
#define HELLO_ATTEMPT_BYTES 16
#define HELLO_OPENING_BYTES 64
#define HELLO_ANSWER_BYTES 40
#define HELLO_LANE_NUMBER_MAX 255

/* What a connection is for. */
typedef enum {
    LANE_PACT = 1,    /* the daemons' own words */
    LANE_MEMORY = 2,  /* QEMU's main stream */
    LANE_MULTIFD = 3, /* its further channels, numbered */
    LANE_PREEMPT = 4, /* urgent pages of postcopy */
    LANE_NBD = 5,     /* one per disk */
    LANE_PROBE = 6,   /* of the pre-flight */
} LanePurpose;

extern const EnumName lane_purpose_names[];

typedef struct {
    LanePurpose purpose;
    unsigned number; /* 0 … HELLO_LANE_NUMBER_MAX; each (purpose, number) is let in once */
} LaneName;

#define LANE_NUMBER_AGAIN 1 /* of LANE_MEMORY: in the place of a stream that broke in postcopy */

/* What both parties know and nobody else does. */
typedef struct {
    uint8_t attempt[HELLO_ATTEMPT_BYTES];
    uint8_t token[HELLO_TOKEN_BYTES]; /* secret */
    Uuid guest;
    Uuid source_host;
    Uuid destination_host;
} HelloTerms;

typedef enum {
    HELLO_GOES_ON, /* write hello_output, read hello_wanted more bytes */
    HELLO_PROVEN,  /* the other side is who it must be; what hello_output holds is still to be written */
    HELLO_FAILED,  /* hello_reason says why */
} HelloVerdict;

typedef struct {
    HelloTerms terms;
    OwnerSide side;
    LaneName lane; /* the answerer's: set by the opening */
    uint8_t nonce[HELLO_NONCE_BYTES];
    uint8_t in[HELLO_OPENING_BYTES + HELLO_MAC_BYTES];
    size_t in_len, in_wanted;
    uint8_t out[HELLO_OPENING_BYTES + HELLO_MAC_BYTES];
    size_t out_len, out_sent;
    uint8_t said[HELLO_OPENING_BYTES + HELLO_ANSWER_BYTES + 2 * HELLO_MAC_BYTES]; /* all bytes so far, both ways */
    size_t said_len;
    unsigned stage;
    HelloVerdict verdict;
    const char *reason;
} Hello;

/* nonce: HELLO_NONCE_BYTES fresh random bytes.  lane counts for the dialer only. */
void hello_init(Hello *hello, const HelloTerms *terms, OwnerSide side, gboolean is_dialer, LaneName lane,
                const uint8_t *nonce);
/* How many bytes may be read now; never more, for what follows is not ours.  0: none. */
size_t hello_wanted(const Hello *hello);
/* len <= hello_wanted(). */
HelloVerdict hello_feed(Hello *hello, const void *bytes, size_t len);
const uint8_t *hello_output(const Hello *hello, size_t *ret_len);
void hello_written(Hello *hello, size_t len);
/* Forgets token and nonce. */
void hello_clear(Hello *hello);

/* What all proofs of an attempt are made of: HMAC-SHA-256, and a comparison that takes as long whatever they hold. */
void hello_hmac(const uint8_t *key, size_t key_len, const void *text, size_t text_len, uint8_t ret_mac[HELLO_MAC_BYTES]);
gboolean hello_is_same(const uint8_t *a, const uint8_t *b, size_t len);
