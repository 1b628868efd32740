/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prepare, on the destination: the word is durable, the port reserved and QEMU waiting before the answer is given. */
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/number.h"
#include "domain/define.h"
#include "domain/event.h"
#include "domain/registry.h"
#include "domain/state.h"
#include "host/address.h"
#include "migrate/acquaintance.h"
#include "migrate/address.h"
#include "migrate/arrive.h"
#include "migrate/check.h"
#include "migrate/dest.h"
#include "migrate/handover.h"
#include "migrate/lane-kind.h"
#include "migrate/lease.h"
#include "migrate/postcopy.h"
#include "migrate/queue.h"
#include "migrate/reserve.h"
#include "migrate/step.h"
#include "model/guest-def.h"
#include "phase/cookie.h"
#include "phase/flags.h"
#include "phase/uri.h"

/* The run of one Prepare; its steps find it through the migration. */
typedef struct {
    const DestPrepare *request;
    GuestDef *def;           /* to be started; handed to the domain */
    MigrationCookie *cookie; /* C1 */
    GPtrArray *candidates;   /* where this host may be reached; NULL: tunnelled */
    char *uri_out;
} PrepareRun;

AWAITS static gboolean prepare_check(Migration *migration, GError **error)
{
    PrepareRun *run = migration->run;
    g_autoptr(CheckScene) scene = check_scene_new(SIDE_DESTINATION, NULL, run->def, migration->flags);

    for (guint i = 0; i < run->cookie->proofs->len; i++) {
        CookieProof proof;

        cookie_proof_copy(&g_array_index(run->cookie->proofs, CookieProof, i), &proof);
        g_array_append_val(scene->proofs, proof);
    }
    scene->must_prove = !!(run->cookie->features & COOKIE_STORAGE_PROOF);
    return check_pass(check_destination, scene, error);
}

AWAITS static gboolean prepare_queue(Migration *migration, GError **error)
{
    return queue_incoming(migration, error);
}

AWAITS static void prepare_unqueue(Migration *migration)
{
    queue_leave(migration);
}

/* Nothing is waited for between the look and the reservation. */
AWAITS static gboolean prepare_reserve(Migration *migration, GError **error)
{
    PrepareRun *run = migration->run;

    return reserve_take(migration, run->def->memory_kib * 1024, error);
}

AWAITS static void prepare_unreserve(Migration *migration)
{
    reserve_drop(migration);
}

/* The listening socket is the reservation. */
AWAITS static gboolean prepare_listen(Migration *migration, GError **error)
{
    PrepareRun *run = migration->run;
    const MigrateSettings *settings = migrate_settings();
    const char *given = params_get_string(run->request->params, MIGRATE_PARAM_URI);
    const char *listen = params_get_string(run->request->params, MIGRATE_PARAM_LISTEN_ADDRESS) ?: settings->migration_address;
    struct sockaddr_storage address;
    g_autoptr(MigrationUri) uri = NULL;
    g_autofree char *host = NULL;

    if (run->request->is_tunnelled)
        return TRUE;
    if (given && !(uri = migration_uri_parse(given, error)))
        return FALSE;
    if (listen && !address_parse(listen, &address))
        return error_set(error, ERROR_INVALID_ARG, "listen address '%s' is not an address of this host: give a literal",
                         listen);
    run->candidates = candidates_gather(run->request->control_local, 0, error);
    if (!run->candidates)
        return FALSE;
    if (listen)
        candidates_restrict(run->candidates, &address);
    if (!uri && !address_for_source(run->candidates, migration->journal->name, &host, error))
        return FALSE;
    migration->route.listener =
        lane_listen(listen ? &address : NULL, uri ? uri->port : 0, settings->ports, migration->journal->name, error);
    if (!migration->route.listener)
        return FALSE;
    if (!uri && run->cookie->ferry && !route_hear(&migration->route, run->cookie->ferry, error))
        return FALSE;
    if (!uri)
        run->uri_out = migration_uri_format(host, lane_listener_port(migration->route.listener));
    else if (!uri->port)
        run->uri_out = migration_uri_with_port(uri, lane_listener_port(migration->route.listener));
    return TRUE;
}

AWAITS static void prepare_unlisten(Migration *migration)
{
    g_clear_pointer(&migration->route.listener, lane_listener_free);
}

