/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lanes joined to QEMU's own connections.
 *
 * At the source only the main stream sees the end of a lane.  QEMU 7.2 hangs for good if a channel fails while the main
 * stream waits for all of them (multifd_send_sync_main), and the guest could never be moved again: so channels are spared,
 * and what they still say is thrown away until QEMU has given up by itself. */
#include "migrate/bundle.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "link/join.h"
#include "loop/loop.h"
#include "migrate/lane-kind.h"
#include "qemu/guest.h"
#include "qemu/socket.h"

typedef struct {
    Bundle *bundle; /* borrows */
    LaneName name;
    char *title;
    int fd;           /* until it is joined */
    Watch *watch;     /* destination: waits for its first byte */
    gboolean has_spoken;
    Join *join;
} BundleLane;

struct Bundle {
    unsigned refs; /* the owner's, and one for each join whose end is still to be told */
    OwnerSide side;
    char *guest_name;
    void (*fn)(void *data);
    void *data;
    QemuGuest *guest; /* a reference, from bundle_serve on */
    GPtrArray *lanes;
    int listener;     /* source */
    Watch *watch;
    gboolean is_going; /* destination: QEMU listens */
    gboolean is_stopped;
    char *failure;
    Timer *patience;
    gboolean is_broken;
};

/* Made before a join starts, filled in on its thread, read on the loop. */
typedef struct {
    Bundle *bundle; /* a reference */
    BundleLane *lane;
    JoinEnd end;
    char *reason;
} Ending;

static void lane_free(void *data)
{
    BundleLane *lane = data;

    watch_free(lane->watch);
    join_free(lane->join);
    fd_clear(&lane->fd);
    g_free(lane->title);
    g_free(lane);
}

static void bundle_unref(Bundle *bundle)
{
    if (--bundle->refs > 0)
        return;
    g_ptr_array_unref(bundle->lanes);
    g_free(bundle->guest_name);
    g_free(bundle->failure);
    g_free(bundle);
}

/* --- failures ----------------------------------------------------------------------------------------------------- */

static void on_patience(void *data)
{
    Bundle *bundle = data;

    bundle->is_broken = TRUE;
    bundle->fn(bundle->data);
}

static void stop_joins(Bundle *bundle)
{
    for (unsigned i = 0; i < bundle->lanes->len; i++) {
        const BundleLane *lane = g_ptr_array_index(bundle->lanes, i);

        if (lane->join)
            join_stop(lane->join);
    }
}

static void fail(Bundle *bundle, const BundleLane *lane, const char *reason)
{
    if (bundle->failure) { /* the first one says it all */
        log_debug("domain '%s', lane '%s': %s", bundle->guest_name, lane->title, reason);
        return;
    }
    log_warning("domain '%s', lane '%s': %s", bundle->guest_name, lane->title, reason);
    bundle->failure = g_strdup_printf("lane '%s': %s", lane->title, reason);
    stop_joins(bundle);
    bundle->patience = timer_new(BUNDLE_PATIENCE_MS, on_patience, bundle);
    bundle->fn(bundle->data);
}

static void on_ending(void *data)
{
    Ending *ending = data;
    Bundle *bundle = ending->bundle;

    if (!bundle->is_stopped) {
        if (ending->end == JOIN_FAILED)
            fail(bundle, ending->lane, ending->reason);
        else
            log_debug("domain '%s', lane '%s' has ended after %" G_GUINT64_FORMAT " bytes to QEMU and %" G_GUINT64_FORMAT
                      " from it",
                      bundle->guest_name, ending->lane->title, join_bytes_from_a(ending->lane->join),
                      join_bytes_from_b(ending->lane->join));
    }
    g_free(ending->reason);
    g_free(ending);
    bundle_unref(bundle);
}

/* On the join's thread. */
static void on_join_end(Join *join, JoinEnd end, const GError *error, void *data)
{
    Ending *ending = data;

    ending->end = end;
    ending->reason = error ? g_strdup(error->message) : NULL;
    loop_post(on_ending, ending);
}

