/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What QEMU reports.  Handlers run on the loop thread and must not await: what takes longer is a
 * task of its own, which looks again when its turn comes. */
#include "domain/report.h"

#include <json-c/json.h>

#include "base/enum.h"
#include "base/log.h"
#include "domain/domain.h"
#include "domain/event.h"
#include "model/guest-def.h"
#include "qemu/guest.h"

/* --- stop and go --- */

static int take_next(int *next, int fallback)
{
    const int reason = *next;

    *next = -1;
    return reason >= 0 ? reason : fallback;
}

void report_stopped(Domain *domain)
{
    if (domain->is_powering_off || domain->state != DOMAIN_RUNNING)
        return;
    const PausedReason reason = take_next(&domain->next_stop, domain->stop_reason);

    domain_set_state(domain, DOMAIN_PAUSED, reason);
    event_emit_lifecycle(domain, LIFECYCLE_SUSPENDED, suspended_detail(reason));
}

void report_resumed(Domain *domain)
{
    if (domain->state == DOMAIN_RUNNING)
        return;
    const RunningReason reason = take_next(&domain->next_resume, domain->resume_reason);

    domain->is_powering_off = FALSE;
    domain_set_state(domain, DOMAIN_RUNNING, reason);
    event_emit_lifecycle(domain, LIFECYCLE_RESUMED, resumed_detail(reason));
}

static void on_stopped(QemuGuest *guest, void *data)
{
    report_stopped(data);
}

static void on_resumed(QemuGuest *guest, void *data)
{
    report_resumed(data);
}

/* --- the guest's own power switch --- */

/* Reset and go on: a reboot that was asked for, or on_poweroff restart.  Takes no job: the guest is
 * stopped by itself, and whoever holds the job learns of it as of any other report. */
static AWAITS void restart_guest(void *data)
{
    Domain *domain = data;
    g_autoptr(GError) error = NULL;

    if (!domain->guest || !domain->is_powering_off)
        return;
    g_autoptr(QemuGuest) guest = qemu_guest_ref(domain->guest);

    if (!owner_gate_check(domain, OWNER_VERB_REBOOT, &error)) {
        log_warning("domain '%s' stays powered off: %s", domain->name, error->message);
        return;
    }
    if (!qemu_guest_reset(guest, &error) || !domain_run(domain, RUNNING_BOOTED, &error)) {
        log_warning("domain '%s' could not be restarted and is ended: %s", domain->name,
                    error->message);
        domain_add_message(domain, "the restart failed: %s", error->message);
        domain_kill(domain, SHUTOFF_FAILED, FALSE, NULL);
    }
}

static AWAITS void end_guest(void *data)
{
    Domain *domain = data;
    g_autoptr(GError) error = NULL;

    if (domain->guest && domain->planned_end >= 0 &&
        !domain_kill(domain, domain->planned_end, FALSE, &error))
        log_error("domain '%s': %s", domain->name, error->message);
}

static void end_or_restart(Domain *domain, GuestAction action, ShutoffReason reason)
{
    switch (action) {
    case GUEST_ACTION_PRESERVE:
        return;
    case GUEST_ACTION_RESTART:
        task_spawn("restart-guest", restart_guest, domain_ref(domain),
                   (GDestroyNotify)domain_unref);
        return;
    default:
        domain->planned_end = reason;
        domain_save_status(domain);
        task_spawn("end-guest", end_guest, domain_ref(domain), (GDestroyNotify)domain_unref);
    }
}

static void on_shutdown(QemuGuest *guest, gboolean by_guest, void *data)
{
    Domain *domain = data;
    const gboolean is_reboot = domain->wants_restart && domain->planned_end < 0;

    if (domain->is_powering_off)
        return;
    domain->is_powering_off = TRUE;
    domain->wants_restart = FALSE;
    if (is_reboot) {
        const DomainEvent event = {.kind = EVENT_REBOOT, .domain = domain};

        event_emit(&event);
        domain_set_state(domain, DOMAIN_PAUSED, PAUSED_SHUTTING_DOWN);
        end_or_restart(domain, GUEST_ACTION_RESTART, SHUTOFF_SHUTDOWN);
        return;
    }
    domain_set_state(domain, DOMAIN_SHUTDOWN, 0);
    event_emit_lifecycle(domain, LIFECYCLE_SHUTDOWN, by_guest ? SHUTDOWN_GUEST : SHUTDOWN_HOST);
    if (domain->planned_end >=
        0) /* our own SIGTERM: its end is on the way, whatever on_poweroff says */
        return;
    end_or_restart(domain, domain->live->on_poweroff, SHUTOFF_SHUTDOWN);
}

