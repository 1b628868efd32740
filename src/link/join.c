/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The join's thread: two flows, one per direction, and one poll for both.  With its owner it shares
 * a few atomics and an eventfd. */
#include "link/join.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/thread.h"

#define JOIN_STACK_SIZE (256 * 1024)
/* No more: QEMU takes what waits here for sent, and stops the guest while it is on its way. */
#define JOIN_PIPE_SIZE (128 * 1024)
#define DISCARD_SIZE   (64 * 1024)

/* One direction.  Its bytes wait in the sender's socket, not here, whenever the receiver is slow:
 * nothing is read as long as the pipe holds something. */
typedef struct {
    const JoinSide *from, *to;
    int read_fd, write_fd; /* of its pipe */
    size_t held;           /* in the pipe */
    gboolean has_ended;    /* from has said all */
    gboolean is_done;      /* and to has been told */
    atomic_uint_least64_t bytes;
} Flow;

struct Join {
    pthread_t thread;
    JoinSide a, b;
    Flow flows[2]; /* from a, from b */
    int wake_fd;
    atomic_bool is_stopped, is_freed, has_lost;
    JoinFunc on_end;
    void *data;
};

/* ---- a flow ---- */

static gboolean flow_open(Flow *flow, const JoinSide *from, const JoinSide *to, GError **error)
{
    int ends[2];

    flow->from = from;
    flow->to = to;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return error_errno(error, "cannot make a pipe");
    flow->read_fd = ends[0];
    flow->write_fd = ends[1];
    fcntl(ends[0], F_SETPIPE_SZ,
          JOIN_PIPE_SIZE); /* refused above the user's limit: then it stays small */
    return TRUE;
}

