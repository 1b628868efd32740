/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The journal.  One table of fields reads and writes the file. */
#include "migrate/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/number.h"

#define JOURNAL_VERSION 1
#define JOURNAL_MAX (4 << 20)

typedef enum { FIELD_STRING, FIELD_UUID, FIELD_U64, FIELD_I64, FIELD_BOOL, FIELD_SIDE } FieldKind;

static const EnumName side_names[] = {{"source", SIDE_SOURCE}, {"destination", SIDE_DESTINATION}, {NULL}};

#define FIELD(kind, member) {#member, FIELD_##kind, G_STRUCT_OFFSET(Journal, member)}
static const struct {
    const char *name;
    FieldKind kind;
    size_t offset;
} fields[] = {
    FIELD(STRING, id),         FIELD(SIDE, side),         FIELD(UUID, uuid),        FIELD(STRING, name),
    FIELD(STRING, source_name), FIELD(U64, epoch),        FIELD(UUID, peer_host),   FIELD(STRING, peer),
    FIELD(STRING, token),      FIELD(U64, flags),         FIELD(STRING, definition), FIELD(BOOL, is_paused),
    FIELD(STRING, given_to),   FIELD(BOOL, has_left),    FIELD(BOOL, was_defined),  FIELD(STRING, phase),      FIELD(STRING, step),      FIELD(STRING, steps_done),
    FIELD(STRING, address),    FIELD(I64, started_ms),    FIELD(I64, ended_ms),     FIELD(STRING, outcome),
    FIELD(STRING, cause),      FIELD(STRING, way),        FIELD(STRING, reach),     FIELD(U64, port),
    FIELD(STRING, lanes),      FIELD(BOOL, is_carried),   FIELD(STRING, peer_uri),   FIELD(BOOL, is_over),
    FIELD(STRING, params),     FIELD(STRING, repeats),    FIELD(U64, restarts),      FIELD(STRING, reclaims),  FIELD(BOOL, is_unwanted), FIELD(U64, rival_epoch),
    FIELD(BOOL, has_yielded),  FIELD(BOOL, has_fallen),   FIELD(BOOL, wants_switch),
};
#undef FIELD

static char *random_hex(size_t len)
{
    guint8 bytes[TOKEN_SIZE];

    g_assert(len <= sizeof bytes && getrandom(bytes, len, 0) == (ssize_t)len);
    return hex_format(bytes, len);
}

Journal *journal_new(OwnerSide side, const Uuid *uuid, const char *name, uint64_t epoch)
{
    Journal *journal = g_new0(Journal, 1);

    journal->id = random_hex(16);
    journal->token = random_hex(TOKEN_SIZE);
    journal->side = side;
    journal->uuid = *uuid;
    journal->name = g_strdup(name);
    journal->epoch = epoch;
    journal->started_ms = clock_wall_ms();
    return journal;
}

void journal_free(Journal *journal)
{
    if (!journal)
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++)
        if (fields[i].kind == FIELD_STRING)
            g_free(G_STRUCT_MEMBER(char *, journal, fields[i].offset));
    g_free(journal);
}

gboolean journal_is_open(const Journal *journal)
{
    return journal->ended_ms == 0;
}

static json_object *field_format(const Journal *journal, size_t i)
{
    const void *at = G_STRUCT_MEMBER_P(journal, fields[i].offset);
    const Uuid *uuid = at;
    char buffer[UUID_TEXT_SIZE];

    switch (fields[i].kind) {
    case FIELD_STRING:
        return *(char *const *)at ? json_object_new_string(*(char *const *)at) : NULL;
    case FIELD_UUID:
        return uuid_is_null(uuid) ? NULL : json_object_new_string(uuid_format(uuid, buffer));
    case FIELD_U64:
        return json_object_new_uint64(*(const uint64_t *)at);
    case FIELD_I64:
        return json_object_new_int64(*(const int64_t *)at);
    case FIELD_BOOL:
        return *(const gboolean *)at ? json_object_new_boolean(TRUE) : NULL; /* an older daemon reads what has none of the newer ones */
    case FIELD_SIDE:
        return json_object_new_string(enum_name(side_names, *(const int *)at));
    }
    return NULL;
}

