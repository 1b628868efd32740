/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tasks.  A task runs on a carrier, a kernel thread that is used again by later tasks.  Each
 * carrier sleeps on a semaphore of its own; posting it hands the floor over.  Nothing but
 * semaphores and one mutex pass between threads, so that TSan sees every hand-over.
 *
 *     loop thread --lends--> task --gives on--> task … --gives back--> loop thread
 *
 * A turn of the loop lends the floor as many times as tasks were waiting when it began, and for
 * LEND_US at most; who becomes runnable meanwhile waits for the next turn, so that events are never
 * starved. */
#include "loop/task.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "loop/loop.h"
#include "loop/loop-private.h"

#define STACK_BYTES       (256 * 1024)
#define IDLE_CARRIERS_MAX 8     /* each keeps some 40 KiB of stack warm */
#define LEND_US           10000 /* per turn of the loop */

typedef enum { WAIT_PENDING, WAIT_DONE, WAIT_TIMED_OUT, WAIT_CANCELLED } WaitState;

/* One task waiting in one list; lives on the task's stack. */
typedef struct {
    GList link;
    GQueue *list;
    Task *task;
    WaitState state;
} Waiter;

typedef struct {
    GList link; /* in idle_carriers */
    sem_t go;   /* posted to hand the floor to this carrier */
    Task *task; /* NULL when it is to end */
} Carrier;

struct Task {
    GList run_link;
    Carrier *carrier;
    char *name;
    TaskFunc fn;
    void *data;
    GDestroyNotify free_data;
    Waiter *waiter;      /* what it waits for now */
    char *cancel_reason; /* a cancel not delivered yet */
    unsigned shields;
    gboolean is_off;       /* inside off_floor */
    gboolean may_not_wait; /* inside free_data */
};

struct Await {
    unsigned refs;
    gboolean is_done;
    char *what;
    GError *failure;
    GQueue waiters;
};

struct Condition {
    char *what;
    GQueue waiters;
};

static struct {
    GQueue run;           /* of Task: they want the floor */
    GQueue idle_carriers; /* the last one parked is the first one used: its stack is warm */
    unsigned lends_left;  /* in this turn */
    int64_t lend_end_us;
    int64_t held_since_us;
} floor_;

static sem_t loop_go; /* posted to hand the floor to the loop thread */

/* Tasks that come back from off_floor and want the floor: the only list that is touched without it.
 */
static pthread_mutex_t returning_lock = PTHREAD_MUTEX_INITIALIZER;
static GQueue returning = G_QUEUE_INIT;

static __thread Task *current;
static __thread gboolean is_holder;

gboolean floor_is_held(void)
{
    return is_holder;
}

void floor_note_hold(const char *kind, const char *name, int64_t since_us)
{
    int64_t held_us = g_get_monotonic_time() - since_us;

    if (held_us > FLOOR_HOLD_MAX_US)
        log_debug("%s '%s' held the floor for %" G_GINT64_FORMAT " ms", kind, name, held_us / 1000);
}

/* --- handing the floor over --- */

static void semaphore_wait(sem_t *semaphore)
{
    while (sem_wait(semaphore) < 0)
        g_assert(errno == EINTR);
}

/* To the next task if this turn has one left, else to the loop thread. */
static void floor_give_on(void)
{
    int64_t now_us = g_get_monotonic_time();
    gboolean may_lend = floor_.lends_left > 0 && now_us < floor_.lend_end_us;
    GList *next = may_lend ? g_queue_pop_head_link(&floor_.run) : NULL;

    is_holder = FALSE;
    floor_.held_since_us = now_us;
    if (next) {
        floor_.lends_left--;
        sem_post(&((Task *)next->data)->carrier->go);
    } else {
        sem_post(&loop_go);
    }
}

static void floor_take(sem_t *semaphore)
{
    semaphore_wait(semaphore);
    is_holder = TRUE;
}

static void task_make_runnable(Task *task)
{
    g_assert(is_holder);
    g_queue_push_tail_link(&floor_.run, &task->run_link);
}

/* Gives the floor up and returns when it is this task's turn again. */
static void task_switch(Task *task)
{
    floor_note_hold("task", task->name, floor_.held_since_us);
    floor_give_on();
    floor_take(&task->carrier->go);
}

gboolean tasks_are_runnable(void)
{
    return floor_.run.length > 0;
}

void tasks_lend_floor(void)
{
    GList *first = g_queue_pop_head_link(&floor_.run);

    if (!first)
        return;
    floor_.lends_left = floor_.run.length;
    floor_.held_since_us = g_get_monotonic_time();
    floor_.lend_end_us = floor_.held_since_us + LEND_US;
    is_holder = FALSE;
    sem_post(&((Task *)first->data)->carrier->go);
    floor_take(&loop_go);
}

/* --- carriers --- */

static void task_free(Task *task)
{
    g_free(task->cancel_reason);
    g_free(task->name);
    g_free(task);
}

