/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Streams: a client's stream tied to a descriptor.
 *
 *   client ─▶ socket ─▶ engine ─▶ pending ─▶ descriptor      backlog over a limit: the client is
 * paused └───── splice ─────────▶ pipe             payload never enters this process client ◀─
 * socket ◀─ engine ◀──────────── descriptor      read only when all that was read before is in the
 * socket
 *
 * What is watched changes with the state; when nothing is, the watch goes, as a hang-up would be
 * reported for ever. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "server/server-private.h"

#define STREAMS_MAX 64 /* per client */
#define BACKLOG_MAX (1024 * 1024)
#define CHUNK       (64 * 1024)
#define PIPE_SIZE   (1024 * 1024)

struct CallerStream {
    GList link;
    Caller *caller;
    RpcStream *rpc;
    int fd;
    Watch *watch;
    gboolean takes; /* from the client */
    gboolean gives; /* to the client */
    gboolean is_pipe;
    gboolean is_open;
    gboolean is_finishing; /* the client has finished; pending bytes are still to be written */
    gboolean is_full;      /* counted in caller->full_streams */
    GByteArray *pending;
    uint64_t carried;
    CallerStreamEndFunc on_end;
    void *data;
};

static void stream_watch(CallerStream *stream);

uint64_t caller_stream_bytes(const CallerStream *stream)
{
    return stream->carried;
}

static void set_full(CallerStream *stream, gboolean is_full)
{
    if (stream->is_full == is_full)
        return;
    stream->is_full = is_full;
    stream->caller->full_streams += is_full ? 1 : (unsigned)-1;
    caller_update_pause(stream->caller);
}

static void close_descriptor(CallerStream *stream)
{
    g_clear_pointer(&stream->watch, watch_free);
    fd_clear(&stream->fd);
    if (stream->caller->splice_blocked == stream)
        stream->caller->splice_blocked = NULL;
}

/* The client knows already, or is told by rpc_stream_free. */
static void stream_end(CallerStream *stream, CallerStreamEnd end)
{
    g_autoptr(Caller) caller = caller_ref(stream->caller);

    close_descriptor(stream);
    g_byte_array_set_size(stream->pending, 0);
    set_full(stream, FALSE);
    g_queue_unlink(&caller->streams, &stream->link);
    if (stream->on_end)
        stream->on_end(stream, end, stream->data);
    rpc_stream_free(stream->rpc);
    g_byte_array_unref(stream->pending);
    g_free(stream);
    caller_flush(caller);
    caller_update_watch(caller);
}

void caller_stream_fail(CallerStream *stream, const GError *error)
{
    rpc_stream_fail(stream->rpc, error);
    stream_end(stream, STREAM_ENDED_FAILED);
}

static void fail_with_errno(CallerStream *stream, const char *what)
{
    g_autoptr(GError) failure = NULL;

    error_errno(&failure, "%s", what);
    caller_stream_fail(stream, failure);
}

/* --- to the descriptor --- */

/* FALSE: the stream has ended. */
static gboolean write_pending(CallerStream *stream)
{
    size_t done = 0;

    while (done < stream->pending->len) {
        ssize_t put = write(stream->fd, stream->pending->data + done, stream->pending->len - done);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0 && errno == EAGAIN)
            break;
        if (put < 0) {
            fail_with_errno(stream, "cannot write what the stream carries");
            return FALSE;
        }
        done += (size_t)put;
    }
    if (done > 0)
        g_byte_array_remove_range(stream->pending, 0, (guint)done);
    if (stream->pending->len > 0 || !stream->is_finishing)
        return TRUE;
    rpc_stream_finish(stream->rpc);
    stream_end(stream, STREAM_ENDED_FINISHED);
    return FALSE;
}

static void on_data(RpcStream *rpc, const guint8 *bytes, size_t len, void *data)
{
    CallerStream *stream = data;

    stream->carried += len;
    if (stream->fd < 0 || !stream->takes)
        return; /* the other side has ended; the client will hear of it */
    g_byte_array_append(stream->pending, bytes, (guint)len);
    if (!write_pending(stream))
        return;
    set_full(stream, stream->pending->len > BACKLOG_MAX);
    stream_watch(stream);
}

static void on_finish(RpcStream *rpc, void *data)
{
    CallerStream *stream = data;

    stream->is_finishing = TRUE;
    if (stream->fd < 0)
        g_byte_array_set_size(stream->pending, 0);
    if (write_pending(stream))
        stream_watch(stream);
}

static void on_abort(RpcStream *rpc, const GError *error, void *data)
{
    stream_end(data, error && !((CallerStream *)data)->is_open ? STREAM_ENDED_FAILED
                                                               : STREAM_ENDED_ABORTED);
}

static gboolean has_room(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};

    return poll(&poll_fd, 1, 0) == 1;
}