/* --- joining ------------------------------------------------------------------------------------------------------ */

/* Takes fd, a connection of QEMU's. */
static void join_lane(BundleLane *lane, int fd)
{
    Bundle *bundle = lane->bundle;
    Ending *ending = g_new0(Ending, 1);
    g_autoptr(GError) error = NULL;

    ending->bundle = bundle;
    ending->lane = lane;
    bundle->refs++;
    lane->join = join_start((JoinSide){fd_steal(&lane->fd), "the lane", FALSE},
                            (JoinSide){fd, "QEMU", bundle->side == SIDE_SOURCE && lane->name.purpose != LANE_MEMORY},
                            on_join_end, ending, &error);
    if (lane->join) {
        if (bundle->failure)
            join_stop(lane->join);
        return;
    }
    bundle->refs--;
    g_free(ending);
    fail(bundle, lane, error->message);
}

static BundleLane *next_unjoined(Bundle *bundle)
{
    for (unsigned i = 0; i < bundle->lanes->len; i++) {
        BundleLane *lane = g_ptr_array_index(bundle->lanes, i);

        if (lane->fd >= 0)
            return lane;
    }
    return NULL;
}

static void stop_listening(Bundle *bundle)
{
    g_clear_pointer(&bundle->watch, watch_free);
    if (bundle->listener >= 0 && bundle->guest)
        qemu_socket_unlisten(bundle->guest);
    fd_clear(&bundle->listener);
}

/* Source: QEMU's first connection is its main stream, the others are all alike. */
static void on_connection(int listener, unsigned events, void *data)
{
    Bundle *bundle = data;
    auto_fd int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return;
    if (!qemu_socket_is_its(bundle->guest, fd)) {
        log_warning("closed a connection to the lanes of domain '%s': it is not from its QEMU", bundle->guest_name);
        return;
    }
    join_lane(next_unjoined(bundle), fd_steal(&fd));
    if (!next_unjoined(bundle))
        stop_listening(bundle);
}

static void connect_lane(BundleLane *lane)
{
    g_autoptr(GError) error = NULL;
    int fd = qemu_socket_connect(lane->bundle->guest, &error);

    if (fd >= 0) {
        join_lane(lane, fd);
        return;
    }
    fd_clear(&lane->fd);
    fail(lane->bundle, lane, error->message);
}

/* Destination: what has something to say and may say it. */
static void connect_ready(Bundle *bundle)
{
    gboolean has_main = FALSE;

    for (unsigned i = 0; i < bundle->lanes->len; i++) {
        BundleLane *lane = g_ptr_array_index(bundle->lanes, i);

        if (lane->name.purpose != LANE_MEMORY)
            continue;
        if (lane->fd >= 0 && lane->has_spoken)
            connect_lane(lane);
        has_main |= lane->join != NULL;
    }
    for (unsigned i = 0; has_main && i < bundle->lanes->len; i++) {
        BundleLane *lane = g_ptr_array_index(bundle->lanes, i);

        if (lane->fd >= 0 && lane->has_spoken)
            connect_lane(lane);
    }
}

static void on_first_byte(int fd, unsigned events, void *data)
{
    BundleLane *lane = data;
    Bundle *bundle = lane->bundle;
    char byte;
    ssize_t got = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    g_clear_pointer(&lane->watch, watch_free);
    if (got <= 0) {
        g_autofree char *reason = got < 0 ? g_strdup_printf("cannot read from it: %s", g_strerror(errno)) : NULL;

        fd_clear(&lane->fd);
        fail(bundle, lane, reason ?: "it ended before it began");
        return;
    }
    lane->has_spoken = TRUE;
    connect_ready(bundle);
}

static void listen_to(BundleLane *lane)
{
    lane->watch = watch_new(lane->fd, EPOLLIN, on_first_byte, lane);
}

