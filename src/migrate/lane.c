/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lanes. */
#include "migrate/lane.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "host/address.h"
#include "loop/loop.h"
#include "migrate/greeting.h"

#define ACCEPTS_PER_TURN 16
#define TOLD_MAX 8 /* strangers that get a log line of their own */

typedef struct {
    LaneListener *listener; /* borrows */
    char *peer, *host;      /* with and without the port */
    Greeting *greeting;     /* or, of a stock source and of a proven pact lane: */
    int fd;
    Watch *watch;
    Timer *timer;
} Waiting;

struct LaneListener {
    int fd;
    uint16_t port;
    char *guest;
    gboolean is_stock;
    unsigned channels;   /* that a stock source may open, and has opened: */
    unsigned channels_let_in;
    HelloTerms terms;
    OwnerSide side;
    Watch *watch;
    GPtrArray *waiting;  /* Waiting, oldest first: connected, not yet let in */
    GHashTable *let_in;  /* lanes, as numbers: each comes once */
    unsigned turned_away;
    LaneFunc fn;
    void *data;
};

#define KEEPALIVE_COUNT_MAX 127 /* the kernel's */

static int keepalive_interval_s = 5;
static unsigned keepalive_count = 5;

void lane_set_keepalive(int interval_s, unsigned count)
{
    if (interval_s < 1 || count < 1)
        return; /* clients may stay silent for ever, a lane may not: QEMU would wait as long */
    keepalive_interval_s = interval_s;
    keepalive_count = MIN(count, KEEPALIVE_COUNT_MAX);
}

void lane_tune(int fd)
{
    int on = 1;
    unsigned silence_ms = (unsigned)keepalive_interval_s * (keepalive_count + 1) * 1000;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &keepalive_interval_s, sizeof keepalive_interval_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &keepalive_interval_s, sizeof keepalive_interval_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &keepalive_count, sizeof keepalive_count);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silence_ms, sizeof silence_ms);
}

static void waiting_free(void *data)
{
    Waiting *waiting = data;

    greeting_free(waiting->greeting);
    watch_free(waiting->watch);
    timer_free(waiting->timer);
    fd_clear(&waiting->fd);
    g_free(waiting->peer);
    g_free(waiting->host);
    g_free(waiting);
}

static void say_turned_away(LaneListener *listener, const char *peer, const char *why)
{
    listener->turned_away++;
    if (listener->turned_away <= TOLD_MAX)
        log_warning("closed a connection from %s to the migration port %u of domain '%s': %s%s", peer, listener->port,
                    listener->guest, why,
                    listener->turned_away == TOLD_MAX ? "; of further ones only the number will be told" : "");
}

static void waiting_drop(Waiting *waiting, const char *why)
{
    say_turned_away(waiting->listener, waiting->peer, why);
    g_ptr_array_remove(waiting->listener->waiting, waiting); /* in order: the oldest stays first */
}

static gpointer lane_key(LaneName name)
{
    return GUINT_TO_POINTER((unsigned)name.purpose << 16 | name.number);
}

/* Hands it over.  The listener may be freed by who gets it. */
static void let_in(Waiting *waiting, LaneName name, int connected)
{
    LaneListener *listener = waiting->listener;
    g_autofree char *peer = g_strdup(waiting->peer);

    g_hash_table_add(listener->let_in, lane_key(name));
    g_ptr_array_remove(listener->waiting, waiting);
    listener->fn(name, connected, peer, listener->data);
}

/* The pact lane and what replaces a broken memory stream may come again and again. */
static gboolean is_let_in_once(LaneName name)
{
    return name.purpose != LANE_PACT && !(name.purpose == LANE_MEMORY && name.number == LANE_NUMBER_AGAIN);
}

static void waiting_on_timer(void *data)
{
    waiting_drop(data, "it stayed silent for 10 s");
}

/* The other side has proven several connections of its race, and speaks on the one that it has chosen. */
static void waiting_on_word(int fd, unsigned events, void *data)
{
    Waiting *waiting = data;
    char byte;
    ssize_t got = recv(fd, &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        log_debug("domain '%s': the connection from %s was not the chosen one", waiting->listener->guest, waiting->peer);
        g_ptr_array_remove(waiting->listener->waiting, waiting);
        return;
    }
    g_clear_pointer(&waiting->watch, watch_free); /* before the descriptor can be reused */
    let_in(waiting, greeting_lane(waiting->greeting), fd_steal(&waiting->fd));
}

