/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads an emulator's answers.  Pure. */
#include <string.h>

#include "base/error.h"
#include "base/number.h"
#include "qemu/probe-part.h"

#define MACHINES_MAX 4096
#define CPUS_MAX     4096
#define NAMES_MAX    65536

static json_object *get(json_object *object, const char *name, json_type type)
{
    json_object *value;

    return json_object_object_get_ex(object, name, &value) && json_object_is_type(value, type)
               ? value
               : NULL;
}

static const char *get_text(json_object *object, const char *name)
{
    json_object *value = get(object, name, json_type_string);

    return value ? json_object_get_string(value) : NULL;
}

static unsigned get_number(json_object *object, const char *name, unsigned fallback)
{
    json_object *value = get(object, name, json_type_int);

    return value ? (unsigned)CLAMP(json_object_get_int64(value), 0, G_MAXINT32) : fallback;
}

static gboolean get_flag(json_object *object, const char *name)
{
    json_object *value = get(object, name, json_type_boolean);

    return value && json_object_get_boolean(value);
}

static json_object *get_list(json_object *answers, const char *name, size_t max, GError **error)
{
    json_object *list = get(answers, name, json_type_array);

    if (list && json_object_array_length(list) <= max)
        return list;
    error_set(error, ERROR_INTERNAL_ERROR,
              "internal error: the emulator's answer about '%s' is missing or too long", name);
    return NULL;
}

static gboolean read_version(Probe *probe, json_object *answers, GError **error)
{
    json_object *version = get(answers, "version", json_type_object);
    json_object *numbers = version ? get(version, "qemu", json_type_object) : NULL;
    json_object *target = get(answers, "target", json_type_object);
    const char *arch = target ? get_text(target, "arch") : NULL;

    if (!numbers || !arch)
        return error_set(error, ERROR_INTERNAL_ERROR,
                         "internal error: the emulator does not tell its version or architecture");
    probe->version = get_number(numbers, "major", 0) * 1000000 +
                     get_number(numbers, "minor", 0) * 1000 + get_number(numbers, "micro", 0);
    probe->package = g_strdup(get_text(version, "package") ?: "");
    probe->arch = g_strdup(strcmp(arch, "i386") == 0 ? "i686" : arch);
    return TRUE;
}

static ProbeCpu *find_cpu(const Probe *probe, const char *name)
{
    for (unsigned i = 0; i < probe->cpu_count; i++) {
        if (strcmp(probe->cpus[i].name, name) == 0)
            return &probe->cpus[i];
    }
    return NULL;
}

/* Features that this host or accelerator lacks for the model; NULL if it has them all. */
static char **read_blockers(json_object *entry)
{
    json_object *list = get(entry, "unavailable-features", json_type_array);
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (size_t i = 0; list && i < json_object_array_length(list); i++)
        g_ptr_array_add(names,
                        g_strdup(json_object_get_string(json_object_array_get_idx(list, i))));
    if (names->len == 0)
        return NULL;
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&names), FALSE);
}

/* QEMU's versions of one model ("-v2"), and the names that only mean this host or its limits. */
static gboolean is_variant(const char *name)
{
    const char *version = g_strrstr(name, "-v");
    uint64_t number;

    return (version && number_parse_u64(version + 2, 1000, &number)) || strcmp(name, "host") == 0 ||
           strcmp(name, "max") == 0 || strcmp(name, "base") == 0;
}

static gboolean read_cpus(Probe *probe, json_object *answers, GHashTable *types, GError **error)
{
    json_object *list = get_list(answers, "cpus", CPUS_MAX, error);
    json_object *kvm_list = get(answers, "cpus-kvm", json_type_array);

    if (!list)
        return FALSE;
    probe->cpus = g_new0(ProbeCpu, json_object_array_length(list));
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        json_object *entry = json_object_array_get_idx(list, i);
        const char *name = get_text(entry, "name");
        const char *type = get_text(entry, "typename");
        ProbeCpu *cpu = &probe->cpus[probe->cpu_count];

        if (!name)
            continue;
        cpu->name = g_strdup(name);
        cpu->is_variant = is_variant(name);
        cpu->is_deprecated = get_flag(entry, "deprecated");
        cpu->blockers_tcg = read_blockers(entry);
        cpu->is_usable_tcg = !cpu->blockers_tcg;
        probe->cpu_count++;
        if (type)
            g_hash_table_insert(types, g_strdup(type), cpu->name);
    }
    probe->has_kvm = kvm_list != NULL;
    for (size_t i = 0; kvm_list && i < json_object_array_length(kvm_list); i++) {
        json_object *entry = json_object_array_get_idx(kvm_list, i);
        const char *name = get_text(entry, "name");
        ProbeCpu *cpu = name ? find_cpu(probe, name) : NULL;

        if (!cpu || cpu->blockers_kvm)
            continue;
        cpu->blockers_kvm = read_blockers(entry);
        cpu->is_usable_kvm = !cpu->blockers_kvm;
    }
    return TRUE;
}

