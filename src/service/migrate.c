/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The migration calls of version 3, with and without typed parameters.  Both families become Params and meet in the same
 * functions of src/migrate.  What is left here: who calls, and what must end when he goes away. */
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "host/address.h"
#include "link/pump.h"
#include "migrate/address.h"
#include "migrate/arrive.h"
#include "migrate/ask.h"
#include "migrate/dest.h"
#include "migrate/handover.h"
#include "migrate/postcopy.h"
#include "migrate/queue.h"
#include "migrate/recover.h"
#include "migrate/source.h"
#include "phase/driver.h"
#include "phase/flags.h"
#include "service/calls.h"
#include "service/service.h"
#include "wire/params.h"

/* --- whose connection leads a migration --------------------------------------------------------------------------- */

typedef struct {
    Migration *migration; /* a reference */
    const Caller *caller; /* borrowed: the hook comes before its end */
    CallerHook *hook;
} Lead;

static gboolean leads(const Migration *migration, Call *call)
{
    const Lead *lead = migration ? migration->lead : NULL;

    return lead && lead->caller == call_caller(call);
}

static void lead_drop(Migration *migration)
{
    Lead *lead = g_steal_pointer(&migration->lead);

    if (!lead)
        return;
    caller_drop_hook(lead->hook);
    migration_unref(lead->migration);
    g_free(lead);
}

static int64_t lead_silence_ms(void *data)
{
    const Lead *lead = data;

    return lead && lead->hook ? caller_silence_ms(lead->caller) : -1;
}

static void lead_lost(Caller *caller, void *data)
{
    Lead *lead = data;
    g_autoptr(Migration) migration = migration_ref(lead->migration);

    lead->hook = NULL;
    lead_drop(migration);
    if (migration->is_ended && migration->side == SIDE_SOURCE)
        return;
    log_info("the connection of %s, which led the migration of domain '%s', has ended", caller_name(caller),
             migration->journal->name);
    migration->side == SIDE_SOURCE ? source_caller_lost(migration) : dest_caller_lost(migration);
}

/* The latest caller of a phase leads. */
static void lead_take(Migration *migration, Call *call)
{
    Lead *lead = g_new0(Lead, 1);
    CallerHook *hook;

    lead_drop(migration);
    lead->migration = migration_ref(migration);
    lead->caller = call_caller(call);
    migration->lead = lead;
    migration->leader_silence_ms = lead_silence_ms;
    hook = caller_on_close(call_caller(call), lead_lost, lead);
    if (migration->lead == lead) /* else he has gone already */
        lead->hook = hook;
}

/* Begin and Prepare may wait long for their turn, and nobody leads the migration yet. */
typedef struct {
    const Task *task;
    CallerHook *hook;
} Waiter;

static void waiter_lost(Caller *caller, void *data)
{
    Waiter *waiter = data;

    waiter->hook = NULL;
    queue_caller_lost(waiter->task);
}

static void waiter_init(Waiter *waiter, Call *call)
{
    waiter->task = task_current();
    waiter->hook = caller_on_close(call_caller(call), waiter_lost, waiter);
}

static void waiter_clear(Waiter *waiter)
{
    caller_drop_hook(waiter->hook);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Waiter, waiter_clear)

/* --- arguments and results ---------------------------------------------------------------------------------------- */

static Params *params_of_old_call(const char *uri, const char *dname, const char *xml, uint64_t bandwidth)
{
    Params *params = params_new();

    if (uri)
        params_add_string(params, MIGRATE_PARAM_URI, uri);
    if (dname)
        params_add_string(params, MIGRATE_PARAM_DEST_NAME, dname);
    if (xml)
        params_add_string(params, MIGRATE_PARAM_DEST_XML, xml);
    if (bandwidth)
        params_add_ullong(params, MIGRATE_PARAM_BANDWIDTH, bandwidth);
    return params;
}

static void return_cookie(Call *call, GBytes *cookie, guint8 **ret_bytes, uint32_t *ret_len)
{
    size_t len = cookie ? g_bytes_get_size(cookie) : 0;

    *ret_bytes = arena_alloc(call_arena(call), len + 1);
    *ret_len = (uint32_t)len;
    if (len > 0)
        memcpy(*ret_bytes, g_bytes_get_data(cookie, NULL), len);
    g_bytes_unref(cookie);
}

