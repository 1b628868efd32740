/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The cache of probes, and which files may be emulators.
 *
 * An answer is true of one file: the path with its inode, size and time of change, under one kernel
 * (which decides what KVM can give).  On disk it is the emulator's own words with that key in
 * front; anything that does not fit is asked again. */
#include "qemu/probe.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <malloc.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "host/kvm.h"
#include "qemu/probe-part.h"
#include "qmp/lines.h"

#define FILE_VERSION "1"
#define FILE_MAX     (16 * 1024 * 1024)

typedef struct {
    char *key;
    Probe *probe; /* NULL while it is being asked */
    gboolean is_asking;
    Condition *changed;
    GPtrArray *old; /* Probes of earlier files, which somebody may still hold */
} Entry;

struct ProbeCache {
    const QemuEnv *env;
    char *dir;
    GHashTable *entries; /* path → Entry */
};

static void entry_free(void *data)
{
    Entry *entry = data;

    g_free(entry->key);
    probe_free(entry->probe);
    g_ptr_array_unref(entry->old);
    condition_free(entry->changed);
    g_free(entry);
}

ProbeCache *probe_cache_new(const QemuEnv *env, const char *cache_dir)
{
    ProbeCache *cache = g_new0(ProbeCache, 1);

    cache->env = env;
    cache->dir = g_strdup(cache_dir);
    cache->entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, entry_free);
    return cache;
}

void probe_cache_free(ProbeCache *cache)
{
    if (!cache)
        return;
    g_hash_table_unref(cache->entries);
    g_free(cache->dir);
    g_free(cache);
}

/* --- which files may be emulators --- */

static gboolean is_in_dirs(const QemuEnv *env, const char *path)
{
    g_autofree char *dir = g_path_get_dirname(path);

    for (char **allowed = env->emulator_dirs; allowed && *allowed; allowed++) {
        g_autofree char *canonical = g_canonicalize_filename(*allowed, "/");

        if (strcmp(canonical, dir) == 0)
            return TRUE;
    }
    return FALSE;
}

gboolean probe_check_emulator(const QemuEnv *env, const char *emulator, GError **error)
{
    struct stat status;
    char resolved[PATH_MAX];

    if (!realpath(emulator, resolved))
        return error_set(error, ERROR_CONFIG_UNSUPPORTED,
                         "unsupported configuration: emulator '%s' cannot be used: %s", emulator,
                         g_strerror(errno));
    if (emulator[0] != '/' || !is_in_dirs(env, emulator) || !is_in_dirs(env, resolved)) {
        g_autofree char *dirs = g_strjoinv(", ", env->emulator_dirs);

        return error_set(error, ERROR_CONFIG_UNSUPPORTED,
                         "unsupported configuration: emulator '%s' does not lie in one of the "
                         "folders of 'emulator_dirs' in "
                         "ferryd.conf (%s)",
                         emulator, dirs);
    }
    if (stat(resolved, &status) < 0 || !S_ISREG(status.st_mode) || !(status.st_mode & S_IXOTH))
        return error_set(error, ERROR_CONFIG_UNSUPPORTED,
                         "unsupported configuration: emulator '%s' is not a program", emulator);
    if (!env->allows_any_emulator_owner &&
        (status.st_uid != 0 || (status.st_mode & (S_IWGRP | S_IWOTH))))
        return error_set(
            error, ERROR_CONFIG_UNSUPPORTED,
            "emulator '%s' may be changed by others than root; give it to root, mode 0755",
            emulator);
    return TRUE;
}

char *probe_default_emulator(const QemuEnv *env, const char *arch, GError **error)
{
    const char *name = strcmp(arch, "i686") == 0 ? "i386" : arch;

    for (char **dir = env->emulator_dirs; dir && *dir; dir++) {
        g_autofree char *path = g_strdup_printf("%s/qemu-system-%s", *dir, name);

        if (g_file_test(path, G_FILE_TEST_IS_EXECUTABLE))
            return g_steal_pointer(&path);
    }
    error_set(error, ERROR_CONFIG_UNSUPPORTED,
              "unsupported configuration: no emulator found for arch '%s' in the folders of "
              "'emulator_dirs'; install "
              "qemu-system-x86 or the like",
              arch);
    return NULL;
}

char **probe_list_emulators(const QemuEnv *env)
{
    /* The host's own architecture; others are asked when a guest wants them. */
    static const char *const archs[] = {"x86_64"};
    g_autoptr(GPtrArray) list = g_ptr_array_new();

    for (unsigned i = 0; i < G_N_ELEMENTS(archs); i++) {
        char *path = probe_default_emulator(env, archs[i], NULL);

        if (path)
            g_ptr_array_add(list, path);
    }
    g_ptr_array_add(list, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&list), FALSE);
}

/* --- keys and files --- */

static char *make_key(const char *emulator, gboolean with_kvm)
{
    struct stat status;
    struct utsname kernel;

    if (stat(emulator, &status) < 0 || uname(&kernel) < 0)
        return NULL;
    return g_strdup_printf(FILE_VERSION " %s %llu %lld %lld.%09ld %s%s", emulator,
                           (unsigned long long)status.st_ino, (long long)status.st_size,
                           (long long)status.st_mtim.tv_sec, status.st_mtim.tv_nsec, kernel.release,
                           with_kvm ? " kvm" : "");
}

static char *file_of(const ProbeCache *cache, const char *emulator, gboolean with_kvm)
{
    g_autofree char *name = name_encode(emulator);

    return cache->dir ? g_strdup_printf("%s/%s%s.json", cache->dir, name, with_kvm ? "-kvm" : "")
                      : NULL;
}

