/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The loop.  One GSource in the global default GMainContext carries everything of ours: an epoll
 * set (so that ten thousand idle connections cost nothing per turn), a heap of timers whose
 * deadlines are of base/clock (so that a test may freeze it), functions posted by other threads,
 * and at the end of each turn the tasks that want the floor. Everything but loop_post runs on the
 * loop thread or on a task, with the floor. */
#include "loop/loop.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "loop/loop-private.h"

#define EVENTS_PER_TURN 64

struct Watch {
    uint64_t id; /* what epoll hands back: a number that is never used twice cannot dangle */
    int fd;
    WatchFunc fn;
    void *data;
    const char *name;
};

struct Timer {
    int64_t deadline_us;
    uint64_t serial; /* equal deadlines fire in the order in which they were set */
    guint slot;      /* where it is in the heap, from 1; 0: not armed */
    TimerFunc fn;
    void *data;
    const char *name;
};

typedef struct {
    const char *name;
    TimerFunc fn;
    void *data;
} Post;

typedef struct {
    TimerFunc fn;
    void *data;
} SignalRow;

static struct {
    GSource *source;
    GMainLoop *main;
    int status;
    int64_t turn_started_us;
    gboolean is_quitting;
    int epoll_fd;
    gpointer epoll_tag;
    GHashTable *watches; /* id → Watch */
    GPtrArray
        *heap; /* of Timer, least deadline first; children of i (from 0) are 2i + 1 and 2i + 2 */
    uint64_t next_timer_serial;
    Watch *post_watch;
    int signal_fd;
    Watch *signal_watch;
    sigset_t signals;
    SignalRow signal_rows[NSIG];
} loop = {.epoll_fd = -1, .signal_fd = -1};

/* Not part of the above: a watch that outlives loop_clear must not hit one of the next loop. */
static uint64_t next_watch_id;

/* The only part that other threads touch. */
static pthread_mutex_t post_lock = PTHREAD_MUTEX_INITIALIZER;
static GArray *posts; /* of Post */
static int post_fd = -1;

/* --- watches --- */

