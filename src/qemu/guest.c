/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A running QEMU: its life as an object, what it reports, what can be asked of it.
 *
 * Two things tell of its end: the pidfd, and the monitor's end of file.  The guest is lost when
 * both have come, in either order: only a process that is gone cannot run the guest any more, and
 * only a monitor read to its end has told all its events (the last SHUTDOWN, the last MIGRATION
 * status). */
#include "qemu/guest.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "qemu/descriptor.h"
#include "qemu/guest-part.h"
#include "qemu/migration.h"

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

/* --- the object --- */

QemuGuest *guest_new(const QemuEnv *env, const GuestDef *def)
{
    QemuGuest *guest = g_new0(QemuGuest, 1);
    char text[UUID_TEXT_SIZE];

    guest->refs = 1;
    guest->env = env;
    guest->name = g_strdup(def->name);
    guest->uuid = def->uuid;
    guest->run_dir = g_build_filename(env->run_dir, uuid_format(&def->uuid, text), NULL);
    guest->wait_status = -1;
    guest->log_start = -1;
    guest->changed = condition_new("the end of QEMU");
    guest->ptys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    guest->subscriptions = g_ptr_array_new();
    guest->sockets = g_ptr_array_new_with_free_func(g_free);
    for (unsigned i = 0; i < def->serials->len; i++) {
        const GuestChardev *source = &guest_def_serial(def, i)->source;

        if (source->type == GUEST_CHARDEV_UNIX && source->mode == GUEST_CHARDEV_BIND)
            g_ptr_array_add(guest->sockets, g_strdup(source->path));
    }
    return guest;
}

QemuGuest *qemu_guest_ref(QemuGuest *guest)
{
    guest->refs++;
    return guest;
}

void qemu_guest_unref(QemuGuest *guest)
{
    if (!guest || --guest->refs > 0)
        return;
    for (unsigned i = 0; i < guest->subscriptions->len; i++)
        ((QemuSubscription *)g_ptr_array_index(guest->subscriptions, i))->guest = NULL;
    g_ptr_array_unref(guest->subscriptions);
    g_clear_pointer(&guest->lost_timer, timer_free);
    g_clear_pointer(&guest->log_timer, timer_free);
    g_clear_pointer(&guest->reports, monitor_unsubscribe);
    if (guest->monitor)
        monitor_close(guest->monitor);
    g_clear_pointer(&guest->monitor, monitor_unref);
    g_clear_pointer(&guest->process, process_free);
    condition_free(guest->changed);
    g_hash_table_unref(guest->ptys);
    g_ptr_array_unref(guest->sockets);
    g_clear_pointer(&guest->vcpu_threads, g_array_unref);
    g_strfreev(guest->migration_capabilities);
    g_free(guest->name);
    g_free(guest->run_dir);
    g_free(guest->log_path);
    g_free(guest->cgroup);
    g_free(guest);
}

pid_t qemu_guest_pid(const QemuGuest *guest)
{
    return guest->pid;
}

guint64 qemu_guest_start_time(const QemuGuest *guest)
{
    return guest->start_time;
}

gboolean qemu_guest_is_lost(const QemuGuest *guest)
{
    return guest->is_lost || guest->has_ended || guest->is_monitor_lost;
}

gboolean qemu_guest_is_running(const QemuGuest *guest)
{
    return guest->is_running;
}

const Probe *qemu_guest_probe(const QemuGuest *guest)
{
    return guest->probe;
}

const char *qemu_guest_pty(const QemuGuest *guest, const char *chardev)
{
    return g_hash_table_lookup(guest->ptys, chardev);
}

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

static json_object *get(const json_object *object, const char *name)
{
    json_object *value;

    return object && json_object_object_get_ex(object, name, &value) ? value : NULL;
}

static const char *get_text(const json_object *object, const char *name)
{
    json_object *value = get(object, name);

    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

static gboolean get_flag(const json_object *object, const char *name)
{
    return json_object_get_boolean(get(object, name));
}

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
    TELL(guest, shutdown, get_flag(data, "guest"));
}

static void on_powerdown(QemuGuest *guest, json_object *data)
{
    TELL(guest, powerdown);
}

static void on_reset(QemuGuest *guest, json_object *data)
{
    TELL(guest, reset, get_flag(data, "guest"));
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
    TELL(guest, watchdog, get_text(data, "action"));
}

