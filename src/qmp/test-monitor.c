/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Against a fake QEMU on the other end of a socketpair, and against a real one. */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "loop/child.h"
#include "loop/loop-test.h"
#include "qmp/monitor.h"

static const char greeting[] = "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, "
                               "\"major\": 7}, \"package\": \"\"}, "
                               "\"capabilities\": [\"oob\"]}}\r\n";

static GString *seen;

static void say(int peer, const char *text)
{
    g_assert_cmpint(send(peer, text, strlen(text), MSG_NOSIGNAL), ==, strlen(text));
}

/* What the monitor has written by now; and the descriptor that came along, or -1. */
static char *hear(int peer, int *ret_fd)
{
    char text[4096];
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {text, sizeof text - 1};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    ssize_t got = recvmsg(peer, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    struct cmsghdr *header = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;

    if (ret_fd)
        *ret_fd = -1;
    if (ret_fd && header)
        memcpy(ret_fd, CMSG_DATA(header), sizeof(int));
    return g_strndup(text, got > 0 ? (size_t)got : 0);
}

static void answer_capabilities(int peer, unsigned events, void *data)
{
    g_autofree char *text = hear(peer, NULL);

    g_assert_cmpstr(text, ==, "{\"execute\":\"qmp_capabilities\",\"id\":\"ferry-1\"}\r\n");
    say(peer, "{\"return\": {}, \"id\": \"ferry-1\"}\r\n");
}

/* The monitor's end; the other has greeted, and the watch answers what it is sent. */
static int start_fake(WatchFunc answer, int *ret_peer, Watch **ret_watch)
{
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    say(pair[1], greeting);
    *ret_watch = watch_new(pair[1], EPOLLIN, answer, NULL);
    *ret_peer = pair[1];
    return pair[0];
}

static Monitor *open_fake(int *ret_peer)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Watch) watch = NULL;
    const int fd = start_fake(answer_capabilities, ret_peer, &watch);
    Monitor *monitor = monitor_open(fd, 5000, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(monitor_qemu_version(monitor), ==, 7002022);
    return monitor;
}

static void agree(int peer, unsigned events, void *data)
{
    g_autofree char *text = hear(peer, NULL);

    g_assert_cmpstr(text, ==,
                    "{\"execute\":\"qmp_capabilities\",\"arguments\":{\"enable\":[\"oob\"]},"
                    "\"id\":\"ferry-1\"}\r\n");
    say(peer, "{\"return\": {}, \"id\": \"ferry-1\"}\r\n");
}

static Monitor *open_agreed(int *ret_peer)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Watch) watch = NULL;
    Monitor *monitor = monitor_new(start_fake(agree, ret_peer, &watch));

    monitor_want_oob(monitor);
    g_assert_true(monitor_greet(monitor, 5000, &error));
    g_assert_true(monitor_has_oob(monitor));
    return monitor;
}

