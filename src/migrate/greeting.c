/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hello on a socket. */
#include "migrate/greeting.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "host/address.h"
#include "loop/loop.h"
#include "migrate/lane.h"

struct Greeting {
    int fd;
    gboolean is_connecting;
    Hello hello;
    Watch *watch;
    Timer *timer;
    GreetingVerdict verdict;
    char *reason;
    int64_t started_us, connected_us, ended_us;
    int failure; /* of a connect that failed at once */
    GreetingFunc fn;
    void *data;
};

const EnumName greeting_verdict_names[] = {
    {"pending", GREETING_PENDING},     {"proven", GREETING_PROVEN},         {"refused", GREETING_REFUSED},
    {"unroutable", GREETING_UNROUTABLE}, {"no answer", GREETING_SILENT},    {"closed", GREETING_ENDED},
    {"other host", GREETING_OTHER},    {"not tried", GREETING_NOT_TRIED},   {NULL},
};

static void conclude(Greeting *greeting, GreetingVerdict verdict, const char *reason)
{
    greeting->verdict = verdict;
    greeting->reason = g_strdup(reason);
    greeting->ended_us = clock_now_us();
    g_clear_pointer(&greeting->watch, watch_free);
    g_clear_pointer(&greeting->timer, timer_free);
    if (verdict != GREETING_PROVEN)
        fd_clear(&greeting->fd);
    greeting->fn(greeting, greeting->data);
}

static void conclude_errno(Greeting *greeting, int number)
{
    GreetingVerdict verdict = GREETING_UNROUTABLE;

    if (number == ECONNREFUSED)
        verdict = GREETING_REFUSED;
    else if (number == ETIMEDOUT)
        verdict = GREETING_SILENT;
    else if (number == ECONNRESET || number == EPIPE)
        verdict = GREETING_ENDED;
    conclude(greeting, verdict, g_strerror(number));
}

static void on_timer(void *data)
{
    Greeting *greeting = data;

    conclude(greeting, GREETING_SILENT, greeting->is_connecting ? g_strerror(ETIMEDOUT) : "it does not finish its hello");
}

/* errno of a failure; 0: written, or to be gone on with later. */
static int write_some(Greeting *greeting)
{
    for (;;) {
        size_t len;
        const uint8_t *bytes = hello_output(&greeting->hello, &len);
        ssize_t done = len ? send(greeting->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return errno == EAGAIN ? 0 : errno;
        if (done == 0)
            return 0;
        hello_written(&greeting->hello, (size_t)done);
    }
}

static gboolean has_output(const Greeting *greeting)
{
    size_t len;

    hello_output(&greeting->hello, &len);
    return len > 0;
}

/* FALSE: it has concluded. */
static gboolean read_some(Greeting *greeting)
{
    uint8_t bytes[sizeof greeting->hello.in];

    while (hello_wanted(&greeting->hello) > 0) {
        ssize_t got = recv(greeting->fd, bytes, hello_wanted(&greeting->hello), MSG_DONTWAIT);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return TRUE;
        if (got < 0) {
            conclude_errno(greeting, errno);
            return FALSE;
        }
        if (got == 0) {
            conclude(greeting, GREETING_ENDED, "it hung up during the hello");
            return FALSE;
        }
        if (hello_feed(&greeting->hello, bytes, (size_t)got) == HELLO_FAILED) {
            conclude(greeting, GREETING_OTHER, greeting->hello.reason);
            return FALSE;
        }
    }
    return TRUE;
}

static void go_on(Greeting *greeting)
{
    int failure = write_some(greeting);

    if (!failure && !read_some(greeting))
        return;
    if (!failure)
        failure = write_some(greeting); /* what the reading made */
    if (failure)
        conclude_errno(greeting, failure);
    else if (greeting->hello.verdict == HELLO_PROVEN && !has_output(greeting))
        conclude(greeting, GREETING_PROVEN, NULL);
    else
        watch_set_events(greeting->watch, EPOLLIN | (has_output(greeting) ? EPOLLOUT : 0));
}

static void on_ready(int fd, unsigned events, void *data)
{
    Greeting *greeting = data;
    int failure = 0;
    socklen_t len = sizeof failure;

    if (greeting->is_connecting) {
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &len) < 0)
            failure = errno;
        if (failure) {
            conclude_errno(greeting, failure);
            return;
        }
        greeting->is_connecting = FALSE;
        greeting->connected_us = clock_now_us();
    }
    go_on(greeting);
}

