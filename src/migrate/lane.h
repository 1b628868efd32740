/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lanes: the TCP connections of a migration.  One side listens on one port and the other dials; each connection proves
 * itself (migrate/hello) before anything else goes over it, and QEMU on both sides only ever gets a connected descriptor.
 * Towards a stock host there is no proof, only QEMU's magic.  Every lane has TCP_NODELAY (without it the return path costs
 * 40 ms of downtime) and notices a silent peer as soon as ferryd.conf's
 * keepalive says, 30 s if it says nothing. */
#pragma once

#include <glib.h>
#include <sys/socket.h>

#include "host/port.h"
#include "loop/task.h"
#include "migrate/hello.h"

#define LANE_SILENCE_MS (10 * 1000) /* of a stock source before its magic, of a proven pact lane before its first word */
#define LANE_WAITING_MAX 64 /* connected, not yet let in; beyond it the oldest of the busiest address goes */
#define LANE_MAGIC "QEVM"                     /* the first four bytes of QEMU's stream, */
#define LANE_MAGIC_CHANNEL "\x11\x22\x33\x44" /* and of each of its channels */

/* Gets a connection that was let in (takes fd; peer is borrowed).  On the loop thread. */
typedef void (*LaneFunc)(LaneName name, int fd, const char *peer, void *data);

typedef struct LaneListener LaneListener;

/* Reserves the port: the listening socket is the reservation, until it is freed.  Nobody is let in yet, but the kernel
 * keeps those who come. */
LaneListener *lane_listen(const struct sockaddr_storage *address, uint16_t port, PortRange range, const char *guest,
                          GError **error);
uint16_t lane_listener_port(const LaneListener *listener);
/* Lets in who proves to be the other party of these terms, each lane once, but the pact lane,
 * which may be lost and come again, and what replaces a memory stream that broke in postcopy.
 * A pact lane is let in with its first word: of the connections that a race has proven, the other side speaks on one. */
void lane_listener_expect(LaneListener *listener, const HelloTerms *terms, OwnerSide side, LaneFunc fn, void *data);
/* Lets in one connection that begins with QEMU's magic, as the main stream of a stock source, and so many channels that
 * begin with theirs.  Whoever knows the magic gets in: a stock host can prove nothing. */
void lane_listener_expect_stock(LaneListener *listener, unsigned channels, LaneFunc fn, void *data);
void lane_listener_free(LaneListener *listener);

/* For a stock destination: resolves host (on a worker) and connects to the first address that answers.  Each address gets
 * timeout_ms.  *ret_address: the literal that won, "192.0.2.1:49152"; may be NULL. */
AWAITS gboolean lane_connect(const char *host, uint16_t port, int64_t timeout_ms, int *ret_fd, char **ret_address,
                             GError **error);
/* One more connection to where fd goes. */
AWAITS gboolean lane_connect_beside(int fd, int64_t timeout_ms, int *ret_fd, GError **error);
/* Once at start-up; else 5 s × 5.  "Never" is for clients: a lane's silence always ends. */
void lane_set_keepalive(int interval_s, unsigned count);
/* The options every lane has. */
void lane_tune(int fd);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LaneListener, lane_listener_free)
/* Of an error of a look-up or a connection: what stands behind the words that name them. */
const char *lane_reason(const GError *error);
