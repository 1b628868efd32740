/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link/pump.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

/* What the pump told, kept under a lock until the test looks. */
typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t has_ended;
    GByteArray *bytes;
    gboolean is_ended;
    PumpEnd end;
    char *message;
} Record;

static void on_bytes(Pump *pump, const guint8 *bytes, size_t len, void *data)
{
    Record *record = data;

    pthread_mutex_lock(&record->lock);
    g_byte_array_append(record->bytes, bytes, (guint)len);
    pthread_mutex_unlock(&record->lock);
}

static void on_end(Pump *pump, PumpEnd end, const GError *error, void *data)
{
    Record *record = data;

    pthread_mutex_lock(&record->lock);
    record->end = end;
    record->message = error ? g_strdup(error->message) : NULL;
    record->is_ended = TRUE;
    pthread_cond_signal(&record->has_ended);
    pthread_mutex_unlock(&record->lock);
}

static void record_init(Record *record)
{
    memset(record, 0, sizeof *record);
    pthread_mutex_init(&record->lock, NULL);
    pthread_cond_init(&record->has_ended, NULL);
    record->bytes = g_byte_array_new();
}

static void record_clear(Record *record)
{
    g_byte_array_unref(record->bytes);
    g_free(record->message);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Record, record_clear)

static PumpEnd record_wait(Record *record)
{
    pthread_mutex_lock(&record->lock);
    while (!record->is_ended)
        pthread_cond_wait(&record->has_ended, &record->lock);
    pthread_mutex_unlock(&record->lock);
    return record->end;
}

static void frame_append(GByteArray *bytes, guint32 serial, guint32 status, const void *payload,
                         size_t len)
{
    guint32 words[7] = {GUINT32_TO_BE(PUMP_HEADER_SIZE + (guint32)len),
                        GUINT32_TO_BE(0x20008086),
                        GUINT32_TO_BE(1),
                        GUINT32_TO_BE(148),
                        GUINT32_TO_BE(3),
                        GUINT32_TO_BE(serial),
                        GUINT32_TO_BE(status)};

    g_byte_array_append(bytes, (guint8 *)words, sizeof words);
    if (len > 0)
        g_byte_array_append(bytes, payload, (guint)len);
}

static void header_of(guint32 serial, guint8 header[PUMP_HEADER_SIZE])
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    frame_append(bytes, serial, 0, NULL, 0);
    memcpy(header, bytes->data, PUMP_HEADER_SIZE);
}

typedef struct {
    int socket[2]; /* [0] is the pump's */
    int read_fd, write_fd;
    guint8 header[PUMP_HEADER_SIZE];
    Record record;
    PumpEvents events;
} Rig;

static void rig_init(Rig *rig)
{
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, rig->socket), ==, 0);
    g_assert_true(pump_pipe(&rig->read_fd, &rig->write_fd, NULL));
    header_of(9, rig->header);
    record_init(&rig->record);
    rig->events = (PumpEvents){on_bytes, on_end, &rig->record};
}

static void rig_clear(Rig *rig)
{
    fd_clear(&rig->socket[0]);
    fd_clear(&rig->socket[1]);
    record_clear(&rig->record);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Rig, rig_clear)

static void read_all(int fd, guint8 *buffer, size_t len)
{
    for (size_t have = 0; have < len;) {
        ssize_t got = read(fd, buffer + have, len - have);

        g_assert_cmpint(got, >, 0);
        have += (size_t)got;
    }
}

static void write_all(int fd, const guint8 *bytes, size_t len)
{
    g_assert_cmpint(write(fd, bytes, len), ==, (ssize_t)len);
}

/* Reads frames until one that does not carry data; answers the payload and appends other frames to
 * rest. */