/* Returns false when the carrier is not needed any more; then it no longer holds the floor. */
static gboolean carrier_park(Carrier *carrier)
{
    gboolean is_needed = floor_.idle_carriers.length < IDLE_CARRIERS_MAX;

    if (is_needed)
        g_queue_push_head_link(&floor_.idle_carriers, &carrier->link);
    else
        carrier->task = NULL;
    floor_give_on();
    if (is_needed)
        semaphore_wait(&carrier->go);
    return carrier->task != NULL;
}

static void *carrier_main(void *data)
{
    Carrier *carrier = data;

    semaphore_wait(&carrier->go);
    do {
        Task *task = carrier->task;

        is_holder = TRUE;
        current = task;
        task->fn(task->data);
        g_assert(task->shields == 0 && !task->waiter);
        task->may_not_wait = TRUE;
        if (task->free_data)
            task->free_data(task->data);
        floor_note_hold("task", task->name, floor_.held_since_us);
        current = NULL;
        carrier->task = NULL;
        task_free(task);
    } while (carrier_park(carrier));
    sem_destroy(&carrier->go);
    g_free(carrier);
    return NULL;
}

static Carrier *carrier_new(void)
{
    Carrier *carrier = g_new0(Carrier, 1);
    int failure;

    carrier->link.data = carrier;
    sem_init(&carrier->go, 0, 0);
    failure = thread_start(NULL, STACK_BYTES, carrier_main, carrier);
    if (failure != 0)
        g_error("cannot start a thread: %s",
                g_strerror(failure)); /* tasks are bounded; this is a broken host */
    return carrier;
}

Task *task_spawn(const char *name, TaskFunc fn, void *data, GDestroyNotify free_data)
{
    Task *task = g_new0(Task, 1);
    GList *idle = g_queue_pop_head_link(&floor_.idle_carriers);

    task->run_link.data = task;
    task->name = g_strdup(name);
    task->fn = fn;
    task->data = data;
    task->free_data = free_data;
    task->carrier = idle ? idle->data : carrier_new();
    task->carrier->task = task;
    task_make_runnable(task);
    return task;
}

Task *task_current(void)
{
    return current;
}

const char *task_name(const Task *task)
{
    return task->name;
}

/* --- waiting --- */

static void waiter_wake(Waiter *waiter, WaitState state)
{
    g_queue_unlink(waiter->list, &waiter->link);
    waiter->state = state;
    waiter->task->waiter = NULL;
    task_make_runnable(waiter->task);
}

static void waiters_wake_all(GQueue *list)
{
    while (list->head)
        waiter_wake(list->head->data, WAIT_DONE);
}

/* The timer lives until the task runs again, so it may also fire for one that is awake already. */
static void waiter_timed_out(void *data)
{
    Waiter *waiter = data;

    if (waiter->state == WAIT_PENDING)
        waiter_wake(waiter, WAIT_TIMED_OUT);
}

static gboolean fail_with_timeout(const char *what, int64_t timeout_ms, GError **error)
{
    if (timeout_ms % 1000 == 0)
        return error_set(error, ERROR_OPERATION_TIMEOUT,
                         "timed out after %" G_GINT64_FORMAT " s waiting for %s", timeout_ms / 1000,
                         what);
    return error_set(error, ERROR_OPERATION_TIMEOUT, "timed out after %.3g s waiting for %s",
                     (double)timeout_ms / 1000, what);
}

static gboolean fail_with_cancel(Task *task, GError **error)
{
    g_autofree char *reason = g_steal_pointer(&task->cancel_reason);

    return error_set(error, ERROR_OPERATION_ABORTED, "%s", reason);
}

/* The caller looked already: there is something to wait for. */
static AWAITS gboolean wait_in(GQueue *list, const char *what, int64_t timeout_ms, GError **error)
{
    Task *task = current;
    Waiter waiter = {.list = list, .task = task};
    g_autoptr(Timer) timer = NULL;

    g_assert(task && is_holder && !task->is_off && !task->may_not_wait);
    if (task_is_cancelled())
        return fail_with_cancel(task, error);
    if (timeout_ms == 0)
        return fail_with_timeout(what, timeout_ms, error);
    waiter.link.data = &waiter;
    g_queue_push_tail_link(list, &waiter.link);
    task->waiter = &waiter;
    if (timeout_ms > 0)
        timer = timer_new(timeout_ms, waiter_timed_out, &waiter);
    task_switch(task);
    switch (waiter.state) {
    case WAIT_DONE:
        return TRUE;
    case WAIT_TIMED_OUT:
        return fail_with_timeout(what, timeout_ms, error);
    case WAIT_CANCELLED:
        return fail_with_cancel(task, error);
    case WAIT_PENDING:
        break;
    }
    g_assert_not_reached();
}

void task_cancel(Task *task, const char *reason)
{
    g_assert(is_holder);
    if (task->cancel_reason)
        return;
    task->cancel_reason = g_strdup(reason);
    if (task->waiter && task->shields == 0)
        waiter_wake(task->waiter, WAIT_CANCELLED);
}

