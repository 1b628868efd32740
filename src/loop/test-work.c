/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <semaphore.h>
#include <stdatomic.h>
#include <unistd.h>

#include "loop/loop-test.h"

static atomic_int freed;

typedef struct {
    sem_t *gate; /* waits for it, if any */
    int in, out;
} Sum;

static void sum_free(void *data)
{
    atomic_fetch_add(&freed, 1);
    g_free(data);
}

static gboolean double_it(void *data, GError **error)
{
    Sum *sum = data;

    if (sum->gate)
        sem_wait(sum->gate);
    if (sum->in < 0)
        return error_set(error, ERROR_INVALID_ARG, "%d is negative", sum->in);
    sum->out = sum->in * 2;
    return TRUE;
}

static Work *sum_work(int in, sem_t *gate, Sum **ret_sum)
{
    Sum *sum = g_new0(Sum, 1);

    sum->in = in;
    sum->gate = gate;
    *ret_sum = sum;
    return work_new("sum", double_it, sum, sum_free);
}

static void wait_for_freed(int count)
{
    while (atomic_load(&freed) < count)
        g_assert_true(await_sleep(1, NULL));
}

static void result_body(void *data)
{
    g_autoptr(GError) error = NULL;
    Work *work;
    Sum *sum;

    work = sum_work(21, NULL, &sum);
    g_assert_true(work_run(work, 5000, &error));
    g_assert_cmpint(sum->out, ==, 42);
    work_unref(work);
    work = sum_work(-1, NULL, &sum);
    g_assert_false(work_run(work, -1, &error));
    g_assert_cmpstr(error->message, ==, "-1 is negative");
    work_unref(work);
    wait_for_freed(2);
}

static void work_gives_its_result_or_its_error(void)
{
    freed = 0;
    loop_test_run(result_body, NULL);
}

static void late_body(void *data)
{
    g_autoptr(GError) error = NULL;
    sem_t gate;
    Work *work;
    Sum *sum;

    sem_init(&gate, 0, 0);
    work = sum_work(1, &gate, &sum);
    g_assert_false(work_run(work, 10, &error));
    g_assert_cmpstr(error->message, ==, "timed out after 0.01 s waiting for sum");
    work_unref(work);
    g_assert_cmpint(freed, ==, 0); /* still the work's */
    sem_post(&gate);
    wait_for_freed(1);
}

static void a_late_result_is_thrown_away(void)
{
    freed = 0;
    loop_test_run(late_body, NULL);
}

static int hung;

static void hang(void *data)
{
    Work *work;
    Sum *sum;

    work = sum_work(1, data, &sum);
    g_assert_false(work_run(work, 20, NULL));
    work_unref(work);
    hung++;
}

/* 40 pieces of work hang on 16 workers; those whose waiters left make room. */
static void dead_server_body(void *data)
{
    g_autoptr(GError) error = NULL;
    sem_t gate;
    Work *work;
    Sum *sum;

    sem_init(&gate, 0, 0);
    for (int i = 0; i < 40; i++)
        task_spawn("hangs", hang, &gate, NULL);
    while (hung < 40)
        g_assert_true(await_sleep(1, NULL));
    work = sum_work(4, NULL, &sum);
    g_assert_true(work_run(work, 5000, &error));
    work_unref(work);
    for (int i = 0; i < 40; i++)
        sem_post(&gate);
    wait_for_freed(41);
}

static void hanging_work_does_not_use_up_all_workers(void)
{
    freed = 0;
    loop_test_run(dead_server_body, NULL);
}

static void cancel_it(void *data)
{
    task_cancel(data, "enough");
}

static void cancelled_body(void *data)
{
    g_autoptr(Timer) timer = timer_new(5, cancel_it, task_current());
    g_autoptr(GError) error = NULL;
    sem_t gate;
    Work *work;
    Sum *sum;

    sem_init(&gate, 0, 0);
    work = sum_work(1, &gate, &sum);
    g_assert_false(work_run(work, -1, &error));
    g_assert_true(error_is(error, ERROR_OPERATION_ABORTED));
    work_unref(work);
    sem_post(&gate);
    wait_for_freed(1);
}

static void a_cancel_ends_the_wait_for_work(void)
{
    freed = 0;
    loop_test_run(cancelled_body, NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/loop/work/work-gives-its-result-or-its-error",
                    work_gives_its_result_or_its_error);
    g_test_add_func("/loop/work/a-late-result-is-thrown-away", a_late_result_is_thrown_away);
    g_test_add_func("/loop/work/hanging-work-does-not-use-up-all-workers",
                    hanging_work_does_not_use_up_all_workers);
    g_test_add_func("/loop/work/a-cancel-ends-the-wait-for-work", a_cancel_ends_the_wait_for_work);
    return g_test_run();
}