static Greeting *greeting_new(int fd, const HelloTerms *terms, OwnerSide side, gboolean is_dialer, LaneName lane,
                        int64_t patience_ms, GreetingFunc fn, void *data)
{
    Greeting *greeting = g_new0(Greeting, 1);
    uint8_t nonce[HELLO_NONCE_BYTES];
    ssize_t got = getrandom(nonce, sizeof nonce, 0); /* up to 256 bytes it neither fails nor falls short */

    g_assert(got == sizeof nonce);
    greeting->fd = fd;
    greeting->fn = fn;
    greeting->data = data;
    greeting->started_us = clock_now_us();
    hello_init(&greeting->hello, terms, side, is_dialer, lane, nonce);
    greeting->timer = timer_new(patience_ms, on_timer, greeting);
    return greeting;
}

Greeting *greeting_answer(int fd, const HelloTerms *terms, OwnerSide side, GreetingFunc fn, void *data)
{
    Greeting *greeting = greeting_new(fd, terms, side, FALSE, (LaneName){0}, GREETING_PATIENCE_MS, fn, data);

    greeting->watch = watch_new(fd, EPOLLIN, on_ready, greeting);
    return greeting;
}

/* It failed before it began: the verdict comes from the loop all the same. */
static void on_stillborn(void *data)
{
    Greeting *greeting = data;

    conclude_errno(greeting, greeting->failure);
}

Greeting *greeting_dial(const struct sockaddr_storage *address, const HelloTerms *terms, OwnerSide side, LaneName lane,
                  int64_t patience_ms, GreetingFunc fn, void *data)
{
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    Greeting *greeting;
    int number = errno;

    greeting = greeting_new(fd, terms, side, TRUE, lane, patience_ms, fn, data);
    greeting->is_connecting = TRUE;
    greeting->failure = fd < 0 ? number : 0;
    if (!greeting->failure) {
        lane_tune(fd);
        if (connect(fd, (const struct sockaddr *)address, address_length(address)) < 0 && errno != EINPROGRESS)
            greeting->failure = errno;
    }
    if (greeting->failure) {
        timer_free(greeting->timer);
        greeting->timer = timer_new(0, on_stillborn, greeting);
    } else {
        greeting->watch = watch_new(fd, EPOLLOUT, on_ready, greeting);
    }
    return greeting;
}

GreetingVerdict greeting_verdict(const Greeting *greeting)
{
    return greeting->verdict;
}

const char *greeting_reason(const Greeting *greeting)
{
    return greeting->reason;
}

LaneName greeting_lane(const Greeting *greeting)
{
    return greeting->hello.lane;
}

int64_t greeting_elapsed_us(const Greeting *greeting)
{
    return (greeting->ended_us ?: clock_now_us()) - greeting->started_us;
}

int64_t greeting_round_trip_us(const Greeting *greeting)
{
    return greeting->is_connecting || !greeting->connected_us ? 0 : greeting->connected_us - greeting->started_us;
}

int greeting_steal_fd(Greeting *greeting)
{
    return fd_steal(&greeting->fd);
}

void greeting_free(Greeting *greeting)
{
    if (!greeting)
        return;
    watch_free(greeting->watch);
    timer_free(greeting->timer);
    fd_clear(&greeting->fd);
    hello_clear(&greeting->hello);
    g_free(greeting->reason);
    g_free(greeting);
}
