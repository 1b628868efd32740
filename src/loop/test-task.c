/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <unistd.h>

#include "base/clock.h"
#include "loop/loop-test.h"

static GString *seen;
static int running;

/* --- order --- */

static void say_three_times(void *data)
{
    for (int i = 0; i < 3; i++) {
        g_string_append(seen, data);
        task_yield();
    }
    running--;
}

static void spawn_three(void *data)
{
    running = 3;
    task_spawn("a", say_three_times, "a", NULL);
    task_spawn("b", say_three_times, "b", NULL);
    task_spawn("c", say_three_times, "c", NULL);
    while (running > 0)
        task_yield();
}

static void tasks_interleave_in_fifo_order(void)
{
    seen = g_string_new(NULL);
    loop_test_run(spawn_three, NULL);
    g_assert_cmpstr(seen->str, ==, "abcabcabc");
    g_string_free(seen, TRUE);
}

/* --- awaits --- */

static void succeed_later(void *data)
{
    await_succeed(data);
    await_succeed(data);
}

static void await_body(void *data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) cause = error_new(ERROR_OPERATION_FAILED, "first");
    g_autoptr(Await) reply = await_new("reply to 'query-status'");
    g_autoptr(Await) failing = await_new("x");
    g_autoptr(Timer) timer = NULL;

    g_assert_false(await(reply, 0, &error));
    g_assert_cmpstr(error->message, ==, "timed out after 0 s waiting for reply to 'query-status'");
    g_clear_error(&error);
    g_assert_false(await(reply, 15, &error));
    g_assert_true(error_is(error, ERROR_OPERATION_TIMEOUT));
    g_assert_cmpstr(error->message, ==,
                    "timed out after 0.015 s waiting for reply to 'query-status'");
    g_clear_error(&error);
    timer = timer_new(1, succeed_later, reply);
    g_assert_true(await(reply, -1, &error));
    g_assert_true(await(reply, 0, &error));
    await_fail(failing, cause);
    await_succeed(failing);
    g_assert_false(await(failing, -1, &error));
    g_assert_cmpstr(error->message, ==, "first");
    g_clear_error(&error);
    g_assert_true(await_sleep(1, &error));
}

static void an_await_ends_once_or_at_its_deadline(void)
{
    loop_test_run(await_body, NULL);
}

static void deadline_body(void *data)
{
    g_autoptr(Await) never = await_new("the moon");
    g_autoptr(GError) error = NULL;

    g_assert_false(await(never, 60000, &error));
    g_assert_cmpstr(error->message, ==, "timed out after 60 s waiting for the moon");
}

static gboolean advance(void *data)
{
    clock_advance(30000);
    return G_SOURCE_CONTINUE;
}

static void succeed(void *data)
{
    await_succeed(data);
}

/* Under the frozen clock, so that answer and deadline come in one turn of the loop: the answer,
 * which was first, counts. */
static void same_turn_body(void *data)
{
    g_autoptr(Await) answer = await_new("an answer");
    g_autoptr(Await) never = await_new("the moon");
    g_autoptr(Timer) first = timer_new(1000, succeed, answer);
    g_autoptr(GError) error = NULL;

    g_assert_true(await(answer, 1000, &error));
    g_assert_no_error(error);
    /* Had the deadline woken us as well, this await would end by nothing. */
    g_assert_false(await(never, 500, &error));
    g_assert_true(error_is(error, ERROR_OPERATION_TIMEOUT));
}

static void an_answer_beats_the_deadline_of_the_same_turn(void)
{
    guint source = g_idle_add(advance, NULL);

    loop_test_run(same_turn_body, NULL);
    g_source_remove(source);
}

/* Runs after all that need a clock that moves: it stays frozen. */
static void a_frozen_clock_decides_deadlines(void)
{
    guint source = g_idle_add(advance, NULL);
    int64_t start_us = g_get_monotonic_time();

    clock_freeze(5);
    loop_test_run(deadline_body, NULL);
    g_source_remove(source);
    g_assert_cmpint(g_get_monotonic_time() - start_us, <, 5 * G_USEC_PER_SEC);
}

/* --- cancel --- */

static void cancelled_body(void *data)
{
    g_autoptr(Await) never = await_new("the moon");
    g_autoptr(GError) error = NULL;

    g_assert_false(await(never, -1, &error));
    g_assert_true(error_is(error, ERROR_OPERATION_ABORTED));
    g_assert_cmpstr(error->message, ==, "user said so");
    g_clear_error(&error);
    g_assert_true(await_sleep(1, &error)); /* delivered once */

    task_shield();
    task_cancel(task_current(), "again");
    g_assert_false(task_is_cancelled());
    g_assert_true(await_sleep(1, &error));
    task_shield();
    task_unshield();
    g_assert_true(await_sleep(1, &error));
    task_unshield();
    g_assert_true(task_is_cancelled());
    g_assert_false(await_sleep(1000, &error));
    g_assert_cmpstr(error->message, ==, "again");
    g_clear_error(&error);
    g_assert_false(task_is_cancelled());
    g_assert_false(await(never, 1, &error));
    g_assert_true(error_is(error, ERROR_OPERATION_TIMEOUT));
    running--;
}

static void cancel_body(void *data)
{
    Task *task = task_spawn("victim", cancelled_body, NULL, NULL);

    running = 1;
    task_yield();
    g_assert_cmpstr(task_name(task), ==, "victim");
    task_cancel(task, "user said so");
    task_cancel(task, "too late");
    while (running > 0)
        g_assert_true(await_sleep(1, NULL));
}

