/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Callers: from the socket into the engine and back, once per turn of the loop, and the end.
 *
 * The engine may be fed and drained only from outside its own callbacks.  So everything that
 * happens inside one of them (a reply, a decision to close, room in a stream) only marks the
 * caller; who fed or drained looks afterwards.
 *
 * A client that sends faster than it is served is paused; what it may not do is hold up others: one
 * read per turn, and a slice of time for the calls in it. */
#include "server/caller.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/server-private.h"
#include "wire/frame.h"

#define SLICE_US       5000          /* of calls per turn and client; but at least one call, */
#define TURN_US        10000         /* and no more of anybody's when a turn has taken so long */
#define FLUSH_BYTES    (1024 * 1024) /* per turn and client */
#define READS_PER_TURN 8
#define LINGER_MS      2000

struct CallerHook {
    GList link;
    Caller *caller;
    CallerCloseFunc fn;
    void *data;
};

/* --- who it is --- */

Caller *caller_ref(Caller *caller)
{
    caller->refs++;
    return caller;
}

void caller_unref(Caller *caller)
{
    if (!caller || --caller->refs > 0)
        return;
    link_free(caller->link);
    rpc_connection_free(caller->conn);
    g_ptr_array_unref(caller->subscriptions);
    g_free(caller->close_reason);
    g_free(caller->name);
    g_free(caller->local_host);
    g_free(caller->remote_host);
    g_free(caller->address_key);
    g_free(caller);
}

