/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of domains.  File names are percent-encoded names where they fit and the uuid where they do
 * not; the name inside is the truth.  Nothing here decides anything. */
#include "domain/store.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "domain/domain.h"
#include "domain/registry.h"
#include "model/guest-def.h"
#include "qemu/guest.h"
#include "qemu/note.h"

#define DEFINITION_MAX (1024 * 1024)
#define STATUS_MAX     (4 * 1024 * 1024)
#define STATUS_VERSION 1
#define FILE_STEM_MAX  240 /* leaves room for a suffix within NAME_MAX */

#define READERS_MAX      4  /* threads that read definitions at start-up, ours included */
#define READER_MIN_SHARE 50 /* definitions that pay for one more */

/* ".xml" and ".autostart" must agree on the stem also for names that are too long when encoded. */
static char *file_stem(const char *name)
{
    g_autofree char *encoded = name_encode(name);

    if (strlen(encoded) <= FILE_STEM_MAX)
        return g_steal_pointer(&encoded);
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, name, -1);
    return g_strdup_printf("%.64s%%%s", encoded, digest);
}

static char *store_path(const char *state_dir, const char *name, const char *suffix)
{
    g_autofree char *stem = file_stem(name);

    return g_strconcat(state_dir, "/domains/", stem, suffix, NULL);
}

char *store_definition_path(const char *state_dir, const char *name)
{
    return store_path(state_dir, name, ".xml");
}

char *store_autostart_path(const char *state_dir, const char *name)
{
    return store_path(state_dir, name, ".autostart");
}

static const char *state_dir(void)
{
    return registry_settings()->qemu->state_dir;
}

AWAITS gboolean store_write_definition(const GuestDef *definition, GError **error)
{
    g_autofree char *path = store_definition_path(state_dir(), definition->name);
    g_autofree char *dir = g_path_get_dirname(path);
    g_autofree char *xml =
        guest_def_format(definition, GUEST_FORMAT_INACTIVE | GUEST_FORMAT_SECURE);
    gboolean ok = FALSE;

    off_floor {
        ok = dir_make(dir, 0700, error) && file_write_atomic(path, xml, strlen(xml), 0600, error);
    }
    return ok;
}

AWAITS gboolean store_remove_definition(const char *name, GError **error)
{
    g_autofree char *marker = store_autostart_path(state_dir(), name);
    g_autofree char *path = store_definition_path(state_dir(), name);
    gboolean ok = FALSE;

    /* The marker first: a marker without a definition would start a later domain of the same name.
     */
    off_floor {
        ok = file_remove(marker, error) && file_remove(path, error);
    }
    return ok;
}

AWAITS gboolean store_set_autostart(const char *name, gboolean is_on, GError **error)
{
    g_autofree char *path = store_autostart_path(state_dir(), name);
    gboolean ok = FALSE;

    off_floor {
        ok = is_on ? file_write_atomic(path, "", 0, 0600, error) : file_remove(path, error);
    }
    return ok;
}

static void stored_definition_free(StoredDefinition *stored)
{
    g_free(stored->name);
    g_free(stored->path);
    guest_def_free(stored->definition);
    g_free(stored);
}

/* What the folder holds, and what is made of it.  Reading a definition is pure work on one file, so
 * threads share the list; each takes the next path that nobody has taken. */
typedef struct {
    GPtrArray *paths;        /* char * */
    GHashTable *markers;     /* names of *.autostart files */
    StoredDefinition **read; /* one per path; NULL: could not be read */
    int next;
} Reading;

static void reading_clear(Reading *reading)
{
    g_ptr_array_unref(reading->paths);
    g_hash_table_unref(reading->markers);
    g_free(reading->read);
}

