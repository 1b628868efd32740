/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "loop/child.h"
#include "loop/loop-test.h"

typedef struct {
    Await *end;
    int status;
} End;

static void ended(Process *process, int wait_status, void *data)
{
    End *end = data;

    end->status = wait_status;
    await_succeed(end->end);
}

static int run_to_end(const ChildSpec *spec)
{
    End end = {.end = await_new("child")};
    g_autoptr(Process) process = NULL;
    g_autoptr(GError) error = NULL;
    pid_t pid;

    g_assert_true(child_spawn(spec, &pid, &error));
    process = process_watch(pid, process_start_time(pid), ended, &end, &error);
    g_assert_no_error(error);
    g_assert_true(await(end.end, 20000, &error));
    g_assert_true(process_kill(process, SIGTERM)); /* gone already is fine */
    await_unref(end.end);
    return end.status;
}

static char *shell(const char *script, const int *fds, unsigned fd_count, int *ret_status)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    ChildSpec spec = {.argv = argv, .fds = fds, .fd_count = fd_count};
    char text[512] = "";
    int out[2];

    g_assert_cmpint(pipe2(out, O_CLOEXEC), ==, 0);
    spec.stdout_fd = spec.stderr_fd = out[1];
    *ret_status = run_to_end(&spec);
    close(out[1]);
    g_assert_cmpint(read(out[0], text, sizeof text - 1), >=, 0);
    close(out[0]);
    return g_strdup(text);
}

static void shell_body(void *data)
{
    auto_fd int kept = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    auto_fd int lost = open("/dev/zero", O_RDONLY);
    g_autofree char *script =
        g_strdup_printf("[ -e /proc/self/fd/%d ] && ! [ -e /proc/self/fd/%d ] && echo right; "
                        "ulimit -c; exit 3",
                        kept, lost);
    g_autofree char *text = NULL;
    int status;

    text = shell(script, &kept, 1, &status);
    g_assert_cmpint(WEXITSTATUS(status), ==, 3);
    g_assert_cmpstr(text, ==, "right\n0\n");
}

static void a_child_gets_its_descriptors_and_no_others(void)
{
    loop_test_run(shell_body, NULL);
}

static void missing_body(void *data)
{
    const char *const argv[] = {"/no/such/program", NULL};
    ChildSpec spec = {.argv = argv};
    int status = run_to_end(&spec);

    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 127);
}

static void a_missing_program_ends_with_127(void)
{
    loop_test_run(missing_body, NULL);
}

static void killed_body(void *data)
{
    const char *const argv[] = {"/bin/sleep", "1000", NULL};
    ChildSpec spec = {.argv = argv};
    End end = {.end = await_new("child")};
    g_autoptr(Process) process = NULL;
    pid_t pid;

    g_assert_true(child_spawn(&spec, &pid, NULL));
    g_assert_null(process_watch(pid, process_start_time(pid) + 1, ended, &end, NULL));
    process = process_watch(pid, 0, ended, &end, NULL);
    g_assert_true(process_kill(process, SIGKILL));
    g_assert_true(await(end.end, 20000, NULL));
    g_assert_true(WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGKILL);
    g_assert_cmpuint(process_start_time(pid), ==, 0);
    await_unref(end.end);
}

static void a_killed_child_tells_its_signal(void)
{
    loop_test_run(killed_body, NULL);
}

static guint64 inode_of(int fd)
{
    struct stat info;

    g_assert_cmpint(fstat(fd, &info), ==, 0);
    return info.st_ino;
}

