/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A migration led from here over two connections, and the other ways that are tried when the memory
 * finds none of its own: one more with an explicit address, or relayed through this client. */

#include "base/clock.h"
#include "migrate.h"
#include "phase/uri.h"

#define REFUSED_MS (10 * 1000) /* while the destination's new daemon has the old attempt */
#define PAUSE_MS 250

/* A feature is what a daemon has said that it has: one that could say nothing any more lacks none. */
static gboolean are_connected(const Migration *migration, GError **error)
{
    return connection_check(migration->domain->conn, error) &&
           connection_check(migration->dest, error);
}

static gboolean check_features(Migration *migration, GError **error)
{
    FerryConnection *source = migration->domain->conn, *dest = migration->dest;
    uint64_t flags = migration->run.flags;

    if (!ferry_connection_has_feature(source, FEATURE_MIGRATE_PARAMS) ||
        !ferry_connection_has_feature(dest, FEATURE_MIGRATE_PARAMS))
        return are_connected(migration, error) &&
               error_set(error, ERROR_NO_SUPPORT, "the daemon at '%s' is too old to migrate with",
                         ferry_connection_has_feature(source, FEATURE_MIGRATE_PARAMS)
                             ? dest->uri_text
                             : source->uri_text);
    migration->run.is_protected = ferry_connection_has_feature(source, FEATURE_CHANGE_PROTECTION);
    if ((flags & MIGRATE_CHANGE_PROTECTION) && !migration->run.is_protected)
        return are_connected(migration, error) &&
               error_set(error, ERROR_ARGUMENT_UNSUPPORTED,
                         "argument unsupported: cannot enforce change protection");
    if ((flags & MIGRATE_OFFLINE) && (!ferry_connection_has_feature(source, FEATURE_OFFLINE) ||
                                      !ferry_connection_has_feature(dest, FEATURE_OFFLINE)))
        return are_connected(migration, error) &&
               error_set(error, ERROR_ARGUMENT_UNSUPPORTED,
                         "argument unsupported: offline migration is not supported by both hosts");
    if (migration->run.is_protected)
        migration->run.flags |= MIGRATE_CHANGE_PROTECTION;
    return TRUE;
}

