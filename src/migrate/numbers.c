/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The numbers of a migration. */
#include "migrate/numbers.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "migrate/handover.h"
#include "migrate/postcopy.h"
#include "migrate/queue.h"
#include "migrate/repeat.h"

enum { JOB_STATS_COMPLETED = 1 << 0, JOB_STATS_KEEP_COMPLETED = 1 << 1 }; /* wire values */
enum { ABORT_POSTCOPY = 1 << 0 };                                         /* wire value */

void numbers_from_source(const Migration *migration, MigrationStats *ret_stats)
{
    const QemuMigrationInfo *info = &migration->info;
    int64_t now_ms = clock_now_ms();
    gboolean is_done = info->status == QEMU_MIGRATION_COMPLETED;

    *ret_stats = (MigrationStats){
        .type = is_done ? JOB_TYPE_COMPLETED : JOB_TYPE_UNBOUNDED,
        .operation = JOB_MIGRATION_OUT,
        .started_ms = (uint64_t)(clock_wall_ms() - (now_ms - migration->started_ms)),
        .stopped_ms = (uint64_t)migration->stopped_wall_ms,
        .time_elapsed_ms = (uint64_t)(now_ms - migration->started_ms),
        .setup_time_ms = info->setup_time_ms,
        .memory_total = info->ram.total,
        .memory_processed = info->ram.transferred,
        .memory_remaining = info->ram.remaining,
        .memory_bps = (uint64_t)(info->ram.mbps * 1000000 / 8),
        .memory_constant = info->ram.duplicate,
        .memory_normal = info->ram.normal,
        .memory_normal_bytes = info->ram.normal_bytes,
        .memory_dirty_rate = info->ram.dirty_pages_rate,
        .memory_iteration = info->ram.dirty_sync_count,
        .memory_postcopy_requests = info->ram.postcopy_requests,
        .memory_page_size = info->ram.page_size,
        .disk_total = info->disk.total,
        .disk_processed = info->disk.transferred,
        .disk_remaining = info->disk.remaining,
        .auto_converge_throttle = (int32_t)info->cpu_throttle_percentage,
    };
    if (info->has_setup_time)
        ret_stats->has |= STATS_HAS_SETUP_TIME;
    if (info->has_ram)
        ret_stats->has |= STATS_HAS_PAGES;
    if (!is_done && info->has_expected_downtime) {
        ret_stats->has |= STATS_HAS_DOWNTIME;
        ret_stats->downtime_ms = info->expected_downtime_ms;
    } else if (is_done && postcopy_is_asked(migration) && info->has_downtime) { /* the rest came while it ran */
        ret_stats->has |= STATS_HAS_DOWNTIME;
        ret_stats->downtime_ms = info->downtime_ms;
    } else if (is_done && migration->stopped_us) {
        ret_stats->has |= STATS_HAS_DOWNTIME;
        ret_stats->downtime_ms = (uint64_t)(clock_now_us() - migration->stopped_us) / 1000;
    }
}

void numbers_from_destination(const Migration *migration, const MigrationStats *from_source, MigrationStats *ret_stats)
{
    uint64_t now_ms = (uint64_t)clock_wall_ms();

    *ret_stats = *from_source;
    ret_stats->type = JOB_TYPE_COMPLETED;
    ret_stats->operation = JOB_MIGRATION_IN;
    if (!from_source->sent_ms)
        return;
    ret_stats->has |= STATS_HAS_DELTA;
    ret_stats->delta_ms = migration->finish_wall_ms - (int64_t)from_source->sent_ms;
    if (from_source->started_ms && now_ms > from_source->started_ms)
        ret_stats->time_elapsed_ms = now_ms - from_source->started_ms;
    if (from_source->stopped_ms && now_ms > from_source->stopped_ms) {
        ret_stats->has |= STATS_HAS_DOWNTIME;
        ret_stats->downtime_ms = now_ms - from_source->stopped_ms;
    }
}