static GByteArray *collect(int fd, size_t want, GByteArray *others, size_t *ret_longest)
{
    GByteArray *payload = g_byte_array_new();

    while (payload->len < want) {
        guint8 header[PUMP_HEADER_SIZE];
        g_autofree guint8 *body = NULL;
        guint32 words[7];
        size_t len;

        read_all(fd, header, sizeof header);
        memcpy(words, header, sizeof words);
        len = GUINT32_FROM_BE(words[0]) - PUMP_HEADER_SIZE;
        body = g_malloc(len + 1);
        read_all(fd, body, len);
        if (GUINT32_FROM_BE(words[6]) != 2) {
            g_byte_array_append(others, header, sizeof header);
            continue;
        }
        *ret_longest = MAX(*ret_longest, len);
        g_byte_array_append(payload, body, (guint)len);
    }
    return payload;
}

static void *write_pattern(void *data)
{
    int fd = *(int *)data;
    guint8 block[5000];

    for (unsigned i = 0; i < 1000; i++) {
        memset(block, (int)i, sizeof block);
        write_all(fd, block, sizeof block);
    }
    close(fd);
    return NULL;
}

static void assert_pattern(const GByteArray *payload)
{
    g_assert_cmpuint(payload->len, ==, 5000 * 1000);
    for (unsigned i = 0; i < payload->len; i++)
        if (payload->data[i] != (guint8)(i / 5000))
            g_error("byte %u differs", i);
}

static void out_carries_all_within_the_limit(void)
{
    g_auto(Rig) rig = {0};
    g_autoptr(GByteArray) others = g_byte_array_new();
    g_autoptr(GByteArray) payload = NULL;
    g_autoptr(Pump) pump = NULL;
    g_autoptr(GByteArray) pong = g_byte_array_new();
    size_t longest = 0;
    pthread_t writer;

    rig_init(&rig);
    frame_append(pong, 1, 0, NULL, 0);
    fcntl(rig.socket[0], F_SETFL, O_NONBLOCK);
    pump = pump_start_out(rig.socket[0], rig.read_fd, rig.header, PUMP_PAYLOAD_STOCK, pong->data,
                          pong->len, &rig.events, NULL);
    g_assert_nonnull(pump);
    pthread_create(&writer, NULL, write_pattern, &rig.write_fd);
    pump_send(pump, pong->data, pong->len);
    payload = collect(rig.socket[1], 5000 * 1000, others, &longest);
    pthread_join(writer, NULL);
    g_assert_cmpint(record_wait(&rig.record), ==, PUMP_DRAINED);
    assert_pattern(payload);
    g_assert_cmpuint(longest, <=, PUMP_PAYLOAD_STOCK);
    g_assert_cmpuint(others->len + pump_unsent(pump), ==, 2 * pong->len);
    g_assert_cmpuint(pump_bytes(pump), ==, payload->len);
}

typedef struct {
    int fd;
    const GByteArray *bytes;
} SendJob;

static void *send_all(void *data)
{
    const SendJob *job = data;

    for (size_t done = 0; done < job->bytes->len;) {
        ssize_t sent = write(job->fd, job->bytes->data + done, job->bytes->len - done);

        g_assert_cmpint(sent, >, 0);
        done += (size_t)sent;
    }
    return NULL;
}

static void *send_frames(void *data)
{
    int fd = *(int *)data;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autofree guint8 *block = g_malloc(50000);

    for (unsigned i = 0; i < 1000; i += 10) {
        for (unsigned k = 0; k < 50000; k++)
            block[k] = (guint8)(i + k / 5000);
        frame_append(bytes, 9, 2, block, 50000);
        frame_append(bytes, 10, 2, "other", 5); /* another stream's: not to be carried */
        frame_append(bytes, 9, 2, NULL, 0);
    }
    frame_append(bytes, 9, 0, NULL, 0);
    frame_append(bytes, 77, 0, "after", 5);
    return send_all(&(SendJob){fd, bytes});
}

