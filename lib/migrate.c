/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moving a guest: led from here over two connections, or asked of the source daemon in one call
 * (peer-to-peer, with or without tunnel). */
#include "migrate.h"

#include <string.h>

#include "base/clock.h"
#include "phase/uri.h"
#include "wire/params.h"

#define JOB_COMPLETED_EVENT 21
#define PAUSED_MIGRATING    2   /* reason of "paused" */
#define EVENT_WAIT_MS       100 /* for the job-completed event, when the reply overtook it */
#define POLL_MS             500

/* ---- progress ---- */

void migration_report(Migration *migration)
{
    const MigrationStats *stats = &migration->stats;
    FerryProgress progress = {.phase = enum_name(phase_names, (int)migration->phase),
                              .expected_downtime_ms = -1};
    int percent = migration->has_stats ? migration_stats_percent(stats) : -1;

    if (!migration->wanted->progress)
        return;
    progress.elapsed_ms = (uint64_t)(clock_now_ms() - migration->started_ms);
    if (percent >= 0) {
        progress.has_numbers = true;
        progress.percent = percent;
        progress.total_bytes = stats->memory_total + stats->disk_total;
        progress.processed_bytes = stats->memory_processed + stats->disk_processed;
        progress.remaining_bytes = stats->memory_remaining + stats->disk_remaining;
        progress.bytes_per_s = stats->memory_bps + stats->disk_bps;
        progress.dirty_pages_per_s = stats->memory_dirty_rate;
        progress.page_bytes = stats->memory_page_size;
        if (stats->has & STATS_HAS_DOWNTIME)
            progress.expected_downtime_ms = (int64_t)MIN(stats->downtime_ms, (uint64_t)INT64_MAX);
    }
    if (!migration->wanted->progress(&progress, migration->wanted->data))
        migration->is_abort_asked = TRUE;
}

/* A destination whose caller is gone ends its guest, so what is still being copied is for nothing.
 */
static gboolean is_pointless(const Migration *migration)
{
    return migration->is_abort_asked || (migration->dest && migration->dest->lost);
}

/* Before the job exists, and again once it has ended, the source refuses; so it is told until it
 * hears. */
static void pass_abort(Migration *migration)
{
    if (is_pointless(migration) && !migration->is_abort_told)
        migration->is_abort_told = ferry_domain_abort_job(migration->domain, 0, NULL);
}

void migration_idle(void *data)
{
    Migration *migration = data;
    FerryJobType type = FERRY_JOB_NONE;
    FerryParams *params = NULL;

    pass_abort(migration);
    if (migration->wanted->progress &&
        ferry_domain_job_stats(migration->domain, 0, &type, &params, NULL)) {
        if (type == FERRY_JOB_UNBOUNDED || type == FERRY_JOB_BOUNDED) {
            migration_stats_from_params(params->list, (JobType)type, &migration->stats);
            migration->has_stats = TRUE;
        }
        ferry_params_free(params);
    }
    migration_report(migration);
    pass_abort(migration);
}

/* ---- what the source tells at the end ---- */

static void on_job_completed(const FerryEvent *event, void *data)
{
    Migration *migration = data;

    if (!event->params ||
        g_strcmp0(ferry_domain_uuid(event->domain), migration->domain->uuid_text) != 0)
        return;
    migration->has_stats = TRUE;
    migration_stats_from_params(event->params->list, JOB_TYPE_COMPLETED, &migration->stats);
    g_free(migration->address);
    g_free(migration->notice);
    migration->address = g_strdup(params_get_string(event->params->list, PHASE_PARAM_ADDRESS));
    migration->notice = g_strdup(params_get_string(event->params->list, PHASE_PARAM_NOTICE));
}

void migration_listen(Migration *migration)
{
    if (!migration->is_listening)
        migration->is_listening =
            ferry_connection_watch(migration->domain->conn, JOB_COMPLETED_EVENT, migration->domain,
                                   on_job_completed, migration, NULL);
}