/* Where the calling connection arrived: the address that reaches us from there. */
gboolean service_control_address(const Caller *caller, struct sockaddr_storage *ret_address)
{
    g_autofree char *ssh = caller_is_local(caller) ? address_of_ssh(caller_pid(caller)) : NULL;
    const char *host = ssh ?: caller_local_host(caller);

    return host && address_parse(host, ret_address);
}

/* --- Begin -------------------------------------------------------------------------------------------------------- */

AWAITS static gboolean begin(Call *call, const WireDomain *dom, const Params *params, uint64_t flags, guint8 **ret_cookie,
                             uint32_t *ret_cookie_len, char **ret_xml, GError **error)
{
    g_autoptr(Domain) domain = service_find(dom, error);
    g_autofree char *xml = NULL;
    g_auto(Waiter) waiter = {0};
    GBytes *cookie = NULL;

    waiter_init(&waiter, call);
    if (!domain || !source_begin(domain, params, (unsigned)flags, &cookie, &xml, error))
        return FALSE;
    lead_take(domain->migration, call);
    return_cookie(call, cookie, ret_cookie, ret_cookie_len);
    *ret_xml = arena_strdup(call_arena(call), xml);
    return TRUE;
}

AWAITS gboolean service_domain_migrate_begin3(Call *call, const RemoteDomainMigrateBegin3Args *args,
                                              RemoteDomainMigrateBegin3Ret *ret, GError **error)
{
    g_autoptr(Params) params = params_of_old_call(NULL, args->dname, args->xmlin, args->resource);

    return begin(call, &args->dom, params, args->flags, &ret->cookie_out, &ret->cookie_out_len, &ret->xml, error);
}

AWAITS gboolean service_domain_migrate_begin3_params(Call *call, const RemoteDomainMigrateBegin3ParamsArgs *args,
                                                     RemoteDomainMigrateBegin3ParamsRet *ret, GError **error)
{
    g_autoptr(Params) params = wire_params_decode(args->params, args->params_count, error);

    return params && begin(call, &args->dom, params, args->flags, &ret->cookie_out, &ret->cookie_out_len, &ret->xml, error);
}

/* --- Prepare ------------------------------------------------------------------------------------------------------ */

AWAITS static gboolean prepare(Call *call, const Params *params, const guint8 *cookie_in, size_t cookie_len,
                               uint64_t flags, gboolean is_tunnelled, Migration **ret_migration, guint8 **ret_cookie,
                               uint32_t *ret_cookie_len, char **ret_uri, GError **error)
{
    struct sockaddr_storage control;
    g_autofree char *uri = NULL;
    DestPrepare request = {
        .params = params,
        .flags = (unsigned)flags,
        .cookie = cookie_in,
        .cookie_len = cookie_len,
        .is_tunnelled = is_tunnelled,
        .control_local = service_control_address(call_caller(call), &control) ? &control : NULL,
        .control_remote = caller_remote_host(call_caller(call)),
    };
    g_auto(Waiter) waiter = {0};
    GBytes *cookie = NULL;

    waiter_init(&waiter, call);
    if (!dest_prepare(&request, ret_migration, &cookie, &uri, error))
        return FALSE;
    lead_take(*ret_migration, call);
    return_cookie(call, cookie, ret_cookie, ret_cookie_len);
    if (ret_uri)
        *ret_uri = arena_strdup(call_arena(call), uri);
    return TRUE;
}

AWAITS gboolean service_domain_migrate_prepare3(Call *call, const RemoteDomainMigratePrepare3Args *args,
                                                RemoteDomainMigratePrepare3Ret *ret, GError **error)
{
    g_autoptr(Params) params = params_of_old_call(args->uri_in, args->dname, args->dom_xml, args->resource);
    g_autoptr(Migration) migration = NULL;

    return prepare(call, params, args->cookie_in, args->cookie_in_len, args->flags, FALSE, &migration, &ret->cookie_out,
                   &ret->cookie_out_len, &ret->uri_out, error);
}

