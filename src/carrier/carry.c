/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pumps on the loop.  A Carry is touched with the floor only; what its pump's thread has to say
 * lies in a Job, under a lock, until a posted call picks it up. */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "carrier/carrier-private.h"

/* The pump waits when so much that it handed over has not been picked up. */
#define JOB_BYTES_MAX (256 * 1024)

typedef struct {
    atomic_uint refs; /* the carry's, and one for a posted call */
    Carry *carry;     /* with the floor; NULL once that has gone */
    pthread_mutex_t lock;
    /* under the lock */
    GByteArray *bytes;
    gboolean is_posted;
    gboolean is_ended;
    PumpEnd end;
    GError *error;
} Job;

struct Carry {
    Carrier *carrier; /* NULL: it has gone, or the pump has ended */
    RpcStream *stream;
    gboolean is_out;
    int pipe_fd; /* until the pump starts; -1 afterwards */
    Pump *pump;
    Job *job;
    uint64_t bytes; /* once the pump has ended */
    CarryFunc fn;   /* NULL: the owner has let go of it */
    void *data;
    gboolean is_orphan;
};

/* ---- the job ---- */

static void job_unref(Job *job)
{
    if (atomic_fetch_sub(&job->refs, 1) != 1)
        return;
    pthread_mutex_destroy(&job->lock);
    g_byte_array_unref(job->bytes);
    g_clear_error(&job->error);
    g_free(job);
}

static Job *job_new(Carry *carry)
{
    Job *job = g_new0(Job, 1);

    atomic_init(&job->refs, 1);
    job->carry = carry;
    job->bytes = g_byte_array_new();
    pthread_mutex_init(&job->lock, NULL);
    return job;
}

static void carry_end(Carry *carry, PumpEnd end, const GError *error);

/* On the loop: what the pump had to say. */
static void on_job(void *data)
{
    Job *job = data;
    Carry *carry = job->carry;
    g_autoptr(GByteArray) bytes = NULL;
    g_autoptr(GError) error = NULL;
    gboolean is_ended;
    PumpEnd end;

    pthread_mutex_lock(&job->lock);
    bytes = job->bytes;
    job->bytes = g_byte_array_new();
    job->is_posted = FALSE;
    is_ended = job->is_ended;
    end = job->end;
    error = g_steal_pointer(&job->error);
    pthread_mutex_unlock(&job->lock);

    if (carry && carry->carrier && bytes->len > 0) {
        g_byte_array_append(carry->carrier->handed, bytes->data, bytes->len);
        carrier_feed_handed(carry->carrier); /* may end the carrier, and free the carry */
    }
    if (job->carry && job->carry->carrier && !is_ended) {
        carrier_flush(job->carry->carrier);
    } else if (job->carry && job->carry->carrier) {
        carry_end(job->carry, end, error);
    }
    job_unref(job);
}

/* Under the lock. */
static void job_post(Job *job)
{
    if (job->is_posted)
        return;
    job->is_posted = TRUE;
    atomic_fetch_add(&job->refs, 1);
    loop_post(on_job, job);
}

static void on_bytes(Pump *pump, const guint8 *bytes, size_t len, void *data)
{
    Job *job = data;

    pthread_mutex_lock(&job->lock);
    g_byte_array_append(job->bytes, bytes, (guint)len);
    if (job->bytes->len > JOB_BYTES_MAX)
        pump_set_paused(pump, TRUE); /* carrier_feed_handed lifts it */
    job_post(job);
    pthread_mutex_unlock(&job->lock);
}

static void on_end(Pump *pump, PumpEnd end, const GError *error, void *data)
{
    Job *job = data;

    pthread_mutex_lock(&job->lock);
    job->is_ended = TRUE;
    job->end = end;
    job->error = error ? g_error_copy(error) : NULL;
    job_post(job);
    pthread_mutex_unlock(&job->lock);
}

/* ---- life ---- */

static Carry *carry_new(Carrier *carrier, RpcStream *stream, gboolean is_out, int pipe_fd,
                        CarryFunc fn, void *data)
{
    Carry *carry = g_new0(Carry, 1);

    carry->carrier = carrier;
    carry->stream = stream;
    carry->is_out = is_out;
    carry->pipe_fd = pipe_fd;
    carry->fn = fn;
    carry->data = data;
    return carry;
}

static void carry_release(Carry *carry)
{
    fd_clear(&carry->pipe_fd);
    g_free(carry);
}

/* The pump's thread is joined and the carrier has its socket back. */
static void carry_detach(Carry *carry)
{
    Carrier *carrier = carry->carrier;

    if (carry->pump) {
        carry->bytes = pump_bytes(carry->pump);
        if (carry->is_out && carrier) {
            g_autoptr(GByteArray) unsent = pump_take_unsent(carry->pump);

            g_byte_array_append(carrier->returned, unsent->data, unsent->len);
        }
        g_clear_pointer(&carry->pump, pump_free);
    }
    if (carry->job) {
        carry->job->carry = NULL;
        g_clear_pointer(&carry->job, job_unref);
    }
    fd_clear(&carry->pipe_fd);
    if (carrier && carry->is_out)
        carrier->out = NULL;
    else if (carrier)
        carrier->in = NULL;
    carry->carrier = NULL;
}

