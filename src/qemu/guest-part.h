/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A running QEMU, for the files of this folder only. */
#pragma once

#include "host/tap.h"
#include "loop/child.h"
#include "loop/loop.h"
#include "model/guest-def.h"
#include "qemu/guest.h"
#include "qmp/monitor.h"

struct QemuGuest {
    unsigned refs;
    const QemuEnv *env;
    char *name;
    Uuid uuid;
    char *run_dir; /* env->run_dir/UUID */
    char *log_path;
    off_t log_start; /* where this QEMU's own output begins */
    Timer *log_timer;
    char *cgroup; /* made for this guest, or NULL */

    Process *process; /* NULL once it has ended */
    pid_t pid;
    guint64 start_time;
    int wait_status;
    gboolean has_ended;
    Condition *changed; /* the process has ended */

    Monitor *monitor;
    MonitorSubscription *reports;
    MonitorCommand *question; /* whether it answers; not answered yet */
    Timer *lost_timer;
    gboolean is_monitor_lost;
    gboolean is_lost; /* both, and told */
    gboolean is_running;
    gboolean is_swept;
    gboolean is_unmet; /* found again, and has not answered yet */

    char *emulator;
    const Probe *probe;            /* NULL for one that was found again: see qemu_guest_probe */
    char **migration_capabilities; /* all that this QEMU has; NULL: not asked yet */
    GPtrArray *sockets;            /* char *: made for serial ports, to be removed at the end */
    GHashTable *ptys;              /* chardev → path */
    GArray *vcpu_threads;          /* of pid_t; found by name when first asked for */
    unsigned fd_names;             /* counter for getfd */
    int run_dir_fd;                /* QEMU's own descriptor of run_dir; 0: not given yet */

    GPtrArray *subscriptions;
    unsigned walks;
};

/* They outlive the guest as handles that mean nothing. */
void guest_drop_subscriptions(QemuGuest *guest);
QemuGuest *guest_new(const QemuEnv *env, const GuestDef *def);
/* Watches the process; from now on its end is noticed. */
gboolean guest_watch(QemuGuest *guest, pid_t pid, guint64 start_time, GError **error);
/* Takes fd; subscribes before the first byte is read. */
void guest_open_monitor(QemuGuest *guest, int fd);
/* Removes what the guest has left in the file system, once.  Only when its process is gone. */
void guest_sweep(QemuGuest *guest);
/* Asks for the ptys and writes them into def. */
AWAITS gboolean guest_learn_ptys(QemuGuest *guest, GuestDef *def, GError **error);

/* One command, answered within the usual time.  args is taken; *ret_value may be NULL. */
AWAITS gboolean guest_command(QemuGuest *guest, const char *command, json_object *args,
                              json_object **ret_value, GError **error);
#define GUEST_COMMAND_MS (60 * 1000)
#define QEMU_ANSWER_MS   1000 /* what is not silent has answered by then */

/* A path below run_dir as one that fits into sun_path; *ret_dir_fd is to be held open while it is
 * used. */
char *guest_socket_path(const char *dir, const char *name, int *ret_dir_fd, GError **error);

/* Where the output of that guest's QEMU goes.  The caller frees. */
char *guest_log_path(const QemuEnv *env, const char *name);
/* QEMU's output: opens the log (written by QEMU, owned by us) and notes where this start begins. */
int guest_log_open(const QemuEnv *env, const char *name, char **argv, char **ret_path,
                   off_t *ret_start, GError **error);
/* Empties a log that has grown beyond all use. */
gboolean guest_log_bound(const char *path, off_t *start);
/* The last line that QEMU itself wrote after start, without its time stamp and name; "" if none.
 * start < 0: after the last note of a start.  The caller frees. */
char *guest_log_last_words(const char *path, off_t start);
/* The last line of a text that is worth showing; pure. */
char *guest_log_pick(const char *text);