static unsigned count_lines(const char *text)
{
    unsigned lines = 0;

    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

/* QEMU reads ahead then: no more than it has room for is on its way, so that it always reads on. */
static void out_of_band_body(void *data)
{
    g_autoptr(GPtrArray) commands =
        g_ptr_array_new_with_free_func((GDestroyNotify)monitor_command_unref);
    g_autofree char *first = NULL, *passes = NULL, *next = NULL;
    g_autoptr(MonitorCommand) urgent = NULL;
    g_autoptr(Monitor) monitor = NULL;
    g_autoptr(GError) error = NULL;
    int peer;

    monitor = open_agreed(&peer);
    for (unsigned i = 0; i < 9; i++) /* ferry-2 to ferry-10 */
        g_ptr_array_add(commands, monitor_send(monitor, "query-status", NULL, -1));
    urgent = monitor_send_oob(monitor, "migrate-pause", NULL); /* ferry-11 */
    first = hear(peer, NULL);
    g_assert_cmpuint(count_lines(first), ==, 8);
    g_assert_true(g_str_has_suffix(first, "{\"exec-oob\":\"migrate-pause\",\"id\":\"ferry-11\"}\r\n"));
    say(peer, "{\"return\": {}, \"id\": \"ferry-11\"}\r\n");
    g_assert_true(monitor_command_wait(urgent, 5000, NULL, &error));
    passes = hear(peer, NULL);
    g_assert_cmpstr(passes, ==, "");
    say(peer, "{\"return\": {}, \"id\": \"ferry-2\"}\r\n");
    g_assert_true(monitor_command_wait(commands->pdata[0], 5000, NULL, &error));
    next = hear(peer, NULL);
    g_assert_cmpstr(next, ==, "{\"execute\":\"query-status\",\"id\":\"ferry-9\"}\r\n");
    close(peer);
}

static void out_of_band_commands_pass(void)
{
    loop_test_run(out_of_band_body, NULL);
}

static void one_descriptor_body(void *data)
{
    auto_fd int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    g_autoptr(MonitorCommand) one = NULL, two = NULL, behind = NULL;
    g_autofree char *first = NULL, *second = NULL;
    g_autoptr(Monitor) monitor = NULL;
    g_autoptr(GError) error = NULL;
    int peer, came;

    monitor = open_agreed(&peer);
    one = monitor_send(monitor, "getfd", NULL, fd);
    two = monitor_send(monitor, "getfd", NULL, fd);
    behind = monitor_send(monitor, "cont", NULL, -1);
    first = hear(peer, &came);
    g_assert_cmpstr(first, ==, "{\"execute\":\"getfd\",\"id\":\"ferry-2\"}");
    g_assert_cmpint(came, >=, 0);
    fd_clear(&came);
    say(peer, "{\"return\": {}, \"id\": \"ferry-2\"}\r\n");
    g_assert_true(monitor_command_wait(one, 5000, NULL, &error));
    second = hear(peer, &came);
    g_assert_cmpstr(second, ==, "{\"execute\":\"getfd\",\"id\":\"ferry-3\"}"); /* and nothing of what is behind it */
    g_assert_cmpint(came, >=, 0);
    fd_clear(&came);
    close(peer);
}

static void descriptors_go_one_by_one(void)
{
    loop_test_run(one_descriptor_body, NULL);
}

/* Nothing is sent then, and nobody waits behind it. */
static void lost_descriptor_body(void *data)
{
    auto_fd int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    g_autoptr(MonitorCommand) lost = NULL, next = NULL;
    g_autofree char *sent = NULL;
    g_autoptr(Monitor) monitor = NULL;
    g_autoptr(GError) error = NULL;
    int peer, came;

    monitor = open_agreed(&peer);
    lost = monitor_send(monitor, "getfd", NULL, INT_MAX);
    next = monitor_send(monitor, "getfd", NULL, fd);
    sent = hear(peer, &came);
    g_assert_cmpstr(sent, ==, "{\"execute\":\"getfd\",\"id\":\"ferry-2\"}");
    g_assert_cmpint(came, >=, 0);
    fd_clear(&came);
    g_assert_false(monitor_command_wait(lost, 0, NULL, &error));
    g_assert_cmpstr(error->message, ==, "cannot hand a descriptor over to QEMU with 'getfd': Bad file descriptor");
    say(peer, "{\"return\": {}, \"id\": \"ferry-2\"}\r\n");
    g_assert_true(monitor_command_wait(next, 5000, NULL, NULL));
    close(peer);
}

static void a_descriptor_that_is_lost(void)
{
    loop_test_run(lost_descriptor_body, NULL);
}

static void on_event(Monitor *monitor, const MonitorEvent *event, void *data)
{
    g_string_append_printf(
        seen, "%s%s:%s@%" G_GINT64_FORMAT ".%06" G_GINT64_FORMAT ";", (const char *)data,
        event->name,
        event->data ? json_object_to_json_string_ext(event->data, JSON_C_TO_STRING_PLAIN) : "-",
        event->seconds, event->microseconds);
}

static void on_lost(Monitor *monitor, const GError *reason, void *data)
{
    g_string_append_printf(seen, "lost:%s;", reason->message);
}

static void several_body(void *data)
{
    int peer;
    g_autoptr(Monitor) monitor = open_fake(&peer);
    g_autoptr(MonitorCommand) a = monitor_send(monitor, "query-status", NULL, -1);
    g_autoptr(MonitorCommand) b = monitor_send(monitor, "cont", NULL, -1);
    g_autoptr(MonitorCommand) forgotten = monitor_send(monitor, "stop", NULL, -1);
    g_autofree char *text = hear(peer, NULL);
    g_autoptr(json_object) value = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_cmpstr(text, ==,
                    "{\"execute\":\"query-status\",\"id\":\"ferry-2\"}\r\n{\"execute\":\"cont\","
                    "\"id\":\"ferry-3\"}\r\n"
                    "{\"execute\":\"stop\",\"id\":\"ferry-4\"}\r\n");
    g_clear_pointer(&forgotten, monitor_command_unref);
    say(peer, "{\"id\": \"ferry-4\", \"return\": {}}\n{\"id\": \"ferry-3\", \"return\": "
              "{}}\n{\"id\": \"ferry-77\", \"return\": {}}\n"
              "{\"return\": {\"status\": \"running\"}, \"id\": \"ferry-2\"}\n");
    g_assert_true(monitor_command_wait(b, 5000, NULL, &error));
    g_assert_true(monitor_command_wait(a, 5000, &value, &error));
    g_assert_cmpstr(json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN), ==,
                    "{\"status\":\"running\"}");
    g_assert_cmpuint(monitor_command_count(monitor), ==, 4);
    close(peer);
}

