/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "migrate/list.h"

#include <sys/stat.h>

#include "domain/registry.h"
#include "migrate/handover.h"
#include "migrate/migration.h"
#include "migrate/queue.h"
#include "migrate/repeat.h"
#include "migrate/rival.h"

/* --- the sentences --- */

/* %s: the other host. */
static const struct {
    OwnerWord word;
    const char *format;
} endings[] = {
    {WORD_KEPT, "stayed here; it did not go to %s"},
    {WORD_GONE, "left; %s has it"},
    {WORD_CRASHED, "was lost on its way to %s; it is shut off here"},
    {WORD_TAKEN, "came here from %s"},
    {WORD_REFUSED, "never ran here; %s kept it"},
    {WORD_LOST, "is not here any more, nor was it proven that it never ran here; %s decides"},
};

/* What became of the guest by an ended migration; the caller frees it. */
static char *end_sentence(OwnerSide side, OwnerWord word, const char *peer)
{
    for (size_t i = 0; i < G_N_ELEMENTS(endings); i++)
        if (endings[i].word == word) {
            g_auto(GStrv) parts = g_strsplit(endings[i].format, "%s", 2);

            return g_strjoinv(peer ?: "the other host", parts);
        }
    return g_strdup(side == SIDE_SOURCE ? "ended before the other host was asked: the guest stayed here"
                                        : "ended before anything was promised: the guest never came here");
}

static char *way_sentence(const Migration *migration)
{
    const char *peer = migration->journal->peer ?: "the other host";

    if (migration->is_ended)
        return g_strdup_printf("to be begun again to %s, as its daemon was restarted", peer);
    return migration->side == SIDE_SOURCE ? g_strdup_printf("on its way to %s", peer)
                                          : g_strdup_printf("coming from %s", peer);
}

/* --- rows --- */

void migration_row_free(MigrationRow *row)
{
    if (!row)
        return;
    g_free(row->id);
    g_free(row->name);
    g_free(row->peer);
    g_free(row->phase);
    g_free(row->heard);
    g_free(row->sentence);
    g_free(row->cause);
    g_free(row);
}

/* When the newest word was written: the file has its place already, so nothing else touches it. */
static int64_t word_ms(const char *dir, const char *id)
{
    g_autofree char *path = g_strdup_printf("%s/%s.owner", dir, id);
    struct stat status;

    return stat(path, &status) == 0 ? (int64_t)status.st_mtim.tv_sec * 1000 + status.st_mtim.tv_nsec / 1000000 : 0;
}

static MigrationRow *row_new(const Journal *journal, const char *dir)
{
    MigrationRow *row = g_new0(MigrationRow, 1);

    row->id = g_strdup(journal->id);
    row->name = g_strdup(journal->name);
    row->uuid = journal->uuid;
    row->epoch = journal->epoch;
    row->is_outgoing = journal->side == SIDE_SOURCE;
    row->peer = g_strdup(journal->peer);
    row->started_ms = journal->started_ms;
    row->ended_ms = journal->ended_ms;
    row->cause = g_strdup(journal->cause);
    row->since_ms = word_ms(dir, journal->id);
    return row;
}

static MigrationRow *row_of_open(const Migration *migration, const char *dir)
{
    MigrationRow *row = row_new(migration->journal, dir);
    const gboolean is_waiting = handover_is_in_doubt(migration);

    if (migration->ask.peer_word != WORD_NONE) {
        row->heard = g_strdup(enum_name(owner_word_names, migration->ask.peer_word));
        row->heard_ms = migration->ask.heard_wall_ms;
    }
    row->state = is_waiting ? MIGRATION_WAITING : MIGRATION_ACTIVE;
    row->word = enum_name(owner_word_names, migration_word(migration));
    row->phase = g_strdup(migration->journal->phase);
    row->sentence = is_waiting ? handover_sentence(migration)
                               : queue_sentence(migration->domain) ?: handover_stuck_note(migration) ?: way_sentence(migration);
    return row;
}

