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
#define LOOK_MS             1000 /* between two looks whether the destination's daemon is back */

/* ---- progress ---- */

void progress_fill(const MigrationStats *stats, FerryProgress *progress)
{
    int percent = migration_stats_percent(stats);

    if (percent < 0)
        return;
    progress->has_numbers = true;
    progress->percent = percent;
    progress->total_bytes = stats->memory_total + stats->disk_total;
    progress->processed_bytes = stats->memory_processed + stats->disk_processed;
    progress->remaining_bytes = stats->memory_remaining + stats->disk_remaining;
    progress->bytes_per_s = stats->memory_bps + stats->disk_bps;
    progress->dirty_pages_per_s = stats->memory_dirty_rate;
    progress->page_bytes = stats->memory_page_size;
    progress->pass = (unsigned)MIN(stats->memory_iteration, (uint64_t)G_MAXUINT);
    if (stats->has & STATS_HAS_DOWNTIME)
        progress->expected_downtime_ms = (int64_t)MIN(stats->downtime_ms, (uint64_t)INT64_MAX);
}

void migration_report(Migration *migration)
{
    FerryProgress progress = {.phase = enum_name(phase_names, (int)migration->phase),
                              .expected_downtime_ms = -1,
                              .waits_for = migration->waits_for};

    if (!migration->wanted->progress)
        return;
    progress.elapsed_ms = (uint64_t)(clock_now_ms() - migration->started_ms);
    if (migration->has_stats)
        progress_fill(&migration->stats, &progress);
    if (!migration->wanted->progress(&progress, migration->wanted->data))
        migration->is_abort_asked = TRUE;
}

gboolean migration_is_missed(const Migration *migration)
{
    return migration->dest && error_is(migration->dest->lost, ERROR_SYSTEM_ERROR);
}

gboolean migration_is_left(const Migration *migration)
{
    return migration->missed_ms && !migration->is_dest_back && clock_now_ms() - migration->missed_ms > MIGRATION_BACK_MS;
}

/* Two ferryds go on without us while one of them is restarted. */
static gboolean goes_alone(const Migration *migration)
{
    return migration->is_source_ferry && migration->is_dest_ferry && !migration->is_relayed && migration_is_missed(migration) &&
           !migration_is_left(migration);
}

static void look_for_destination(Migration *migration)
{
    const int64_t now_ms = clock_now_ms();
    FerryConnection *conn;

    if (!goes_alone(migration) || migration->is_dest_back || now_ms - migration->looked_ms < LOOK_MS)
        return;
    migration->missed_ms = migration->missed_ms ?: now_ms;
    migration->looked_ms = now_ms;
    conn = ferry_connection_open(migration->wanted->dest_uri, 0, NULL);
    migration->is_dest_back = conn != NULL;
    ferry_connection_close(conn);
}

/* A destination whose caller is gone ends its guest, and one without a daemon takes none, so what is still being copied is for
 * nothing. */
static gboolean is_pointless(const Migration *migration)
{
    return migration->is_abort_asked || (migration->dest && migration->dest->lost && !goes_alone(migration)) ||
           migration->relay.lost;
}

/* Before the job exists, and again once it has ended, the source refuses; so it is told until it
 * hears. */
static void pass_abort(Migration *migration)
{
    if (is_pointless(migration) && migration->is_relayed)
        relay_drop(&migration->relay); /* QEMU may be waiting for room */
    if (is_pointless(migration) && !migration->is_abort_told)
        migration->is_abort_told = ferry_domain_abort_job(migration->domain, 0, NULL);
}

