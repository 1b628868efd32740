/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How fast the way is, how fast the guest writes, and what follows from the two. */
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "loop/loop.h"
#include "migrate/check.h"
#include "migrate/source.h"
#include "model/guest-def.h"
#include "phase/flags.h"
#include "qemu/guest.h"
#include "qemu/migration.h"

#define SECTION      "forecast"
#define PROBE_US     (1000 * 1000)
#define PROBE_WAIT_MS 1500
#define DRAIN_MS     3000
#define CHUNK        (256 * 1024)
#define RATE_SECONDS 1
#define RATE_WAIT_MS 1020
#define RATE_TRIES   5
#define MIB          (1024 * 1024)

typedef struct {
    int fd;
    uint64_t bytes_per_s;
    Watch *watch; /* destination: until something comes */
    Timer *timer;
} SpeedProbe;

static void probe_free(void *data)
{
    SpeedProbe *probe = data;

    watch_free(probe->watch);
    timer_free(probe->timer);
    fd_clear(&probe->fd);
    g_free(probe);
}

/* On a worker.  Random bytes, so that nothing on the way can compress them. */
static gboolean send_work(void *data, GError **error)
{
    SpeedProbe *probe = data;
    g_autofree uint8_t *chunk = g_malloc(CHUNK);
    const int64_t began_us = g_get_monotonic_time();
    struct pollfd entry = {.fd = probe->fd, .events = POLLOUT};
    int64_t went_us = 0;
    uint64_t sent = 0;
    int unacknowledged = 0;

    for (size_t filled = 0; filled < CHUNK; filled += 256)
        if (getrandom(chunk + filled, 256, 0) != 256)
            break;
    while ((went_us = g_get_monotonic_time() - began_us) < PROBE_US) {
        ssize_t n = send(probe->fd, chunk, CHUNK, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n > 0)
            sent += (uint64_t)n;
        else if (errno != EAGAIN && errno != EINTR)
            return error_errno(error, "the probe broke off");
        else
            poll(&entry, 1, (int)((PROBE_US - went_us) / 1000) + 1);
    }
    if (ioctl(probe->fd, SIOCOUTQ, &unacknowledged) == 0 && (uint64_t)unacknowledged < sent)
        sent -= (uint64_t)unacknowledged;
    probe->bytes_per_s = (uint64_t)((double)sent * 1000000 / (double)went_us);
    return TRUE;
}

AWAITS uint64_t check_speed_send(int fd)
{
    SpeedProbe *probe = g_new0(SpeedProbe, 1);
    g_autoptr(Work) work = NULL;

    probe->fd = fd;
    work = work_new("the probe", send_work, probe, probe_free);
    return work_run(work, PROBE_WAIT_MS, NULL) ? probe->bytes_per_s : 0;
}

/* On a worker. */
static gboolean drain_work(void *data, GError **error)
{
    SpeedProbe *probe = data;
    const int64_t until_us = g_get_monotonic_time() + DRAIN_MS * 1000;
    struct pollfd entry = {.fd = probe->fd, .events = POLLIN};

    for (;;) {
        const int64_t left_ms = (until_us - g_get_monotonic_time()) / 1000;
        ssize_t n;

        if (left_ms <= 0 || poll(&entry, 1, (int)left_ms) == 0)
            return TRUE;
        n = recv(probe->fd, NULL, 4 * MIB, MSG_TRUNC | MSG_DONTWAIT); /* TCP: thrown away in the kernel */
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return TRUE;
    }
}

AWAITS static void drain_task(void *data)
{
    g_autoptr(Work) work = work_new("a probe", drain_work, data, probe_free);

    work_run(work, DRAIN_MS + PROBE_WAIT_MS, NULL);
}

/* Most connections only prove that they can be made: those cost no worker. */
static void drain_on_ready(int fd, unsigned events, void *data)
{
    SpeedProbe *probe = data;
    char byte;

    if (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 1) {
        probe_free(probe);
        return;
    }
    g_clear_pointer(&probe->watch, watch_free);
    g_clear_pointer(&probe->timer, timer_free);
    task_spawn("probe", drain_task, probe, NULL);
}

void check_speed_drain(int fd)
{
    SpeedProbe *probe = g_new0(SpeedProbe, 1);

    probe->fd = fd;
    probe->watch = watch_new(fd, EPOLLIN, drain_on_ready, probe);
    probe->timer = timer_new(DRAIN_MS, probe_free, probe);
}

