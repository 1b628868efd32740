/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls: from bytes to a service function to a reply.
 *
 *   received ─▶ served? open? allowed? decodes? ─▶ inline: runs at once
 *                                                └▶ task: runs, or waits for one of the caller's or
 * of all to end
 *
 * Waiting calls are decoded already; a few may wait per client, then its socket is not read (PINGs
 * are still answered).  Urgent ones, such as the abort of a job, do not wait for those that run. */
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "server/server-private.h"
#include "wire/frame.h"

#define QUEUED_MAX       16
#define QUEUED_BYTES_MAX (4 * 1024 * 1024)
#define URGENT_MAX       4 /* per client, besides the others */

struct Call {
    GList link;
    Caller *caller;
    const ServerRow *row;
    RpcCallId id;
    Arena *arena;
    void *args;
    size_t args_bytes; /* on the wire */
    gboolean is_urgent; /* runs on top of the limits */
    CallDeliveryFunc on_delivery;
    void *delivery_data;
};

Caller *call_caller(Call *call)
{
    return call->caller;
}

Arena *call_arena(Call *call)
{
    return call->arena;
}

const WireProcedure *call_procedure(const Call *call)
{
    return call->id.procedure;
}

RpcCallId call_id(const Call *call)
{
    return call->id;
}

void call_on_delivery(Call *call, CallDeliveryFunc fn, void *data)
{
    call->on_delivery = fn;
    call->delivery_data = data;
}

/* Without the body, which is decoded for it. */
static Call *call_new(Caller *caller, const ServerRow *row, RpcCall *rpc_call)
{
    Call *call = g_new0(Call, 1);

    call->link.data = call;
    call->caller = caller_ref(caller);
    call->row = row;
    call->id = rpc_call->id;
    call->arena = arena_new();
    call->args_bytes = rpc_call->body_len;
    return call;
}

static void call_free(Call *call)
{
    if (!call)
        return;
    arena_free(call->arena);
    caller_unref(call->caller);
    g_free(call);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Call, call_free)

/* --- running --- */

static void call_ended(Call *call, gboolean is_ok)
{
    Caller *caller = call->caller;

    if (call->row->flags & CALL_OPENS && is_ok && caller->state == CALLER_ANONYMOUS &&
        !caller->is_gone) {
        caller->state = CALLER_OPEN;
        rpc_connection_set_max_frame(caller->conn, WIRE_FRAME_MAX);
        server_count_login(caller);
    }
    if (call->row->flags & CALL_CLOSES)
        caller_close(caller, "the client said good-bye");
    caller_flush(caller);
}

/* Somebody waits for the client to have it. */
static void reply_and_ask(Call *call, const void *ret)
{
    Caller *caller = call->caller;
    gboolean is_queued = rpc_connection_reply(caller->conn, &call->id, ret) && !caller->is_gone;

    if (is_queued)
        delivery_begin(caller, call->on_delivery, call->delivery_data);
    call_ended(call, TRUE);
    if (is_queued)
        deliveries_look(caller);
    else
        call->on_delivery(CALL_UNSENT, call->delivery_data);
}

static void call_reply(Call *call, gboolean is_ok, const void *ret, const GError *failure)
{
    g_autoptr(GError) fallback = NULL;
    RpcConnection *conn = call->caller->conn;

    if (!is_ok && !failure) {
        error_set_from(&fallback, FROM_RPC, ERROR_INTERNAL_ERROR,
                       "An error occurred, but the cause is unknown");
        failure = fallback;
    }
    if (is_ok && call->on_delivery) {
        reply_and_ask(call, ret);
        return;
    }
    if (!is_ok)
        rpc_connection_reply_error(conn, &call->id, failure);
    else
        rpc_connection_reply(conn, &call->id, ret);
    call_ended(call, is_ok);
}

/* On the loop thread if the row says inline, which means that it never awaits; else on a task. */
static void call_run(Call *call)
{
    const WireType *type = call->id.procedure->ret;
    void *ret = type ? arena_alloc(call->arena, type->size) : NULL;
    g_autoptr(GError) failure = NULL;
    gboolean is_ok = call->row->fn(call, call->args, ret, &failure);

    call_reply(call, is_ok, ret, failure);
}

static void start_waiting(void);
static void start_queued(Caller *caller);

static AWAITS void task_main(void *data)
{
    call_run(data);
}

static void task_ended(void *data)
{
    g_autoptr(Call) call = data;
    Caller *caller = call->caller;

    server.running--;
    if (call->is_urgent)
        caller->running_urgent--;
    else
        caller->running--;
    start_queued(caller);
    start_waiting();
}

/* Takes call. */
static void call_start(Call *call)
{
    server.running++;
    if (call->is_urgent)
        call->caller->running_urgent++;
    else
        call->caller->running++;
    task_spawn(call->id.procedure->name, task_main, call, task_ended);
}

/* --- waiting --- */

static void update_queue_full(Caller *caller)
{
    gboolean is_full =
        caller->queued.length >= QUEUED_MAX || caller->queued_bytes >= QUEUED_BYTES_MAX;

    if (is_full == caller->is_queue_full)
        return;
    caller->is_queue_full = is_full;
    caller_update_pause(caller);
}

static void queue_call(Call *call)
{
    Caller *caller = call->caller;

    g_queue_push_tail_link(&caller->queued, &call->link);
    caller->queued_bytes += call->args_bytes;
    update_queue_full(caller);
}

static Call *unqueue_call(Caller *caller)
{
    GList *link = g_queue_pop_head_link(&caller->queued);
    Call *call = link ? link->data : NULL;

    if (call)
        caller->queued_bytes -= call->args_bytes;
    return call;
}

