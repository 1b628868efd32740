/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Processes.  Children start by posix_spawn of ferry-exec, which becomes what the spec says and
 * then the program: the daemon itself never forks, so no lock or descriptor of another thread
 * leaks.  Watching is by pidfd, which works for any process and cannot be fooled by a pid that is
 * used again. */
#include "loop/child.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/number.h"
#include "loop/loop.h"

struct Process {
    pid_t pid;
    int pidfd;
    Watch *watch;
    ProcessFunc fn;
    void *data;
};

static char *helper_path;

static const char *const default_env[] = {
    "LC_ALL=C", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};

void child_set_helper(const char *path)
{
    g_free(helper_path);
    helper_path = g_strdup(path);
}

static void add_option(GPtrArray *argv, const char *name, gint64 value)
{
    g_ptr_array_add(argv, g_strdup_printf("--%s=%" G_GINT64_FORMAT, name, value));
}

static GPtrArray *helper_argv(const ChildSpec *spec)
{
    GPtrArray *argv = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(argv, g_strdup(helper_path));
    for (unsigned i = 0; i < spec->fd_count; i++)
        add_option(argv, "keep-fd", spec->fds[i]);
    if (spec->has_user) {
        add_option(argv, "user", spec->uid);
        add_option(argv, "group", spec->gid);
    }
    if (spec->cgroup)
        g_ptr_array_add(argv, g_strdup_printf("--cgroup=%s", spec->cgroup));
    if (spec->max_fds > 0)
        add_option(argv, "max-fds", spec->max_fds);
    if (spec->max_core >= 0)
        add_option(argv, "max-core", spec->max_core);
    if (spec->note)
        g_ptr_array_add(argv, g_strdup_printf("--note=%s", spec->note));
    if (spec->dies_with_us)
        g_ptr_array_add(argv, g_strdup("--die-with-parent"));
    if (spec->note || spec->dies_with_us)
        add_option(argv, "parent", getpid());
    g_ptr_array_add(argv, g_strdup("--"));
    for (const char *const *arg = spec->argv; *arg; arg++)
        g_ptr_array_add(argv, g_strdup(*arg));
    g_ptr_array_add(argv, NULL);
    return argv;
}

/* Same number on both sides means: only clear close-on-exec. */
static void add_descriptors(posix_spawn_file_actions_t *actions, const ChildSpec *spec)
{
    const int stdio[] = {spec->stdin_fd, spec->stdout_fd, spec->stderr_fd};

    /* Kept ones first, while no low number has been written over. */
    for (unsigned i = 0; i < spec->fd_count; i++) {
        g_assert(spec->fds[i] > STDERR_FILENO);
        posix_spawn_file_actions_adddup2(actions, spec->fds[i], spec->fds[i]);
    }
    for (int i = 0; i < 3; i++) {
        g_assert(stdio[i] == 0 || stdio[i] >= STDERR_FILENO);
        if (stdio[i] > 0)
            posix_spawn_file_actions_adddup2(actions, stdio[i], i);
        else
            posix_spawn_file_actions_addopen(actions, i, "/dev/null", i == 0 ? O_RDONLY : O_WRONLY,
                                             0);
    }
}

gboolean child_spawn(const ChildSpec *spec, pid_t *ret_pid, GError **error)
{
    g_autoptr(GPtrArray) argv = NULL;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    int failure;

    if (!helper_path)
        return error_set(error, ERROR_INTERNAL_ERROR, "cannot start '%s': no helper is set",
                         spec->argv[0]);
    argv = helper_argv(spec);
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawn_file_actions_init(&actions);
    add_descriptors(&actions, spec);
    failure = posix_spawn(ret_pid, helper_path, &actions, &attributes, (char **)argv->pdata,
                          (char **)(spec->env ? spec->env : default_env));
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (failure != 0)
        return error_set(error, ERROR_SYSTEM_ERROR, "cannot start '%s' for '%s': %s", helper_path,
                         spec->argv[0], g_strerror(failure));
    return TRUE;
}

