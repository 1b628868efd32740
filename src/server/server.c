/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The server: accepts clients within the limits and keeps the table of rows.
 *
 * A host must stay manageable while somebody floods it: an eighth of the slots, before and after
 * log-in, is kept for uid 0 on a unix socket, each listener accepts a few per turn of the loop, and
 * who is over a limit is closed at once rather than left waiting in a queue that root would have to
 * wait in too.  Only of those from one address, which may all mean well (a host is evacuated), some
 * are kept outside, unread, until one of them has logged in. */
#include "server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/number.h"
#include "link/listen.h"
#include "server/server-private.h"

#define ACCEPTS_PER_TURN         8
#define ACCEPT_PAUSE_MS          500 /* when descriptors have run out */
#define REFUSALS_LOGGED_EVERY_MS 1000
#define FIRST_INHERITED_FD       3
#define PER_ADDRESS              "max_anonymous_per_address"

typedef struct {
    int fd;
    LinkKind kind;
    char *path; /* ours to remove; or NULL */
    gboolean is_readonly;
    Watch *watch;
    Timer *pause;
} Listener;

const ServerLimits server_default_limits = {
    .max_clients = 5000,
    .max_anonymous = 100,
    .max_anonymous_per_address = 20,
    .login_timeout_ms = 10 * 1000,
    .login_frame_bytes = RPC_LOGIN_FRAME_MAX,
    .max_client_calls = 32,
    .max_calls = 512,
    .client_unsent_bytes = 64 * 1024 * 1024,
    .total_unsent_bytes = 512 * 1024 * 1024,
    .keepalive_interval_s = 5,
    .keepalive_count = 5,
    .backlog = 1000,
};

Server server;

/* --- rows --- */

static unsigned row_hash(gconstpointer key)
{
    const ServerRow *row = key;

    return row->program * 31 + (unsigned)row->number;
}

static gboolean row_equal(gconstpointer a, gconstpointer b)
{
    const ServerRow *left = a, *right = b;

    return left->program == right->program && left->number == right->number;
}

void server_init(const ServerLimits *limits)
{
    g_assert(!server.rows);
    server.limits = *limits;
    server.rows = g_hash_table_new(row_hash, row_equal);
    server.listeners = g_ptr_array_new();
    server.anonymous_by_address = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

void server_add_rows(const ServerRow *rows, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        gboolean is_new = g_hash_table_add(server.rows, (gpointer)&rows[i]);

        g_assert(is_new);
    }
}

const ServerRow *server_find_row(const WireProcedure *procedure)
{
    const ServerRow key = {.program = procedure->program, .number = procedure->number};

    return g_hash_table_lookup(server.rows, &key);
}

/* --- who may come in --- */

static gboolean is_privileged(const Caller *caller)
{
    return caller->is_local && caller->uid == 0;
}

static unsigned slots_for(const Caller *caller, unsigned slots)
{
    return is_privileged(caller) ? slots : slots - slots / 8;
}

static unsigned anonymous_at(const char *address)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(server.anonymous_by_address, address));
}

static void count_anonymous(const Caller *caller, int by)
{
    unsigned count = anonymous_at(caller->address_key) + (unsigned)by;

    server.anonymous += (unsigned)by;
    if (count > 0)
        g_hash_table_replace(server.anonymous_by_address, g_strdup(caller->address_key),
                             GUINT_TO_POINTER(count));
    else
        g_hash_table_remove(server.anonymous_by_address, caller->address_key);
}

/* NULL: it may come in. */
static const char *find_limit(const Caller *caller)
{
    if (server.clients.length >= slots_for(caller, server.limits.max_clients))
        return "max_clients";
    if (server.anonymous >= slots_for(caller, server.limits.max_anonymous))
        return "max_anonymous_clients";
    if (!is_privileged(caller) &&
        anonymous_at(caller->address_key) >= server.limits.max_anonymous_per_address)
        return PER_ADDRESS;
    return NULL;
}

/* A flood must not fill the log. */
static void log_refusal(const Caller *caller, const char *limit)
{
    static int64_t next_ms;
    static unsigned left_out;

    if (clock_now_ms() < next_ms) {
        left_out++;
        return;
    }
    log_warning("refused client %s: limit %s is reached (%u more since the last such line)",
                caller->name, limit, left_out);
    next_ms = clock_now_ms() + REFUSALS_LOGGED_EVERY_MS;
    left_out = 0;
}

