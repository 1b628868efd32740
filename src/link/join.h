/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A join makes one connection of two: whatever comes on either of two connected stream sockets goes
 * out on the other, by splice(2) through pipes, on a thread of its own.  So a QEMU that accepts no
 * descriptor for a lane reaches it through a local unix socket.
 *
 *   lane ◀──splice── pipe ◀──splice── QEMU's socket
 *   lane ──splice──▶ pipe ──splice──▶ QEMU's socket
 *
 * The end of one direction is passed on (shutdown(SHUT_WR)) behind its last byte, and the other
 * direction goes on.  A failure of either socket ends both directions.
 *
 * A side may be spared: it never sees an end that it has not brought about.  What it says when the
 * other side is gone is thrown away, and join_has_lost tells so before the first such byte. */
#pragma once

#include <glib.h>
#include <stdint.h>

typedef struct Join Join;

typedef enum {
    JOIN_ENDED,   /* both directions have come to their end */
    JOIN_STOPPED, /* by join_stop */
    JOIN_FAILED,  /* one of the sockets failed; the error says which and why */
} JoinEnd;

/* Called exactly once, on the join's thread, without the floor: whoever lives on the loop posts it
 * there.  error is NULL unless JOIN_FAILED.  For a side that is spared the thread goes on. */
typedef void (*JoinFunc)(Join *join, JoinEnd end, const GError *error, void *data);

typedef struct {
    int fd;             /* a connected stream socket; the join takes it */
    const char *name;   /* for errors: "cannot write to NAME"; must outlive the join */
    gboolean is_spared; /* b only */
} JoinSide;

/* Takes both sockets in any case.  on_end may come before this has returned. */
Join *join_start(JoinSide a, JoinSide b, JoinFunc on_end, void *data, GError **error);

/* Ends it now, in the middle of whatever it does, and lets both other ends know, unless spared.
 * Waits for nothing: the abort that always works.  From any thread, repeatable. */
void join_stop(Join *join);

/* It failed or was stopped: something that was said may not arrive.  True before anything is thrown
 * away. */
gboolean join_has_lost(const Join *join);
/* Bytes that have left on the other side. */
uint64_t join_bytes_from_a(const Join *join);
uint64_t join_bytes_from_b(const Join *join);

/* Stops it, waits for its thread (at most some milliseconds) and closes both sockets.  Not from
 * on_end. */
void join_free(Join *join);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Join, join_free)