static void several_commands_are_answered_by_id(void)
{
    loop_test_run(several_body, NULL);
}

static void refused_body(void *data)
{
    int peer;
    g_autoptr(Monitor) monitor = open_fake(&peer);
    g_autoptr(MonitorCommand) command = monitor_send(monitor, "device_del", NULL, -1);
    g_autoptr(GError) error = NULL;

    say(peer, "{\"id\": \"ferry-2\", \"error\": {\"class\": \"DeviceNotFound\", \"desc\": \"Device "
              "'x' not found\"}}\r\n");
    g_assert_false(monitor_command_wait(command, 5000, NULL, &error));
    g_assert_cmpstr(
        error->message, ==,
        "internal error: unable to execute QEMU command 'device_del': Device 'x' not found");
    g_assert_true(error_is(error, ERROR_INTERNAL_ERROR));
    g_assert_cmpstr(monitor_command_error_class(command), ==, "DeviceNotFound");
    g_clear_error(&error);
    g_assert_false(monitor_execute(monitor, "slow", NULL, -1, 10, NULL, &error));
    g_assert_cmpstr(error->message, ==, "timed out after 0.01 s waiting for reply to 'slow'");
    say(peer, "{\"id\": \"ferry-3\", \"return\": {}}\r\n"); /* late: dropped */
    g_assert_true(await_sleep(5, NULL));
    close(peer);
}

static void a_refusal_speaks_as_people_know_it(void)
{
    loop_test_run(refused_body, NULL);
}

static MonitorSubscription *second;

static void drop_second(Monitor *monitor, const MonitorEvent *event, void *data)
{
    monitor_unsubscribe(g_steal_pointer(&second));
}

static void events_body(void *data)
{
    int peer;
    g_autoptr(Monitor) monitor = open_fake(&peer);
    MonitorSubscription *first = monitor_subscribe(monitor, on_event, on_lost, (void *)"");
    MonitorSubscription *dropper = monitor_subscribe(monitor, drop_second, NULL, NULL);
    g_autoptr(MonitorCommand) pending = monitor_send(monitor, "quit", NULL, -1);
    g_autoptr(GError) error = NULL;

    seen = g_string_new(NULL);
    second = monitor_subscribe(monitor, on_event, on_lost, (void *)"2");
    say(peer,
        "{\"event\": \"STOP\", \"timestamp\": {\"seconds\": 5, \"microseconds\": 70}}\r\n"
        "{\"event\": \"MIGRATION\", \"data\": {\"status\": \"active\"}}\r\n{\"event\": 7}\r\n");
    shutdown(peer, SHUT_WR);
    g_assert_false(monitor_command_wait(pending, 5000, NULL, &error));
    g_assert_cmpstr(error->message, ==, "internal error: End of file from qemu monitor");
    g_clear_error(&error);
    g_assert_cmpstr(seen->str, ==,
                    "STOP:-@5.000070;MIGRATION:{\"status\":\"active\"}@-1.-00001;"
                    "lost:internal error: End of file from qemu monitor;");
    g_assert_true(monitor_is_lost(monitor));
    g_assert_false(monitor_execute(monitor, "cont", NULL, -1, 5000, NULL, &error));
    monitor_unsubscribe(first);
    monitor_unsubscribe(dropper);
    g_string_free(seen, TRUE);
    close(peer);
}

static void events_come_in_order_and_the_end_once(void)
{
    loop_test_run(events_body, NULL);
}

