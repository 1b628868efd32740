/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU's side of a migration: thin typed verbs over its monitor.  No decisions here. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "base/params.h"
#include "loop/task.h"

typedef struct QemuGuest QemuGuest;

typedef enum {
    QEMU_MIGRATION_NONE,
    QEMU_MIGRATION_SETUP,
    QEMU_MIGRATION_CANCELLING,
    QEMU_MIGRATION_CANCELLED,
    QEMU_MIGRATION_ACTIVE,
    QEMU_MIGRATION_POSTCOPY_ACTIVE,
    QEMU_MIGRATION_POSTCOPY_PAUSED,
    QEMU_MIGRATION_POSTCOPY_RECOVER,
    QEMU_MIGRATION_COMPLETED,
    QEMU_MIGRATION_FAILED,
    QEMU_MIGRATION_COLO,
    QEMU_MIGRATION_PRE_SWITCHOVER,
    QEMU_MIGRATION_DEVICE,
    QEMU_MIGRATION_WAIT_UNPLUG,
    QEMU_MIGRATION_OTHER, /* a status of a later QEMU: still running, never an error */
} QemuMigrationStatus;

QemuMigrationStatus qemu_migration_status_find(const char *name);

/* query-migrate.  has_…: QEMU gave that group. */
typedef struct {
    QemuMigrationStatus status;
    char *error_desc;      /* or NULL */
    char *blocked_reasons; /* joined with "; ", or NULL: may migrate */
    gboolean has_setup_time, has_downtime, has_expected_downtime;
    uint64_t total_time_ms, setup_time_ms, downtime_ms, expected_downtime_ms;
    gboolean has_ram;
    struct {
        uint64_t total, transferred, remaining;
        uint64_t duplicate, skipped, normal, normal_bytes; /* pages, pages, pages, bytes */
        uint64_t dirty_pages_rate, dirty_sync_count, page_size, pages_per_second;
        uint64_t postcopy_requests, precopy_bytes, downtime_bytes, postcopy_bytes, multifd_bytes;
        double mbps;
    } ram;
    struct {
        uint64_t total, transferred, remaining;
        double mbps;
    } disk;
    struct {
        uint64_t cache_size, bytes, pages, cache_miss, overflow;
    } xbzrle;
    unsigned cpu_throttle_percentage;
} QemuMigrationInfo;

void qemu_migration_info_clear(QemuMigrationInfo *info);
AWAITS gboolean qemu_query_migrate(QemuGuest *guest, QemuMigrationInfo *ret_info, GError **error);

/* Switches on those named, and off all others that this QEMU has of the ones a host manages
 * ("events" stays on).  A name that this QEMU lacks is ERROR_ARGUMENT_UNSUPPORTED: "Migration
 * option 'X' is not supported by QEMU binary". */
AWAITS gboolean qemu_migrate_set_capabilities(QemuGuest *guest, const char *const *enabled,
                                              GError **error);
/* Names and values as QMP has them ("max-bandwidth" ullong, "tls-creds" string, "multifd-channels"
 * int …). */
AWAITS gboolean qemu_migrate_set_parameters(QemuGuest *guest, const Params *params, GError **error);
/* All that QEMU reports, to be written back at the end.  The caller frees. */
AWAITS Params *qemu_migrate_get_parameters(QemuGuest *guest, GError **error);

/* `migrate` to any uri; over a descriptor: getfd, and once that is answered fd:NAME. */
AWAITS gboolean qemu_migrate(QemuGuest *guest, const char *uri, gboolean is_resume, GError **error);
AWAITS gboolean qemu_migrate_fd(QemuGuest *guest, int fd, gboolean is_resume, GError **error);
AWAITS gboolean qemu_migrate_incoming(QemuGuest *guest, const char *uri, GError **error);
AWAITS gboolean qemu_migrate_incoming_fd(QemuGuest *guest, int fd, GError **error);
AWAITS gboolean qemu_migrate_cancel(QemuGuest *guest, GError **error);
/* Postcopy: from the next page on the destination may run; the stream is broken on purpose, on
 * either side; and once both are postcopy-paused the destination gets another one (the source:
 * qemu_migrate_fd with is_resume). */
AWAITS gboolean qemu_migrate_start_postcopy(QemuGuest *guest, GError **error);
AWAITS gboolean qemu_migrate_pause(QemuGuest *guest, GError **error);
/* ERROR_OPERATION_TIMEOUT: it answers no ordinary commands. */
AWAITS gboolean qemu_migrate_recover_fd(QemuGuest *guest, int fd, GError **error);
/* The same at a place of qemu/socket.h, out of band. */
AWAITS gboolean qemu_migrate_recover(QemuGuest *guest, const char *uri, GError **error);
AWAITS gboolean qemu_migrate_continue(QemuGuest *guest, GError **error); /* from pre-switchover */

/* Lets QEMU measure for that long how much memory the guest writes; it samples pages and disturbs
 * nobody.  Then asks: FALSE in *ret_is_ready while it still measures. */
AWAITS gboolean qemu_dirty_rate_start(QemuGuest *guest, unsigned seconds, unsigned pages_per_gib,
                                      GError **error);
AWAITS gboolean qemu_dirty_rate_query(QemuGuest *guest, gboolean *ret_is_ready,
                                      uint64_t *ret_bytes_per_s, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(QemuMigrationInfo, qemu_migration_info_clear)
