/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The five phases as calls on two connections. */
#include "base/clock.h"
#include "migrate.h"
#include "phase/uri.h"
#include "wire/params.h"

#define POLL_MS 500

static GBytes *cookie_take(const guint8 *bytes, uint32_t len)
{
    return len ? g_bytes_new(bytes, len) : NULL;
}

static const guint8 *cookie_bytes(const PhaseRun *run, uint32_t *ret_len)
{
    size_t len = 0;
    const guint8 *bytes = run->cookie ? g_bytes_get_data(run->cookie, &len) : NULL;

    *ret_len = (uint32_t)len;
    return bytes;
}

/* The source of a relayed migration knows of no tunnel: it is asked for a stream instead. */
static uint32_t source_flags(const Migration *migration)
{
    uint64_t flags = migration->run.flags;

    return (uint32_t)(migration->is_relayed ? flags & ~(uint64_t)(MIGRATE_TUNNELLED | MIGRATE_PEER2PEER) : flags);
}

static int interval(const Migration *migration)
{
    return migration->wanted->interval_ms > 0 ? migration->wanted->interval_ms : POLL_MS;
}

/* An abort asked for between two calls. */
static gboolean check_abort(Migration *migration, GError **error)
{
    if (!migration->is_abort_asked)
        return TRUE;
    return error_set(error, ERROR_OPERATION_ABORTED,
                     "operation aborted: job 'migration out' canceled by client");
}

/* Who the source is shows in what Begin answers. */
static void recognise_source(Migration *migration)
{
    uint32_t len;
    const guint8 *bytes = cookie_bytes(&migration->run, &len);
    g_autoptr(MigrationCookie) cookie =
        bytes ? cookie_parse(bytes, len, COOKIE_FOR_PREPARE, NULL) : NULL;

    migration->is_source_ferry = cookie && cookie->ferry;
    g_strlcpy(migration->attempt, migration->is_source_ferry ? cookie->ferry->attempt : "", sizeof migration->attempt);
    if (migration->is_source_ferry)
        migration_listen(migration);
}

static gboolean begin(void *endpoint, PhaseRun *run, GError **error)
{
    Migration *migration = endpoint;
    g_autoptr(Arena) arena = arena_new();
    RemoteDomainMigrateBegin3ParamsArgs args = {.dom = domain_wire(migration->domain),
                                                .flags = source_flags(migration)};
    RemoteDomainMigrateBegin3ParamsRet ret = {0};
    FerryState state = FERRY_STATE_NONE;

    args.params = wire_params_encode(run->params, TRUE, arena, &args.params_count);
    if (!connection_call_long(migration->domain->conn, REMOTE_DOMAIN_MIGRATE_BEGIN3_PARAMS, &args, arena,
                              &ret, interval(migration), migration_idle, migration, error))
        return FALSE; /* it may have waited long for its turn */
    migration->waits_for = 0;
    run->xml = g_strdup(ret.xml);
    phase_run_set_cookie(run, cookie_take(ret.cookie_out, ret.cookie_out_len));
    recognise_source(migration);
    if (!(run->flags & MIGRATE_POSTCOPY_RESUME) &&
        ferry_domain_state(migration->domain, &state, NULL, NULL) && state == FERRY_STATE_PAUSED)
        run->flags |= MIGRATE_PAUSED; /* it arrives as it left */
    return TRUE;
}

/* Who the destination is shows in what Prepare answers. */
static void remember_c2(Migration *migration)
{
    size_t len = 0;
    const void *bytes;
    g_autoptr(MigrationCookie) cookie = NULL;

    g_clear_pointer(&migration->c2, g_bytes_unref);
    migration->c2 = migration->run.cookie ? g_bytes_ref(migration->run.cookie) : NULL;
    bytes = migration->c2 ? g_bytes_get_data(migration->c2, &len) : NULL;
    cookie = bytes ? cookie_parse(bytes, len, COOKIE_FOR_PERFORM, NULL) : NULL;
    migration->is_dest_ferry = cookie && cookie->ferry;
    migration->dest_host = cookie ? cookie->host_uuid : (Uuid){0};
}

static void prepare_idle(void *data)
{
    migration_report(data);
}

static gboolean call_prepare(Migration *migration, RemoteDomainMigratePrepare3ParamsArgs *args,
                             Arena *arena, RemoteDomainMigratePrepare3ParamsRet *ret, GError **error)
{
    return connection_call_long(migration->dest, REMOTE_DOMAIN_MIGRATE_PREPARE3_PARAMS, args, arena,
                                ret, interval(migration), prepare_idle, migration, error);
}

