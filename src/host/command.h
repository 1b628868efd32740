/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A short-lived tool (qemu-img, a probe): run to its end as some user, with a deadline and a
 * bounded answer. */
#pragma once

#include <glib.h>

#include "host/user.h"
#include "loop/child.h"
#include "loop/task.h"

typedef struct {
    char *output; /* stdout, NUL-terminated */
    char *complaint; /* stderr without its last newline, cut at 4 KiB */
    int wait_status;
} CommandResult;

/* Waits for the end of the process.  Past timeout_ms, a cancel, or max_output bytes of stdout it is
 * killed and that is the error; a non-zero exit is not (look at wait_status). */
AWAITS gboolean command_run(const char *const *argv, const HostUser *user, size_t max_output,
                            int64_t timeout_ms, CommandResult *ret_result, GError **error);
/* "exit status 1: COMPLAINT", "killed by signal 9"; the caller frees it. */
char *command_describe(const CommandResult *result);
void command_result_clear(CommandResult *result);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CommandResult, command_result_clear)