/* Those that may run now; if only the limit of all is in the way, the caller gets in line. */
static void start_queued(Caller *caller)
{
    while (caller->queued.length > 0 && caller->running < server.limits.max_client_calls) {
        if (server.running >= server.limits.max_calls) {
            if (!caller->is_waiting)
                g_queue_push_tail(&server.waiting, caller_ref(caller));
            caller->is_waiting = TRUE;
            break;
        }
        call_start(unqueue_call(caller));
    }
    update_queue_full(caller);
}

/* One call of each in turn, so that no client takes all the places. */
static void start_waiting(void)
{
    while (server.running < server.limits.max_calls && server.waiting.length > 0) {
        g_autoptr(Caller) caller = g_queue_pop_head(&server.waiting);

        caller->is_waiting = FALSE;
        if (caller->queued.length > 0 && caller->running < server.limits.max_client_calls)
            call_start(unqueue_call(caller));
        if (caller->queued.length > 0 && caller->running < server.limits.max_client_calls) {
            caller->is_waiting = TRUE;
            g_queue_push_tail(&server.waiting, caller_ref(caller));
        }
        update_queue_full(caller);
    }
}

void calls_drop_queued(Caller *caller)
{
    Call *call;

    while ((call = unqueue_call(caller)))
        call_free(call);
}

/* --- receiving --- */

static gboolean is_open_for(const Caller *caller, const ServerRow *row)
{
    if (caller->state == CALLER_OPEN)
        return TRUE;
    return caller->state == CALLER_ANONYMOUS && row && row->flags & (CALL_BEFORE_OPEN | CALL_OPENS);
}

/* FALSE with what the client is told. */
static gboolean check_call(Caller *caller, const ServerRow *row, const WireProcedure *procedure,
                           GError **error)
{
    if (row && row->flags & CALL_OPENS && caller->state == CALLER_OPEN) {
        caller->state = CALLER_SPOILED;
        return error_set_from(error, FROM_RPC, ERROR_INTERNAL_ERROR,
                              "internal error: connection already open");
    }
    if (row && row->flags & CALL_CLOSES)
        return TRUE;
    if (!is_open_for(caller, row))
        return error_set_from(error, FROM_RPC, ERROR_INTERNAL_ERROR,
                              "internal error: connection not open");
    if (!row)
        return error_set_from(error, FROM_RPC, ERROR_NO_SUPPORT,
                              "this function is not supported by the connection driver: %s",
                              procedure->name);
    if (caller->is_readonly && procedure->readonly == WIRE_READONLY_NO &&
        !(row->flags & CALL_BEFORE_OPEN))
        return error_set_from(error, FROM_DOMAIN, ERROR_OPERATION_DENIED,
                              "operation forbidden: read only access prevents %s", procedure->name);
    return TRUE;
}

static gboolean decode_args(Call *call, const RpcCall *rpc_call, GError **error)
{
    const WireType *type = call->id.procedure->args;

    if (!type)
        return TRUE;
    call->args = wire_decode(type, rpc_call->body, rpc_call->body_len, call->arena, error);
    return call->args != NULL;
}

static void dispatch(Call *taken)
{
    g_autoptr(Call) call = taken;
    Caller *caller = call->caller;

    if (call->row->mode == CALL_INLINE) {
        call_run(call);
        return;
    }
    call->is_urgent = call->row->flags & CALL_URGENT && caller->running_urgent < URGENT_MAX &&
                      (caller->running >= server.limits.max_client_calls ||
                       server.running >= server.limits.max_calls);
    if (call->is_urgent) {
        call_start(g_steal_pointer(&call));
        return;
    }
    queue_call(g_steal_pointer(&call));
    start_queued(caller);
}

void call_received(Caller *caller, RpcCall *rpc_call)
{
    const WireProcedure *procedure = rpc_call->id.procedure;
    const ServerRow *row = server_find_row(procedure);
    g_autoptr(GError) failure = NULL;
    g_autoptr(Call) call = NULL;

    if (!check_call(caller, row, procedure, &failure)) {
        rpc_connection_reply_error(caller->conn, &rpc_call->id, failure);
        return;
    }
    call = call_new(caller, row, rpc_call);
    if (!decode_args(call, rpc_call, &failure)) {
        rpc_connection_reply_error(caller->conn, &rpc_call->id, failure);
        return;
    }
    dispatch(g_steal_pointer(&call));
}

/* --- the log --- */

static char *format_body(const WireProcedure *procedure, const WireFrameHeader *header,
                         const guint8 *body, size_t len)
{
    g_autoptr(Arena) arena = arena_new();
    gboolean is_ret =
        header->type == WIRE_FRAME_TYPE_REPLY && header->status == WIRE_FRAME_STATUS_OK;
    gboolean is_args =
        header->type == WIRE_FRAME_TYPE_CALL || header->type == WIRE_FRAME_TYPE_MESSAGE;
    const WireType *type = is_ret ? procedure->ret : is_args ? procedure->args : NULL;
    void *value = type && body ? wire_decode(type, body, len, arena, NULL) : NULL;

    return value ? wire_format(type, value) : g_strdup_printf("%zu bytes", len);
}

void caller_log_frame(Caller *caller, gboolean is_sent, const WireFrameHeader *header,
                      const guint8 *body, size_t len)
{
    const WireProcedure *procedure = wire_procedure_find(header->prog, header->proc);
    g_autofree char *text =
        procedure ? format_body(procedure, header, body, len) : g_strdup_printf("%zu bytes", len);

    log_debug("client %s: %s %s type %d status %d serial %u: %s", caller->name,
              is_sent ? "->" : "<-", procedure ? procedure->name : "unknown procedure",
              header->type, header->status, header->serial, text);
}
