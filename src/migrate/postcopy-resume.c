/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `migrate --postcopy-resume`: all five phases once more, for a migration whose stream is broken.  The daemons make another
 * one by themselves; a user who has held it (domjobabort --postcopy) lets it go on so, and whoever has lost the command that led
 * it waits for the end again. */
#include "base/error.h"
#include "base/log.h"
#include "domain/registry.h"
#include "host/address.h"
#include "migrate/address.h"
#include "migrate/candidate.h"
#include "migrate/dest.h"
#include "migrate/handover.h"
#include "migrate/postcopy.h"
#include "migrate/source.h"
#include "phase/flags.h"
#include "phase/uri.h"

AWAITS gboolean postcopy_begin_again(Domain *domain, unsigned flags, GBytes **ret_cookie, char **ret_xml, GError **error)
{
    const MigrateSettings *settings = migrate_settings();
    Migration *migration = migration_of(domain);
    g_autoptr(MigrationCookie) cookie = NULL;
    OwnerQemu qemu;

    if (!(flags & MIGRATE_POSTCOPY))
        return error_set(error, ERROR_INVALID_ARG, "resuming failed post-copy migration requires post-copy to be enabled");
    if (!domain_check_active(domain, error))
        return FALSE;
    if (!migration || migration->side != SIDE_SOURCE)
        return error_set(error, ERROR_OPERATION_INVALID, "Requested operation is not valid: domain '%s' is not being migrated", domain->name);
    qemu = handover_qemu(migration);
    if (qemu == OWNER_QEMU_SWITCHED)
        return error_set(error, ERROR_OPERATION_INVALID, "Requested operation is not valid: QEMU reports migration is still running");
    if (qemu != OWNER_QEMU_CUT || migration_word(migration) == WORD_OFFERED)
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: post-copy migration of domain %s has not failed", domain->name);
    cookie = cookie_new(domain->name, &domain->uuid, settings->host_name, &settings->host_uuid);
    source_fill_ferry(migration, cookie, COOKIE_WORD_OFFERED);
    *ret_cookie = cookie_format(cookie, error);
    *ret_xml = *ret_cookie ? source_definition(domain, NULL, error) : NULL;
    return *ret_xml != NULL;
}

AWAITS static char *uri_here(const Migration *migration, const DestPrepare *request, GError **error)
{
    const LaneListener *listener = migration->route.listener;
    const MigrateSettings *settings = migrate_settings();
    g_autoptr(GPtrArray) candidates = candidates_gather(request->control_local, 0, error);
    g_autofree char *host = NULL;

    if (!candidates || !address_for_source(candidates, migration->journal->name, &host, error))
        return NULL;
    return migration_uri_format(host, listener ? lane_listener_port(listener) : settings->ports.first); /* for whoever reads it: no one dials it */
}

AWAITS gboolean postcopy_prepare_again(const DestPrepare *request, const MigrationCookie *cookie, Migration **ret_migration,
                                       GBytes **ret_cookie, char **ret_uri, GError **error)
{
    const MigrateSettings *settings = migrate_settings();
    Migration *migration = cookie->ferry ? migration_find(cookie->ferry->attempt) : NULL;
    g_autoptr(MigrationCookie) answer = NULL;
    g_autofree char *uri = NULL;
    CookieFerry *ferry;

    if (!migration || migration->side != SIDE_DESTINATION || migration->is_ended)
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: no migration of domain '%s' waits here to be resumed", cookie->name);
    uri = uri_here(migration, request, error);
    if (!uri)
        return FALSE;
    answer = cookie_new(migration->journal->source_name, &migration->journal->uuid, settings->host_name, &settings->host_uuid);
    ferry = cookie_ferry(answer);
    g_strlcpy(ferry->attempt, migration->journal->id, sizeof ferry->attempt);
    ferry->uuid = migration->journal->uuid;
    ferry->epoch = migration->journal->epoch;
    ferry->word = COOKIE_WORD_PREPARED;
    *ret_cookie = cookie_format(answer, error);
    if (!*ret_cookie)
        return FALSE;
    migration->is_caller_lost = FALSE; /* another one leads it now, and fetches its end */
    migration_expect_finish(migration);
    *ret_uri = g_steal_pointer(&uri);
    *ret_migration = migration_ref(migration);
    return TRUE;
}

gboolean postcopy_may_perform_again(const Domain *domain)
{
    const Migration *migration = migration_of(domain);

    return migration && migration->side == SIDE_SOURCE && postcopy_is_status(migration->status) &&
           (migration_word(migration) == WORD_GO || migration_word(migration) == WORD_GONE);
}

AWAITS gboolean postcopy_perform_again(Migration *migration, GError **error)
{
    g_autoptr(Migration) hold = migration_ref(migration);

    migration->is_held = FALSE;
    migration->cut_ms = 0;
    condition_signal(migration->changed);
    log_info("domain '%s': its user wants the rest of its memory to go on", migration->journal->name);
    while (!migration->is_ended && !migration->is_qemu_dead && handover_qemu(migration) == OWNER_QEMU_CUT)
        if (!migration_wait(migration, -1, error))
            return FALSE;
    return !migration->is_qemu_dead || migration->is_ended ||
           error_set(error, ERROR_OPERATION_FAILED, "operation failed: domain is not running");
}
