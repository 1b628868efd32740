/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starts a QEMU, or finds one that an earlier daemon has started.
 *
 * QEMU inherits the monitor as a listening socket, bound to a name in the guest's run folder.  We
 * connect to it before QEMU even runs, so nothing is waited for and nothing is polled; a daemon
 * that comes later connects by the name. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "host/kvm.h"
#include "host/scope.h"
#include "qemu/answer.h"
#include "qemu/descriptor.h"
#include "qemu/guest-part.h"
#include "qemu/note.h"

#define MONITOR_NAME  "monitor.sock"
#define GREET_MS      (30 * 1000)
#define LAST_WORDS_MS 3000
#define CALL_AGAIN_MS 500

/* --- the monitor's socket --- */

static gboolean fill_address(const char *path, struct sockaddr_un *address, GError **error)
{
    address->sun_family = AF_UNIX;
    if (g_strlcpy(address->sun_path, path, sizeof address->sun_path) >= sizeof address->sun_path)
        return error_set(error, ERROR_INTERNAL_ERROR,
                         "internal error: socket path '%s' is too long", path);
    return TRUE;
}

/* *ret_is_full (may be NULL): too many wait already, QEMU does not come round to accepting. */
static int connect_monitor(const char *run_dir, gboolean *ret_is_full, GError **error)
{
    auto_fd int dir = -1;
    g_autofree char *path = guest_socket_path(run_dir, MONITOR_NAME, &dir, error);
    auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un address = {0};

    if (!path || !fill_address(path, &address, error))
        return -1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        if (ret_is_full)
            *ret_is_full = errno == EAGAIN;
        error_errno(error, "cannot connect to monitor '%s/" MONITOR_NAME "'", run_dir);
        return -1;
    }
    return fd_steal(&fd);
}

static int listen_monitor(const char *run_dir, GError **error)
{
    auto_fd int dir = -1;
    g_autofree char *path = guest_socket_path(run_dir, MONITOR_NAME, &dir, error);
    auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {0};

    if (!path || !fill_address(path, &address, error))
        return -1;
    unlink(path); /* of an earlier run; nobody else writes into this folder */
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        chmod(path, 0600) < 0 || listen(fd, 1) < 0) {
        error_errno(error, "cannot make monitor '%s/" MONITOR_NAME "'", run_dir);
        return -1;
    }
    return fd_steal(&fd);
}

/* --- the process --- */

