/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The socket's two directions.
 *
 *   in:   socket ──▶ engine, or, while an in pump runs, pump ──▶ handed ──▶ engine
 *   out:  returned, then engine ──▶ socket, or, while an out pump runs, engine ──▶ pump
 *
 * Ending is done in one place, carrier_end, and never while the engine is at work. */
#include "carrier/carrier.h"

#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/error.h"
#include "carrier/carrier-private.h"

/* One carrier's turn: then others have theirs. */
#define READS_PER_TURN 4
/* More than this handed over and not fed stops the in pump. */
#define HANDED_MAX (256 * 1024)

/* Survives the carrier until the posted call has run. */
typedef struct {
    Carrier *carrier;
} ResumeToken;

static void on_ready(int fd, unsigned events, void *data);
static void on_keepalive(void *data);

static int64_t now_ms(void)
{
    return clock_now_ms();
}

/* ---- what to watch ---- */

static gboolean wants_input(const Carrier *carrier)
{
    return !carrier->is_finishing && !carry_is_running(carrier->in) &&
           carrier->handed->len == carrier->handed_at &&
           rpc_connection_read_hint(carrier->conn) > 0;
}

void carrier_watch(Carrier *carrier)
{
    unsigned events = (wants_input(carrier) ? EPOLLIN : 0) | (carrier->is_blocked ? EPOLLOUT : 0);
    gboolean is_lent = carry_is_running(carrier->in) || carry_is_running(carrier->out);

    if (carrier->is_closed)
        return;
    if (events == 0 && is_lent) { /* a hang-up is the pump's to notice; here it would spin */
        g_clear_pointer(&carrier->watch, watch_free);
        return;
    }
    if (!carrier->watch)
        carrier->watch = watch_new(carrier->link->fd, events, on_ready, carrier);
    else if (events != carrier->watched)
        watch_set_events(carrier->watch, events);
    carrier->watched = events;
}

static void keepalive_arm(Carrier *carrier)
{
    int64_t deadline = rpc_connection_next_deadline(carrier->conn);
    int64_t delay = deadline == INT64_MAX ? 0 : MAX(0, deadline - now_ms());

    if (deadline == INT64_MAX)
        return;
    if (carrier->keepalive)
        timer_restart(carrier->keepalive, delay);
    else
        carrier->keepalive = timer_new(delay, on_keepalive, carrier);
}

/* ---- the end ---- */

static void close_now(Carrier *carrier, const GError *reason)
{
    g_autoptr(GError) told = reason ? g_error_copy(reason) : NULL;
    g_autoptr(GError) gone = NULL;

    carrier->is_closed = TRUE;
    g_clear_pointer(&carrier->watch, watch_free);
    g_clear_pointer(&carrier->keepalive, timer_free);
    error_set_from(&gone, FROM_RPC, ERROR_INTERNAL_ERROR,
                   "internal error: client socket is closed");
    link_shutdown(carrier->link);
    carry_cut(carrier->in, told ?: gone);
    carry_cut(carrier->out, told ?: gone);
    rpc_connection_close(carrier->conn, told ?: gone);
    carrier->handlers->on_closed(carrier, told, carrier->data);
}

void carrier_end(Carrier *carrier, const GError *reason)
{
    if (carrier->is_closed)
        return;
    if (!carrier->is_feeding) {
        close_now(carrier, reason);
        return;
    }
    if (!carrier->is_closing && reason)
        carrier->close_reason = g_error_copy(reason);
    carrier->is_closing = TRUE;
}

/* After the engine was at work.  FALSE: the carrier has ended. */
static gboolean settle(Carrier *carrier)
{
    if (!carrier->is_closing)
        return TRUE;
    close_now(carrier, carrier->close_reason);
    return FALSE;
}

/* ---- out ---- */

static LinkResult write_returned(Carrier *carrier, GError **error)
{
    LinkResult result = LINK_OK;
    size_t len;

    while (result == LINK_OK && carrier->returned->len > 0) {
        result =
            link_write(carrier->link, carrier->returned->data, carrier->returned->len, &len, error);
        if (result == LINK_OK)
            g_byte_array_remove_range(carrier->returned, 0, (guint)len);
    }
    return result;
}

static LinkResult write_some(Carrier *carrier, const RpcOutput *output, GError **error)
{
    size_t len = 1;
    LinkResult result =
        output->fd >= 0 ? link_send_fd(carrier->link, output->fd, error)
                        : link_writev(carrier->link, output->iov, output->iov_count, &len, error);

    if (result == LINK_OK)
        rpc_connection_consumed(carrier->conn, len);
    return result;
}