/* --- the guest --- */

/* Per GiB.  QEMU's own number finds nothing in a small guest, and a fine one costs time in a large one. */
static unsigned sample_pages(const Domain *domain)
{
    return domain->live && domain->live->memory_kib < 4 * MIB ? 4096 : 512;
}

AWAITS void check_speed_dirty(CheckScene *scene, GPtrArray *rows)
{
    g_autoptr(Domain) domain = domain_ref(scene->domain);
    gboolean is_ready = FALSE;

    if (!domain->guest || !scene->peer || !params_find(scene->peer, CHECK_FACT_PORT)) /* no speed to compare it with */
        return;
    if (domain->state == DOMAIN_PAUSED) {
        scene->has_dirty_rate = TRUE;
        return;
    }
    if (!qemu_dirty_rate_start(domain->guest, RATE_SECONDS, sample_pages(domain), NULL)) /* somebody else is at it: his result will do */
        log_debug("domain '%s': QEMU measures its writing already, or cannot", domain->name);
    for (unsigned i = 0; i < RATE_TRIES && !is_ready; i++)
        if (!await_sleep(i ? RATE_WAIT_MS / 20 : RATE_WAIT_MS, NULL) || !domain->guest ||
            !qemu_dirty_rate_query(domain->guest, &is_ready, &scene->dirty_bytes_per_s, NULL))
            return;
    scene->has_dirty_rate = is_ready;
}

/* --- both --- */

static uint64_t guest_bytes(const Domain *domain)
{
    const uint64_t most = domain->live->memory_kib * 1024;
    g_auto(QemuTimes) times = {0};

    return qemu_guest_times(domain->guest, &times) ? MIN(times.rss_kib * 1024, most) : most;
}

static char *speed_text(uint64_t bytes_per_s)
{
    return bytes_per_s >= 10 * MIB ? g_strdup_printf("%" G_GUINT64_FORMAT " MiB/s", bytes_per_s / MIB)
                                   : g_strdup_printf("%.1f MiB/s", (double)bytes_per_s / MIB);
}

AWAITS void check_speed_forecast(const CheckScene *scene, GPtrArray *rows)
{
    Domain *domain = scene->domain;
    const uint64_t limit = params_get_ullong(scene->params, MIGRATE_PARAM_BANDWIDTH, 0) ?: domain->migration_mib;
    ForecastFacts facts = {.dirty_bytes_per_s = scene->dirty_bytes_per_s, .downtime_ms = 300};
    g_autofree char *speed = NULL;
    g_autofree char *writing = NULL;
    g_autofree char *time = NULL;
    Forecast forecast;

    if (!domain->guest || !domain->live)
        return;
    if (!scene->bytes_per_s || !scene->has_dirty_rate) {
        check_rows_add(rows, SECTION, "time", CHECK_UNKNOWN, "%s was not measured",
                       scene->bytes_per_s ? "how fast the guest writes" : "how fast the way is");
        return;
    }
    source_downtime(domain, &facts.downtime_ms, NULL);
    facts.bytes_per_s = limit && limit < MIGRATE_SPEED_MAX ? MIN(scene->bytes_per_s, limit * MIB) : scene->bytes_per_s;
    if (!domain->guest) /* asked for its downtime, and gone meanwhile */
        return;
    facts.ram_bytes = guest_bytes(domain);
    forecast_make(&facts, &forecast);
    speed = speed_text(facts.bytes_per_s);
    writing = speed_text(facts.dirty_bytes_per_s);
    time = forecast.total_ms < 1000 ? g_strdup_printf("%" G_GUINT64_FORMAT " ms", MAX(forecast.total_ms, 1))
                                    : g_strdup_printf("%.1f s", (double)forecast.total_ms / 1000);
    if (forecast.converges)
        check_rows_add(rows, SECTION, "time", CHECK_OK,
                       "about %s for %" G_GUINT64_FORMAT " MiB at %s, while the guest writes %s, standing still for about %"
                       G_GUINT64_FORMAT " ms",
                       time, forecast.bytes / MIB, speed, writing, MAX(forecast.downtime_ms, 1));
    else
        check_rows_add(rows, SECTION, "time", CHECK_WARNING,
                       "it would not come to an end: the guest writes %s, and the way carries %s; migrate when it writes less, "
                       "or let it be paused after a while: --timeout SECONDS",
                       writing, speed);
}
