/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "loop/loop.h"

static GString *seen;

static void note(void *data)
{
    g_string_append(seen, data);
}

static void note_and_quit(void *data)
{
    note(data);
    loop_quit(7);
}

static void timers_fire_in_order_of_deadline_then_of_setting(void)
{
    g_autoptr(Timer) c = NULL, a = NULL, b = NULL, b2 = NULL, never = NULL;
    int64_t start_us;

    seen = g_string_new(NULL);
    loop_init();
    c = timer_new(30, note_and_quit, "c");
    b = timer_new(20, note, "b");
    b2 = timer_new(20, note, "B");
    never = timer_new(25, note, "never");
    a = timer_new(50, note, "a");
    timer_restart(a, 10);
    g_clear_pointer(&never, timer_free);
    start_us = g_get_monotonic_time();
    g_assert_cmpint(loop_run(), ==, 7);
    g_assert_cmpint(g_get_monotonic_time() - start_us, >=, 29000);
    g_assert_cmpstr(seen->str, ==, "abBc");
    loop_clear();
    g_string_free(seen, TRUE);
}

static void many_timers_keep_their_order(void)
{
    enum { COUNT = 500 };
    Timer *timers[COUNT];

    seen = g_string_new(NULL);
    loop_init();
    for (int i = 0; i < COUNT; i++)
        timers[i] = timer_new((i * 7919) % 5, note,
                              (i * 7919) % 5 == 4   ? "4"
                              : (i * 7919) % 5 == 0 ? "0"
                                                    : "");
    for (int i = 0; i < COUNT; i += 3)
        g_clear_pointer(&timers[i], timer_free);
    timers[0] = timer_new(20, note_and_quit, ".");
    loop_run();
    g_assert_cmpuint(strspn(seen->str, "0") + strspn(seen->str + strspn(seen->str, "0"), "4") + 1,
                     ==, seen->len);
    for (int i = 0; i < COUNT; i++)
        timer_free(timers[i]);
    loop_clear();
    g_string_free(seen, TRUE);
}

typedef struct {
    Watch *watches[2];
    int calls;
} Pair;

static void free_the_other(int fd, unsigned events, void *data)
{
    Pair *pair = data;

    pair->calls++;
    g_clear_pointer(&pair->watches[0], watch_free);
    g_clear_pointer(&pair->watches[1], watch_free);
    loop_quit(0);
}

static void a_watch_freed_in_the_same_turn_is_not_called(void)
{
    Pair pair = {0};
    int a[2], b[2];

    loop_init();
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, a) | socketpair(AF_UNIX, SOCK_STREAM, 0, b),
                    ==, 0);
    g_assert_cmpint(write(a[1], "x", 1) + write(b[1], "x", 1), ==, 2);
    pair.watches[0] = watch_new(a[0], EPOLLIN, free_the_other, &pair);
    pair.watches[1] = watch_new(b[0], EPOLLIN, free_the_other, &pair);
    loop_run();
    g_assert_cmpint(pair.calls, ==, 1);
    loop_clear();
    for (int i = 0; i < 2; i++)
        g_assert_cmpint(close(a[i]) | close(b[i]), ==, 0);
}

static void a_frozen_clock_fires_only_when_advanced(void)
{
    g_autoptr(Timer) hour = NULL;

    seen = g_string_new(NULL);
    loop_init();
    clock_freeze(1000);
    hour = timer_new(3600 * 1000, note_and_quit, "hour");
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_assert_cmpstr(seen->str, ==, "");
    clock_advance(3600 * 1000);
    loop_run();
    g_assert_cmpstr(seen->str, ==, "hour");
    loop_clear();
    g_string_free(seen, TRUE);
}

static void a_signal_becomes_an_event(void)
{
    seen = g_string_new(NULL);
    loop_init();
    loop_on_signal(SIGUSR1, note, "one");
    loop_on_signal(SIGUSR2, note_and_quit, "two");
    raise(SIGUSR1);
    raise(SIGUSR2);
    loop_run();
    g_assert_true(strstr(seen->str, "one") && strstr(seen->str, "two"));
    loop_clear();
    g_string_free(seen, TRUE);
}

static void posts_keep_their_order(void)
{
    seen = g_string_new(NULL);
    loop_init();
    loop_post(note, "1");
    loop_post(note, "2");
    loop_post(note_and_quit, "3");
    loop_run();
    g_assert_cmpstr(seen->str, ==, "123");
    loop_clear();
    g_string_free(seen, TRUE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/loop/loop/timers-fire-in-order-of-deadline-then-of-setting",
                    timers_fire_in_order_of_deadline_then_of_setting);
    g_test_add_func("/loop/loop/many-timers-keep-their-order", many_timers_keep_their_order);
    g_test_add_func("/loop/loop/a-watch-freed-in-the-same-turn-is-not-called",
                    a_watch_freed_in_the_same_turn_is_not_called);
    g_test_add_func("/loop/loop/a-signal-becomes-an-event", a_signal_becomes_an_event);
    g_test_add_func("/loop/loop/posts-keep-their-order", posts_keep_their_order);
    g_test_add_func("/loop/loop/a-frozen-clock-fires-only-when-advanced",
                    a_frozen_clock_fires_only_when_advanced);
    return g_test_run();
}
