/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starts an emulator without a machine and asks it about itself over QMP. */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "loop/child.h"
#include "qemu/note.h"
#include "qemu/probe-part.h"
#include "qmp/monitor.h"

#define ASK_TIMEOUT_MS (20 * 1000)
#define REAP_MS        2000
#define COMPLAINT_MAX  4096

typedef struct {
    const char *member; /* of the answers */
    const char *command;
    const char *args; /* JSON or NULL */
} Question;

static const Question questions[] = {
    {"version", "query-version", NULL},
    {"target", "query-target", NULL},
    {"machines", "query-machines", NULL},
    {"cpus", "query-cpu-definitions", NULL},
    {"commands", "query-commands", NULL},
    {"devices", "qom-list-types", "{\"implements\":\"device\",\"abstract\":false}"},
    {"migration-capabilities", "query-migrate-capabilities", NULL},
};
/* The second time, under KVM: only what depends on it. */
static const Question kvm_questions[] = {{"cpus-kvm", "query-cpu-definitions", NULL}};

static unsigned askings;

typedef struct {
    Monitor *monitor;
    Process *process;
    Await *ended;
    char *note;     /* file that tells the next daemon of this process, should ours end before it */
    int complaints; /* memfd with what it wrote to stderr */
} Asking;

static void on_end(Process *process, int wait_status, void *data)
{
    await_succeed(((Asking *)data)->ended);
}

void probe_end_leftovers(const QemuEnv *env)
{
    g_autoptr(GDir) dir = g_dir_open(env->run_dir, 0, NULL);

    for (const char *name; dir && (name = g_dir_read_name(dir));) {
        g_autofree char *path = g_build_filename(env->run_dir, name, NULL);

        if (g_str_has_prefix(name, NOTE_ASKING))
            note_end(path);
    }
}

AWAITS static void asking_end(Asking *asking)
{
    if (asking->monitor)
        monitor_close(asking->monitor);
    if (asking->process) {
        process_kill(asking->process, SIGKILL);
        task_shield();
        await(asking->ended, REAP_MS, NULL);
        task_unshield();
    }
    g_clear_pointer(&asking->monitor, monitor_unref);
    g_clear_pointer(&asking->process, process_free);
    g_clear_pointer(&asking->ended, await_unref);
    fd_clear(&asking->complaints);
    if (asking->note)
        unlink(asking->note);
    g_clear_pointer(&asking->note, g_free);
}

/* The last line of what it wrote, or "". */
static char *last_complaint(int fd)
{
    char text[COMPLAINT_MAX + 1] = "";
    off_t size = lseek(fd, 0, SEEK_END);
    ssize_t n = pread(fd, text, COMPLAINT_MAX, MAX(size - COMPLAINT_MAX, 0));
    char *line;

    text[MAX(n, 0)] = '\0';
    g_strchomp(text);
    line = strrchr(text, '\n');
    return g_strdup(line ? line + 1 : text);
}

AWAITS static gboolean asking_begin(Asking *asking, const QemuEnv *env, const char *emulator,
                                    const char *accel, GError **error)
{
    int ends[2];

    asking->ended = await_new("the end of a probed emulator");
    if (!dir_make(env->run_dir, 0755, error)) /* for the note */
        return FALSE;
    asking->complaints = memfd_create("ferry-probe", MFD_CLOEXEC);
    if (asking->complaints < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return error_errno(error, "cannot prepare to ask '%s'", emulator);
    auto_fd int theirs = ends[1];
    g_autofree char *chardev = g_strdup_printf("socket,id=mon,fd=%d", theirs);
    g_autofree char *machine = g_strdup_printf("none,accel=%s", accel);
    const char *argv[] = {emulator,      "-S",       "-no-user-config",
                          "-nodefaults", "-display", "none",
                          "-machine",    machine,    "-chardev",
                          chardev,       "-mon",     "chardev=mon,mode=control",
                          NULL};
    /* HOME tells whose it is, as that of a guest's QEMU does. */
    g_autofree char *home = g_strdup_printf("HOME=%s", env->run_dir);
    const char *const environment[] = {
        "LC_ALL=C", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", home, NULL};
    asking->note = g_strdup_printf("%s/" NOTE_ASKING "%u", env->run_dir, ++askings);
    ChildSpec spec = {.argv = argv,
                      .fds = &theirs,
                      .fd_count = 1,
                      .stderr_fd = asking->complaints,
                      .note = asking->note,
                      .env = environment,
                      .dies_with_us = TRUE};
    pid_t pid;

    asking->monitor = monitor_new(ends[0]);
    if (env->user.is_set) {
        spec.has_user = TRUE;
        spec.uid = env->user.uid;
        spec.gid = env->user.gid;
    }
    if (!child_spawn(&spec, &pid, error))
        return FALSE;
    asking->process = process_watch(pid, 0, on_end, asking, error);
    fd_clear(&theirs);
    return asking->process && monitor_greet(asking->monitor, ASK_TIMEOUT_MS, error);
}

/* All questions at once, then all answers. */
AWAITS static gboolean ask_all(Asking *asking, const Question *list, unsigned count,
                               json_object *answers, GError **error)
{
    g_autoptr(GPtrArray) commands =
        g_ptr_array_new_with_free_func((GDestroyNotify)monitor_command_unref);

    for (unsigned i = 0; i < count; i++) {
        json_object *args = list[i].args ? json_tokener_parse(list[i].args) : NULL;

        g_ptr_array_add(commands, monitor_send(asking->monitor, list[i].command, args, -1));
    }
    for (unsigned i = 0; i < count; i++) {
        json_object *value = NULL;

        if (!monitor_command_wait(g_ptr_array_index(commands, i), ASK_TIMEOUT_MS, &value, error))
            return FALSE;
        json_object_object_add(answers, list[i].member, value);
    }
    return TRUE;
}

AWAITS static gboolean ask_under(const QemuEnv *env, const char *emulator, const char *accel,
                                 const Question *list, unsigned count, json_object *answers,
                                 GError **error)
{
    Asking asking = {.complaints = -1};
    gboolean is_done = asking_begin(&asking, env, emulator, accel, error) &&
                       ask_all(&asking, list, count, answers, error);

    if (!is_done) {
        g_autofree char *complaint =
            asking.complaints < 0 ? g_strdup("") : last_complaint(asking.complaints);

        g_prefix_error(error, "cannot learn what emulator '%s' can do: %s%s", emulator, complaint,
                       complaint[0] ? ": " : "");
    }
    asking_end(&asking);
    return is_done;
}

AWAITS json_object *probe_ask(const QemuEnv *env, const char *emulator, gboolean with_kvm,
                              GError **error)
{
    json_object *answers = json_object_new_object();

    if (!ask_under(env, emulator, "tcg", questions, G_N_ELEMENTS(questions), answers, error)) {
        json_object_put(answers);
        return NULL;
    }
    /* Its failure only means: no KVM for this emulator. */
    if (with_kvm)
        ask_under(env, emulator, "kvm", kvm_questions, G_N_ELEMENTS(kvm_questions), answers, NULL);
    return answers;
}
