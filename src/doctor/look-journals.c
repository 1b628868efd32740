/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The records of migrations: those that cannot be read, those that are open and belong to no guest, and their halves. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "doctor/doctor.h"
#include "domain/domain.h"
#include "domain/registry.h"
#include "migrate/journal.h"
#include "migrate/migration.h"
#include "migrate/record.h"

#define FRESH_S 60 /* what is younger may be in the making */

typedef struct {
    char *id;
    Journal *journal;  /* NULL: it cannot be read */
    char *problem;     /* why */
    char *word_problem; /* why the owner's word cannot be read; NULL: it can */
    gboolean has_json, has_owner;
    gboolean is_pointed_to; /* a guest's newest attempt */
} Record;

typedef struct {
    GHashTable *records; /* id to Record */
    GPtrArray *cut_off;  /* char *: writes that a crash has cut off */
    GPtrArray *attempts; /* Unread: UUID.attempt files that cannot be read */
} Records;

typedef struct {
    char *path;
    char *cause;
} Unread;

static void unread_free(void *data)
{
    Unread *unread = data;

    g_free(unread->path);
    g_free(unread->cause);
    g_free(unread);
}

static void record_free(void *data)
{
    Record *record = data;

    g_free(record->id);
    journal_free(record->journal);
    g_free(record->problem);
    g_free(record->word_problem);
    g_free(record);
}

/* --- reading, off the floor --- */

/* ID.json and ID.owner.  NULL: it is no such name. */
static char *id_of(const char *name, const char *suffix)
{
    return g_str_has_suffix(name, suffix) && strlen(name) == ATTEMPT_ID_SIZE - 1 + strlen(suffix)
               ? g_strndup(name, ATTEMPT_ID_SIZE - 1)
               : NULL;
}

static Record *get_record(GHashTable *records, const char *id)
{
    Record *record = g_hash_table_lookup(records, id);

    if (!record) {
        record = g_new0(Record, 1);
        record->id = g_strdup(id);
        g_hash_table_insert(records, record->id, record);
    }
    return record;
}

static void read_record(Record *record, const char *dir)
{
    g_autofree char *owner = g_strdup_printf("%s/%s.owner", dir, record->id);
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) word_error = NULL;
    g_autoptr(OwnerRecord) word = NULL;

    if (record->has_json) {
        record->journal = journal_load(dir, record->id, &error);
        record->problem = error ? g_strdup(error->message) : NULL;
    }
    if (record->has_owner) {
        word = owner_record_open(owner, &word_error);
        record->word_problem = word_error ? g_strdup(word_error->message) : NULL;
    }
}

static void read_folder(Records *all, const char *dir)
{
    g_autoptr(GDir) folder = g_dir_open(dir, 0, NULL);
    GHashTableIter iter;
    gpointer record;

    for (const char *name; folder && (name = g_dir_read_name(folder));) {
        g_autofree char *json = id_of(name, ".json");
        g_autofree char *owner = id_of(name, ".owner");
        g_autofree char *path = g_build_filename(dir, name, NULL);

        if (json)
            get_record(all->records, json)->has_json = TRUE;
        else if (owner)
            get_record(all->records, owner)->has_owner = TRUE;
        else if (g_str_has_suffix(name, ".json.new") && !doctor_is_fresh(path, FRESH_S))
            g_ptr_array_add(all->cut_off, g_steal_pointer(&path));
    }
    g_hash_table_iter_init(&iter, all->records);
    while (g_hash_table_iter_next(&iter, NULL, &record))
        read_record(record, dir);
}

static void add_unread(Records *all, char *path, const Attempt *attempt)
{
    Unread *unread = g_new(Unread, 1);

    unread->path = path;
    unread->cause = attempt ? g_strdup_printf("cannot be read: %s; the guest does not migrate before that", attempt->newer->message)
                            : g_strdup("cannot be read: which host owns the guest, and by which migration, is not known here; look at "
                                       "the other hosts before you start it");
    g_ptr_array_add(all->attempts, unread);
}

static void read_attempts(Records *all, const char *domains)
{
    g_autoptr(GDir) folder = g_dir_open(domains, 0, NULL);
    Uuid uuid;

    for (const char *name; folder && (name = g_dir_read_name(folder));) {
        g_autofree char *text = g_str_has_suffix(name, ".attempt") ? g_strndup(name, strlen(name) - strlen(".attempt")) : NULL;
        g_autoptr(Attempt) attempt = NULL;
        Record *record;

        if (!text || !uuid_parse(text, &uuid))
            continue;
        attempt = attempt_read(domains, &uuid);
        record = attempt ? g_hash_table_lookup(all->records, attempt->id) : NULL;
        if (record)
            record->is_pointed_to = TRUE;
        if (!attempt || attempt->newer)
            add_unread(all, g_build_filename(domains, name, NULL), attempt);
    }
}

/* --- what is made of them --- */

