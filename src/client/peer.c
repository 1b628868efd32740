/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Peers: opening, calls, and the end.  The engine and the socket are the carrier's matter. */
#include "client/peer.h"

#include <signal.h>

#include "base/log.h"
#include "client/dial.h"
#include "client/peer-private.h"
#include "wire/procedures.h"
#include "wire/type.h"

/* Good manners must not hold up a migration's end. */
#define GOODBYE_MS 2000

#define AUTH_NONE               0
#define FEATURE_KEEPALIVE       10
#define FEATURE_EVENT_CALLBACKS 14
#define FEATURE_CLOSE_CALLBACK  15

/* ---- what comes from the connection ---- */

/* Nobody here wants events. */
static const RpcHandlers rpc_handlers = {0};

/* What an ssh says on its way out is the true reason. */
static GError *lost_reason(Peer *peer, const GError *error)
{
    Link *link = carrier_link(peer->carrier);
    g_autofree char *words = link->kind == LINK_KIND_COMMAND ? link_command_words(link) : NULL;
    GError *reason = NULL;

    if (words)
        error_set_from(
            &reason, FROM_RPC, ERROR_SYSTEM_ERROR, "Cannot recv data: %s: Connection reset by peer",
            words[0] ? words : "the command that carries the connection ended without a word");
    else if (error)
        reason = g_error_copy(error);
    else
        error_set_from(&reason, FROM_RPC, ERROR_INTERNAL_ERROR,
                       "internal error: client socket is closed");
    return reason;
}

static void on_closed(Carrier *carrier, const GError *error, void *data)
{
    Peer *peer = peer_ref(data);
    PeerLostFunc fn = peer->is_closing ? NULL : peer->on_lost;

    peer->lost = lost_reason(peer, error);
    peer->has_hung_up = !error || error_is(error, ERROR_SYSTEM_ERROR);
    peer->on_lost = NULL;
    if (fn)
        fn(peer, peer->lost, peer->lost_data);
    peer_unref(peer);
}

static const CarrierHandlers carrier_handlers = {.on_closed = on_closed};

static gboolean set_lost(const Peer *peer, GError **error)
{
    g_propagate_error(error, g_error_copy(peer->lost));
    return FALSE;
}

/* ---- calls ---- */

static void on_reply(const RpcReply *reply, void *data)
{
    PeerCall *call = data;
    g_autoptr(GError) error = NULL;

    if (reply->error)
        await_fail(call->replied, reply->error);
    else if (!call->procedure->ret ||
             wire_decode_into(call->procedure->ret, reply->body, reply->body_len, call->arena,
                              call->ret, &error))
        await_succeed(call->replied);
    else
        await_fail(call->replied, error);
}

gboolean peer_call_start(PeerCall *call, Peer *peer, uint32_t program, int32_t procedure,
                         const void *args, Arena *arena, void *ret, GError **error)
{
    g_autofree char *what = NULL;

    *call = (PeerCall){.peer = peer,
                       .procedure = wire_procedure_get(program, procedure),
                       .arena = arena,
                       .ret = ret};
    if (peer->lost)
        return error_set_from(error, FROM_RPC, ERROR_INTERNAL_ERROR,
                              "internal error: client socket is closed");
    what = g_strdup_printf("the answer of '%s' to %s", peer->uri->text, call->procedure->name);
    call->replied = await_new(what);
    if (rpc_connection_call(carrier_connection(peer->carrier), call->procedure, args, NULL, 0,
                            on_reply, call, &call->serial, error))
        return TRUE;
    g_clear_pointer(&call->replied, await_unref);
    return FALSE;
}

AWAITS gboolean peer_call_wait(PeerCall *call, int64_t timeout_ms, GError **error)
{
    Peer *peer = peer_ref(call->peer);
    g_autoptr(Await) replied = call->replied;
    g_autoptr(GError) cause = NULL;
    gboolean is_ok;

    carrier_flush(peer->carrier);
    is_ok = await(replied, timeout_ms, &cause);
    if (!await_is_done(replied))
        rpc_connection_forget(carrier_connection(peer->carrier), call->serial);
    if (!is_ok && peer->lost && await_is_done(replied))
        set_lost(peer, error); /* it knows more than the engine */
    else if (!is_ok)
        g_propagate_error(error, g_steal_pointer(&cause));
    peer_unref(peer);
    return is_ok;
}