static void stop_listening(Migration *migration)
{
    GPtrArray *watches = migration->domain->conn->watches;

    if (migration->is_listening)
        g_ptr_array_set_size(watches, (int)watches->len - 1);
    migration->is_listening = FALSE;
}

/* ---- led from here ---- */

static gboolean check_features(Migration *migration, GError **error)
{
    FerryConnection *source = migration->domain->conn, *dest = migration->dest;
    uint64_t flags = migration->run.flags;

    if (!ferry_connection_has_feature(source, FEATURE_MIGRATE_PARAMS) ||
        !ferry_connection_has_feature(dest, FEATURE_MIGRATE_PARAMS))
        return error_set(error, ERROR_NO_SUPPORT, "the daemon at '%s' is too old to migrate with",
                         ferry_connection_has_feature(source, FEATURE_MIGRATE_PARAMS)
                             ? dest->uri_text
                             : source->uri_text);
    migration->run.is_protected = ferry_connection_has_feature(source, FEATURE_CHANGE_PROTECTION);
    if ((flags & MIGRATE_CHANGE_PROTECTION) && !migration->run.is_protected)
        return error_set(error, ERROR_ARGUMENT_UNSUPPORTED,
                         "argument unsupported: cannot enforce change protection");
    if ((flags & MIGRATE_OFFLINE) && (!ferry_connection_has_feature(source, FEATURE_OFFLINE) ||
                                      !ferry_connection_has_feature(dest, FEATURE_OFFLINE)))
        return error_set(error, ERROR_ARGUMENT_UNSUPPORTED,
                         "argument unsupported: offline migration is not supported by both hosts");
    if (migration->run.is_protected)
        migration->run.flags |= MIGRATE_CHANGE_PROTECTION;
    return TRUE;
}

static gboolean lead(Migration *migration, const Params *params, GError **error)
{
    PhaseEndpoints endpoints;

    phase_run_clear(&migration->run);
    phase_run_init(&migration->run);
    migration->run.flags = migration->wanted->flags;
    migration->run.params = params;
    if (!check_features(migration, error))
        return FALSE;
    migration_endpoints(migration, &endpoints);
    return phase_driver_run(&endpoints, &migration->run, error);
}

/* Did the source fail to find the way to the address that the destination gave? */
static gboolean is_address_failure(const GError *error)
{
    static const char *const signs[] = {
        "Unable to resolve address", "unable to connect to server at", "address resolution failed"};

    for (size_t i = 0; i < G_N_ELEMENTS(signs); i++)
        if (strstr(error->message, signs[i]))
            return TRUE;
    return FALSE;
}

static char *literal_of(const LinkAddress *address)
{
    return link_address_is_loopback(address) ? NULL : link_address_format_host(address);
}

/* The address at which the destination's daemon is reached from here; on its own host, the one by
 * which this host is seen from the source.  NULL: no network lies between. */
static char *dest_literal(FerryConnection *dest, FerryConnection *source)
{
    g_autofree LinkAddress *resolved = NULL;
    LinkAddress address;
    size_t count = 0;

    if (link_remote_address(dest->link, &address))
        return literal_of(&address);
    if (dest->link->kind == LINK_KIND_UNIX)
        return link_local_address(source->link, &address) ? literal_of(&address) : NULL;
    if (!dest->uri->host)
        return NULL;
    resolved = link_resolve(dest->uri->host, 0, &count, NULL);
    return resolved ? literal_of(&resolved[0]) : NULL;
}

/* Two stock hosts, and the destination gave a name or address that means nothing to the source.
 * Nothing has moved yet, so one more try with an address that is known to work at least from here
 * does no harm. */