static gboolean flow_fill(Flow *flow, GError **error)
{
    ssize_t moved = splice(flow->from->fd, NULL, flow->write_fd, NULL, JOIN_PIPE_SIZE,
                           SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

    if (moved > 0)
        flow->held = (size_t)moved;
    else if (moved == 0)
        flow->has_ended = TRUE;
    else if (errno != EAGAIN && errno != EINTR)
        return error_errno(error, "cannot read from %s", flow->from->name);
    return TRUE;
}

static gboolean flow_drain(Flow *flow, GError **error)
{
    while (flow->held > 0) {
        ssize_t moved = splice(flow->read_fd, NULL, flow->to->fd, NULL, flow->held,
                               SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

        if (moved > 0) {
            flow->held -= (size_t)moved;
            atomic_fetch_add_explicit(&flow->bytes, (size_t)moved, memory_order_relaxed);
        } else if (moved == 0) {
            return error_set(error, ERROR_INTERNAL_ERROR, "a pipe holds less than it was given");
        } else if (errno == EAGAIN) {
            return TRUE;
        } else if (errno != EINTR) {
            return error_errno(error, "cannot write to %s", flow->to->name);
        }
    }
    return TRUE;
}

/* As far as it goes without waiting. */
static gboolean flow_move(Flow *flow, GError **error)
{
    if (!flow_drain(flow, error))
        return FALSE;
    if (flow->held == 0 && !flow->has_ended &&
        (!flow_fill(flow, error) || !flow_drain(flow, error)))
        return FALSE;
    if (flow->held == 0 && flow->has_ended) {
        if (!flow->to->is_spared)
            shutdown(flow->to->fd, SHUT_WR); /* it may be gone already, which tells it as well */
        flow->is_done = TRUE;
    }
    return TRUE;
}

/* What it waits for.  A socket that nobody waits on is not polled at all: one that has hung up
 * would be reported without end. */
static struct pollfd flow_poll(const Flow *flow)
{
    if (flow->is_done)
        return (struct pollfd){.fd = -1};
    if (flow->held > 0)
        return (struct pollfd){.fd = flow->to->fd, .events = POLLOUT};
    return (struct pollfd){.fd = flow->from->fd, .events = POLLIN};
}

/* ---- the thread ---- */

static JoinEnd run(Join *join, GError **error)
{
    while (!join->flows[0].is_done || !join->flows[1].is_done) {
        struct pollfd polled[3] = {flow_poll(&join->flows[0]),
                                   flow_poll(&join->flows[1]),
                                   {.fd = join->wake_fd, .events = POLLIN}};

        if (poll(polled, G_N_ELEMENTS(polled), -1) < 0 && errno != EINTR) {
            error_errno(error, "cannot wait for %s and %s", join->a.name, join->b.name);
            return JOIN_FAILED;
        }
        if (atomic_load(&join->is_stopped))
            return JOIN_STOPPED;
        for (int i = 0; i < 2; i++)
            if (polled[i].revents && !flow_move(&join->flows[i], error))
                return atomic_load(&join->is_stopped) ? JOIN_STOPPED : JOIN_FAILED;
    }
    return atomic_load(&join->is_stopped) ? JOIN_STOPPED : JOIN_ENDED;
}

static void shut(const Join *join)
{
    shutdown(join->a.fd, SHUT_RDWR);
    if (!join->b.is_spared)
        shutdown(join->b.fd, SHUT_RDWR);
}

/* What b still says, until it ends by itself. */
static void discard(Join *join)
{
    guint8 piece[DISCARD_SIZE];

    while (!atomic_load(&join->is_freed)) {
        struct pollfd polled[2] = {{.fd = join->b.fd, .events = POLLIN},
                                   {.fd = join->wake_fd, .events = POLLIN}};
        ssize_t got = recv(join->b.fd, piece, sizeof piece, MSG_DONTWAIT);
        uint64_t count;

        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            return;
        if (got < 0 && poll(polled, G_N_ELEMENTS(polled), -1) > 0 && polled[1].revents &&
            read(join->wake_fd, &count, sizeof count) < 0 && errno != EAGAIN)
            return;
    }
}

static void *join_main(void *data)
{
    Join *join = data;
    g_autoptr(GError) error = NULL;
    JoinEnd end;

    pthread_setname_np(pthread_self(), "join");
    end = run(join, &error);
    atomic_store(&join->has_lost, end != JOIN_ENDED);
    shut(join); /* whatever ended the one ends the other */
    join->on_end(join, end, end == JOIN_FAILED ? error : NULL, join->data);
    if (join->b.is_spared)
        discard(join);
    return NULL;
}

static void join_release(Join *join)
{
    for (int i = 0; i < 2; i++) {
        fd_clear(&join->flows[i].read_fd);
        fd_clear(&join->flows[i].write_fd);
    }
    fd_clear(&join->wake_fd);
    fd_clear(&join->a.fd);
    fd_clear(&join->b.fd);
    g_free(join);
}

static gboolean join_open(Join *join, GError **error)
{
    int failure;

    for (int i = 0; i < 2; i++)
        join->flows[i].read_fd = join->flows[i].write_fd = -1;
    join->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (join->wake_fd < 0)
        return error_errno(error, "cannot make an eventfd");
    fcntl(join->a.fd, F_SETFL, fcntl(join->a.fd, F_GETFL) | O_NONBLOCK);
    fcntl(join->b.fd, F_SETFL, fcntl(join->b.fd, F_GETFL) | O_NONBLOCK);
    if (!flow_open(&join->flows[0], &join->a, &join->b, error) ||
        !flow_open(&join->flows[1], &join->b, &join->a, error))
        return FALSE;
    failure = thread_start(&join->thread, JOIN_STACK_SIZE, join_main, join);
    errno = failure;
    return failure == 0 || error_errno(error, "cannot start a thread to join %s and %s",
                                       join->a.name, join->b.name);
}

/* ---- the owner's side ---- */

Join *join_start(JoinSide a, JoinSide b, JoinFunc on_end, void *data, GError **error)
{
    Join *join = g_new0(Join, 1);

    join->a = a;
    join->b = b;
    join->on_end = on_end;
    join->data = data;
    if (join_open(join, error))
        return join;
    join_release(join);
    return NULL;
}

void join_stop(Join *join)
{
    uint64_t one = 1;

    atomic_store(&join->is_stopped, TRUE);
    shut(join);
    while (write(join->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

gboolean join_has_lost(const Join *join)
{
    return atomic_load(&join->has_lost);
}

uint64_t join_bytes_from_a(const Join *join)
{
    return atomic_load_explicit(&join->flows[0].bytes, memory_order_relaxed);
}

uint64_t join_bytes_from_b(const Join *join)
{
    return atomic_load_explicit(&join->flows[1].bytes, memory_order_relaxed);
}

void join_free(Join *join)
{
    if (!join)
        return;
    atomic_store(&join->is_freed, TRUE);
    join_stop(join);
    pthread_join(join->thread, NULL);
    join_release(join);
}
