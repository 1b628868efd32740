/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hello on a socket: connects if need be, reads and writes it on the loop, never a byte more.  Whoever holds one is
 * called back once. */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/enum.h"
#include "migrate/hello.h"

#define GREETING_PATIENCE_MS (10 * 1000) /* of a side that was called: for the whole hello */

typedef enum {
    GREETING_PENDING,
    GREETING_PROVEN,
    GREETING_REFUSED,    /* nobody listens there, or a firewall says no */
    GREETING_UNROUTABLE, /* no way leads there */
    GREETING_SILENT,     /* no answer in time */
    GREETING_ENDED,      /* it ended in the middle of the hello */
    GREETING_OTHER,      /* somebody else answers there */
    GREETING_NOT_TRIED,
} GreetingVerdict;

extern const EnumName greeting_verdict_names[];

typedef struct Greeting Greeting;
typedef void (*GreetingFunc)(Greeting *greeting, void *data); /* on the loop thread; may free it */

/* Of a connection that was accepted: takes fd. */
Greeting *greeting_answer(int fd, const HelloTerms *terms, OwnerSide side, GreetingFunc fn, void *data);
/* Connects first.  fn may not be called before this returns. */
Greeting *greeting_dial(const struct sockaddr_storage *address, const HelloTerms *terms, OwnerSide side, LaneName lane,
                  int64_t patience_ms, GreetingFunc fn, void *data);
GreetingVerdict greeting_verdict(const Greeting *greeting);
const char *greeting_reason(const Greeting *greeting); /* unless proven */
LaneName greeting_lane(const Greeting *greeting);
int64_t greeting_elapsed_us(const Greeting *greeting); /* until the verdict */
int64_t greeting_round_trip_us(const Greeting *greeting); /* of the connect; 0: not measured */
/* The proven connection, non-blocking; the caller's. */
int greeting_steal_fd(Greeting *greeting);
void greeting_free(Greeting *greeting);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Greeting, greeting_free)