static StoredDefinition *read_definition(const Reading *reading, const char *path)
{
    g_autoptr(GError) error = NULL;
    size_t len = 0;
    g_autofree char *xml = file_read(path, DEFINITION_MAX, &len, &error);
    g_autoptr(GuestDef) definition =
        xml ? guest_def_parse(xml, len, GUEST_PARSE_INACTIVE, &error) : NULL;

    if (!definition) {
        log_error("the definition '%s' cannot be read and is left out: %s", path, error->message);
        return NULL;
    }
    StoredDefinition *stored = g_new0(StoredDefinition, 1);
    g_autofree char *stem = file_stem(definition->name);
    g_autofree char *marker = g_strconcat(stem, ".autostart", NULL);
    stored->name = g_strdup(definition->name);
    stored->path = g_strdup(path);
    stored->is_autostart = g_hash_table_contains(reading->markers, marker);
    stored->definition = g_steal_pointer(&definition);
    return stored;
}

static gboolean list_folder(Reading *reading, const char *folder, GError **error)
{
    g_autoptr(GDir) dir = dir_make(folder, 0700, error) ? g_dir_open(folder, 0, error) : NULL;

    if (!dir)
        return FALSE;
    for (const char *name; (name = g_dir_read_name(dir));) {
        g_autofree char *path = g_build_filename(folder, name, NULL);

        if (g_str_has_suffix(name, ".xml.new")) /* a write that was cut off */
            unlink(path);
        else if (g_str_has_suffix(name, ".autostart"))
            g_hash_table_add(reading->markers, g_strdup(name));
        else if (g_str_has_suffix(name, ".xml") && *name != '.')
            g_ptr_array_add(reading->paths, g_steal_pointer(&path));
    }
    return TRUE;
}

static void *read_some(void *data)
{
    Reading *reading = data;

    for (unsigned i; (i = (unsigned)g_atomic_int_add(&reading->next, 1)) < reading->paths->len;)
        reading->read[i] = read_definition(reading, reading->paths->pdata[i]);
    return NULL;
}

/* Off the floor. */
static void read_all(Reading *reading)
{
    const unsigned helpers =
        MIN(MIN(g_get_num_processors(), READERS_MAX) - 1, reading->paths->len / READER_MIN_SHARE);
    GThread *threads[READERS_MAX] = {NULL};

    for (unsigned i = 0; i < helpers; i++)
        threads[i] = g_thread_try_new("definitions", read_some, reading, NULL);
    read_some(reading);
    for (unsigned i = 0; i < helpers; i++)
        if (threads[i])
            g_thread_join(threads[i]);
}

AWAITS GPtrArray *store_read_definitions(GError **error)
{
    g_autofree char *folder = g_strconcat(state_dir(), "/domains", NULL);
    g_autoptr(GPtrArray) list =
        g_ptr_array_new_with_free_func((GDestroyNotify)stored_definition_free);
    __attribute__((cleanup(reading_clear)))
    Reading reading = {.paths = g_ptr_array_new_with_free_func(g_free),
                       .markers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL)};

    if (!list_folder(&reading, folder, error))
        return NULL;
    reading.read = g_new0(StoredDefinition *, reading.paths->len);
    off_floor {
        read_all(&reading);
    }
    for (unsigned i = 0; i < reading.paths->len; i++)
        if (reading.read[i])
            g_ptr_array_add(list, reading.read[i]);
    return g_steal_pointer(&list);
}

/* --- status --- */

static char *status_path(const Uuid *uuid)
{
    char text[UUID_TEXT_SIZE];

    return g_strdup_printf("%s/%s/status", registry_settings()->qemu->run_dir,
                           uuid_format(uuid, text));
}

/* One row per number, so that reading and writing cannot drift apart.  A daemon that was replaced
 * by a newer one has not written all of them: then the fallback holds. */
typedef struct {
    const char *key;
    size_t offset;
    int fallback;
} IntRow;

#define INT_ROW(field, fallback)                                                                   \
    {                                                                                              \
#field, offsetof(StoredStatus, field), fallback                                            \
    }
