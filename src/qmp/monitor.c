/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Monitor.  QEMU executes commands in order and answers each with its id; we write what the socket
 * takes at once and the rest when it can take more.  All of it runs on the loop thread or on tasks,
 * with the floor.
 *
 * A handler may drop the last reference of others, unsubscribe, or close the monitor: hence the
 * reference held while input is handled, and subscriptions that are only marked while they are
 * being walked. */
#include "qmp/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/number.h"
#include "loop/loop.h"

#define READ_SIZE   (64 * 1024)
#define PENDING_MAX 1024
#define LOGGED_MAX  2000
/* With out-of-band commands QEMU reads ahead.  It stops reading once eight others wait, and a
 * descriptor pushes out one that is still unclaimed: so no more are on their way than it has room
 * for, and one with a descriptor at a time. */
#define IN_BAND_MAX 7

struct MonitorCommand {
    unsigned refs;
    char *name;
    gboolean wants_text; /* the whole reply, errors too, as QEMU wrote it */
    gboolean is_oob, has_fd;
    Await *reply;
    json_object *value;
    char *error_class;
};

struct MonitorSubscription {
    Monitor *monitor; /* NULL once it is dropped */
    MonitorEventHandler on_event;
    MonitorLostHandler on_lost;
    void *data;
};

typedef struct {
    char *text;
    size_t len, written;
    int fd; /* travels with the first byte; -1: none */
} Output;

struct Monitor {
    unsigned refs;
    int fd;
    Watch *watch;
    QmpLines *lines;
    GQueue output;       /* of Output */
    GQueue held;         /* of Output: until others are answered */
    unsigned in_band;    /* on their way, not answered */
    unsigned with_fd;    /* of these */
    gboolean wants_oob, offers_oob, has_oob;
    GHashTable *pending; /* id → MonitorCommand */
    uint64_t last_id;
    uint64_t command_count;
    unsigned version;
    Await *greeting;
    gboolean is_lost;
    GPtrArray *subscriptions;
    unsigned walks; /* how many loops run over the subscriptions now */
};

/* --- commands --- */

static MonitorCommand *command_new(const char *name)
{
    MonitorCommand *command = g_new0(MonitorCommand, 1);
    g_autofree char *what = g_strdup_printf("reply to '%s'", name);

    command->refs = 1;
    command->name = g_strdup(name);
    command->reply = await_new(what);
    return command;
}

MonitorCommand *monitor_command_ref(MonitorCommand *command)
{
    command->refs++;
    return command;
}

void monitor_command_unref(MonitorCommand *command)
{
    if (!command || --command->refs > 0)
        return;
    await_unref(command->reply);
    json_object_put(command->value);
    g_free(command->error_class);
    g_free(command->name);
    g_free(command);
}

const char *monitor_command_error_class(const MonitorCommand *command)
{
    return command->error_class;
}

AWAITS gboolean monitor_command_wait(MonitorCommand *command, int64_t timeout_ms,
                                     json_object **ret_value, GError **error)
{
    if (!await(command->reply, timeout_ms, error))
        return FALSE;
    if (ret_value)
        *ret_value = json_object_get(command->value);
    return TRUE;
}

static void command_fail(MonitorCommand *command, ErrorCode code, const char *text)
{
    g_autoptr(GError) failure = error_new(code, "%s", text);

    await_fail(command->reply, failure);
}

static const char *string_member(json_object *object, const char *name)
{
    json_object *member;

    if (!json_object_object_get_ex(object, name, &member) ||
        !json_object_is_type(member, json_type_string))
        return NULL;
    return json_object_get_string(member);
}

static void command_refused(MonitorCommand *command, json_object *refusal)
{
    const char *desc = string_member(refusal, "desc");
    g_autofree char *text =
        g_strdup_printf("internal error: unable to execute QEMU command '%s': %s", command->name,
                        desc ? desc : "no reason given");

    command->error_class = g_strdup(string_member(refusal, "class"));
    command_fail(command, ERROR_INTERNAL_ERROR, text);
}

static void command_answered(MonitorCommand *command, json_object *reply)
{
    json_object *member = NULL;

    if (command->wants_text)
        command->value = json_object_get(reply);
    else if (json_object_object_get_ex(reply, "error", &member)) {
        command_refused(command, member);
        return;
    } else if (json_object_object_get_ex(reply, "return", &member))
        command->value = json_object_get(member);
    await_succeed(command->reply);
}

/* --- the end --- */

static void output_free(void *data)
{
    Output *output = data;

    fd_clear(&output->fd);
    g_free(output->text);
    g_free(output);
}

