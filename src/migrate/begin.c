/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Begin, on the source: everything that can be refused is refused here, before anything is touched. */
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/number.h"
#include "domain/owner.h"
#include "host/address.h"
#include "migrate/candidate.h"
#include "migrate/check.h"
#include "migrate/handover.h"
#include "migrate/lease.h"
#include "migrate/postcopy.h"
#include "migrate/queue.h"
#include "migrate/source.h"
#include "model/guest-def.h"
#include "phase/flags.h"

/* The run of one Begin; its steps find it through the migration. */
typedef struct {
    const Params *params;
} BeginRun;

/* What is to be defined there.  NULL without an error: nothing. */
static gboolean persistent_xml(Migration *migration, const Params *params, GError **error)
{
    const Domain *domain = migration->domain;
    const char *user_xml = params_get_string(params, MIGRATE_PARAM_PERSIST_XML);
    const GuestDef *own = domain->persistent ?: domain->live;
    GuestDef *def;
    gboolean is_same;

    g_clear_pointer(&migration->persistent_xml, g_free);
    if (!(migration->flags & MIGRATE_PERSIST_DEST))
        return TRUE;
    if (!user_xml) {
        migration->persistent_xml = guest_def_format(own, GUEST_FORMAT_MIGRATABLE | GUEST_FORMAT_INACTIVE | GUEST_FORMAT_SECURE);
        return TRUE;
    }
    def = guest_def_parse(user_xml, strlen(user_xml), GUEST_PARSE_INACTIVE, error);
    if (!def)
        return FALSE;
    is_same = uuid_equal(&def->uuid, &domain->uuid);
    guest_def_free(def);
    if (!is_same)
        return error_set(error, ERROR_INVALID_ARG,
                         "the persistent XML has another uuid than domain '%s': it would define another guest; "
                         "write that domain's uuid into it",
                         domain->name);
    migration->persistent_xml = g_strdup(user_xml);
    return TRUE;
}

/* What the user asked for, in this call or before. */
static gboolean read_wishes(Migration *migration, const Params *params, GError **error)
{
    migration->bandwidth_mib = params_get_ullong(params, MIGRATE_PARAM_BANDWIDTH, 0);
    if (!migration->bandwidth_mib)
        migration->bandwidth_mib = migration->domain->migration_mib;
    return persistent_xml(migration, params, error);
}

AWAITS static gboolean begin_job(Migration *migration, GError **error)
{
    Domain *domain = migration->domain;

    if (job_is(domain, JOB_MIGRATION_OUT))
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: another migration job is already running for domain '%s'",
                         domain->name);
    return migration_begin_job(migration, error);
}

AWAITS static void begin_end_job(Migration *migration)
{
    migration_end_job(migration); /* if it is ours */
}

/* What it has found for the other side travels in C1; what it has laid beside the images goes with the migration. */
AWAITS static gboolean begin_check(Migration *migration, GError **error)
{
    Domain *domain = migration->domain;

    if (!owner_check_active(domain, OWNER_VERB_MIGRATE, error))
        return FALSE;
    migration->scene = check_scene_new(SIDE_SOURCE, domain, domain->live, migration->flags);
    return check_pass(check_source, migration->scene, error);
}

AWAITS static gboolean begin_check_definition(Migration *migration, GError **error)
{
    return check_is_at_rest(migration->domain, error);
}

AWAITS static void begin_uncheck(Migration *migration)
{
    g_clear_pointer(&migration->scene, check_scene_unref);
}

/* After the checks, so that what cannot work is refused at once; before the port, of which there are few. */
AWAITS static gboolean begin_queue(Migration *migration, GError **error)
{
    const BeginRun *run = migration->run;
    gboolean has_waited = FALSE;

    if (!queue_outgoing(migration, &has_waited, error))
        return FALSE;
    return !has_waited || read_wishes(migration, run->params, error); /* it may have been defined anew meanwhile */
}

AWAITS static void begin_unqueue(Migration *migration)
{
    queue_leave(migration);
}