/* A stock host that calls itself localhost has no address to offer, and refuses at once.  We know
 * one. */
static gboolean prepare_there(Migration *migration, RemoteDomainMigratePrepare3ParamsArgs *args,
                              Params *params, Arena *arena, RemoteDomainMigratePrepare3ParamsRet *ret,
                              GError **error)
{
    g_autoptr(GError) why = NULL;
    g_autofree char *uri = NULL;

    if (call_prepare(migration, args, arena, ret, &why))
        return TRUE;
    if (!migration->dest_literal || params_find(params, MIGRATE_PARAM_URI) ||
        !migration_uri_is_missed(why)) {
        g_propagate_error(error, g_steal_pointer(&why));
        return FALSE;
    }
    uri = migration_uri_to(migration->dest_literal);
    params_add_string(params, MIGRATE_PARAM_URI, uri);
    args->params = wire_params_encode(params, TRUE, arena, &args->params_count);
    return call_prepare(migration, args, arena, ret, error);
}

static gboolean open_relay(Migration *migration, GError **error)
{
    const StreamCall wanted = {FERRY_PROGRAM, FERRY_MIGRATION_OPEN_RELAY, &relay_from_handlers,
                               &migration->relay};
    const FerryMigrationOpenRelayArgs args = {.dom = domain_wire(migration->domain)};
    g_autoptr(Arena) arena = arena_new();

    migration->relay.from = connection_call_stream(migration->domain->conn, &wanted, &args, arena, NULL,
                                                   interval(migration), prepare_idle, migration, error);
    return migration->relay.from != NULL;
}

