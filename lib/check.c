/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pre-flight: asks both hosts and puts together what they say. */
#include "check.h"

#include "base/clock.h"
#include "phase/fallback.h"
#include "phase/flags.h"
#include "wire/params.h"

#define FACT_TIME "time_ms"
#define FACT_NAME "host_name"
#define FACT_FALLBACKS "fallbacks"

struct FerryCheck {
    GPtrArray *rows;
    FerryCheckRow *views;
    char *source, *destination;
};

/* ---- the two calls ---- */

static void take_rows(Preflight *flight, const WireCheckRow *rows, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const WireCheckRow *from = &rows[i];
        CheckVerdict verdict = from->verdict >= 0 && from->verdict < CHECK_VERDICTS
                                   ? (CheckVerdict)from->verdict
                                   : CHECK_UNKNOWN; /* of a later ferryd */
        CheckRow *row = check_rows_add(flight->rows, from->section, from->name, verdict, "%s", "");

        g_free(row->cause);
        row->cause = g_strdup(from->cause);
        row->remedy = g_strdup(from->remedy);
        row->host = g_strdup(from->host);
    }
}

/* A stock host knows no program of that number. */
static gboolean is_stock_answer(const FerryConnection *conn, const GError *error)
{
    return !conn->lost && (error_is(error, ERROR_RPC) || error_is(error, ERROR_NO_SUPPORT));
}

/* Takes why. */
static void no_answer(Preflight *flight, const char *host, GError *why)
{
    CheckRow *row = check_rows_add_error(flight->rows, "host", "answer", CHECK_BLOCKER, why);

    row->host = g_strdup(host);
}

static void ask_source(Preflight *flight)
{
    g_autoptr(Arena) arena = arena_new();
    FerryMigrationCheckSourceArgs args = {.dom = domain_wire(flight->domain),
                                          .flags = flight->wanted->flags};
    FerryMigrationCheckSourceRet ret = {0};
    GError *why = NULL;

    args.params = wire_params_encode(flight->params, TRUE, arena, &args.params_count);
    flight->is_source_ferry =
        connection_call(flight->domain->conn, FERRY_PROGRAM, FERRY_MIGRATION_CHECK_SOURCE, &args,
                        arena, &ret, &why);
    if (flight->is_source_ferry) {
        flight->facts_ms = clock_now_ms();
        take_rows(flight, ret.rows, ret.rows_count);
        flight->xml = g_strdup(ret.xml);
        flight->facts = wire_params_decode(ret.facts, ret.facts_count, NULL);
    } else if (is_stock_answer(flight->domain->conn, why)) {
        g_clear_error(&why);
        check_stock_source(flight);
    } else {
        no_answer(flight, flight->source_name, why);
    }
    flight->facts = flight->facts ?: params_new();
}

/* The source's time goes on while its facts travel. */
static void set_time(Preflight *flight)
{
    const Param *told = params_find(flight->facts, FACT_TIME);
    int64_t time_ms;

    if (!told || told->type != PARAM_LLONG)
        return;
    time_ms = told->value.l + clock_now_ms() - flight->facts_ms;
    params_remove(flight->facts, FACT_TIME);
    params_add_llong(flight->facts, FACT_TIME, time_ms);
    flight->facts_ms = clock_now_ms();
}

static void ask_destination(Preflight *flight)
{
    g_autoptr(Arena) arena = arena_new();
    FerryMigrationCheckDestinationArgs args = {
        .xml = flight->xml,
        .flags = (uint32_t)migrate_flags_for_destination(flight->wanted->flags) |
                 (flight->wanted->flags & MIGRATE_UNSAFE)};
    FerryMigrationCheckDestinationRet ret = {0};
    GError *why = NULL;

    set_time(flight);
    args.params = wire_params_encode(flight->params, TRUE, arena, &args.params_count);
    args.facts = wire_params_encode(flight->facts, TRUE, arena, &args.facts_count);
    flight->is_dest_ferry = connection_call(flight->dest, FERRY_PROGRAM,
                                            FERRY_MIGRATION_CHECK_DESTINATION, &args, arena, &ret, &why);
    if (flight->is_dest_ferry) {
        take_rows(flight, ret.rows, ret.rows_count);
        flight->dest_facts = wire_params_decode(ret.facts, ret.facts_count, NULL);
    } else if (is_stock_answer(flight->dest, why)) {
        g_clear_error(&why);
        check_stock_destination(flight);
    } else {
        no_answer(flight, flight->dest_name, why);
    }
}