static void on_rtc_change(QemuGuest *guest, json_object *data)
{
    TELL(guest, rtc_changed, json_object_get_int64(get(data, "offset")));
}

static void on_balloon_change(QemuGuest *guest, json_object *data)
{
    TELL(guest, balloon_changed, json_object_get_uint64(get(data, "actual")));
}

/* The alias of a disk: "/machine/peripheral/virtio-disk0/virtio-backend" names its device. */
static char *alias_of_path(const char *path)
{
    static const char prefix[] = "/machine/peripheral/";

    if (!g_str_has_prefix(path, prefix))
        return g_strdup(path);
    path += strlen(prefix);
    return g_strndup(path, strcspn(path, "/"));
}

static void on_io_error(QemuGuest *guest, json_object *data)
{
    const char *action = get_text(data, "action");
    const char *device =
        get_text(data, "qom-path"); /* since QEMU 9.1; before, the device's own name */
    g_autofree char *alias = alias_of_path(device[0] ? device : get_text(data, "device"));
    QemuIoAction kind = strcmp(action, "stop") == 0     ? QEMU_IO_STOP
                        : strcmp(action, "ignore") == 0 ? QEMU_IO_IGNORE
                                                        : QEMU_IO_REPORT;

    TELL(guest, io_error, alias, kind, get_flag(data, "nospace"), get_text(data, "reason"));
}

static void on_migration(QemuGuest *guest, json_object *data)
{
    TELL(guest, migration_status, (int)qemu_migration_status_find(get_text(data, "status")));
}

static void on_migration_pass(QemuGuest *guest, json_object *data)
{
    TELL(guest, migration_pass, json_object_get_uint64(get(data, "pass")));
}

