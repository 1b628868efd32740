/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The migration object: its life, its files, and what QEMU reports to it. */
#include "migrate/migration.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "domain/load.h"
#include "migrate/check.h"
#include "migrate/lane-kind.h"
#include "migrate/lease.h"
#include "migrate/postcopy.h"
#include "migrate/queue.h"
#include "migrate/recover.h"
#include "migrate/reserve.h"
#include "model/guest-def.h"
#include "phase/flags.h"

#define SAVE_AGAIN_MS 1000

static const MigrateSettings *the_settings;
static GHashTable *all;      /* id → Migration, borrowed */
static GHashTable *incoming; /* char *name → Migration (a reference): destinations whose Finish has not come yet */

const MigrateSettings *migrate_settings(void)
{
    return the_settings;
}

char *migrate_dir(void)
{
    return g_build_filename(the_settings->state_dir, "migrations", NULL);
}

char *migrate_domains_dir(void)
{
    return g_build_filename(the_settings->state_dir, "domains", NULL);
}

gboolean migrate_settings_set(const MigrateSettings *settings, GError **error)
{
    g_autofree char *dir = NULL;
    g_autofree char *domains = NULL;
    g_autofree char *nonces = NULL;

    the_settings = settings;
    all = g_hash_table_new(g_str_hash, g_str_equal);
    incoming = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)migration_unref);
    dir = migrate_dir();
    domains = migrate_domains_dir();
    nonces = g_build_filename(settings->state_dir, "nonces", NULL);
    return dir_make(dir, 0700, error) && dir_make(domains, 0700, error) && dir_make(nonces, 0700, error);
}

Migration *migration_new(Domain *domain, Journal *journal, unsigned flags)
{
    Migration *migration = g_new0(Migration, 1);

    migration->refs = 1;
    migration->side = (OwnerSide)journal->side;
    migration->domain = domain_ref(domain);
    migration->journal = journal;
    migration->flags = flags;
    route_init(&migration->route);
    migration->relay_fd = migration->newest_stream = -1;
    migration->changed = condition_new("the migration");
    migration->started_ms = clock_now_ms();
    journal->flags = flags;
    return migration;
}

void migration_enlist(Migration *migration)
{
    g_hash_table_replace(all, migration->journal->id, migration);
}

void migration_attach(Migration *migration)
{
    Domain *domain = migration->domain;

    if (domain->migration)
        migration_unref(domain->migration);
    domain->migration = migration_ref(migration);
    migration_enlist(migration);
    if (migration->side == SIDE_DESTINATION)
        migration_expect_finish(migration);
}

Migration *migration_ref(Migration *migration)
{
    migration->refs++;
    return migration;
}

void migration_unref(Migration *migration)
{
    if (!migration || --migration->refs > 0)
        return;
    if (all && g_hash_table_lookup(all, migration->journal->id) == migration)
        g_hash_table_remove(all, migration->journal->id);
    qemu_guest_unsubscribe(migration->subscription);
    queue_leave(migration);
    ask_clear(&migration->ask);
    timer_free(migration->silence);
    route_clear(&migration->route);
    bundle_free(migration->bundle);
    guest_def_free(migration->incoming);
    reserve_drop(migration);
    check_scene_unref(migration->scene);
    fd_clear(&migration->relay_fd);
    fd_clear(&migration->newest_stream);
    qemu_migration_info_clear(&migration->info);
    owner_record_free(migration->record);
    journal_free(migration->journal);
    timer_free(migration->answer_timer);
    condition_free(migration->changed);
    domain_unref(migration->domain);
    g_free(migration->abort_reason);
    g_free(migration->lost_reason);
    g_free(migration->notice);
    g_free(migration->persistent_xml);
    g_free(migration->refusal);
    g_free(migration->unread);
    g_free(migration->stream_error);
    g_free(migration);
}

Migration *migration_of(const Domain *domain)
{
    Migration *migration = domain->migration;

    return migration && !migration->is_ended ? migration : NULL;
}

Migration *migration_find_incoming(const char *name)
{
    return g_hash_table_lookup(incoming, name);
}

void migration_forget_incoming(Migration *migration)
{
    if (g_hash_table_lookup(incoming, migration->journal->name) == migration)
        g_hash_table_remove(incoming, migration->journal->name);
}

void migration_expect_finish(Migration *migration)
{
    g_hash_table_replace(incoming, g_strdup(migration->journal->name), migration_ref(migration));
}

Migration *migration_find(const char *id)
{
    return g_hash_table_lookup(all, id);
}

gboolean migration_is_forgotten(const Migration *migration)
{
    const Route *route = &migration->route;

    return migration->side == SIDE_DESTINATION && route->is_met && !route->is_mutual && pact_is_lost(route->pact);
}

