/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs of a guest's life: check, take the job, pass the gate, act. */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "domain/define.h"
#include "domain/domain.h"
#include "domain/event.h"
#include "domain/registry.h"
#include "model/guest-def.h"
#include "qemu/guest.h"

static void note_wish(Domain *domain, gboolean wants_paused)
{
    domain->wants_paused = wants_paused;
    domain_save_status(domain);
    if (owner_hooks()->user_wish)
        owner_hooks()->user_wish(domain, wants_paused);
}

/* --- start --- */

static AWAITS gboolean run_or_explain(Domain *domain, RunningReason reason, GError **error)
{
    g_autoptr(GError) why = NULL;

    if (domain_run(domain, reason, &why))
        return TRUE;
    domain_explain_lock(domain, &why);
    g_propagate_error(error, g_steal_pointer(&why));
    return FALSE;
}

/* domain->live is set and the gate passed. */
static AWAITS gboolean launch_and_run(Domain *domain, unsigned flags, GError **error)
{
    const LaunchSpec spec = {.is_incoming = FALSE, .started_detail = -1};

    if (!domain_launch(domain, &spec, error))
        return FALSE;
    if (flags & CREATE_PAUSED) {
        domain_set_state(domain, DOMAIN_PAUSED, PAUSED_USER);
        note_wish(domain, TRUE);
        event_emit_lifecycle(domain, LIFECYCLE_STARTED, STARTED_BOOTED);
        event_emit_lifecycle(domain, LIFECYCLE_SUSPENDED, SUSPENDED_PAUSED);
        return TRUE;
    }
    if (!run_or_explain(domain, RUNNING_BOOTED, error)) {
        domain_kill(domain, SHUTOFF_FAILED, TRUE, NULL);
        return FALSE;
    }
    event_emit_lifecycle(domain, LIFECYCLE_STARTED, STARTED_BOOTED);
    return TRUE;
}

AWAITS gboolean domain_start(Domain *domain, unsigned flags, GError **error)
{
    g_auto(JobGuard) guard = {NULL};

    if (!job_guard_begin(&guard, domain, JOB_MODIFY, "domain_create", error))
        return FALSE;
    if (domain_is_active(domain))
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: domain is already running");
    /* A domain without a definition may be listed for the doubt about its guest alone: say that. */
    if (!domain->persistent || !domain->is_listed)
        return owner_gate_check(domain, OWNER_VERB_START, error) &&
               error_set(error, ERROR_NO_DOMAIN, "Domain not found: domain '%s' has gone",
                         domain->name);
    /* What was kept on disk leaves out what goes without saying; QEMU wants to be told. */
    g_autoptr(GuestDef) live = guest_def_copy(domain->persistent);
    if (!define_fill(live, error) || !owner_gate_check(domain, OWNER_VERB_START, error))
        return FALSE;
    g_clear_pointer(&domain->live, guest_def_free);
    domain->live = g_steal_pointer(&live);
    return launch_and_run(domain, flags, error);
}

AWAITS Domain *domain_create_xml(const char *xml, size_t len, unsigned flags, GError **error)
{
    g_autoptr(GuestDef) def = define_parse(xml, len, error);
    Domain *existing = NULL;

    if (!def || !registry_check(&def->uuid, def->name, TRUE, &existing, error))
        return NULL;
    g_autoptr(Domain) domain =
        existing ? domain_ref(existing) : registry_add(&def->uuid, def->name, error);
    g_auto(JobGuard) guard = {NULL};
    if (!domain || !job_guard_begin(&guard, domain, JOB_MODIFY, "domain_create_xml", error))
        return NULL;
    if (domain_is_active(domain)) {
        error_set(error, ERROR_OPERATION_INVALID,
                  "Requested operation is not valid: domain is already active as '%s'",
                  domain->name);
        return NULL;
    }
    if (!domain->is_listed) {
        error_set(error, ERROR_OPERATION_FAILED, "operation failed: domain '%s' has gone meanwhile",
                  domain->name);
        return NULL;
    }
    if (!owner_gate_check(domain, OWNER_VERB_START, error)) {
        if (!existing)
            registry_remove(domain);
        return NULL;
    }
    g_clear_pointer(&domain->live, guest_def_free);
    domain->live = g_steal_pointer(&def);
    return launch_and_run(domain, flags, error) ? g_steal_pointer(&domain) : NULL;
}

/* --- suspend and resume --- */

AWAITS gboolean domain_suspend(Domain *domain, GError **error)
{
    g_auto(JobGuard) guard = {NULL};

    if (!owner_check_active(domain, OWNER_VERB_SUSPEND, error) ||
        !job_guard_begin(&guard, domain, JOB_SUSPEND, "domain_suspend", error) ||
        !owner_gate_check(domain, OWNER_VERB_SUSPEND, error) || !domain_check_active(domain, error))
        return FALSE;
    if (domain->state == DOMAIN_PMSUSPENDED)
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: domain is pmsuspended");
    if (domain->state == DOMAIN_RUNNING && !domain_pause(domain, PAUSED_USER, error))
        return FALSE;
    note_wish(domain, TRUE);
    return TRUE;
}