static void nonsense_body(void *data)
{
    int peer;
    g_autoptr(Monitor) monitor = open_fake(&peer);
    g_autoptr(GError) error = NULL;
    g_autoptr(MonitorCommand) pending = monitor_send(monitor, "quit", NULL, -1);

    say(peer, "(qemu) \n");
    g_assert_false(monitor_command_wait(pending, 5000, NULL, &error));
    g_assert_nonnull(strstr(error->message, "speaks no QMP"));
    close(peer);
}

static void nonsense_ends_the_conversation(void)
{
    loop_test_run(nonsense_body, NULL);
}

static void descriptor_body(void *data)
{
    int peer, came;
    g_autoptr(Monitor) monitor = open_fake(&peer);
    auto_fd int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    json_object *args = json_object_new_object();
    g_autoptr(MonitorCommand) command = NULL;
    g_autofree char *text = NULL;
    struct stat a, b;

    json_object_object_add(args, "fdname", json_object_new_string("migrate"));
    command = monitor_send(monitor, "getfd", args, fd);
    text = hear(peer, &came);
    g_assert_cmpstr(
        text, ==,
        "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"migrate\"},\"id\":\"ferry-2\"}");
    g_assert_true(fstat(fd, &a) == 0 && fstat(came, &b) == 0 && a.st_rdev == b.st_rdev);
    close(came);
    close(peer);
}

static void a_descriptor_travels_with_its_command(void)
{
    loop_test_run(descriptor_body, NULL);
}

/* A QEMU that does not read: commands wait here, in order, and go out when it reads again. */
static void slow_reader_body(void *data)
{
    int peer, came, fds = 0;
    g_autoptr(Monitor) monitor = open_fake(&peer);
    auto_fd int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    g_autofree char *filler = g_strnfill(50000, 'x');
    g_autoptr(GString) all = g_string_new(NULL);
    g_autoptr(MonitorCommand) last = NULL;

    for (int i = 0; i < 20; i++) {
        json_object *args = json_object_new_object();

        json_object_object_add(args, "filler", json_object_new_string(filler));
        monitor_command_unref(monitor_send(monitor, "big", args, i == 15 ? fd : -1));
    }
    last = monitor_send(monitor, "last", NULL, -1);
    while (!strstr(all->str, "\"last\"")) {
        g_autofree char *text = hear(peer, &came);

        if (came >= 0) {
            fds++;
            close(came);
        }
        g_string_append(all, text);
        g_assert_true(await_sleep(0, NULL));
        task_yield();
    }
    g_assert_cmpint(fds, ==, 1);
    g_assert_cmpuint(all->len, >, 20 * 50000);
    g_assert_true(g_str_has_suffix(all->str, "{\"execute\":\"last\",\"id\":\"ferry-22\"}\r\n"));
    close(peer);
}

static void commands_wait_for_a_slow_reader(void)
{
    loop_test_run(slow_reader_body, NULL);
}

static void answer_text(int peer, unsigned events, void *data)
{
    g_autofree char *text = hear(peer, NULL);

    g_assert_cmpstr(text, ==, "{\"id\":\"ferry-2\",\"execute\":\"query-x\"}\r\n");
    say(peer, "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"a/b\"}, \"id\": "
              "\"ferry-2\"}\r\n");
}