static void drop_connection(Monitor *monitor)
{
    monitor->is_lost = TRUE;
    g_clear_pointer(&monitor->watch, watch_free);
    fd_clear(&monitor->fd);
    g_queue_clear_full(&monitor->output, output_free);
    g_queue_clear_full(&monitor->held, output_free);
}

static void fail_pending(Monitor *monitor, const GError *reason)
{
    g_autoptr(GHashTable) pending = g_steal_pointer(&monitor->pending);
    GHashTableIter iter;
    void *value;

    monitor->pending = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free,
                                             (GDestroyNotify)monitor_command_unref);
    await_fail(monitor->greeting, reason);
    g_hash_table_iter_init(&iter, pending);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        await_fail(((MonitorCommand *)value)->reply, reason);
}

/* Dropped ones go when nobody walks the list any more. */
static void sweep_subscriptions(Monitor *monitor)
{
    if (monitor->walks > 0)
        return;
    for (guint i = monitor->subscriptions->len; i-- > 0;)
        if (!((MonitorSubscription *)monitor->subscriptions->pdata[i])->monitor)
            g_ptr_array_remove_index(monitor->subscriptions, i);
}

static void monitor_lose(Monitor *monitor, const GError *reason)
{
    guint count = monitor->subscriptions->len;

    if (monitor->is_lost)
        return;
    log_debug("monitor %p: lost: %s", (void *)monitor, reason->message);
    drop_connection(monitor);
    fail_pending(monitor, reason);
    monitor->walks++;
    for (guint i = 0; i < count; i++) {
        MonitorSubscription *subscription = monitor->subscriptions->pdata[i];

        if (subscription->monitor && subscription->on_lost)
            subscription->on_lost(monitor, reason, subscription->data);
    }
    monitor->walks--;
    sweep_subscriptions(monitor);
}

static void lose_with_errno(Monitor *monitor, const char *what)
{
    g_autoptr(GError) reason =
        error_new(ERROR_INTERNAL_ERROR, "internal error: %s: %s", what, g_strerror(errno));

    monitor_lose(monitor, reason);
}

void monitor_close(Monitor *monitor)
{
    g_autoptr(GError) reason = NULL;

    if (monitor->is_lost)
        return;
    reason = error_new(ERROR_OPERATION_ABORTED, "the monitor was closed");
    drop_connection(monitor);
    fail_pending(monitor, reason);
}

/* --- output --- */

static ssize_t output_write(int fd, const Output *output)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    struct iovec iov = {output->text + output->written, output->len - output->written};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

    if (output->fd >= 0) {
        struct cmsghdr *header;

        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &output->fd, sizeof(int));
    }
    return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Writes what the socket takes.  A failure is left to the reader, which sees the same and the last
 * words before it; nothing here calls handlers, so sending is safe from anywhere. */
