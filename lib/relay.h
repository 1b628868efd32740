/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inside libferry: a guest's memory carried through this process, from the source's connection to
 * the destination's, when no network joins the two.
 *
 *     source ──stream──▶ on_data ──stream──▶ destination
 *
 * What the destination has not taken yet is bounded: beyond that the source is not read, its socket
 * fills, and its QEMU waits. */
#pragma once

#include "connection.h"

typedef struct {
    FerryConnection *source, *dest; /* borrowed */
    RpcStream *from, *to;
    gboolean has_ended;   /* the source has sent all */
    gboolean is_finished; /* the destination has taken all */
    gboolean is_dropping; /* given up: what still comes is thrown away, so that nobody waits for room */
    GError *lost;         /* why the destination's stream ended before */
    uint64_t carried;
} Relay;

extern const RpcStreamHandlers relay_from_handlers, relay_to_handlers;

/* No more is wanted. */
void relay_drop(Relay *relay);
/* The source has sent its last byte: waits until the destination has taken all of it.  idle as in
 * connection_call_long.  FALSE: it did not. */
gboolean relay_finish(Relay *relay, int interval_ms, IdleFunc idle, void *data);
/* Aborts what is still open. */
void relay_clear(Relay *relay);