/* Asked again once the job is held: others may have started, prepared or undefined it meanwhile. */
static gboolean check_domain(Domain *domain, GError **error)
{
    if (domain_is_active(domain))
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: domain is already active as '%s'", domain->name);
    if (owner_standing(domain) == OWNER_IN_DOUBT || migration_of(domain))
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: domain '%s' is in another migration here", domain->name);
    return domain->is_listed ||
           error_set(error, ERROR_OPERATION_FAILED, "operation failed: domain '%s' has gone meanwhile", domain->name);
}

AWAITS static gboolean prepare_job(Migration *migration, GError **error)
{
    if (job_is(migration->domain, JOB_MIGRATION_IN)) /* it would only be waited for to be refused */
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: domain '%s' is in another migration here",
                         migration->domain->name);
    return migration_begin_job(migration, error) && check_domain(migration->domain, error);
}

AWAITS static void prepare_end_job(Migration *migration)
{
    migration_end_job(migration); /* if it is ours */
}

AWAITS static gboolean prepare_record(Migration *migration, GError **error)
{
    return migration_open(migration, WORD_PREPARED, error);
}

AWAITS static void prepare_refuse(Migration *migration)
{
    if (migration_word(migration) == WORD_PREPARED)
        handover_hear(migration, HEARD_ABORT, NULL, NULL);
}

AWAITS static gboolean prepare_lease(Migration *migration, GError **error)
{
    return migrate_lease_share(migration, error);
}

AWAITS static void prepare_unlease(Migration *migration)
{
    migrate_lease_unshare(migration);
}

/* A ferryd's guest is started when the source has shown that it can come here. */
AWAITS static gboolean prepare_guest(Migration *migration, GError **error)
{
    PrepareRun *run = migration->run;

    migration->incoming = g_steal_pointer(&run->def);
    return (migration->is_peer_ferry && !migration->is_carried) || arrive_start_guest(migration, error);
}

AWAITS static void prepare_end_guest(Migration *migration)
{
    dest_end_guest(migration);
}

static const Step prepare_steps[] = {
    /* name    run              undo               */
    {"check",  prepare_check,   NULL},
    {"queue",  prepare_queue,   prepare_unqueue},
    {"memory", prepare_reserve, prepare_unreserve},
    {"job",    prepare_job,     prepare_end_job},
    {"lease",  prepare_lease,   prepare_unlease},
    {"listen", prepare_listen,  prepare_unlisten},
    {"record", prepare_record,  prepare_refuse},
    {"guest",  prepare_guest,   prepare_end_guest},
    {NULL},
};
const StepList prepare_list = {"prepare", prepare_steps};

/* Only a definition comes. */
static const Step prepare_offline_steps[] = {
    /* name    run              undo               */
    {"job",    prepare_job,     prepare_end_job},
    {"record", prepare_record,  prepare_refuse},
    {NULL},
};
static const StepList prepare_offline_list = {"prepare", prepare_offline_steps};

/* --- the request -------------------------------------------------------------------------------------------------- */

/* Migratable XML leaves out what every host adds by itself, so it is completed here as at define. */
AWAITS static GuestDef *parse_definition(const DestPrepare *request, char **ret_source_name, GError **error)
{
    const char *xml = params_get_string(request->params, MIGRATE_PARAM_DEST_XML);
    const char *name = params_get_string(request->params, MIGRATE_PARAM_DEST_NAME);
    GuestDef *def;

    if (!xml) {
        error_set(error, ERROR_INTERNAL_ERROR, "no domain XML passed");
        return NULL;
    }
    def = define_parse(xml, strlen(xml), error);
    if (!def)
        return NULL;
    *ret_source_name = g_strdup(def->name);
    if (name && !guest_def_rename(def, name, error))
        g_clear_pointer(&def, guest_def_free);
    return def;
}

/* Where the guest was given before, if this is its way back: still true if this attempt is refused. */
static char *given_before(Domain *domain)
{
    const Migration *last;

    if (owner_standing(domain) != OWNER_GIVEN) /* looks it up */
        return NULL;
    last = domain->migration;
    return g_strdup(migration_word(last) == WORD_GONE ? last->journal->peer : last->journal->given_to);
}

/* A ferryd says it; a stock source counts no generations. */
static gboolean epoch_of(const MigrationCookie *cookie, const GuestDef *def, uint64_t *ret_epoch, GError **error)
{
    g_autofree char *domains = migrate_domains_dir();
    g_autoptr(Attempt) last = attempt_read(domains, &def->uuid);

    if (!cookie->ferry)
        return attempt_next_epoch(last, def->name, ret_epoch, error);
    if (cookie->ferry->epoch == UINT64_MAX) /* it could never leave again */
        return error_set(error, ERROR_OPERATION_FAILED,
                         "operation failed: domain '%s' is offered in generation %" G_GUINT64_FORMAT
                         ", after which there is none: the record of host '%s' is damaged or made up",
                         def->name, cookie->ferry->epoch, cookie->hostname);
    *ret_epoch = cookie->ferry->epoch;
    return TRUE;
}