/* As a source daemon would that tunnels. */
static gboolean prepare_relayed(Migration *migration, const RemoteDomainMigratePrepare3ParamsArgs *args,
                                Arena *arena, GError **error)
{
    const RemoteDomainMigratePrepareTunnel3ParamsArgs tunnel_args = {
        .params = args->params,
        .params_count = args->params_count,
        .cookie_in = args->cookie_in,
        .cookie_in_len = args->cookie_in_len,
        .flags = args->flags,
    };
    RemoteDomainMigratePrepareTunnel3ParamsRet ret = {0};
    const StreamCall wanted = {REMOTE_PROGRAM, REMOTE_DOMAIN_MIGRATE_PREPARE_TUNNEL3_PARAMS,
                               &relay_to_handlers, &migration->relay};
    g_autoptr(GError) cause = NULL;

    migration->relay = (Relay){.source = migration->domain->conn, .dest = migration->dest};
    if (!open_relay(migration, error)) /* first: if the source does not want it, nobody else is troubled */
        return FALSE;
    migration->relay.to = connection_call_stream(migration->dest, &wanted, &tunnel_args, arena, &ret,
                                                 interval(migration), prepare_idle, migration, &cause);
    phase_run_set_cookie(&migration->run, NULL);
    if (!migration->relay.to) {
        cookie_explain_refusal(&cause);
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    phase_run_set_cookie(&migration->run, cookie_take(ret.cookie_out, ret.cookie_out_len));
    remember_c2(migration);
    migration->run.is_unwanted = migration->is_abort_asked;
    return TRUE;
}

static gboolean prepare(void *endpoint, PhaseRun *run, GError **error)
{
    Migration *migration = endpoint;
    g_autoptr(Arena) arena = arena_new();
    g_autoptr(Params) params = migrate_params_for_prepare(run->params, MIGRATE_BY_CLIENT, run->xml);
    RemoteDomainMigratePrepare3ParamsArgs args = {
        .flags = (uint32_t)migrate_flags_for_destination(run->flags)};
    RemoteDomainMigratePrepare3ParamsRet ret = {0};
    g_autoptr(GError) cause = NULL;

    if (!check_abort(migration, error))
        return FALSE;
    args.params = wire_params_encode(params, TRUE, arena, &args.params_count);
    args.cookie_in = (guint8 *)cookie_bytes(run, &args.cookie_in_len);
    if (migration->is_relayed)
        return prepare_relayed(migration, &args, arena, error);
    if (!prepare_there(migration, &args, params, arena, &ret, &cause)) {
        phase_run_set_cookie(run, NULL);
        cookie_explain_refusal(&cause);
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    run->uri_out = g_strdup(ret.uri_out);
    phase_run_set_cookie(run, cookie_take(ret.cookie_out, ret.cookie_out_len));
    remember_c2(migration);
    run->is_unwanted = migration->is_abort_asked;
    return TRUE;
}

/* Takes the cause.  A copy that we gave up because the destination was gone did not end by the
 * user's will. */
static gboolean perform_failed(const Migration *migration, GError *cause, GError **error)
{
    if (migration->dest->lost && !migration->is_abort_asked && migration->is_abort_told) {
        error_set(error, ERROR_OPERATION_FAILED,
                  "operation failed: the connection to '%s' has ended: %s",
                  migration->wanted->dest_uri, migration->dest->lost->message);
        g_error_free(cause);
    } else {
        g_propagate_error(error, cause);
    }
    return FALSE;
}

static gboolean perform(void *endpoint, PhaseRun *run, GError **error)
{
    Migration *migration = endpoint;
    g_autoptr(Arena) arena = arena_new();
    g_autoptr(Params) params = migrate_params_for_perform(run->params, run->uri);
    RemoteDomainMigratePerform3ParamsArgs args = {.dom = domain_wire(migration->domain),
                                                  .flags = source_flags(migration)};
    RemoteDomainMigratePerform3ParamsRet ret = {0};
    GError *cause = NULL;

    if (migration->is_source_ferry && migration->wanted->no_fallback)
        params_add_string(params, MIGRATE_PARAM_FALLBACK, MIGRATE_FALLBACK_NONE);
    if (migration->is_source_ferry && migration->dest_literal && !migration->is_relayed)
        params_add_string(params, MIGRATE_PARAM_DEST_ADDRESS, migration->dest_literal);
    args.params = wire_params_encode(params, TRUE, arena, &args.params_count);
    args.cookie_in = (guint8 *)cookie_bytes(run, &args.cookie_in_len);
    if (!connection_call_long(migration->domain->conn, REMOTE_DOMAIN_MIGRATE_PERFORM3_PARAMS, &args,
                              arena, &ret, interval(migration), migration_idle, migration,
                              &cause)) {
        phase_run_set_cookie(run, NULL);
        return perform_failed(migration, g_steal_pointer(&cause), error);
    }
    phase_run_set_cookie(run, cookie_take(ret.cookie_out, ret.cookie_out_len));
    /* The source has said GO, so whatever became of the rest, it is the destination that answers now. */
    if (migration->is_relayed && !relay_finish(&migration->relay, interval(migration), prepare_idle, migration))
        g_clear_pointer(&migration->relay.to, rpc_stream_free);
    return TRUE;
}

static void take_numbers(Migration *migration)
{
    uint32_t len;
    const guint8 *bytes = cookie_bytes(&migration->run, &len);
    g_autoptr(MigrationCookie) cookie =
        bytes ? cookie_parse(bytes, len, COOKIE_FOR_CONFIRM, NULL) : NULL;

    if (!cookie || !cookie->has_stats)
        return;
    migration->has_stats = TRUE;
    migration->stats = cookie->stats;
}

/* The daemons ask each other, so what the source waits for does not come here sooner.  A silent link breaks late, and a user's patience
 * ends before. */
static void finish_idle(void *data)
{
    Migration *migration = data;
    g_autofree char *doubt = NULL;
    PhaseOutcome outcome;
    GError *why = NULL;

    migration_report(migration);
    if (!migration->is_source_ferry || !migration->is_dest_ferry || migration->is_relayed || migration->run.flags & MIGRATE_OFFLINE ||
        clock_now_ms() - migration->finish_ms < MIGRATION_ANSWER_MS)
        return;
    outcome = migration_look_at_source(migration, &doubt);
    if (outcome == PHASE_UNKNOWN && !doubt)
        return; /* it is still at it */
    migration->is_given_up = TRUE;
    migration->is_settled = outcome != PHASE_UNKNOWN;
    if (!migration->run.is_cancelled)
        migration->run.outcome = outcome;
    error_set(&why, ERROR_OPERATION_TIMEOUT, "operation failed: domain '%s': %s", migration->domain->name,
              doubt ?: "the destination does not answer, and the source knows how it has ended");
    connection_lose(migration->dest, why);
}

/* What an error of Finish(0) means.  A stock destination has ended its guest before its driver
 * answers with one.  A ferryd says REFUSED by a code of its own; anything else from it decides
 * nothing. */
static void finish_failed(Migration *migration, GError **error)
{
    PhaseRun *run = &migration->run;
    gboolean is_answer = !migration->dest->lost && error_domain(*error) != FROM_RPC; /* nor what we cannot read */

    phase_run_set_cookie(run, NULL);
    if (migration->is_given_up)
        return;
    if (is_answer && migration->is_dest_ferry && phase_error_is_refused(*error)) {
        run->outcome = PHASE_STAYED;
        phase_run_set_cookie(run, cookie_hand_on(migration->c2, COOKIE_WORD_REFUSED));
    } else if (is_answer && !migration->is_dest_ferry) {
        run->outcome = PHASE_STAYED;
    } else if (migration->is_relayed && migration->is_dest_ferry && *migration->attempt) {
        run->outcome = courier_settle(migration, error);
    } else if (!(run->flags & MIGRATE_OFFLINE)) { /* a definition that is found may have been there before */
        run->outcome = migration_look(migration);
    }
}

/* The source's daemon has gone in the middle of it.  Where the daemons have met, or soon will, they finish it by themselves; where they have
 * not, the destination refuses as soon as we hang up. */
static gboolean goes_on_without_us(const Migration *migration)
{
    return migration->run.is_cancelled && migration->domain->conn->lost && migration->is_source_ferry && migration->is_dest_ferry &&
           !migration->is_relayed && !migration->is_abort_asked;
}

static gboolean finish(void *endpoint, PhaseRun *run, GError **error)
{
    Migration *migration = endpoint;
    g_autoptr(Arena) arena = arena_new();
    g_autoptr(Params) params = migrate_params_for_finish(run->params, MIGRATE_BY_CLIENT,
                                                         migration->domain->name, run->uri);
    g_autoptr(GError) cause = NULL;
    RemoteDomainMigrateFinish3ParamsArgs args = {
        .flags = (uint32_t)migrate_flags_for_destination(run->flags),
        .cancelled = run->is_cancelled};
    RemoteDomainMigrateFinish3ParamsRet ret = {0};

    if (goes_on_without_us(migration)) {
        run->outcome = PHASE_UNKNOWN;
        return error_set(error, ERROR_OPERATION_FAILED, "operation failed: the connection to the source has ended; it is left to the daemons");
    }
    if (run->is_cancelled && migration->is_dest_ferry) /* which attempt is meant: the call has only the guest's name */
        phase_run_set_cookie(run, cookie_hand_on(migration->c2, COOKIE_WORD_NONE));
    args.params = wire_params_encode(params, TRUE, arena, &args.params_count);
    args.cookie_in = (guint8 *)cookie_bytes(run, &args.cookie_in_len);
    migration->finish_ms = clock_now_ms();
    if (!run->is_cancelled)
        run->outcome = PHASE_UNKNOWN;
    if (connection_call_long(migration->dest, REMOTE_DOMAIN_MIGRATE_FINISH3_PARAMS, &args, arena,
                             &ret, interval(migration), finish_idle, migration, &cause)) {
        phase_run_set_cookie(run, cookie_take(ret.cookie_out, ret.cookie_out_len));
        if (run->is_cancelled)
            return TRUE;
        run->outcome = PHASE_ARRIVED;
        take_numbers(migration);
        return TRUE;
    }
    if (!run->is_cancelled)
        finish_failed(migration, &cause);
    if (run->outcome == PHASE_ARRIVED)
        return TRUE; /* the reply was lost, but it runs there */
    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}

static gboolean confirm(void *endpoint, PhaseRun *run, GError **error)
{
    Migration *migration = endpoint;
    g_autoptr(Arena) arena = arena_new();
    RemoteDomainMigrateConfirm3ParamsArgs args = {.dom = domain_wire(migration->domain),
                                                  .flags = source_flags(migration),
                                                  .cancelled = run->is_cancelled};

    if (migration->is_settled)
        return TRUE;
    if (run->outcome == PHASE_UNKNOWN)
        return TRUE; /* told nothing, the source keeps the guest paused; told "cancelled", a stock
                        source would run it */
    args.params = wire_params_encode(run->params, TRUE, arena, &args.params_count);
    args.cookie_in = (guint8 *)cookie_bytes(run, &args.cookie_in_len);
    return CALL(migration->domain->conn, DOMAIN_MIGRATE_CONFIRM3_PARAMS, &args, NULL, NULL, error);
}

static void on_phase(Phase phase, const PhaseRun *run, void *data)
{
    Migration *migration = data;

    if (phase == PHASE_ADDRESS)
        return;
    migration->phase = phase;
    migration_report(migration);
}

void migration_endpoints(Migration *migration, PhaseEndpoints *ret_endpoints)
{
    *ret_endpoints = (PhaseEndpoints){.source = migration,
                                      .destination = migration,
                                      .begin = begin,
                                      .prepare = prepare,
                                      .perform = perform,
                                      .finish = finish,
                                      .confirm = confirm,
                                      .on_phase = on_phase,
                                      .data = migration};
}