static void on_greeting(Greeting *greeting, void *data)
{
    Waiting *waiting = data;
    LaneName name = greeting_lane(greeting);

    if (greeting_verdict(greeting) != GREETING_PROVEN) {
        waiting_drop(waiting, greeting_reason(greeting));
    } else if (is_let_in_once(name) && g_hash_table_contains(waiting->listener->let_in, lane_key(name))) {
        waiting_drop(waiting, "this lane is there already");
    } else if (name.purpose == LANE_PACT) {
        waiting->fd = greeting_steal_fd(greeting);
        waiting->watch = watch_new(waiting->fd, EPOLLIN, waiting_on_word, waiting);
        waiting->timer = timer_new(LANE_SILENCE_MS, waiting_on_timer, waiting);
    } else {
        let_in(waiting, name, greeting_steal_fd(greeting));
    }
}

/* --- a stock source: QEMU's magic ----------------------------------------------------------------------------------- */

/* Bytes that are only looked at must not wake us before there are enough of them. */
static void set_low_water(int fd, int bytes)
{
    setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes);
}

static void waiting_on_magic(int fd, unsigned events, void *data)
{
    Waiting *waiting = data;
    LaneListener *listener = waiting->listener;
    LaneName name = {LANE_MEMORY, 0};
    char magic[4];
    ssize_t got = recv(fd, magic, sizeof magic, MSG_PEEK | MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        waiting_drop(waiting, "it ended before QEMU's magic");
        return;
    }
    if (memcmp(magic, LANE_MAGIC_CHANNEL, (size_t)got) == 0) {
        name = (LaneName){LANE_MULTIFD, listener->channels_let_in};
    } else if (memcmp(magic, LANE_MAGIC, (size_t)got) != 0) {
        waiting_drop(waiting, "it does not begin with QEMU's magic");
        return;
    }
    if (got < (ssize_t)sizeof magic) {
        waiting_drop(waiting, "it ended within QEMU's magic"); /* SO_RCVLOWAT: fewer bytes wake us only at the end */
        return;
    }
    if (name.purpose == LANE_MULTIFD ? listener->channels_let_in == listener->channels
                                     : g_hash_table_contains(listener->let_in, lane_key(name))) {
        waiting_drop(waiting, "the guest's memory comes on another connection");
        return;
    }
    listener->channels_let_in += name.purpose == LANE_MULTIFD;
    set_low_water(fd, 1);
    g_clear_pointer(&waiting->watch, watch_free); /* before the descriptor can be reused */
    let_in(waiting, name, fd_steal(&waiting->fd));
}

/* --- accepting ------------------------------------------------------------------------------------------------------ */

/* Who floods the port pushes out his own connections first. */
static void make_room(LaneListener *listener)
{
    Waiting *oldest = NULL;
    unsigned most = 0;

    for (unsigned i = 0; i < listener->waiting->len; i++) {
        Waiting *one = listener->waiting->pdata[i];
        unsigned count = 0;

        for (unsigned k = i; k < listener->waiting->len; k++)
            count += g_str_equal(((Waiting *)listener->waiting->pdata[k])->host, one->host);
        if (count > most) {
            most = count;
            oldest = one;
        }
    }
    if (oldest)
        waiting_drop(oldest, "too many connections wait");
}

static void admit(LaneListener *listener, int accepted, const struct sockaddr_storage *address)
{
    Waiting *waiting = g_new0(Waiting, 1);

    waiting->listener = listener;
    waiting->fd = -1;
    waiting->host = address_format(address);
    waiting->peer = g_strdup_printf("%s port %u", waiting->host, address_port(address));
    lane_tune(accepted);
    if (listener->waiting->len >= LANE_WAITING_MAX + listener->channels)
        make_room(listener);
    g_ptr_array_add(listener->waiting, waiting);
    if (!listener->is_stock) {
        waiting->greeting = greeting_answer(accepted, &listener->terms, listener->side, on_greeting, waiting);
        return;
    }
    waiting->fd = accepted;
    set_low_water(accepted, (int)strlen(LANE_MAGIC));
    waiting->watch = watch_new(accepted, EPOLLIN, waiting_on_magic, waiting);
    waiting->timer = timer_new(LANE_SILENCE_MS, waiting_on_timer, waiting);
}

static void listener_on_connection(int fd, unsigned events, void *data)
{
    LaneListener *listener = data;

    for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct sockaddr_storage address;
        socklen_t len = sizeof address;
        int accepted = accept4(fd, (struct sockaddr *)&address, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (accepted < 0)
            return;
        admit(listener, accepted, &address);
    }
}

LaneListener *lane_listen(const struct sockaddr_storage *address, uint16_t port, PortRange range, const char *guest,
                          GError **error)
{
    g_autoptr(LaneListener) listener = g_new0(LaneListener, 1);

    listener->fd = -1;
    if (!port_listen(address, port, range, &listener->fd, &listener->port, error))
        return NULL;
    listener->guest = g_strdup(guest);
    listener->waiting = g_ptr_array_new_with_free_func(waiting_free);
    listener->let_in = g_hash_table_new(NULL, NULL);
    return g_steal_pointer(&listener);
}

