/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs a tool through ferry-exec, gathers what it says from two pipes, and ends it when it
 * overstays. */
#include "host/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "loop/loop.h"

#define COMPLAINT_MAX 4096
#define REAP_MS       2000

typedef struct {
    int fd;
    size_t max;
    GString *text;
    gboolean is_cut;
    Watch *watch;
} Gather;

typedef struct {
    Gather out, err;
    Process *process;
    int wait_status;
    Await *ended;
} Run;

static void gather_read(Gather *gather)
{
    char buffer[16384];

    for (;;) {
        ssize_t n = read(gather->fd, buffer, sizeof buffer);
        size_t room = gather->max - gather->text->len;

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            if (n == 0 || errno != EAGAIN)
                g_clear_pointer(&gather->watch, watch_free);
            return;
        }
        gather->is_cut |= (size_t)n > room;
        g_string_append_len(gather->text, buffer, (gssize)MIN((size_t)n, room));
    }
}

static void on_out(int fd, unsigned events, void *data)
{
    Run *run = data;
    g_autoptr(GError) cause = NULL;

    gather_read(&run->out);
    if (!run->out.is_cut)
        return;
    error_set(&cause, ERROR_OPERATION_FAILED, "it answered more than %zu bytes", run->out.max);
    await_fail(run->ended, cause);
}

static void on_err(int fd, unsigned events, void *data)
{
    gather_read(&((Run *)data)->err);
}

static void on_end(Process *process, int wait_status, void *data)
{
    Run *run = data;

    run->wait_status = wait_status;
    await_succeed(run->ended);
}

static gboolean gather_open(Gather *gather, size_t max, WatchFunc fn, Run *run, int *ret_write,
                            GError **error)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_errno(error, "cannot make a pipe");
    gather->fd = ends[0];
    gather->max = max;
    gather->text = g_string_new(NULL);
    *ret_write = ends[1];
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
        return error_errno(error, "cannot make a pipe non-blocking");
    gather->watch = watch_new(ends[0], EPOLLIN, fn, run);
    return TRUE;
}

static void gather_clear(Gather *gather)
{
    g_clear_pointer(&gather->watch, watch_free);
    if (gather->text) {
        close(gather->fd);
        g_string_free(g_steal_pointer(&gather->text), TRUE);
    }
}

static void run_clear(Run *run)
{
    gather_clear(&run->out);
    gather_clear(&run->err);
    g_clear_pointer(&run->process, process_free);
    g_clear_pointer(&run->ended, await_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Run, run_clear)

/* The await has failed: end the process and reap it, whatever our own caller wants meanwhile. */
AWAITS static void run_kill(Run *run)
{
    g_autoptr(Await) ended = await_new("the end of a killed tool");

    g_clear_pointer(&run->out.watch,
                    watch_free); /* what it still says must not end this await too */
    g_clear_pointer(&run->ended, await_unref);
    run->ended = await_ref(ended);
    process_kill(run->process, SIGKILL);
    task_shield();
    await(ended, REAP_MS, NULL);
    task_unshield();
}

AWAITS static gboolean run_start(Run *run, const char *const *argv, const HostUser *user,
                                 size_t max_output, GError **error)
{
    auto_fd int out = -1;
    auto_fd int err = -1;
    pid_t pid;

    if (!gather_open(&run->out, max_output, on_out, run, &out, error) ||
        !gather_open(&run->err, COMPLAINT_MAX, on_err, run, &err, error))
        return FALSE;

    ChildSpec spec = {.argv = argv, .stdout_fd = out, .stderr_fd = err, .max_core = 0, .dies_with_us = TRUE};
    if (user && user->is_set) {
        spec.has_user = TRUE;
        spec.uid = user->uid;
        spec.gid = user->gid;
    }
    if (!child_spawn(&spec, &pid, error))
        return FALSE;
    run->process = process_watch(pid, 0, on_end, run, error);
    return run->process != NULL;
}

AWAITS gboolean command_run(const char *const *argv, const HostUser *user, size_t max_output,
                            int64_t timeout_ms, CommandResult *ret_result, GError **error)
{
    g_autofree char *what = g_strdup_printf("the end of '%s'", argv[0]);
    g_auto(Run) run = {.ended = await_new(what)};

    if (!run_start(&run, argv, user, max_output, error))
        return FALSE;
    if (!await(run.ended, timeout_ms, error)) {
        run_kill(&run);
        g_prefix_error(error, "'%s': ", argv[0]);
        return FALSE;
    }
    gather_read(&run.out);
    gather_read(&run.err);
    if (run.out.is_cut)
        return error_set(error, ERROR_OPERATION_FAILED, "'%s' answered more than %zu bytes",
                         argv[0], max_output);

    ret_result->wait_status = run.wait_status;
    ret_result->output = g_strndup(run.out.text->str, run.out.text->len);
    ret_result->complaint = g_strndup(run.err.text->str, run.err.text->len);
    g_strchomp(ret_result->complaint);
    return TRUE;
}

char *command_describe(const CommandResult *result)
{
    const char *complaint = result->complaint ? result->complaint : "";
    const char *separator = complaint[0] ? ": " : "";

    if (WIFSIGNALED(result->wait_status))
        return g_strdup_printf("killed by signal %d%s%s", WTERMSIG(result->wait_status), separator,
                               complaint);
    return g_strdup_printf("exit status %d%s%s", WEXITSTATUS(result->wait_status), separator,
                           complaint);
}

void command_result_clear(CommandResult *result)
{
    g_free(result->output);
    g_free(result->complaint);
    *result = (CommandResult){0};
}