static void in_carries_one_stream_and_hands_over_the_rest(void)
{
    g_auto(Rig) rig = {0};
    g_autoptr(GByteArray) payload = g_byte_array_new();
    g_autoptr(GByteArray) expected = g_byte_array_new();
    g_autoptr(Pump) pump = NULL;
    guint8 after[PUMP_HEADER_SIZE + 5];
    guint8 early[PUMP_HEADER_SIZE];
    pthread_t sender;

    rig_init(&rig);
    pthread_create(&sender, NULL, send_frames, &rig.socket[1]);
    read_all(rig.socket[0], early, sizeof early); /* the owner has read the first header */
    fcntl(rig.socket[0], F_SETFL, O_NONBLOCK);
    pump = pump_start_in(rig.socket[0], rig.write_fd, rig.header, 50000, &rig.events, NULL);
    g_byte_array_set_size(payload, 5000 * 1000);
    read_all(rig.read_fd, payload->data, payload->len);
    g_assert_cmpint(record_wait(&rig.record), ==, PUMP_STREAM_ENDED);
    pthread_join(sender, NULL);
    assert_pattern(payload);
    for (unsigned i = 0; i < 100; i++)
        frame_append(expected, 10, 2, "other", 5);
    frame_append(expected, 9, 0, NULL, 0);
    g_assert_cmpmem(rig.record.bytes->data, rig.record.bytes->len, expected->data, expected->len);
    fcntl(rig.socket[0], F_SETFL, 0);
    read_all(rig.socket[0], after, sizeof after); /* left for the owner */
    g_assert_cmpmem(after + PUMP_HEADER_SIZE, 5, "after", 5);
    close(rig.read_fd);
}

/* The guest's end comes before the engine's, and abort ends the stream as finish does. */
static void an_abort_closes_the_pipe_first(void)
{
    g_auto(Rig) rig = {0};
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(Pump) pump = NULL;
    guint8 carried[4];

    rig_init(&rig);
    frame_append(bytes, 9, 2, "abc", 3);
    frame_append(bytes, 9, 1, NULL, 0);
    write_all(rig.socket[1], bytes->data, bytes->len);
    pump = pump_start_in(rig.socket[0], rig.write_fd, rig.header, 0, &rig.events, NULL);
    g_assert_cmpint(record_wait(&rig.record), ==, PUMP_STREAM_ENDED);
    g_assert_cmpint(read(rig.read_fd, carried, sizeof carried), ==, 3);
    g_assert_cmpint(read(rig.read_fd, carried, sizeof carried), ==, 0);
    g_assert_cmpuint(rig.record.bytes->len, ==, PUMP_HEADER_SIZE);
    close(rig.read_fd);
}

/* A guest that does not read must not keep the rest of the connection from being read. */
static void stop_throws_the_rest_of_a_frame_away(void)
{
    g_auto(Rig) rig = {0};
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(Pump) pump = NULL;
    g_autofree guint8 *block = g_malloc0(3000000);
    guint8 next[PUMP_HEADER_SIZE];
    pthread_t sender;

    rig_init(&rig);
    fcntl(rig.read_fd, F_SETPIPE_SZ, 4096); /* a page's room, though spliced pages may be larger */
    frame_append(bytes, 9, 2, block, 3000000);
    frame_append(bytes, 3, 0, NULL, 0);
    pthread_create(&sender, NULL, send_all, &(SendJob){rig.socket[1], bytes});
    pump = pump_start_in(rig.socket[0], rig.write_fd, rig.header, 0, &rig.events, NULL);
    while (pump_bytes(pump) == 0)
        g_usleep(1000);
    pump_stop(pump);
    g_assert_cmpint(record_wait(&rig.record), ==, PUMP_STOPPED);
    read_all(rig.socket[0], next, sizeof next);
    g_assert_cmpint(next[23], ==, 3);
    pthread_join(sender, NULL);
    close(rig.read_fd);
}

static void a_guest_that_stops_reading_leaves_the_connection_usable(void)
{
    g_auto(Rig) rig = {0};
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(Pump) pump = NULL;
    guint8 next[PUMP_HEADER_SIZE];
    g_autofree guint8 *block = g_malloc0(100000);

    rig_init(&rig);
    close(rig.read_fd);
    frame_append(bytes, 9, 2, block, 100000);
    frame_append(bytes, 3, 0, NULL, 0);
    write_all(rig.socket[1], bytes->data, bytes->len);
    pump = pump_start_in(rig.socket[0], rig.write_fd, rig.header, 0, &rig.events, NULL);
    g_assert_cmpint(record_wait(&rig.record), ==, PUMP_PIPE_FAILED);
    read_all(rig.socket[0], next, sizeof next);
    g_assert_cmpint(next[23], ==, 3);
}