void migration_idle(void *data)
{
    Migration *migration = data;
    FerryJobType type = FERRY_JOB_NONE;
    FerryParams *params = NULL;

    look_for_destination(migration);
    pass_abort(migration);
    if (migration->wanted->progress &&
        ferry_domain_job_stats(migration->domain, 0, &type, &params, NULL)) {
        if (type == FERRY_JOB_UNBOUNDED || type == FERRY_JOB_BOUNDED) {
            migration_stats_from_params(params->list, (JobType)type, &migration->stats);
            migration->has_stats = TRUE;
            migration->waits_for = (unsigned)params_get_ullong(params->list, PHASE_PARAM_WAITS_FOR, 0);
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
        return connection_check(source, error) &&
               error_set(error, ERROR_ARGUMENT_UNSUPPORTED,
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

static gboolean ask_source(Migration *migration, uint64_t flags, const Params *params, GError **error)
{
    FerryConnection *source = migration->domain->conn;
    g_autoptr(Arena) arena = arena_new();
    RemoteDomainMigratePerform3ParamsArgs args = {.dom = domain_wire(migration->domain),
                                                  .dconnuri = (char *)migration->wanted->dest_uri,
                                                  .flags = (uint32_t)flags};
    int interval_ms = migration->wanted->interval_ms > 0 ? migration->wanted->interval_ms : POLL_MS;

    args.params = wire_params_encode(params, TRUE, arena, &args.params_count);
    migration->phase = PHASE_PERFORM;
    migration_report(migration);
    migration->run.outcome = PHASE_UNKNOWN;
    if (connection_call_long(source, REMOTE_DOMAIN_MIGRATE_PERFORM3_PARAMS, &args, NULL, NULL,
                             interval_ms, migration_idle, migration, error)) {
        migration->run.outcome = PHASE_ARRIVED;
        return TRUE;
    }
    migration->run.outcome = p2p_outcome(migration);
    return FALSE;
}

gboolean migrate_tunnelled(Migration *migration, const Params *params, GError **error, char **ret_notice)
{
    uint64_t flags = migrate_flags_for_tunnel(migration->wanted->flags);
    const char *refusal = migrate_tunnel_refusal(migration->wanted->flags);
    g_autoptr(Params) fitting = migrate_params_for_tunnel(params);
    g_autofree char *line = phase_error_line(*error);
    g_autoptr(GError) again = NULL;

    if (refusal)
        return migration_add_cause(error, "The connection of the daemons cannot carry the memory: %s", refusal);
    if (check_p2p(migration, &again) && ask_source(migration, flags, fitting, &again)) {
        *ret_notice = g_strdup_printf(
            "no way of its own for the memory (%s); the source's daemon sent it through its connection to %s", line,
            migration->wanted->dest_uri);
        g_clear_error(error);
        return TRUE;
    }
    if (migration->run.outcome == PHASE_STAYED && !migration->is_abort_asked)
        return migration_add_cause(error, "Through the connection of the daemons it did not go either: %s",
                                   again->message);
    g_clear_error(error); /* what became of it is more than which ways there were */
    g_propagate_error(error, g_steal_pointer(&again));
    return FALSE;
}

/* A stock source cannot use what the destination gave; it has reached the daemon itself, though. */
static gboolean ask_again(Migration *migration, const Params *params, GError **error, char **ret_notice)
{
    g_autoptr(Uri) dest = uri_parse(migration->wanted->dest_uri, NULL);
    g_autoptr(Params) with_uri = params_copy(params);
    g_autofree char *line = phase_error_line(*error);
    g_autofree char *uri = dest && dest->host ? migration_uri_to(dest->host) : NULL;
    g_autofree char *daemon = dest ? g_strdup_printf(":%u'", dest->port) : NULL;
    g_autoptr(GError) again = NULL;

    if (migration->run.outcome != PHASE_STAYED || migration->is_abort_asked || !uri ||
        migration->is_source_ferry || migration->wanted->flags & MIGRATE_TUNNELLED ||
        params_find(params, MIGRATE_PARAM_URI) || !phase_error_is_astray(*error) ||
        strstr(*error ? (*error)->message : "", daemon))
        return FALSE; /* the last: it did not even reach the daemon */
    if (migration->wanted->no_fallback)
        return migration_add_cause(error, NO_FALLBACK);
    if (!migration_has_tried(*error, dest->host)) {
        params_add_string(with_uri, MIGRATE_PARAM_URI, uri);
        if (ask_source(migration, migration->wanted->flags, with_uri, &again)) {
            *ret_notice = g_strdup_printf(
                "the source could not use what the destination named (%s); went by %s instead", line, uri);
            g_clear_error(error);
            return TRUE;
        }
        migration_add_cause(error, "By %s it did not go either: %s", uri, again->message);
        if (migration->run.outcome != PHASE_STAYED || migration->is_abort_asked)
            return FALSE;
    }
    return migrate_tunnelled(migration, params, error, ret_notice);
}

static gboolean migrate_p2p(Migration *migration, Params *params, char **ret_notice, GError **error)
{
    g_autoptr(GError) cause = NULL;
    gboolean ok;

    if (!check_p2p(migration, error))
        return FALSE;
    migration->is_source_ferry = ferry_connection_has_feature(migration->domain->conn, FEATURE_FERRY);
    if (migration->is_source_ferry && migration->wanted->no_fallback)
        params_add_string(params, MIGRATE_PARAM_FALLBACK, MIGRATE_FALLBACK_NONE);
    migration_listen(migration);
    ok = ask_source(migration, migration->wanted->flags, params, &cause) || ask_again(migration, params, &cause, ret_notice);
    if (!ok)
        g_propagate_error(error, g_steal_pointer(&cause));
    else if (migration->is_listening)
        wait_for_numbers(migration);
    return ok;
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
    result->is_cut = migration->is_cut;
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
                 ? migrate_p2p(&migration, params, &result.notice, error)
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