/* The advice of the best ranked address that does not answer. */
static const char *first_advice(const Preflight *flight)
{
    check_rows_each(row, flight->rows)
        if (row->verdict == CHECK_WARNING && g_str_equal(row->section, "route") &&
            g_str_has_prefix(row->name, "address ") && row->remedy)
            return row->remedy;
    return "let the migration ports pass";
}

/* What is left when neither host reaches the other: the connections that exist already.  NULL: nothing,
 * and why. */
static const char *last_way(const Preflight *flight, const char **ret_why)
{
    const gboolean is_p2p = (flight->wanted->flags & MIGRATE_PEER2PEER) != 0;
    const Param *told = params_find(flight->facts, FACT_FALLBACKS);
    const unsigned allowed = told && told->type == PARAM_UINT ? told->value.u : FALLBACK_NONE;

    if (flight->wanted->no_fallback)
        *ret_why = "--no-fallback allows no other way";
    else if (!(allowed & (is_p2p ? FALLBACK_TUNNEL : FALLBACK_RELAY)))
        *ret_why = "'fallback' in the source's ferryd.conf allows no other way";
    else
        return is_p2p ? "the memory will go through the connection of the daemons, which is slower"
                      : "the memory will be relayed through this client, which is slower";
    return NULL;
}

/* From the source no address was reached, so the destination is asked to call back, as it would in a
 * migration. */
static void ask_back(Preflight *flight)
{
    g_autoptr(Arena) arena = arena_new();
    FerryMigrationCheckBackRet ret = {.reached = -1};
    g_autofree char *advice = g_strdup(first_advice(flight));
    const char *why = NULL, *way;
    CheckRow *row;

    if (connection_call(flight->dest, FERRY_PROGRAM, FERRY_MIGRATION_CHECK_BACK, NULL, arena, &ret, NULL))
        take_rows(flight, ret.rows, ret.rows_count);
    way = ret.reached > 0 ? "it will call the source back, which works" : last_way(flight, &why);
    row = check_rows_add(flight->rows, "route", "addresses", way ? CHECK_WARNING : CHECK_BLOCKER,
                         "none of the destination's addresses can be reached from the source%s: %s",
                         ret.reached > 0 ? "" : ", nor can it call back", way ?: why);
    row->host = g_strdup(flight->source_name);
    check_row_advise(row, g_steal_pointer(&advice));
    /* what it comes to goes before the addresses one by one */
    g_ptr_array_insert(flight->rows, 0, g_ptr_array_steal_index(flight->rows, flight->rows->len - 1));
}

/* The source dials what the destination has told; a stock one has told its name alone. */
static void ask_way(Preflight *flight)
{
    g_autoptr(Arena) arena = arena_new();
    FerryMigrationCheckWayArgs args = {.dom = domain_wire(flight->domain),
                                       .dest_uri = (char *)flight->wanted->dest_uri,
                                       .flags = flight->wanted->flags};
    FerryMigrationCheckWayRet ret = {0};
    GError *why = NULL;

    if (!params_find(flight->dest_facts, FACT_NAME) && flight->dest_name)
        params_add_string(flight->dest_facts, FACT_NAME, flight->dest_name);
    args.params = wire_params_encode(flight->params, TRUE, arena, &args.params_count);
    args.facts = wire_params_encode(flight->dest_facts, TRUE, arena, &args.facts_count);
    if (!connection_call(flight->domain->conn, FERRY_PROGRAM, FERRY_MIGRATION_CHECK_WAY, &args, arena,
                         &ret, &why)) {
        no_answer(flight, flight->source_name, why);
        return;
    }
    take_rows(flight, ret.rows, ret.rows_count);
    if (ret.reached == 0 && flight->is_dest_ferry &&
        !params_find(flight->params, MIGRATE_PARAM_URI))
        ask_back(flight);
}

/* Peer-to-peer, the URI is the source's to use: that we do not get there says little. */
static void open_destination(Preflight *flight)
{
    const gboolean is_p2p = (flight->wanted->flags & MIGRATE_PEER2PEER) != 0;
    GError *why = NULL;

    flight->dest = ferry_connection_open(flight->wanted->dest_uri, 0, &why);
    if (flight->dest) {
        flight->dest_name = ferry_connection_hostname(flight->dest, NULL);
        return;
    }
    if (is_p2p)
        check_rows_add(flight->rows, "host", "destination", CHECK_UNKNOWN,
                       "'%s' does not answer this client, so it could not be asked: %s; run the check "
                       "on the source",
                       flight->wanted->dest_uri, why->message);
    else
        check_rows_add(flight->rows, "host", "destination", CHECK_BLOCKER,
                       "'%s' cannot be reached: %s; see that the URI is right, that its daemon runs, and "
                       "that its firewall lets you pass",
                       flight->wanted->dest_uri, why->message);
    g_error_free(why);
}

