/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Processes that a ferryd has started, found by the mark that it gives them: HOME is its run folder, or that of a guest in it.
 * And what they hold. */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/uuid.h"

typedef struct {
    pid_t pid;
    pid_t parent;
    guint64 start_time; /* as loop/child.h's process_start_time */
    gboolean has_guest; /* else it was only asked what it can do */
    Uuid uuid;          /* of the guest */
    char *name;         /* of the guest, as it was started; NULL: not said */
} OwnProcess;

/* proc: "/proc", or a made-up tree.  Of OwnProcess *, by pid. */
GPtrArray *process_list(const char *proc, const char *run_dir);
OwnProcess *process_find_guest(const GPtrArray *processes, const Uuid *uuid);

/* What a process has open: taps by name, sockets by inode.  Pid 0: we ourselves. */
void process_holds(const char *proc, pid_t pid, GHashTable *taps, GHashTable *inodes);
/* The names of all taps that a process of this network namespace holds.  Reads what every process has open. */
GHashTable *process_all_taps(const char *proc);
/* Ports that listen in this network namespace: uint16_t to inode, as pointers. */
GHashTable *process_listening(const char *proc);
