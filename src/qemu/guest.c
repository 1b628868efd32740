/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A running QEMU as an object: its references, its forced end, and the verbs. */
#include "qemu/guest.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "qemu/answer.h"
#include "qemu/guest-part.h"

#define QUIT_MS 1000

/* --- the object --- */

QemuGuest *guest_new(const QemuEnv *env, const GuestDef *def)
{
    QemuGuest *guest = g_new0(QemuGuest, 1);
    char text[UUID_TEXT_SIZE];

    guest->refs = 1;
    guest->env = env;
    guest->name = g_strdup(def->name);
    guest->uuid = def->uuid;
    guest->emulator = g_strdup(def->emulator);
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
    guest_drop_subscriptions(guest);
    g_ptr_array_unref(guest->subscriptions);
    g_clear_pointer(&guest->question, monitor_command_unref);
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
    g_free(guest->emulator);
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
    /* At a restart guests are met before emulators are looked at. */
    return guest->probe ? guest->probe : probe_peek(guest->env->probes, guest->emulator);
}

const char *qemu_guest_pty(const QemuGuest *guest, const char *chardev)
{
    return g_hash_table_lookup(guest->ptys, chardev);
}

void qemu_guest_signal_end(QemuGuest *guest, gboolean is_hard)
{
    if (guest->process && !guest->has_ended)
        process_kill(guest->process, is_hard ? SIGKILL : SIGTERM);
}

gboolean qemu_guest_has_oob(const QemuGuest *guest)
{
    return guest->monitor && !guest->is_monitor_lost && monitor_has_oob(guest->monitor);
}

/* One question at a time, so that a QEMU that is silent for long is not asked without end. */
AWAITS gboolean qemu_guest_answers(QemuGuest *guest)
{
    g_autoptr(QemuGuest) held = qemu_guest_ref(guest);
    g_autoptr(MonitorCommand) question = NULL;
    g_autoptr(GError) error = NULL;
    gboolean is_answered;

    if (!guest->monitor || guest->is_monitor_lost || guest->is_unmet)
        return FALSE;
    if (!guest->question)
        guest->question = monitor_send(guest->monitor, "query-name", NULL, -1);
    question = monitor_command_ref(guest->question);
    is_answered = monitor_command_wait(question, QEMU_ANSWER_MS, NULL, &error);
    if ((is_answered || !error_is(error, ERROR_OPERATION_TIMEOUT)) && guest->question == question)
        g_clear_pointer(&guest->question, monitor_command_unref);
    return is_answered;
}

gboolean qemu_guest_awaits_pages(const QemuGuest *guest)
{
    return process_find_fd(guest->pid, "anon_inode:[userfaultfd]", NULL) >= 0;
}

int qemu_guest_get_socket(const QemuGuest *guest, guint64 inode, GError **error)
{
    return guest->process ? process_get_socket(guest->process, inode, error) : -1;
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

/* By command first: QEMU 7.2 can hang for ever in its clean-up when a signal ends it while another
 * command is on its way; `quit` comes behind that one in the same queue. */
AWAITS static gboolean quit(QemuGuest *guest)
{
    MonitorCommand *command;

    if (!guest->monitor || guest->is_monitor_lost || guest->is_unmet)
        return FALSE;
    command = monitor_send(guest->monitor, "quit", NULL, -1);
    monitor_command_unref(command);
    return wait_for_end(guest, QUIT_MS);
}

AWAITS gboolean qemu_guest_kill(QemuGuest *guest, gboolean is_hard, int64_t graceful_ms,
                                GError **error)
{
    const int64_t hard_ms = 30 * 1000;
    g_autoptr(QemuGuest) held = qemu_guest_ref(guest);
    gboolean has_ended;

    if (guest->has_ended || !guest->process) {
        guest_sweep(guest);
        return TRUE;
    }
    task_shield();
    has_ended = FALSE;
    if (!is_hard)
        has_ended = quit(guest);
    if (!is_hard && !has_ended) {
        qemu_guest_signal_end(guest, FALSE);
        has_ended = wait_for_end(guest, graceful_ms);
    }
    if (!has_ended) {
        qemu_guest_signal_end(guest, TRUE);
        has_ended = wait_for_end(guest, hard_ms);
    }
    task_unshield();
    if (has_ended) { /* whoever waited may start it again, before its monitor was read to the end */
        guest_sweep(guest);
        return TRUE;
    }
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

gboolean qemu_guest_check_met(const QemuGuest *guest, GError **error)
{
    return !guest->is_unmet ||
           error_set(error, ERROR_OPERATION_FAILED,
                     "operation failed: QEMU of domain '%s' (pid %d) has not answered its monitor "
                     "since the daemon was started; it is waited for until it answers or ends",
                     guest->name, guest->pid);
}

AWAITS gboolean guest_command(QemuGuest *guest, const char *command, json_object *args,
                              json_object **ret_value, GError **error)
{
    g_autoptr(QemuGuest) held = qemu_guest_ref(guest);

    if (guest->is_monitor_lost || (!guest->monitor && !guest->is_unmet)) {
        json_object_put(args);
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: domain is not running");
    }
    if (!qemu_guest_check_met(guest, error)) {
        json_object_put(args);
        return FALSE;
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
    guest->is_running = answer_flag(value, "running");
    return g_strdup(answer_text(value, "status"));
}

AWAITS gboolean guest_learn_ptys(QemuGuest *guest, GuestDef *def, GError **error)
{
    g_autoptr(json_object) list = NULL;

    if (!guest_command(guest, "query-chardev", NULL, &list, error))
        return FALSE;
    for (size_t i = 0;
         json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++) {
        json_object *entry = json_object_array_get_idx(list, i);
        const char *file = answer_text(entry, "filename");

        if (g_str_has_prefix(file, "pty:"))
            g_hash_table_insert(guest->ptys, g_strdup(answer_text(entry, "label")),
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

    if (guest->is_monitor_lost || (!guest->monitor && !guest->is_unmet)) {
        error_set(error, ERROR_OPERATION_INVALID,
                  "Requested operation is not valid: domain is not running");
        return NULL;
    }
    if (!qemu_guest_check_met(guest, error))
        return NULL;
    return is_hmp ? monitor_execute_hmp(guest->monitor, text, GUEST_COMMAND_MS, error)
                  : monitor_execute_text(guest->monitor, text, GUEST_COMMAND_MS, error);
}

guint64 qemu_guest_command_count(const QemuGuest *guest)
{
    return guest->monitor ? monitor_command_count(guest->monitor) : 0;
}
