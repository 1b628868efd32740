/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Monitor: one QMP conversation.  Commands are sent at once and answered by id, so several may be
 * under way; events come on the loop thread, in QEMU's order, before any task sees a later reply.
 *
 * Reference counted.  Whoever calls a function here holds a reference for as long as it awaits. */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdint.h>

#include "loop/task.h"
#include "qmp/lines.h"

typedef struct Monitor Monitor;
typedef struct MonitorCommand MonitorCommand;
typedef struct MonitorSubscription MonitorSubscription;

/* --- the conversation --- */

/* Takes fd, a connected stream socket (also one end of a socketpair).  Nothing is said yet:
 * subscribe, then greet. */
Monitor *monitor_new(int fd);
/* Waits for QEMU's greeting and answers it.  Only then commands may be sent. */
AWAITS gboolean monitor_greet(Monitor *monitor, int64_t timeout_ms, GError **error);
/* Before that: some commands are to be answered at once, whatever QEMU is at. */
void monitor_want_oob(Monitor *monitor);
/* QEMU has agreed. */
gboolean monitor_has_oob(const Monitor *monitor);
/* Both; for those who need no event from the first moment on. */
AWAITS Monitor *monitor_open(int fd, int64_t timeout_ms, GError **error);
Monitor *monitor_ref(Monitor *monitor);
void monitor_unref(Monitor *monitor);
/* Ends it from our side: pending commands fail, no handler is called any more. */
void monitor_close(Monitor *monitor);
gboolean monitor_is_lost(const Monitor *monitor); /* or closed */
/* major × 1000000 + minor × 1000 + micro, of the greeting. */
unsigned monitor_qemu_version(const Monitor *monitor);
/* How many commands were sent; for the bench. */
uint64_t monitor_command_count(const Monitor *monitor);

/* --- commands --- */

/* args: NULL or an object, taken.  fd: -1, or a descriptor that travels with the command
 * (SCM_RIGHTS, for getfd and add-fd; duplicated, stays the caller's).  timeout_ms < 0: none.
 * *ret_value (may be NULL) is what QEMU returned, to be given back by json_object_put.  What QEMU
 * refuses is ERROR_INTERNAL_ERROR, "internal error: unable to execute QEMU command 'X': DESC".  A
 * reply after the time-out is dropped. */
AWAITS gboolean monitor_execute(Monitor *monitor, const char *command, json_object *args, int fd,
                                int64_t timeout_ms, json_object **ret_value, GError **error);

/* The same in two steps; the first does not await: the command is on its way when it returns, or
 * behind others that QEMU has to answer first (or has failed, which the second tells).  Never NULL; forget the answer by monitor_command_unref. */
MonitorCommand *monitor_send(Monitor *monitor, const char *command, json_object *args, int fd);
/* Out of band: past all that waits for QEMU's lock.  Only where monitor_has_oob, and few commands may
 * be sent so (migrate-pause, migrate-recover, yank). */
MonitorCommand *monitor_send_oob(Monitor *monitor, const char *command, json_object *args);
AWAITS gboolean monitor_command_wait(MonitorCommand *command, int64_t timeout_ms,
                                     json_object **ret_value, GError **error);
/* QEMU's error class ("CommandNotFound", "DeviceNotFound", "GenericError"), or NULL. */
const char *monitor_command_error_class(const MonitorCommand *command);
MonitorCommand *monitor_command_ref(MonitorCommand *command);
void monitor_command_unref(MonitorCommand *command);

/* For qemu-monitor-command: a whole QMP command as text; the reply as text, also when it is an
 * error of QEMU's.  The caller frees it. */
AWAITS char *monitor_execute_text(Monitor *monitor, const char *json_text, int64_t timeout_ms,
                                  GError **error);
/* A line for people's monitor, and what it printed. */
AWAITS char *monitor_execute_hmp(Monitor *monitor, const char *line, int64_t timeout_ms,
                                 GError **error);

/* --- events --- */

typedef struct {
    const char *name;
    json_object *data;    /* NULL if there is none */
    json_object *message; /* all of it */
    int64_t seconds;      /* QEMU's stamp; -1 if it had none */
    int64_t microseconds;
} MonitorEvent; /* borrowed for the call */

/* On the loop thread; must not await.  A handler may subscribe, unsubscribe and send. */
typedef void (*MonitorEventHandler)(Monitor *monitor, const MonitorEvent *event, void *data);
/* Once, when QEMU hung up or spoke nonsense; after the pending commands have failed with the same
 * reason. */
typedef void (*MonitorLostHandler)(Monitor *monitor, const GError *reason, void *data);

/* Either function may be NULL. */
MonitorSubscription *monitor_subscribe(Monitor *monitor, MonitorEventHandler on_event,
                                       MonitorLostHandler on_lost, void *data);
void monitor_unsubscribe(MonitorSubscription *subscription); /* before the monitor's last unref */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Monitor, monitor_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MonitorCommand, monitor_command_unref)
