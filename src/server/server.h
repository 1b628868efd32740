/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The server: listening sockets, the clients on them, and the table that says which function serves
 * which procedure. It knows no procedure by name; what the table does not serve is answered as "not
 * supported".  One per process. */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <sys/types.h>

#include "loop/task.h"
#include "server/caller.h"

/* Rows of ferryd.conf. */
typedef struct {
    unsigned max_clients;               /* in all; an eighth is kept for uid 0 on a unix socket */
    unsigned max_anonymous;             /* before connect_open, in all; likewise */
    unsigned max_anonymous_per_address; /* the same from one address, or of one uid but 0 */
    int64_t login_timeout_ms;
    uint32_t login_frame_bytes;
    unsigned max_client_calls; /* running at once; a few more wait, then the socket is not read */
    unsigned max_calls;        /* the same for all clients together */
    uint64_t client_unsent_bytes;
    uint64_t total_unsent_bytes;
    int keepalive_interval_s; /* <= 0: never */
    unsigned keepalive_count;
    int backlog;
} ServerLimits;

/* What the configuration says by default. */
extern const ServerLimits server_default_limits;

typedef enum {
    CALL_INLINE, /* never awaits: runs on the loop thread, at once */
    CALL_TASK,   /* may await: runs as a task */
} CallMode;

typedef enum {
    CALL_BEFORE_OPEN = 1 << 0, /* served before connect_open too */
    CALL_OPENS = 1 << 1,       /* this is connect_open: its success is the log-in */
    CALL_CLOSES = 1 << 2,      /* the connection ends after the reply */
    CALL_URGENT = 1 << 3,      /* not held back by calls that run (abort a job) */
} CallFlags;

/* Fills ret (zeroed, of the procedure's ret type; NULL if it has none), which may point into
 * call_arena and into what lives until the reply.  FALSE: the error is the answer. */
typedef gboolean (*CallFunc)(Call *call, const void *args, void *ret, GError **error);

typedef struct {
    uint32_t program;
    int32_t number;
    CallFunc fn;
    CallMode mode;
    unsigned flags; /* CallFlags */
} ServerRow;

/* SERVER_ROW(REMOTE, DOMAIN_SUSPEND, service_domain_suspend, CALL_TASK, 0): the function may take
 * its own types. */
#define SERVER_ROW(program, name, function, mode, flags)                                           \
    {                                                                                              \
        program##_PROGRAM, program##_##name, (CallFunc)(void (*)(void))(function), mode, flags     \
    }

/* auth_list (answers "none"), connect_close and the close callback: what concerns the connection
 * alone. */
extern const ServerRow server_session_rows[];
extern const unsigned server_session_row_count;

void server_init(const ServerLimits *limits);
/* Before listening; may be called several times.  A row twice is a bug. */
void server_add_rows(const ServerRow *rows, unsigned count);

/* mode: permission bits; group: (gid_t)-1 for the daemon's.  A socket on which somebody listens is
 * an error. */
gboolean server_listen_unix(const char *path, mode_t mode, gid_t group, gboolean is_readonly,
                            GError **error);
/* Resolves host, which blocks: at start-up only. */
gboolean server_listen_tcp(const char *host, guint16 port, GError **error);
/* What systemd hands over (LISTEN_FDS); *ret_count sockets.  A unix socket whose name ends in "-ro"
 * is read-only. */
gboolean server_listen_inherited(unsigned *ret_count, GError **error);
/* Takes a listening descriptor; path (may be NULL): to be removed at the end. */
gboolean server_add_listener(int fd, const char *path, gboolean is_readonly, GError **error);
/* Takes a connected descriptor as if it had been accepted; NULL: refused by the limits.  For tests
 * and for handed-over connections.  The caller is borrowed. */
Caller *server_adopt(int fd, gboolean is_readonly);

unsigned server_client_count(void);
/* No new clients; unix sockets of ours are removed. */
void server_stop_listening(void);
/* Ends all; for tests and the end of the process. */
void server_clear(void);