gboolean caller_has_hung_up(const Caller *caller)
{
    struct pollfd entry = {.events = POLLRDHUP};

    if (caller->is_gone || !caller->link)
        return TRUE;
    entry.fd = caller->link->fd;
    return poll(&entry, 1, 0) > 0 && (entry.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

int64_t caller_silence_ms(const Caller *caller)
{
    return clock_now_ms() - caller->said_ms;
}

gboolean caller_is_gone(const Caller *caller)
{
    return caller->is_gone;
}

gboolean caller_is_readonly(const Caller *caller)
{
    return caller->is_readonly;
}

void caller_set_readonly(Caller *caller)
{
    caller->is_readonly = TRUE;
}

gboolean caller_is_local(const Caller *caller)
{
    return caller->is_local;
}

pid_t caller_pid(const Caller *caller)
{
    return caller->pid;
}

const char *caller_name(const Caller *caller)
{
    return caller->name;
}

const char *caller_local_host(const Caller *caller)
{
    return caller->local_host;
}

const char *caller_remote_host(const Caller *caller)
{
    return caller->remote_host;
}

static void learn_names(Caller *caller)
{
    LinkAddress address;

    caller->pid = -1;
    caller->uid = (uid_t)-1;
    caller->gid = (gid_t)-1;
    caller->is_local = link_credentials(caller->link, &caller->pid, &caller->uid, &caller->gid);
    if (caller->is_local) {
        caller->name = g_strdup_printf("uid %u pid %d", caller->uid, (int)caller->pid);
        caller->address_key = g_strdup_printf("uid %u", caller->uid);
        return;
    }
    if (link_local_address(caller->link, &address))
        caller->local_host = link_address_format_host(&address);
    if (link_remote_address(caller->link, &address)) {
        caller->remote_host = link_address_format_host(&address);
        caller->name = link_address_format(&address);
    }
    if (!caller->name)
        caller->name = g_strdup("(vanished)");
    caller->address_key = g_strdup(caller->remote_host ? caller->remote_host : "");
}

/* --- the end --- */

CallerHook *caller_on_close(Caller *caller, CallerCloseFunc fn, void *data)
{
    CallerHook *hook;

    if (caller->is_gone) {
        fn(caller, data);
        return NULL;
    }
    hook = g_new0(CallerHook, 1);
    hook->link.data = hook;
    hook->caller = caller;
    hook->fn = fn;
    hook->data = data;
    g_queue_push_tail_link(&caller->hooks, &hook->link);
    return hook;
}

void caller_drop_hook(CallerHook *hook)
{
    if (!hook)
        return;
    g_queue_unlink(&hook->caller->hooks, &hook->link);
    g_free(hook);
}

static void run_hooks(Caller *caller)
{
    GList *link;

    while ((link = g_queue_pop_head_link(&caller->hooks))) {
        g_autofree CallerHook *hook = link->data;

        hook->fn(caller, hook->data);
    }
}

/* Never from inside the engine. */
void caller_end(Caller *caller, const GError *reason)
{
    g_autoptr(Caller) held = caller_ref(caller);

    g_assert(!caller->is_feeding && !caller->is_flushing);
    if (caller->is_gone)
        return;
    caller->is_gone = TRUE;
    log_debug("client %s: ended: %s", caller->name, reason->message);
    g_clear_pointer(&caller->watch, watch_free);
    g_clear_pointer(&caller->timer, timer_free);
    deliveries_leave(caller); /* knows what is still unsent */
    rpc_connection_close(caller->conn, reason);
    streams_clear(caller);
    g_clear_pointer(&caller->link, link_free);
    calls_drop_queued(caller);
    subscriptions_drop(caller);
    run_hooks(caller);
    server_forget_client(caller);
}

static void end_with(Caller *caller, ErrorCode code, const char *text)
{
    g_autoptr(GError) reason = error_new(code, "%s", text);

    caller_end(caller, reason);
}

static void end_posted(void *data)
{
    g_autoptr(Caller) caller = data;

    if (!caller->is_gone)
        end_with(caller, ERROR_RPC, caller->close_reason);
}

void caller_end_soon(Caller *caller, const char *reason)
{
    if (caller->is_gone || (caller->close_reason && caller->linger_deadline_ms == 0))
        return;
    log_warning("closing client %s: %s", caller->name, reason);
    caller->linger_deadline_ms = 0;
    g_free(caller->close_reason);
    caller->close_reason = g_strdup(reason);
    loop_post(end_posted, caller_ref(caller));
}

static void arm_timer(Caller *caller);

static void close_posted(void *data)
{
    g_autoptr(Caller) caller = data;

    if (caller->is_gone)
        return;
    caller_flush(caller);
    if (!caller->is_gone && rpc_connection_unsent(caller->conn) == 0)
        end_with(caller, ERROR_RPC, caller->close_reason);
}

void caller_close(Caller *caller, const char *reason)
{
    if (caller->is_gone || caller->close_reason)
        return;
    caller->close_reason = g_strdup(reason);
    caller->linger_deadline_ms = clock_now_ms() + LINGER_MS;
    caller_update_pause(caller);
    arm_timer(caller);
    loop_post(close_posted, caller_ref(caller));
}

/* --- time --- */

static int64_t next_deadline(const Caller *caller)
{
    int64_t deadline_ms = rpc_connection_next_deadline(caller->conn);

    if (caller->state == CALLER_ANONYMOUS)
        deadline_ms = MIN(deadline_ms, caller->login_deadline_ms);
    if (caller->linger_deadline_ms > 0)
        deadline_ms = MIN(deadline_ms, caller->linger_deadline_ms);
    return deadline_ms;
}

static void time_passed(void *data)
{
    g_autoptr(Caller) caller = caller_ref(data);
    g_autoptr(GError) failure = NULL;
    int64_t now_ms = clock_now_ms();

    caller->timer_deadline_ms = INT64_MAX;
    if (caller->linger_deadline_ms > 0 && now_ms >= caller->linger_deadline_ms) {
        end_with(caller, ERROR_RPC, caller->close_reason);
        return;
    }
    if (caller->state == CALLER_ANONYMOUS && now_ms >= caller->login_deadline_ms) {
        log_info("closing client %s: it has not logged in in time", caller->name);
        end_with(caller, ERROR_RPC, "no log-in in time");
        return;
    }
    if (!rpc_connection_tick(caller->conn, now_ms, &failure)) {
        log_info("closing client %s: %s", caller->name, failure->message);
        caller_end(caller, failure);
        return;
    }
    caller_flush(caller);
    arm_timer(caller);
}

/* A deadline that moves away, as with every byte heard, is left alone: the timer looks again when
 * it fires. */
static void arm_timer(Caller *caller)
{
    int64_t deadline_ms = next_deadline(caller);

    if (caller->is_gone || deadline_ms >= caller->timer_deadline_ms)
        return;
    caller->timer_deadline_ms = deadline_ms;
    if (caller->timer)
        timer_restart(caller->timer, deadline_ms - clock_now_ms());
    else
        caller->timer = timer_new(deadline_ms - clock_now_ms(), time_passed, caller);
}

void caller_start_keepalive(Caller *caller)
{
    rpc_connection_start_keepalive(caller->conn, server.limits.keepalive_interval_s,
                                   server.limits.keepalive_count, clock_now_ms());
    arm_timer(caller);
}

/* --- output --- */

static void count_unsent(Caller *caller)
{
    uint64_t unsent = rpc_connection_unsent(caller->conn);

    server.total_unsent += unsent - caller->counted_unsent;
    caller->counted_unsent = unsent;
    if (unsent > server.limits.client_unsent_bytes)
        caller_end_soon(caller, "it leaves too much unread");
    else
        server_check_unsent();
}

/* > 0: so many bytes; 0: the socket is full; < 0: it failed. */
static ssize_t write_output(Caller *caller, const RpcOutput *output)
{
    struct msghdr message = {.msg_iov = (struct iovec *)output->iov,
                             .msg_iovlen = output->iov_count};
    g_autoptr(GError) failure = NULL;
    ssize_t put;

    if (output->fd >= 0) {
        LinkResult result = link_send_fd(caller->link, output->fd, &failure);

        return result == LINK_OK ? 1 : result == LINK_AGAIN ? 0 : -1;
    }
    do {
        put = sendmsg(caller->link->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (put < 0 && errno == EINTR);
    return put < 0 && errno == EAGAIN ? 0 : put;
}

/* Writes what the socket takes.  A socket that fails is left to the reader, which meets the same
 * end. */
void caller_flush(Caller *caller)
{
    uint64_t written = 0;
    RpcOutput output;

    if (caller->is_gone || caller->is_feeding || caller->is_flushing)
        return;
    caller->is_flushing = TRUE;
    while (written < FLUSH_BYTES && rpc_connection_output(caller->conn, &output)) {
        ssize_t put;

        g_assert(!output.window); /* servers announce none */
        put = write_output(caller, &output);
        if (put <= 0)
            break;
        rpc_connection_consumed(caller->conn, (uint64_t)put);
        written += (uint64_t)put;
        caller->written += (uint64_t)put;
    }
    caller->is_flushing = FALSE;
    count_unsent(caller);
    if (caller->close_reason && caller->linger_deadline_ms > 0 &&
        rpc_connection_unsent(caller->conn) == 0)
        loop_post(end_posted, caller_ref(caller));
    caller_update_watch(caller);
}

/* --- input --- */

static void begin_slice(Caller *caller)
{
    caller->is_feeding = TRUE;
    caller->slice_end_us = MIN(g_get_monotonic_time() + SLICE_US, loop_turn_started_us() + TURN_US);
}

static gboolean wants_pause(const Caller *caller)
{
    return caller->is_slice_over || caller->is_queue_full || caller->full_streams > 0 ||
           caller->close_reason;
}

void caller_update_watch(Caller *caller)
{
    unsigned events = 0;

    if (caller->is_gone)
        return;
    if (!caller->splice_blocked && rpc_connection_read_hint(caller->conn) > 0)
        events |= EPOLLIN;
    if (rpc_connection_unsent(caller->conn) > 0)
        events |= EPOLLOUT;
    if (events == caller->watched_events)
        return;
    caller->watched_events = events;
    watch_set_events(caller->watch, events);
}

static void after_feed(Caller *caller, gboolean is_fine, const GError *failure)
{
    caller->is_feeding = FALSE;
    if (!is_fine) {
        log_info("closing client %s: %s", caller->name, failure->message);
        caller_end(caller, failure);
        return;
    }
    caller_flush(caller);
    arm_timer(caller);
}

static void continue_posted(void *data)
{
    g_autoptr(Caller) caller = data;
    g_autoptr(GError) failure = NULL;
    gboolean is_fine;

    caller->will_continue = FALSE;
    if (caller->is_gone)
        return;
    caller->is_slice_over = FALSE;
    rpc_connection_pause(caller->conn, wants_pause(caller));
    begin_slice(caller);
    is_fine = rpc_connection_continue(caller->conn, clock_now_ms(), &failure);
    after_feed(caller, is_fine, failure);
}

void caller_update_pause(Caller *caller)
{
    gboolean is_paused = wants_pause(caller);

    if (caller->is_gone)
        return;
    rpc_connection_pause(caller->conn, is_paused);
    /* A slice that is over pauses until the post; any other reason posts when it has gone. */
    if ((!is_paused || caller->is_slice_over) && !caller->will_continue) {
        caller->will_continue = TRUE;
        loop_post(continue_posted, caller_ref(caller));
    }
}

static gboolean feed(Caller *caller, const guint8 *bytes, size_t len, LinkFds *fds, GError **error)
{
    int fd;

    while ((fd = link_fds_take(fds)) >= 0)
        rpc_connection_feed_fd(caller->conn, fd);
    begin_slice(caller);
    return rpc_connection_feed(caller->conn, bytes, len, clock_now_ms(), error);
}

/* The payload of a stream that can take it from the socket itself.  FALSE: there is none, read as
 * usual. */
static gboolean splice_window(Caller *caller, uint64_t *ret_taken)
{
    RpcStream *rpc_stream = NULL;
    uint64_t window = rpc_connection_window(caller->conn, &rpc_stream);

    *ret_taken = 0;
    if (window == 0 ||
        !stream_splice(stream_of_rpc(caller, rpc_stream), caller->link->fd, window, ret_taken))
        return FALSE;
    if (*ret_taken > 0)
        rpc_connection_window_taken(caller->conn, *ret_taken, clock_now_ms());
    return TRUE;
}

/* TRUE: it was a piece of a spliced stream, and more of it may be there. */
static gboolean read_once(Caller *caller)
{
    static guint8 buffer[RPC_READ_SIZE]; /* only the loop thread reads */
    g_auto(LinkFds) fds = {.count = 0};
    g_autoptr(GError) failure = NULL;
    size_t hint = rpc_connection_read_hint(caller->conn);
    RpcStream *window_stream;
    gboolean is_fine;
    uint64_t taken;
    size_t len;

    if (splice_window(caller, &taken)) {
        caller_flush(caller);
        return taken > 0;
    }
    if (hint == 0)
        return FALSE;
    switch (link_read(caller->link, buffer, MIN(hint, sizeof buffer), &fds, &len, &failure)) {
    case LINK_OK:
        is_fine = feed(caller, buffer, len, &fds, &failure);
        after_feed(caller, is_fine, failure);
        break;
    case LINK_AGAIN:
        break;
    case LINK_END:
        end_with(caller, ERROR_RPC, "the client hung up");
        break;
    case LINK_FAILED:
        caller_end(caller, failure);
        break;
    }
    return !caller->is_gone && rpc_connection_window(caller->conn, &window_stream) > 0;
}

/* One read per turn; of a spliced stream, whose bytes cost next to nothing, a few frames. */
static void caller_read(Caller *caller)
{
    for (int i = 0; i < READS_PER_TURN && !caller->is_gone && !caller->splice_blocked; i++)
        if (!read_once(caller))
            return;
}

static void caller_ready(int fd, unsigned events, void *data)
{
    g_autoptr(Caller) caller = caller_ref(data);

    if (events & EPOLLOUT)
        caller_flush(caller);
    deliveries_look(caller); /* what comes brings acknowledgements along */
    if (!caller->is_gone && events & (EPOLLIN | EPOLLHUP | EPOLLERR) &&
        caller->watched_events & EPOLLIN)
        caller_read(caller);
    else if (!caller->is_gone && events & (EPOLLHUP | EPOLLERR))
        end_with(caller, ERROR_RPC,
                 "the client hung up"); /* paused: there is nobody left to answer */
}

/* --- the beginning --- */

static void on_call(RpcConnection *conn, RpcCall *rpc_call, void *data)
{
    Caller *caller = data;

    call_received(caller, rpc_call);
    if (!caller->is_slice_over && g_get_monotonic_time() > caller->slice_end_us) {
        caller->is_slice_over = TRUE;
        caller_update_pause(caller);
    }
}

static void on_frame(RpcConnection *conn, gboolean is_sent, const WireFrameHeader *header,
                     const guint8 *body, size_t body_len, void *data)
{
    Caller *caller = data;

    if (!is_sent && header->prog != KEEPALIVE_PROGRAM)
        caller->said_ms = clock_now_ms();
    if (log_is_on(LOG_LEVEL_DEBUG))
        caller_log_frame(caller, is_sent, header, body, body_len);
}

static const RpcHandlers handlers = {.on_call = on_call, .on_frame = on_frame};

/* Takes link. */
Caller *caller_new(Link *link, gboolean is_readonly)
{
    Caller *caller = g_new0(Caller, 1);

    caller->refs = 1;
    caller->server_link.data = caller;
    caller->link = link;
    caller->is_readonly = is_readonly;
    caller->timer_deadline_ms = INT64_MAX;
    caller->subscriptions = g_ptr_array_new();
    learn_names(caller);
    return caller;
}

void caller_start(Caller *caller)
{
    caller->conn = rpc_connection_new(RPC_SERVER, &handlers, caller);
    rpc_connection_set_max_frame(caller->conn, server.limits.login_frame_bytes);
    if (caller->is_local)
        rpc_connection_allow_fds(caller->conn);
    else
        link_set_timeout(caller->link->fd, SILENT_TCP_MS);
    caller->login_deadline_ms = clock_now_ms() + server.limits.login_timeout_ms;
    caller->watched_events = EPOLLIN;
    caller->watch = watch_new(caller->link->fd, EPOLLIN, caller_ready, caller);
    arm_timer(caller);
}