static gboolean retry(Migration *migration, const Params *params, GError **error, char **ret_notice)
{
    g_autofree char *literal = NULL, *uri = NULL, *first = NULL;
    g_autoptr(Params) with_uri = NULL;
    g_autoptr(GError) again = NULL;
    gboolean is_v6;

    if (migration->phase != PHASE_FINISH || migration->run.outcome != PHASE_STAYED ||
        migration->is_dest_ferry || migration->is_source_ferry || migration->is_abort_asked ||
        params_find(params, MIGRATE_PARAM_URI) || !is_address_failure(*error) ||
        !(literal = g_strdup(migration->dest_literal)))
        return FALSE;
    first = g_strdup(migration->run.uri);
    is_v6 = strchr(literal, ':') != NULL;
    uri = g_strdup_printf("tcp://%s%s%s", is_v6 ? "[" : "", literal, is_v6 ? "]" : "");
    with_uri = params_copy(params);
    params_add_string(with_uri, MIGRATE_PARAM_URI, uri);
    if (!lead(migration, with_uri, &again)) {
        g_prefix_error(error, "no way to the destination (tried %s as well: %s): ", uri,
                       again->message);
        return FALSE;
    }
    *ret_notice = g_strdup_printf(
        "the destination named %s, which the source could not use (%s); went by %s instead",
        first ?: "an address", (*error)->message, uri);
    migration->run.params = params; /* with_uri ends here */
    g_clear_error(error);
    return TRUE;
}

static gboolean migrate_led(Migration *migration, const Params *params, char **ret_address,
                            char **ret_notice, GError **error)
{
    g_autoptr(GError) cause = NULL;
    gboolean ok;

    migration->dest = ferry_connection_open(migration->wanted->dest_uri, 0, error);
    if (!migration->dest)
        return FALSE;
    migration->dest_literal = dest_literal(migration->dest, migration->domain->conn);
    migration->domain->conn->companion = migration->dest;
    migration->dest->companion = migration->domain->conn;
    ok = lead(migration, params, &cause) || retry(migration, params, &cause, ret_notice);
    *ret_address = g_strdup(migration->run.uri_out ?: params_get_string(params, MIGRATE_PARAM_URI));
    if (!ok)
        g_propagate_error(error, g_steal_pointer(&cause));
    migration->domain->conn->companion = NULL;
    ferry_connection_close(g_steal_pointer(&migration->dest));
    return ok;
}

/* ---- peer-to-peer ---- */

static gboolean check_p2p(Migration *migration, GError **error)
{
    FerryConnection *source = migration->domain->conn;
    const char *dest = migration->wanted->dest_uri;
    g_autoptr(Uri) uri = uri_parse(dest, error);

    if (!uri)
        return FALSE;
    if ((uri->host && g_str_has_prefix(uri->host, "localhost")) ||
        (!uri->host && !uri->socket && !uri->command))
        return error_set(error, ERROR_INVALID_ARG,
                         "invalid argument: Attempt to migrate guest to the same host %s", dest);
    if (!ferry_connection_has_feature(source, FEATURE_P2P) ||
        !ferry_connection_has_feature(source, FEATURE_MIGRATE_PARAMS))
        return error_set(error, ERROR_ARGUMENT_UNSUPPORTED,
                         "argument unsupported: p2p migration is not supported by the source host");
    return TRUE;
}

static void wait_for_numbers(Migration *migration)
{
    int64_t deadline_ms = clock_now_ms() + EVENT_WAIT_MS;

    while (!(migration->has_stats && migration->stats.type == JOB_TYPE_COMPLETED) &&
           clock_now_ms() < deadline_ms && !migration->domain->conn->lost)
        connection_pump(migration->domain->conn, -1, deadline_ms);
}

/* It failed.  A source that waits for an answer of the destination keeps the guest paused for the
 * migration. */
static PhaseOutcome p2p_outcome(const Migration *migration)
{
    FerryState state = FERRY_STATE_NONE;
    int reason = 0;

    if (!ferry_domain_state(migration->domain, &state, &reason, NULL))
        return PHASE_UNKNOWN;
    return state == FERRY_STATE_PAUSED && reason == PAUSED_MIGRATING ? PHASE_UNKNOWN : PHASE_STAYED;
}