static void monitor_flush(Monitor *monitor)
{
    while (!monitor->is_lost && monitor->output.head) {
        Output *output = monitor->output.head->data;
        ssize_t put = output_write(monitor->fd, output);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0 && errno != EAGAIN)
            g_queue_clear_full(&monitor->output, output_free);
        if (put < 0)
            break;
        fd_clear(&output->fd);
        output->written += (size_t)put;
        if (output->written == output->len)
            output_free(g_queue_pop_head(&monitor->output));
    }
    if (!monitor->is_lost)
        watch_set_events(monitor->watch, monitor->output.head ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* Object definitions and passwords carry secrets. */
static gboolean may_log_args(const char *command)
{
    return !g_str_equal(command, "object-add") && !strstr(command, "password");
}

static void put_out(Monitor *monitor, Output *output)
{
    gboolean was_empty = monitor->output.head == NULL;

    g_queue_push_tail(&monitor->output, output);
    if (was_empty)
        monitor_flush(monitor);
}

/* With out-of-band commands QEMU (7.2) reads in another thread than it executes in, and looks through the descriptors it has got with
 * every byte, while getfd takes them away: it dies of that, about once in two thousand times.  So nothing follows a descriptor, not
 * even a line end, before that is answered; only what is out of band does, for a QEMU that answers nothing. */
static gboolean has_room(const Monitor *monitor)
{
    return !monitor->has_oob || (monitor->in_band < IN_BAND_MAX && !monitor->with_fd);
}

static void put_out_in_band(Monitor *monitor, Output *output)
{
    monitor->in_band++;
    monitor->with_fd += output->fd >= 0;
    put_out(monitor, output);
}

static void release_held(Monitor *monitor)
{
    while (monitor->held.head && has_room(monitor))
        put_out_in_band(monitor, g_queue_pop_head(&monitor->held));
}

/* Takes fd. */
static void enqueue(Monitor *monitor, json_object *message, int fd, gboolean is_oob, gboolean may_log)
{
    Output *output = g_new0(Output, 1);
    const char *text = json_object_to_json_string_ext(message, JSON_C_TO_STRING_PLAIN);

    output->text = g_strconcat(text, fd >= 0 ? NULL : "\r\n", NULL);
    output->len = strlen(output->text);
    output->fd = fd;
    if (may_log)
        log_debug("monitor %p: -> %.*s", (void *)monitor, LOGGED_MAX, text);
    if (is_oob)
        put_out(monitor, output);
    else if (monitor->held.head || !has_room(monitor))
        g_queue_push_tail(&monitor->held, output);
    else
        put_out_in_band(monitor, output);
}

/* Takes message, which gets an id of ours. */
static MonitorCommand *send_message(Monitor *monitor, const char *name, json_object *message,
                                    int fd, gboolean is_oob, gboolean may_log)
{
    g_autoptr(MonitorCommand) command = command_new(name);
    auto_fd int own_fd = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;
    uint64_t *id;

    command->is_oob = is_oob;
    command->has_fd = own_fd >= 0;
    monitor->command_count++;
    if (fd >= 0 && own_fd < 0) {
        g_autofree char *text =
            g_strdup_printf("cannot hand a descriptor over to QEMU with '%s': %s", name, g_strerror(errno));

        command_fail(command, ERROR_SYSTEM_ERROR, text);
    } else if (monitor->is_lost) {
        command_fail(command, ERROR_OPERATION_INVALID, "the monitor of the guest is gone");
    } else if (g_hash_table_size(monitor->pending) >= PENDING_MAX) {
        command_fail(command, ERROR_RESOURCE_BUSY, "QEMU leaves too many commands unanswered");
    } else {
        g_autofree char *text = g_strdup_printf("ferry-%" G_GUINT64_FORMAT, ++monitor->last_id);

        json_object_object_add(message, "id", json_object_new_string(text));
        id = g_memdup2(&monitor->last_id, sizeof monitor->last_id);
        g_hash_table_insert(monitor->pending, id, monitor_command_ref(command));
        enqueue(monitor, message, fd_steal(&own_fd), is_oob, may_log);
    }
    json_object_put(message);
    return g_steal_pointer(&command);
}

static json_object *message_new(const char *how, const char *name, json_object *args)
{
    json_object *message = json_object_new_object();

    json_object_object_add(message, how, json_object_new_string(name));
    if (args)
        json_object_object_add(message, "arguments", args);
    return message;
}

MonitorCommand *monitor_send_oob(Monitor *monitor, const char *name, json_object *args)
{
    return send_message(monitor, name, message_new("exec-oob", name, args), -1, TRUE, TRUE);
}

MonitorCommand *monitor_send(Monitor *monitor, const char *name, json_object *args, int fd)
{
    json_object *message = message_new("execute", name, args);

    if (!may_log_args(name))
        log_debug("monitor %p: -> %s with arguments that are not logged", (void *)monitor, name);
    return send_message(monitor, name, message, fd, FALSE, may_log_args(name));
}

AWAITS gboolean monitor_execute(Monitor *monitor, const char *name, json_object *args, int fd,
                                int64_t timeout_ms, json_object **ret_value, GError **error)
{
    g_autoptr(MonitorCommand) command = monitor_send(monitor, name, args, fd);

    return monitor_command_wait(command, timeout_ms, ret_value, error);
}

AWAITS char *monitor_execute_text(Monitor *monitor, const char *json_text, int64_t timeout_ms,
                                  GError **error)
{
    g_autoptr(json_object) message = qmp_object_parse(json_text, error);
    g_autoptr(MonitorCommand) command = NULL;
    g_autoptr(json_object) reply = NULL;
    g_autoptr(json_object) own_id = NULL;
    json_object *member = NULL;
    const char *name;

    if (!message)
        return NULL;
    name = string_member(message, "execute");
    if (!name) {
        error_set(error, ERROR_INVALID_ARG, "the monitor command lacks a member 'execute'");
        return NULL;
    }
    if (json_object_object_get_ex(message, "id", &member))
        own_id = json_object_get(member);
    log_debug("monitor %p: -> %s, as a user wrote it", (void *)monitor, name);
    command = send_message(monitor, name, g_steal_pointer(&message), -1, FALSE, FALSE);
    command->wants_text = TRUE;
    if (!monitor_command_wait(command, timeout_ms, &reply, error))
        return NULL;
    if (own_id)
        json_object_object_add(reply, "id", g_steal_pointer(&own_id));
    return g_strdup(json_object_to_json_string_ext(reply, JSON_C_TO_STRING_PLAIN |
                                                              JSON_C_TO_STRING_NOSLASHESCAPE));
}

AWAITS char *monitor_execute_hmp(Monitor *monitor, const char *line, int64_t timeout_ms,
                                 GError **error)
{
    g_autoptr(json_object) value = NULL;
    json_object *args = json_object_new_object();

    json_object_object_add(args, "command-line", json_object_new_string(line));
    if (!monitor_execute(monitor, "human-monitor-command", args, -1, timeout_ms, &value, error))
        return NULL;
    return g_strdup(json_object_is_type(value, json_type_string) ? json_object_get_string(value)
                                                                 : "");
}

/* --- input --- */

static int64_t stamp_member(json_object *stamp, const char *name)
{
    json_object *member;

    if (!stamp || !json_object_object_get_ex(stamp, name, &member))
        return -1;
    return json_object_get_int64(member);
}

static void deliver_event(Monitor *monitor, json_object *message)
{
    MonitorEvent event = {.name = string_member(message, "event"), .message = message};
    guint count = monitor->subscriptions->len;
    json_object *stamp = NULL;

    if (!event.name)
        return;
    json_object_object_get_ex(message, "data", &event.data);
    json_object_object_get_ex(message, "timestamp", &stamp);
    if (!json_object_is_type(stamp, json_type_object))
        stamp = NULL;
    event.seconds = stamp_member(stamp, "seconds");
    event.microseconds = stamp_member(stamp, "microseconds");
    monitor->walks++;
    for (guint i = 0; i < count && !monitor->is_lost; i++) {
        MonitorSubscription *subscription = monitor->subscriptions->pdata[i];

        if (subscription->monitor && subscription->on_event)
            subscription->on_event(monitor, &event, subscription->data);
    }
    monitor->walks--;
    sweep_subscriptions(monitor);
}

static void deliver_reply(Monitor *monitor, json_object *message)
{
    const char *text = string_member(message, "id");
    MonitorCommand *command;
    uint64_t id;
    void *value;

    if (!text || !g_str_has_prefix(text, "ferry-") ||
        !number_parse_u64(text + 6, UINT64_MAX, &id) ||
        !g_hash_table_lookup_extended(monitor->pending, &id, NULL, &value)) {
        log_warning("QEMU answered a command that was not sent");
        return;
    }
    command = monitor_command_ref(value);
    g_hash_table_remove(monitor->pending, &id);
    if (!command->is_oob) {
        monitor->in_band--;
        monitor->with_fd -= command->has_fd;
        release_held(monitor);
    }
    command_answered(command, message);
    monitor_command_unref(command);
}

static int version_member(json_object *version, const char *name)
{
    json_object *member;

    return json_object_object_get_ex(version, name, &member)
               ? CLAMP(json_object_get_int(member), 0, 999)
               : 0;
}

static gboolean offers_oob(json_object *greeting)
{
    json_object *list;

    if (!json_object_object_get_ex(greeting, "capabilities", &list) ||
        !json_object_is_type(list, json_type_array))
        return FALSE;
    for (size_t i = 0; i < json_object_array_length(list); i++)
        if (g_strcmp0(json_object_get_string(json_object_array_get_idx(list, i)), "oob") == 0)
            return TRUE;
    return FALSE;
}

static void deliver_greeting(Monitor *monitor, json_object *greeting)
{
    json_object *version;

    monitor->offers_oob = json_object_is_type(greeting, json_type_object) && offers_oob(greeting);

    if (json_object_is_type(greeting, json_type_object) &&
        json_object_object_get_ex(greeting, "version", &version) &&
        json_object_is_type(version, json_type_object) &&
        json_object_object_get_ex(version, "qemu", &version) &&
        json_object_is_type(version, json_type_object))
        monitor->version =
            (unsigned)(version_member(version, "major") * 1000000 +
                       version_member(version, "minor") * 1000 + version_member(version, "micro"));
    await_succeed(monitor->greeting);
}

static void deliver(json_object *message, void *data)
{
    Monitor *monitor = data;
    json_object *member;

    if (monitor->is_lost)
        return;
    if (log_is_on(LOG_LEVEL_DEBUG))
        log_debug("monitor %p: <- %.*s", (void *)monitor, LOGGED_MAX,
                  json_object_to_json_string_ext(message, JSON_C_TO_STRING_PLAIN));
    if (json_object_object_get_ex(message, "event", &member))
        deliver_event(monitor, message);
    else if (json_object_object_get_ex(message, "QMP", &member))
        deliver_greeting(monitor, member);
    else
        deliver_reply(monitor, message);
}

/* One read per turn: a QEMU that talks without end holds up nobody. */
static void monitor_read(Monitor *monitor)
{
    g_autoptr(GError) failure = NULL;
    g_autofree char *bytes = g_malloc(READ_SIZE);
    ssize_t got = recv(monitor->fd, bytes, READ_SIZE, MSG_DONTWAIT);

    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (got < 0) {
        lose_with_errno(monitor, "cannot read from the QEMU monitor");
        return;
    }
    if (got == 0) {
        failure = error_new(ERROR_INTERNAL_ERROR, "internal error: End of file from qemu monitor");
        monitor_lose(monitor, failure);
        return;
    }
    if (!qmp_lines_feed(monitor->lines, bytes, (size_t)got, deliver, monitor, &failure)) {
        g_prefix_error(&failure, "internal error: the QEMU monitor speaks no QMP: ");
        monitor_lose(monitor, failure);
    }
}

static void monitor_ready(int fd, unsigned events, void *data)
{
    g_autoptr(Monitor) monitor = monitor_ref(data);

    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        monitor_read(monitor);
    if (events & EPOLLOUT)
        monitor_flush(monitor);
}

/* --- the conversation --- */

Monitor *monitor_new(int fd)
{
    Monitor *monitor = g_new0(Monitor, 1);

    monitor->refs = 1;
    monitor->fd = fd;
    monitor->lines = qmp_lines_new();
    monitor->greeting = await_new("the greeting of the QEMU monitor");
    monitor->pending = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free,
                                             (GDestroyNotify)monitor_command_unref);
    monitor->subscriptions = g_ptr_array_new_with_free_func(g_free);
    monitor->watch = watch_new(fd, EPOLLIN, monitor_ready, monitor);
    return monitor;
}

