/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a QEMU reports, passed on to who has subscribed, and the watch over its end.
 *
 * Two things tell of the end: the pidfd, and the monitor's end of file.  The guest is lost when
 * both have come, in either order: only a process that is gone cannot run the guest any more, and
 * only a monitor read to its end has told all its events (the last SHUTDOWN, the last MIGRATION
 * status). */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "qemu/answer.h"
#include "qemu/descriptor.h"
#include "qemu/guest-part.h"
#include "qemu/migration.h"
#include "qemu/socket.h"

/* A QEMU that has closed its monitor is on its way out; one that stays cannot be asked or told
 * anything any more. */
#define MONITOR_GONE_MS 5000
/* A process that has ended has closed its end of the monitor; what is left in the socket is read in
 * no time. */
#define DRAIN_MS     2000
#define LOG_CHECK_MS 60000

struct QemuSubscription {
    QemuGuest *guest; /* NULL once dropped */
    const QemuGuestEvents *events;
    void *data;
};

/* --- subscriptions --- */

QemuSubscription *qemu_guest_subscribe(QemuGuest *guest, const QemuGuestEvents *events, void *data)
{
    QemuSubscription *subscription = g_new0(QemuSubscription, 1);

    *subscription = (QemuSubscription){guest, events, data};
    g_ptr_array_add(guest->subscriptions, subscription);
    return subscription;
}

void qemu_guest_unsubscribe(QemuSubscription *subscription)
{
    QemuGuest *guest = subscription ? subscription->guest : NULL;

    if (guest && guest->walks == 0) {
        g_ptr_array_remove(guest->subscriptions, subscription);
    } else if (guest) { /* its slot is swept after the walk */
        unsigned i;
        if (g_ptr_array_find(guest->subscriptions, subscription, &i))
            guest->subscriptions->pdata[i] = NULL;
    }
    g_free(subscription);
}

static void sweep(QemuGuest *guest)
{
    while (g_ptr_array_remove(guest->subscriptions, NULL))
        ;
}

void guest_drop_subscriptions(QemuGuest *guest)
{
    for (unsigned i = 0; i < guest->subscriptions->len; i++)
        ((QemuSubscription *)g_ptr_array_index(guest->subscriptions, i))->guest = NULL;
}