static void on_reset(QemuGuest *guest, gboolean by_guest, void *data)
{
    Domain *domain = data;
    const DomainEvent event = {.kind = EVENT_REBOOT, .domain = domain};

    if (domain->is_incoming)
        return;
    event_emit(&event);
    if (by_guest && domain->live->on_reboot == GUEST_ACTION_DESTROY)
        end_or_restart(domain, GUEST_ACTION_DESTROY, SHUTOFF_SHUTDOWN);
}

static void on_panicked(QemuGuest *guest, void *data)
{
    Domain *domain = data;

    domain->is_powering_off = TRUE;
    domain_set_state(domain, DOMAIN_CRASHED, CRASHED_PANICKED);
    event_emit_lifecycle(domain, LIFECYCLE_CRASHED, 0);
    end_or_restart(domain, domain->live->on_crash, SHUTOFF_CRASHED);
}

static void on_suspended(QemuGuest *guest, gboolean to_disk, void *data)
{
    Domain *domain = data;
    const DomainEvent event = {.kind = to_disk ? EVENT_PMSUSPEND_DISK : EVENT_PMSUSPEND,
                               .domain = domain};

    if (!to_disk)
        domain_set_state(domain, DOMAIN_PMSUSPENDED, 0);
    event_emit_lifecycle(domain, LIFECYCLE_PMSUSPENDED, to_disk);
    event_emit(&event);
}

static void on_woken(QemuGuest *guest, void *data)
{
    Domain *domain = data;
    const DomainEvent event = {.kind = EVENT_PMWAKEUP, .domain = domain};

    if (domain->state == DOMAIN_PMSUSPENDED)
        domain_set_state(domain, DOMAIN_RUNNING, RUNNING_WAKEUP);
    event_emit_lifecycle(domain, LIFECYCLE_STARTED, STARTED_WAKEUP);
    event_emit(&event);
}

/* --- smaller news --- */

static const EnumName watchdog_actions[] = {
    /* wire values */
    {"none", 0},     {"pause", 1}, {"reset", 2},      {"poweroff", 3},
    {"shutdown", 4}, {"debug", 5}, {"inject-nmi", 6}, {NULL, 0},
};

static void on_watchdog(QemuGuest *guest, const char *action, void *data)
{
    Domain *domain = data;
    DomainEvent event = {.kind = EVENT_WATCHDOG, .domain = domain};

    enum_find(watchdog_actions, action, &event.event);
    if (g_str_equal(action, "pause"))
        domain->next_stop = PAUSED_WATCHDOG;
    event_emit(&event);
}

static void on_rtc_changed(QemuGuest *guest, gint64 offset_seconds, void *data)
{
    const DomainEvent event = {.kind = EVENT_RTC_CHANGE, .domain = data, .number = offset_seconds};

    event_emit(&event);
}

static void on_balloon_changed(QemuGuest *guest, guint64 actual_bytes, void *data)
{
    Domain *domain = data;
    const DomainEvent event = {
        .kind = EVENT_BALLOON_CHANGE, .domain = domain, .number = (int64_t)(actual_bytes / 1024)};

    domain->live->current_memory_kib = actual_bytes / 1024;
    domain_save_status(domain);
    event_emit(&event);
}

static const char *file_of_disk(const GuestDef *def, const char *alias)
{
    for (unsigned i = 0; i < def->disks->len; i++) {
        const GuestDisk *disk = guest_def_disk(def, i);

        if (g_strcmp0(disk->alias, alias) == 0)
            return disk->file ? disk->file : "";
    }
    return "";
}

static void on_io_error(QemuGuest *guest, const char *device, QemuIoAction action,
                        gboolean is_out_of_space, const char *reason, void *data)
{
    static const int actions[] = {
        [QEMU_IO_IGNORE] = 0, [QEMU_IO_STOP] = 1, [QEMU_IO_REPORT] = 2}; /* wire */
    Domain *domain = data;
    DomainEvent event = {.kind = EVENT_IO_ERROR,
                         .domain = domain,
                         .event = actions[action],
                         .path = file_of_disk(domain->live, device),
                         .device = device,
                         .reason = is_out_of_space ? "enospc" : ""};

    if (action == QEMU_IO_STOP) {
        domain->next_stop = PAUSED_IOERROR;
        domain_add_message(domain, "disk '%s' (%s): %s", device, event.path, reason);
    }
    log_warning("domain '%s': I/O error on disk '%s' (%s): %s", domain->name, device, event.path,
                reason);
    event_emit(&event);
    event.kind = EVENT_IO_ERROR_REASON;
    event_emit(&event);
}