static void let_in(Caller *caller)
{
    g_queue_push_tail_link(&server.clients, &caller_ref(caller)->server_link);
    count_anonymous(caller, 1);
    caller_start(caller);
    log_debug("client %s: connected%s", caller->name, caller->is_readonly ? ", read-only" : "");
}

/* Oldest first, so the timer is that of the first. */
static void tire_outside(void *data)
{
    Caller *first;

    while ((first = g_queue_peek_head(&server.outside)) && first->login_deadline_ms <= clock_now_ms()) {
        log_refusal(first, PER_ADDRESS);
        caller_unref(g_queue_pop_head(&server.outside));
    }
    if (first)
        timer_restart(server.outside_timer, first->login_deadline_ms - clock_now_ms());
}

static void keep_outside(Caller *caller)
{
    caller->login_deadline_ms = clock_now_ms() + server.limits.login_timeout_ms;
    g_queue_push_tail(&server.outside, caller_ref(caller));
    if (!server.outside_timer)
        server.outside_timer = timer_new(server.limits.login_timeout_ms, tire_outside, NULL);
    else if (server.outside.length == 1)
        timer_restart(server.outside_timer, server.limits.login_timeout_ms);
}

static Caller *take_client(Link *link, gboolean is_readonly)
{
    g_autoptr(Caller) caller = caller_new(link, is_readonly);
    const char *limit = find_limit(caller);

    if (limit && g_str_equal(limit, PER_ADDRESS) && server.outside.length < server.limits.max_anonymous) {
        keep_outside(caller);
        return NULL;
    }
    if (limit) {
        log_refusal(caller, limit);
        return NULL;
    }
    let_in(caller);
    return caller; /* the server's reference is the one that lasts */
}

/* A place has become free. */
static void let_in_from_outside(void)
{
    for (GList *link = server.outside.head, *next; link; link = next) {
        g_autoptr(Caller) caller = NULL;

        next = link->next;
        if (find_limit(link->data))
            continue;
        caller = link->data;
        g_queue_delete_link(&server.outside, link);
        let_in(caller);
    }
}

void server_count_login(Caller *caller)
{
    count_anonymous(caller, -1);
    let_in_from_outside();
}

void server_forget_client(Caller *caller)
{
    if (caller->state == CALLER_ANONYMOUS)
        count_anonymous(caller, -1);
    server.total_unsent -= caller->counted_unsent;
    caller->counted_unsent = 0;
    g_queue_unlink(&server.clients, &caller->server_link);
    caller_unref(caller);
    let_in_from_outside();
}

/* Over the limit of all: who holds most has to go.  What those hold who are going already is as
 * good as free. */
void server_check_unsent(void)
{
    uint64_t staying_bytes = 0;
    Caller *worst = NULL;

    if (server.total_unsent <= server.limits.total_unsent_bytes)
        return;
    for (GList *link = server.clients.head; link; link = link->next) {
        Caller *caller = link->data;

        if (caller->close_reason)
            continue;
        staying_bytes += caller->counted_unsent;
        if (!worst || caller->counted_unsent > worst->counted_unsent)
            worst = caller;
    }
    if (staying_bytes > server.limits.total_unsent_bytes)
        caller_end_soon(worst, "all clients together leave too much unread, and this one most");
}

unsigned server_client_count(void)
{
    return server.clients.length;
}

Caller *server_adopt(int fd, gboolean is_readonly)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;

    getsockname(fd, (struct sockaddr *)&address, &len);
    return take_client(link_new(address.ss_family == AF_UNIX ? LINK_KIND_UNIX : LINK_KIND_TCP, fd),
                       is_readonly);
}

/* --- listening --- */

static void accept_again(void *data)
{
    Listener *listener = data;

    watch_set_events(listener->watch, EPOLLIN);
}

