/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "migrate/reserve.h"

#include "base/error.h"
#include "domain/domain.h"
#include "host/node.h"
#include "qemu/guest.h"

#define MIB (1024 * 1024)

static GHashTable *reservations; /* Migration * (borrowed), to its uint64_t * */

/* A guest that is loading has part of it already. */
static uint64_t outstanding(const Migration *migration, uint64_t bytes)
{
    g_auto(QemuTimes) times = {0};
    uint64_t resident = 0;

    if (migration->domain->guest && qemu_guest_times(migration->domain->guest, &times))
        resident = times.rss_kib * 1024;
    return bytes > resident ? bytes - resident : 0;
}

static uint64_t reserved_bytes(void)
{
    GHashTableIter iter;
    gpointer migration, bytes;
    uint64_t sum = 0;

    if (!reservations)
        return 0;
    g_hash_table_iter_init(&iter, reservations);
    while (g_hash_table_iter_next(&iter, &migration, &bytes))
        sum += outstanding(migration, *(uint64_t *)bytes);
    return sum;
}

gboolean reserve_decide(uint64_t needed_bytes, uint64_t available_bytes, uint64_t reserved, GError **error)
{
    const uint64_t left = available_bytes > reserved ? available_bytes - reserved : 0;

    if (needed_bytes <= left)
        return TRUE;
    if (reserved)
        return error_set(error, ERROR_OPERATION_FAILED,
                         "operation failed: the guest needs %" G_GUINT64_FORMAT " MiB of memory, and this host has %" G_GUINT64_FORMAT
                         " MiB available, of which %" G_GUINT64_FORMAT
                         " MiB are set aside for guests that are on their way here; wait for those, or free some memory",
                         needed_bytes / MIB, available_bytes / MIB, reserved / MIB);
    return error_set(error, ERROR_OPERATION_FAILED,
                     "operation failed: the guest needs %" G_GUINT64_FORMAT " MiB of memory, and this host has %" G_GUINT64_FORMAT
                     " MiB available; free some memory, or choose another host",
                     needed_bytes / MIB, available_bytes / MIB);
}

gboolean reserve_free(uint64_t *ret_free_bytes, uint64_t *ret_reserved_bytes, GError **error)
{
    NodeMemory memory;

    if (!node_memory_stats("", &memory, error))
        return FALSE;
    *ret_free_bytes = (memory.available_kib + memory.swap_free_kib) * 1024;
    *ret_reserved_bytes = reserved_bytes();
    return TRUE;
}

gboolean reserve_take(Migration *migration, uint64_t bytes, GError **error)
{
    uint64_t available, reserved;

    if (!reserve_free(&available, &reserved, error) || !reserve_decide(bytes, available, reserved, error))
        return FALSE;
    if (!reservations)
        reservations = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    g_hash_table_replace(reservations, migration, g_memdup2(&bytes, sizeof bytes));
    return TRUE;
}

void reserve_drop(Migration *migration)
{
    if (reservations)
        g_hash_table_remove(reservations, migration);
}

void reserve_visit(void (*fn)(const Migration *migration, uint64_t bytes, void *data), void *data)
{
    GHashTableIter iter;
    gpointer migration, bytes;

    if (!reservations)
        return;
    g_hash_table_iter_init(&iter, reservations);
    while (g_hash_table_iter_next(&iter, &migration, &bytes))
        fn(migration, *(uint64_t *)bytes, data);
}
