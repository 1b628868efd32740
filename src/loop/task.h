/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tasks: kernel threads that pass one baton, the floor.  A task runs only while it holds the floor
 * and gives it up only in functions marked AWAITS and in off_floor { … }.  So daemon state needs no
 * locks, and long work reads from top to bottom. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "base/error.h"

/* Stands before every function that may give up the floor.  After it returns, what is not held by
 * reference or by the domain's job may have changed. */
#define AWAITS

typedef struct Task Task;
typedef void (*TaskFunc)(void *data);

/* Starts fn on a task of its own; it runs when the floor comes to it, in FIFO order.  free_data
 * (may be NULL) runs after fn, with the floor.  name is for logs.  The returned task is borrowed
 * and valid until fn has returned. */
Task *task_spawn(const char *name, TaskFunc fn, void *data, GDestroyNotify free_data);

/* The running task, or NULL on the loop thread. */
Task *task_current(void);
const char *task_name(const Task *task);

/* Delivered once, to one await: the pending one, or the next: it fails with ERROR_OPERATION_ABORTED
 * and reason. */
void task_cancel(Task *task, const char *reason);
/* Between the two, cancels are kept back (undo runs shielded).  May nest. */
void task_shield(void);
void task_unshield(void);
gboolean task_is_cancelled(void); /* a cancel is pending for the running task */
/* The end of a stretch that might be cancelled: takes a cancel that came too late for its last
 * await.  FALSE: there was one. */
gboolean task_check_cancel(GError **error);

/* One thing that will happen once.  Reference counted: what completes it and who waits hold one
 * each. */
typedef struct Await Await;

/* what: for the deadline's error text, "reply to 'query-status'". */
Await *await_new(const char *what);
Await *await_ref(Await *await_);
void await_unref(Await *await_);
/* The first outcome counts, later ones are ignored.  With the floor only (any callback or task). */
void await_succeed(Await *await_);
void await_fail(Await *await_, const GError *cause);
gboolean await_is_done(const Await *await_);

/* Waits for the outcome.  timeout_ms < 0: without limit; 0: only looks.  false: the failure it was
 * given, ERROR_OPERATION_TIMEOUT ("timed out after N s waiting for WHAT"), or
 * ERROR_OPERATION_ABORTED (cancelled).  After a time-out or a cancel the await may be waited for
 * again.  Asserts that it runs on a task. */
AWAITS gboolean await(Await *await_, int64_t timeout_ms, GError **error);
AWAITS gboolean await_sleep(int64_t ms, GError **error);
/* Lets others have the floor once; long lists call it now and then. */
AWAITS void task_yield(void);

/* A broadcast: tasks wait for "something changed" and look again.  Signal with the floor. */
typedef struct Condition Condition;

Condition *condition_new(const char *what);
void condition_free(Condition *condition); /* wakes nobody; none may wait */
void condition_signal(Condition *condition);
AWAITS gboolean condition_wait(Condition *condition, int64_t timeout_ms, GError **error);

/* Short blocking work (fsync) without the floor: off_floor { … }.  No return, break or daemon state
 * inside. */
typedef struct {
    gboolean is_done;
} OffFloor;
OffFloor off_floor_begin(void);
void off_floor_end(OffFloor *off);
#define off_floor                                                                                  \
    for (OffFloor off_ __attribute__((cleanup(off_floor_end))) = off_floor_begin(); !off_.is_done; \
         off_.is_done = TRUE)

/* Work that can hang (names, NFS, SASL, connect): fn(data) on one of a bounded set of worker
 * threads.  AWAITS its end; after timeout_ms or a cancel it returns false at once, and fn's late
 * result is thrown away.  Hence data belongs to the work: on success the caller reads results from
 * it and releases it with worker_data_free (or never touches it again after a failure); free_data
 * runs exactly once in every case.  fn returns false with an error of its own. */
typedef gboolean (*WorkFunc)(void *data, GError **error);
typedef struct Work Work;
Work *work_new(const char *what, WorkFunc fn, void *data, GDestroyNotify free_data);
Work *work_ref(Work *work);
void work_unref(Work *work); /* the last one frees data */
AWAITS gboolean work_run(Work *work, int64_t timeout_ms, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Await, await_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Condition, condition_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Work, work_unref)