static void nonsense_and_a_cut_break_it(void)
{
    static const guint32 lengths[] = {0, 27, PUMP_FRAME_MAX + 1, 0xffffffff};

    for (size_t i = 0; i <= G_N_ELEMENTS(lengths); i++) {
        g_auto(Rig) rig = {0};
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        g_autoptr(Pump) pump = NULL;

        rig_init(&rig);
        frame_append(bytes, 9, 2, "abcdef", 6);
        if (i < G_N_ELEMENTS(lengths)) {
            guint32 word = GUINT32_TO_BE(lengths[i]);

            memcpy(bytes->data, &word, sizeof word);
        }
        write_all(rig.socket[1], bytes->data, bytes->len - 1);
        fd_clear(&rig.socket[1]);
        pump = pump_start_in(rig.socket[0], rig.write_fd, rig.header, 0, &rig.events, NULL);
        g_assert_cmpint(record_wait(&rig.record), ==, PUMP_BROKEN);
        g_assert_nonnull(rig.record.message);
        close(rig.read_fd);
    }
}

static void a_peer_that_has_gone_breaks_out(void)
{
    g_auto(Rig) rig = {0};
    g_autoptr(Pump) pump = NULL;

    rig_init(&rig);
    fd_clear(&rig.socket[1]);
    write_all(rig.write_fd, (const guint8 *)"abc", 3);
    pump = pump_start_out(rig.socket[0], rig.read_fd, rig.header, 100, NULL, 0, &rig.events, NULL);
    g_assert_cmpint(record_wait(&rig.record), ==, PUMP_BROKEN);
    close(rig.write_fd);
}

static void it_stops_drains_and_is_freed_when_told(void)
{
    for (int i = 0; i < 6; i++) {
        g_auto(Rig) rig = {0};
        g_autoptr(Pump) pump = NULL;
        gboolean is_out = i < 3;

        rig_init(&rig);
        pump = is_out
                   ? pump_start_out(rig.socket[0], rig.read_fd, rig.header, 100, NULL, 0,
                                    &rig.events, NULL)
                   : pump_start_in(rig.socket[0], rig.write_fd, rig.header, 0, &rig.events, NULL);
        if (i % 3 == 0)
            pump_stop(pump);
        if (i % 3 == 1 && is_out)
            pump_drain(pump);
        if (i % 3 == 1 && !is_out)
            pump_set_paused(pump, TRUE);
        if (i % 3 == 0 || (i % 3 == 1 && is_out))
            g_assert_cmpint(record_wait(&rig.record), ==, i % 3 == 0 ? PUMP_STOPPED : PUMP_DRAINED);
        g_clear_pointer(&pump, pump_free);
        g_assert_true(rig.record.is_ended);
        close(is_out ? rig.write_fd : rig.read_fd);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/link/pump/out-carries-all-within-the-limit",
                    out_carries_all_within_the_limit);
    g_test_add_func("/link/pump/in-carries-one-stream-and-hands-over-the-rest",
                    in_carries_one_stream_and_hands_over_the_rest);
    g_test_add_func("/link/pump/an-abort-closes-the-pipe-first", an_abort_closes_the_pipe_first);
    g_test_add_func("/link/pump/stop-throws-the-rest-of-a-frame-away",
                    stop_throws_the_rest_of_a_frame_away);
    g_test_add_func("/link/pump/a-guest-that-stops-reading-leaves-the-connection-usable",
                    a_guest_that_stops_reading_leaves_the_connection_usable);
    g_test_add_func("/link/pump/nonsense-and-a-cut-break-it", nonsense_and_a_cut_break_it);
    g_test_add_func("/link/pump/a-peer-that-has-gone-breaks-out", a_peer_that_has_gone_breaks_out);
    g_test_add_func("/link/pump/it-stops-drains-and-is-freed-when-told",
                    it_stops_drains_and_is_freed_when_told);
    return g_test_run();
}