static void accept_some(int fd, unsigned events, void *data)
{
    Listener *listener = data;

    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        g_autoptr(GError) failure = NULL;
        Link *link;

        switch (listen_accept(fd, listener->kind, &link, &failure)) {
        case LINK_OK:
            take_client(link, listener->is_readonly);
            break;
        case LINK_FAILED:
            log_error("cannot accept a client, trying again in %d ms: %s", ACCEPT_PAUSE_MS,
                      failure->message);
            watch_set_events(listener->watch, 0);
            g_clear_pointer(&listener->pause, timer_free);
            listener->pause = timer_new(ACCEPT_PAUSE_MS, accept_again, listener);
            return;
        case LINK_AGAIN:
        case LINK_END:
            return;
        }
    }
}

gboolean server_add_listener(int fd, const char *path, gboolean is_readonly, GError **error)
{
    Listener *listener;
    LinkKind kind;

    if (!listen_fd_kind(fd, &kind))
        return error_set(error, ERROR_INVALID_ARG, "descriptor %d is not a listening socket", fd);
    listener = g_new0(Listener, 1);
    listener->fd = fd;
    listener->kind = kind;
    listener->path = g_strdup(path);
    listener->is_readonly = is_readonly;
    listener->watch = watch_new(fd, EPOLLIN, accept_some, listener);
    g_ptr_array_add(server.listeners, listener);
    return TRUE;
}

gboolean server_listen_unix(const char *path, mode_t mode, gid_t group, gboolean is_readonly,
                            GError **error)
{
    auto_fd int fd = listen_unix(path, mode, server.limits.backlog, error);

    if (fd < 0)
        return FALSE;
    if (group != (gid_t)-1 && chown(path, (uid_t)-1, group) < 0) {
        error_errno(error, "cannot give '%s' to group %u", path, group);
        listen_unix_remove(fd, path);
        return FALSE;
    }
    return server_add_listener(fd_steal(&fd), path, is_readonly, error);
}

gboolean server_listen_tcp(const char *host, guint16 port, GError **error)
{
    int fds[LISTEN_TCP_MAX];
    unsigned count = listen_tcp(host, port, server.limits.backlog, fds, error);

    for (unsigned i = 0; i < count; i++)
        server_add_listener(fds[i], NULL, FALSE, NULL);
    return count > 0;
}

static gboolean is_readonly_path(int fd)
{
    struct sockaddr_un address = {0};
    socklen_t len = sizeof address - 1; /* so that there is a NUL behind the path */

    return getsockname(fd, (struct sockaddr *)&address, &len) == 0 &&
           address.sun_family == AF_UNIX && g_str_has_suffix(address.sun_path, "-ro");
}

gboolean server_listen_inherited(unsigned *ret_count, GError **error)
{
    uint64_t pid = 0, count = 0;

    *ret_count = 0;
    if (!number_parse_u64(getenv("LISTEN_PID"), INT32_MAX, &pid) || (pid_t)pid != getpid() ||
        !number_parse_u64(getenv("LISTEN_FDS"), 1024, &count))
        return TRUE;
    for (int fd = FIRST_INHERITED_FD; fd < FIRST_INHERITED_FD + (int)count; fd++) {
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        if (!server_add_listener(fd, NULL, is_readonly_path(fd), error))
            return FALSE;
        ++*ret_count;
    }
    unsetenv("LISTEN_PID"); /* they are not our children's */
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return TRUE;
}

static void listener_free(Listener *listener)
{
    timer_free(listener->pause);
    watch_free(listener->watch);
    if (listener->path)
        listen_unix_remove(listener->fd, listener->path);
    close(listener->fd);
    g_free(listener->path);
    g_free(listener);
}

void server_stop_listening(void)
{
    for (guint i = 0; i < server.listeners->len; i++)
        listener_free(server.listeners->pdata[i]);
    g_ptr_array_set_size(server.listeners, 0);
}

void server_clear(void)
{
    g_autoptr(GError) reason = error_new(ERROR_OPERATION_ABORTED, "the daemon ends");

    if (!server.rows)
        return;
    server_stop_listening();
    g_clear_pointer(&server.outside_timer, timer_free);
    g_queue_clear_full(&server.outside, (GDestroyNotify)caller_unref);
    while (server.clients.head)
        caller_end(server.clients.head->data, reason);
    g_queue_clear_full(&server.waiting, (GDestroyNotify)caller_unref);
    g_ptr_array_unref(server.listeners);
    g_hash_table_unref(server.rows);
    g_hash_table_unref(server.anonymous_by_address);
    server = (Server){0};
}