static const struct {
    const char *name;
    void (*handle)(QemuGuest *guest, json_object *data);
} event_kinds[] = {
    {"STOP", on_stop},
    {"RESUME", on_resume},
    {"SHUTDOWN", on_shutdown},
    {"POWERDOWN", on_powerdown},
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
    for (unsigned i = 0; i < guest->sockets->len; i++)
        descriptors_remove_socket(g_ptr_array_index(guest->sockets, i));
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

void qemu_guest_signal_end(QemuGuest *guest, gboolean is_hard)
{
    if (guest->process && !guest->has_ended)
        process_kill(guest->process, is_hard ? SIGKILL : SIGTERM);
}

AWAITS static gboolean wait_for_end(QemuGuest *guest, int64_t timeout_ms)
{
    int64_t deadline = clock_now_ms() + timeout_ms;

    while (!guest->has_ended) {
        int64_t left = deadline - clock_now_ms();

        if (left <= 0 || !condition_wait(guest->changed, left, NULL))
            return guest->has_ended;
    }
    return TRUE;
}

AWAITS gboolean qemu_guest_kill(QemuGuest *guest, gboolean is_hard, int64_t graceful_ms,
                                GError **error)
{
    const int64_t hard_ms = 30 * 1000;
    g_autoptr(QemuGuest) held = qemu_guest_ref(guest);
    gboolean has_ended;

    if (guest->has_ended || !guest->process)
        return TRUE;
    task_shield();
    has_ended = FALSE;
    if (!is_hard) {
        qemu_guest_signal_end(guest, FALSE);
        has_ended = wait_for_end(guest, graceful_ms);
    }
    if (!has_ended) {
        qemu_guest_signal_end(guest, TRUE);
        has_ended = wait_for_end(guest, hard_ms);
    }
    task_unshield();
    if (has_ended)
        return TRUE;
    return error_set(error, ERROR_SYSTEM_ERROR,
                     "failed to terminate process %d with SIGKILL: it does not end, probably "
                     "because storage hangs",
                     guest->pid);
}

/* --- verbs --- */

/* Why a command could not be answered: what QEMU last said is worth more than "connection closed".
 */
static void explain_loss(QemuGuest *guest, GError **error)
{
    g_autofree char *words = NULL;

    if (!error || !*error || !(guest->is_monitor_lost || guest->has_ended))
        return;
    words = guest_log_last_words(guest->log_path, guest->log_start);
    if (words[0]) {
        g_autofree char *message =
            g_strdup_printf("%s (QEMU's last words: %s)", (*error)->message, words);
        GError *better = g_error_new_literal((*error)->domain, (*error)->code, message);

        g_clear_error(error);
        g_propagate_error(error, better);
    }
}

AWAITS gboolean guest_command(QemuGuest *guest, const char *command, json_object *args,
                              json_object **ret_value, GError **error)
{
    g_autoptr(QemuGuest) held = qemu_guest_ref(guest);

    if (!guest->monitor || guest->is_monitor_lost) {
        json_object_put(args);
        return error_set(error, ERROR_OPERATION_INVALID, "domain is not running");
    }
    if (monitor_execute(guest->monitor, command, args, -1, GUEST_COMMAND_MS, ret_value, error))
        return TRUE;
    explain_loss(guest, error);
    return FALSE;
}

AWAITS gboolean qemu_guest_cont(QemuGuest *guest, GError **error)
{
    return guest_command(guest, "cont", NULL, NULL, error);
}

AWAITS gboolean qemu_guest_stop(QemuGuest *guest, GError **error)
{
    return guest_command(guest, "stop", NULL, NULL, error);
}

AWAITS gboolean qemu_guest_powerdown(QemuGuest *guest, GError **error)
{
    return guest_command(guest, "system_powerdown", NULL, NULL, error);
}

AWAITS gboolean qemu_guest_reset(QemuGuest *guest, GError **error)
{
    return guest_command(guest, "system_reset", NULL, NULL, error);
}

AWAITS char *qemu_guest_query_status(QemuGuest *guest, GError **error)
{
    g_autoptr(json_object) value = NULL;

    if (!guest_command(guest, "query-status", NULL, &value, error))
        return NULL;
    guest->is_running = get_flag(value, "running");
    return g_strdup(get_text(value, "status"));
}

AWAITS gboolean qemu_guest_set_balloon(QemuGuest *guest, guint64 bytes, GError **error)
{
    json_object *args = json_object_new_object();

    json_object_object_add(args, "value", json_object_new_uint64(bytes));
    return guest_command(guest, "balloon", args, NULL, error);
}

AWAITS gboolean qemu_guest_query_balloon(QemuGuest *guest, guint64 *ret_bytes, GError **error)
{
    g_autoptr(json_object) value = NULL;

    if (!guest_command(guest, "query-balloon", NULL, &value, error))
        return FALSE;
    *ret_bytes = json_object_get_uint64(get(value, "actual"));
    return TRUE;
}

AWAITS gboolean guest_learn_ptys(QemuGuest *guest, GuestDef *def, GError **error)
{
    g_autoptr(json_object) list = NULL;

    if (!guest_command(guest, "query-chardev", NULL, &list, error))
        return FALSE;
    for (size_t i = 0;
         json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++) {
        json_object *entry = json_object_array_get_idx(list, i);
        const char *file = get_text(entry, "filename");

        if (g_str_has_prefix(file, "pty:"))
            g_hash_table_insert(guest->ptys, g_strdup(get_text(entry, "label")),
                                g_strdup(file + 4));
    }
    for (unsigned i = 0; i < def->serials->len; i++) {
        GuestSerial *serial = guest_def_serial(def, i);
        g_autofree char *chardev = g_strconcat("char", serial->alias, NULL);
        const char *path = qemu_guest_pty(guest, chardev);

        if (serial->source.type != GUEST_CHARDEV_PTY || !path)
            continue;
        g_free(serial->source.path);
        serial->source.path = g_strdup(path);
    }
    return TRUE;
}

AWAITS json_object *qemu_guest_execute(QemuGuest *guest, const char *command, json_object *args,
                                       GError **error)
{
    json_object *value = NULL;

    if (!guest_command(guest, command, args, &value, error))
        return NULL;
    return value ? value : json_object_new_object();
}

AWAITS char *qemu_guest_monitor_command(QemuGuest *guest, const char *text, gboolean is_hmp,
                                        GError **error)
{
    g_autoptr(QemuGuest) held = qemu_guest_ref(guest);

    if (!guest->monitor || guest->is_monitor_lost) {
        error_set(error, ERROR_OPERATION_INVALID, "domain is not running");
        return NULL;
    }
    return is_hmp ? monitor_execute_hmp(guest->monitor, text, GUEST_COMMAND_MS, error)
                  : monitor_execute_text(guest->monitor, text, GUEST_COMMAND_MS, error);
}

guint64 qemu_guest_command_count(const QemuGuest *guest)
{
    return guest->monitor ? monitor_command_count(guest->monitor) : 0;
}
