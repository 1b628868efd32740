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

typedef struct {
    LaneListener *listener; /* borrows */
    int fd;
    char *peer;
    Watch *watch;
    Timer *timer;
} Waiting;

struct LaneListener {
    int fd;
    uint16_t port;
    char *guest;
    Watch *watch;
    GPtrArray *waiting; /* Waiting: connected, magic not yet seen */
    LaneFunc fn;
    void *data;
    gboolean has_won;
};

void lane_tune(int fd)
{
    int on = 1, idle_s = 5, interval_s = 5, count = LANE_SILENCE_MS / 1000 / interval_s - 1;
    unsigned silence_ms = LANE_SILENCE_MS;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silence_ms, sizeof silence_ms);
}

static void waiting_free(void *data)
{
    Waiting *waiting = data;

    watch_free(waiting->watch);
    timer_free(waiting->timer);
    fd_clear(&waiting->fd);
    g_free(waiting->peer);
    g_free(waiting);
}

static void waiting_drop(Waiting *waiting, const char *why)
{
    log_warning("closed a connection from %s to the migration port %u of domain '%s': %s", waiting->peer,
                waiting->listener->port, waiting->listener->guest, why);
    g_ptr_array_remove_fast(waiting->listener->waiting, waiting);
}

static void waiting_on_timer(void *data)
{
    waiting_drop(data, "it stayed silent for 10 s");
}

/* Bytes that are only looked at must not wake us before there are enough of them. */
static void set_low_water(int fd, int bytes)
{
    setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes);
}

static void waiting_on_bytes(int fd, unsigned events, void *data)
{
    Waiting *waiting = data;
    LaneListener *listener = waiting->listener;
    char magic[4];
    ssize_t got = recv(fd, magic, sizeof magic, MSG_PEEK | MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        waiting_drop(waiting, "it ended before QEMU's magic");
        return;
    }
    if (memcmp(magic, LANE_MAGIC, (size_t)got) != 0) {
        waiting_drop(waiting, "it does not begin with QEMU's magic");
        return;
    }
    if (got < (ssize_t)sizeof magic) {
        waiting_drop(waiting, "it ended within QEMU's magic"); /* SO_RCVLOWAT: fewer bytes wake us only at the end */
        return;
    }
    listener->has_won = TRUE;
    watch_set_events(listener->watch, 0); /* the port stays taken */
    {
        auto_fd int won = fd_steal(&waiting->fd);
        g_autofree char *peer = g_strdup(waiting->peer);

        set_low_water(won, 1);
        watch_free(g_steal_pointer(&waiting->watch)); /* before the descriptor can be reused */
        g_ptr_array_set_size(listener->waiting, 0);
        listener->fn(fd_steal(&won), peer, listener->data);
    }
}

static void listener_on_connection(int fd, unsigned events, void *data)
{
    LaneListener *listener = data;
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    int accepted = accept4(fd, (struct sockaddr *)&address, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
    Waiting *waiting;

    if (accepted < 0)
        return;
    waiting = g_new0(Waiting, 1);
    waiting->listener = listener;
    waiting->fd = accepted;
    waiting->peer = address_format(&address);
    g_ptr_array_add(listener->waiting, waiting);
    if (listener->has_won || listener->waiting->len > LANE_WAITING_MAX) {
        waiting_drop(waiting, listener->has_won ? "the guest's memory comes on another connection"
                                                : "too many connections wait already");
        return;
    }
    lane_tune(accepted);
    set_low_water(accepted, (int)strlen(LANE_MAGIC));
    waiting->watch = watch_new(accepted, EPOLLIN, waiting_on_bytes, waiting);
    waiting->timer = timer_new(LANE_MAGIC_TIMEOUT_MS, waiting_on_timer, waiting);
}

LaneListener *lane_listen(const struct sockaddr_storage *address, uint16_t port, PortRange range, const char *guest,
                          LaneFunc fn, void *data, GError **error)
{
    g_autoptr(LaneListener) listener = g_new0(LaneListener, 1);

    listener->fd = -1;
    if (!port_listen(address, port, range, &listener->fd, &listener->port, error))
        return NULL;
    listener->guest = g_strdup(guest);
    listener->waiting = g_ptr_array_new_with_free_func(waiting_free);
    listener->fn = fn;
    listener->data = data;
    listener->watch = watch_new(listener->fd, EPOLLIN, listener_on_connection, listener);
    return g_steal_pointer(&listener);
}

uint16_t lane_listener_port(const LaneListener *listener)
{
    return listener->port;
}

void lane_listener_free(LaneListener *listener)
{
    if (!listener)
        return;
    watch_free(listener->watch);
    if (listener->waiting)
        g_ptr_array_free(listener->waiting, TRUE);
    fd_clear(&listener->fd);
    g_free(listener->guest);
    g_free(listener);
}

/* --- the source's side ------------------------------------------------------------------------------------------- */

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