void task_shield(void)
{
    if (current)
        current->shields++;
}

void task_unshield(void)
{
    if (!current)
        return;
    g_assert(current->shields > 0);
    current->shields--;
}

gboolean task_is_cancelled(void)
{
    return current && current->cancel_reason && current->shields == 0;
}

gboolean task_check_cancel(GError **error)
{
    return !task_is_cancelled() || fail_with_cancel(current, error);
}

Await *await_new(const char *what)
{
    Await *await_ = g_new0(Await, 1);

    await_->refs = 1;
    await_->what = g_strdup(what);
    g_queue_init(&await_->waiters);
    return await_;
}

Await *await_ref(Await *await_)
{
    await_->refs++;
    return await_;
}

void await_unref(Await *await_)
{
    if (!await_ || --await_->refs > 0)
        return;
    g_clear_error(&await_->failure);
    g_free(await_->what);
    g_free(await_);
}

gboolean await_is_done(const Await *await_)
{
    return await_->is_done;
}

void await_succeed(Await *await_)
{
    if (await_->is_done)
        return;
    await_->is_done = TRUE;
    waiters_wake_all(&await_->waiters);
}

void await_fail(Await *await_, const GError *cause)
{
    if (await_->is_done)
        return;
    await_->failure = g_error_copy(cause);
    await_succeed(await_);
}

AWAITS gboolean await(Await *await_, int64_t timeout_ms, GError **error)
{
    g_autoptr(Await) held = await_ref(await_);

    /* A look (timeout 0) uses no cancel up. */
    if (timeout_ms != 0 && task_is_cancelled())
        return fail_with_cancel(current, error);
    if (!held->is_done && timeout_ms == 0)
        return fail_with_timeout(held->what, timeout_ms, error);
    if (!held->is_done && !wait_in(&held->waiters, held->what, timeout_ms, error))
        return FALSE;
    if (!held->failure)
        return TRUE;
    if (error)
        *error = g_error_copy(held->failure);
    return FALSE;
}

AWAITS gboolean await_sleep(int64_t ms, GError **error)
{
    g_autoptr(GError) failure = NULL;
    GQueue nobody = G_QUEUE_INIT;

    if (wait_in(&nobody, "the end of a sleep", MAX(ms, 0), &failure) ||
        error_is(failure, ERROR_OPERATION_TIMEOUT))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}

AWAITS void task_yield(void)
{
    Task *task = current;

    g_assert(task && is_holder && !task->is_off && !task->may_not_wait);
    task_make_runnable(task);
    task_switch(task);
}

Condition *condition_new(const char *what)
{
    Condition *condition = g_new0(Condition, 1);

    condition->what = g_strdup(what);
    g_queue_init(&condition->waiters);
    return condition;
}

void condition_free(Condition *condition)
{
    if (!condition)
        return;
    g_assert(condition->waiters.length == 0);
    g_free(condition->what);
    g_free(condition);
}

void condition_signal(Condition *condition)
{
    waiters_wake_all(&condition->waiters);
}

AWAITS gboolean condition_wait(Condition *condition, int64_t timeout_ms, GError **error)
{
    return wait_in(&condition->waiters, condition->what, timeout_ms, error);
}

/* --- off the floor --- */

static void returning_take(void *data)
{
    GList *link;

    pthread_mutex_lock(&returning_lock);
    while ((link = g_queue_pop_head_link(&returning)))
        task_make_runnable(link->data);
    pthread_mutex_unlock(&returning_lock);
}

/* On the loop thread (start-up, tests) and on workers there is no floor to give up: the block just
 * runs. */
OffFloor off_floor_begin(void)
{
    Task *task = current;

    if (task) {
        g_assert(is_holder && !task->is_off);
        task->is_off = TRUE;
        floor_note_hold("task", task->name, floor_.held_since_us);
        floor_give_on();
    }
    return (OffFloor){FALSE};
}

void off_floor_end(OffFloor *off)
{
    Task *task = current;

    if (!task)
        return;
    pthread_mutex_lock(&returning_lock);
    g_queue_push_tail_link(&returning, &task->run_link);
    pthread_mutex_unlock(&returning_lock);
    loop_post(returning_take, NULL);
    floor_take(&task->carrier->go);
    task->is_off = FALSE;
}

/* --- beginning and end --- */

void tasks_init(void)
{
    sem_init(&loop_go, 0, 0);
    g_queue_init(&floor_.run);
    g_queue_init(&floor_.idle_carriers);
    is_holder = TRUE;
}

void tasks_clear(void)
{
    GList *idle;

    while ((idle = g_queue_pop_head_link(&floor_.idle_carriers)))
        sem_post(&((Carrier *)idle->data)->go); /* without a task it ends */
    /* The others stay where they are for ever: nobody gives them the floor. */
    g_queue_init(&floor_.run);
    pthread_mutex_lock(&returning_lock);
    g_queue_init(&returning);
    pthread_mutex_unlock(&returning_lock);
    floor_.lends_left = 0;
}
