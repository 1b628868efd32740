/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of server/ know of each other; nobody else includes this.
 *
 *   server.c   accepts, counts and bounds          caller.c   moves a client's bytes, ends it
 *   call.c     from a call's bytes to its reply     stream.c   ties a stream to a descriptor
 *   subscription.c   who wants which event          session.c  calls about the connection itself
 *   delivery.c  whether a reply has arrived */
#pragma once

#include "link/link.h"
#include "loop/loop.h"
#include "rpc/connection.h"
#include "rpc/stream.h"
#include "server/server.h"

typedef struct Delivery Delivery;

typedef enum {
    CALLER_ANONYMOUS, /* has not opened yet */
    CALLER_OPEN,
    CALLER_SPOILED, /* opened twice: stock clients know that nothing works any more */
} CallerState;

struct Caller {
    unsigned refs;
    GList server_link;
    Link *link; /* NULL once it is gone */
    RpcConnection *conn;
    Watch *watch;
    unsigned watched_events;
    Timer *timer;
    int64_t timer_deadline_ms; /* what the timer is armed for; INT64_MAX: not */
    CallerState state;
    gboolean is_gone;
    gboolean is_readonly;
    gboolean is_local;
    pid_t pid;
    uid_t uid;
    gid_t gid;
    char *name;
    char *local_host;
    char *remote_host;
    char *address_key; /* whom the limits of not yet logged in clients count */
    int64_t login_deadline_ms;

    /* I/O */
    gboolean is_feeding;  /* inside the engine: flush afterwards */
    gboolean is_flushing; /* inside rpc_connection_consumed */
    int64_t slice_end_us; /* no more calls in this turn after that */
    uint64_t counted_unsent;
    int64_t said_ms; /* when its last frame came, keepalive apart */
    uint64_t written; /* bytes that the socket has taken so far */
    CallerStream *splice_blocked; /* its pipe is full: do not read until it has room */

    /* why nothing is delivered now */
    gboolean is_slice_over;
    gboolean is_queue_full;
    unsigned full_streams;
    gboolean will_continue; /* a continue is posted */

    /* ending */
    char *close_reason; /* not NULL: is to end */
    int64_t linger_deadline_ms;

    /* calls */
    unsigned running;
    unsigned running_urgent;
    GQueue queued; /* of Call */
    uint64_t queued_bytes;
    gboolean is_waiting; /* in server.waiting */

    GQueue hooks;   /* of CallerHook */
    GQueue deliveries; /* of Delivery */
    GQueue streams; /* of CallerStream */
    GPtrArray *subscriptions;
};

typedef struct {
    ServerLimits limits;
    GHashTable *rows; /* of ServerRow, by program and number */
    GPtrArray *listeners;
    GQueue clients; /* of Caller */
    unsigned anonymous;
    GHashTable *anonymous_by_address; /* name → count */
    GQueue outside; /* of Caller: not read yet, too many from its address have not logged in */
    Timer *outside_timer;
    uint64_t total_unsent;
    unsigned running;
    GQueue waiting; /* of Caller: calls that only the overall limit holds back */
} Server;

extern Server server;

/* server.c */
const ServerRow *server_find_row(const WireProcedure *procedure);
void server_count_login(Caller *caller);
void server_forget_client(Caller *caller); /* drops the server's reference */
void server_check_unsent(void);

/* caller.c */
/* A client host that vanished without a word, and asked for no keepalive. */
#define SILENT_TCP_MS (120 * 1000)
Caller *caller_new(Link *link, gboolean is_readonly);
void caller_start(Caller *caller);
void caller_flush(Caller *caller);
/* After any of the reasons to pause has changed. */
void caller_update_pause(Caller *caller);
void caller_update_watch(Caller *caller);
void caller_end(Caller *caller, const GError *reason);
void caller_end_soon(Caller *caller, const char *reason);
void caller_log_frame(Caller *caller, gboolean is_sent, const WireFrameHeader *header,
                      const guint8 *body, size_t len);

/* call.c */
void call_received(Caller *caller, RpcCall *rpc_call);
void calls_drop_queued(Caller *caller);
RpcCallId call_id(const Call *call);

/* delivery.c */
/* Once the reply is queued, before any of it is written. */
void delivery_begin(Caller *caller, CallDeliveryFunc fn, void *data);
/* After bytes have been written or have come. */
void deliveries_look(Caller *caller);
void deliveries_leave(Caller *caller);

/* stream.c */
CallerStream *stream_of_rpc(Caller *caller, const RpcStream *stream);
/* Moves up to bytes of the socket into the stream's pipe.  FALSE: it cannot splice (any more); feed
 * instead. */
gboolean stream_splice(CallerStream *stream, int socket_fd, uint64_t bytes, uint64_t *ret_taken);
void streams_clear(Caller *caller);

/* subscription.c */
void subscriptions_drop(Caller *caller);