static void on_any(QemuGuest *guest, const char *name, json_object *message, void *data)
{
    json_object *details = NULL, *stamp = NULL, *seconds = NULL, *micros = NULL;

    json_object_object_get_ex(message, "data", &details);
    if (json_object_object_get_ex(message, "timestamp", &stamp)) {
        json_object_object_get_ex(stamp, "seconds", &seconds);
        json_object_object_get_ex(stamp, "microseconds", &micros);
    }
    event_emit_monitor(
        data, name, json_object_get_int64(seconds), (unsigned)json_object_get_int64(micros),
        details ? json_object_to_json_string_ext(details, JSON_C_TO_STRING_PLAIN) : NULL);
}

/* --- the end --- */

static void on_lost(QemuGuest *guest, int wait_status, const char *last_words, void *data)
{
    Domain *domain = data;
    const gboolean is_planned = domain->planned_end >= 0;
    GuestEnd end = {.shutoff_reason = is_planned ? domain->planned_end : SHUTOFF_CRASHED};

    if (!is_planned) {
        log_write(LOG_LEVEL_ERROR, LOG_FIELDS("DOMAIN", domain->name),
                  "QEMU of domain '%s' has ended by itself: %s", domain->name,
                  *last_words ? last_words : "without a word");
        domain_add_message(domain, "QEMU has ended by itself: %s",
                           *last_words ? last_words : "without a word");
    }
    if (owner_hooks()->guest_ended)
        owner_hooks()->guest_ended(domain, last_words, &end);
    domain_close_guest(domain, end.shutoff_reason,
                       end.shutoff_reason == SHUTOFF_CRASHED && domain->state != DOMAIN_CRASHED
                           ? STOPPED_FAILED
                           : stopped_detail(end.shutoff_reason),
                       end.keep);
}

static const QemuGuestEvents reports = {
    .stopped = on_stopped,
    .resumed = on_resumed,
    .shutdown = on_shutdown,
    .reset = on_reset,
    .panicked = on_panicked,
    .suspended = on_suspended,
    .woken = on_woken,
    .watchdog = on_watchdog,
    .rtc_changed = on_rtc_changed,
    .balloon_changed = on_balloon_changed,
    .io_error = on_io_error,
    .any = on_any,
    .lost = on_lost,
};

void report_subscribe(Domain *domain)
{
    domain->reports = qemu_guest_subscribe(domain->guest, &reports, domain);
}

/* What query-status says, and what that means for a guest that was last seen otherwise. */
static const struct {
    const char *status;
    DomainState state;
    int reason;
} found_rows[] = {
    {"running", DOMAIN_RUNNING, RUNNING_UNKNOWN},
    {"io-error", DOMAIN_PAUSED, PAUSED_IOERROR},
    {"watchdog", DOMAIN_PAUSED, PAUSED_WATCHDOG},
    {"suspended", DOMAIN_PMSUSPENDED, 0},
    {"guest-panicked", DOMAIN_CRASHED, CRASHED_PANICKED},
    {"inmigrate", DOMAIN_PAUSED, PAUSED_MIGRATION},
    {"finish-migrate", DOMAIN_PAUSED, PAUSED_MIGRATION},
    {"postmigrate", DOMAIN_PAUSED, PAUSED_MIGRATION},
    {"shutdown", DOMAIN_SHUTDOWN, 0},
};

void report_found(Domain *domain, const char *status)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(found_rows); i++) {
        if (!g_str_equal(status, found_rows[i].status))
            continue;
        if (domain->state == found_rows[i].state)
            return; /* and the reason that is remembered says more */
        if (found_rows[i].state == DOMAIN_SHUTDOWN)
            on_shutdown(domain->guest, TRUE, domain);
        else
            domain_set_state(domain, found_rows[i].state, found_rows[i].reason);
        return;
    }
    if (domain->state == DOMAIN_RUNNING)
        domain_set_state(domain, DOMAIN_PAUSED, PAUSED_UNKNOWN);
}