AWAITS gboolean peer_call(Peer *peer, uint32_t program, int32_t procedure, const void *args,
                          Arena *arena, void *ret, int64_t timeout_ms, GError **error)
{
    PeerCall call;

    return peer_call_start(&call, peer, program, procedure, args, arena, ret, error) &&
           peer_call_wait(&call, timeout_ms, error);
}

AWAITS static gboolean ask_feature(Peer *peer, int feature, gboolean *ret_supported,
                                   int64_t timeout_ms, GError **error)
{
    g_autoptr(Arena) arena = arena_new();
    RemoteConnectSupportsFeatureArgs args = {.feature = feature};
    RemoteConnectSupportsFeatureRet ret = {0};

    if (!peer_call(peer, REMOTE_PROGRAM, REMOTE_CONNECT_SUPPORTS_FEATURE, &args, arena, &ret,
                   timeout_ms, error))
        return FALSE;
    *ret_supported = ret.supported != 0;
    return TRUE;
}

AWAITS gboolean peer_supports(Peer *peer, int feature, gboolean *ret_supported, GError **error)
{
    return ask_feature(peer, feature, ret_supported, -1, error);
}

/* ---- opening ---- */

/* The one question that an error may answer too: old daemons know no authentication. */
AWAITS static gboolean check_auth(Peer *peer, GError **error)
{
    g_autoptr(Arena) arena = arena_new();
    g_autoptr(GError) cause = NULL;
    RemoteAuthListRet ret = {0};

    if (!peer_call(peer, REMOTE_PROGRAM, REMOTE_AUTH_LIST, NULL, arena, &ret, PEER_OPEN_MS,
                   &cause)) {
        if (error_is(cause, ERROR_NO_SUPPORT))
            return TRUE;
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    if (ret.types_count == 0)
        return TRUE;
    for (uint32_t i = 0; i < ret.types_count; i++)
        if (ret.types[i] == AUTH_NONE)
            return TRUE;
    return error_set_from(error, FROM_RPC, ERROR_AUTH_FAILED,
                          "authentication failed: '%s' asks for credentials (type %d), which a "
                          "daemon cannot give yet",
                          peer->uri->text, ret.types[0]);
}

static int keepalive_interval_s = 5;
static unsigned keepalive_count = 5;

void peer_set_keepalive(int interval_s, unsigned count)
{
    keepalive_interval_s = interval_s;
    keepalive_count = count;
}

AWAITS static gboolean start_keepalive(Peer *peer, GError **error)
{
    gboolean is_supported = FALSE;

    if (!ask_feature(peer, FEATURE_KEEPALIVE, &is_supported, PEER_OPEN_MS, error))
        return FALSE;
    if (is_supported && keepalive_interval_s > 0)
        carrier_start_keepalive(peer->carrier, keepalive_interval_s, keepalive_count);
    return TRUE;
}

AWAITS static gboolean open_driver(Peer *peer, GError **error)
{
    RemoteConnectOpenArgs args = {.name = peer->uri->open_name};

    return peer_call(peer, REMOTE_PROGRAM, REMOTE_CONNECT_OPEN,
                     &(RemoteConnectOpenArgs){.name = args.name}, NULL, NULL, PEER_OPEN_MS, error);
}

/* Older daemons have none of these; a refusal is no reason not to talk to them. */
AWAITS static gboolean register_close_callback(Peer *peer, GError **error)
{
    gboolean has_ids = FALSE, has_close = FALSE;

    if (!ask_feature(peer, FEATURE_EVENT_CALLBACKS, &has_ids, PEER_OPEN_MS, error) ||
        !ask_feature(peer, FEATURE_CLOSE_CALLBACK, &has_close, PEER_OPEN_MS, error))
        return FALSE;
    if (!has_close)
        return TRUE;
    peer->has_close_callback =
        peer_call(peer, REMOTE_PROGRAM, REMOTE_CONNECT_REGISTER_CLOSE_CALLBACK, NULL, NULL, NULL,
                  PEER_OPEN_MS, NULL);
    return !peer->lost || set_lost(peer, error);
}

static void on_command_end(Process *process, int wait_status, void *data)
{
    Peer *peer = data;

    g_clear_pointer(&peer->command, process_free);
}

static void note_addresses(Peer *peer, const Link *link)
{
    LinkAddress address;

    if (link_remote_address(link, &address))
        peer->remote_address = link_address_format_host(&address);
}

AWAITS static gboolean connect_peer(Peer *peer, GError **error)
{
    pid_t pid = 0;
    Link *link = dial(peer->uri, PEER_OPEN_MS, &pid, error);

    if (!link)
        return FALSE;
    if (pid > 0)
        peer->command = process_watch(pid, 0, on_command_end, peer, NULL);
    note_addresses(peer, link);
    peer->carrier = carrier_new(link, rpc_connection_new(RPC_CLIENT, &rpc_handlers, peer),
                                &carrier_handlers, peer);
    return TRUE;
}

AWAITS static gboolean open_peer(Peer *peer, GError **error)
{
    return connect_peer(peer, error) && check_auth(peer, error) && start_keepalive(peer, error) &&
           open_driver(peer, error) && register_close_callback(peer, error);
}

AWAITS Peer *peer_open(const char *uri, GError **error)
{
    Uri *parsed = uri_parse(uri, error);
    g_autoptr(Peer) peer = NULL;

    if (!parsed)
        return NULL;
    peer = g_new0(Peer, 1);
    peer->refs = 1;
    peer->uri = parsed;
    return open_peer(peer, error) ? g_steal_pointer(&peer) : NULL;
}

/* ---- the end ---- */

Peer *peer_ref(Peer *peer)
{
    peer->refs++;
    return peer;
}

void peer_unref(Peer *peer)
{
    if (!peer || --peer->refs > 0)
        return;
    g_clear_pointer(&peer->carrier, carrier_free);
    if (peer->command) {
        process_kill(peer->command, SIGTERM);
        process_free(peer->command);
    }
    g_clear_error(&peer->lost);
    uri_free(peer->uri);
    g_free(peer->remote_address);
    g_free(peer);
}

AWAITS void peer_close(Peer *peer)
{
    if (!peer)
        return;
    peer->is_closing = TRUE;
    task_shield();
    if (peer->has_close_callback && !peer->lost)
        peer_call(peer, REMOTE_PROGRAM, REMOTE_CONNECT_UNREGISTER_CLOSE_CALLBACK, NULL, NULL, NULL,
                  GOODBYE_MS, NULL);
    if (!peer->lost)
        peer_call(peer, REMOTE_PROGRAM, REMOTE_CONNECT_CLOSE, NULL, NULL, NULL, GOODBYE_MS, NULL);
    task_unshield();
    peer_unref(peer);
}

void peer_break(Peer *peer, const char *why)
{
    g_autoptr(GError) reason = NULL;

    if (peer->lost)
        return;
    error_set_from(&reason, FROM_RPC, ERROR_INTERNAL_ERROR, "internal error: %s", why);
    carrier_close(peer->carrier, reason);
}

/* ---- who it is ---- */

const char *peer_uri(const Peer *peer)
{
    return peer->uri->text;
}

const char *peer_remote_address(const Peer *peer)
{
    return peer->remote_address;
}

gboolean peer_is_lost(const Peer *peer)
{
    return peer->lost != NULL;
}

gboolean peer_has_hung_up(const Peer *peer)
{
    return peer->has_hung_up;
}

void peer_on_lost(Peer *peer, PeerLostFunc fn, void *data)
{
    peer->on_lost = fn;
    peer->lost_data = data;
}
