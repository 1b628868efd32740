/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One running QEMU: its process, its monitor, what it reports and what can be asked of it.  Whether
 * it may run is decided above: nothing here resumes a guest by itself. */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <sys/types.h>

#include "loop/task.h"
#include "qemu/env.h"
#include "qemu/probe.h"

typedef struct GuestDef GuestDef;
typedef struct json_object json_object;
typedef struct QemuGuest QemuGuest;

typedef enum { QEMU_IO_REPORT, QEMU_IO_IGNORE, QEMU_IO_STOP } QemuIoAction;

/* What QEMU reports, on the loop thread, at once: handlers must not await.  Any member may be NULL.
 * A handler may drop its subscription and unref the guest. */
typedef struct {
    void (*stopped)(QemuGuest *guest, void *data);
    void (*resumed)(QemuGuest *guest, void *data);
    void (*shutdown)(QemuGuest *guest, gboolean by_guest,
                     void *data); /* QEMU stays (-no-shutdown), paused */
    void (*reset)(QemuGuest *guest, gboolean by_guest, void *data);
    void (*panicked)(QemuGuest *guest, void *data);
    void (*suspended)(QemuGuest *guest, gboolean to_disk, void *data);
    void (*woken)(QemuGuest *guest, void *data);
    void (*watchdog)(QemuGuest *guest, const char *action, void *data);
    void (*rtc_changed)(QemuGuest *guest, gint64 offset_seconds, void *data);
    void (*balloon_changed)(QemuGuest *guest, guint64 actual_bytes, void *data);
    void (*io_error)(QemuGuest *guest, const char *device /* alias of the disk */,
                     QemuIoAction action, gboolean is_out_of_space, const char *reason, void *data);
    void (*migration_status)(QemuGuest *guest, int status /* QemuMigrationStatus */, void *data);
    void (*migration_pass)(QemuGuest *guest, guint64 pass, void *data);
    /* Every event as QEMU sent it, before the typed ones; event is the whole message, borrowed. */
    void (*any)(QemuGuest *guest, const char *name, json_object *event, void *data);
    /* The process has ended, or its monitor is gone for good; called once, and nothing comes after
     * it.  wait_status is -1 when QEMU is not our child.  last_words: QEMU's last line of output of
     * its own, or "". */
    void (*lost)(QemuGuest *guest, int wait_status, const char *last_words, void *data);
} QemuGuestEvents;

typedef struct QemuSubscription QemuSubscription;
QemuSubscription *qemu_guest_subscribe(QemuGuest *guest, const QemuGuestEvents *events,
                                       void *data); /* borrows events */
void qemu_guest_unsubscribe(QemuSubscription *subscription);

typedef struct {
    const QemuEnv *env; /* borrowed; outlives the guest */
    /* Filled and live; borrowed for the start.  What is only known now (pty paths, tap names,
     * socket paths) is written into it. */
    GuestDef *def;
    int id;               /* of the domain: names per-start files as clients expect */
    gboolean is_incoming; /* -incoming defer, capabilities late-block-activate and return-path */
} QemuStartSpec;

/* Starts QEMU with the guest stopped (-S) and its monitor ready.  The caller has given images to
 * QEMU's user.  On failure no process and no tap is left, and the error ends with QEMU's last
 * words. */
AWAITS QemuGuest *qemu_guest_start(const QemuStartSpec *spec, GError **error);

/* Finds a QEMU that an earlier daemon started.  pid and start_time are what qemu_guest_pid and
 * qemu_guest_start_time said then.  NULL: it has ended.  From now on its end is noticed, but
 * nothing can be asked of it before qemu_guest_meet. */
QemuGuest *qemu_guest_find(const QemuEnv *env, const GuestDef *def, pid_t pid, guint64 start_time,
                           GError **error);
/* Opens its monitor (in run_dir/UUID) and waits until it answers, as long as that takes: a QEMU
 * that is silent is not dead.  Returns what query-status says, for the caller to free.  NULL: it
 * has ended, or has no monitor any more, or timeout_ms (-1: never) is over. */
AWAITS char *qemu_guest_meet(QemuGuest *guest, GuestDef *def, int64_t timeout_ms, GError **error);
/* FALSE between the two, with the sentence that says so. */
gboolean qemu_guest_check_met(const QemuGuest *guest, GError **error);