static MigrationRow *row_of_ended(const Journal *journal, const char *dir)
{
    MigrationRow *row = row_new(journal, dir);
    int word = WORD_NONE;

    if (journal->outcome)
        enum_find(owner_word_names, journal->outcome, &word);
    row->state = MIGRATION_ENDED;
    row->word = enum_name(owner_word_names, word);
    row->sentence = end_sentence((OwnerSide)journal->side, (OwnerWord)word, journal->peer);
    return row;
}

/* --- the list --- */

typedef struct {
    const char *guest;
    Uuid uuid;
    gboolean has_uuid;
} Wanted;

static gboolean is_wanted(const Wanted *wanted, const Journal *journal)
{
    return !wanted->guest || g_str_equal(wanted->guest, journal->name) ||
           (wanted->has_uuid && uuid_equal(&wanted->uuid, &journal->uuid));
}

/* What is under way, queued, or ended and yet for a person to decide. */
static const Migration *open_of(Domain *domain)
{
    const Migration *migration = migration_of(domain) ?: queue_find(domain) ?: repeat_of(domain);

    if (!migration && domain->migration && rival_is_open(domain->migration))
        migration = domain->migration;
    return migration;
}

static void add_open(GPtrArray *rows, const Wanted *wanted, const char *dir, GHashTable *seen)
{
    g_autoptr(GPtrArray) all = registry_list(0);

    for (unsigned i = 0; i < all->len; i++) {
        const Migration *migration = open_of(all->pdata[i]);

        if (!migration || !is_wanted(wanted, migration->journal))
            continue;
        g_ptr_array_add(rows, row_of_open(migration, dir));
        g_hash_table_add(seen, g_strdup(migration->journal->id));
    }
}

/* Off the floor.  What cannot be read is no history; `ferry doctor` says so. */
static void add_ended(GPtrArray *rows, const Wanted *wanted, const char *dir, GHashTable *seen)
{
    g_autoptr(GPtrArray) ids = journal_list(dir);

    for (unsigned i = 0; i < ids->len; i++) {
        g_autoptr(Journal) journal = NULL;

        if (g_hash_table_contains(seen, ids->pdata[i]))
            continue;
        journal = journal_load(dir, ids->pdata[i], NULL);
        if (journal && (!journal_is_open(journal) || journal->outcome) && is_wanted(wanted, journal))
            g_ptr_array_add(rows, row_of_ended(journal, dir));
    }
}

static int in_order(const void *a, const void *b)
{
    const MigrationRow *left = *(MigrationRow *const *)a, *right = *(MigrationRow *const *)b;

    if ((left->state == MIGRATION_ENDED) != (right->state == MIGRATION_ENDED))
        return left->state == MIGRATION_ENDED ? 1 : -1;
    if (left->state == MIGRATION_ENDED && left->ended_ms != right->ended_ms)
        return left->ended_ms < right->ended_ms ? 1 : -1;
    return left->started_ms < right->started_ms ? 1 : left->started_ms > right->started_ms ? -1 : 0;
}

AWAITS GPtrArray *migration_list(const char *guest, gboolean wants_ended)
{
    GPtrArray *rows = g_ptr_array_new_with_free_func((GDestroyNotify)migration_row_free);
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autofree char *dir = migrate_dir();
    Wanted wanted = {.guest = guest};

    wanted.has_uuid = guest && uuid_parse(guest, &wanted.uuid);
    add_open(rows, &wanted, dir, seen);
    if (wants_ended) {
        off_floor {
            add_ended(rows, &wanted, dir, seen);
        }
    }
    g_ptr_array_sort(rows, in_order);
    if (rows->len > MIGRATION_ROWS_MAX)
        g_ptr_array_set_size(rows, MIGRATION_ROWS_MAX);
    return rows;
}