AWAITS static gboolean running_stats(Migration *migration, MigrationStats *ret_stats, GError **error)
{
    g_auto(QemuMigrationInfo) info = {0};

    if (migration->side == SIDE_DESTINATION)
        return error_set(error, ERROR_OPERATION_UNSUPPORTED,
                         "Operation not supported: migration statistics are available only on the source host");
    if (migration->status != QEMU_MIGRATION_NONE && handover_qemu(migration) != OWNER_QEMU_DEAD &&
        qemu_query_migrate(migration->domain->guest, &info, NULL)) {
        QemuMigrationInfo older = migration->info;

        migration->info = info;
        info = older; /* to be cleared */
    }
    numbers_from_source(migration, ret_stats);
    ret_stats->type = JOB_TYPE_UNBOUNDED;
    return TRUE;
}

AWAITS gboolean migrate_job_stats(Domain *domain, unsigned flags, int *ret_type, Params *params, GError **error)
{
    Migration *open = migration_of(domain) ?: queue_find(domain);
    g_autoptr(Migration) migration = open ? migration_ref(open) : NULL;
    unsigned others = open ? queue_others(open) : 0;
    MigrationStats stats;

    *ret_type = JOB_TYPE_NONE;
    if (flags & JOB_STATS_COMPLETED) {
        if (!domain->completed_stats)
            return TRUE;
        *ret_type = JOB_TYPE_COMPLETED;
        for (size_t i = 0; i < domain->completed_stats->count; i++)
            params_add_copy(params, &domain->completed_stats->items[i]);
        if (!(flags & JOB_STATS_KEEP_COMPLETED))
            g_clear_pointer(&domain->completed_stats, params_free);
        return TRUE;
    }
    if (!migration || handover_is_in_doubt(migration))
        return TRUE;
    if (!running_stats(migration, &stats, error))
        return FALSE;
    *ret_type = (int)stats.type;
    migration_stats_to_params(&stats, params);
    if (others)
        params_add_ullong(params, PHASE_PARAM_WAITS_FOR, others);
    return TRUE;
}

/* A restart does not begin it again. */
static void note_unwanted(Migration *migration)
{
    g_autoptr(GError) error = NULL;

    migration->journal->is_unwanted = TRUE;
    if (migration->record && !migration_save(migration, &error))
        log_warning("%s, continuing", error->message);
}

AWAITS gboolean migrate_abort(Domain *domain, unsigned flags, GError **error)
{
    Migration *found = migration_of(domain) ?: queue_find(domain);
    g_autoptr(Migration) migration = found ? migration_ref(found) : NULL; /* it may end while this waits its turn to be heard */

    if (!domain_check_active(domain, error))
        return FALSE;
    if (!migration && repeat_give_up(domain))
        return TRUE;
    if (!migration)
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: no job is active on the domain");
    if (migration->side == SIDE_DESTINATION)
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: cannot abort incoming migration; use virDomainDestroy instead");
    if (flags & ABORT_POSTCOPY)
        return postcopy_pause(migration, error);
    if (migration_word(migration) == WORD_GONE)
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: cannot abort migration in post-copy mode: domain '%s' runs on %s, and a "
                         "part of its memory is still here",
                         domain->name, migration->journal->peer);
    if (migration_word(migration) == WORD_GO && ask_is_possible(migration) && migration->answer != HEARD_TAKEN) {
        note_unwanted(migration);
        log_info("domain '%s': %s is asked to give it back", domain->name, migration->journal->peer);
        return handover_hear(migration, HEARD_ABORT, NULL, error);
    }
    if (migration_word(migration) != WORD_OFFERED && !queue_others(migration)) {
        g_autofree char *why = handover_sentence(migration);

        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: too late to abort, domain '%s' has been handed over: %s",
                         domain->name, why);
    }
    g_free(migration->abort_reason);
    migration->abort_reason = g_strdup("canceled by client");
    note_unwanted(migration);
    handover_free_silent(migration);
    migration_interrupt(migration);
    return TRUE;
}
