/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link/join.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"

#define MANY (8 * 1024 * 1024)

/* How it ended, kept under a lock until the test looks. */
typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned ends;
    JoinEnd end;
    char *message;
} Record;

static void on_end(Join *join, JoinEnd end, const GError *error, void *data)
{
    Record *record = data;

    pthread_mutex_lock(&record->lock);
    record->ends++;
    record->end = end;
    record->message = error ? g_strdup(error->message) : NULL;
    pthread_cond_signal(&record->changed);
    pthread_mutex_unlock(&record->lock);
}

static JoinEnd record_wait(Record *record)
{
    JoinEnd end;

    pthread_mutex_lock(&record->lock);
    while (record->ends == 0)
        pthread_cond_wait(&record->changed, &record->lock);
    end = record->end;
    pthread_mutex_unlock(&record->lock);
    return end;
}

/* far ═ TCP ═ near  join  near ═ unix ═ far */
typedef struct {
    int lane, local; /* the far ends: the other host's, and QEMU's */
    Record record;
    Join *join;
} Rig;

static void tcp_pair(int pair[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    auto_fd int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(bind(listener, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint(listen(listener, 1), ==, 0);
    g_assert_cmpint(getsockname(listener, (struct sockaddr *)&address, &len), ==, 0);
    pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(connect(pair[0], (struct sockaddr *)&address, sizeof address), ==, 0);
    pair[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    g_assert_cmpint(pair[1], >=, 0);
}

static void rig_init_sparing(Rig *rig, gboolean is_spared)
{
    int tcp[2], local[2];
    g_autoptr(GError) error = NULL;

    memset(rig, 0, sizeof *rig);
    pthread_mutex_init(&rig->record.lock, NULL);
    pthread_cond_init(&rig->record.changed, NULL);
    tcp_pair(tcp);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, local), ==, 0);
    rig->lane = tcp[0];
    rig->local = local[0];
    rig->join = join_start((JoinSide){tcp[1], "the lane", FALSE},
                           (JoinSide){local[1], "QEMU", is_spared}, on_end, &rig->record, &error);
    g_assert_no_error(error);
}

static void rig_init(Rig *rig)
{
    rig_init_sparing(rig, FALSE);
}

static void rig_clear(Rig *rig)
{
    join_free(rig->join);
    g_assert_cmpuint(rig->record.ends, ==, 1);
    g_free(rig->record.message);
    fd_clear(&rig->lane);
    fd_clear(&rig->local);
    pthread_mutex_destroy(&rig->record.lock);
    pthread_cond_destroy(&rig->record.changed);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Rig, rig_clear)

static guint8 pattern(size_t at, unsigned seed)
{
    return (guint8)(at * 31 + (at >> 12) * 7 + seed);
}

typedef struct {
    int fd;
    unsigned seed;
    size_t len;
} Traffic;

/* In pieces that never fit anything evenly. */
static void *send_pattern(void *data)
{
    const Traffic *traffic = data;
    guint8 piece[70001];

    for (size_t done = 0; done < traffic->len;) {
        size_t len = MIN(sizeof piece, traffic->len - done);

        for (size_t i = 0; i < len; i++)
            piece[i] = pattern(done + i, traffic->seed);
        for (size_t out = 0; out < len;) {
            ssize_t sent = send(traffic->fd, piece + out, len - out, MSG_NOSIGNAL);

            g_assert_cmpint(sent, >, 0);
            out += (size_t)sent;
        }
        done += len;
    }
    shutdown(traffic->fd, SHUT_WR);
    return NULL;
}

/* To the end of the stream, which is where it is expected. */
static void *receive_pattern(void *data)
{
    const Traffic *traffic = data;
    guint8 piece[65536];
    size_t done = 0;

    for (;;) {
        ssize_t got = recv(traffic->fd, piece, sizeof piece, 0);

        g_assert_cmpint(got, >=, 0);
        if (got == 0)
            break;
        for (ssize_t i = 0; i < got; i++)
            if (piece[i] != pattern(done + (size_t)i, traffic->seed))
                g_error("byte %zu differs", done + (size_t)i);
        done += (size_t)got;
    }
    g_assert_cmpuint(done, ==, traffic->len);
    return NULL;
}

static void both_directions_arrive_whole_and_end(void)
{
    g_auto(Rig) rig = {0};
    pthread_t threads[4];

    rig_init(&rig);
    Traffic there = {rig.local, 1, MANY}, here = {rig.lane, 1, MANY};
    Traffic back = {rig.lane, 2, MANY / 2}, home = {rig.local, 2, MANY / 2};
    pthread_create(&threads[0], NULL, send_pattern, &there);
    pthread_create(&threads[1], NULL, receive_pattern, &here);
    pthread_create(&threads[2], NULL, send_pattern, &back);
    pthread_create(&threads[3], NULL, receive_pattern, &home);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    g_assert_cmpint(record_wait(&rig.record), ==, JOIN_ENDED);
    g_assert_null(rig.record.message);
    g_assert_cmpuint(join_bytes_from_b(rig.join), ==, MANY);
    g_assert_cmpuint(join_bytes_from_a(rig.join), ==, MANY / 2);
}

static void answer(int from, int to, char byte)
{
    char got = 0;

    g_assert_cmpint(send(from, &byte, 1, MSG_NOSIGNAL), ==, 1);
    g_assert_cmpint(recv(to, &got, 1, MSG_WAITALL), ==, 1);
    g_assert_cmpint(got, ==, byte);
}

static void the_end_of_one_direction_leaves_the_other_open(void)
{
    for (int i = 0; i < 2; i++) {
        g_auto(Rig) rig = {0};
        char byte;

        rig_init(&rig);
        int ends = i ? rig.lane : rig.local, stays = i ? rig.local : rig.lane;
        answer(ends, stays, 'a');
        shutdown(ends, SHUT_WR);
        g_assert_cmpint(recv(stays, &byte, 1, 0), ==, 0);
        answer(stays, ends, 'b');
        shutdown(stays, SHUT_WR);
        g_assert_cmpint(recv(ends, &byte, 1, 0), ==, 0);
        g_assert_cmpint(record_wait(&rig.record), ==, JOIN_ENDED);
    }
}

static int64_t cpu_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Each of these leaves a socket ready for something that the join does not want now: hung up while
 * the other direction stays open; full while more waits to be read.  Nothing may come, so the only
 * thing to wait for is time. */
static void waiting_costs_nothing(void)
{
    for (int i = 0; i < 3; i++) {
        g_auto(Rig) rig = {0};
        g_autofree guint8 *block = g_malloc0(1024 * 1024);
        struct pollfd quiet = {.events = POLLOUT};
        char byte;
        int64_t before;

        rig_init(&rig);
        if (i == 0) {
            fd_clear(&rig.local);
            g_assert_cmpint(recv(rig.lane, &byte, 1, 0), ==, 0);
            quiet = (struct pollfd){.fd = rig.lane, .events = 0};
        } else {
            quiet.fd = i == 1 ? rig.lane : rig.local;
            while (poll(&quiet, 1, 50) > 0) /* until the receiver, who does not read, is felt */
                send(quiet.fd, block, 1024 * 1024, MSG_DONTWAIT | MSG_NOSIGNAL);
        }
        before = cpu_us();
        g_assert_cmpint(poll(&quiet, 1, 200), ==, 0);
        g_assert_cmpint(cpu_us() - before, <, 50 * 1000);
        join_stop(rig.join);
        record_wait(&rig.record);
    }
}

static void stop_ends_both_at_once(void)
{
    for (int i = 0; i < 2; i++) {
        g_auto(Rig) rig = {0};
        g_autofree guint8 *block = g_malloc0(MANY);
        char byte;

        rig_init(&rig);
        answer(rig.local, rig.lane, 'x');
        if (i == 1) /* nobody reads it: the flow waits for room */
            send(rig.local, block, MANY, MSG_DONTWAIT | MSG_NOSIGNAL);
        join_stop(rig.join);
        join_stop(rig.join);
        g_assert_cmpint(record_wait(&rig.record), ==, JOIN_STOPPED);
        g_assert_null(rig.record.message);
        g_assert_cmpint(recv(rig.local, &byte, 1, 0), ==, 0);
        while (recv(rig.lane, block, MANY, 0) > 0)
            ;
    }
}

static void freeing_one_that_runs_stops_it(void)
{
    Rig rig;

    rig_init(&rig);
    answer(rig.local, rig.lane, 'x');
    rig_clear(&rig);
}

/* Closed with bytes unread: the other host has given up. */
static void a_reset_ends_the_other_side(void)
{
    for (int i = 0; i < 2; i++) {
        g_auto(Rig) rig = {0};
        char byte;

        rig_init(&rig);
        answer(rig.local, rig.lane, 'x');
        int *goes = i ? &rig.lane : &rig.local;
        int stays = i ? rig.local : rig.lane;
        struct pollfd comes = {.fd = *goes, .events = POLLIN};

        g_assert_cmpint(send(stays, "y", 1, MSG_NOSIGNAL), ==, 1);
        g_assert_cmpint(poll(&comes, 1, -1), ==, 1);
        fd_clear(goes);
        g_assert_cmpint(record_wait(&rig.record), ==, JOIN_FAILED);
        g_assert_nonnull(strstr(rig.record.message, i ? "the lane" : "QEMU"));
        g_assert_cmpint(recv(stays, &byte, 1, 0), <=, 0);
    }
}

/* Whatever becomes of the lane, QEMU goes on talking to a wall that never lets it wait. */
static void a_spared_side_sees_no_end(void)
{
    for (int i = 0; i < 3; i++) {
        g_auto(Rig) rig = {0};
        g_autofree guint8 *block = g_malloc0(MANY);
        struct pollfd quiet = {.events = POLLIN};
        char byte;

        rig_init_sparing(&rig, TRUE);
        answer(rig.local, rig.lane, 'x');
        answer(rig.lane, rig.local, 'y');
        g_assert_false(join_has_lost(rig.join));
        if (i == 0) {
            join_stop(rig.join);
        } else if (i == 1) {
            struct linger hard = {.l_onoff = 1};

            setsockopt(rig.lane, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
            fd_clear(&rig.lane);
        } else {
            shutdown(rig.lane, SHUT_WR); /* the other host says nothing more, and still listens */
            g_assert_cmpint(send(rig.local, "z", 1, MSG_NOSIGNAL), ==, 1);
            g_assert_cmpint(recv(rig.lane, &byte, 1, 0), ==, 1);
            fd_clear(&rig.lane);
        }
        for (size_t sent = 0; sent < MANY;) {
            ssize_t len = send(rig.local, block, MANY - sent, MSG_NOSIGNAL);

            g_assert_cmpint(len, >, 0);
            sent += (size_t)len;
        }
        g_assert_cmpint(record_wait(&rig.record), ==, i == 0 ? JOIN_STOPPED : JOIN_FAILED);
        g_assert_true(join_has_lost(rig.join));
        quiet.fd = rig.local;
        g_assert_cmpint(poll(&quiet, 1, 0), ==, 0); /* neither a byte nor an end */
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/link/join/both-directions-arrive-whole-and-end",
                    both_directions_arrive_whole_and_end);
    g_test_add_func("/link/join/the-end-of-one-direction-leaves-the-other-open",
                    the_end_of_one_direction_leaves_the_other_open);
    g_test_add_func("/link/join/waiting-costs-nothing", waiting_costs_nothing);
    g_test_add_func("/link/join/stop-ends-both-at-once", stop_ends_both_at_once);
    g_test_add_func("/link/join/freeing-one-that-runs-stops-it", freeing_one_that_runs_stops_it);
    g_test_add_func("/link/join/a-reset-ends-the-other-side", a_reset_ends_the_other_side);
    g_test_add_func("/link/join/a-spared-side-sees-no-end", a_spared_side_sees_no_end);
    return g_test_run();
}
