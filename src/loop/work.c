/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Workers: a bounded set of threads for what can hang (names, NFS, SASL, connect).  Work whose
 * waiter has gone is abandoned: it does not count against the bound any more, and another thread
 * may take its place, so that a dead file server holds up nobody else.  A second bound keeps that
 * from going on for ever.
 *
 * Work is counted with atomics and its state changes under the pool's lock, as both sides touch it.
 */
#include "loop/task.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/log.h"
#include "base/thread.h"
#include "loop/loop.h"

#define WORKERS_MAX   16
#define ABANDONED_MAX 64
#define STACK_BYTES   (1024 * 1024) /* the resolver's modules are not ours */

typedef enum { WORK_NEW, WORK_QUEUED, WORK_RUNNING, WORK_FINISHED, WORK_ABANDONED } WorkState;

struct Work {
    atomic_uint refs;
    WorkState state; /* under pool_lock */
    GList link;      /* in pool.queue */
    char *what;
    WorkFunc fn;
    void *data;
    GDestroyNotify free_data;
    gboolean is_ok; /* is_ok and error are the worker's until it has posted the end */
    GError *error;
    Await *end;
};

static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t pool_has_work = PTHREAD_COND_INITIALIZER;
static struct {
    GQueue queue;
    unsigned workers; /* all threads but those with abandoned work */
    unsigned idle;
    unsigned abandoned; /* threads that may hang for ever */
} pool = {.queue = G_QUEUE_INIT};

Work *work_new(const char *what, WorkFunc fn, void *data, GDestroyNotify free_data)
{
    Work *work = g_new0(Work, 1);

    atomic_init(&work->refs, 1);
    work->link.data = work;
    work->what = g_strdup(what);
    work->fn = fn;
    work->data = data;
    work->free_data = free_data;
    return work;
}

Work *work_ref(Work *work)
{
    atomic_fetch_add(&work->refs, 1);
    return work;
}

void work_unref(Work *work)
{
    if (!work || atomic_fetch_sub(&work->refs, 1) > 1)
        return;
    if (work->free_data)
        work->free_data(work->data);
    await_unref(work->end);
    g_clear_error(&work->error);
    g_free(work->what);
    g_free(work);
}

/* With the floor: the last reference may go here, and free_data is the daemon's. */
static void work_ended(void *data)
{
    g_autoptr(Work) work = data;

    if (work->is_ok)
        await_succeed(work->end);
    else
        await_fail(work->end, work->error);
}

static void work_do(Work *work)
{
    g_autoptr(GError) failure = NULL;

    work->is_ok = work->fn(work->data, &failure);
    if (!work->is_ok)
        work->error =
            failure ? g_steal_pointer(&failure)
                    : error_new(ERROR_INTERNAL_ERROR, "%s failed without a reason", work->what);
}

static void *worker_main(void *data)
{
    pthread_mutex_lock(&pool_lock);
    for (;;) {
        GList *link = g_queue_pop_head_link(&pool.queue);
        gboolean was_abandoned;
        Work *work;

        if (!link) {
            pool.idle++;
            pthread_cond_wait(&pool_has_work, &pool_lock);
            pool.idle--;
            continue;
        }
        work = link->data;
        work->state = WORK_RUNNING;
        pthread_mutex_unlock(&pool_lock);
        work_do(work);
        pthread_mutex_lock(&pool_lock);
        was_abandoned = work->state == WORK_ABANDONED;
        work->state = WORK_FINISHED;
        loop_post(work_ended, work);
        if (was_abandoned) {
            pool.abandoned--;
            if (pool.workers >= WORKERS_MAX)
                break; /* its place was taken */
            pool.workers++;
        }
    }
    pthread_mutex_unlock(&pool_lock);
    return NULL;
}

static gboolean worker_start(GError **error)
{
    const int failure = thread_start(NULL, STACK_BYTES, worker_main, NULL);

    if (failure != 0)
        return error_set(error, ERROR_SYSTEM_ERROR, "cannot start a worker: %s",
                         g_strerror(failure));
    pool.workers++;
    return TRUE;
}

static gboolean work_queue(Work *work, GError **error)
{
    gboolean is_queued = TRUE;

    pthread_mutex_lock(&pool_lock);
    g_assert(work->state == WORK_NEW);
    if (pool.idle <= pool.queue.length && pool.workers < WORKERS_MAX) {
        if (pool.abandoned >= ABANDONED_MAX && pool.workers == 0)
            is_queued = error_set(error, ERROR_RESOURCE_BUSY, "%s: %u earlier look-ups hang",
                                  work->what, pool.abandoned);
        else if (pool.abandoned < ABANDONED_MAX)
            is_queued = worker_start(error) || pool.workers > 0;
    }
    if (is_queued) {
        work->state = WORK_QUEUED;
        g_queue_push_tail_link(&pool.queue, &work_ref(work)->link);
        pthread_cond_signal(&pool_has_work);
    }
    pthread_mutex_unlock(&pool_lock);
    return is_queued;
}

static void work_abandon(Work *work)
{
    gboolean was_queued;

    pthread_mutex_lock(&pool_lock);
    was_queued = work->state == WORK_QUEUED;
    if (was_queued) {
        g_queue_unlink(&pool.queue, &work->link);
        work->state = WORK_ABANDONED;
    } else if (work->state == WORK_RUNNING) {
        work->state = WORK_ABANDONED;
        pool.workers--;
        pool.abandoned++;
    }
    pthread_mutex_unlock(&pool_lock);
    if (was_queued)
        work_unref(work);
}

AWAITS gboolean work_run(Work *work, int64_t timeout_ms, GError **error)
{
    g_autoptr(Work) held = work_ref(work);

    held->end = await_new(held->what);
    if (!work_queue(held, error))
        return FALSE;
    if (await(held->end, timeout_ms, error))
        return TRUE;
    if (!await_is_done(held->end))
        work_abandon(held);
    return FALSE;
}
