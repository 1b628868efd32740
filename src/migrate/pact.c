/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pact lane. */
#include "migrate/pact.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/file.h"
#include "loop/loop.h"

#define UNSENT_MAX (64 * 1024) /* words are few: who does not read them is gone */

struct Pact {
    int fd; /* -1: lost */
    Watch *watch;
    Timer *ping;
    GByteArray *in, *out;
    int64_t heard_ms;
    const PactEvents *events;
    void *data;
    gboolean *is_freed; /* set while a callback runs */
};

gboolean pact_parse(const uint8_t *bytes, size_t len, size_t *ret_len, unsigned *ret_kind)
{
    size_t rest;

    *ret_len = 0;
    if (len < PACT_HEAD_BYTES)
        return TRUE;
    rest = (size_t)bytes[2] << 8 | bytes[3];
    if (bytes[0] == 0 || bytes[1] != 0 || rest > PACT_REST_MAX)
        return FALSE;
    if (len < PACT_HEAD_BYTES + rest)
        return TRUE;
    *ret_kind = bytes[0];
    *ret_len = PACT_HEAD_BYTES + rest;
    return TRUE;
}

gboolean pact_parse_lane(const uint8_t *rest, size_t len, LaneName *ret_name)
{
    unsigned number;

    if (len != 3 || !enum_name(lane_purpose_names, rest[0]))
        return FALSE;
    number = (unsigned)rest[1] << 8 | rest[2];
    if (number > HELLO_LANE_NUMBER_MAX)
        return FALSE;
    *ret_name = (LaneName){(LanePurpose)rest[0], number};
    return TRUE;
}

static void lose(Pact *pact, const char *why)
{
    if (pact->fd < 0)
        return;
    g_clear_pointer(&pact->watch, watch_free);
    g_clear_pointer(&pact->ping, timer_free);
    fd_clear(&pact->fd);
    if (pact->events)
        pact->events->lost(why, pact->data);
}

/* errno of a failure; 0: written, or to be gone on with when the watch says so. */
static int send_some(Pact *pact)
{
    while (pact->out->len > 0) {
        ssize_t done = send(pact->fd, pact->out->data, pact->out->len, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0 && errno != EAGAIN)
            return errno;
        if (done < 0)
            break;
        g_byte_array_remove_range(pact->out, 0, (unsigned)done);
    }
    watch_set_events(pact->watch, EPOLLIN | (pact->out->len > 0 ? EPOLLOUT : 0));
    return 0;
}

/* FALSE: lost. */
static gboolean write_some(Pact *pact)
{
    int failure = send_some(pact);

    if (failure)
        lose(pact, g_strerror(failure));
    return !failure;
}

static void append_word(Pact *pact, PactWord word, const void *rest, size_t len)
{
    const uint8_t head[PACT_HEAD_BYTES] = {(uint8_t)word, 0, (uint8_t)(len >> 8), (uint8_t)len};

    g_byte_array_append(pact->out, head, sizeof head);
    g_byte_array_append(pact->out, rest, (unsigned)len);
}

/* FALSE: freed or lost. */
static gboolean hear_words(Pact *pact)
{
    gboolean is_freed = FALSE;
    unsigned kind;
    size_t len;

    while (pact_parse(pact->in->data, pact->in->len, &len, &kind)) {
        g_autofree uint8_t *word = NULL;

        if (len == 0)
            return TRUE;
        word = g_memdup2(pact->in->data, len);
        g_byte_array_remove_range(pact->in, 0, (unsigned)len);
        pact->is_freed = &is_freed;
        if (kind != PACT_PING)
            pact->events->heard((PactWord)kind, word + PACT_HEAD_BYTES, len - PACT_HEAD_BYTES, pact->data);
        if (is_freed)
            return FALSE;
        pact->is_freed = NULL;
    }
    lose(pact, "what comes over it cannot be read");
    return FALSE;
}

static void on_ready(int fd, unsigned events, void *data)
{
    Pact *pact = data;
    uint8_t bytes[1024];
    ssize_t got;

    if ((events & EPOLLOUT) && !write_some(pact))
        return;
    got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        lose(pact, got == 0 ? "the other side has closed it" : g_strerror(errno));
        return;
    }
    pact->heard_ms = clock_now_ms();
    g_byte_array_append(pact->in, bytes, (unsigned)got);
    hear_words(pact);
}

static void on_ping(void *data)
{
    Pact *pact = data;

    timer_restart(pact->ping, PACT_PING_MS);
    pact_say(pact, PACT_PING, NULL, 0);
}

Pact *pact_new(int fd, const PactEvents *events, void *data)
{
    Pact *pact = g_new0(Pact, 1);

    pact->fd = fd;
    pact->in = g_byte_array_new();
    pact->out = g_byte_array_new();
    pact->heard_ms = clock_now_ms();
    pact->events = events;
    pact->data = data;
    pact->watch = watch_new(fd, EPOLLIN, on_ready, pact);
    pact->ping = timer_new(PACT_PING_MS, on_ping, pact);
    append_word(pact, PACT_PING, NULL, 0);
    send_some(pact); /* of a failure the watch will tell */
    return pact;
}

void pact_free(Pact *pact)
{
    if (!pact)
        return;
    if (pact->is_freed)
        *pact->is_freed = TRUE;
    pact->events = NULL;
    lose(pact, NULL);
    g_byte_array_unref(pact->in);
    g_byte_array_unref(pact->out);
    g_free(pact);
}

void pact_say(Pact *pact, PactWord word, const void *rest, size_t len)
{
    if (!pact || pact->fd < 0)
        return;
    g_assert(len <= PACT_REST_MAX);
    if (pact->out->len + PACT_HEAD_BYTES + len > UNSENT_MAX) {
        lose(pact, "the other side does not read");
        return;
    }
    append_word(pact, word, rest, len);
    write_some(pact);
}

void pact_ask_lane(Pact *pact, LaneName name)
{
    uint8_t rest[] = {(uint8_t)name.purpose, (uint8_t)(name.number >> 8), (uint8_t)name.number};

    pact_say(pact, PACT_DIAL, rest, sizeof rest);
}

gboolean pact_is_lost(const Pact *pact)
{
    return !pact || pact->fd < 0;
}

int64_t pact_heard_ms(const Pact *pact)
{
    return pact->heard_ms;
}