AWAITS gboolean domain_resume(Domain *domain, GError **error)
{
    g_auto(JobGuard) guard = {NULL};

    if (!owner_check_active(domain, OWNER_VERB_RESUME, error) ||
        !job_guard_begin(&guard, domain, JOB_MODIFY, "domain_resume", error) ||
        !owner_check_active(domain, OWNER_VERB_RESUME, error))
        return FALSE;
    if (domain->state == DOMAIN_RUNNING)
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: domain is already running");
    if (domain->state != DOMAIN_PAUSED)
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: domain is %s",
                         state_name(domain->state));
    if (!owner_gate_check(domain, OWNER_VERB_RESUME, error) ||
        !run_or_explain(domain, RUNNING_UNPAUSED, error))
        return FALSE;
    note_wish(domain, FALSE);
    return TRUE;
}

/* --- shutdown, reboot, reset --- */

static gboolean check_running(const Domain *domain, GError **error)
{
    return (domain_check_active(domain, error) && domain->guest &&
            domain->state == DOMAIN_RUNNING) ||
           (error && *error) ||
           error_set(error, ERROR_OPERATION_INVALID,
                     "Requested operation is not valid: domain is %s", state_name(domain->state));
}

static AWAITS gboolean press_power_button(Domain *domain, gboolean wants_restart, GError **error)
{
    g_autoptr(QemuGuest) guest = qemu_guest_ref(domain->guest);

    domain->wants_restart = wants_restart;
    domain_save_status(domain);
    return qemu_guest_powerdown(guest, error);
}

AWAITS gboolean domain_shutdown(Domain *domain, unsigned flags, GError **error)
{
    g_auto(JobGuard) guard = {NULL};

    return owner_check_active(domain, OWNER_VERB_SHUTDOWN, error) &&
           job_guard_begin(&guard, domain, JOB_MODIFY, "domain_shutdown", error) &&
           owner_gate_check(domain, OWNER_VERB_SHUTDOWN, error) && check_running(domain, error) &&
           press_power_button(domain, domain->live->on_poweroff == GUEST_ACTION_RESTART, error);
}

AWAITS gboolean domain_reboot(Domain *domain, unsigned flags, GError **error)
{
    g_auto(JobGuard) guard = {NULL};

    return owner_check_active(domain, OWNER_VERB_REBOOT, error) &&
           job_guard_begin(&guard, domain, JOB_MODIFY, "domain_reboot", error) &&
           owner_gate_check(domain, OWNER_VERB_REBOOT, error) && check_running(domain, error) &&
           press_power_button(domain, domain->live->on_reboot != GUEST_ACTION_DESTROY, error);
}

AWAITS gboolean domain_reset(Domain *domain, GError **error)
{
    g_auto(JobGuard) guard = {NULL};

    if (!owner_check_active(domain, OWNER_VERB_RESET, error) ||
        !job_guard_begin(&guard, domain, JOB_MODIFY, "domain_reset", error) ||
        !owner_gate_check(domain, OWNER_VERB_RESET, error) || !domain_check_active(domain, error))
        return FALSE;
    g_autoptr(QemuGuest) guest = qemu_guest_ref(domain->guest);
    return qemu_guest_reset(guest, error);
}

/* --- destroy --- */

/* Whoever holds the short slot may be waiting for the very QEMU that is to end: its await fails
 * when it does.  Only a start that has no QEMU yet is waited for, and a migration that lets no
 * destroy pass. */
static AWAITS gboolean wait_for_guest(Domain *domain, GError **error)
{
    const Job *job = &domain->job;

    if (domain->guest && (job->kind == JOB_NONE || (job->allowed & JOB_DESTROY)))
        return TRUE;
    g_auto(JobGuard) guard = {NULL};
    return job_guard_begin(&guard, domain, JOB_DESTROY, "domain_destroy", error) &&
           owner_check_active(domain, OWNER_VERB_DESTROY, error);
}

/* Asks QEMU first in either case (SIGTERM lets it flush its images), so the graceful flag changes
 * nothing but intent. */
AWAITS gboolean domain_destroy(Domain *domain, unsigned flags, GError **error)
{
    return owner_check_active(domain, OWNER_VERB_DESTROY, error) && wait_for_guest(domain, error) &&
           owner_gate_check(domain, OWNER_VERB_DESTROY, error) &&
           domain_kill(domain, SHUTOFF_DESTROYED, FALSE, error);
}

/* --- console --- */

static int connect_unix(const char *path, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (strlen(path) >= sizeof(address.sun_path)) {
        error_set(error, ERROR_OPERATION_FAILED,
                  "operation failed: the path '%s' is too long for a socket: choose one of at most 107 bytes", path);
        return -1;
    }
    strcpy(address.sun_path, path);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        error_errno(error, "cannot connect to the console '%s'", path);
        return -1;
    }
    return fd_steal(&fd);
}

int domain_open_console(Domain *domain, const char *alias, GError **error)
{
    if (!domain_check_active(domain, error))
        return -1;
    const GuestSerial *serial = guest_def_find_serial(domain->live, alias);

    if (!serial) {
        error_set(error, ERROR_INTERNAL_ERROR, "internal error: cannot find console device '%s'",
                  alias ? alias : "<null>");
        return -1;
    }
    if (serial->source.type == GUEST_CHARDEV_UNIX && serial->source.path)
        return connect_unix(serial->source.path, error);
    if (serial->source.type != GUEST_CHARDEV_PTY || !serial->source.path) {
        error_set(error, ERROR_INTERNAL_ERROR,
                  "internal error: character device %s is not using a PTY",
                  serial->alias ? serial->alias : "<null>");
        return -1;
    }
    const int fd = open(serial->source.path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        error_errno(error, "cannot open the console '%s'", serial->source.path);
    return fd;
}
