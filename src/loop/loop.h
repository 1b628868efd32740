/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The loop: one epoll set and our own timers inside the global default GMainContext.  The loop
 * thread holds the floor while it dispatches; every callback below runs on it, with the floor, and
 * must not block or await. */
#pragma once

#include <glib.h>
#include <stdint.h>

typedef struct Watch Watch;
typedef struct Timer Timer;

/* events is EPOLLIN | EPOLLOUT …; EPOLLERR and EPOLLHUP always come. */
typedef void (*WatchFunc)(int fd, unsigned events, void *data);
typedef void (*TimerFunc)(void *data);

/* Once per process (or after loop_clear), before anything else here.  The calling thread is the
 * loop thread and holds the floor.  Ignores SIGPIPE, blocks no signal.  loop_run returns what
 * loop_quit was given. */
void loop_init(void);
int loop_run(void);
void loop_quit(int status);
/* Forgets all tasks, watches and timers where they stand (no undo runs); for the end of the process
 * and for tests. */
void loop_clear(void);

/* Watches fd until watch_free, which comes before its close; does not own it.  One watch per fd. fn
 * may free any watch, its own too.  The name of fn is kept, to name who held the floor too long.
 * NULL for what is always ready and cannot be watched (files, /dev/null). */
#define watch_new(fd, events, fn, data) watch_new_named(#fn, fd, events, fn, data)
Watch *watch_new_named(const char *name, int fd, unsigned events, WatchFunc fn, void *data);
void watch_set_events(Watch *watch, unsigned events);
void watch_free(Watch *watch);

/* Calls fn once, after delay_ms of clock_now_ms(); timer_free before that forgets it.  A fired
 * timer stays owned by the caller until timer_free; timer_restart arms it again. */
#define timer_new(delay_ms, fn, data) timer_new_named(#fn, delay_ms, fn, data)
Timer *timer_new_named(const char *name, int64_t delay_ms, TimerFunc fn, void *data);
void timer_restart(Timer *timer, int64_t delay_ms);
void timer_free(Timer *timer);

/* Calls fn on the loop thread with the floor, soon, in order.  From any thread, with or without the
 * floor. */
#define loop_post(fn, data) loop_post_named(#fn, fn, data)
void loop_post_named(const char *name, TimerFunc fn, void *data);

/* A signal as an event, through one signalfd; the signal is blocked in all threads (call before any
 * is started). */
void loop_on_signal(int signal_number, TimerFunc fn, void *data);

/* When the loop began its present turn (of the monotonic clock, never frozen): who may do much in
 * one turn stops in time for the next. */
int64_t loop_turn_started_us(void);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Watch, watch_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Timer, timer_free)