static Migration *new_migration(const DestPrepare *request, Domain *domain, const GuestDef *def, const char *source_name,
                                const MigrationCookie *cookie, uint64_t epoch)
{
    const CookieFerry *ferry = cookie->ferry;
    Journal *journal = journal_new(SIDE_DESTINATION, &def->uuid, def->name, epoch);
    Migration *migration;

    journal->source_name = g_strdup(source_name);
    journal->peer = g_strdup(cookie->hostname);
    journal->peer_host = cookie->host_uuid;
    journal->given_to = given_before(domain);
    journal->was_defined = domain->persistent != NULL;
    journal->is_paused = !!(request->flags & MIGRATE_PAUSED);
    if (ferry) {
        g_free(journal->id);
        g_free(journal->token);
        journal->id = g_strdup(ferry->attempt);
        journal->token = ferry->has_token ? hex_format(ferry->token, sizeof ferry->token) : NULL;
        journal->definition = g_strdup(ferry->definition);
    } else {
        g_clear_pointer(&journal->token, g_free);
        if (request->flags & MIGRATE_PERSIST_DEST) /* until Finish brings the true one; durable while there is room and time */
            journal->definition = guest_def_format(def, GUEST_FORMAT_INACTIVE | GUEST_FORMAT_SECURE);
    }
    migration = migration_new(domain, journal, request->flags);
    migration->is_peer_ferry = ferry != NULL;
    migration->is_carried = request->is_tunnelled;
    migration->is_peer_to_peer = !!(request->flags & MIGRATE_PEER2PEER);
    migration->channels = migration->is_carried ? 0 : lane_count(LANE_MULTIFD, request->flags, request->params);
    journal->is_carried = migration->is_carried || migration->channels;
    migration_make_bundle(migration);
    return migration;
}

static GBytes *second_cookie(const Migration *migration, GError **error)
{
    const MigrateSettings *settings = migrate_settings();
    const Journal *journal = migration->journal;
    const PrepareRun *run = migration->run;
    g_autoptr(MigrationCookie) cookie =
        cookie_new(journal->source_name, &journal->uuid, settings->host_name, &settings->host_uuid);

    cookie->has_capabilities = TRUE;
    if (migration->is_peer_ferry) {
        CookieFerry *ferry = cookie_ferry(cookie);

        g_strlcpy(ferry->attempt, journal->id, sizeof ferry->attempt);
        ferry->uuid = journal->uuid;
        ferry->epoch = journal->epoch;
        ferry->word = COOKIE_WORD_PREPARED;
        if (run->candidates && !params_get_string(run->request->params, MIGRATE_PARAM_URI)) /* that would be an order */
            candidates_tell(run->candidates, lane_listener_port(migration->route.listener), ferry);
    }
    return cookie_format(cookie, error);
}

static gboolean check_cookie(const MigrationCookie *cookie, const GuestDef *def, const char *source_name, GError **error)
{
    const MigrateSettings *settings = migrate_settings();
    g_autofree char *dir = migrate_dir();

    if (!cookie_check(cookie, source_name, &def->uuid, &settings->host_uuid, error) ||
        !cookie_check_lock(cookie, NULL, error))
        return FALSE;
    if (!cookie->ferry)
        return TRUE;
    /* The other side chose the id, and the files are named after it: none may be written over, whoever's it is. */
    if (journal_exists(dir, cookie->ferry->attempt))
        return error_set(error, ERROR_OPERATION_FAILED,
                         "operation failed: attempt %s to migrate domain '%s' is known on this host already: begin a new one",
                         cookie->ferry->attempt, def->name);
    return TRUE;
}

gboolean dest_check_room(const GuestDef *def, Domain **ret_domain, GError **error)
{
    Domain *domain = NULL;

    if (!registry_check(&def->uuid, def->name, TRUE, &domain, error) || (domain && !check_domain(domain, error)))
        return FALSE;
    *ret_domain = domain ? domain_ref(domain) : NULL;
    return TRUE;
}