static void socket_body(void *data)
{
    const char *const argv[] = {"/bin/cat", NULL};
    ChildSpec spec = {.argv = argv};
    End end = {.end = await_new("child")};
    g_autoptr(Process) process = NULL;
    g_autoptr(GError) error = NULL;
    guint64 inode;
    int pair[2], fd;
    pid_t pid;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    inode = inode_of(pair[0]);
    spec.stdin_fd = pair[0];
    g_assert_true(child_spawn(&spec, &pid, NULL));
    close(pair[0]);
    process = process_watch(pid, 0, ended, &end, NULL);
    fd = process_get_socket(process, inode, &error);
    if (error) {
        g_test_skip(error->message);
        process_kill(process, SIGKILL);
    } else {
        g_assert_cmpuint(inode_of(fd), ==, inode);
        g_assert_cmpint(process_get_socket(process, inode_of(pair[1]), &error), ==, -1); /* ours */
        g_assert_no_error(error);
        g_assert_cmpint(shutdown(fd, SHUT_RDWR), ==, 0);
        close(fd);
    }
    g_assert_true(await(end.end, 20000, NULL)); /* it has read the end */
    g_assert_cmpint(process_get_socket(process, inode, NULL), ==, -1);
    await_unref(end.end);
    close(pair[1]);
}

static void a_socket_of_a_process_is_found_and_shut_under_it(void)
{
    loop_test_run(socket_body, NULL);
}

/* A grandchild whose parent ends belongs to somebody else. */
static void stranger_body(void *data)
{
    g_autofree char *text = NULL;
    End end = {.end = await_new("stranger"), .status = 99};
    g_autoptr(Process) process = NULL;
    g_autoptr(GError) error = NULL;
    pid_t pid;
    int status;

    text = shell("sleep 1000 >/dev/null 2>&1 & echo $!", NULL, 0, &status);
    pid = (pid_t)g_ascii_strtoll(text, NULL, 10);
    process = process_watch(pid, process_start_time(pid), ended, &end, &error);
    g_assert_no_error(error);
    g_assert_true(process_kill(process, SIGKILL));
    g_assert_true(await(end.end, 20000, NULL));
    g_assert_cmpint(end.status, ==, -1);
    await_unref(end.end);
}

static void the_end_of_a_process_of_others_is_seen(void)
{
    loop_test_run(stranger_body, NULL);
}

static void unwatched_body(void *data)
{
    const char *const argv[] = {"/bin/sleep", "0.05", NULL};
    ChildSpec spec = {.argv = argv};
    pid_t pid;

    g_assert_true(child_spawn(&spec, &pid, NULL));
    process_free(process_watch(pid, 0, ended, NULL, NULL));
    while (process_start_time(pid) != 0)
        g_assert_true(await_sleep(10, NULL));
}

static void a_child_nobody_watches_leaves_no_zombie(void)
{
    loop_test_run(unwatched_body, NULL);
}

static void user_body(void *data)
{
    const char *const argv[] = {
        "/bin/sh", "-c", "id -u; id -g; grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status",
        NULL};
    ChildSpec spec = {.argv = argv, .uid = 65534, .gid = 65534, .has_user = TRUE};
    char text[512] = "";
    int out[2];

    g_assert_cmpint(pipe2(out, O_CLOEXEC), ==, 0);
    spec.stdout_fd = spec.stderr_fd = out[1];
    g_assert_cmpint(run_to_end(&spec), ==, 0);
    close(out[1]);
    g_assert_cmpint(read(out[0], text, sizeof text - 1), >, 0);
    close(out[0]);
    g_assert_cmpstr(text, ==,
                    "65534\n65534\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:"
                    "\t0000000000000000\n"
                    "CapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\n");
}

static void another_user_has_no_capabilities(void)
{
    if (geteuid() != 0)
        g_test_skip("needs root");
    else
        loop_test_run(user_body, NULL);
}