static void expect(LaneListener *listener, LaneFunc fn, void *data)
{
    listener->fn = fn;
    listener->data = data;
    if (!listener->watch)
        listener->watch = watch_new(listener->fd, EPOLLIN, listener_on_connection, listener);
}

void lane_listener_expect(LaneListener *listener, const HelloTerms *terms, OwnerSide side, LaneFunc fn, void *data)
{
    listener->terms = *terms;
    listener->side = side;
    expect(listener, fn, data);
}

void lane_listener_expect_stock(LaneListener *listener, unsigned channels, LaneFunc fn, void *data)
{
    listener->is_stock = TRUE;
    listener->channels = channels;
    expect(listener, fn, data);
}

uint16_t lane_listener_port(const LaneListener *listener)
{
    return listener->port;
}

void lane_listener_free(LaneListener *listener)
{
    if (!listener)
        return;
    if (listener->turned_away > TOLD_MAX)
        log_warning("closed %u connections to the migration port %u of domain '%s' that had no business there",
                    listener->turned_away, listener->port, listener->guest);
    watch_free(listener->watch);
    if (listener->waiting)
        g_ptr_array_free(listener->waiting, TRUE);
    if (listener->let_in)
        g_hash_table_unref(listener->let_in);
    fd_clear(&listener->fd);
    explicit_bzero(&listener->terms, sizeof listener->terms);
    g_free(listener->guest);
    g_free(listener);
}

/* --- to a stock destination ------------------------------------------------------------------------------------------ */

static void connect_on_ready(int fd, unsigned events, void *data)
{
    await_succeed(data);
}

AWAITS static gboolean connect_one(const struct sockaddr_storage *address, int64_t timeout_ms, int *ret_fd,
                                   GError **error)
{
    auto_fd int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int failure = 0;
    socklen_t len = sizeof failure;
    g_autoptr(GError) why = NULL;

    if (fd < 0)
        return error_errno(error, "cannot open a socket");
    lane_tune(fd);
    if (connect(fd, (const struct sockaddr *)address, address_length(address)) < 0) {
        g_autofree char *text = address_format_host(address);
        g_autoptr(Await) ready = NULL;
        g_autoptr(Watch) watch = NULL;

        if (errno != EINPROGRESS)
            return error_errno(error, "unable to connect to server at '%s:%u'", text, address_port(address));
        ready = await_new("the connection");
        watch = watch_new(fd, EPOLLOUT, connect_on_ready, ready);
        if (!await(ready, timeout_ms, &why)) {
            if (!error_is(why, ERROR_OPERATION_TIMEOUT)) {
                g_propagate_error(error, g_steal_pointer(&why));
                return FALSE;
            }
            failure = ETIMEDOUT;
        }
        if (failure || (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &len) == 0 && failure)) {
            errno = failure;
            return error_errno(error, "unable to connect to server at '%s:%u'", text, address_port(address));
        }
    }
    *ret_fd = fd_steal(&fd);
    return TRUE;
}

const char *lane_reason(const GError *error)
{
    const char *colon = strstr(error->message, "': ");

    return colon ? colon + 3 : error->message;
}

AWAITS gboolean lane_connect(const char *host, uint16_t port, int64_t timeout_ms, int *ret_fd, char **ret_address,
                             GError **error)
{
    g_auto(ResolvedName) names = {0};
    g_autoptr(GError) why = NULL;

    if (!host_resolve(host, timeout_ms, &names, &why))
        return error_set(error, error_code(why), "Unable to resolve address '%s' service '%u': %s", host, port,
                         lane_reason(why));
    for (unsigned i = 0; i < names.count; i++) {
        g_clear_error(&why);
        address_set_port(&names.items[i], port);
        if (connect_one(&names.items[i], timeout_ms, ret_fd, &why)) {
            if (ret_address) {
                g_autofree char *literal = address_format_host(&names.items[i]);

                *ret_address = g_strdup_printf("%s:%u", literal, port);
            }
            return TRUE;
        }
        if (error_is(why, ERROR_OPERATION_ABORTED))
            break;
    }
    g_propagate_error(error, g_steal_pointer(&why));
    return FALSE;
}

AWAITS gboolean lane_connect_beside(int fd, int64_t timeout_ms, int *ret_fd, GError **error)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;

    if (getpeername(fd, (struct sockaddr *)&address, &len) < 0)
        return error_errno(error, "cannot open another lane beside the first");
    return connect_one(&address, timeout_ms, ret_fd, error);
}