/* Of the engine's output; FALSE: there is none, or a descriptor is next, which waits until the pump
 * has ended. */
static gboolean take_output(Carrier *carrier, GByteArray *into)
{
    RpcOutput output;
    size_t before = into->len;

    if (!rpc_connection_output(carrier->conn, &output) || output.fd >= 0)
        return FALSE;
    for (unsigned i = 0; i < output.iov_count; i++)
        g_byte_array_append(into, output.iov[i].iov_base, (guint)output.iov[i].iov_len);
    rpc_connection_consumed(carrier->conn, into->len - before);
    return TRUE;
}

void carrier_return_output(Carrier *carrier)
{
    while (take_output(carrier, carrier->returned))
        ;
}

static void give_to_pump(Carrier *carrier)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    while (take_output(carrier, bytes))
        ;
    if (bytes->len > 0)
        carry_send(carrier->out, bytes->data, bytes->len);
}

/* LINK_OK: all is written. */
static LinkResult write_all(Carrier *carrier, GError **error)
{
    LinkResult result = write_returned(carrier, error);
    RpcOutput output;

    while (result == LINK_OK && rpc_connection_output(carrier->conn, &output))
        result = write_some(carrier, &output, error);
    return result;
}

/* FALSE: the carrier has ended. */
static gboolean write_out(Carrier *carrier)
{
    g_autoptr(GError) error = NULL;
    LinkResult result;

    if (carrier->is_closed)
        return FALSE;
    if (carry_is_running(carrier->out)) {
        give_to_pump(carrier);
        return TRUE;
    }
    result = write_all(carrier, &error);
    carrier->is_blocked = result == LINK_AGAIN;
    if (result == LINK_FAILED || (result == LINK_OK && carrier->is_finishing)) {
        carrier_end(carrier, error);
        return FALSE;
    }
    return TRUE;
}

void carrier_flush(Carrier *carrier)
{
    if (carrier->is_closed || carrier->is_feeding) /* then it comes after the feeding */
        return;
    if (write_out(carrier))
        carrier_watch(carrier);
}

/* ---- in ---- */

/* Runs the engine and settles what came of it. */
static gboolean engine_ran(Carrier *carrier, gboolean is_ok, const GError *error)
{
    carrier->is_feeding = FALSE;
    if (!is_ok) {
        close_now(carrier, error);
        return FALSE;
    }
    return settle(carrier);
}

gboolean carrier_feed(Carrier *carrier, const guint8 *bytes, size_t len)
{
    g_autoptr(GError) error = NULL;
    gboolean is_ok;

    carrier->is_feeding = TRUE;
    is_ok = rpc_connection_feed(carrier->conn, bytes, len, now_ms(), &error);
    return engine_ran(carrier, is_ok, error);
}

static gboolean continue_held(Carrier *carrier)
{
    g_autoptr(GError) error = NULL;
    gboolean is_ok;

    carrier->is_feeding = TRUE;
    is_ok = rpc_connection_continue(carrier->conn, now_ms(), &error);
    return engine_ran(carrier, is_ok, error);
}

gboolean carrier_feed_handed(Carrier *carrier)
{
    while (carrier->handed_at < carrier->handed->len &&
           rpc_connection_read_hint(carrier->conn) > 0) {
        size_t len = MIN(RPC_READ_SIZE, carrier->handed->len - carrier->handed_at);
        const guint8 *piece = carrier->handed->data + carrier->handed_at;

        carrier->handed_at += len;
        if (!carrier_feed(carrier, piece, len))
            return FALSE;
    }
    g_byte_array_remove_range(carrier->handed, 0, (guint)carrier->handed_at);
    carrier->handed_at = 0;
    carry_set_paused(carrier->in, carrier->handed->len > HANDED_MAX);
    return TRUE;
}

static gboolean read_once(Carrier *carrier, size_t hint, gboolean *ret_more)
{
    guint8 buffer[RPC_READ_SIZE];
    g_autoptr(GError) error = NULL;
    g_auto(LinkFds) fds = {0};
    size_t len;

    *ret_more = FALSE;
    switch (link_read(carrier->link, buffer, MIN(hint, sizeof buffer),
                      carrier->link->kind == LINK_KIND_UNIX ? &fds : NULL, &len, &error)) {
    case LINK_AGAIN:
        return TRUE;
    case LINK_END:
    case LINK_FAILED:
        carrier_end(carrier, error);
        return FALSE;
    case LINK_OK:
        break;
    }
    while (fds.count > 0)
        rpc_connection_feed_fd(carrier->conn, link_fds_take(&fds));
    *ret_more = TRUE;
    return carrier_feed(carrier, buffer, len);
}