QemuGuest *qemu_guest_ref(QemuGuest *guest);
void qemu_guest_unref(QemuGuest *guest); /* the last one closes the monitor; QEMU itself goes on */

pid_t qemu_guest_pid(const QemuGuest *guest);
guint64 qemu_guest_start_time(const QemuGuest *guest); /* as loop/child.h's process_start_time */
gboolean qemu_guest_is_lost(const QemuGuest *guest);
const Probe *qemu_guest_probe(const QemuGuest *guest);

/* Run state as events keep it; no question to QEMU. */
gboolean qemu_guest_is_running(const QemuGuest *guest);
/* Some commands pass by what keeps others from being answered (qemu/migration.h). */
gboolean qemu_guest_has_oob(const QemuGuest *guest);
/* Ordinary commands are answered now. */
AWAITS gboolean qemu_guest_answers(QemuGuest *guest);
/* Postcopy: it waits for pages, or will when it touches one that has not come.  Not asked but seen, so that a vCPU that waits with
 * QEMU's lock, and keeps its monitor from answering, can be told from any other silence. */
gboolean qemu_guest_awaits_pages(const QemuGuest *guest);
/* As loop/child.h's process_get_socket. */
int qemu_guest_get_socket(const QemuGuest *guest, guint64 inode, GError **error);
/* query-status: "running", "paused", "inmigrate", "postmigrate" … The caller frees. */
AWAITS char *qemu_guest_query_status(QemuGuest *guest, GError **error);

AWAITS gboolean qemu_guest_cont(QemuGuest *guest, GError **error);
AWAITS gboolean qemu_guest_stop(QemuGuest *guest, GError **error);
AWAITS gboolean qemu_guest_powerdown(QemuGuest *guest, GError **error);
AWAITS gboolean qemu_guest_reset(QemuGuest *guest, GError **error);

/* `quit`, then SIGTERM; at once SIGKILL if is_hard; after graceful_ms SIGKILL.  Waits for the end
 * of the process and for no reply of its monitor.  true also if it has gone already; false if even
 * SIGKILL does not end it (state D), with an error. */
AWAITS gboolean qemu_guest_kill(QemuGuest *guest, gboolean is_hard, int64_t graceful_ms,
                                GError **error);
/* Only sends it: never waits.  The end comes as `lost`. */
void qemu_guest_signal_end(QemuGuest *guest, gboolean is_hard);

/* The pty of a chardev ("charserial0"), as asked at the start, or NULL. */
const char *qemu_guest_pty(const QemuGuest *guest, const char *chardev);

/* Any command, for what has no verb.  args is taken (may be NULL); the result is the caller's
 * (json_object_put). */
AWAITS json_object *qemu_guest_execute(QemuGuest *guest, const char *command, json_object *args,
                                       GError **error);
/* qemu-monitor-command: text in, text out, whole reply as QEMU sent it; is_hmp: through
 * human-monitor-command. */
AWAITS char *qemu_guest_monitor_command(QemuGuest *guest, const char *text, gboolean is_hmp,
                                        GError **error);
guint64
qemu_guest_command_count(const QemuGuest *guest); /* QMP commands since the start, for the bench */

/* Times of a running guest, from /proc, in nanoseconds. */
typedef struct {
    guint64 cpu_ns, user_ns, system_ns; /* of the whole process */
    guint64 *vcpu_ns;                   /* vcpu_count of them, by index */
    guint64 *vcpu_wait_ns;              /* waiting for a processor */
    unsigned vcpu_count;
    guint64 rss_kib;
} QemuTimes;
gboolean qemu_guest_times(QemuGuest *guest, QemuTimes *ret_times);
void qemu_times_clear(QemuTimes *times);

typedef struct {
    char *device; /* alias, "virtio-disk0" */
    guint64 read_requests, read_bytes, read_ns, write_requests, write_bytes, write_ns,
        flush_requests, flush_ns;
    guint64 allocation, capacity, physical;
} QemuBlockStats;
/* query-blockstats for all disks: an array of *ret_count, freed with qemu_block_stats_free. */
AWAITS QemuBlockStats *qemu_guest_block_stats(QemuGuest *guest, unsigned *ret_count,
                                              GError **error);
void qemu_block_stats_free(QemuBlockStats *stats, unsigned count);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(QemuGuest, qemu_guest_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QemuSubscription, qemu_guest_unsubscribe)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(QemuTimes, qemu_times_clear)
