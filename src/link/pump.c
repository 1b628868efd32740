/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pump's thread.  Everything it shares with its owner is a few atomics and the queue of bytes
 * to send; an eventfd wakes it from any poll.  Between threads only pthread and C11 atomics hand
 * over. */
#include "link/pump.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/thread.h"

#define PUMP_STACK_SIZE (256 * 1024)
#define PIECE_SIZE      (16 * 1024) /* of what passes through user space */
#define STATUS_DATA     2

struct Pump {
    pthread_t thread;
    int socket_fd; /* borrowed */
    int pipe_fd;
    int wake_fd;
    guint8 header[PUMP_HEADER_SIZE];
    size_t max_payload;
    PumpEvents events;
    gboolean is_out;

    atomic_bool is_draining, is_stopping, is_paused, is_aborted;
    atomic_uint_least64_t bytes, activity;

    pthread_mutex_t lock;
    GByteArray *queue; /* out, under the lock: to be sent between two frames */

    size_t payload_left; /* in: of the frame in which we began */
};

gboolean pump_pipe(int *ret_read_fd, int *ret_write_fd, GError **error)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_errno(error, "cannot make a pipe");
    fcntl(ends[0], F_SETPIPE_SZ,
          PUMP_PIPE_SIZE); /* refused above the user's limit: then it stays small */
    *ret_read_fd = ends[0];
    *ret_write_fd = ends[1];
    return TRUE;
}

/* ---- waiting ---- */