static gboolean read_machines(Probe *probe, json_object *answers, GHashTable *types, GError **error)
{
    json_object *list = get_list(answers, "machines", MACHINES_MAX, error);

    if (!list)
        return FALSE;
    probe->machines = g_new0(ProbeMachine, json_object_array_length(list));
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        json_object *entry = json_object_array_get_idx(list, i);
        const char *name = get_text(entry, "name");
        const char *cpu_type = get_text(entry, "default-cpu-type");
        ProbeMachine *machine = &probe->machines[probe->machine_count];

        if (!name || strcmp(name, "none") == 0)
            continue;
        machine->name = g_strdup(name);
        machine->alias = g_strdup(get_text(entry, "alias"));
        machine->max_cpus = get_number(entry, "cpu-max", 1);
        machine->is_default = get_flag(entry, "is-default");
        machine->is_deprecated = get_flag(entry, "deprecated");
        machine->default_cpu = cpu_type ? g_strdup(g_hash_table_lookup(types, cpu_type)) : NULL;
        machine->default_ram = g_strdup(get_text(entry, "default-ram-id"));
        probe->machine_count++;
    }
    return TRUE;
}

static GHashTable *read_names(json_object *answers, const char *member, GError **error)
{
    json_object *list = get_list(answers, member, NAMES_MAX, error);
    GHashTable *names;

    if (!list)
        return NULL;
    names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        const char *name = get_text(json_object_array_get_idx(list, i), "name");

        if (name)
            g_hash_table_add(names, g_strdup(name));
    }
    return names;
}

static gboolean read_migration(Probe *probe, json_object *answers, GError **error)
{
    json_object *list = get_list(answers, "migration-capabilities", NAMES_MAX, error);
    unsigned count = 0;

    if (!list)
        return FALSE;
    probe->migration_capabilities = g_new0(char *, json_object_array_length(list) + 1);
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        const char *name = get_text(json_object_array_get_idx(list, i), "capability");

        if (name)
            probe->migration_capabilities[count++] = g_strdup(name);
    }
    return TRUE;
}

Probe *probe_read(const char *emulator, json_object *answers, GError **error)
{
    g_autoptr(Probe) probe = g_new0(Probe, 1);
    g_autoptr(GHashTable) types = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    probe->emulator = g_strdup(emulator);
    if (!read_version(probe, answers, error) || !read_cpus(probe, answers, types, error) ||
        !read_machines(probe, answers, types, error) || !read_migration(probe, answers, error))
        return NULL;
    probe->commands = read_names(answers, "commands", error);
    probe->devices = probe->commands ? read_names(answers, "devices", error) : NULL;
    return probe->devices ? g_steal_pointer(&probe) : NULL;
}

void probe_free(Probe *probe)
{
    if (!probe)
        return;
    for (unsigned i = 0; i < probe->machine_count; i++) {
        g_free(probe->machines[i].name);
        g_free(probe->machines[i].alias);
        g_free(probe->machines[i].default_cpu);
        g_free(probe->machines[i].default_ram);
    }
    for (unsigned i = 0; i < probe->cpu_count; i++) {
        g_free(probe->cpus[i].name);
        g_strfreev(probe->cpus[i].blockers_tcg);
        g_strfreev(probe->cpus[i].blockers_kvm);
    }
    g_free(probe->machines);
    g_free(probe->cpus);
    g_clear_pointer(&probe->devices, g_hash_table_unref);
    g_clear_pointer(&probe->commands, g_hash_table_unref);
    g_strfreev(probe->migration_capabilities);
    g_free(probe->emulator);
    g_free(probe->arch);
    g_free(probe->package);
    g_free(probe);
}

const ProbeMachine *probe_find_machine(const Probe *probe, const char *name)
{
    for (unsigned i = 0; i < probe->machine_count; i++) {
        if (strcmp(probe->machines[i].name, name) == 0 ||
            g_strcmp0(probe->machines[i].alias, name) == 0)
            return &probe->machines[i];
    }
    return NULL;
}

const ProbeCpu *probe_find_cpu(const Probe *probe, const char *name)
{
    return find_cpu(probe, name);
}

gboolean probe_has_device(const Probe *probe, const char *type)
{
    return g_hash_table_contains(probe->devices, type);
}

gboolean probe_has_migration_capability(const Probe *probe, const char *capability)
{
    return g_strv_contains((const char *const *)probe->migration_capabilities, capability);
}