AWAITS gboolean service_domain_migrate_prepare3_params(Call *call, const RemoteDomainMigratePrepare3ParamsArgs *args,
                                                       RemoteDomainMigratePrepare3ParamsRet *ret, GError **error)
{
    g_autoptr(Params) params = wire_params_decode(args->params, args->params_count, error);
    g_autoptr(Migration) migration = NULL;

    return params && prepare(call, params, args->cookie_in, args->cookie_in_len, args->flags, FALSE, &migration,
                             &ret->cookie_out, &ret->cookie_out_len, &ret->uri_out, error);
}

/* The stream has ended; whether well or not, QEMU sees the end of the pipe and says what it makes of it. */
static void tunnel_ended(CallerStream *stream, CallerStreamEnd end, void *data)
{
    g_autoptr(Migration) migration = data;

    log_debug("tunnel of domain '%s' ended: %d", migration->journal->name, (int)end);
}

AWAITS static gboolean prepare_tunnel(Call *call, const Params *params, const guint8 *cookie_in, size_t cookie_len,
                                      uint64_t flags, guint8 **ret_cookie, uint32_t *ret_cookie_len, GError **error)
{
    g_autoptr(Migration) migration = NULL;
    auto_fd int read_fd = -1;
    auto_fd int write_fd = -1;

    if (!prepare(call, params, cookie_in, cookie_len, flags, TRUE, &migration, ret_cookie, ret_cookie_len, NULL, error))
        return FALSE;
    if (!pump_pipe(&read_fd, &write_fd, error) || !dest_attach(migration, fd_steal(&read_fd), error)) {
        dest_refuse_soon(migration, "its tunnel could not be opened");
        return FALSE;
    }
    if (!call_open_stream(call, fd_steal(&write_fd), tunnel_ended, migration, error)) {
        dest_refuse_soon(migration, "its tunnel could not be opened");
        return FALSE;
    }
    migration_ref(migration); /* tunnel_ended drops it */
    return TRUE;
}

AWAITS gboolean service_domain_migrate_prepare_tunnel3(Call *call, const RemoteDomainMigratePrepareTunnel3Args *args,
                                                       RemoteDomainMigratePrepareTunnel3Ret *ret, GError **error)
{
    g_autoptr(Params) params = params_of_old_call(NULL, args->dname, args->dom_xml, args->resource);

    return prepare_tunnel(call, params, args->cookie_in, args->cookie_in_len, args->flags, &ret->cookie_out,
                          &ret->cookie_out_len, error);
}

AWAITS gboolean service_domain_migrate_prepare_tunnel3_params(Call *call,
                                                              const RemoteDomainMigratePrepareTunnel3ParamsArgs *args,
                                                              RemoteDomainMigratePrepareTunnel3ParamsRet *ret,
                                                              GError **error)
{
    g_autoptr(Params) params = wire_params_decode(args->params, args->params_count, error);

    return params && prepare_tunnel(call, params, args->cookie_in, args->cookie_in_len, args->flags, &ret->cookie_out,
                                    &ret->cookie_out_len, error);
}

/* --- Perform ------------------------------------------------------------------------------------------------------ */