static gboolean field_parse(Journal *journal, size_t i, json_object *value)
{
    void *at = G_STRUCT_MEMBER_P(journal, fields[i].offset);

    switch (fields[i].kind) {
    case FIELD_STRING:
        if (!json_object_is_type(value, json_type_string))
            return FALSE;
        g_free(*(char **)at);
        *(char **)at = g_strdup(json_object_get_string(value));
        return TRUE;
    case FIELD_UUID:
        return uuid_parse(json_object_get_string(value), at);
    case FIELD_U64:
        *(uint64_t *)at = json_object_get_uint64(value);
        return json_object_is_type(value, json_type_int);
    case FIELD_I64:
        *(int64_t *)at = json_object_get_int64(value);
        return json_object_is_type(value, json_type_int);
    case FIELD_BOOL:
        *(gboolean *)at = json_object_get_boolean(value);
        return json_object_is_type(value, json_type_boolean);
    case FIELD_SIDE:
        return enum_find(side_names, json_object_get_string(value), at);
    }
    return FALSE;
}

char *journal_format(const Journal *journal)
{
    json_object *root = json_object_new_object();
    char *text;

    json_object_object_add(root, "version", json_object_new_int(JOURNAL_VERSION));
    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
        json_object *value = field_format(journal, i);

        if (value)
            json_object_object_add(root, fields[i].name, value);
    }
    text = g_strconcat(
        json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE), "\n", NULL);
    json_object_put(root);
    return text;
}

static gboolean is_journal_key(const char *key)
{
    gboolean is_known = g_str_equal(key, "version");

    for (size_t i = 0; i < G_N_ELEMENTS(fields) && !is_known; i++)
        is_known = g_str_equal(key, fields[i].name);
    return is_known;
}

static gboolean is_attempt_key(const char *key)
{
    static const char *const keys[] = {"attempt", "epoch", "peer", NULL};

    return g_strv_contains(keys, key);
}

/* A field that this daemon does not know may be the one that decides. */
static gboolean check_known(json_object *root, gboolean (*is_known)(const char *key), GError **error)
{
    json_object_object_foreach(root, key, value)
    {
        (void)value;
        if (!is_known(key))
            return error_set(error, ERROR_CONFIG_UNSUPPORTED,
                             "a newer ferryd has written it: this one does not know its field '%.64s'; start the newer one again", key);
    }
    return TRUE;
}

static gboolean parse_fields(Journal *journal, json_object *root, GError **error)
{
    json_object *version = NULL;

    if (!json_object_is_type(root, json_type_object) || !json_object_object_get_ex(root, "version", &version))
        return error_set(error, ERROR_INTERNAL_ERROR, "not a migration journal");
    if (json_object_get_int(version) != JOURNAL_VERSION)
        return error_set(error, ERROR_CONFIG_UNSUPPORTED, "a newer ferryd has written it, as version %d: this one reads version %d only; start the newer one again",
                         json_object_get_int(version), JOURNAL_VERSION);
    if (!check_known(root, is_journal_key, error))
        return FALSE;
    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
        json_object *value = NULL;

        if (json_object_object_get_ex(root, fields[i].name, &value) && !field_parse(journal, i, value))
            return error_set(error, ERROR_INTERNAL_ERROR, "journal field '%s' is malformed", fields[i].name);
    }
    if (journal->outcome && !enum_find(owner_word_names, journal->outcome, &(int){0}))
        return error_set(error, ERROR_CONFIG_UNSUPPORTED,
                         "a newer ferryd has written it: this one does not know its outcome '%.64s'; start the newer one again", journal->outcome);
    if (!journal->id || strlen(journal->id) != ATTEMPT_ID_SIZE - 1 || !journal->name)
        return error_set(error, ERROR_INTERNAL_ERROR, "journal without an attempt or a guest");
    return TRUE;
}

Journal *journal_parse(const char *text, GError **error)
{
    g_autoptr(Journal) journal = g_new0(Journal, 1);
    json_object *root = json_tokener_parse(text);
    gboolean is_good = parse_fields(journal, root, error);

    json_object_put(root);
    return is_good ? g_steal_pointer(&journal) : NULL;
}