/* --- the owner's side --------------------------------------------------------------------------------------------- */

Bundle *bundle_new(OwnerSide side, const char *guest_name, void (*fn)(void *data), void *data)
{
    Bundle *bundle = g_new0(Bundle, 1);

    bundle->refs = 1;
    bundle->side = side;
    bundle->guest_name = g_strdup(guest_name);
    bundle->fn = fn;
    bundle->data = data;
    bundle->lanes = g_ptr_array_new_with_free_func(lane_free);
    bundle->listener = -1;
    return bundle;
}

void bundle_add(Bundle *bundle, LaneName name, int fd)
{
    BundleLane *lane = g_new0(BundleLane, 1);

    lane->bundle = bundle;
    lane->name = name;
    lane->title = lane_name_format(name);
    lane->fd = fd;
    g_ptr_array_insert(bundle->lanes, name.purpose == LANE_MEMORY ? 0 : -1, lane);
    if (bundle->is_stopped)
        fd_clear(&lane->fd);
    else if (bundle->is_going)
        listen_to(lane);
}

AWAITS gboolean bundle_serve(Bundle *bundle, QemuGuest *guest, char **ret_uri, GError **error)
{
    if (!bundle->guest)
        bundle->guest = qemu_guest_ref(guest);
    if (bundle->side == SIDE_DESTINATION)
        return (*ret_uri = qemu_socket_place(guest, error)) != NULL;
    bundle->listener = qemu_socket_listen(guest, ret_uri, error);
    if (bundle->listener < 0)
        return FALSE;
    bundle->watch = watch_new(bundle->listener, EPOLLIN, on_connection, bundle);
    return TRUE;
}

void bundle_go(Bundle *bundle)
{
    bundle->is_going = TRUE;
    for (unsigned i = 0; i < bundle->lanes->len; i++)
        listen_to(g_ptr_array_index(bundle->lanes, i));
}

void bundle_stop(Bundle *bundle)
{
    bundle->is_stopped = TRUE;
    g_clear_pointer(&bundle->patience, timer_free);
    stop_listening(bundle);
    for (unsigned i = 0; i < bundle->lanes->len; i++) {
        BundleLane *lane = g_ptr_array_index(bundle->lanes, i);

        g_clear_pointer(&lane->watch, watch_free);
        fd_clear(&lane->fd);
    }
    stop_joins(bundle);
}

const char *bundle_failure(const Bundle *bundle)
{
    return bundle ? bundle->failure : NULL;
}

gboolean bundle_is_broken(const Bundle *bundle)
{
    return bundle && bundle->is_broken;
}

gboolean bundle_is_whole(const Bundle *bundle)
{
    for (unsigned i = 0; bundle && i < bundle->lanes->len; i++) {
        const BundleLane *lane = g_ptr_array_index(bundle->lanes, i);

        if (!lane->join || join_has_lost(lane->join))
            return FALSE;
    }
    return TRUE;
}

uint64_t bundle_bytes(const Bundle *bundle)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; bundle && i < bundle->lanes->len; i++) {
        const BundleLane *lane = g_ptr_array_index(bundle->lanes, i);

        bytes += lane->join ? join_bytes_from_a(lane->join) + join_bytes_from_b(lane->join) : 0;
    }
    return bytes;
}

void bundle_free(Bundle *bundle)
{
    if (!bundle)
        return;
    bundle_stop(bundle);
    for (unsigned i = 0; i < bundle->lanes->len; i++) /* their threads are over before anything they know of goes */
        g_clear_pointer(&((BundleLane *)g_ptr_array_index(bundle->lanes, i))->join, join_free);
    if (bundle->guest && bundle->side == SIDE_DESTINATION)
        qemu_socket_clear_place(bundle->guest);
    g_clear_pointer(&bundle->guest, qemu_guest_unref);
    bundle_unref(bundle);
}