/* The word is durable before the client can send Prepare. */
AWAITS static gboolean begin_record(Migration *migration, GError **error)
{
    Domain *domain = migration->domain;
    g_autofree char *domains = migrate_domains_dir();
    g_autoptr(Attempt) last = attempt_read(domains, &domain->uuid);

    if (!attempt_next_epoch(last, domain->name, &migration->journal->epoch, error))
        return FALSE;
    migration->journal->is_paused = domain->wants_paused;
    /* A transient guest has none on disk, and others may be undefined meanwhile: what would start it again outlives the
     * power in the record. */
    migration->journal->definition =
        guest_def_format(domain->persistent ?: domain->live, GUEST_FORMAT_INACTIVE | GUEST_FORMAT_SECURE);
    if (!migration_open(migration, migration_is_offline(migration) ? WORD_GO : WORD_OFFERED, error))
        return FALSE;
    return domain->guest || migration_is_offline(migration) || /* destroy passes, and the disk takes its time */
           error_set(error, ERROR_OPERATION_FAILED, "operation failed: domain is not running");
}

AWAITS static void begin_keep(Migration *migration)
{
    Domain *domain = migration->domain;

    if (migration->record)
        handover_hear(migration, migration_is_offline(migration) ? HEARD_REFUSED : HEARD_ABORT, "Begin failed", NULL); /* nobody was told GO */
    if (handover_is_over(migration))
        migration_end(migration, "Begin failed");
    if (!domain->is_listed) /* it has left meanwhile: nobody else lets the migration go */
        owner_hooks()->forget(domain);
}

/* For a destination that we cannot reach but that reaches us.  Without a free port there is only our own way to it. */
AWAITS static gboolean begin_listen(Migration *migration, GError **error)
{
    const MigrateSettings *settings = migrate_settings();
    struct sockaddr_storage address;
    gboolean is_bound = settings->migration_address && address_parse(settings->migration_address, &address);
    g_autoptr(GError) why = NULL;

    if (migration->flags & MIGRATE_TUNNELLED)
        return TRUE;
    migration->route.listener =
        lane_listen(is_bound ? &address : NULL, 0, settings->ports, migration->domain->name, &why);
    if (why)
        log_info("domain '%s': %s, continuing without a port to be called back at", migration->domain->name, why->message);
    return TRUE;
}

AWAITS static void begin_unlisten(Migration *migration)
{
    route_close(&migration->route);
}

/* Before Prepare can come: the destination joins it there. */
AWAITS static gboolean begin_lease(Migration *migration, GError **error)
{
    return migrate_lease_share(migration, error);
}

AWAITS static void begin_unlease(Migration *migration)
{
    migrate_lease_unshare(migration);
}

static const Step begin_steps[] = {
    /* name      run           undo            */
    {"job",    begin_job,    begin_end_job},
    {"check",  begin_check,  begin_uncheck},
    {"queue",  begin_queue,  begin_unqueue},
    {"listen", begin_listen, begin_unlisten},
    {"lease",  begin_lease,  begin_unlease},
    {"record", begin_record, begin_keep},
    {NULL},
};
const StepList begin_list = {"begin", begin_steps};

/* Without an image: GO at once. */
static const Step begin_offline_steps[] = {
    /* name      run                     undo            */
    {"job",    begin_job,              begin_end_job},
    {"check",  begin_check_definition, NULL},
    {"record", begin_record,           begin_keep},
    {NULL},
};
static const StepList begin_offline_list = {"begin", begin_offline_steps};

/* The definition that the destination is to start: the user's, if it is the same machine, else our own. */
char *source_definition(const Domain *domain, const char *user_xml, GError **error)
{
    const GuestDef *own = domain_definition(domain);
    const GuestFacts facts = {.emulator = own->emulator};
    GuestDef *def;
    char *xml = NULL;

    if (!user_xml)
        return guest_def_format(own, GUEST_FORMAT_MIGRATABLE | GUEST_FORMAT_INACTIVE | GUEST_FORMAT_SECURE);
    def = guest_def_parse(user_xml, strlen(user_xml), GUEST_PARSE_INACTIVE, error);
    if (!def)
        return NULL;
    /* The user may have started from `dumpxml --migratable`, which leaves out what every host adds by itself. */
    if (guest_def_fill_defaults(def, &facts, error) && guest_def_compare_abi(own, def, error))
        xml = guest_def_format(def, GUEST_FORMAT_MIGRATABLE | GUEST_FORMAT_INACTIVE | GUEST_FORMAT_SECURE);
    guest_def_free(def);
    return xml;
}

void source_fill_ferry(Migration *migration, MigrationCookie *cookie, CookieWord word)
{
    const Journal *journal = migration->journal;
    CookieFerry *ferry = cookie_ferry(cookie);

    g_strlcpy(ferry->attempt, journal->id, sizeof ferry->attempt);
    ferry->uuid = journal->uuid;
    ferry->epoch = journal->epoch;
    ferry->word = word;
    ferry->wants_paused = migration->domain->wants_paused;
    if (word == COOKIE_WORD_OFFERED || migration_is_offline(migration)) {
        ferry->has_token = hex_parse(journal->token, ferry->token, sizeof ferry->token);
        ferry->definition = g_strdup(migration->persistent_xml);
    }
}

