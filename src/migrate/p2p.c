/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Peer-to-peer: this daemon leads.  The same driver as everywhere, with our own functions as source and the other daemon
 * as destination; tunnelled, the memory goes over the same connection. */
#include <unistd.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "client/peer.h"
#include "link/pump.h"
#include "migrate/handover.h"
#include "migrate/numbers.h"
#include "migrate/postcopy.h"
#include "migrate/queue.h"
#include "migrate/repeat.h"
#include "migrate/source.h"
#include "migrate/step.h"
#include "phase/driver.h"
#include "phase/fallback.h"
#include "phase/flags.h"
#include "phase/uri.h"
#include "wire/params.h"

#define STREAM_END_TIMEOUT_MS (30 * 1000)
/* The user waits: a destination that does not hear that it is over loses the connection instead, which tells it the same. */
#define ABORT_MS 200

enum { FEATURE_P2P = 4, FEATURE_V3 = 6, FEATURE_OFFLINE = 12, FEATURE_PARAMS = 13 };

typedef struct {
    Domain *domain;
    const char *dconnuri;
    PhaseRun *run;        /* of the phase that is under way */
    gboolean is_tunnelled;
    const Migration *repeats; /* the attempt that is begun again; NULL: none */
    OwnerSide restarted;  /* whose restart has ended that */
    Migration *cut;       /* the attempt that the other daemon has hung up on, if it is to be begun again; a reference */
    const char *notice;   /* why it is tunnelled, if nobody asked for that; NULL: nothing to tell */
    Peer *peer;
    PeerStream *stream;   /* tunnelled: open from Prepare on */
    Migration *migration; /* from Begin on; a reference */
    gboolean is_prepared; /* the destination waits for the memory */
    gboolean is_silent;   /* no good-byes for a peer that does not answer */
} P2p;

/* The rows of p2p_list.  Begin has a list of its own, and Perform goes on into one. */
typedef enum { P2P_CONNECT, P2P_CAPABILITIES, P2P_PREPARE, P2P_PERFORM, P2P_FINISH, P2P_CONFIRM } P2pRow;

AWAITS static gboolean p2p_step(P2p *p2p, P2pRow row, PhaseRun *run, GError **error)
{
    p2p->run = run;
    p2p->migration->p2p = p2p; /* two may lead one in postcopy: the second waits for its end again */
    return step_run(&p2p_list, row, p2p->migration, error);
}

static const void *cookie_bytes(const PhaseRun *run, size_t *ret_len)
{
    *ret_len = 0;
    return run->cookie ? g_bytes_get_data(run->cookie, ret_len) : NULL;
}

/* What a new daemon needs if it finds this attempt cut short. */
static void note_how(const P2p *p2p, const PhaseRun *run)
{
    Journal *journal = p2p->migration->journal;
    g_autoptr(GError) error = NULL;

    journal->peer_uri = g_strdup(p2p->dconnuri);
    journal->params = migrate_params_remember(run->params);
    if (p2p->repeats) {
        journal->repeats = g_strdup(p2p->repeats->journal->id);
        journal->restarts = p2p->repeats->journal->restarts | 1u << p2p->restarted;
    }
    if (!migration_save(p2p->migration, &error))
        log_warning("%s, continuing: after a restart it would not be begun again", error->message);
}

AWAITS static gboolean p2p_begin(void *endpoint, PhaseRun *run, GError **error)
{
    P2p *p2p = endpoint;
    GBytes *cookie = NULL;

    if (!source_begin(p2p->domain, run->params, (unsigned)run->flags, &cookie, &run->xml, error))
        return FALSE;
    p2p->migration = migration_ref(migration_of(p2p->domain));
    p2p->migration->is_peer_to_peer = p2p->migration->is_led_here = TRUE;
    if (!(run->flags & MIGRATE_POSTCOPY_RESUME))
        note_how(p2p, run);
    g_free(p2p->migration->notice);
    p2p->migration->notice = g_strdup(p2p->notice);
    phase_run_set_cookie(run, cookie);
    if (p2p->domain->state == DOMAIN_PAUSED && !(run->flags & MIGRATE_POSTCOPY_RESUME))
        run->flags |= MIGRATE_PAUSED;
    return TRUE;
}

