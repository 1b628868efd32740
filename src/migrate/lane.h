/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lanes: the TCP connections that carry a guest's memory.  The destination listens and the source connects; QEMU on both
 * sides only ever gets a connected descriptor.  Every lane has TCP_NODELAY (without it the return path costs 40 ms of
 * downtime) and notices a silent peer within 30 s. */
#pragma once

#include <glib.h>
#include <sys/socket.h>

#include "host/port.h"
#include "loop/task.h"

#define LANE_SILENCE_MS (30 * 1000)
#define LANE_MAGIC_TIMEOUT_MS (10 * 1000)
#define LANE_WAITING_MAX 16
#define LANE_MAGIC "QEVM" /* the first four bytes of QEMU's stream */

/* Gets the connection that won (takes fd; peer is borrowed).  Called once, on the loop thread. */
typedef void (*LaneFunc)(int fd, const char *peer, void *data);

/* Waits for one connection whose first four bytes are QEMU's magic; others are closed and logged, and the listener stays
 * until it is freed, so that the port remains taken.  Strangers who know the magic are let in: the proof of identity takes
 * the place of this one check. */
typedef struct LaneListener LaneListener;
LaneListener *lane_listen(const struct sockaddr_storage *address, uint16_t port, PortRange range, const char *guest,
                          LaneFunc fn, void *data, GError **error);
uint16_t lane_listener_port(const LaneListener *listener);
void lane_listener_free(LaneListener *listener);

/* Resolves host (on a worker) and connects to the first address that answers.  Each address gets timeout_ms.
 * *ret_address: the literal that won, "192.0.2.1:49152"; may be NULL. */
AWAITS gboolean lane_connect(const char *host, uint16_t port, int64_t timeout_ms, int *ret_fd, char **ret_address,
                             GError **error);
/* The options every lane has. */
void lane_tune(int fd);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LaneListener, lane_listener_free)
/* Of an error of a look-up or a connection: what stands behind the words that name them. */
const char *lane_reason(const GError *error);