/* clang-format off */
static const IntRow int_rows[] = {
    INT_ROW(id, -1),
    INT_ROW(pid, 0),
    INT_ROW(state, -1),
    INT_ROW(reason, 0),
    INT_ROW(is_incoming, FALSE),
    INT_ROW(is_powering_off, FALSE),
    INT_ROW(wants_paused, FALSE),
    INT_ROW(wants_restart, FALSE),
    INT_ROW(has_images, FALSE),
    INT_ROW(has_boot_files, FALSE),
    INT_ROW(stop_reason, -1),
    INT_ROW(resume_reason, -1),
    INT_ROW(planned_end, -1),
};
/* clang-format on */

char *status_format(const StoredStatus *status)
{
    json_object *top = json_object_new_object();
    g_autofree char *xml = guest_def_format(status->live, GUEST_FORMAT_LIVE | GUEST_FORMAT_SECURE);
    char uuid[UUID_TEXT_SIZE];

    json_object_object_add(top, "version", json_object_new_int(STATUS_VERSION));
    json_object_object_add(top, "uuid", json_object_new_string(uuid_format(&status->uuid, uuid)));
    json_object_object_add(top, "name", json_object_new_string(status->name));
    json_object_object_add(top, "start_time", json_object_new_uint64(status->start_time));
    for (unsigned i = 0; i < G_N_ELEMENTS(int_rows); i++)
        json_object_object_add(
            top, int_rows[i].key,
            json_object_new_int(*(const int *)((const char *)status + int_rows[i].offset)));
    json_object_object_add(top, "live", json_object_new_string(xml));
    char *text = g_strdup(json_object_to_json_string_ext(top, JSON_C_TO_STRING_PRETTY));
    json_object_put(top);
    return text;
}

static const char *get_string(json_object *top, const char *key)
{
    json_object *value = NULL;

    return json_object_object_get_ex(top, key, &value) &&
                   json_object_is_type(value, json_type_string)
               ? json_object_get_string(value)
               : NULL;
}

static gboolean get_int(json_object *top, const char *key, int *ret_value)
{
    json_object *value = NULL;

    if (!json_object_object_get_ex(top, key, &value) || !json_object_is_type(value, json_type_int))
        return FALSE;
    *ret_value = json_object_get_int(value);
    return TRUE;
}

static gboolean fill_status(StoredStatus *status, json_object *top, GError **error)
{
    const char *uuid = get_string(top, "uuid");
    const char *name = get_string(top, "name");
    const char *live = get_string(top, "live");
    json_object *start_time = NULL;
    int version = 0;

    if (!get_int(top, "version", &version) || version != STATUS_VERSION)
        return error_set(error, ERROR_INTERNAL_ERROR, "it is of version %d, this daemon reads %d",
                         version, STATUS_VERSION);
    if (!uuid || !uuid_parse(uuid, &status->uuid) || !name || !live)
        return error_set(error, ERROR_INTERNAL_ERROR, "uuid, name or live definition is missing");
    for (unsigned i = 0; i < G_N_ELEMENTS(int_rows); i++) {
        int *field = (int *)((char *)status + int_rows[i].offset);

        if (!get_int(top, int_rows[i].key, field))
            *field = int_rows[i].fallback;
    }
    if (!json_object_object_get_ex(top, "start_time", &start_time) || status->pid <= 1 ||
        !state_is_valid(status->state, status->reason))
        return error_set(error, ERROR_INTERNAL_ERROR, "its numbers make no sense");
    status->start_time = json_object_get_uint64(start_time);
    status->name = g_strdup(name);
    status->live = guest_def_parse(live, strlen(live), GUEST_PARSE_LIVE, error);
    return status->live != NULL;
}

StoredStatus *status_parse(const char *text, size_t len, GError **error)
{
    g_autoptr(StoredStatus) status = g_new0(StoredStatus, 1);
    json_tokener *tokener = json_tokener_new();
    json_object *top = len <= STATUS_MAX ? json_tokener_parse_ex(tokener, text, (int)len) : NULL;

    json_tokener_free(tokener);
    const gboolean ok = json_object_is_type(top, json_type_object)
                            ? fill_status(status, top, error)
                            : error_set(error, ERROR_INTERNAL_ERROR, "it is not a JSON object");
    json_object_put(top);
    return ok ? g_steal_pointer(&status) : NULL;
}