Watch *watch_new_named(const char *name, int fd, unsigned events, WatchFunc fn, void *data)
{
    Watch *watch = g_new0(Watch, 1);
    struct epoll_event event = {.events = events};

    g_assert(floor_is_held());
    watch->id = event.data.u64 = next_watch_id++;
    watch->fd = fd;
    watch->fn = fn;
    watch->data = data;
    watch->name = name;
    if (epoll_ctl(loop.epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        if (errno == EPERM) {
            g_free(watch);
            return NULL;
        }
        g_error("cannot watch descriptor %d for %s: %s", fd, name, g_strerror(errno));
    }
    g_hash_table_insert(loop.watches, &watch->id, watch);
    return watch;
}

void watch_set_events(Watch *watch, unsigned events)
{
    struct epoll_event event = {.events = events, .data.u64 = watch->id};

    if (epoll_ctl(loop.epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) < 0)
        g_error("cannot watch descriptor %d for %s: %s", watch->fd, watch->name, g_strerror(errno));
}

void watch_free(Watch *watch)
{
    if (!watch)
        return;
    if (loop.watches && g_hash_table_remove(loop.watches, &watch->id))
        epoll_ctl(loop.epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    g_free(watch);
}

static void dispatch_watches(void)
{
    struct epoll_event events[EVENTS_PER_TURN];
    int count = epoll_wait(loop.epoll_fd, events, EVENTS_PER_TURN, 0);

    for (int i = 0; i < count && loop.watches; i++) {
        /* An earlier one of these events may have freed it. */
        uint64_t id = events[i].data.u64;
        Watch *watch = g_hash_table_lookup(loop.watches, &id);
        int64_t since_us = g_get_monotonic_time();
        const char *name;

        if (!watch)
            continue;
        name = watch->name;
        watch->fn(watch->fd, events[i].events, watch->data);
        floor_note_hold("watch", name, since_us);
    }
}

/* --- timers --- */

static gboolean timer_is_before(const Timer *a, const Timer *b)
{
    if (a->deadline_us != b->deadline_us)
        return a->deadline_us < b->deadline_us;
    return a->serial < b->serial;
}

static void heap_place(Timer *timer, guint index)
{
    loop.heap->pdata[index] = timer;
    timer->slot = index + 1;
}

static void heap_settle(Timer *timer)
{
    guint index = timer->slot - 1;
    guint child;

    while (index > 0 && timer_is_before(timer, loop.heap->pdata[(index - 1) / 2])) {
        heap_place(loop.heap->pdata[(index - 1) / 2], index);
        index = (index - 1) / 2;
    }
    while ((child = 2 * index + 1) < loop.heap->len) {
        if (child + 1 < loop.heap->len &&
            timer_is_before(loop.heap->pdata[child + 1], loop.heap->pdata[child]))
            child++;
        if (!timer_is_before(loop.heap->pdata[child], timer))
            break;
        heap_place(loop.heap->pdata[child], index);
        index = child;
    }
    heap_place(timer, index);
}

static void timer_disarm(Timer *timer)
{
    guint index = timer->slot - 1;
    Timer *last;

    if (timer->slot == 0)
        return;
    timer->slot = 0;
    last = loop.heap->pdata[loop.heap->len - 1];
    g_ptr_array_set_size(loop.heap, (int)loop.heap->len - 1);
    if (last == timer)
        return;
    heap_place(last, index);
    heap_settle(last);
}

void timer_restart(Timer *timer, int64_t delay_ms)
{
    int64_t now_us = clock_now_us();

    g_assert(floor_is_held());
    timer_disarm(timer);
    delay_ms = CLAMP(delay_ms, 0, (INT64_MAX - now_us) / 1000);
    timer->deadline_us = now_us + delay_ms * 1000;
    timer->serial = loop.next_timer_serial++;
    g_ptr_array_add(loop.heap, timer);
    timer->slot = loop.heap->len;
    heap_settle(timer);
}

Timer *timer_new_named(const char *name, int64_t delay_ms, TimerFunc fn, void *data)
{
    Timer *timer = g_new0(Timer, 1);

    timer->fn = fn;
    timer->data = data;
    timer->name = name;
    timer_restart(timer, delay_ms);
    return timer;
}

void timer_free(Timer *timer)
{
    if (!timer)
        return;
    if (loop.heap)
        timer_disarm(timer);
    g_free(timer);
}

/* Those that are due now; one that is armed meanwhile waits for the next turn, lest the loop never
 * end. */
static void dispatch_timers(void)
{
    int64_t now_us = clock_now_us();
    uint64_t end = loop.next_timer_serial;

    while (loop.heap && loop.heap->len > 0) {
        Timer *timer = loop.heap->pdata[0];
        int64_t since_us = g_get_monotonic_time();
        const char *name = timer->name;

        if (timer->deadline_us > now_us || timer->serial >= end)
            return;
        timer_disarm(timer);
        timer->fn(timer->data);
        floor_note_hold("timer", name, since_us);
    }
}

static int timers_timeout_ms(void)
{
    int64_t left_us;

    if (loop.heap->len == 0)
        return -1;
    left_us = ((Timer *)loop.heap->pdata[0])->deadline_us - clock_now_us();
    if (left_us <= 0)
        return 0;
    return (int)MIN((left_us + 999) / 1000, INT_MAX);
}

/* --- posts --- */

void loop_post_named(const char *name, TimerFunc fn, void *data)
{
    Post post = {name, fn, data};
    gboolean was_empty;

    pthread_mutex_lock(&post_lock);
    if (posts) {
        was_empty = posts->len == 0;
        g_array_append_val(posts, post);
        if (was_empty && eventfd_write(post_fd, 1) < 0)
            g_error("cannot wake the loop: %s", g_strerror(errno));
    }
    pthread_mutex_unlock(&post_lock);
}

static void posts_run(int fd, unsigned events, void *data)
{
    g_autoptr(GArray) taken = NULL;
    eventfd_t count;

    pthread_mutex_lock(&post_lock);
    eventfd_read(fd, &count);
    taken = posts;
    posts = g_array_new(FALSE, FALSE, sizeof(Post));
    pthread_mutex_unlock(&post_lock);
    for (guint i = 0; i < taken->len && loop.watches; i++) {
        const Post *post = &g_array_index(taken, Post, i);
        int64_t since_us = g_get_monotonic_time();

        post->fn(post->data);
        floor_note_hold("post", post->name, since_us);
    }
}

/* --- signals --- */

static void signals_read(int fd, unsigned events, void *data)
{
    struct signalfd_siginfo info;

    while (read(fd, &info, sizeof info) == sizeof info) {
        const SignalRow *row = &loop.signal_rows[info.ssi_signo];

        if (row->fn)
            row->fn(row->data);
    }
}

void loop_on_signal(int signal_number, TimerFunc fn, void *data)
{
    g_assert(signal_number > 0 && signal_number < NSIG);
    loop.signal_rows[signal_number] = (SignalRow){fn, data};
    sigaddset(&loop.signals, signal_number);
    g_assert(pthread_sigmask(SIG_BLOCK, &loop.signals, NULL) == 0);
    loop.signal_fd = signalfd(loop.signal_fd, &loop.signals, SFD_NONBLOCK | SFD_CLOEXEC);
    g_assert(loop.signal_fd >= 0);
    if (!loop.signal_watch)
        loop.signal_watch = watch_new(loop.signal_fd, EPOLLIN, signals_read, NULL);
}

/* --- the source --- */

static gboolean source_prepare(GSource *source, int *timeout)
{
    if (tasks_are_runnable()) {
        *timeout = 0;
        return TRUE;
    }
    *timeout = timers_timeout_ms();
    return *timeout == 0;
}

static gboolean source_check(GSource *source)
{
    return tasks_are_runnable() || timers_timeout_ms() == 0 ||
           g_source_query_unix_fd(source, loop.epoll_tag) != 0;
}

static gboolean source_dispatch(GSource *source, GSourceFunc callback, void *data)
{
    loop.turn_started_us = g_get_monotonic_time();
    dispatch_watches();
    if (loop.heap)
        dispatch_timers();
    if (loop.heap)
        tasks_lend_floor();
    return loop.heap ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

int64_t loop_turn_started_us(void)
{
    return loop.turn_started_us;
}

static GSourceFuncs source_funcs = {
    .prepare = source_prepare, .check = source_check, .dispatch = source_dispatch};

void loop_init(void)
{
    g_assert(!loop.source);
#ifdef M_ARENA_MAX
    mallopt(M_ARENA_MAX, 1); /* tasks take turns; an arena for each would only waste memory */
#endif
    signal(SIGPIPE, SIG_IGN);
    tasks_init();
    loop.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    post_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    g_assert(loop.epoll_fd >= 0 && post_fd >= 0);
    loop.watches = g_hash_table_new(g_int64_hash, g_int64_equal);
    loop.heap = g_ptr_array_new();
    sigemptyset(&loop.signals);
    pthread_mutex_lock(&post_lock);
    posts = g_array_new(FALSE, FALSE, sizeof(Post));
    pthread_mutex_unlock(&post_lock);
    loop.post_watch = watch_new(post_fd, EPOLLIN, posts_run, NULL);
    loop.source = g_source_new(&source_funcs, sizeof(GSource));
    g_source_set_name(loop.source, "ferry loop");
    loop.epoll_tag = g_source_add_unix_fd(loop.source, loop.epoll_fd, G_IO_IN);
    g_source_attach(loop.source, NULL);
    loop.main = g_main_loop_new(NULL, FALSE);
}

int loop_run(void)
{
    if (!loop.is_quitting)
        g_main_loop_run(loop.main);
    loop.is_quitting = FALSE;
    return loop.status;
}

void loop_quit(int status)
{
    loop.status = status;
    loop.is_quitting = TRUE;
    g_main_loop_quit(loop.main);
}

void loop_clear(void)
{
    if (!loop.source)
        return;
    tasks_clear();
    g_source_destroy(loop.source);
    g_clear_pointer(&loop.source, g_source_unref);
    g_clear_pointer(&loop.main, g_main_loop_unref);
    pthread_mutex_lock(&post_lock);
    g_clear_pointer(&posts, g_array_unref);
    close(post_fd);
    post_fd = -1;
    pthread_mutex_unlock(&post_lock);
    watch_free(loop.post_watch);
    watch_free(loop.signal_watch);
    g_clear_pointer(&loop.watches, g_hash_table_unref);
    for (guint i = 0; i < loop.heap->len; i++)
        ((Timer *)loop.heap->pdata[i])->slot = 0;
    g_clear_pointer(&loop.heap, g_ptr_array_unref);
    close(loop.epoll_fd);
    if (loop.signal_fd >= 0)
        close(loop.signal_fd);
    loop = (typeof(loop)){.epoll_fd = -1, .signal_fd = -1};
}