/* Which capabilities this QEMU has; stock destinations compare what they would switch on by themselves. */
static void add_capabilities(const QemuGuest *guest, MigrationCookie *cookie)
{
    static const char *const managed[] = {"xbzrle",   "auto-converge", "rdma-pin-all",  "postcopy-ram",
                                          "compress", "pause-before-switchover", "late-block-activate",
                                          "multifd",  "dirty-bitmaps", "return-path",   "zero-copy-send"};
    const Probe *probe = guest ? qemu_guest_probe(guest) : NULL; /* it may have ended by now, which the source hears next */

    cookie->has_capabilities = TRUE;
    for (size_t i = 0; i < G_N_ELEMENTS(managed); i++)
        if (probe && probe_has_migration_capability(probe, managed[i]))
            cookie_add_capability(cookie, managed[i], FALSE);
}

static GBytes *first_cookie(Migration *migration, const GPtrArray *candidates, GError **error)
{
    const Domain *domain = migration->domain;
    const MigrateSettings *settings = migrate_settings();
    g_autoptr(MigrationCookie) cookie =
        cookie_new(domain->name, &domain->uuid, settings->host_name, &settings->host_uuid);

    source_fill_ferry(migration, cookie, migration_is_offline(migration) ? COOKIE_WORD_GO : COOKIE_WORD_OFFERED);
    if (migration_is_offline(migration))
        return cookie_format(cookie, error);
    add_capabilities(domain->guest, cookie);
    if (migration->route.listener)
        candidates_tell(candidates, lane_listener_port(migration->route.listener), cookie->ferry);
    for (guint i = 0; i < migration->scene->proofs->len; i++) {
        CookieProof proof;

        cookie_proof_copy(&g_array_index(migration->scene->proofs, CookieProof, i), &proof);
        g_array_append_val(cookie->proofs, proof);
    }
    if (migration->scene->must_prove)
        cookie->features |= COOKIE_STORAGE_PROOF;
    return cookie_format(cookie, error);
}

AWAITS gboolean source_begin(Domain *domain, const Params *params, unsigned flags, GBytes **ret_cookie, char **ret_xml,
                             GError **error)
{
    g_autoptr(GPtrArray) candidates = NULL;
    g_autoptr(Migration) migration = NULL;
    g_autofree char *xml = NULL;
    BeginRun run = {params};
    const StepList *steps = flags & MIGRATE_OFFLINE ? &begin_offline_list : &begin_list;
    gboolean is_begun;
    GBytes *cookie;

    if ((flags & MIGRATE_POSTCOPY_RESUME) && migrate_flags_check(flags, "domain_migrate_begin3", error))
        return postcopy_begin_again(domain, flags, ret_cookie, ret_xml, error);
    if (!migrate_flags_check(flags, "domain_migrate_begin3", error) || !migrate_params_check(params, flags, error) ||
        !(candidates = candidates_gather(NULL, 0, error)) ||
        (!(flags & MIGRATE_OFFLINE) && !owner_check_active(domain, OWNER_VERB_MIGRATE, error)))
        return FALSE;
    xml = source_definition(domain, params_get_string(params, MIGRATE_PARAM_DEST_XML), error);
    if (!xml)
        return FALSE;
    migration = migration_new(domain, journal_new(SIDE_SOURCE, &domain->uuid, domain->name, 0), flags);
    migration->is_uri_an_order = params_get_string(params, MIGRATE_PARAM_URI) != NULL;
    migration->run = &run;
    is_begun = read_wishes(migration, params, error) && step_list_run(steps, migration, error);
    migration->run = NULL;
    if (!is_begun)
        return FALSE;
    cookie = first_cookie(migration, candidates, error);
    if (!cookie) {
        step_list_undo(steps, migration);
        return FALSE;
    }
    log_write(LOG_LEVEL_INFO, LOG_FIELDS("DOMAIN", domain->name, "MIGRATION", migration->journal->id),
              "migration of domain '%s'%s begins", domain->name, flags & MIGRATE_OFFLINE ? ", of its definition alone," : "");
    *ret_cookie = cookie;
    *ret_xml = g_steal_pointer(&xml);
    return TRUE;
}