/* Calls fn of every subscription that has it; handlers may drop any of them and the guest. */
#define TELL(guest_, fn_, ...)                                                                     \
    do {                                                                                           \
        g_autoptr(QemuGuest) told_ = qemu_guest_ref(guest_);                                       \
        told_->walks++;                                                                            \
        for (unsigned i_ = 0; i_ < told_->subscriptions->len; i_++) {                              \
            const QemuSubscription *sub_ = g_ptr_array_index(told_->subscriptions, i_);            \
            if (sub_ && sub_->events->fn_)                                                         \
                sub_->events->fn_(told_, ##__VA_ARGS__, sub_->data);                               \
        }                                                                                          \
        if (--told_->walks == 0)                                                                   \
            sweep(told_);                                                                          \
    } while (0)

/* --- events --- */

static void on_stop(QemuGuest *guest, json_object *data)
{
    guest->is_running = FALSE;
    TELL(guest, stopped);
}

static void on_resume(QemuGuest *guest, json_object *data)
{
    guest->is_running = TRUE;
    TELL(guest, resumed);
}

static void on_shutdown(QemuGuest *guest, json_object *data)
{
    guest->is_running = FALSE;
    TELL(guest, shutdown, answer_flag(data, "guest"));
}

static void on_reset(QemuGuest *guest, json_object *data)
{
    TELL(guest, reset, answer_flag(data, "guest"));
}

static void on_panicked(QemuGuest *guest, json_object *data)
{
    TELL(guest, panicked);
}

static void on_suspend(QemuGuest *guest, json_object *data)
{
    TELL(guest, suspended, FALSE);
}

static void on_suspend_disk(QemuGuest *guest, json_object *data)
{
    TELL(guest, suspended, TRUE);
}

static void on_wakeup(QemuGuest *guest, json_object *data)
{
    TELL(guest, woken);
}

static void on_watchdog(QemuGuest *guest, json_object *data)
{
    TELL(guest, watchdog, answer_text(data, "action"));
}

static void on_rtc_change(QemuGuest *guest, json_object *data)
{
    TELL(guest, rtc_changed, json_object_get_int64(answer_get(data, "offset")));
}

static void on_balloon_change(QemuGuest *guest, json_object *data)
{
    TELL(guest, balloon_changed, json_object_get_uint64(answer_get(data, "actual")));
}

static void on_io_error(QemuGuest *guest, json_object *data)
{
    const char *action = answer_text(data, "action");
    const char *device =
        answer_text(data, "qom-path"); /* since QEMU 9.1; before, the device's own name */
    g_autofree char *alias = answer_alias(device[0] ? device : answer_text(data, "device"));
    QemuIoAction kind = strcmp(action, "stop") == 0     ? QEMU_IO_STOP
                        : strcmp(action, "ignore") == 0 ? QEMU_IO_IGNORE
                                                        : QEMU_IO_REPORT;

    TELL(guest, io_error, alias, kind, answer_flag(data, "nospace"), answer_text(data, "reason"));
}

static void on_migration(QemuGuest *guest, json_object *data)
{
    TELL(guest, migration_status, (int)qemu_migration_status_find(answer_text(data, "status")));
}

static void on_migration_pass(QemuGuest *guest, json_object *data)
{
    TELL(guest, migration_pass, json_object_get_uint64(answer_get(data, "pass")));
}

static const struct {
    const char *name;
    void (*handle)(QemuGuest *guest, json_object *data);
} event_kinds[] = {
    {"STOP", on_stop},
    {"RESUME", on_resume},
    {"SHUTDOWN", on_shutdown},
    {"RESET", on_reset},
    {"GUEST_PANICKED", on_panicked},
    {"SUSPEND", on_suspend},
    {"SUSPEND_DISK", on_suspend_disk},
    {"WAKEUP", on_wakeup},
    {"WATCHDOG", on_watchdog},
    {"RTC_CHANGE", on_rtc_change},
    {"BALLOON_CHANGE", on_balloon_change},
    {"BLOCK_IO_ERROR", on_io_error},
    {"MIGRATION", on_migration},
    {"MIGRATION_PASS", on_migration_pass},
};

static void on_event(Monitor *monitor, const MonitorEvent *event, void *data)
{
    g_autoptr(QemuGuest) guest = qemu_guest_ref(data);

    TELL(guest, any, event->name, event->message);
    for (unsigned i = 0; i < G_N_ELEMENTS(event_kinds); i++) {
        if (strcmp(event_kinds[i].name, event->name) == 0)
            event_kinds[i].handle(guest, event->data);
    }
}

/* --- the end --- */

void guest_sweep(QemuGuest *guest)
{
    if (guest->is_swept) /* what stands there now is its successor's */
        return;
    guest->is_swept = TRUE;
    for (unsigned i = 0; i < guest->sockets->len; i++)
        descriptors_remove_socket(g_ptr_array_index(guest->sockets, i));
    qemu_socket_unlisten(guest);
    qemu_socket_clear_place(guest);
    if (guest->cgroup && rmdir(guest->cgroup) < 0 && errno != ENOENT)
        log_warning("cannot remove cgroup '%s' of domain '%s': %s", guest->cgroup, guest->name,
                    g_strerror(errno));
}

static void tell_lost(QemuGuest *guest)
{
    g_autofree char *words = NULL;

    if (guest->is_lost)
        return;
    guest->is_lost = TRUE;
    guest->is_running = FALSE;
    g_clear_pointer(&guest->lost_timer, timer_free);
    g_clear_pointer(&guest->log_timer, timer_free);
    guest_sweep(guest);
    if (guest->monitor)
        monitor_close(guest->monitor); /* nothing comes any more: whoever waits hears so */
    words = guest_log_last_words(guest->log_path, guest->log_start);
    TELL(guest, lost, guest->wait_status, words);
}

static void look_whether_lost(QemuGuest *guest)
{
    if (guest->has_ended && (guest->is_monitor_lost || !guest->monitor))
        tell_lost(guest);
}

static void on_drained(void *data)
{
    tell_lost(data);
}

static void on_end(Process *process, int wait_status, void *data)
{
    g_autoptr(QemuGuest) guest = qemu_guest_ref(data);

    guest->has_ended = TRUE;
    guest->wait_status = wait_status;
    condition_signal(guest->changed);
    g_clear_pointer(&guest->lost_timer, timer_free);
    if (!guest->is_monitor_lost && guest->monitor)
        guest->lost_timer = timer_new(DRAIN_MS, on_drained, guest);
    look_whether_lost(guest);
}

static void on_overstay(void *data)
{
    QemuGuest *guest = data;

    if (guest->has_ended || !guest->process)
        return;
    log_warning("QEMU of domain '%s' (pid %d) has closed its monitor but does not end; killing it",
                guest->name, guest->pid);
    process_kill(guest->process, SIGKILL);
}

static void on_monitor_lost(Monitor *monitor, const GError *reason, void *data)
{
    g_autoptr(QemuGuest) guest = qemu_guest_ref(data);

    guest->is_monitor_lost = TRUE;
    if (!guest->has_ended) {
        log_debug("monitor of domain '%s' lost: %s", guest->name, reason->message);
        guest->lost_timer = timer_new(MONITOR_GONE_MS, on_overstay, guest);
    }
    look_whether_lost(guest);
}

static void on_log_check(void *data)
{
    QemuGuest *guest = data;

    if (guest_log_bound(guest->log_path, &guest->log_start))
        log_warning("QEMU of domain '%s' has filled its log '%s', which was emptied", guest->name,
                    guest->log_path);
    timer_restart(guest->log_timer, LOG_CHECK_MS);
}

gboolean guest_watch(QemuGuest *guest, pid_t pid, guint64 start_time, GError **error)
{
    guest->process = process_watch(pid, start_time, on_end, guest, error);
    if (!guest->process)
        return FALSE;
    guest->pid = pid;
    guest->start_time = start_time ? start_time : process_start_time(pid);
    guest->log_timer = timer_new(LOG_CHECK_MS, on_log_check, guest);
    return TRUE;
}

void guest_open_monitor(QemuGuest *guest, int fd)
{
    guest->monitor = monitor_new(fd);
    guest->reports = monitor_subscribe(guest->monitor, on_event, on_monitor_lost, guest);
}