/* Tells the owner, who may free it then; an orphan is freed here. */
static void carry_tell(Carry *carry, PumpEnd end, const GError *error)
{
    CarryFunc fn = carry->fn;

    carry->fn = NULL;
    if (carry->is_orphan)
        carry_release(carry);
    else if (fn)
        fn(carry, end, error, carry->data);
}

static void carry_end(Carry *carry, PumpEnd end, const GError *error)
{
    Carrier *carrier = carry->carrier;

    if (end == PUMP_BROKEN) {
        carrier_end(carrier, error); /* cuts us */
        return;
    }
    if (!carry->is_out && !carry->is_orphan)
        rpc_stream_set_raw(carry->stream, FALSE);
    carry_detach(carry);
    carrier_resume(carrier);
    carry_tell(carry, end, error);
}

void carry_cut(Carry *carry, const GError *reason)
{
    if (!carry)
        return;
    carry_detach(carry);
    carry_tell(carry, PUMP_BROKEN, reason);
}

void carry_free(Carry *carry)
{
    if (!carry)
        return;
    carry->fn = NULL;
    if (carry->carrier && !carry->is_out) /* the stream may go before the pump has ended */
        rpc_stream_set_raw(carry->stream, FALSE);
    if (!carry->carrier || !carry->pump) {
        carry_detach(carry);
        carry_release(carry);
        return;
    }
    carry->is_orphan = TRUE; /* the socket comes back at the end of a frame */
    pump_stop(carry->pump);
}

/* ---- starting ---- */

static gboolean carry_run(Carry *carry, size_t payload_left, size_t max_payload, GError **error)
{
    Carrier *carrier = carry->carrier;
    guint8 header[PUMP_HEADER_SIZE];
    PumpEvents events = {on_bytes, on_end, NULL};

    rpc_stream_header(carry->stream, header);
    carry->job = events.data = job_new(carry);
    if (carry->is_out)
        carry->pump =
            pump_start_out(carrier->link->fd, carry->pipe_fd, header, max_payload,
                           carrier->returned->data, carrier->returned->len, &events, error);
    else
        carry->pump =
            pump_start_in(carrier->link->fd, carry->pipe_fd, header, payload_left, &events, error);
    carry->pipe_fd = -1; /* taken, also by a failure */
    if (carry->is_out && carry->pump)
        g_byte_array_set_size(carrier->returned, 0);
    return carry->pump != NULL;
}

Carry *carrier_carry_in(Carrier *carrier, RpcStream *stream, int pipe_fd, CarryFunc fn, void *data,
                        GError **error)
{
    Carry *carry;

    if (carrier->in || carrier->is_closed) {
        close(pipe_fd);
        error_set(error, ERROR_OPERATION_INVALID,
                  carrier->is_closed ? "the connection is closed"
                                     : "this connection carries another stream already");
        return NULL;
    }
    carry = carry_new(carrier, stream, FALSE, pipe_fd, fn, data);
    carrier->in = carry;
    carrier->heard_activity = 0;
    rpc_stream_set_raw(stream, TRUE);
    return carry;
}

gboolean carry_try_start(Carry *carry)
{
    RpcStream *stream = NULL;
    Carrier *carrier = carry ? carry->carrier : NULL;
    uint64_t window = carrier && !carry->pump ? rpc_connection_window(carrier->conn, &stream) : 0;
    g_autoptr(GError) error = NULL;

    if (window == 0 || stream != carry->stream)
        return TRUE;
    if (!carry_run(carry, window, 0, &error)) {
        carrier_end(carrier, error);
        return FALSE;
    }
    rpc_connection_window_taken(carrier->conn, window, clock_now_ms());
    return TRUE;
}

Carry *carrier_carry_out(Carrier *carrier, RpcStream *stream, int pipe_fd, size_t max_payload,
                         CarryFunc fn, void *data, GError **error)
{
    Carry *carry;

    if (carrier->out || carrier->is_closed) {
        close(pipe_fd);
        error_set(error, ERROR_OPERATION_INVALID,
                  carrier->is_closed ? "the connection is closed"
                                     : "this connection carries another stream already");
        return NULL;
    }
    carry = carry_new(carrier, stream, TRUE, pipe_fd, fn, data);
    carrier->out = carry;
    carrier_return_output(carrier); /* perhaps half of a frame: it goes before ours */
    if (!carry_run(carry, 0, max_payload, error)) {
        carry_detach(carry);
        carry_release(carry);
        return NULL;
    }
    carrier->is_blocked = FALSE;
    carrier_flush(carrier);
    return carry;
}

/* ---- while it runs ---- */

gboolean carry_is_running(const Carry *carry)
{
    return carry && carry->pump;
}

void carry_send(Carry *carry, const guint8 *bytes, size_t len)
{
    pump_send(carry->pump, bytes, len);
}

uint64_t carry_activity(const Carry *carry)
{
    return carry_is_running(carry) ? pump_activity(carry->pump) : 0;
}

void carry_set_paused(Carry *carry, gboolean is_paused)
{
    if (carry_is_running(carry))
        pump_set_paused(carry->pump, is_paused);
}

void carry_drain(Carry *carry)
{
    if (carry_is_running(carry))
        pump_drain(carry->pump);
}

uint64_t carry_bytes(const Carry *carry)
{
    return carry->pump ? pump_bytes(carry->pump) : carry->bytes;
}
