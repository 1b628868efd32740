/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pact lane: the proven connection that its dialler has chosen first, on which the two daemons speak without a client and without
 * credentials, from the proof to the end.  Losing it decides nothing.
 *
 * A word on the wire: kind (1 byte), zero (1), length of the rest (2, big-endian), the rest: at most PACT_REST_MAX bytes. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "base/enum.h"
#include "migrate/hello.h"

#define PACT_HEAD_BYTES 4
#define PACT_REST_MAX 4096
#define PACT_PING_MS (5 * 1000)

typedef enum {
    PACT_PING = 1,    /* nothing; keeps both sides sure of each other */
    PACT_READY = 2,   /* destination: QEMU waits for the stream */
    PACT_DIAL = 4,    /* source, where the destination dials: one more lane, please; rest: purpose, number (2 bytes) */
    PACT_TOLD = 5,    /* my record, sealed; rest: migrate/told */
    PACT_ATTACHED = 6, /* destination: QEMU has the stream, whatever becomes of this daemon */
} PactWord;

/* Pure.  Looks for one whole word at the front: *ret_len is its length with the head, 0 if more bytes are needed.  FALSE:
 * these bytes are no word.  An unknown kind is a word like any other. */
gboolean pact_parse(const uint8_t *bytes, size_t len, size_t *ret_len, unsigned *ret_kind);
/* Of the rest of PACT_DIAL. */
gboolean pact_parse_lane(const uint8_t *rest, size_t len, LaneName *ret_name);

typedef struct Pact Pact;
typedef struct {
    void (*heard)(PactWord word, const uint8_t *rest, size_t len, void *data); /* may free the pact */
    void (*lost)(const char *why, void *data);                                /* once, unless freed before */
} PactEvents;

/* Takes fd, a proven connection, and says PACT_PING at once: whoever dialled several has chosen this one (migrate/lane). */
Pact *pact_new(int fd, const PactEvents *events, void *data);
void pact_free(Pact *pact);
/* Without waiting.  Content with NULL and with a pact that is lost: words are said again by who needs an answer. */
void pact_say(Pact *pact, PactWord word, const void *rest, size_t len);
void pact_ask_lane(Pact *pact, LaneName name);
gboolean pact_is_lost(const Pact *pact);
int64_t pact_heard_ms(const Pact *pact); /* clock_now_ms() of the last byte */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Pact, pact_free)