static char *journal_path(const char *dir, const char *id)
{
    return g_strdup_printf("%s/%s.json", dir, id);
}

gboolean journal_save(const Journal *journal, const char *dir, GError **error)
{
    g_autofree char *path = journal_path(dir, journal->id);
    g_autofree char *temp = g_strconcat(path, ".new", NULL);
    g_autofree char *text = journal_format(journal);
    size_t len = strlen(text);
    auto_fd int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd >= 0 && write(fd, text, len) == (ssize_t)len && rename(temp, path) == 0)
        return TRUE;
    error_errno(error, "cannot write journal '%s'", path);
    if (fd >= 0)
        unlink(temp); /* half of it is no use, and takes room */
    return FALSE;
}

gboolean journal_sync(const Journal *journal, const char *dir, GError **error)
{
    g_autofree char *path = journal_path(dir, journal->id);
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) < 0)
        return error_errno(error, "cannot sync journal '%s'", path);
    return file_sync_dir_of(path, error);
}

Journal *journal_load(const char *dir, const char *id, GError **error)
{
    g_autofree char *path = journal_path(dir, id);
    g_autofree char *text = file_read(path, JOURNAL_MAX, NULL, error);
    g_autoptr(Journal) journal = text ? journal_parse(text, error) : NULL;

    if (text && !journal)
        g_prefix_error(error, "'%s': ", path);
    return g_steal_pointer(&journal);
}

gboolean journal_exists(const char *dir, const char *id)
{
    g_autofree char *path = journal_path(dir, id);

    return access(path, F_OK) == 0;
}

GPtrArray *journal_list(const char *dir)
{
    GPtrArray *ids = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) folder = g_dir_open(dir, 0, NULL);
    const char *name;

    while (folder && (name = g_dir_read_name(folder)))
        if (g_str_has_suffix(name, ".json") && strlen(name) == ATTEMPT_ID_SIZE - 1 + strlen(".json"))
            g_ptr_array_add(ids, g_strndup(name, ATTEMPT_ID_SIZE - 1));
    return ids;
}

static char *attempt_path(const char *dir, const Uuid *uuid)
{
    char text[UUID_TEXT_SIZE];

    return g_strdup_printf("%s/%s.attempt", dir, uuid_format(uuid, text));
}

gboolean attempt_write(const char *dir, const Uuid *uuid, const Journal *journal, GError **error)
{
    g_autofree char *path = attempt_path(dir, uuid);
    g_autoptr(Attempt) last = attempt_read(dir, uuid);
    json_object *root = json_object_new_object();
    const char *text;
    gboolean is_written;

    json_object_object_add(root, "attempt", json_object_new_string(journal->id));
    json_object_object_add(root, "epoch", json_object_new_uint64(MAX(journal->epoch, last ? last->epoch : 0)));
    if (journal->peer)
        json_object_object_add(root, "peer", json_object_new_string(journal->peer));
    text = json_object_to_json_string_ext(root, JSON_C_TO_STRING_NOSLASHESCAPE);
    is_written = file_write_atomic(path, text, strlen(text), 0600, error);
    json_object_put(root);
    return is_written;
}

Attempt *attempt_read(const char *dir, const Uuid *uuid)
{
    g_autofree char *path = attempt_path(dir, uuid);
    g_autofree char *text = file_read(path, 4096, NULL, NULL);
    json_object *root = text ? json_tokener_parse(text) : NULL, *id = NULL, *epoch = NULL, *peer = NULL;
    Attempt *attempt = NULL;

    if (root && json_object_object_get_ex(root, "attempt", &id) && json_object_object_get_ex(root, "epoch", &epoch) &&
        json_object_get_string_len(id) == ATTEMPT_ID_SIZE - 1) {
        attempt = g_new0(Attempt, 1);
        attempt->id = g_strdup(json_object_get_string(id));
        attempt->epoch = json_object_get_uint64(epoch);
        if (json_object_object_get_ex(root, "peer", &peer))
            attempt->peer = g_strdup(json_object_get_string(peer));
        if (!check_known(root, is_attempt_key, &attempt->newer))
            g_prefix_error(&attempt->newer, "'%s': ", path);
    }
    json_object_put(root);
    return attempt;
}