static char **make_environment(const QemuGuest *guest)
{
    static const char *const names[] = {"HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME",
                                        "XDG_CONFIG_HOME"};
    g_autoptr(GPtrArray) list = g_ptr_array_new();

    g_ptr_array_add(list, g_strdup("LC_ALL=C"));
    g_ptr_array_add(list,
                    g_strdup("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++)
        g_ptr_array_add(list, g_strdup_printf("%s=%s", names[i], guest->run_dir));
    g_ptr_array_add(list, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&list), FALSE);
}

static gboolean make_cgroup(QemuGuest *guest, GError **error)
{
    char text[UUID_TEXT_SIZE];

    if (!guest->env->cgroup_root)
        return TRUE;
    guest->cgroup =
        g_strdup_printf("%s/guest-%s", guest->env->cgroup_root, uuid_format(&guest->uuid, text));
    return dir_make(guest->cgroup, 0755, error);
}

static gboolean spawn(QemuGuest *guest, char **argv, const Descriptors *descriptors, GError **error)
{
    const QemuEnv *env = guest->env;
    g_auto(GStrv) environment = make_environment(guest);
    auto_fd int log =
        guest_log_open(env, guest->name, argv, &guest->log_path, &guest->log_start, error);
    pid_t pid;

    if (log < 0 || !make_cgroup(guest, error))
        return FALSE;
    g_autofree char *note = g_build_filename(guest->run_dir, NOTE_STARTING, NULL);
    ChildSpec spec = {
        .argv = (const char *const *)argv,
        .env = (const char *const *)environment,
        .fds = (const int *)(const void *)descriptors->fds->data,
        .fd_count = descriptors->fds->len,
        .stdout_fd = log,
        .stderr_fd = log,
        .has_user = env->user.is_set,
        .uid = env->user.uid,
        .gid = env->user.gid,
        .cgroup = guest->cgroup,
        .max_fds = env->max_fds,
        .max_core = -1,
        .note = note,
    };
    return child_spawn(&spec, &pid, error) && guest_watch(guest, pid, 0, error);
}

/* --- the conversation at the start --- */

static json_object *make_capabilities(gboolean is_incoming)
{
    static const char *const names[] = {"events", "late-block-activate"};
    json_object *list = json_object_new_array();
    json_object *args = json_object_new_object();

    for (unsigned i = 0; i < (is_incoming ? 2 : 1); i++) {
        json_object *entry = json_object_new_object();

        json_object_object_add(entry, "capability", json_object_new_string(names[i]));
        json_object_object_add(entry, "state", json_object_new_boolean(TRUE));
        json_object_array_add(list, entry);
    }
    json_object_object_add(args, "capabilities", list);
    return args;
}

static void queue(GPtrArray *commands, QemuGuest *guest, const char *command, json_object *args)
{
    g_ptr_array_add(commands, monitor_send(guest->monitor, command, args, -1));
}

static void send_balloon(GPtrArray *commands, QemuGuest *guest, const GuestDef *def)
{
    json_object *args;

    if (def->balloon.model != GUEST_BALLOON_VIRTIO || def->current_memory_kib == def->memory_kib)
        return;
    args = json_object_new_object();
    json_object_object_add(args, "value", json_object_new_uint64(def->current_memory_kib * 1024));
    queue(commands, guest, "balloon", args);
}

/* How often the guest is asked for its memory statistics; a device's property, so no stream carries it. */
static void send_stats_period(GPtrArray *commands, QemuGuest *guest, const GuestDef *def)
{
    json_object *args;
    g_autofree char *path = g_strdup_printf("/machine/peripheral/%s", def->balloon.alias);

    if (def->balloon.model != GUEST_BALLOON_VIRTIO || !def->balloon.stats_period_s)
        return;
    args = json_object_new_object();
    json_object_object_add(args, "path", json_object_new_string(path));
    json_object_object_add(args, "property", json_object_new_string("guest-stats-polling-interval"));
    json_object_object_add(args, "value", json_object_new_int64(def->balloon.stats_period_s));
    queue(commands, guest, "qom-set", args);
}

static void send_links(GPtrArray *commands, QemuGuest *guest, const GuestDef *def)
{
    for (unsigned i = 0; i < def->interfaces->len; i++) {
        const GuestInterface *interface = guest_def_interface(def, i);
        json_object *args;

        if (interface->link != GUEST_LINK_DOWN)
            continue;
        args = json_object_new_object();
        json_object_object_add(args, "name", json_object_new_string(interface->alias));
        json_object_object_add(args, "up", json_object_new_boolean(FALSE));
        queue(commands, guest, "set_link", args);
    }
}

static gboolean has_pty(const GuestDef *def)
{
    for (unsigned i = 0; i < def->serials->len; i++) {
        if (guest_def_serial(def, i)->source.type == GUEST_CHARDEV_PTY)
            return TRUE;
    }
    return FALSE;
}

/* All commands are on their way before the first answer is read.  Nothing is asked that the probe
 * knows. */
AWAITS static gboolean converse(QemuGuest *guest, const QemuStartSpec *spec, GError **error)
{
    g_autoptr(GPtrArray) commands =
        g_ptr_array_new_with_free_func((GDestroyNotify)monitor_command_unref);

    if (spec->is_incoming)
        monitor_want_oob(guest->monitor);
    if (!monitor_greet(guest->monitor, GREET_MS, error))
        return FALSE;
    queue(commands, guest, "migrate-set-capabilities", make_capabilities(spec->is_incoming));
    send_links(commands, guest, spec->def);
    send_stats_period(commands, guest, spec->def);
    if (!spec->is_incoming) /* else it comes with the stream */
        send_balloon(commands, guest, spec->def);
    if (has_pty(spec->def) && !guest_learn_ptys(guest, spec->def, error))
        return FALSE;
    for (unsigned i = 0; i < commands->len; i++) {
        if (!monitor_command_wait(g_ptr_array_index(commands, i), GUEST_COMMAND_MS, NULL, error))
            return FALSE;
    }
    return TRUE;
}

/* QEMU is not usable: end it, and if it ended by itself, say why in its own words. */
AWAITS static void give_up(QemuGuest *guest, GError **error)
{
    int64_t deadline = clock_now_ms() + LAST_WORDS_MS;
    g_autofree char *words = NULL;

    task_shield();
    while (guest->is_monitor_lost && !guest->has_ended && clock_now_ms() < deadline)
        condition_wait(guest->changed, deadline - clock_now_ms(), NULL);
    task_unshield();
    words = guest_log_last_words(guest->log_path, guest->log_start);
    if (guest->has_ended && error && *error && error_code(*error) != ERROR_OPERATION_ABORTED) {
        g_clear_error(error);
        error_set(error, ERROR_INTERNAL_ERROR,
                  "internal error: process exited while connecting to monitor: %s",
                  words[0] ? words : "it said nothing");
    }
    if (qemu_guest_kill(guest, TRUE, 0, NULL))
        guest_sweep(guest);
}

AWAITS static const Probe *find_probe(const QemuStartSpec *spec, GError **error)
{
    ProbeCache *cache = spec->env->probes;
    const char *emulator = spec->def->emulator;
    g_autofree char *reason = NULL;
    const Probe *probe;

    if (spec->def->virt == GUEST_VIRT_KVM && !kvm_works(&reason)) {
        error_set(error, ERROR_CONFIG_UNSUPPORTED,
                  "unsupported configuration: domain type 'kvm' cannot run on this host: %s",
                  reason);
        return NULL;
    }
    if (!probe_check_emulator(spec->env, emulator, error))
        return NULL;
    probe = probe_peek(cache, emulator);
    probe = probe ? probe : probe_get(cache, emulator, error);
    if (probe && !probe_find_machine(probe, spec->def->os.machine)) {
        error_set(error, ERROR_CONFIG_UNSUPPORTED,
                  "unsupported configuration: emulator '%s' does not support machine type '%s'",
                  emulator, spec->def->os.machine);
        return NULL;
    }
    return probe;
}

static char **build_argv(const QemuStartSpec *spec, const Probe *probe,
                         const Descriptors *descriptors, int monitor_fd, GError **error)
{
    const ProbeMachine *machine = probe_find_machine(probe, spec->def->os.machine);
    QemuArgvPlan plan = {
        .qemu_version = probe->version,
        .default_cpu = machine->default_cpu,
        .default_ram = machine->default_ram,
        .monitor_fd = monitor_fd,
        .descriptors = (const QemuDescriptor *)(const void *)descriptors->list->data,
        .descriptor_count = descriptors->list->len,
        .is_incoming = spec->is_incoming,
        .has_sandbox = spec->env->has_sandbox,
    };

    return qemu_argv_build(spec->def, &plan, error);
}

AWAITS static gboolean launch(QemuGuest *guest, const QemuStartSpec *spec, GError **error)
{
    g_auto(Descriptors) descriptors = {0};
    g_auto(GStrv) argv = NULL;
    int listener, monitor;

    descriptors_init(&descriptors);
    if (!descriptors_open(&descriptors, spec->env, spec->def, error) ||
        !dir_make(guest->run_dir, 0711, error))
        return FALSE;
    listener = listen_monitor(guest->run_dir, error);
    if (listener < 0)
        return FALSE;
    descriptors_add_other(&descriptors, listener);
    monitor = connect_monitor(guest->run_dir, NULL, error);
    if (monitor < 0)
        return FALSE;
    guest_open_monitor(guest, monitor);
    argv = build_argv(spec, guest->probe, &descriptors, listener, error);
    return argv && spawn(guest, argv, &descriptors, error);
}

/* --- a scope of its own --- */

typedef struct {
    pid_t pid;
    char *unit, *description, *partition;
} ScopeWish;

static void scope_wish_free(void *data)
{
    ScopeWish *wish = data;

    g_free(wish->unit);
    g_free(wish->description);
    g_free(wish->partition);
    g_free(wish);
}

AWAITS static void scope_body(void *data)
{
    const ScopeWish *wish = data;
    g_autoptr(GError) error = NULL;

    if (!scope_enter(wish->pid, wish->unit, wish->description, wish->partition, &error))
        log_warning("%s, continuing in the daemon's own unit", error->message);
}

/* So that the guest outlives ferryd's unit.  Beside the start: no guest waits for the service
 * manager. */
static void wish_for_scope(const QemuGuest *guest, const GuestDef *def)
{
    char uuid[UUID_TEXT_SIZE];
    ScopeWish *wish;

    if (guest->env->cgroup_root || !scope_is_available())
        return;
    wish = g_new0(ScopeWish, 1);
    wish->pid = guest->pid;
    wish->unit = g_strdup_printf("ferry-guest-%s-%d", uuid_format(&guest->uuid, uuid), guest->pid);
    wish->description = g_strdup_printf("QEMU of domain %s", guest->name);
    wish->partition = g_strdup(def->partition);
    task_spawn("guest-scope", scope_body, wish, scope_wish_free);
}

AWAITS QemuGuest *qemu_guest_start(const QemuStartSpec *spec, GError **error)
{
    const Probe *probe = find_probe(spec, error);
    g_autoptr(QemuGuest) guest = NULL;

    if (!probe)
        return NULL;
    guest = guest_new(spec->env, spec->def);
    guest->probe = probe;
    guest->migration_capabilities = g_strdupv(probe->migration_capabilities);
    /* launch closes our copies of what QEMU inherited: a QEMU that dies now is heard of by its
     * monitor. */
    if (!launch(guest, spec, error)) {
        guest_sweep(guest);
        return NULL;
    }
    if (!converse(guest, spec, error)) {
        give_up(guest, error);
        return NULL;
    }
    wish_for_scope(guest, spec->def);
    log_info("started QEMU (pid %d) for domain '%s'", guest->pid, guest->name);
    return g_steal_pointer(&guest);
}

/* --- one that was started by an earlier daemon --- */

QemuGuest *qemu_guest_find(const QemuEnv *env, const GuestDef *def, pid_t pid, guint64 start_time,
                           GError **error)
{
    g_autoptr(QemuGuest) guest = guest_new(env, def);
    char text[UUID_TEXT_SIZE];

    guest->is_unmet = TRUE;
    guest->log_path = guest_log_path(env, def->name);
    if (env->cgroup_root)
        guest->cgroup =
            g_strdup_printf("%s/guest-%s", env->cgroup_root, uuid_format(&def->uuid, text));
    if (guest_watch(guest, pid, start_time, error))
        return g_steal_pointer(&guest);
    guest_sweep(guest); /* the earlier daemon, which would have, did not outlive it */
    return NULL;
}

static int64_t time_left(int64_t deadline_ms)
{
    return deadline_ms < 0 ? -1 : MAX(0, deadline_ms - clock_now_ms());
}

/* A QEMU that does not come round to accepting has the connections of earlier daemons in its queue,
 * and that has room for two. */
AWAITS static gboolean call_monitor(QemuGuest *guest, int64_t deadline_ms, GError **error)
{
    for (;;) {
        g_autoptr(GError) cause = NULL;
        gboolean is_full = FALSE;
        const int fd = connect_monitor(guest->run_dir, &is_full, &cause);

        if (fd >= 0) {
            guest_open_monitor(guest, fd);
            return TRUE;
        }
        if (!is_full || guest->has_ended || time_left(deadline_ms) == 0) {
            g_propagate_error(error, g_steal_pointer(&cause));
            return FALSE;
        }
        condition_wait(guest->changed, CALL_AGAIN_MS, NULL);
        if (task_is_cancelled())
            return error_set(error, ERROR_OPERATION_ABORTED, "not waited for any more");
    }
}

AWAITS char *qemu_guest_meet(QemuGuest *guest, GuestDef *def, int64_t timeout_ms, GError **error)
{
    const int64_t deadline_ms = timeout_ms < 0 ? -1 : clock_now_ms() + timeout_ms;
    g_autoptr(QemuGuest) held = qemu_guest_ref(guest);
    g_autoptr(GError) cause = NULL;
    g_autoptr(json_object) status = NULL;

    if (!call_monitor(guest, deadline_ms, error) ||
        !monitor_greet(guest->monitor, time_left(deadline_ms), error) ||
        !monitor_execute(guest->monitor, "query-status", NULL, -1, time_left(deadline_ms), &status,
                         error))
        return NULL;
    guest->is_running = answer_flag(status, "running");
    guest->is_unmet = FALSE;
    if (has_pty(def) && !guest_learn_ptys(guest, def, &cause))
        log_warning("domain '%s': its consoles are taken for what they were: %s", guest->name,
                    cause->message);
    if (!qemu_guest_is_lost(guest))
        return g_strdup(answer_text(status, "status"));
    error_set(error, ERROR_OPERATION_FAILED, "operation failed: QEMU has ended");
    return NULL;
}
