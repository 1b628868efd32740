/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Caller: one connected client.  It lives as long as somebody holds a reference; once it has gone
 * (caller_is_gone), everything sent to it is dropped.  All functions need the floor and none
 * awaits. */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/uuid.h"
#include "wire/procedures.h"

typedef struct Caller Caller;
typedef struct Call Call;

/* --- who it is --- */

Caller *caller_ref(Caller *caller);
void caller_unref(Caller *caller);
gboolean caller_is_gone(const Caller *caller);
/* It is gone, or has closed its end and we have only not read so far: asks the kernel. */
gboolean caller_has_hung_up(const Caller *caller);
/* Since its last call or stream data; that it is alive (keepalive) does not count. */
int64_t caller_silence_ms(const Caller *caller);
/* The socket was the read-only one, or connect_open asked for it. */
gboolean caller_is_readonly(const Caller *caller);
void caller_set_readonly(Caller *caller);
/* Of a unix peer; FALSE: it came over the network. */
gboolean caller_is_local(const Caller *caller);
pid_t caller_pid(const Caller *caller);
/* "10.0.0.1:45678", or "uid 1000 pid 4711"; for logs. */
const char *caller_name(const Caller *caller);
/* The literal on which a TCP connection arrived ("192.168.122.12"), NULL for unix. */
const char *caller_local_host(const Caller *caller);
const char *caller_remote_host(const Caller *caller);

/* --- its end --- */

/* Called once, with the floor, when the connection ends for whatever reason (at once if it has
 * already): the place for what must not outlive its client.  Must not await; spawn a task for more.
 */
typedef void (*CallerCloseFunc)(Caller *caller, void *data);
typedef struct CallerHook CallerHook;
CallerHook *caller_on_close(Caller *caller, CallerCloseFunc fn, void *data);
/* Before fn has been called only; NULL is fine. */
void caller_drop_hook(CallerHook *hook);
/* Ends the connection soon, after what is queued has been written if that goes quickly. */
void caller_close(Caller *caller, const char *reason);

/* The client has asked feature 10: PINGs from now on. */
void caller_start_keepalive(Caller *caller);

/* --- calls: what a service function is given --- */

Caller *call_caller(Call *call); /* borrowed; take a reference to keep it */
/* Where the arguments live and results go; until the reply has been sent. */
Arena *call_arena(Call *call);
const WireProcedure *call_procedure(const Call *call);
/* What must not happen before the client has the reply: fn runs once, with the floor, when the
 * client's kernel has acknowledged all of it, or when it never will.  It must not await.  Not called
 * if the service function fails.  It may come while the caller lives or long after it has gone. */
typedef enum {
    CALL_DELIVERED,
    CALL_UNSENT,           /* not a byte of the result has left */
    CALL_DELIVERY_UNKNOWN, /* the connection broke: some of it has left, and nobody knows how far it came */
} CallDelivery;
typedef void (*CallDeliveryFunc)(CallDelivery delivery, void *data);
void call_on_delivery(Call *call, CallDeliveryFunc fn, void *data);

/* --- streams --- */

/* A stream of the client tied to a descriptor: bytes go both ways as the procedure's row allows, at
 * the pace of the slower side, until one side ends.  The server owns it; the pointer is good until
 * on_end has been called. */
typedef struct CallerStream CallerStream;
typedef enum {
    STREAM_ENDED_FINISHED, /* the client finished, and all it sent has been written */
    STREAM_ENDED_ABORTED,  /* the client aborted or went away */
    STREAM_ENDED_FAILED,   /* the descriptor failed, the call failed, or caller_stream_fail */
} CallerStreamEnd;
typedef void (*CallerStreamEndFunc)(CallerStream *stream, CallerStreamEnd end, void *data);
/* In the service function, before it returns: the stream opens with the reply.  Takes fd (socket,
 * pipe or terminal, no file) in any case and makes it non-blocking.  For descriptors that are to be
 * handed to QEMU, give this one end of a pipe: then the bytes are spliced.  on_end may be NULL; it
 * is called exactly once unless this returns NULL. */
CallerStream *call_open_stream(Call *call, int fd, CallerStreamEndFunc on_end, void *data,
                               GError **error);
/* Ends it with an error for the client. */
void caller_stream_fail(CallerStream *stream, const GError *error);
/* Bytes carried so far, both ways together. */
uint64_t caller_stream_bytes(const CallerStream *stream);

/* --- events --- */

/* Families of callback ids; a service may use any number as event. */
typedef enum {
    CALLER_EVENTS_DOMAIN,
    CALLER_EVENTS_DOMAIN_LEGACY, /* without callback ids */
    CALLER_EVENTS_NETWORK,
    CALLER_EVENTS_STORAGE_POOL,
    CALLER_EVENTS_NODE_DEVICE,
    CALLER_EVENTS_SECRET,
    CALLER_EVENTS_QEMU_MONITOR,
    CALLER_EVENTS_FERRY,
} CallerEvents;

/* One registration: the client gets each matching event once, with this id. */
typedef struct {
    Caller *caller;
    CallerEvents family;
    int callback_id; /* unique in the daemon, from 0 */
    int event;
    gboolean has_uuid; /* only of that object */
    Uuid uuid;
    void *data; /* of the service; freed with the registration */
    GDestroyNotify free_data;
} CallerSubscription;

/* The callback id, or -1 with an error (too many).  uuid may be NULL.  data is taken in any case.
 */
int caller_subscribe(Caller *caller, CallerEvents family, int event, const Uuid *uuid, void *data,
                     GDestroyNotify free_data, GError **error);
/* ERROR_INTERNAL_ERROR if this client has no such registration. */
gboolean caller_unsubscribe(Caller *caller, CallerEvents family, int callback_id, GError **error);
/* The first registration of that family and event, for the legacy calls that have no id; NULL:
 * none. */
const CallerSubscription *caller_find_subscription(const Caller *caller, CallerEvents family,
                                                   int event);
/* Calls fn for every registration, of all clients, of that family and event whose filter lets uuid
 * pass, in the order of registration.  fn may send and close, but not subscribe or unsubscribe. */
typedef void (*CallerSubscriptionFunc)(const CallerSubscription *subscription, void *data);
void callers_each_subscription(CallerEvents family, int event, const Uuid *uuid,
                               CallerSubscriptionFunc fn, void *data);
gboolean callers_want_event(CallerEvents family, int event);

/* Queues an event; msg fits the procedure's args.  What cannot be encoded is logged and dropped. */
void caller_send_event(Caller *caller, uint32_t program, int32_t number, const void *msg);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Caller, caller_unref)