static gboolean lead(Migration *migration, const Params *params, GError **error)
{
    uint64_t flags = migration->wanted->flags;
    PhaseEndpoints endpoints;
    gboolean ok;

    phase_run_clear(&migration->run);
    phase_run_init(&migration->run);
    migration->run.flags = migration->is_relayed ? migrate_flags_for_tunnel(flags) : flags;
    migration->run.params = params;
    if (!check_features(migration, error))
        return FALSE;
    migration_endpoints(migration, &endpoints);
    ok = phase_driver_run(&endpoints, &migration->run, error);
    relay_clear(&migration->relay);
    return ok;
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

/* ---- other ways ---- */

gboolean migration_add_cause(GError **error, const char *format, ...)
{
    g_autofree char *more = NULL;
    g_autoptr(GError) first = g_steal_pointer(error);
    va_list args;

    va_start(args, format);
    more = g_strdup_vprintf(format, args);
    va_end(args);
    return error_set_from(error, error_domain(first), error_code(first), "%s\n%s", first->message, more);
}

gboolean migration_has_tried(const GError *error, const char *literal)
{
    g_autofree char *sign = g_strdup_printf("unable to connect to server at '%s:", literal);

    return strstr(error->message, sign) != NULL;
}

/* A stock source cannot use what the destination gave; an address that works from here may work from
 * there.  Else its daemon may reach the other one. */
static gboolean retry(Migration *migration, const Params *params, GError **error, char **ret_notice)
{
    const char *literal = migration->dest_literal;
    g_autofree char *first = g_strdup(migration->run.uri), *line = phase_error_line(*error);
    g_autofree char *uri = literal ? migration_uri_to(literal) : NULL;
    g_autoptr(Params) with_uri = params_copy(params);
    g_autoptr(GError) again = NULL;
    gboolean is_arrived;

    if (uri && !migration_has_tried(*error, literal)) {
        params_add_string(with_uri, MIGRATE_PARAM_URI, uri);
        is_arrived = lead(migration, with_uri, &again);
        migration->run.params = params; /* with_uri ends here */
        if (is_arrived) {
            *ret_notice = g_strdup_printf(
                "the destination named %s, which the source could not use (%s); went by %s instead",
                first ?: "an address", line, uri);
            g_clear_error(error);
            return TRUE;
        }
        migration_add_cause(error, "By %s it did not go either: %s", uri, again->message);
        if (migration->run.outcome != PHASE_STAYED || migration->is_abort_asked)
            return FALSE;
    }
    return migrate_tunnelled(migration, params, error, ret_notice);
}

/* This client reaches both, so it can carry the memory from the one to the other. */
static gboolean relay(Migration *migration, const Params *params, GError **error, char **ret_notice)
{
    const char *refusal = migrate_tunnel_refusal(migration->wanted->flags);
    g_autofree char *line = phase_error_line(*error);
    g_autoptr(Params) fitting = migrate_params_for_tunnel(params);
    uint64_t limit = migration->wanted->relay_mib_per_s;
    uint64_t asked = params_get_ullong(params, MIGRATE_PARAM_BANDWIDTH, 0);
    g_autoptr(GError) again = NULL;

    if (refusal)
        return migration_add_cause(error, "This client cannot carry the memory: %s", refusal);
    if (limit && (!asked || asked > limit)) {
        params_remove(fitting, MIGRATE_PARAM_BANDWIDTH);
        params_add_ullong(fitting, MIGRATE_PARAM_BANDWIDTH, limit);
    }
    migration->is_relayed = TRUE;
    if (lead(migration, fitting, &again)) {
        *ret_notice = g_strdup_printf(
            "no way of its own for the memory (%s); it was relayed through this client", line);
        migration->run.params = params;
        g_clear_error(error);
        return TRUE;
    }
    migration->run.params = params;
    if (migration->run.outcome != PHASE_STAYED || migration->is_abort_asked) {
        /* what became of it is more than which ways there were */
        g_clear_error(error);
        g_propagate_error(error, g_steal_pointer(&again));
        return FALSE;
    }
    return migration_add_cause(error, "Through this client it did not go either: %s", again->message);
}

/* Nothing has moved yet, and the first attempt has ended at both. */
static gboolean by_another_way(Migration *migration, const Params *params, GError **error,
                               char **ret_notice)
{
    if (migration->phase != PHASE_FINISH || migration->run.outcome != PHASE_STAYED ||
        migration->is_abort_asked || params_find(params, MIGRATE_PARAM_URI) ||
        !(migration->is_source_ferry ? phase_error_is_no_route(*error) : phase_error_is_astray(*error)))
        return FALSE; /* an explicit URI is an order */
    if (migration->wanted->no_fallback)
        return migration_add_cause(error, NO_FALLBACK);
    return migration->is_source_ferry ? relay(migration, params, error, ret_notice)
                                      : retry(migration, params, error, ret_notice);
}

/* ---- once more ---- */

static void meet(Migration *migration, FerryConnection *dest)
{
    FerryConnection *old = migration->dest;

    migration->dest = dest;
    migration->domain->conn->companion = dest;
    if (dest)
        dest->companion = migration->domain->conn;
    if (old)
        ferry_connection_close(old);
}

/* The destination's daemon hung up, as one that is restarted does, and the source has its guest.  Where the memory was relayed the daemons
 * cannot meet: how that attempt ends is carried through this client, and no other is begun beside it. */
static gboolean is_worth_another(const Migration *migration)
{
    return migration->is_source_ferry && migration->is_dest_ferry && migration->run.outcome == PHASE_STAYED && !migration->is_abort_asked &&
           !migration->is_relayed && migration_is_missed(migration) && !migration_is_left(migration) && !migration->domain->conn->lost;
}

/* FALSE: the source has gone, or the user wants no more of it. */
static gboolean pause_a_moment(Migration *migration)
{
    const int64_t deadline_ms = clock_now_ms() + PAUSE_MS;

    while (!migration->domain->conn->lost && clock_now_ms() < deadline_ms)
        connection_pump(migration->domain->conn, -1, deadline_ms);
    migration_report(migration);
    return !migration->domain->conn->lost && !migration->is_abort_asked;
}

static gboolean await_destination(Migration *migration)
{
    const int64_t deadline_ms = clock_now_ms() + MIGRATION_BACK_MS;
    FerryConnection *dest = NULL;

    meet(migration, NULL);
    while (!(dest = ferry_connection_open(migration->wanted->dest_uri, 0, NULL)) && clock_now_ms() < deadline_ms && pause_a_moment(migration))
        ;
    meet(migration, dest);
    return dest != NULL;
}

static gboolean again(Migration *migration, const Params *params, GError **error, char **ret_notice)
{
    const int64_t deadline_ms = clock_now_ms() + MIGRATION_BACK_MS + REFUSED_MS;
    g_autofree char *line = NULL;
    g_autofree char *notice = NULL;
    g_autoptr(GError) why = NULL;

    if (!is_worth_another(migration))
        return FALSE;
    line = phase_error_line(*error);
    if (!await_destination(migration)) {
        migration->is_cut = migration->domain->conn->lost != NULL;
        return migration->is_cut || migration->is_abort_asked
                   ? FALSE
                   : migration_add_cause(error, "The destination's daemon, which had ended the attempt, was not back within %d s", MIGRATION_BACK_MS / 1000);
    }
    migration->is_relayed = migration->is_abort_told = migration->is_dest_back = FALSE;
    migration->missed_ms = migration->looked_ms = 0;
    while (!lead(migration, params, &why) && !by_another_way(migration, params, &why, &notice)) {
        if (!error_is(why, ERROR_OPERATION_INVALID) || clock_now_ms() >= deadline_ms || !pause_a_moment(migration))
            return migration_add_cause(error, "The destination's daemon hung up and it was begun again, but: %s", why->message);
        g_clear_error(&why);
    }
    g_free(*ret_notice);
    *ret_notice = g_strdup_printf("the destination's daemon hung up, which ended the first attempt (%s); it was begun again%s%s", line,
                                  notice ? "; " : "", notice ?: "");
    g_clear_error(error);
    return TRUE;
}

gboolean migrate_led(Migration *migration, const Params *params, char **ret_address,
                     char **ret_notice, GError **error)
{
    FerryConnection *dest = ferry_connection_open(migration->wanted->dest_uri, 0, error);
    g_autoptr(GError) cause = NULL;
    gboolean ok;

    if (!dest)
        return FALSE;
    migration->dest_literal = dest_literal(dest, migration->domain->conn);
    migration->is_dest_ferry = ferry_connection_has_feature(dest, FEATURE_FERRY); /* before Prepare says so */
    meet(migration, dest);
    ok = lead(migration, params, &cause) || by_another_way(migration, params, &cause, ret_notice) ||
         again(migration, params, &cause, ret_notice);
    if (!(migration->wanted->flags & MIGRATE_OFFLINE)) /* nothing is sent anywhere */
        *ret_address = g_strdup(migration->run.uri_out ?: params_get_string(params, MIGRATE_PARAM_URI));
    if (!ok)
        g_propagate_error(error, g_steal_pointer(&cause));
    meet(migration, NULL);
    return ok;
}