Monitor *monitor_ref(Monitor *monitor)
{
    monitor->refs++;
    return monitor;
}

void monitor_unref(Monitor *monitor)
{
    if (!monitor || --monitor->refs > 0)
        return;
    monitor->refs++; /* those that wait for a reply may hold and drop one while they are told */
    monitor_close(monitor);
    qmp_lines_free(monitor->lines);
    await_unref(monitor->greeting);
    g_hash_table_unref(monitor->pending);
    g_ptr_array_unref(monitor->subscriptions);
    g_free(monitor);
}

void monitor_want_oob(Monitor *monitor)
{
    monitor->wants_oob = TRUE;
}

gboolean monitor_has_oob(const Monitor *monitor)
{
    return monitor->has_oob;
}

AWAITS gboolean monitor_greet(Monitor *monitor, int64_t timeout_ms, GError **error)
{
    json_object *args = NULL, *list;

    if (!await(monitor->greeting, timeout_ms, error))
        return FALSE;
    if (monitor->wants_oob && monitor->offers_oob) {
        list = json_object_new_array();
        json_object_array_add(list, json_object_new_string("oob"));
        args = json_object_new_object();
        json_object_object_add(args, "enable", list);
    }
    monitor->has_oob = args != NULL;
    return monitor_execute(monitor, "qmp_capabilities", args, -1, timeout_ms, NULL, error);
}