gboolean migration_goes_alone(const Migration *migration)
{
    return migration->is_peer_ferry && migration->route.is_met && !migration->is_carried && !migration_is_forgotten(migration);
}

OwnerWord migration_word(const Migration *migration)
{
    return migration->record ? owner_record_word(migration->record) : WORD_NONE;
}

gboolean migration_is_offline(const Migration *migration)
{
    return !!(migration->flags & MIGRATE_OFFLINE);
}

gboolean migration_save(Migration *migration, GError **error)
{
    g_autofree char *dir = migrate_dir();

    return journal_save(migration->journal, dir, error);
}

AWAITS gboolean migration_save_durable(Migration *migration, GError **error)
{
    g_autofree char *dir = migrate_dir();
    gboolean is_durable = migration_save(migration, error);

    if (is_durable)
        off_floor {
            is_durable = journal_sync(migration->journal, dir, error);
        }
    return is_durable;
}

/* A full disk: until there is room, or the daemon ends. */
AWAITS static void save_task(void *data)
{
    Migration *migration = data;

    do {
        if (!await_sleep(SAVE_AGAIN_MS, NULL))
            return;
    } while (!migration_save(migration, NULL));
    migration->is_save_due = FALSE;
    log_info("the journal of migration %s of domain '%s' is on the disk now", migration->journal->id, migration->journal->name);
}

void migration_save_for_sure(Migration *migration)
{
    g_autoptr(GError) error = NULL;

    if (migration_save(migration, &error) || migration->is_save_due)
        return;
    log_warning("%s, continuing: the owner's word is kept apart, and this is tried again", error->message);
    migration->is_save_due = TRUE;
    task_spawn("migration-save", save_task, migration_ref(migration), (GDestroyNotify)migration_unref);
}

AWAITS gboolean migration_open(Migration *migration, OwnerWord word, GError **error)
{
    g_autofree char *dir = migrate_dir();
    g_autofree char *domains = migrate_domains_dir();
    g_autofree char *path = g_strdup_printf("%s/%s.owner", dir, migration->journal->id);
    OwnerWish wish = migration->journal->is_paused ? WISH_PAUSED : WISH_RUN;
    const Journal *journal = migration->journal;
    OwnerRecord *record = NULL;
    g_autoptr(Attempt) last = attempt_read(domains, &journal->uuid);
    gboolean is_open = FALSE;

    if (!attempt_check(last, error))
        return FALSE;
    off_floor {
        is_open = journal_save(journal, dir, error) && journal_sync(journal, dir, error) &&
                  (record = owner_record_create(path, word, wish, error)) != NULL &&
                  attempt_write(domains, &journal->uuid, journal, error);
    }
    migration->record = record;
    if (is_open) {
        migration_attach(migration);
        g_clear_pointer(&migration->domain->completed_stats, params_free); /* of an earlier one */
    }
    return is_open;
}

AWAITS gboolean migration_sync(Migration *migration, GError **error)
{
    g_autofree char *dir = migrate_dir();
    g_autoptr(GError) why = NULL;
    gboolean is_synced = FALSE;
    gboolean is_saved = migration_save(migration, &why);

    off_floor {
        is_synced = owner_record_sync(migration->record, error);
        is_saved = is_saved && journal_sync(migration->journal, dir, &why);
    }
    if (!is_saved) /* a full disk must not keep an answer back: the word has its place already */
        log_warning("%s, continuing: the owner's word is kept apart", why->message);
    return is_synced;
}

AWAITS gboolean migration_begin_job(Migration *migration, GError **error)
{
    gboolean is_source = migration->side == SIDE_SOURCE;

    migration->has_job = job_begin_long(migration->domain, is_source ? JOB_MIGRATION_OUT : JOB_MIGRATION_IN,
                                          is_source ? JOB_ALLOWED_MIGRATION_OUT : JOB_ALLOWED_MIGRATION_IN,
                                          is_source ? "domain_migrate_begin3" : "domain_migrate_prepare3", error);
    return migration->has_job;
}

void migration_end_job(Migration *migration)
{
    if (migration->has_job)
        job_end_long(migration->domain);
    migration->has_job = FALSE;
}