static char *file_of(const char *dir, const Record *record, const char *suffix)
{
    return g_strdup_printf("%s/%s%s", dir, record->id, suffix);
}

static Finding *add(Doctor *doctor, FindingKind kind, const char *dir, const Record *record, const char *what, const char *cause)
{
    Finding *finding = findings_add(doctor->findings, kind, what, "%s", cause);

    finding->where = file_of(dir, record, record->has_json ? ".json" : ".owner");
    finding->guest = g_strdup(record->journal ? record->journal->name : NULL);
    return finding;
}

static void add_unreadable(Doctor *doctor, const char *dir, const Record *record, const char *problem)
{
    g_autofree char *cause = g_strdup_printf("cannot be read: %s%s", problem,
                                             record->is_pointed_to
                                                 ? "; it decides who owns the guest, which is taken for the most cautious it "
                                                   "may have been"
                                                 : "");

    add(doctor, FINDING_PERSON, dir, record, "record of a migration", cause);
}

static gboolean is_attached(const Record *record)
{
    const Domain *domain = registry_peek_uuid(&record->journal->uuid);
    const Migration *migration = domain ? domain->migration : NULL;

    return migration && g_str_equal(migration->journal->id, record->id);
}

static void add_open(Doctor *doctor, const char *dir, const Record *record)
{
    g_autofree char *json = file_of(dir, record, ".json");
    g_autofree char *owner = file_of(dir, record, ".owner");
    Finding *finding;

    if (is_attached(record)) {
        if (doctor->wants_used)
            add(doctor, FINDING_USED, dir, record, "record of a migration", "is that of a migration that is open");
    } else if (doctor_is_fresh(json, FRESH_S)) {
        return; /* just begun, or just ended */
    } else if (!record->is_pointed_to) {
        finding = add(doctor, FINDING_LEFTOVER, dir, record, "record of a migration",
                      "is open, but the guest has moved on since: its end could not be written");
        finding->command = finding_command("rm -f", json, owner, NULL);
    } else {
        finding = add(doctor, FINDING_PERSON, dir, record, "record of a migration",
                      "is open, and no guest of this host belongs to it: the log of the start of the daemon says why");
        finding->host = g_strdup(record->journal->peer);
        finding->command = g_strdup("systemctl restart ferryd");
    }
}

static void add_record(Doctor *doctor, const char *dir, const Record *record)
{
    g_autofree char *owner = file_of(dir, record, ".owner");
    const char *problem = record->problem ?: record->word_problem;

    if (!record->has_json && !record->is_pointed_to) {
        if (!doctor_is_fresh(owner, FRESH_S))
            add(doctor, FINDING_LEFTOVER, dir, record, "word of a migration", "its record is gone")->command =
                finding_command("rm", owner, NULL);
    } else if (problem || !record->has_json) {
        add_unreadable(doctor, dir, record, problem ?: "only the owner's word is there");
    } else if (journal_is_open(record->journal)) {
        add_open(doctor, dir, record);
    }
}

static int by_id(const void *a, const void *b)
{
    return strcmp((*(Record *const *)a)->id, (*(Record *const *)b)->id);
}

static void tell(Doctor *doctor, const Records *all, const char *dir)
{
    g_autoptr(GPtrArray) sorted = g_ptr_array_new();
    GHashTableIter iter;
    gpointer record;

    g_hash_table_iter_init(&iter, all->records);
    while (g_hash_table_iter_next(&iter, NULL, &record))
        g_ptr_array_add(sorted, record);
    g_ptr_array_sort(sorted, by_id);
    for (unsigned i = 0; i < sorted->len; i++)
        add_record(doctor, dir, sorted->pdata[i]);
    for (unsigned i = 0; i < all->cut_off->len; i++) {
        Finding *finding = findings_add(doctor->findings, FINDING_LEFTOVER, "record of a migration", "was being written when the daemon ended");

        finding->where = g_strdup(all->cut_off->pdata[i]);
        finding->command = finding_command("rm", finding->where, NULL);
    }
    for (unsigned i = 0; i < all->attempts->len; i++) {
        const Unread *unread = all->attempts->pdata[i];

        findings_add(doctor->findings, FINDING_PERSON, "generation of a guest", "%s", unread->cause)->where = g_strdup(unread->path);
    }
}

AWAITS void look_journals(Doctor *doctor)
{
    g_autofree char *dir = migrate_dir();
    g_autofree char *domains = migrate_domains_dir();
    Records all = {.records = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, record_free),
                   .cut_off = g_ptr_array_new_with_free_func(g_free),
                   .attempts = g_ptr_array_new_with_free_func(unread_free)};

    off_floor {
        read_folder(&all, dir);
        read_attempts(&all, domains);
    }
    tell(doctor, &all, dir);
    g_hash_table_unref(all.records);
    g_ptr_array_unref(all.cut_off);
    g_ptr_array_unref(all.attempts);
}