static void text_body(void *data)
{
    int peer;
    g_autoptr(Monitor) monitor = open_fake(&peer);
    g_autoptr(Watch) watch = watch_new(peer, EPOLLIN, answer_text, NULL);
    g_autoptr(GError) error = NULL;
    g_autofree char *reply =
        monitor_execute_text(monitor, "{\"id\": [7], \"execute\": \"query-x\"}", 5000, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(reply, ==,
                    "{\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"a/b\"},\"id\":[7]}");
    g_assert_null(monitor_execute_text(monitor, "{\"execute\": 1}", 5000, &error));
    g_assert_true(error_is(error, ERROR_INVALID_ARG));
    g_clear_pointer(&watch, watch_free);
    close(peer);
}

static void a_command_as_text_is_answered_as_text(void)
{
    loop_test_run(text_body, NULL);
}

/* --- the real one --- */

static void qemu_ended(Process *process, int wait_status, void *data)
{
    await_succeed(data);
}

static void live_body(void *data)
{
    g_autoptr(Await) end = await_new("QEMU's end");
    g_autoptr(Process) process = NULL;
    g_autoptr(Monitor) monitor = NULL;
    g_autoptr(json_object) value = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *chardev = NULL, *reply = NULL, *hmp = NULL;
    auto_fd int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    json_object *args = json_object_new_object();
    MonitorSubscription *subscription;
    pid_t pid;
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    chardev = g_strdup_printf("socket,id=m,fd=%d", pair[1]);
    {
        const char *const argv[] = {"/usr/bin/qemu-system-x86_64",
                                    "-S",
                                    "-display",
                                    "none",
                                    "-nodefaults",
                                    "-machine",
                                    "none",
                                    "-chardev",
                                    chardev,
                                    "-mon",
                                    "chardev=m,mode=control",
                                    NULL};
        ChildSpec spec = {.argv = argv, .fds = &pair[1], .fd_count = 1, .stderr_fd = 2};

        g_assert_true(child_spawn(&spec, &pid, &error));
    }
    close(pair[1]);
    process = process_watch(pid, 0, qemu_ended, end, &error);
    monitor = monitor_open(pair[0], 20000, &error);
    g_assert_no_error(error);
    seen = g_string_new(NULL);
    subscription = monitor_subscribe(monitor, on_event, on_lost, (void *)"");
    g_assert_true(monitor_execute(monitor, "query-status", NULL, -1, 10000, &value, &error));
    g_assert_nonnull(strstr(json_object_to_json_string(value), "prelaunch"));
    json_object_object_add(args, "fdname", json_object_new_string("zero"));
    g_assert_true(monitor_execute(monitor, "getfd", args, zero, 10000, NULL, &error));
    g_assert_false(monitor_execute(monitor, "no-such-command", NULL, -1, 10000, NULL, &error));
    g_assert_cmpstr(error->message, ==,
                    "internal error: unable to execute QEMU command 'no-such-command': "
                    "The command no-such-command has not been found");
    g_clear_error(&error);
    hmp = monitor_execute_hmp(monitor, "info status", 10000, &error);
    g_assert_nonnull(strstr(hmp, "VM status"));
    reply = monitor_execute_text(monitor, "{\"execute\": \"query-name\"}", 10000, &error);
    g_assert_cmpstr(reply, ==, "{\"return\":{},\"id\":\"ferry-6\"}");
    g_assert_true(monitor_execute(monitor, "quit", NULL, -1, 10000, NULL, &error));
    g_assert_true(await(end, 20000, &error));
    while (!monitor_is_lost(monitor))
        g_assert_true(await_sleep(1, NULL));
    g_assert_true(
        g_str_has_prefix(seen->str, "SHUTDOWN:{\"guest\":false,\"reason\":\"host-qmp-quit\"}"));
    monitor_unsubscribe(subscription);
    g_string_free(seen, TRUE);
}

static void a_real_qemu_understands(void)
{
    if (access("/usr/bin/qemu-system-x86_64", X_OK) < 0)
        g_test_skip("there is no qemu-system-x86_64");
    else
        loop_test_run(live_body, NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    child_set_helper(g_getenv("FERRY_EXEC"));
    g_test_add_func("/qmp/monitor/out-of-band-commands-pass", out_of_band_commands_pass);
    g_test_add_func("/qmp/monitor/descriptors-go-one-by-one", descriptors_go_one_by_one);
    g_test_add_func("/qmp/monitor/a-descriptor-that-is-lost-fails-its-command", a_descriptor_that_is_lost);
    g_test_add_func("/qmp/monitor/several-commands-are-answered-by-id",
                    several_commands_are_answered_by_id);
    g_test_add_func("/qmp/monitor/a-refusal-speaks-as-people-know-it",
                    a_refusal_speaks_as_people_know_it);
    g_test_add_func("/qmp/monitor/events-come-in-order-and-the-end-once",
                    events_come_in_order_and_the_end_once);
    g_test_add_func("/qmp/monitor/nonsense-ends-the-conversation", nonsense_ends_the_conversation);
    g_test_add_func("/qmp/monitor/a-descriptor-travels-with-its-command",
                    a_descriptor_travels_with_its_command);
    g_test_add_func("/qmp/monitor/commands-wait-for-a-slow-reader",
                    commands_wait_for_a_slow_reader);
    g_test_add_func("/qmp/monitor/a-command-as-text-is-answered-as-text",
                    a_command_as_text_is_answered_as_text);
    g_test_add_func("/qmp/monitor/a-real-qemu-understands", a_real_qemu_understands);
    return g_test_run();
}