void migration_end(Migration *migration, const char *cause)
{
    const char *word = enum_name(owner_word_names, migration_word(migration));

    if (migration->is_ended)
        return;
    migration->is_ended = TRUE;
    migration->journal->ended_ms = migration->is_definition_owed ? 0 : clock_wall_ms(); /* owed: a restart looks at it again */
    g_free(migration->journal->outcome);
    migration->journal->outcome = g_strdup(word);
    if (cause && !migration->journal->cause)
        migration->journal->cause = g_strdup(cause);
    g_clear_pointer(&migration->journal->lanes, g_free);
    migration->journal->wants_switch = FALSE;
    if (migration->record)
        migration_save_for_sure(migration);
    queue_leave(migration);
    g_clear_pointer(&migration->silence, timer_free);
    ask_end(migration);
    if (!postcopy_is_asked(migration)) /* there its end may still be on its way to the source */
        g_clear_pointer(&migration->bundle, bundle_free);
    g_clear_pointer(&migration->subscription, qemu_guest_unsubscribe);
    g_clear_pointer(&migration->scene, check_scene_unref);
    reserve_drop(migration);
    fd_clear(&migration->relay_fd);
    migration_end_job(migration);
    migrate_lease_settle(migration);
    recover_tidy();
    log_write(LOG_LEVEL_INFO, LOG_FIELDS("DOMAIN", migration->journal->name, "MIGRATION", migration->journal->id),
              "migration of domain '%s' %s %s ended: %s%s%s", migration->journal->name,
              migration->side == SIDE_SOURCE ? "to" : "from", migration->journal->peer ?: "another host", word,
              cause ? ": " : "", cause ?: "");
    load_autostart_again(migration->domain);
    condition_signal(migration->changed);
}

void migration_interrupt(Migration *migration)
{
    condition_signal(migration->changed);
    if (migration->interruptible)
        task_cancel(migration->interruptible, "the migration has been given up");
}

void migration_interruptible_begin(Migration *migration)
{
    migration->interruptible = task_current();
}

gboolean migration_interruptible_end(Migration *migration, gboolean is_ok, GError **error)
{
    migration->interruptible = NULL;
    return is_ok ? task_check_cancel(error) : (task_check_cancel(NULL), FALSE);
}

static void on_status(QemuGuest *guest, int status, void *data)
{
    Migration *migration = data;

    if (status == QEMU_MIGRATION_SETUP && postcopy_is_status(migration->status))
        return; /* another stream is set up, for the same migration */
    migration->status = (QemuMigrationStatus)status;
    if (migration->side == SIDE_DESTINATION && migration->record && pact_is_lost(migration->route.pact))
        ask_start(migration); /* it has come, and nobody is there to say what becomes of it */
    if (postcopy_is_status(migration->status))
        postcopy_lead(migration);
    condition_signal(migration->changed);
}

static void on_pass(QemuGuest *guest, guint64 pass, void *data)
{
    Migration *migration = data;

    if (migration->side == SIDE_SOURCE)
        event_emit(&(DomainEvent){
            .kind = EVENT_MIGRATION_ITERATION, .domain = migration->domain, .event = (int)pass});
}

static void on_stopped(QemuGuest *guest, void *data)
{
    Migration *migration = data;

    if (migration->side != SIDE_SOURCE || migration->stopped_us)
        return;
    migration->stopped_us = clock_now_us();
    migration->stopped_wall_ms = clock_wall_ms();
    migration->is_in_blackout = migration->status != QEMU_MIGRATION_NONE;
}

static void on_resumed(QemuGuest *guest, void *data)
{
    Migration *migration = data;

    migration->stopped_us = 0;
    migration->is_in_blackout = FALSE;
}

static void on_lost(QemuGuest *guest, int wait_status, const char *last_words, void *data)
{
    Migration *migration = data;

    migration->is_qemu_dead = TRUE;
    if (last_words && *last_words && !migration->stream_error)
        migration->stream_error = g_strdup(last_words);
    condition_signal(migration->changed);
}

static const QemuGuestEvents watch_events = {
    .stopped = on_stopped,
    .resumed = on_resumed,
    .migration_status = on_status,
    .migration_pass = on_pass,
    .lost = on_lost,
};

void migration_watch(Migration *migration)
{
    if (!migration->subscription)
        migration->subscription = qemu_guest_subscribe(migration->domain->guest, &watch_events, migration);
}

static void on_bundle(void *data)
{
    condition_signal(((Migration *)data)->changed);
}

Bundle *migration_new_bundle(Migration *migration)
{
    return bundle_new(migration->side, migration->journal->name, on_bundle, migration);
}

void migration_make_bundle(Migration *migration)
{
    if (!migration->is_carried && lane_any_is_joined(migration->side, migration->flags) && !migration->bundle)
        migration->bundle = migration_new_bundle(migration);
}

AWAITS gboolean migration_wait(Migration *migration, int64_t timeout_ms, GError **error)
{
    return condition_wait(migration->changed, timeout_ms, error);
}

AWAITS gboolean migration_await_turn(Migration *migration)
{
    task_shield();
    while (migration->task && !migration->is_ended)
        migration_wait(migration, -1, NULL);
    task_unshield();
    return !migration->is_ended;
}

void migration_leave_turn(Migration *migration)
{
    migration->task = NULL;
    condition_signal(migration->changed);
}
