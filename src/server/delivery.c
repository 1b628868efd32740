/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Deliveries: has a reply arrived where the client is?
 *
 * A reply that was written may still be lost on the way, and for most calls that does not matter.
 * For one that gives something away it does: what follows must wait until the client's kernel has
 * acknowledged every byte.  Nobody tells us that, so the kernel is asked in short steps (SIOCOUTQ),
 * and whenever anything comes from that client.  A unix peer's kernel is our own: what is written
 * has arrived.
 *
 * The question outlives the connection: a descriptor of its own keeps the socket, which goes on
 * sending, until the bytes are acknowledged or TCP has given up. */
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "server/server-private.h"

#define STEP_MIN_MS 1
#define STEP_MAX_MS 200
#define NOT_KNOWN   UINT64_MAX
#define DELIVERY_PATIENCE_MS (15 * 60 * 1000)

struct Delivery {
    GList link;
    Caller *caller; /* borrowed; NULL: it has gone, and only the kernel knows */
    int fd;         /* -1: the peer is local */
    uint64_t begin; /* what had been written to the client before the reply */
    uint64_t end;   /* and with it; NOT_KNOWN: the socket has not taken all of it yet */
    uint64_t written;
    int64_t started_ms;
    Timer *timer;
    CallDeliveryFunc fn;
    void *data;
};

/* Silence for so long ends the connection, and with it the question. */
static void set_patience(const Delivery *delivery, unsigned patience_ms)
{
    setsockopt(delivery->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience_ms, sizeof patience_ms);
}

static void delivery_settle(Delivery *delivery, CallDelivery outcome)
{
    CallDeliveryFunc fn = delivery->fn;
    void *data = delivery->data;

    if (delivery->fd >= 0)
        set_patience(delivery, SILENT_TCP_MS);
    if (delivery->caller)
        g_queue_unlink(&delivery->caller->deliveries, &delivery->link);
    timer_free(delivery->timer);
    fd_clear(&delivery->fd);
    g_free(delivery);
    fn(outcome, data);
}

/* A client that has nothing to say keeps its acknowledgement back for some 40 ms.  A window probe (a segment that repeats
 * an old byte's number) is answered at once, and the answer acknowledges all that has come.  Turning the repair mode off
 * sends one; that the mode is off already does not matter.  It needs CAP_NET_ADMIN; without, we wait those 40 ms.  It also
 * forgets that the address may be used again, which the next daemon would miss. */
static void ask_at_once(const Delivery *delivery)
{
    const int off = 0, on = 1;

    if (setsockopt(delivery->fd, IPPROTO_TCP, TCP_REPAIR, &off, sizeof off) == 0)
        setsockopt(delivery->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
}

static void note_written(Delivery *delivery)
{
    const Caller *caller = delivery->caller;

    delivery->written = caller->written;
    if (delivery->end != NOT_KNOWN || rpc_connection_unsent(caller->conn) > 0)
        return;
    delivery->end = caller->written;
    if (delivery->fd >= 0)
        ask_at_once(delivery);
}

static gboolean is_acknowledged(const Delivery *delivery)
{
    int unacknowledged = 0;

    if (delivery->end == NOT_KNOWN)
        return FALSE;
    if (delivery->fd < 0)
        return TRUE;
    return ioctl(delivery->fd, SIOCOUTQ, &unacknowledged) == 0 &&
           delivery->written - (uint64_t)unacknowledged >= delivery->end;
}

/* The kernel will never hear more: reset, or given up. */
static gboolean is_over(const Delivery *delivery)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;

    if (delivery->end == NOT_KNOWN || delivery->fd < 0)
        return delivery->caller == NULL;
    return getsockopt(delivery->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 ||
           info.tcpi_state == TCP_CLOSE;
}

/* The state is asked before the bytes: what was acknowledged before the end counts. */
static void delivery_look(Delivery *delivery)
{
    gboolean was_over = is_over(delivery);

    if (delivery->caller)
        note_written(delivery);
    if (is_acknowledged(delivery))
        delivery_settle(delivery, CALL_DELIVERED);
    else if (was_over)
        delivery_settle(delivery,
                        delivery->written > delivery->begin ? CALL_DELIVERY_UNKNOWN : CALL_UNSENT);
}

static void on_timer(void *data)
{
    Delivery *delivery = data;
    int64_t age_ms = clock_now_ms() - delivery->started_ms;

    timer_restart(delivery->timer, CLAMP(age_ms / 10, STEP_MIN_MS, STEP_MAX_MS));
    delivery_look(delivery);
}

void delivery_begin(Caller *caller, CallDeliveryFunc fn, void *data)
{
    Delivery *delivery = g_new0(Delivery, 1);

    delivery->link.data = delivery;
    delivery->caller = caller;
    delivery->fd = -1;
    delivery->begin = delivery->written = caller->written;
    delivery->end = NOT_KNOWN;
    delivery->started_ms = clock_now_ms();
    delivery->fn = fn;
    delivery->data = data;
    if (!caller->is_local) {
        delivery->fd = fcntl(caller->link->fd, F_DUPFD_CLOEXEC, 3);
        set_patience(delivery, DELIVERY_PATIENCE_MS);
    }
    g_queue_push_tail_link(&caller->deliveries, &delivery->link);
    delivery->timer = timer_new(STEP_MIN_MS, on_timer, delivery);
}

void deliveries_look(Caller *caller)
{
    GList *next;

    for (GList *link = caller->deliveries.head; link; link = next) {
        next = link->next;
        delivery_look(link->data);
    }
}

/* Before its socket is closed. */
void deliveries_leave(Caller *caller)
{
    GList *next;

    for (GList *link = caller->deliveries.head; link; link = next) {
        Delivery *delivery = link->data;

        next = link->next;
        note_written(delivery);
        g_queue_unlink(&caller->deliveries, link);
        delivery->caller = NULL;
        delivery_look(delivery);
    }
}