guint64 process_start_time(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
    g_autofree char *text = file_read(path, 4096, NULL, NULL);
    g_auto(GStrv) fields = NULL;
    char *after_name =
        text ? strrchr(text, ')') : NULL; /* the name may hold anything, also ')' and blanks */
    uint64_t ticks = 0;

    if (!after_name || strlen(after_name) < 2)
        return 0;
    fields = g_strsplit(after_name + 2, " ", 21);
    if (g_strv_length(fields) < 20 || !number_parse_u64(fields[19], UINT64_MAX, &ticks))
        return 0;
    return ticks;
}

/* waitid also takes the zombie away.  -1 for a process that is not our child. */
static int process_collect(const Process *process)
{
    siginfo_t info = {0};

    if (waitid(P_PIDFD, (id_t)process->pidfd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
        return -1;
    if (info.si_code == CLD_EXITED)
        return W_EXITCODE(info.si_status, 0);
    return info.si_status | (info.si_code == CLD_DUMPED ? WCOREFLAG : 0);
}

static void process_ended(int fd, unsigned events, void *data)
{
    Process *process = data;

    int wait_status = process_collect(process);

    g_clear_pointer(&process->watch, watch_free);
    if (process->fn)
        process->fn(process, wait_status, process->data);
    else
        process_free(process); /* was only kept to take the zombie away */
}

Process *process_watch(pid_t pid, guint64 start_time, ProcessFunc fn, void *data, GError **error)
{
    g_autoptr(Process) process = g_new0(Process, 1);

    process->pid = pid;
    process->pidfd = pidfd_open(pid, 0);
    if (process->pidfd < 0) {
        error_errno(error, "cannot watch process %d", (int)pid);
        return NULL;
    }
    /* Looked at after the pidfd was opened, so it is the same process. */
    if (start_time != 0 && process_start_time(pid) != start_time) {
        error_set(error, ERROR_SYSTEM_ERROR, "process %d is not the one it was", (int)pid);
        return NULL;
    }
    process->fn = fn;
    process->data = data;
    process->watch = watch_new(process->pidfd, EPOLLIN, process_ended, process);
    return g_steal_pointer(&process);
}

static gboolean process_is_child(const Process *process)
{
    siginfo_t info;

    return waitid(P_PIDFD, (id_t)process->pidfd, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

void process_free(Process *process)
{
    if (!process)
        return;
    if (process->watch && process->fn && process_is_child(process)) {
        process->fn = NULL;
        return;
    }
    watch_free(process->watch);
    fd_clear(&process->pidfd);
    g_free(process);
}

gboolean process_kill(Process *process, int signal_number)
{
    return pidfd_send_signal(process->pidfd, signal_number, NULL, 0) == 0 || errno == ESRCH;
}

int process_find_fd(pid_t pid, const char *target, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", (int)pid);
    g_autoptr(GError) why = NULL;
    g_autoptr(GDir) dir = g_dir_open(path, 0, &why);
    uint64_t number;

    for (const char *name; dir && !why && (name = g_dir_read_name(dir));) {
        g_autofree char *link = g_build_filename(path, name, NULL);
        g_autofree char *shown = g_file_read_link(link, &why);

        if (g_strcmp0(shown, target) == 0 && number_parse_u64(name, INT_MAX, &number))
            return (int)number;
        if (g_error_matches(why, G_FILE_ERROR, G_FILE_ERROR_NOENT)) /* closed meanwhile */
            g_clear_error(&why);
    }
    if (why && !g_error_matches(why, G_FILE_ERROR, G_FILE_ERROR_NOENT)) /* it has ended */
        error_set(error, ERROR_SYSTEM_ERROR, "cannot look at the descriptors of process %d: %s",
                  (int)pid, why->message);
    return -1;
}

int process_get_socket(const Process *process, guint64 inode, GError **error)
{
    g_autofree char *target = g_strdup_printf("socket:[%" G_GUINT64_FORMAT "]", inode);
    const int number = process_find_fd(process->pid, target, error);
    auto_fd int fd = number >= 0 ? pidfd_getfd(process->pidfd, number, 0) : -1;
    struct stat info;

    if (fd >= 0) /* it may have closed that one meanwhile, and have something else there */
        return fstat(fd, &info) == 0 && S_ISSOCK(info.st_mode) && info.st_ino == inode ? fd_steal(&fd)
                                                                                       : -1;
    if (number >= 0 && errno != EBADF && errno != ESRCH)
        error_errno(error, "cannot get a duplicate of descriptor %d of process %d", number,
                    (int)process->pid);
    return -1;
}