/* The domain that is to be: one that is defined here under that name and uuid and does not run, or a new one. */
AWAITS static Domain *find_domain(const GuestDef *def, const MigrationCookie *cookie, GError **error)
{
    g_autofree char *domains = migrate_domains_dir();
    g_autoptr(Attempt) last = NULL;
    g_autoptr(Domain) domain = NULL;

    if (!dest_check_room(def, &domain, error))
        return NULL;
    if (!domain)
        return registry_add(&def->uuid, def->name, error);
    /* Given away from here and not undefined: what comes back must be what went, or what became of it since. */
    last = owner_standing(domain) == OWNER_GIVEN ? attempt_read(domains, &def->uuid) : NULL;
    if (last && cookie->ferry && last->epoch >= cookie->ferry->epoch) {
        error_set(error, ERROR_OPERATION_FAILED,
                  "operation failed: domain '%s' was given from here to %s in a newer generation (%" G_GUINT64_FORMAT
                  ") than the one that is offered (%" G_GUINT64_FORMAT
                  "): if that one is not to come back, `undefine` the domain here first",
                  def->name, last->peer ?: "another host", last->epoch, cookie->ferry->epoch);
        return NULL;
    }
    return g_steal_pointer(&domain);
}

AWAITS gboolean dest_prepare(const DestPrepare *request, Migration **ret_migration, GBytes **ret_cookie, char **ret_uri,
                             GError **error)
{
    PrepareRun run = {.request = request};
    g_autoptr(MigrationCookie) cookie = NULL;
    g_autoptr(Domain) domain = NULL;
    g_autoptr(Migration) migration = NULL;
    g_autofree char *source_name = NULL;
    g_autoptr(GuestDef) def = NULL;
    g_autoptr(GError) why = NULL;
    const StepList *steps = request->flags & MIGRATE_OFFLINE ? &prepare_offline_list : &prepare_list;
    GBytes *answer = NULL;
    uint64_t epoch = 0;

    if (!migrate_flags_check(request->flags, "domain_migrate_prepare3", error) ||
        !migrate_params_check(request->params, request->flags, error) ||
        !(def = parse_definition(request, &source_name, error)) ||
        !(cookie = cookie_parse(request->cookie, request->cookie_len, COOKIE_FOR_PREPARE, error)))
        return FALSE;
    if (request->flags & MIGRATE_POSTCOPY_RESUME)
        return postcopy_prepare_again(request, cookie, ret_migration, ret_cookie, ret_uri, error);
    if (!check_cookie(cookie, def, source_name, error))
        return FALSE;
    if ((request->flags & MIGRATE_POSTCOPY) && !cookie->ferry)
        return error_set(error, ERROR_ARGUMENT_UNSUPPORTED,
                         "argument unsupported: post-copy needs a ferryd on both sides: only it can say what has become of a guest of "
                         "which each host has a part; leave out --postcopy");
    acquaintance_hear(&cookie->host_uuid, cookie->hostname, cookie->ferry);
    /* Peer-to-peer it is the source itself that calls; tunnelled it may be a client that relays. */
    if ((request->flags & MIGRATE_PEER2PEER) && !request->is_tunnelled)
        acquaintance_make(&cookie->host_uuid, cookie->hostname, request->control_remote);
    if (!epoch_of(cookie, def, &epoch, error) || !(domain = find_domain(def, cookie, error)))
        return FALSE;
    migration = new_migration(request, domain, def, source_name, cookie, epoch);
    migration->is_guest_awaited = TRUE;
    run.def = g_steal_pointer(&def);
    run.cookie = cookie;
    migration->run = &run;
    migration->task = task_current();
    if (step_list_run(steps, migration, &why)) {
        answer = second_cookie(migration, &why);
        if (!answer)
            step_list_undo(steps, migration);
    }
    migration->run = NULL;
    migration_leave_turn(migration);
    guest_def_free(run.def);
    g_clear_pointer(&run.candidates, g_ptr_array_unref);
    if (!answer) {
        migration_forget_incoming(migration);
        migration_end(migration, why->message);
        if (!domain->persistent && !domain_is_active(domain) && domain->job.kind == JOB_NONE)
            registry_remove(domain); /* else another Prepare is at it */
        g_free(run.uri_out);
        g_propagate_error(error, g_steal_pointer(&why));
        return FALSE;
    }
    arrive_expect(migration);
    *ret_cookie = answer;
    *ret_uri = run.uri_out;
    if (migration_is_offline(migration) && !params_find(request->params, MIGRATE_PARAM_URI)) /* stock clients insist on one */
        *ret_uri = g_strdup_printf("tcp:%s", migrate_settings()->host_name);
    *ret_migration = g_steal_pointer(&migration);
    return TRUE;
}
