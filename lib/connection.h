/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inside libferry: a connection with its pump, and any procedure of the tables as a blocking call.
 * While anything waits, the connection and its companion are both served: their keepalive must not
 * starve when the other end of a migration is the one that is slow. */
#pragma once

#include <ferry/ferry.h>
#include <glib.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/params.h"
#include "link/link.h"
#include "link/uri.h"
#include "rpc/connection.h"
#include "rpc/stream.h"
#include "wire/procedures.h"

#define FEATURE_P2P               4
#define FEATURE_CHANGE_PROTECTION 7
#define FEATURE_PARAM_STRINGS     9
#define FEATURE_KEEPALIVE         10
#define FEATURE_OFFLINE           12
#define FEATURE_MIGRATE_PARAMS    13
#define FEATURE_EVENT_CALLBACKS   14
#define FEATURE_FERRY             0x46657272 /* our own: it is a ferryd */

struct FerryConnection {
    Uri *uri;
    char *uri_text; /* as given, or as the server chose */
    Link *link;
    RpcConnection *rpc;
    GError *lost;               /* why it has ended; NULL: it lives */
    FerryConnection *companion; /* borrowed; NULL: none */
    gboolean is_held;           /* not read for now: whoever takes what it brings is behind */
    int64_t login_deadline_ms;  /* until then it has to be logged in; INT64_MAX: no limit */
    uint64_t features_asked, features_had; /* bit per feature number */
    GPtrArray *watches;                    /* lib/event.c */
};

struct FerryDomain {
    FerryConnection *conn;
    char *name;
    Uuid uuid;
    int id;
    char uuid_text[UUID_TEXT_SIZE];
};

struct FerryParams {
    Params *list;
};

/* Takes list. */
FerryParams *ferry_params_take(Params *list);

/* One round: waits until deadline_ms (clock_now_ms; INT64_MAX: none) at most and moves what can be
 * moved.  Returns early when a signal came or extra_fd (-1: none) can be read, and says so. */
typedef enum { PUMP_TIMEOUT, PUMP_MOVED, PUMP_INTERRUPTED, PUMP_EXTRA } PumpResult;
PumpResult connection_pump(FerryConnection *conn, int extra_fd, int64_t deadline_ms);
/* Writes out what is queued, without waiting. */
void connection_flush(FerryConnection *conn);
/* It has ended, and so have its calls; the reason is taken. */
void connection_lose(FerryConnection *conn, GError *reason);
/* FALSE with the reason if it has ended. */
gboolean connection_check(const FerryConnection *conn, GError **error);

/* A call and its answer.  ret is of procedure->ret's C type (NULL: not wanted) and lives with the
 * arena. */
gboolean connection_call(FerryConnection *conn, uint32_t program, int32_t procedure,
                         const void *args, Arena *arena, void *ret, GError **error);
#define CALL(conn, name, args, arena, ret, error)                                                  \
    connection_call((conn), REMOTE_PROGRAM, REMOTE_##name, (args), (arena), (ret), (error))

/* The same for one that may take long: idle is called every interval_ms, and at once after a
 * signal.  It may call on the same connection. */
typedef void (*IdleFunc)(void *data);
gboolean connection_call_long(FerryConnection *conn, int32_t procedure, const void *args,
                              Arena *arena, void *ret, int interval_ms, IdleFunc idle, void *data,
                              GError **error);

/* One that opens a stream, which is open when this returns; NULL: it failed.  handlers are borrowed
 * and must stand as long as the stream. */
typedef struct {
    uint32_t program;
    int32_t procedure;
    const RpcStreamHandlers *handlers;
    void *data;
} StreamCall;
RpcStream *connection_call_stream(FerryConnection *conn, const StreamCall *call, const void *args,
                                  Arena *arena, void *ret, int interval_ms, IdleFunc idle,
                                  void *data, GError **error);

/* lib/event.c */
void connection_on_event(RpcConnection *rpc, const WireProcedure *procedure, const guint8 *body,
                         size_t body_len, void *data);
void watch_free(gpointer watch);

/* lib/domain.c */
FerryDomain *domain_new(FerryConnection *conn, const WireDomain *wire);
WireDomain domain_wire(const FerryDomain *domain);