AWAITS static gboolean perform(Call *call, const WireDomain *dom, const char *dconnuri, const Params *params,
                               const guint8 *cookie_in, size_t cookie_len, uint64_t flags, guint8 **ret_cookie,
                               uint32_t *ret_cookie_len, GError **error)
{
    g_autoptr(Domain) domain = service_find(dom, error);
    SourceRoute route = {.uri = params_get_string(params, MIGRATE_PARAM_URI),
                         .carrier_fd = -1,
                         .control = params_get_string(params, MIGRATE_PARAM_DEST_ADDRESS)};
    g_autoptr(GError) why = NULL;
    GBytes *cookie = NULL;
    gboolean is_open_way;

    if (!domain)
        return FALSE;
    if (flags & MIGRATE_PEER2PEER) {
        if (!source_migrate(domain, dconnuri, params, (unsigned)flags, error))
            return FALSE;
        return_cookie(call, g_bytes_new(NULL, 0), ret_cookie, ret_cookie_len);
        return TRUE;
    }
    if (!route.uri && !(migration_of(domain) && migration_of(domain)->relay_fd >= 0))
        return error_set(error, ERROR_INVALID_ARG, "no migration URI: the destination gave none, and the user neither");
    if (migration_of(domain) && migration_of(domain)->is_peer_to_peer)
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: another migration job is already running for domain '%s'",
                         domain->name);
    if (source_may_perform(domain)) /* a stranger who is refused takes no lead */
        lead_take(migration_of(domain), call);
    route.has_fallback = source_may_relay(params, (unsigned)flags);
    is_open_way = migration_of(domain) && !migration_of(domain)->is_uri_an_order;
    if (!source_perform(domain, params, &route, cookie_in, cookie_len, &cookie, &why)) {
        /* Ferry says where it reached the destination, and finds another way by itself. */
        if (phase_error_is_no_route(why) && !route.control && is_open_way)
            error_set_from(error, error_domain(why), error_code(why),
                           "%s\nThe connection of the daemons can carry it: `virsh migrate --live --p2p %s DESTURI`; so can "
                           "`ferry migrate`.",
                           why->message, domain->name);
        else
            g_propagate_error(error, g_steal_pointer(&why));
        return FALSE;
    }
    return_cookie(call, cookie, ret_cookie, ret_cookie_len);
    return TRUE;
}

AWAITS gboolean service_domain_migrate_perform3(Call *call, const RemoteDomainMigratePerform3Args *args,
                                                RemoteDomainMigratePerform3Ret *ret, GError **error)
{
    g_autoptr(Params) params = params_of_old_call(args->uri, args->dname, args->xmlin, args->resource);

    return perform(call, &args->dom, args->dconnuri, params, args->cookie_in, args->cookie_in_len, args->flags,
                   &ret->cookie_out, &ret->cookie_out_len, error);
}

AWAITS gboolean service_domain_migrate_perform3_params(Call *call, const RemoteDomainMigratePerform3ParamsArgs *args,
                                                       RemoteDomainMigratePerform3ParamsRet *ret, GError **error)
{
    g_autoptr(Params) params = wire_params_decode(args->params, args->params_count, error);

    return params && perform(call, &args->dom, args->dconnuri, params, args->cookie_in, args->cookie_in_len, args->flags,
                             &ret->cookie_out, &ret->cookie_out_len, error);
}

static void relay_ended(CallerStream *stream, CallerStreamEnd end, void *data)
{
    g_autoptr(Migration) migration = data;

    if (migration->cut_data == stream) {
        migration->cut_data = NULL;
        migration->cut_stream = NULL;
    }
}

/* QEMU's pipe has its reader in this stream, and nothing else makes a blocked write return. */
static void cut_relay(void *data)
{
    g_autoptr(GError) cause = error_new(ERROR_OPERATION_ABORTED, "the migration that it carried has been given up");

    caller_stream_fail(data, cause);
}

/* The client that leads carries the memory to the destination itself: the stream is what Perform is to send. */
gboolean service_migration_open_relay(Call *call, const FerryMigrationOpenRelayArgs *args, void *ret, GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);
    g_autoptr(Migration) migration = NULL;
    CallerStream *stream;
    auto_fd int read_fd = -1;
    auto_fd int write_fd = -1;

    if (!domain || !service_check_flags(args->flags, 0, "migration_open_relay", error) ||
        !pump_pipe(&read_fd, &write_fd, error) ||
        !source_set_relay(domain, fd_steal(&write_fd), caller_name(call_caller(call)), error))
        return FALSE;
    migration = migration_ref(migration_of(domain));
    lead_take(migration, call);
    stream = call_open_stream(call, fd_steal(&read_fd), relay_ended, migration, error);
    if (!stream)
        return FALSE;
    migration->cut_data = stream;
    migration->cut_stream = cut_relay;
    migration_ref(migration); /* relay_ended drops it */
    return TRUE;
}

/* --- Finish ------------------------------------------------------------------------------------------------------- */