static void a_cancel_is_delivered_once_and_never_through_a_shield(void)
{
    loop_test_run(cancel_body, NULL);
}

static void done_and_cancelled_body(void *data)
{
    g_autoptr(Await) done = await_new("x");
    g_autoptr(GError) error = NULL;

    await_succeed(done);
    task_cancel(task_current(), "stop");
    g_assert_true(await(done, 0, &error)); /* a look uses no cancel up */
    g_assert_false(await(done, -1, &error));
    g_assert_true(error_is(error, ERROR_OPERATION_ABORTED));
    g_assert_true(await(done, -1, NULL));
}

static void a_pending_cancel_goes_before_a_ready_result(void)
{
    loop_test_run(done_and_cancelled_body, NULL);
}

/* --- condition, off_floor --- */

static Condition *condition;
static int counter;

static void counts(void *data)
{
    while (counter < 3)
        g_assert_true(condition_wait(condition, 5000, NULL));
    running--;
}

static void condition_body(void *data)
{
    g_autoptr(GError) error = NULL;

    condition = condition_new("a change");
    counter = 0;
    running = 5;
    for (int i = 0; i < running; i++)
        task_spawn("counter", counts, NULL, NULL);
    while (running > 0) {
        task_yield();
        counter++;
        condition_signal(condition);
    }
    g_assert_false(condition_wait(condition, 2, &error));
    g_assert_cmpstr(error->message, ==, "timed out after 0.002 s waiting for a change");
    g_clear_pointer(&condition, condition_free);
}

static void a_condition_wakes_all(void)
{
    loop_test_run(condition_body, NULL);
}

static void sleep_off_floor(void *data)
{
    off_floor {
        usleep(50000);
    }
    running--;
}

static void off_floor_body(void *data)
{
    int64_t start_us = g_get_monotonic_time();

    running = 8;
    for (int i = 0; i < 8; i++)
        task_spawn("sleeper", sleep_off_floor, NULL, NULL);
    while (running > 0)
        g_assert_true(await_sleep(1, NULL));
    g_assert_cmpint(g_get_monotonic_time() - start_us, <, 8 * 50000);
}

static void work_off_the_floor_overlaps(void)
{
    loop_test_run(off_floor_body, NULL);
}

/* --- many --- */

static void count_up(void *data)
{
    for (int i = 0; i < 5; i++) {
        counter++;
        g_assert_true(await_sleep(1, NULL));
    }
    running--;
}

static void thousand_body(void *data)
{
    counter = 0;
    running = 1000;
    for (int i = 0; i < 1000; i++)
        task_spawn("one of many", count_up, NULL, NULL);
    while (running > 0)
        g_assert_true(await_sleep(2, NULL));
    g_assert_cmpint(counter, ==, 5000);
}

static void a_thousand_tasks_count_without_a_lock(void)
{
    loop_test_run(thousand_body, NULL);
}

static void free_counter(void *data)
{
    counter++;
}

static void nothing(void *data)
{
}

static void reuse_body(void *data)
{
    counter = 0;
    for (int i = 0; i < 2000; i++) {
        task_spawn("short", nothing, NULL, free_counter);
        task_yield();
        task_yield();
    }
    g_assert_cmpint(counter, ==, 2000);
}

static void short_tasks_use_threads_again(void)
{
    int64_t start_us = g_get_monotonic_time();

    loop_test_run(reuse_body, NULL);
    g_test_message("%d us per task", (int)((g_get_monotonic_time() - start_us) / 2000));
}

static void dropped_body(void *data)
{
    g_autoptr(Await) never = await_new("the moon");

    await(never, -1, NULL);
    g_assert_not_reached();
}

static void tasks_are_dropped_where_they_stand(void)
{
    loop_init();
    task_spawn("dropped", dropped_body, NULL, NULL);
    task_spawn("quits", loop_test_quit, NULL, NULL);
    loop_run();
    loop_clear();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/loop/task/tasks-interleave-in-fifo-order", tasks_interleave_in_fifo_order);
    g_test_add_func("/loop/task/an-await-ends-once-or-at-its-deadline",
                    an_await_ends_once_or_at_its_deadline);
    g_test_add_func("/loop/task/a-cancel-is-delivered-once-and-never-through-a-shield",
                    a_cancel_is_delivered_once_and_never_through_a_shield);
    g_test_add_func("/loop/task/a-pending-cancel-goes-before-a-ready-result",
                    a_pending_cancel_goes_before_a_ready_result);
    g_test_add_func("/loop/task/a-condition-wakes-all", a_condition_wakes_all);
    g_test_add_func("/loop/task/work-off-the-floor-overlaps", work_off_the_floor_overlaps);
    g_test_add_func("/loop/task/a-thousand-tasks-count-without-a-lock",
                    a_thousand_tasks_count_without_a_lock);
    g_test_add_func("/loop/task/short-tasks-use-threads-again", short_tasks_use_threads_again);
    g_test_add_func("/loop/task/tasks-are-dropped-where-they-stand",
                    tasks_are_dropped_where_they_stand);
    g_test_add_func("/loop/task/a-frozen-clock-decides-deadlines",
                    a_frozen_clock_decides_deadlines);
    g_test_add_func("/loop/task/an-answer-beats-the-deadline-of-the-same-turn",
                    an_answer_beats_the_deadline_of_the_same_turn);
    return g_test_run();
}