static Probe *read_kept(const char *path, const char *emulator, const char *key)
{
    g_autofree char *text = path ? file_read(path, FILE_MAX, NULL, NULL) : NULL;
    char *answers_text = text ? strchr(text, '\n') : NULL;

    if (!answers_text)
        return NULL;
    *answers_text++ = '\0';
    if (strcmp(text, key) != 0)
        return NULL;
    g_autoptr(json_object) answers = qmp_object_parse(answers_text, NULL);
    return answers ? probe_read(emulator, answers, NULL) : NULL;
}

/* Some megabyte of JSON: off the floor, for at start-up the first clients are there. */
AWAITS static Probe *load(const ProbeCache *cache, const char *emulator, gboolean with_kvm,
                          const char *key)
{
    g_autofree char *path = file_of(cache, emulator, with_kvm);
    Probe *probe = NULL;

    off_floor {
        probe = read_kept(path, emulator, key);
    }
    return probe;
}

AWAITS static void save(const ProbeCache *cache, const char *emulator, gboolean with_kvm,
                        const char *key, json_object *answers)
{
    g_autofree char *path = file_of(cache, emulator, with_kvm);
    g_autoptr(GError) error = NULL;
    gboolean is_saved = FALSE;

    if (!path)
        return;
    g_autofree char *text = g_strdup_printf(
        "%s\n%s\n", key, json_object_to_json_string_ext(answers, JSON_C_TO_STRING_PLAIN));
    off_floor {
        is_saved = dir_make(cache->dir, 0755, &error) &&
                   file_write_atomic(path, text, strlen(text), 0644, &error);
    }
    if (!is_saved)
        log_warning("%s; emulator '%s' will be asked again at the next start", error->message,
                    emulator);
}

/* --- the cache --- */

static Entry *get_entry(ProbeCache *cache, const char *emulator)
{
    Entry *entry = g_hash_table_lookup(cache->entries, emulator);

    if (!entry) {
        entry = g_new0(Entry, 1);
        entry->old = g_ptr_array_new_with_free_func((GDestroyNotify)probe_free);
        entry->changed = condition_new("another asking of the same emulator");
        g_hash_table_insert(cache->entries, g_strdup(emulator), entry);
    }
    return entry;
}

static const Probe *keep(Entry *entry, char *key, Probe *probe)
{
    if (entry->probe)
        g_ptr_array_add(entry->old, entry->probe);
    g_free(entry->key);
    entry->key = key;
    entry->probe = probe;
    return probe;
}

const Probe *probe_peek(ProbeCache *cache, const char *emulator)
{
    Entry *entry = g_hash_table_lookup(cache->entries, emulator);
    g_autofree char *key =
        entry && entry->probe ? make_key(emulator, kvm_is_known_to_work()) : NULL;

    return key && strcmp(key, entry->key) == 0 ? entry->probe : NULL;
}

AWAITS static const Probe *ask(ProbeCache *cache, Entry *entry, const char *emulator,
                               GError **error)
{
    gboolean with_kvm = kvm_is_known_to_work(); /* no waiting for it: see prefill_body */
    g_autofree char *key = make_key(emulator, with_kvm);
    g_autoptr(Probe) probe = key ? load(cache, emulator, with_kvm, key) : NULL;

    if (!key) {
        error_errno(error, "cannot access emulator '%s'", emulator);
        return NULL;
    }
    if (!probe) {
        g_autoptr(json_object) answers = probe_ask(cache->env, emulator, with_kvm, error);

        probe = answers ? probe_read(emulator, answers, error) : NULL;
        if (!probe)
            return NULL;
        save(cache, emulator, with_kvm, key, answers);
        log_info("emulator '%s' is QEMU %u.%u.%u with %u machine types", emulator,
                 probe->version / 1000000, probe->version / 1000 % 1000, probe->version % 1000,
                 probe->machine_count);
    }
    return keep(entry, g_steal_pointer(&key), g_steal_pointer(&probe));
}

AWAITS const Probe *probe_get(ProbeCache *cache, const char *emulator, GError **error)
{
    const Probe *probe = probe_peek(cache, emulator);
    Entry *entry;

    if (probe)
        return probe;
    if (!probe_check_emulator(cache->env, emulator, error))
        return NULL;
    entry = get_entry(cache, emulator);
    while (entry->is_asking) {
        if (!condition_wait(entry->changed, -1, error))
            return NULL;
    }
    probe = probe_peek(cache, emulator);
    if (probe)
        return probe;
    entry->is_asking = TRUE;
    probe = ask(cache, entry, emulator, error);
    entry->is_asking = FALSE;
    condition_signal(entry->changed);
    return probe;
}

AWAITS static void ask_each(ProbeCache *cache)
{
    g_auto(GStrv) emulators = probe_list_emulators(cache->env);

    for (char **emulator = emulators; *emulator; emulator++) {
        g_autoptr(GError) error = NULL;

        if (!probe_get(cache, *emulator, &error))
            log_warning("%s", error->message);
    }
}

/* The answers without KVM come first, as a KVM that does not work takes a second to show it. */
AWAITS static void prefill_body(void *data)
{
    ask_each(data);
    if (kvm_works(NULL))
        ask_each(data);
#ifdef __GLIBC__
    malloc_trim(
        0); /* an emulator's description of itself is some megabyte of JSON, and is read once */
#endif
}

void probe_prefill(ProbeCache *cache)
{
    task_spawn("probe-emulators", prefill_body, cache, NULL);
}
