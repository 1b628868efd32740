/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Processes: children started through ferry-exec (never by fork), and any process watched by pidfd,
 * ours or not. */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* Who and where the child is to be.  Everything but argv may be left zero. */
typedef struct {
    const char *const *argv; /* argv[0] is an absolute path */
    const char *const *env;  /* NULL: LC_ALL=C and PATH only */
    const int *fds; /* kept open in the child under the same numbers; all others are closed */
    unsigned fd_count;
    int stdin_fd, stdout_fd, stderr_fd; /* 0: /dev/null */
    uid_t uid; /* has_user: user and group to become, with no capabilities left */
    gid_t gid;
    gboolean has_user;
    const char *cgroup; /* folder of the cgroup to enter, or NULL */
    gint64 max_fds;     /* RLIMIT_NOFILE; 0: inherited */
    gint64 max_core;    /* RLIMIT_CORE; <0: inherited */
    /* File that names the process (pid and start time) before the program runs, or NULL.  Should we
     * end meanwhile, there is either no program or a note of it. */
    const char *note;
    /* SIGKILL when we end, however that comes about; to be precise, when the thread that started it
     * ends: so it is for a task that waits for the child. */
    gboolean dies_with_us;
} ChildSpec;

/* Path of ferry-exec; set once at start-up. */
void child_set_helper(const char *path);
/* Starts it (posix_spawn of ferry-exec) and answers its pid.  Not waiting, so callable from
 * anywhere. */
gboolean child_spawn(const ChildSpec *spec, pid_t *ret_pid, GError **error);

/* A process watched until its end.  start_time (clock ticks since boot, /proc/PID/stat field 22)
 * tells it from a later one of the same pid. */
typedef struct Process Process;
typedef void (*ProcessFunc)(Process *process, int wait_status /* -1: not our child */, void *data);

guint64 process_start_time(pid_t pid); /* 0: no such process */
/* NULL with an error if there is none or start_time (unless 0) differs.  fn runs once, on the loop
 * thread. */
Process *process_watch(pid_t pid, guint64 start_time, ProcessFunc fn, void *data, GError **error);
void process_free(Process *process); /* stops watching */
/* Never hits a successor of that pid.  true also if it has gone already. */
gboolean process_kill(Process *process, int signal_number);

/* The descriptor of a process that /proc/PID/fd shows as a link to target.  -1: it has none, or (with
 * an error) nobody may look. */
int process_find_fd(pid_t pid, const char *target, GError **error);
/* A descriptor of our own of its socket with that inode (Linux 5.6).  -1: it has none (any more), or
 * (with an error) the kernel gives none away. */
int process_get_socket(const Process *process, guint64 inode, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Process, process_free)