/* FALSE: the carrier has ended. */
static gboolean read_in(Carrier *carrier)
{
    gboolean has_more = TRUE;

    for (int i = 0; i < READS_PER_TURN && has_more && wants_input(carrier); i++) {
        if (!read_once(carrier, rpc_connection_read_hint(carrier->conn), &has_more))
            return FALSE;
        if (!carry_try_start(carrier->in))
            return FALSE;
    }
    return TRUE;
}

/* ---- events ---- */

static void on_ready(int fd, unsigned events, void *data)
{
    Carrier *carrier = data;

    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && wants_input(carrier)) {
        if (!read_in(carrier))
            return;
    } else if (events & (EPOLLHUP | EPOLLERR) && !carry_is_running(carrier->in)) {
        carrier_end(carrier, NULL); /* both directions are down: nobody would read an answer */
        return;
    }
    if (write_out(carrier))
        carrier_watch(carrier);
}

static void on_keepalive(void *data)
{
    Carrier *carrier = data;
    g_autoptr(GError) error = NULL;
    uint64_t activity = carry_activity(carrier->in);

    if (activity != carrier->heard_activity)
        rpc_connection_heard(carrier->conn, now_ms());
    carrier->heard_activity = activity;
    if (!rpc_connection_tick(carrier->conn, now_ms(), &error)) {
        carrier_end(carrier, error);
        return;
    }
    keepalive_arm(carrier);
    carrier_flush(carrier);
}

static void on_resume(void *data)
{
    g_autofree ResumeToken *token = data;
    Carrier *carrier = token->carrier;

    if (!carrier || carrier->is_closed)
        return;
    carrier->is_resume_posted = FALSE;
    carrier->resume_token = NULL;
    if (!continue_held(carrier) || !carrier_feed_handed(carrier) || !carry_try_start(carrier->in))
        return;
    if (write_out(carrier))
        carrier_watch(carrier);
}

void carrier_resume(Carrier *carrier)
{
    ResumeToken *token;

    if (carrier->is_closed || carrier->is_resume_posted)
        return;
    token = g_new0(ResumeToken, 1);
    token->carrier = carrier;
    carrier->resume_token = token;
    carrier->is_resume_posted = TRUE;
    loop_post(on_resume, token);
}

/* ---- life ---- */

Carrier *carrier_new(Link *link, RpcConnection *conn, const CarrierHandlers *handlers, void *data)
{
    Carrier *carrier = g_new0(Carrier, 1);

    carrier->link = link;
    carrier->conn = conn;
    carrier->handlers = handlers;
    carrier->data = data;
    carrier->returned = g_byte_array_new();
    carrier->handed = g_byte_array_new();
    if (link->kind == LINK_KIND_UNIX)
        rpc_connection_allow_fds(conn);
    carrier_watch(carrier);
    return carrier;
}

void carrier_free(Carrier *carrier)
{
    if (!carrier)
        return;
    g_assert(!carrier->is_feeding);
    carrier->is_closed = TRUE;
    if (carrier->resume_token)
        ((ResumeToken *)carrier->resume_token)->carrier = NULL;
    g_clear_pointer(&carrier->watch, watch_free);
    g_clear_pointer(&carrier->keepalive, timer_free);
    carry_cut(carrier->in, NULL);
    carry_cut(carrier->out, NULL);
    rpc_connection_free(carrier->conn);
    link_free(carrier->link);
    g_byte_array_unref(carrier->returned);
    g_byte_array_unref(carrier->handed);
    g_clear_error(&carrier->close_reason);
    g_free(carrier);
}

Link *carrier_link(const Carrier *carrier)
{
    return carrier->link;
}

RpcConnection *carrier_connection(const Carrier *carrier)
{
    return carrier->conn;
}

void carrier_close(Carrier *carrier, const GError *reason)
{
    carrier_end(carrier, reason);
}

void carrier_close_when_sent(Carrier *carrier)
{
    carrier->is_finishing = TRUE;
    rpc_connection_pause(carrier->conn, TRUE);
    carrier_resume(carrier); /* not here: on_closed must not come inside our caller */
}

void carrier_start_keepalive(Carrier *carrier, int interval_s, unsigned count)
{
    if (carrier->is_closed)
        return;
    rpc_connection_start_keepalive(carrier->conn, interval_s, count, now_ms());
    keepalive_arm(carrier);
}