/* What the hosts hold for this check; they would let it go by themselves after a while. */
static void end(Preflight *flight)
{
    if (flight->is_source_ferry)
        connection_call(flight->domain->conn, FERRY_PROGRAM, FERRY_MIGRATION_CHECK_END, NULL, NULL,
                        NULL, NULL);
    if (flight->is_dest_ferry)
        connection_call(flight->dest, FERRY_PROGRAM, FERRY_MIGRATION_CHECK_END, NULL, NULL, NULL, NULL);
}

static void preflight_run(Preflight *flight)
{
    flight->source_name = ferry_connection_hostname(flight->domain->conn, NULL);
    ask_source(flight);
    open_destination(flight);
    if (flight->dest) {
        flight->domain->conn->companion = flight->dest;
        flight->dest->companion = flight->domain->conn;
    }
    if (flight->dest && flight->xml)
        ask_destination(flight);
    flight->dest_facts = flight->dest_facts ?: params_new();
    if (flight->is_dest_ferry && !flight->is_source_ferry)
        check_rows_add(flight->rows, "route", "addresses", CHECK_UNKNOWN,
                       "a stock source cannot be asked to try the destination's addresses; look at the "
                       "firewalls between the hosts")
            ->host = g_strdup(flight->source_name);
    if (flight->is_source_ferry && (flight->dest || (flight->wanted->flags & MIGRATE_PEER2PEER)))
        ask_way(flight);
    end(flight);
    flight->domain->conn->companion = NULL;
}

/* ---- the answer ---- */

static FerryCheck *check_new(Preflight *flight)
{
    FerryCheck *check = g_new0(FerryCheck, 1);

    check_rows_sort(flight->rows);
    check->rows = g_steal_pointer(&flight->rows);
    check->views = g_new0(FerryCheckRow, check->rows->len + 1);
    for (guint i = 0; i < check->rows->len; i++) {
        const CheckRow *row = g_ptr_array_index(check->rows, i);

        check->views[i] = (FerryCheckRow){
            .verdict = (FerryCheckVerdict)row->verdict,
            .section = row->section,
            .name = row->name,
            .host = row->host,
            .cause = row->cause,
            .remedy = row->remedy,
        };
    }
    check->source = g_steal_pointer(&flight->source_name);
    check->destination = g_steal_pointer(&flight->dest_name);
    return check;
}

FerryCheck *ferry_domain_check_migration(FerryDomain *domain, const FerryMigration *migration,
                                         FerryError **error)
{
    g_autoptr(Params) params =
        migration->params ? params_copy(migration->params->list) : params_new();
    Preflight flight = {
        .domain = domain, .wanted = migration, .params = params, .rows = check_rows_new()};
    FerryCheck *check = NULL;

    if (!migration->dest_uri)
        error_set(error, ERROR_INVALID_ARG, "invalid argument: a migration needs the destination's URI");
    else if (migrate_flags_check_known(migration->flags, "ferry_domain_check_migration", error) &&
             params_check(params, migrate_param_rules(), error)) {
        preflight_run(&flight);
        if (connection_check(domain->conn, error))
            check = check_new(&flight);
    }
    ferry_connection_close(flight.dest);
    g_clear_pointer(&flight.rows, g_ptr_array_unref);
    params_free(flight.facts);
    params_free(flight.dest_facts);
    g_free(flight.xml);
    g_free(flight.source_name);
    g_free(flight.dest_name);
    return check;
}

void ferry_check_free(FerryCheck *check)
{
    if (!check)
        return;
    g_ptr_array_unref(check->rows);
    g_free(check->views);
    g_free(check->source);
    g_free(check->destination);
    g_free(check);
}

size_t ferry_check_count(const FerryCheck *check)
{
    return check->rows->len;
}

const FerryCheckRow *ferry_check_row(const FerryCheck *check, size_t index)
{
    return index < check->rows->len ? &check->views[index] : NULL;
}

size_t ferry_check_count_of(const FerryCheck *check, FerryCheckVerdict verdict)
{
    return check_rows_count(check->rows, (CheckVerdict)verdict);
}

const char *ferry_check_source(const FerryCheck *check)
{
    return check->source;
}

const char *ferry_check_destination(const FerryCheck *check)
{
    return check->destination;
}

const char *ferry_check_verdict_text(FerryCheckVerdict verdict)
{
    return enum_name(check_verdict_names, (int)verdict) ?: "unknown";
}