static void wake(Pump *pump)
{
    uint64_t one = 1;

    while (write(pump->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

/* Until fd (-1: none) is ready or the owner wants something; false: the end at once. */
static gboolean wait_for(Pump *pump, int fd, short events, GError **error)
{
    struct pollfd polled[2] = {{.fd = pump->wake_fd, .events = POLLIN},
                               {.fd = fd, .events = events}};
    uint64_t count;

    if (poll(polled, 2, -1) < 0 && errno != EINTR)
        return error_errno(error, "cannot wait for a stream");
    if (polled[0].revents & POLLIN && read(pump->wake_fd, &count, sizeof count) < 0 &&
        errno != EAGAIN)
        return error_errno(error, "cannot wait for a stream");
    if (atomic_load(&pump->is_aborted))
        return error_set_from(error, FROM_RPC, ERROR_RPC, "stream aborted");
    return TRUE;
}

static void count_activity(Pump *pump, size_t len)
{
    atomic_fetch_add(&pump->activity, len);
}

static guint32 word_get(const guint8 *at)
{
    guint32 word;

    memcpy(&word, at, sizeof word);
    return GUINT32_FROM_BE(word);
}

static void word_put(guint8 *at, guint32 value)
{
    guint32 word = GUINT32_TO_BE(value);

    memcpy(at, &word, sizeof word);
}

/* ---- out: pipe to socket ---- */

static gboolean socket_write(Pump *pump, const guint8 *bytes, size_t len, int flags, GError **error)
{
    while (len > 0) {
        ssize_t sent = send(pump->socket_fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT | flags);

        if (sent >= 0) {
            bytes += sent;
            len -= (size_t)sent;
            count_activity(pump, (size_t)sent);
        } else if (errno == EAGAIN) {
            if (!wait_for(pump, pump->socket_fd, POLLOUT, error))
                return FALSE;
        } else if (errno != EINTR) {
            return error_set_from(error, FROM_RPC, ERROR_SYSTEM_ERROR, "Cannot write data: %s",
                                  g_strerror(errno));
        }
    }
    return TRUE;
}

static gboolean queue_write(Pump *pump, GError **error)
{
    for (;;) {
        g_autoptr(GByteArray) batch = pump_take_unsent(pump);

        if (batch->len == 0)
            return TRUE;
        if (!socket_write(pump, batch->data, batch->len, 0, error))
            return FALSE;
    }
}

/* One frame of exactly len bytes, which the pipe is known to hold. */
static gboolean frame_write(Pump *pump, size_t len, GError **error)
{
    guint8 header[PUMP_HEADER_SIZE];

    memcpy(header, pump->header, sizeof header);
    word_put(header, (guint32)(PUMP_HEADER_SIZE + len));
    word_put(header + 24, STATUS_DATA);
    if (!socket_write(pump, header, sizeof header, MSG_MORE, error))
        return FALSE;
    while (len > 0) {
        ssize_t moved = splice(pump->pipe_fd, NULL, pump->socket_fd, NULL, len,
                               SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

        if (moved > 0) {
            len -= (size_t)moved;
            count_activity(pump, (size_t)moved);
            atomic_fetch_add(&pump->bytes, (size_t)moved);
        } else if (moved == 0) {
            return error_set(error, ERROR_INTERNAL_ERROR,
                             "a stream's pipe holds less than it said");
        } else if (errno == EAGAIN) {
            if (!wait_for(pump, pump->socket_fd, POLLOUT, error))
                return FALSE;
        } else if (errno != EINTR) {
            return error_set_from(error, FROM_RPC, ERROR_SYSTEM_ERROR, "Cannot write data: %s",
                                  g_strerror(errno));
        }
    }
    return TRUE;
}

static gboolean pipe_has_ended(Pump *pump)
{
    struct pollfd polled = {.fd = pump->pipe_fd, .events = POLLIN};

    return poll(&polled, 1, 0) > 0 && !(polled.revents & POLLIN) &&
           polled.revents & (POLLHUP | POLLERR);
}

static PumpEnd out_run(Pump *pump, GError **error)
{
    for (;;) {
        gboolean is_draining = atomic_load(&pump->is_draining); /* before looking into the pipe */
        int held = 0;

        if (!queue_write(pump, error))
            return PUMP_BROKEN;
        if (atomic_load(&pump->is_stopping))
            return PUMP_STOPPED;
        if (ioctl(pump->pipe_fd, FIONREAD, &held) < 0) {
            error_errno(error, "cannot look into a stream's pipe");
            return PUMP_BROKEN;
        }
        if (held > 0) {
            if (!frame_write(pump, MIN((size_t)held, pump->max_payload), error))
                return PUMP_BROKEN;
            continue;
        }
        if (is_draining || pipe_has_ended(pump))
            return PUMP_DRAINED;
        if (!wait_for(pump, pump->pipe_fd, POLLIN, error))
            return PUMP_BROKEN;
    }
}

/* ---- in: socket to pipe ---- */

typedef enum { READ_DONE, READ_STOPPED, READ_FAILED } ReadResult;

static gboolean set_end_of_file(GError **error)
{
    return error_set_from(error, FROM_RPC, ERROR_SYSTEM_ERROR, "End of file while reading data: %s",
                          g_strerror(EIO));
}

/* Exactly len bytes.  may_stop: a wish to stop is heard as long as none has come. */
static ReadResult read_exactly(Pump *pump, guint8 *buffer, size_t len, gboolean may_stop,
                               GError **error)
{
    size_t have = 0;

    while (have < len) {
        gboolean is_paused = atomic_load(&pump->is_paused);
        ssize_t got = -1;

        if (may_stop && have == 0 && atomic_load(&pump->is_stopping))
            return READ_STOPPED;
        errno = EAGAIN;
        if (!is_paused)
            got = recv(pump->socket_fd, buffer + have, len - have, MSG_DONTWAIT);
        if (got > 0) {
            have += (size_t)got;
            count_activity(pump, (size_t)got);
        } else if (got == 0) {
            set_end_of_file(error);
            return READ_FAILED;
        } else if (errno == EAGAIN) {
            if (!wait_for(pump, is_paused ? -1 : pump->socket_fd, POLLIN, error))
                return READ_FAILED;
        } else if (errno != EINTR) {
            error_set_from(error, FROM_RPC, ERROR_SYSTEM_ERROR, "Cannot recv data: %s",
                           g_strerror(errno));
            return READ_FAILED;
        }
    }
    return READ_DONE;
}

/* A frame that is not ours to carry goes to the engine as it comes. */
static gboolean frame_hand_over(Pump *pump, const guint8 *header, size_t payload, GError **error)
{
    guint8 piece[PIECE_SIZE];

    pump->events.on_bytes(pump, header, PUMP_HEADER_SIZE, pump->events.data);
    while (payload > 0) {
        size_t len = MIN(payload, sizeof piece);

        if (read_exactly(pump, piece, len, FALSE, error) != READ_DONE)
            return FALSE;
        pump->events.on_bytes(pump, piece, len, pump->events.data);
        payload -= len;
    }
    return TRUE;
}

/* So that the connection outlives a guest that has gone. */
static gboolean payload_discard(Pump *pump, size_t payload, GError **error)
{
    guint8 piece[PIECE_SIZE];

    while (payload > 0) {
        size_t len = MIN(payload, sizeof piece);

        if (read_exactly(pump, piece, len, FALSE, error) != READ_DONE)
            return FALSE;
        payload -= len;
    }
    return TRUE;
}

typedef enum { CARRY_DONE, CARRY_PIPE_GONE, CARRY_FAILED } CarryResult;

/* EAGAIN may mean either end: wait for the one, then for the other. */
static gboolean wait_for_both(Pump *pump, GError **error)
{
    gboolean is_paused = atomic_load(&pump->is_paused);

    if (!wait_for(pump, is_paused ? -1 : pump->socket_fd, POLLIN, error))
        return FALSE;
    return is_paused || wait_for(pump, pump->pipe_fd, POLLOUT, error);
}

static CarryResult payload_splice(Pump *pump, size_t *payload, GError **error)
{
    while (*payload > 0) {
        ssize_t moved = -1;

        if (atomic_load(&pump->is_stopping))
            return CARRY_PIPE_GONE;
        errno = EAGAIN;
        if (!atomic_load(&pump->is_paused))
            moved = splice(pump->socket_fd, NULL, pump->pipe_fd, NULL, *payload,
                           SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (moved > 0) {
            *payload -= (size_t)moved;
            count_activity(pump, (size_t)moved);
            atomic_fetch_add(&pump->bytes, (size_t)moved);
        } else if (moved == 0) {
            set_end_of_file(error);
            return CARRY_FAILED;
        } else if (errno == EAGAIN) {
            if (!wait_for_both(pump, error))
                return CARRY_FAILED;
        } else if (errno == EPIPE) {
            return CARRY_PIPE_GONE;
        } else if (errno != EINTR) {
            error_set_from(error, FROM_RPC, ERROR_SYSTEM_ERROR, "Cannot recv data: %s",
                           g_strerror(errno));
            return CARRY_FAILED;
        }
    }
    return CARRY_DONE;
}

static PumpEnd pipe_gone(Pump *pump, size_t payload, GError **error)
{
    if (!payload_discard(pump, payload, error))
        return PUMP_BROKEN;
    if (atomic_load(&pump->is_stopping))
        return PUMP_STOPPED;
    error_set(error, ERROR_OPERATION_FAILED, "the guest has stopped reading its stream");
    return PUMP_PIPE_FAILED;
}

/* One data frame.  PUMP_STREAM_ENDED here stands for "go on". */
static PumpEnd frame_carry(Pump *pump, size_t payload, GError **error)
{
    switch (payload_splice(pump, &payload, error)) {
    case CARRY_DONE:
        return PUMP_STREAM_ENDED;
    case CARRY_PIPE_GONE:
        return pipe_gone(pump, payload, error);
    case CARRY_FAILED:
        break;
    }
    return PUMP_BROKEN;
}

static PumpEnd in_run(Pump *pump, GError **error)
{
    PumpEnd end = frame_carry(pump, pump->payload_left, error);

    while (end == PUMP_STREAM_ENDED) {
        guint8 header[PUMP_HEADER_SIZE];
        ReadResult result = read_exactly(pump, header, sizeof header, TRUE, error);
        guint32 length = result == READ_DONE ? word_get(header) : 0;
        gboolean is_ours = memcmp(header + 4, pump->header + 4, 20) == 0;

        if (result != READ_DONE)
            return result == READ_STOPPED ? PUMP_STOPPED : PUMP_BROKEN;
        if (length < PUMP_HEADER_SIZE || length > PUMP_FRAME_MAX) {
            error_set_from(error, FROM_RPC, ERROR_RPC, "packet of %u bytes received", length);
            return PUMP_BROKEN;
        }
        if (is_ours && word_get(header + 24) == STATUS_DATA) {
            end = frame_carry(pump, length - PUMP_HEADER_SIZE, error);
            continue;
        }
        if (is_ours) /* the guest is to see its end before the engine does */
            fd_clear(&pump->pipe_fd);
        if (!frame_hand_over(pump, header, length - PUMP_HEADER_SIZE, error))
            return PUMP_BROKEN;
        if (is_ours)
            break;
    }
    return end;
}

/* ---- the thread ---- */

static void *pump_main(void *data)
{
    Pump *pump = data;
    g_autoptr(GError) error = NULL;
    PumpEnd end;

    pthread_setname_np(pthread_self(), pump->is_out ? "pump-out" : "pump-in");
    end = pump->is_out ? out_run(pump, &error) : in_run(pump, &error);
    pump->events.on_end(pump, end, error, pump->events.data);
    return NULL;
}

static void pump_release(Pump *pump)
{
    fd_clear(&pump->pipe_fd);
    fd_clear(&pump->wake_fd);
    g_byte_array_unref(pump->queue);
    pthread_mutex_destroy(&pump->lock);
    g_free(pump);
}

static Pump *pump_start(Pump *pump, int socket_fd, int pipe_fd, const guint8 *header,
                        const PumpEvents *events, GError **error)
{
    pump->socket_fd = socket_fd;
    pump->pipe_fd = pipe_fd;
    pump->events = *events;
    memcpy(pump->header, header, PUMP_HEADER_SIZE);
    pthread_mutex_init(&pump->lock, NULL);
    fcntl(pipe_fd, F_SETFL, fcntl(pipe_fd, F_GETFL) | O_NONBLOCK);
    pump->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    errno = pump->wake_fd < 0 ? errno : thread_start(&pump->thread, PUMP_STACK_SIZE, pump_main, pump);
    if (errno != 0) {
        error_errno(error, "cannot start a thread for a stream");
        pump_release(pump);
        return NULL;
    }
    return pump;
}

Pump *pump_start_out(int socket_fd, int pipe_fd, const guint8 header[PUMP_HEADER_SIZE],
                     size_t max_payload, const void *pending, size_t pending_len,
                     const PumpEvents *events, GError **error)
{
    Pump *pump = g_new0(Pump, 1);

    pump->is_out = TRUE;
    pump->max_payload = max_payload;
    pump->queue = g_byte_array_new();
    if (pending_len > 0)
        g_byte_array_append(pump->queue, pending, (guint)pending_len);
    return pump_start(pump, socket_fd, pipe_fd, header, events, error);
}

Pump *pump_start_in(int socket_fd, int pipe_fd, const guint8 header[PUMP_HEADER_SIZE],
                    size_t payload_left, const PumpEvents *events, GError **error)
{
    Pump *pump = g_new0(Pump, 1);

    pump->queue = g_byte_array_new();
    pump->payload_left = payload_left;
    return pump_start(pump, socket_fd, pipe_fd, header, events, error);
}

/* ---- the owner's side ---- */

void pump_send(Pump *pump, const void *bytes, size_t len)
{
    pthread_mutex_lock(&pump->lock);
    g_byte_array_append(pump->queue, bytes, (guint)len);
    pthread_mutex_unlock(&pump->lock);
    wake(pump);
}

size_t pump_unsent(Pump *pump)
{
    size_t len;

    pthread_mutex_lock(&pump->lock);
    len = pump->queue->len;
    pthread_mutex_unlock(&pump->lock);
    return len;
}

GByteArray *pump_take_unsent(Pump *pump)
{
    GByteArray *taken;

    pthread_mutex_lock(&pump->lock);
    taken = pump->queue;
    pump->queue = g_byte_array_new();
    pthread_mutex_unlock(&pump->lock);
    return taken;
}

void pump_drain(Pump *pump)
{
    atomic_store(&pump->is_draining, TRUE);
    wake(pump);
}

void pump_stop(Pump *pump)
{
    atomic_store(&pump->is_stopping, TRUE);
    wake(pump);
}

void pump_set_paused(Pump *pump, gboolean is_paused)
{
    atomic_store(&pump->is_paused, is_paused);
    wake(pump);
}

uint64_t pump_bytes(const Pump *pump)
{
    return atomic_load(&pump->bytes);
}

uint64_t pump_activity(const Pump *pump)
{
    return atomic_load(&pump->activity);
}

void pump_free(Pump *pump)
{
    if (!pump)
        return;
    atomic_store(&pump->is_aborted, TRUE);
    wake(pump);
    pthread_join(pump->thread, NULL);
    pump_release(pump);
}
