/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/test-help.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

static void on_event(RpcConnection *conn, const WireProcedure *procedure, const guint8 *body,
                     size_t len, void *data)
{
    Client *client = data;
    g_autoptr(Arena) arena = arena_new();
    void *msg = wire_decode(procedure->args, body, len, arena, NULL);
    g_autofree char *text = msg ? wire_format(procedure->args, msg) : g_strdup("broken");

    g_string_append_printf(client->events, "%s %s;", procedure->name, text);
}

static const RpcHandlers handlers = {.on_event = on_event};

void client_flush(Client *client)
{
    RpcOutput output;

    while (!client->is_ended && rpc_connection_output(client->conn, &output)) {
        struct msghdr message = {.msg_iov = output.iov, .msg_iovlen = output.iov_count};
        ssize_t put = sendmsg(client->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (put <= 0)
            break;
        rpc_connection_consumed(client->conn, (uint64_t)put);
    }
    if (client->watch)
        watch_set_events(client->watch, (client->is_deaf ? 0 : EPOLLIN) |
                                            (rpc_connection_unsent(client->conn) ? EPOLLOUT : 0));
}

static void client_ended(Client *client)
{
    g_autoptr(GError) reason = error_new(ERROR_RPC, "the server hung up");

    client->is_ended = TRUE;
    g_clear_pointer(&client->watch, watch_free);
    rpc_connection_close(client->conn, reason);
}

static void client_ready(int fd, unsigned events, void *data)
{
    Client *client = data;
    g_autoptr(GError) failure = NULL;
    guint8 bytes[65536];
    ssize_t got;

    if (events & EPOLLOUT)
        client_flush(client);
    if (client->is_deaf && !(events & (EPOLLHUP | EPOLLERR)))
        return;
    got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        client_ended(client);
        return;
    }
    if (!rpc_connection_feed(client->conn, bytes, (size_t)got, clock_now_ms(), &failure))
        g_error("client: %s", failure->message);
    client_flush(client);
}

Client *client_new(int fd)
{
    Client *client = g_new0(Client, 1);

    client->fd = fd;
    client->events = g_string_new(NULL);
    client->conn = rpc_connection_new(RPC_CLIENT, &handlers, client);
    client->watch = watch_new(fd, EPOLLIN, client_ready, client);
    return client;
}

void client_free(Client *client)
{
    if (!client)
        return;
    g_clear_pointer(&client->watch, watch_free);
    rpc_connection_close(client->conn, NULL);
    rpc_connection_free(client->conn);
    close(client->fd);
    g_string_free(client->events, TRUE);
    g_free(client);
}

Client *client_connect(gboolean is_readonly, Caller **ret_caller)
{
    Client *client;
    Caller *caller;
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==,
                    0);
    caller = server_adopt(pair[0], is_readonly);
    if (ret_caller)
        *ret_caller = caller;
    client = client_new(pair[1]);
    if (caller)
        return client;
    client_free(client);
    return NULL;
}

Client *client_open(gboolean is_readonly, Caller **ret_caller)
{
    Client *client = client_connect(is_readonly, ret_caller);
    const RemoteConnectOpenArgs args = {.name = (char *)"qemu:///system"};
    g_autoptr(GError) error = NULL;

    client_call(client, REMOTE_PROGRAM, REMOTE_CONNECT_OPEN, &args, &error);
    g_assert_no_error(error);
    return client;
}

void client_set_deaf(Client *client, gboolean is_deaf)
{
    client->is_deaf = is_deaf;
    client_flush(client);
}

static void on_reply(const RpcReply *reply, void *data)
{
    Answer *answer = data;

    if (reply->error)
        answer->error = g_error_copy(reply->error);
    else if (reply->procedure->ret)
        answer->ret = wire_decode(reply->procedure->ret, reply->body, reply->body_len,
                                  answer->arena, &answer->error);
    await_succeed(answer->end);
}

Answer *client_send(Client *client, uint32_t program, int32_t number, const void *args)
{
    Answer *answer = g_new0(Answer, 1);

    answer->end = await_new("a reply");
    answer->arena = arena_new();
    answer->id.procedure = wire_procedure_get(program, number);
    g_assert_true(rpc_connection_call(client->conn, answer->id.procedure, args, NULL, 0, on_reply,
                                      answer, &answer->id.serial, NULL));
    client_flush(client);
    return answer;
}

void answer_free(Answer *answer)
{
    if (!answer)
        return;
    await_unref(answer->end);
    g_clear_error(&answer->error);
    arena_free(answer->arena);
    g_free(answer);
}

AWAITS void *client_call(Client *client, uint32_t program, int32_t number, const void *args,
                         GError **error)
{
    static Answer *last;

    g_clear_pointer(&last, answer_free);
    last = client_send(client, program, number, args);
    g_assert_true(await(last->end, 10000, NULL));
    if (last->error) {
        g_propagate_error(error, g_error_copy(last->error));
        return NULL;
    }
    return last->ret;
}
