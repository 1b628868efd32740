/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* given-UUID-PID-TIME: the time keeps the notes of one guest apart.  Inside: paths, each with NUL behind it. */
#include "domain/given.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/number.h"
#include "domain/registry.h"
#include "domain/store.h"

#define NOTE_MAX (4 * 1024 * 1024)

char *given_note(const Uuid *uuid, pid_t pid, const char *const *paths)
{
    const QemuEnv *env = registry_settings()->qemu;
    g_autoptr(GString) bytes = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    g_autofree char *note = NULL;
    char text[UUID_TEXT_SIZE];

    if (!env->user.is_set || !*paths)
        return NULL;
    note = g_strdup_printf("%s/" GIVEN_PREFIX "%s-%d-%" G_GINT64_FORMAT, env->run_dir, uuid_format(uuid, text), (int)pid,
                           g_get_monotonic_time());
    for (const char *const *path = paths; *path; path++)
        g_string_append_len(bytes, *path, (gssize)strlen(*path) + 1);
    if (g_file_set_contents_full(note, bytes->str, (gssize)bytes->len, G_FILE_SET_CONTENTS_NONE, 0600, &error))
        return g_steal_pointer(&note);
    log_warning("%s, continuing: if the daemon is killed now, files of the guest stay with QEMU's user", error->message);
    return NULL;
}

void given_note_drop(char *note)
{
    if (note)
        unlink(note);
    g_free(note);
}

void given_free(Given *given)
{
    if (!given)
        return;
    g_free(given->note);
    g_strfreev(given->paths);
    g_free(given);
}

/* UUID and pid of a note's name. */
static gboolean parse_name(const char *name, Uuid *ret_uuid, pid_t *ret_pid)
{
    const size_t prefix = strlen(GIVEN_PREFIX), uuid_len = UUID_TEXT_SIZE - 1;
    g_autofree char *uuid = NULL;
    g_auto(GStrv) rest = NULL;
    uint64_t pid;

    if (!g_str_has_prefix(name, GIVEN_PREFIX) || strlen(name) < prefix + uuid_len + 1)
        return FALSE;
    uuid = g_strndup(name + prefix, uuid_len);
    rest = g_strsplit(name + prefix + uuid_len, "-", -1); /* "", pid, time */
    if (g_strv_length(rest) != 3 || !number_parse_u64(rest[1], G_MAXINT, &pid))
        return FALSE;
    *ret_pid = (pid_t)pid;
    return uuid_parse(uuid, ret_uuid);
}

static const StoredStatus *find_status(const GPtrArray *statuses, const Uuid *uuid)
{
    for (unsigned i = 0; i < statuses->len; i++) {
        const StoredStatus *status = statuses->pdata[i];

        if (uuid_equal(&status->uuid, uuid))
            return status;
    }
    return NULL;
}

static char **split_paths(const char *bytes, size_t len)
{
    GPtrArray *paths = g_ptr_array_new();

    for (const char *path = bytes; path < bytes + len; path += strlen(path) + 1)
        g_ptr_array_add(paths, g_strdup(path));
    g_ptr_array_add(paths, NULL);
    return (char **)g_ptr_array_free(paths, FALSE);
}

GPtrArray *given_list(const GPtrArray *statuses)
{
    const char *run_dir = registry_settings()->qemu->run_dir;
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)given_free);
    g_autoptr(GDir) dir = g_dir_open(run_dir, 0, NULL);
    Uuid uuid;
    pid_t pid;

    for (const char *name; dir && (name = g_dir_read_name(dir));) {
        const StoredStatus *status = parse_name(name, &uuid, &pid) ? find_status(statuses, &uuid) : NULL;
        g_autofree char *note = NULL;
        g_autofree char *bytes = NULL;
        size_t len = 0;

        if (!g_str_has_prefix(name, GIVEN_PREFIX))
            continue;
        note = g_build_filename(run_dir, name, NULL);
        if (!parse_name(name, &uuid, &pid) || (status && (pid == 0 || pid == status->pid)) ||
            !(bytes = file_read(note, NOTE_MAX, &len, NULL))) {
            unlink(note);
            continue;
        }
        Given *given = g_new0(Given, 1);
        given->note = g_steal_pointer(&note);
        given->paths = split_paths(bytes, len);
        g_ptr_array_add(list, given);
    }
    return list;
}
