/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client for the server's tests: the client side of the engine on one end of a socket, in the
 * same loop. */
#pragma once

#include "loop/loop-test.h"
#include "rpc/connection.h"
#include "rpc/stream.h"
#include "server/server.h"

typedef struct {
    int fd;
    RpcConnection *conn;
    Watch *watch;
    gboolean is_deaf;  /* reads nothing */
    gboolean is_ended; /* the server hung up */
    GString *events;
} Client;

Client *client_new(int fd); /* takes fd */
void client_free(Client *client);
/* A new client whose other end the server has adopted; NULL: refused. */
Client *client_connect(gboolean is_readonly, Caller **ret_caller);
/* … and it has opened. */
Client *client_open(gboolean is_readonly, Caller **ret_caller);
void client_flush(Client *client);
void client_set_deaf(Client *client, gboolean is_deaf);

typedef struct {
    Await *end;
    GError *error;
    Arena *arena;
    void *ret;
    RpcCallId id;
} Answer;

/* Sends a call; wait for answer->end. */
Answer *client_send(Client *client, uint32_t program, int32_t number, const void *args);
void answer_free(Answer *answer);
/* Waits; NULL with an error.  The result lives until the next call. */
AWAITS void *client_call(Client *client, uint32_t program, int32_t number, const void *args,
                         GError **error);
/* Waits until the condition holds, at most 10 s. */
#define wait_until(condition)                                                                      \
    do {                                                                                           \
        for (int wait_ = 0; !(condition); wait_++) {                                               \
            g_assert_cmpint(wait_, <, 10000);                                                      \
            g_assert_true(await_sleep(1, NULL));                                                   \
        }                                                                                          \
    } while (0)

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Client, client_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Answer, answer_free)