/* A folder with a plain file in it is cgroup enough to see what is written where. */
static void limits_body(void *data)
{
    g_autofree char *dir = g_dir_make_tmp("ferry-XXXXXX", NULL);
    g_autofree char *procs = g_build_filename(dir, "cgroup.procs", NULL);
    const char *const argv[] = {"/bin/sh", "-c",
                                "[ $(ulimit -n) = 123 ] && [ $(ulimit -Hn) = 123 ]", NULL};
    ChildSpec spec = {.argv = argv, .cgroup = dir, .max_fds = 123};
    g_autofree char *text = NULL;

    g_assert_true(g_file_set_contents(procs, "", 0, NULL));
    g_assert_cmpint(run_to_end(&spec), ==, 0);
    text = file_read(procs, 10, NULL, NULL);
    g_assert_cmpstr(text, ==, "0");
    unlink(procs);
    rmdir(dir);
    g_assert_cmpint(WEXITSTATUS(run_to_end(&spec)), ==, 125); /* no such cgroup */
}

static void limits_and_cgroup_hold_before_the_program_runs(void)
{
    loop_test_run(limits_body, NULL);
}

/* A parent that kills itself.  The write end of the pipe is open as long as the child lives. */
static void tied_body(void *data)
{
    const char *exec = g_getenv("FERRY_EXEC");
    g_autofree char *script = g_strdup_printf("%s --die-with-parent --parent=$$ -- /bin/sleep 600 & "
                                              "echo $!; %s",
                                              exec, (const char *)data);
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    ChildSpec spec = {.argv = argv, .max_core = 0};
    End end = {.end = await_new("tied child")};
    g_autoptr(Process) process = NULL;
    g_autoptr(GError) error = NULL;
    char text[64] = "";
    int out[2];
    pid_t pid;

    g_assert_cmpint(pipe2(out, O_CLOEXEC), ==, 0);
    spec.stdout_fd = spec.stderr_fd = out[1];
    g_assert_true(child_spawn(&spec, &pid, &error));
    close(out[1]);
    g_assert_cmpint(read(out[0], text, sizeof text - 1), >, 0);
    g_assert_cmpint(atoi(text), >, 1);
    process = process_watch((pid_t)atoi(text), 0, ended, &end, NULL);
    if (process) /* else it has gone already */
        g_assert_true(await(end.end, 20000, &error));
    await_unref(end.end);
    close(out[0]);
}

static void a_tied_child_ends_with_its_parent(void)
{
    loop_test_run(tied_body, (void *)"kill -9 $$");
}

static void a_tied_child_does_not_run_for_another_parent(void)
{
    const char *const argv[] = {g_getenv("FERRY_EXEC"), "--die-with-parent", "--parent=1", "--", "/bin/true", NULL};
    int status = 0;

    g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, NULL, NULL, &status, NULL));
    g_assert_cmpint(WEXITSTATUS(status), ==, 125);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    child_set_helper(g_getenv("FERRY_EXEC"));
    g_test_add_func("/loop/child/a-child-gets-its-descriptors-and-no-others",
                    a_child_gets_its_descriptors_and_no_others);
    g_test_add_func("/loop/child/a-missing-program-ends-with-127", a_missing_program_ends_with_127);
    g_test_add_func("/loop/child/a-killed-child-tells-its-signal", a_killed_child_tells_its_signal);
    g_test_add_func("/loop/child/a-socket-of-a-process-is-found-and-shut-under-it",
                    a_socket_of_a_process_is_found_and_shut_under_it);
    g_test_add_func("/loop/child/the-end-of-a-process-of-others-is-seen",
                    the_end_of_a_process_of_others_is_seen);
    g_test_add_func("/loop/child/a-child-nobody-watches-leaves-no-zombie",
                    a_child_nobody_watches_leaves_no_zombie);
    g_test_add_func("/loop/child/limits-and-cgroup-hold-before-the-program-runs",
                    limits_and_cgroup_hold_before_the_program_runs);
    g_test_add_func("/loop/child/a-tied-child-ends-with-its-parent",
                    a_tied_child_ends_with_its_parent);
    g_test_add_func("/loop/child/a-tied-child-does-not-run-for-another-parent",
                    a_tied_child_does_not_run_for_another_parent);
    g_test_add_func("/loop/child/another-user-has-no-capabilities",
                    another_user_has_no_capabilities);
    return g_test_run();
}