static gboolean is_replaced(const Migration *migration, void *leader)
{
    const Lead *lead = migration->lead;

    return lead && lead->caller != leader;
}

static gboolean has_hung_up(void *leader)
{
    return caller_has_hung_up(leader);
}

static void answered(CallDelivery delivery, void *data)
{
    static const OwnerHeard heard[] = {
        [CALL_DELIVERED] = HEARD_ACKNOWLEDGED,
        [CALL_UNSENT] = HEARD_UNSAID,
        [CALL_DELIVERY_UNKNOWN] = HEARD_NOTHING,
    };
    g_autoptr(Migration) migration = data;

    dest_answered(migration, heard[delivery]);
}

AWAITS static gboolean finish(Call *call, const char *name, const guint8 *cookie_in, size_t cookie_len, uint64_t flags,
                              gboolean is_cancelled, RemoteDomainMigrateFinish3Ret *ret, GError **error)
{
    DestFinish request = {
        .name = name,
        .cookie = cookie_in,
        .cookie_len = cookie_len,
        .flags = (unsigned)flags,
        .is_cancelled = is_cancelled,
        .has_hung_up = has_hung_up,
        .is_replaced = is_replaced,
        .leader = call_caller(call),
    };
    g_autoptr(Migration) migration = NULL;
    g_autoptr(Domain) domain = NULL;
    GBytes *cookie = NULL;
    gboolean is_taken;

    if (!name)
        return error_set(error, ERROR_INVALID_ARG, "the name of the domain is missing");
    if (!dest_check_finish(&request, error))
        return FALSE;
    migration = migration_find_incoming(name) ? migration_ref(migration_find_incoming(name)) : NULL;
    if (migration && !migration->is_ended && !migration->task)
        lead_take(migration, call); /* who asks is who must hear the answer */
    is_taken = dest_finish(&request, &domain, &cookie, error);
    if (migration && (migration->is_ended || migration_word(migration) == WORD_TOLD) && !is_replaced(migration, request.leader))
        lead_drop(migration);
    if (!is_taken)
        return FALSE;
    service_fill(&ret->dom, domain, call_arena(call));
    return_cookie(call, cookie, &ret->cookie_out, &ret->cookie_out_len);
    if (migration_word(migration) == WORD_TOLD)
        call_on_delivery(call, answered, migration_ref(migration));
    return TRUE;
}

AWAITS gboolean service_domain_migrate_finish3(Call *call, const RemoteDomainMigrateFinish3Args *args,
                                               RemoteDomainMigrateFinish3Ret *ret, GError **error)
{
    return finish(call, args->dname, args->cookie_in, args->cookie_in_len, args->flags, args->cancelled != 0, ret, error);
}

AWAITS gboolean service_domain_migrate_finish3_params(Call *call, const RemoteDomainMigrateFinish3ParamsArgs *args,
                                                      RemoteDomainMigrateFinish3ParamsRet *ret, GError **error)
{
    g_autoptr(Params) params = wire_params_decode(args->params, args->params_count, error);
    RemoteDomainMigrateFinish3Ret old = {0};

    if (!params || !finish(call, params_get_string(params, MIGRATE_PARAM_DEST_NAME), args->cookie_in, args->cookie_in_len,
                           args->flags, args->cancelled != 0, &old, error))
        return FALSE;
    ret->dom = old.dom;
    ret->cookie_out = old.cookie_out;
    ret->cookie_out_len = old.cookie_out_len;
    return TRUE;
}

/* --- Confirm ------------------------------------------------------------------------------------------------------ */

AWAITS static gboolean confirm(Call *call, const WireDomain *dom, const guint8 *cookie_in, size_t cookie_len, gboolean is_cancelled,
                               GError **error)
{
    g_autoptr(Domain) domain = service_find(dom, error);
    g_autoptr(Migration) migration = NULL;
    gboolean is_settled;

    if (!domain)
        return FALSE;
    migration = migration_of(domain) ? migration_ref(migration_of(domain)) : NULL;
    is_settled = source_confirm(domain, cookie_in, cookie_len, is_cancelled, leads(migration, call), error);
    if (migration && (migration->is_ended || handover_is_in_doubt(migration)))
        lead_drop(migration);
    return is_settled;
}