/* Without an image GO has been said by whoever reads C1, so whom to ask about it outlives the power before Prepare. */
AWAITS static gboolean remember_peer(P2p *p2p, GError **error)
{
    return !migration_is_offline(p2p->migration) || migration_save_durable(p2p->migration, error);
}

/* Without the connection nobody can say Finish: while the word is still ours, the attempt ends, unless the daemons have met by
 * another road. */
static void on_peer_lost(Peer *peer, const GError *error, void *data)
{
    Migration *migration = data;

    if (!migration->lost_reason)
        migration->lost_reason = g_strdup(error ? error->message : "the connection has ended");
    migration->has_hung_up = peer_has_hung_up(peer);
    if (migration_goes_alone(migration))
        condition_signal(migration->changed);
    else
        migration_interrupt(migration);
}

AWAITS static gboolean connect_peer(Migration *migration, GError **error)
{
    P2p *p2p = migration->p2p;

    if (!remember_peer(p2p, error) || !(p2p->peer = peer_open(p2p->dconnuri, error)))
        return FALSE;
    migration->peer = p2p->peer;
    peer_on_lost(p2p->peer, on_peer_lost, migration);
    return TRUE;
}

AWAITS static gboolean check_capabilities(Migration *migration, GError **error)
{
    P2p *p2p = migration->p2p;
    static const struct {
        int feature;
        const char *refusal;
    } wanted[] = {
        {FEATURE_P2P, "Destination libvirt does not support peer-to-peer migration protocol"},
        {FEATURE_V3, "Destination libvirt does not support migration protocol version 3"},
        {FEATURE_PARAMS, "Destination libvirt does not support migration with extensible parameters"},
        {FEATURE_OFFLINE, "offline migration is not supported by the destination host"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(wanted); i++) {
        gboolean is_supported = FALSE;

        if (wanted[i].feature == FEATURE_OFFLINE && !migration_is_offline(p2p->migration))
            continue;
        if (!peer_supports(p2p->peer, wanted[i].feature, &is_supported, error))
            return FALSE;
        if (!is_supported)
            return error_set(error, ERROR_OPERATION_FAILED, "operation failed: %s", wanted[i].refusal);
    }
    return TRUE;
}

AWAITS static gboolean prepare_direct(P2p *p2p, RemoteDomainMigratePrepare3ParamsArgs *args, Arena *arena, PhaseRun *run,
                                      GError **error)
{
    RemoteDomainMigratePrepare3ParamsRet ret = {0};

    if (!peer_call(p2p->peer, REMOTE_PROGRAM, REMOTE_DOMAIN_MIGRATE_PREPARE3_PARAMS, args, arena, &ret, -1, error))
        return FALSE;
    phase_run_set_cookie(run, g_bytes_new(ret.cookie_out, ret.cookie_out_len));
    run->uri_out = g_strdup(ret.uri_out);
    return TRUE;
}

AWAITS static gboolean prepare_tunnel(P2p *p2p, const RemoteDomainMigratePrepare3ParamsArgs *args, Arena *arena,
                                      PhaseRun *run, GError **error)
{
    RemoteDomainMigratePrepareTunnel3ParamsArgs tunnel = {
        .params = args->params,
        .params_count = args->params_count,
        .cookie_in = args->cookie_in,
        .cookie_in_len = args->cookie_in_len,
        .flags = args->flags,
    };
    RemoteDomainMigratePrepareTunnel3ParamsRet ret = {0};

    p2p->stream = peer_call_stream(p2p->peer, REMOTE_PROGRAM, REMOTE_DOMAIN_MIGRATE_PREPARE_TUNNEL3_PARAMS, &tunnel, arena,
                                   &ret, -1, error);
    if (!p2p->stream)
        return FALSE;
    p2p->migration->journal->address =
        g_strdup_printf("%s, tunnelled", peer_remote_address(p2p->peer) ?: p2p->dconnuri);
    phase_run_set_cookie(run, g_bytes_new(ret.cookie_out, ret.cookie_out_len));
    return TRUE;
}

/* A stock host that calls itself localhost has no address to offer, and refuses at once.  We know one. */
AWAITS static gboolean prepare_there(P2p *p2p, RemoteDomainMigratePrepare3ParamsArgs *args, Params *params, Arena *arena,
                                     PhaseRun *run, GError **error)
{
    const char *address = peer_remote_address(p2p->peer);
    g_autoptr(GError) why = NULL;
    g_autofree char *uri = NULL;

    if (prepare_direct(p2p, args, arena, run, &why))
        return TRUE;
    if (!address || params_find(params, MIGRATE_PARAM_URI) || !migration_uri_is_missed(why)) {
        g_propagate_error(error, g_steal_pointer(&why));
        return FALSE;
    }
    uri = migration_uri_to(address);
    log_info("domain '%s': the destination calls itself localhost; it is to listen for %s", p2p->domain->name, uri);
    params_add_string(params, MIGRATE_PARAM_URI, uri);
    args->params = wire_params_encode(params, TRUE, arena, &args->params_count);
    return prepare_direct(p2p, args, arena, run, error);
}

AWAITS static gboolean ask_to_prepare(Migration *migration, GError **error)
{
    P2p *p2p = migration->p2p;
    PhaseRun *run = p2p->run;
    g_autoptr(Arena) arena = arena_new();
    g_autoptr(Params) params = migrate_params_for_prepare(run->params, MIGRATE_BY_SOURCE, run->xml);
    RemoteDomainMigratePrepare3ParamsArgs args = {.flags = (uint32_t)migrate_flags_for_destination(run->flags)};
    g_autoptr(GError) why = NULL;
    size_t len = 0;

    args.params = wire_params_encode(params, TRUE, arena, &args.params_count);
    args.cookie_in = (guint8 *)cookie_bytes(run, &len);
    args.cookie_in_len = (uint32_t)len;
    if (p2p->is_tunnelled ? prepare_tunnel(p2p, &args, arena, run, &why)
                          : prepare_there(p2p, &args, params, arena, run, &why))
        return TRUE;
    cookie_explain_refusal(&why);
    g_propagate_error(error, g_steal_pointer(&why));
    return FALSE;
}

/* Perform, which reads it otherwise, is left out.  Who the other host is outlives the power before Finish: only it may say later
 * that it was never prepared. */
AWAITS static gboolean read_answer(P2p *p2p, const PhaseRun *run, GError **error)
{
    size_t len;
    const void *bytes = cookie_bytes(run, &len);

    return source_read_answer(p2p->migration, bytes, len, error) && migration_save_durable(p2p->migration, error);
}

AWAITS static gboolean p2p_prepare(void *endpoint, PhaseRun *run, GError **error)
{
    P2p *p2p = endpoint;
    Migration *migration = p2p->migration;
    g_autoptr(GError) why = NULL;
    gboolean is_prepared;

    if (!source_check_wanted(migration, error))
        return FALSE;
    migration_interruptible_begin(migration);
    is_prepared = p2p_step(p2p, P2P_CONNECT, run, &why) && p2p_step(p2p, P2P_CAPABILITIES, run, &why) &&
                  p2p_step(p2p, P2P_PREPARE, run, &why);
    p2p->is_prepared = migration_interruptible_end(migration, is_prepared, &why);
    if (p2p->is_prepared && migration_is_offline(migration))
        p2p->is_prepared = read_answer(p2p, run, &why);
    if (p2p->is_prepared)
        return TRUE;
    p2p->is_silent = error_is(why, ERROR_OPERATION_ABORTED);
    if (!p2p->is_silent || source_check_wanted(migration, error)) /* else it says why */
        g_propagate_error(error, g_steal_pointer(&why));
    return FALSE;
}

static void drop_tunnel(void *data)
{
    P2p *p2p = data;

    peer_stream_drop(p2p->stream);
}

/* A reader that waits for a peer lasts as long as this connection, and nothing else makes a blocked write return. */
static void cut_tunnel(void *data)
{
    P2p *p2p = data;

    peer_break(p2p->peer, "the migration that it carried has been given up");
}

AWAITS static gboolean perform_tunnelled(P2p *p2p, PhaseRun *run, GBytes **ret_cookie, GError **error)
{
    auto_fd int read_fd = -1;
    auto_fd int write_fd = -1;
    SourceRoute route = {.carrier_fd = -1, .control = peer_remote_address(p2p->peer)};
    size_t len;
    const void *cookie = cookie_bytes(run, &len);
    gboolean is_sent;

    if (!pump_pipe(&read_fd, &write_fd, error) ||
        !peer_stream_carry(p2p->stream, fd_steal(&read_fd),
                           p2p->migration->is_peer_ferry ? PUMP_PAYLOAD_FERRY : PUMP_PAYLOAD_STOCK, error))
        return FALSE;
    route.carrier_fd = write_fd;
    p2p->migration->cut_data = p2p;
    p2p->migration->drop_stream = drop_tunnel;
    p2p->migration->cut_stream = cut_tunnel;
    is_sent = source_perform(p2p->domain, run->params, &route, cookie, len, ret_cookie, error);
    p2p->migration->drop_stream = p2p->migration->cut_stream = NULL;
    if (!is_sent && !p2p->migration->journal->has_fallen) /* else the destination may have all of it */
        return FALSE;
    fd_clear(&write_fd); /* QEMU has closed its end; with ours the pump sees the end of the stream */
    if (!is_sent) {
        peer_stream_finish(p2p->stream, STREAM_END_TIMEOUT_MS, NULL);
        return FALSE;
    }
    migration_interruptible_begin(p2p->migration);
    is_sent = peer_stream_finish(p2p->stream, STREAM_END_TIMEOUT_MS, error);
    return migration_interruptible_end(p2p->migration, is_sent, is_sent ? error : NULL);
}

/* NULL: what finds no way may go through the connection of the daemons. */
static const char *refusal_of_tunnel(const Params *params, unsigned flags)
{
    if (g_strcmp0(params_get_string(params, MIGRATE_PARAM_FALLBACK), MIGRATE_FALLBACK_NONE) == 0)
        return "the user wants none (--no-fallback)";
    if (!(migrate_settings()->fallbacks & FALLBACK_TUNNEL))
        return "'fallback' in ferryd.conf of this host does not allow the tunnel";
    return migrate_tunnel_refusal(flags);
}

/* All of the memory, and GO. */
AWAITS static gboolean send_memory(Migration *migration, GError **error)
{
    P2p *p2p = migration->p2p;
    PhaseRun *run = p2p->run;
    SourceRoute route = {.uri = run->uri,
                         .carrier_fd = -1,
                         .control = peer_remote_address(p2p->peer),
                         .has_fallback = !refusal_of_tunnel(run->params, (unsigned)run->flags)};
    g_autoptr(GError) why = NULL;
    GBytes *cookie = NULL;
    size_t len = 0;
    const void *bytes = cookie_bytes(run, &len);
    gboolean is_sent = p2p->is_tunnelled
                           ? perform_tunnelled(p2p, run, &cookie, &why)
                           : source_perform(p2p->domain, run->params, &route, bytes, len, &cookie, &why);

    is_sent = is_sent && source_say_go(migration, &why);
    if (!is_sent && cookie)
        g_bytes_unref(g_steal_pointer(&cookie));
    if (is_sent || (p2p->is_tunnelled && migration->journal->has_fallen && source_ask_loaded(migration, &cookie))) {
        phase_run_set_cookie(run, cookie);
        return TRUE;
    }
    g_propagate_error(error, g_steal_pointer(&why));
    return FALSE;
}

AWAITS static gboolean p2p_perform(void *endpoint, PhaseRun *run, GError **error)
{
    P2p *p2p = endpoint;
    g_autoptr(GError) why = NULL;

    if (p2p_step(p2p, P2P_PERFORM, run, &why))
        return TRUE;
    if (!p2p->migration->is_ended) {
        g_autoptr(GError) reason = NULL;

        if (!source_check_wanted(p2p->migration, &reason)) {
            g_clear_error(&why);
            why = g_steal_pointer(&reason);
        }
        source_settle(p2p->migration, HEARD_ABORT, NULL, why->message, NULL);
    }
    phase_run_set_cookie(run, NULL); /* C2 is the destination's own: a stock one would complain of it instead of giving up */
    g_propagate_error(error, g_steal_pointer(&why));
    return FALSE;
}

/* Was that the other daemon's own answer, or only that none came? */
static gboolean is_answer(const P2p *p2p, const GError *error)
{
    if (peer_is_lost(p2p->peer))
        return FALSE;
    if (p2p->migration->is_peer_ferry)
        return phase_error_is_refused(error);
    return error_domain(error) != FROM_RPC; /* a stock destination kills its guest before it says no */
}

/* As the other side has told it by another road. */
static PhaseOutcome outcome_of(const Migration *migration)
{
    if (migration_word(migration) == WORD_GONE || migration->answer == HEARD_TAKEN)
        return PHASE_ARRIVED;
    if (migration_word(migration) == WORD_KEPT || migration->answer == HEARD_REFUSED)
        return PHASE_STAYED;
    return PHASE_UNKNOWN;
}

AWAITS static gboolean ask_to_finish(Migration *migration, GError **error)
{
    P2p *p2p = migration->p2p;
    PhaseRun *run = p2p->run;
    g_autoptr(Arena) arena = arena_new();
    g_autoptr(Params) params =
        migrate_params_for_finish(run->params, MIGRATE_BY_SOURCE, p2p->domain->name, run->uri);
    RemoteDomainMigrateFinish3ParamsArgs args = {
        .flags = (uint32_t)migrate_flags_for_destination(run->flags),
        .cancelled = run->is_cancelled,
    };
    RemoteDomainMigrateFinish3ParamsRet ret = {0};
    int64_t patience = -1;
    size_t len = 0;

    if (run->is_cancelled && migration->is_peer_ferry)
        phase_run_set_cookie(run, source_name_attempt(migration));
    args.params = wire_params_encode(params, TRUE, arena, &args.params_count);
    args.cookie_in = (guint8 *)cookie_bytes(run, &len);
    args.cookie_in_len = (uint32_t)len;
    if (p2p->domain->wants_paused)
        args.flags |= MIGRATE_PAUSED; /* paused since Prepare: from GO on nobody can, so this is the last word */
    if (run->is_cancelled && migration->abort_reason)
        patience = ABORT_MS;
    else if (!run->is_cancelled && migration->is_peer_ferry && ask_is_possible(migration) && !postcopy_is_status(migration->status))
        patience = ASK_PATIENCE_MS; /* the daemons go on asking each other */
    if (!peer_call(p2p->peer, REMOTE_PROGRAM, REMOTE_DOMAIN_MIGRATE_FINISH3_PARAMS, &args, arena, &ret, patience, error))
        return FALSE;
    run->outcome = PHASE_ARRIVED;
    phase_run_set_cookie(run, g_bytes_new(ret.cookie_out, ret.cookie_out_len));
    return TRUE;
}

AWAITS static gboolean p2p_finish(void *endpoint, PhaseRun *run, GError **error)
{
    P2p *p2p = endpoint;
    g_autoptr(GError) why = NULL;

    if (!run->is_cancelled)
        run->outcome = PHASE_UNKNOWN;
    if (p2p_step(p2p, P2P_FINISH, run, &why))
        return TRUE;
    p2p->is_silent = error_is(why, ERROR_OPERATION_TIMEOUT);
    p2p->migration->is_finish_lost = !is_answer(p2p, why);
    if (!p2p->migration->is_finish_lost)
        run->outcome = PHASE_STAYED;
    else if (migration_word(p2p->migration) != WORD_GO || p2p->is_silent || ask_await(p2p->migration))
        run->outcome = outcome_of(p2p->migration);
    phase_run_set_cookie(run, NULL); /* ours is no answer */
    if (run->outcome == PHASE_ARRIVED)
        return TRUE;
    if (p2p->migration->answer == HEARD_LOST)
        return error_set(error, error_code(why), "%s; %s does not have domain '%s' and never will: %s", why->message,
                         p2p->migration->journal->peer ?: "the other host", p2p->domain->name, p2p->migration->refusal);
    if (run->outcome == PHASE_UNKNOWN && migration_word(p2p->migration) == WORD_GO) {
        g_autofree char *sentence = handover_sentence(p2p->migration);

        return error_set(error, ask_is_possible(p2p->migration) ? ERROR_OPERATION_TIMEOUT : error_code(why), "%s; domain '%s': %s",
                         why->message, p2p->domain->name, sentence);
    }
    g_propagate_error(error, g_steal_pointer(&why));
    return FALSE;
}

static OwnerHeard heard(const P2p *p2p, const PhaseRun *run)
{
    if (migration_word(p2p->migration) == WORD_OFFERED)
        return HEARD_ABORT;
    switch (run->outcome) {
    case PHASE_ARRIVED:
        return HEARD_TAKEN;
    case PHASE_STAYED:
        return HEARD_REFUSED;
    case PHASE_UNKNOWN:
        break;
    }
    return p2p->migration->answer; /* LOST, or none */
}

AWAITS static gboolean settle(Migration *migration, GError **error)
{
    const P2p *p2p = migration->p2p;
    const PhaseRun *run = p2p->run;
    g_autoptr(MigrationCookie) cookie = NULL;
    MigrationStats stats;
    size_t len;
    const void *bytes = cookie_bytes(run, &len);

    numbers_from_source(migration, &stats);
    if (run->outcome == PHASE_ARRIVED && len > 0 && (cookie = cookie_parse(bytes, len, COOKIE_FOR_CONFIRM, NULL)) &&
        cookie->has_stats)
        stats = cookie->stats;
    if (!source_settle(migration, heard(p2p, run), &stats, run->outcome == PHASE_ARRIVED ? NULL : "the destination did not take it", error))
        return FALSE;
    postcopy_await_end(migration);
    return TRUE;
}

AWAITS static gboolean p2p_confirm(void *endpoint, PhaseRun *run, GError **error)
{
    P2p *p2p = endpoint;

    p2p->migration->is_confirmed |= !run->is_cancelled;
    if (migration_word(p2p->migration) == WORD_GONE && run->is_cancelled) /* postcopy: nobody waits for it here, and it goes on */
        return TRUE;
    if (p2p->migration->is_ended) /* with its QEMU; whatever the domain is now is another guest */
        return TRUE;
    return p2p_step(p2p, P2P_CONFIRM, run, error);
}

static const Step p2p_steps[] = {
    /* name            run                  undo */
    {"connect",      connect_peer,        NULL},
    {"capabilities", check_capabilities,  NULL},
    {"prepare",      ask_to_prepare,      NULL},
    {"perform",      send_memory,         NULL},
    {"finish",       ask_to_finish,       NULL},
    {"confirm",      settle,              NULL},
    {NULL},
};
const StepList p2p_list = {"p2p", p2p_steps};

AWAITS static void p2p_clear(P2p *p2p)
{
    if (p2p->peer)
        peer_on_lost(p2p->peer, NULL, NULL);
    if (p2p->migration) {
        p2p->migration->is_led_here = FALSE;
        p2p->migration->peer = NULL;
        if (p2p->migration->p2p == p2p)
            p2p->migration->p2p = NULL;
        condition_signal(p2p->migration->changed);
    }
    peer_stream_free(p2p->stream);
    if (p2p->is_silent)
        peer_unref(p2p->peer);
    else
        peer_close(p2p->peer);
    if (p2p->migration) /* in doubt it goes on, but without work for this host */
        queue_leave(p2p->migration);
    migration_unref(p2p->migration);
    p2p->peer = NULL;
    p2p->stream = NULL;
    p2p->migration = NULL;
}

/* One attempt.  *ret_is_kept: the destination was prepared, the memory did not go, and the guest stays here. */
AWAITS static gboolean attempt(P2p *p2p, const Params *params, unsigned flags, gboolean *ret_is_kept, GError **error)
{
    PhaseEndpoints endpoints = {
        .source = p2p,
        .destination = p2p,
        .begin = p2p_begin,
        .prepare = p2p_prepare,
        .perform = p2p_perform,
        .finish = p2p_finish,
        .confirm = p2p_confirm,
    };
    PhaseRun run;
    gboolean is_arrived;

    p2p->is_tunnelled = !!(flags & MIGRATE_TUNNELLED);
    p2p->is_silent = p2p->is_prepared = FALSE;
    phase_run_init(&run);
    run.flags = flags | MIGRATE_CHANGE_PROTECTION;
    run.params = params;
    run.is_protected = TRUE;
    is_arrived = phase_driver_run(&endpoints, &run, error);
    *ret_is_kept = p2p->is_prepared && p2p->migration->is_ended && migration_word(p2p->migration) == WORD_KEPT;
    if (!is_arrived && p2p->migration && repeat_is_due(p2p->migration))
        p2p->cut = migration_ref(p2p->migration);
    p2p_clear(p2p);
    if (run.confirm_error)
        log_error("domain '%s' has arrived, but the source is not settled: %s", p2p->domain->name,
                  run.confirm_error->message);
    phase_run_clear(&run);
    return is_arrived;
}

/* The memory found no way: may it go through the connection of the daemons?  *ret_why: why not; NULL: nothing to say. */
static gboolean may_tunnel(const Params *params, unsigned flags, const GError *error, const char **ret_why)
{
    *ret_why = NULL;
    if ((flags & MIGRATE_TUNNELLED) || !phase_error_is_no_route(error) || params_get_string(params, MIGRATE_PARAM_URI))
        return FALSE; /* an explicit URI is an order */
    *ret_why = refusal_of_tunnel(params, flags);
    return !*ret_why;
}

/* A new attempt, after the direct one has ended here.  Takes the first cause. */
AWAITS static gboolean attempt_tunnelled(P2p *p2p, const Params *params, unsigned flags, GError *first, GError **error)
{
    g_autoptr(GError) cause = first;
    g_autoptr(GError) why = NULL;
    g_autoptr(Params) fitting = migrate_params_for_tunnel(params);
    g_autofree char *line = phase_error_line(cause);
    g_autofree char *notice =
        g_strdup_printf("no way of its own for the memory (%s); it takes the connection of the daemons", line);
    gboolean is_kept = FALSE;

    log_info("domain '%s': %s", p2p->domain->name, notice);
    p2p->notice = notice;
    if (attempt(p2p, fitting, (unsigned)migrate_flags_for_tunnel(flags), &is_kept, &why))
        return TRUE;
    if (!is_kept || error_is(why, ERROR_OPERATION_ABORTED)) { /* what became of it is more than which ways there were */
        g_propagate_error(error, g_steal_pointer(&why));
        return FALSE;
    }
    return error_set_from(error, error_domain(cause), error_code(cause),
                          "%s\nThrough the connection of the daemons it did not go either: %s", cause->message,
                          why->message);
}

/* Takes the cause. */
AWAITS static gboolean lead_again(Migration *cut, const Params *params, GError *first, GError **error)
{
    g_autoptr(Migration) ended = cut;
    g_autoptr(GError) cause = first;
    g_autoptr(GError) why = NULL;

    if (repeat_now(ended, params, &why))
        return TRUE;
    return error_set_from(error, error_domain(why), error_code(why), "%s\nThat attempt had been ended by the other daemon (%s) and was begun again",
                          why->message, cause->message);
}

AWAITS static gboolean lead(P2p *p2p, const Params *params, unsigned flags, GError **error)
{
    GError *why = NULL;
    const char *refusal = NULL;
    gboolean is_arrived, is_kept = FALSE;

    is_arrived = attempt(p2p, params, flags, &is_kept, &why);
    if (!is_arrived && !p2p->cut && is_kept && may_tunnel(params, flags, why, &refusal))
        is_arrived = attempt_tunnelled(p2p, params, flags, g_steal_pointer(&why), &why);
    if (p2p->cut)
        return lead_again(g_steal_pointer(&p2p->cut), params, why, error);
    if (!is_arrived) {
        if (refusal)
            error_set_from(error, error_domain(why), error_code(why), "%s\nNo other way was tried: %s", why->message,
                           refusal);
        else
            g_propagate_error(error, g_steal_pointer(&why));
        g_clear_error(&why);
    }
    return is_arrived;
}

AWAITS gboolean source_migrate(Domain *domain, const char *dconnuri, const Params *params, unsigned flags,
                               GError **error)
{
    P2p p2p = {.domain = domain, .dconnuri = dconnuri};

    if (!dconnuri)
        return error_set(error, ERROR_INVALID_ARG,
                         "a peer-to-peer migration needs the URI of the destination's daemon, such as qemu+ssh://HOST/system");
    return lead(&p2p, params, flags, error);
}

AWAITS gboolean source_migrate_again(const Migration *ended, OwnerSide restarted, const Params *params, GError **error)
{
    const Journal *journal = ended->journal;
    P2p p2p = {
        .domain = ended->domain,
        .dconnuri = journal->peer_uri,
        .repeats = ended,
        .restarted = restarted,
        .notice = restarted == SIDE_DESTINATION ? "the destination's daemon ended the first attempt, as one that is restarted does; it was begun again" : NULL,
    };

    return lead(&p2p, params, (unsigned)journal->flags, error);
}