void status_free(StoredStatus *status)
{
    if (!status)
        return;
    g_free(status->name);
    guest_def_free(status->live);
    g_free(status);
}

/* Renamed into place, so that a reader finds the old or the new; not synced, it does not outlive
 * the boot. */
static gboolean write_unsynced(const char *path, const char *text, GError **error)
{
    g_autofree char *dir = g_path_get_dirname(path);
    g_autofree char *fresh = g_strconcat(path, ".new", NULL);

    if (!dir_make(dir, 0711, error) ||
        !g_file_set_contents_full(fresh, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, error))
        return FALSE;
    return rename(fresh, path) == 0 ||
           error_errno(error, "cannot rename '%s' to '%s'", fresh, path);
}

AWAITS gboolean store_write_status(const Domain *domain, GError **error)
{
    const StoredStatus status = {
        .uuid = domain->uuid,
        .name = domain->name,
        .id = domain->id,
        .pid = qemu_guest_pid(domain->guest),
        .start_time = qemu_guest_start_time(domain->guest),
        .state = (int)domain->state,
        .reason = domain->reason,
        .is_incoming = domain->is_incoming,
        .is_powering_off = domain->is_powering_off,
        .wants_paused = domain->wants_paused,
        .wants_restart = domain->wants_restart,
        .has_images = domain->has_images,
        .has_boot_files = domain->has_boot_files,
        .stop_reason = domain->stop_reason,
        .resume_reason = domain->resume_reason,
        .planned_end = domain->planned_end,
        .live = domain->live,
    };
    g_autofree char *text = status_format(&status);
    g_autofree char *path = status_path(&domain->uuid);
    gboolean ok = FALSE;

    off_floor {
        ok = write_unsynced(path, text, error);
    }
    return ok;
}

static char *start_note_path(const Uuid *uuid)
{
    char text[UUID_TEXT_SIZE];

    return g_strdup_printf("%s/%s/" NOTE_STARTING, registry_settings()->qemu->run_dir,
                           uuid_format(uuid, text));
}

gboolean store_take_charge(const Domain *domain)
{
    g_autofree char *note = start_note_path(&domain->uuid);

    unlink(note);
    return TRUE;
}

static void remove_folder(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);

    for (const char *name; dir && (name = g_dir_read_name(dir));) {
        g_autofree char *file = g_build_filename(path, name, NULL);

        unlink(file);
    }
    if (dir)
        rmdir(path);
}

void store_remove_folder(const Domain *domain)
{
    g_autofree char *path = domain_run_dir(domain);

    remove_folder(path);
}

static StoredStatus *read_status(const char *path)
{
    g_autoptr(GError) error = NULL;
    size_t len = 0;
    g_autofree char *text = file_read(path, STATUS_MAX, &len, &error);
    StoredStatus *status = text ? status_parse(text, len, &error) : NULL;

    if (!status)
        log_error("the status '%s' cannot be read; if its guest runs, it is not managed: %s", path,
                  error->message);
    return status;
}

GPtrArray *store_read_statuses(void)
{
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)status_free);
    g_autoptr(GDir) dir = g_dir_open(registry_settings()->qemu->run_dir, 0, NULL);
    Uuid uuid;

    for (const char *name; dir && (name = g_dir_read_name(dir));) {
        if (!uuid_parse(name, &uuid))
            continue;
        g_autofree char *path = status_path(&uuid);
        g_autofree char *note = start_note_path(&uuid);
        const gboolean is_known = access(path, F_OK) == 0;
        if (!is_known) {
            g_autofree char *folder = g_path_get_dirname(path);

            note_end(note);
            remove_folder(folder);
        }
        StoredStatus *status = is_known ? read_status(path) : NULL;
        if (status)
            g_ptr_array_add(list, status);
    }
    return list;
}