gboolean stream_splice(CallerStream *stream, int socket_fd, uint64_t bytes, uint64_t *ret_taken)
{
    ssize_t moved;

    if (!stream || stream->fd < 0 || !stream->is_pipe || stream->pending->len > 0)
        return FALSE;
    do {
        moved = splice(socket_fd, NULL, stream->fd, NULL, MIN(bytes, PIPE_SIZE),
                       SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    } while (moved < 0 && errno == EINTR);
    if (moved > 0) {
        stream->carried += (uint64_t)moved;
        stream->caller->said_ms = clock_now_ms();
        *ret_taken = (uint64_t)moved;
        return TRUE;
    }
    if (moved < 0 && errno == EAGAIN && !has_room(stream->fd)) {
        stream->caller->splice_blocked = stream;
        stream_watch(stream);
        caller_update_watch(stream->caller);
        return TRUE;
    }
    if (moved < 0 && errno == EAGAIN)
        return TRUE; /* the socket is empty after all */
    return FALSE; /* end of the connection, or the pipe's reader is gone: reading and writing will
                     tell */
}

CallerStream *stream_of_rpc(Caller *caller, const RpcStream *rpc)
{
    for (GList *link = caller->streams.head; link; link = link->next)
        if (((CallerStream *)link->data)->rpc == rpc)
            return link->data;
    return NULL;
}

/* --- from the descriptor --- */

/* The terminal of a guest that has ended answers EIO. */
static void read_some(CallerStream *stream)
{
    guint8 bytes[CHUNK];
    ssize_t got = read(stream->fd, bytes, sizeof bytes);

    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (got < 0 && errno != EIO) {
        fail_with_errno(stream, "cannot read what the stream carries");
        return;
    }
    if (got <= 0) {
        stream->gives = FALSE;
        rpc_stream_end(stream->rpc);
        if (!stream->takes || got < 0)
            close_descriptor(stream);
    } else {
        stream->carried += (uint64_t)got;
        rpc_stream_send(stream->rpc, bytes, (size_t)got);
    }
    stream_watch(stream);
    caller_flush(stream->caller);
}

static void on_drained(RpcStream *rpc, void *data)
{
    stream_watch(data);
}

static void on_open(RpcStream *rpc, void *data)
{
    CallerStream *stream = data;

    stream->is_open = TRUE;
    stream_watch(stream);
}

static void descriptor_ready(int fd, unsigned events, void *data)
{
    CallerStream *stream = data;
    Caller *caller = stream->caller;
    gboolean may_read = stream->gives && rpc_stream_unsent(stream->rpc) == 0;

    if (caller->splice_blocked == stream && events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) {
        caller->splice_blocked = NULL;
        caller_update_watch(caller);
        if (events & EPOLLERR) {
            errno = EPIPE;
            fail_with_errno(stream, "cannot write what the stream carries");
            return;
        }
    }
    if (stream->pending->len > 0 && events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) {
        if (!write_pending(stream))
            return;
        if (stream->pending->len < BACKLOG_MAX / 2)
            set_full(stream, FALSE);
    }
    if (may_read && events & (EPOLLIN | EPOLLERR | EPOLLHUP))
        read_some(stream);
    else
        stream_watch(stream);
}

static void stream_watch(CallerStream *stream)
{
    unsigned events = 0;

    if (stream->fd < 0 || !stream->is_open)
        return;
    if (stream->gives && rpc_stream_unsent(stream->rpc) == 0)
        events |= EPOLLIN;
    if (stream->pending->len > 0 || stream->caller->splice_blocked == stream)
        events |= EPOLLOUT;
    if (events == 0)
        g_clear_pointer(&stream->watch, watch_free);
    else if (stream->watch)
        watch_set_events(stream->watch, events);
    else
        stream->watch = watch_new(stream->fd, events, descriptor_ready, stream);
}

static const RpcStreamHandlers handlers = {
    .on_open = on_open,
    .on_data = on_data,
    .on_finish = on_finish,
    .on_abort = on_abort,
    .on_drained = on_drained,
};

/* --- opening --- */

static gboolean check_descriptor(int fd, gboolean *ret_is_pipe, GError **error)
{
    struct stat about;

    if (fstat(fd, &about) < 0)
        return error_errno(error, "cannot open the stream");
    if (!S_ISFIFO(about.st_mode) && !S_ISSOCK(about.st_mode) &&
        !(S_ISCHR(about.st_mode) && isatty(fd)))
        return error_set(error, ERROR_OPERATION_INVALID,
                         "a stream needs a socket, a pipe or a terminal");
    *ret_is_pipe = S_ISFIFO(about.st_mode);
    return TRUE;
}

CallerStream *call_open_stream(Call *call, int taken_fd, CallerStreamEndFunc on_end, void *data,
                               GError **error)
{
    auto_fd int fd = taken_fd;
    Caller *caller = call_caller(call);
    const WireProcedure *procedure = call_procedure(call);
    RpcCallId id = call_id(call);
    gboolean is_pipe = FALSE;
    CallerStream *stream;

    if (caller->is_gone) {
        error_set(error, ERROR_OPERATION_ABORTED, "the client has gone");
        return NULL;
    }
    if (caller->streams.length >= STREAMS_MAX) {
        error_set(error, ERROR_RESOURCE_BUSY, "this connection has %d streams open already",
                  STREAMS_MAX);
        return NULL;
    }
    if (!check_descriptor(fd, &is_pipe, error))
        return NULL;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    stream = g_new0(CallerStream, 1);
    stream->link.data = stream;
    stream->caller = caller;
    stream->fd = fd_steal(&fd);
    stream->takes = procedure->stream & WIRE_STREAM_UP;
    stream->gives = procedure->stream & WIRE_STREAM_DOWN;
    stream->is_pipe = is_pipe && stream->takes;
    stream->pending = g_byte_array_new();
    stream->on_end = on_end;
    stream->data = data;
    stream->rpc = rpc_stream_new(caller->conn, &id, FALSE, &handlers, stream);
    if (stream->is_pipe) {
        fcntl(stream->fd, F_SETPIPE_SZ, PIPE_SIZE);
        rpc_stream_set_raw(stream->rpc, TRUE);
    }
    g_queue_push_tail_link(&caller->streams, &stream->link);
    return stream;
}

void streams_clear(Caller *caller)
{
    while (caller->streams.head)
        stream_end(caller->streams.head->data, STREAM_ENDED_ABORTED);
}