AWAITS gboolean service_domain_migrate_confirm3(Call *call, const RemoteDomainMigrateConfirm3Args *args, void *ret,
                                                GError **error)
{
    return confirm(call, &args->dom, args->cookie_in, args->cookie_in_len, args->cancelled != 0, error);
}

AWAITS gboolean service_domain_migrate_confirm3_params(Call *call, const RemoteDomainMigrateConfirm3ParamsArgs *args,
                                                       void *ret, GError **error)
{
    return confirm(call, &args->dom, args->cookie_in, args->cookie_in_len, args->cancelled != 0, error);
}

/* --- tuning ------------------------------------------------------------------------------------------------------- */

AWAITS gboolean service_domain_migrate_set_max_speed(Call *call, const RemoteDomainMigrateSetMaxSpeedArgs *args, void *ret,
                                                     GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    return domain && service_check_flags(args->flags, 0, "domain_migrate_set_max_speed", error) &&
           source_set_speed(domain, args->bandwidth, error);
}

AWAITS gboolean service_domain_migrate_start_post_copy(Call *call, const RemoteDomainMigrateStartPostCopyArgs *args, void *ret,
                                                       GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    return domain && service_check_flags(args->flags, 0, "domain_migrate_start_post_copy", error) && postcopy_start(domain, error);
}

gboolean service_domain_migrate_get_max_speed(Call *call, const RemoteDomainMigrateGetMaxSpeedArgs *args,
                                              RemoteDomainMigrateGetMaxSpeedRet *ret, GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    if (!domain || !service_check_flags(args->flags, 0, "domain_migrate_get_max_speed", error))
        return FALSE;
    ret->bandwidth = source_speed(domain);
    return TRUE;
}

AWAITS gboolean service_domain_migrate_set_max_downtime(Call *call, const RemoteDomainMigrateSetMaxDowntimeArgs *args,
                                                        void *ret, GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    return domain && service_check_flags(args->flags, 0, "domain_migrate_set_max_downtime", error) &&
           source_set_downtime(domain, args->downtime, error);
}

AWAITS gboolean service_domain_migrate_get_max_downtime(Call *call, const RemoteDomainMigrateGetMaxDowntimeArgs *args,
                                                        RemoteDomainMigrateGetMaxDowntimeRet *ret, GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);

    return domain && service_check_flags(args->flags, 0, "domain_migrate_get_max_downtime", error) &&
           source_downtime(domain, &ret->downtime, error);
}

/* --- ferry's own -------------------------------------------------------------------------------------------------- */

AWAITS gboolean service_migration_resolve(Call *call, const FerryMigrationResolveArgs *args, void *ret, GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);
    int outcome = 0;

    if (!domain)
        return FALSE;
    if (!enum_find(resolve_outcome_names, args->outcome, &outcome))
        return error_set(error, ERROR_INVALID_ARG, "'%s' is no outcome of a migration: say 'here', 'there' or 'crashed'",
                         args->outcome);
    return migrate_resolve(domain, (ResolveOutcome)outcome, args->confirm, error);
}

/* What a daemon says to the other one of a migration where they have no lane, by whatever connection. */
AWAITS gboolean service_migration_tell(Call *call, const FerryMigrationTellArgs *args, FerryMigrationTellRet *ret, GError **error)
{
    GBytes *answer = ask_answer_call(args->word, args->word_len, error);

    if (!answer)
        return FALSE;
    return_cookie(call, answer, &ret->word, &ret->word_len);
    return TRUE;
}

/* For a client that carries the words between two daemons which cannot meet. */
gboolean service_migration_ask(Call *call, const FerryMigrationAskArgs *args, FerryMigrationAskRet *ret, GError **error)
{
    GBytes *word = service_check_flags(args->flags, 0, "migration_ask", error) ? ask_own_word(args->attempt, error) : NULL;

    if (!word)
        return FALSE;
    return_cookie(call, word, &ret->word, &ret->word_len);
    return TRUE;
}