void attempt_free(Attempt *attempt)
{
    if (!attempt)
        return;
    g_free(attempt->id);
    g_free(attempt->peer);
    g_clear_error(&attempt->newer);
    g_free(attempt);
}

gboolean attempt_check(const Attempt *last, GError **error)
{
    if (last && last->newer)
        g_propagate_error(error, g_error_copy(last->newer));
    return !last || !last->newer;
}

gboolean attempt_next_epoch(const Attempt *last, const char *name, uint64_t *ret_epoch, GError **error)
{
    if (!attempt_check(last, error))
        return FALSE;
    if (last && last->epoch == UINT64_MAX)
        return error_set(error, ERROR_OPERATION_FAILED,
                         "operation failed: domain '%s' has no generation after %" G_GUINT64_FORMAT
                         ": no guest has moved that often, its record was damaged or made up: copy its definition to a new "
                         "uuid",
                         name, last->epoch);
    *ret_epoch = last ? last->epoch + 1 : 1;
    return TRUE;
}

/* --- history --- */

static gboolean is_pointed_to(const char *domains, const Journal *journal)
{
    g_autofree char *path = attempt_path(domains, &journal->uuid);
    g_autoptr(Attempt) attempt = attempt_read(domains, &journal->uuid);

    return attempt ? strcmp(attempt->id, journal->id) == 0 : access(path, F_OK) == 0;
}

/* Open, but without a word: the daemon ended between the two, and nothing was announced yet. */
static gboolean was_never_announced(const char *owner_path, const Journal *journal)
{
    return journal_is_open(journal) && access(owner_path, F_OK) < 0 && errno == ENOENT;
}

/* The word first: history without its word is found again at the next start, a word alone would lie there for ever. */
gboolean journal_remove(const char *dir, const char *id)
{
    g_autofree char *owner = g_strdup_printf("%s/%s.owner", dir, id);
    g_autofree char *path = journal_path(dir, id);

    return (unlink(owner) == 0 || errno == ENOENT) && unlink(path) == 0;
}

static int newest_first(const void *a, const void *b)
{
    const Journal *left = *(Journal *const *)a, *right = *(Journal *const *)b;

    return left->ended_ms < right->ended_ms ? 1 : left->ended_ms > right->ended_ms ? -1 : 0;
}

/* What a save was writing when the daemon ended. */
static void remove_unfinished(const char *dir)
{
    g_autoptr(GDir) folder = g_dir_open(dir, 0, NULL);
    const char *name;

    while (folder && (name = g_dir_read_name(folder))) {
        g_autofree char *path = g_build_filename(dir, name, NULL);

        if (g_str_has_suffix(name, ".json.new"))
            unlink(path);
    }
}

unsigned journal_prune(const char *dir, const char *domains, unsigned keep, gboolean is_quiet)
{
    g_autoptr(GPtrArray) ids = journal_list(dir);
    g_autoptr(GPtrArray) ended = g_ptr_array_new_with_free_func((GDestroyNotify)journal_free);
    unsigned removed = 0;

    if (is_quiet)
        remove_unfinished(dir);
    for (unsigned i = 0; i < ids->len; i++) {
        g_autoptr(Journal) journal = journal_load(dir, ids->pdata[i], NULL);
        g_autofree char *owner = g_strdup_printf("%s/%s.owner", dir, (const char *)ids->pdata[i]);

        if (!journal || strcmp(journal->id, ids->pdata[i]) != 0 || is_pointed_to(domains, journal))
            continue;
        if (is_quiet && was_never_announced(owner, journal))
            removed += journal_remove(dir, journal->id);
        else if (!journal_is_open(journal))
            g_ptr_array_add(ended, g_steal_pointer(&journal));
    }
    g_ptr_array_sort(ended, newest_first);
    for (unsigned i = keep; i < ended->len; i++)
        removed += journal_remove(dir, ((Journal *)ended->pdata[i])->id);
    return removed;
}