static gboolean migrate_p2p(Migration *migration, const Params *params, GError **error)
{
    FerryConnection *source = migration->domain->conn;
    g_autoptr(Arena) arena = arena_new();
    RemoteDomainMigratePerform3ParamsArgs args = {.dom = domain_wire(migration->domain),
                                                  .dconnuri = (char *)migration->wanted->dest_uri,
                                                  .flags = migration->wanted->flags};

    if (!check_p2p(migration, error))
        return FALSE;
    migration_listen(migration);
    args.params = wire_params_encode(params, TRUE, arena, &args.params_count);
    migration->phase = PHASE_PERFORM;
    migration_report(migration);
    migration->run.outcome = PHASE_UNKNOWN;
    if (!connection_call_long(source, REMOTE_DOMAIN_MIGRATE_PERFORM3_PARAMS, &args, NULL, NULL,
                              migration->wanted->interval_ms > 0 ? migration->wanted->interval_ms
                                                                 : POLL_MS,
                              migration_idle, migration, error)) {
        migration->run.outcome = p2p_outcome(migration);
        return FALSE;
    }
    migration->run.outcome = PHASE_ARRIVED;
    if (migration->is_listening)
        wait_for_numbers(migration);
    return TRUE;
}

/* ---- the whole ---- */

void ferry_migration_result_clear(FerryMigrationResult *result)
{
    g_clear_pointer(&result->address, g_free);
    g_clear_pointer(&result->notice, g_free);
}

static void fill_result(const Migration *migration, FerryMigrationResult *result)
{
    const MigrationStats *stats = &migration->stats;
    gboolean is_complete = migration->has_stats && stats->type == JOB_TYPE_COMPLETED;

    result->outcome = (FerryOutcome)migration->run.outcome;
    result->total_ms = (uint64_t)(clock_now_ms() - migration->started_ms);
    result->downtime_ms =
        is_complete && (stats->has & STATS_HAS_DOWNTIME) ? (int64_t)stats->downtime_ms : -1;
    result->transferred_bytes =
        migration->has_stats ? (int64_t)(stats->memory_processed + stats->disk_processed) : -1;
}

/* Stock hosts cut a port above 65535 down to 16 bits, so the memory would go to a port that nobody
 * named.  Other schemes are the hosts' matter. */
static gboolean check_uri(const Params *params, GError **error)
{
    const char *text = params_get_string(params, MIGRATE_PARAM_URI);
    g_autoptr(MigrationUri) uri = NULL;

    if (!text || !g_str_has_prefix(text, "tcp:"))
        return TRUE;
    uri = migration_uri_parse(text, error);
    return uri != NULL;
}

bool ferry_domain_migrate(FerryDomain *domain, const FerryMigration *wanted,
                          FerryMigrationResult *ret_result, FerryError **error)
{
    Migration migration = {.domain = domain, .wanted = wanted, .started_ms = clock_now_ms()};
    g_autoptr(Params) params = wanted->params ? params_copy(wanted->params->list) : params_new();
    FerryMigrationResult result = {.downtime_ms = -1, .transferred_bytes = -1};
    gboolean ok;

    phase_run_init(&migration.run);
    ok = migrate_flags_check_known(wanted->flags, "ferry_domain_migrate", error) &&
         params_check(params, migrate_param_rules(), error) && check_uri(params, error);
    if (ok && !wanted->dest_uri)
        ok = error_set(error, ERROR_INVALID_ARG,
                       "invalid argument: a migration needs the destination's URI");
    if (ok)
        ok = wanted->flags & MIGRATE_PEER2PEER
                 ? migrate_p2p(&migration, params, error)
                 : migrate_led(&migration, params, &result.address, &result.notice, error);
    fill_result(&migration, &result);
    stop_listening(&migration);
    if (migration.address) { /* the source knows best where it sent the memory */
        g_free(result.address);
        result.address = g_steal_pointer(&migration.address);
    }
    result.notice = result.notice ?: g_steal_pointer(&migration.notice);
    g_free(migration.notice);
    g_free(migration.dest_literal);
    phase_run_clear(&migration.run);
    g_clear_pointer(&migration.c2, g_bytes_unref);
    if (ret_result)
        *ret_result = result;
    else
        ferry_migration_result_clear(&result);
    return ok;
}