AWAITS Monitor *monitor_open(int fd, int64_t timeout_ms, GError **error)
{
    g_autoptr(Monitor) monitor = monitor_new(fd);

    if (!monitor_greet(monitor, timeout_ms, error))
        return NULL;
    return g_steal_pointer(&monitor);
}

gboolean monitor_is_lost(const Monitor *monitor)
{
    return monitor->is_lost;
}

unsigned monitor_qemu_version(const Monitor *monitor)
{
    return monitor->version;
}

uint64_t monitor_command_count(const Monitor *monitor)
{
    return monitor->command_count;
}

MonitorSubscription *monitor_subscribe(Monitor *monitor, MonitorEventHandler on_event,
                                       MonitorLostHandler on_lost, void *data)
{
    MonitorSubscription *subscription = g_new0(MonitorSubscription, 1);

    subscription->monitor = monitor;
    subscription->on_event = on_event;
    subscription->on_lost = on_lost;
    subscription->data = data;
    g_ptr_array_add(monitor->subscriptions, subscription);
    return subscription;
}

void monitor_unsubscribe(MonitorSubscription *subscription)
{
    Monitor *monitor;

    if (!subscription || !subscription->monitor)
        return;
    monitor = g_steal_pointer(&subscription->monitor);
    sweep_subscriptions(monitor);
}
