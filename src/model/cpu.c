/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's processor. */
#include "model/cpu.h"

#include <string.h>

#include "base/error.h"
#include "model/device.h"

/* clang-format off */
const EnumName guest_cpu_mode_names[] = {
    {"custom", GUEST_CPU_CUSTOM}, {"host-passthrough", GUEST_CPU_HOST_PASSTHROUGH}, {"maximum", GUEST_CPU_MAXIMUM}, {NULL},
};
static const EnumName match_names[] = {{"exact", GUEST_CPU_MATCH_EXACT}, {NULL}};
static const EnumName check_names[] = {
    {"none", GUEST_CPU_CHECK_NONE}, {"partial", GUEST_CPU_CHECK_PARTIAL}, {"full", GUEST_CPU_CHECK_FULL}, {NULL},
};
static const EnumName fallback_names[] = {
    {"allow", GUEST_CPU_FALLBACK_ALLOW}, {"forbid", GUEST_CPU_FALLBACK_FORBID}, {NULL},
};
const EnumName guest_cpu_policy_names[] = {
    {"force", GUEST_CPU_FEATURE_FORCE}, {"require", GUEST_CPU_FEATURE_REQUIRE}, {"optional", GUEST_CPU_FEATURE_OPTIONAL},
    {"disable", GUEST_CPU_FEATURE_DISABLE}, {"forbid", GUEST_CPU_FEATURE_FORBID}, {NULL},
};

#define IN(field) offsetof(GuestCpu, field)

static const Field cpu_rows[] = {
    /* path                type           field           flags        more */
    {"@mode",              FIELD_ENUM,    IN(mode),       FIELD_GUEST, guest_cpu_mode_names, .label = "mode"},
    {"@match",             FIELD_ENUM,    IN(match),      0,           match_names},
    {"@check",             FIELD_ENUM,    IN(check),      0,           check_names},
    {"@migratable",        FIELD_ON_OFF,  IN(migratable), FIELD_GUEST, .label = "migratable"},
    {"model/@fallback",    FIELD_ENUM,    IN(fallback),   0,           fallback_names},
    {"model",              FIELD_STRING,  IN(model),      FIELD_GUEST, .label = "model"},
    {"vendor",             FIELD_STRING,  IN(vendor),     FIELD_GUEST, .label = "vendor"},
    {"topology/@sockets",  FIELD_UINT,    IN(sockets),    FIELD_GUEST, .max = 4096, .label = "sockets"},
    {"topology/@dies",     FIELD_UINT,    IN(dies),       FIELD_GUEST, .max = 4096, .label = "dies"},
    {"topology/@cores",    FIELD_UINT,    IN(cores),      FIELD_GUEST, .max = 4096, .label = "cores"},
    {"topology/@threads",  FIELD_UINT,    IN(threads),    FIELD_GUEST, .max = 4096, .label = "threads"},
    {NULL},
};
/* clang-format on */

#define FEATURES_MAX 1024

static void feature_free(GuestCpuFeature *feature)
{
    g_free(feature->name);
    g_free(feature);
}

void guest_cpu_init(GuestCpu *cpu)
{
    memset(cpu, 0, sizeof *cpu);
    cpu->features = g_ptr_array_new_with_free_func((GDestroyNotify)feature_free);
}

void guest_cpu_clear(GuestCpu *cpu)
{
    fields_clear(cpu_rows, cpu);
    g_clear_pointer(&cpu->features, g_ptr_array_unref);
}

static const GuestCpuFeature *find_feature(const GuestCpu *cpu, const char *name)
{
    for (unsigned i = 0; i < cpu->features->len; i++) {
        const GuestCpuFeature *feature = g_ptr_array_index(cpu->features, i);

        if (g_str_equal(feature->name, name))
            return feature;
    }
    return NULL;
}

void guest_cpu_set_feature(GuestCpu *cpu, const char *name, GuestCpuPolicy policy)
{
    GuestCpuFeature *feature = (GuestCpuFeature *)find_feature(cpu, name);

    if (!feature) {
        feature = g_new0(GuestCpuFeature, 1);
        feature->name = g_strdup(name);
        g_ptr_array_add(cpu->features, feature);
    }
    feature->policy = policy;
}

/* ---- reading ---- */

static gboolean read_feature(GuestCpu *cpu, XmlNode *node, GError **error)
{
    const char *name = xml_attr(node, "name");
    int policy = GUEST_CPU_FEATURE_REQUIRE;

    if (!name || *name == '\0')
        return xml_error(node, error, "a CPU feature needs a name");
    if (!guest_word_check(node, "CPU feature", name, error) ||
        !xml_attr_enum(node, "policy", guest_cpu_policy_names, &policy, error))
        return FALSE;
    if (find_feature(cpu, name))
        return xml_error(node, error, "the CPU feature '%s' is named twice", name);
    if (cpu->features->len >= FEATURES_MAX)
        return xml_error(node, error, "more than %u CPU features", FEATURES_MAX);
    guest_cpu_set_feature(cpu, name, (GuestCpuPolicy)policy);
    return TRUE;
}

static gboolean check_topology(GuestCpu *cpu, XmlNode *node, GError **error)
{
    XmlNode *topology = xml_child(node, "topology");

    const char *clusters = topology ? xml_attr(topology, "clusters") : NULL;

    if (!topology)
        return TRUE;
    if (clusters &&
        !g_str_equal(clusters, "1")) /* newer hosts always print it; x86 has one in each die */
        return xml_unsupported_value(topology, "clusters", clusters, error);
    if (!cpu->dies && !xml_attr(topology, "dies"))
        cpu->dies = 1;
    if (!cpu->sockets || !cpu->dies || !cpu->cores || !cpu->threads)
        return xml_error(topology, error,
                         "a topology needs sockets, cores and threads, each at least 1");
    return TRUE;
}

static gboolean check_model(GuestCpu *cpu, XmlNode *node, GError **error)
{
    XmlNode *model = xml_child(node, "model");

    if (cpu->model)
        g_strstrip(cpu->model);
    if (cpu->model && *cpu->model == '\0')
        g_clear_pointer(&cpu->model, g_free);
    if (!guest_word_check(node, "CPU model", cpu->model, error) ||
        !guest_word_check(node, "CPU vendor", cpu->vendor, error))
        return FALSE;
    if (model && cpu->mode != GUEST_CPU_CUSTOM && cpu->mode != GUEST_CPU_DEFAULT) {
        if (cpu->model)
            return xml_unsupported(model, NULL, error);
        cpu->fallback = GUEST_CPU_FALLBACK_DEFAULT;
    }
    if (cpu->model && cpu->mode == GUEST_CPU_DEFAULT)
        cpu->mode = GUEST_CPU_CUSTOM;
    if (cpu->mode == GUEST_CPU_CUSTOM && !cpu->model && cpu->features->len > 0)
        return xml_error(node, error, "CPU features need a CPU model");
    if (cpu->migratable != SWITCH_ABSENT && cpu->mode != GUEST_CPU_HOST_PASSTHROUGH &&
        cpu->mode != GUEST_CPU_MAXIMUM)
        return xml_unsupported(node, "migratable", error);
    return TRUE;
}

gboolean guest_cpu_read(GuestCpu *cpu, XmlNode *node, GError **error)
{
    if (!fields_read(cpu_rows, node, cpu, error))
        return FALSE;
    for (XmlNode *feature = xml_child(node, "feature"); feature;
         feature = xml_next(feature, "feature"))
        if (!read_feature(cpu, feature, error))
            return FALSE;
    return check_model(cpu, node, error) && check_topology(cpu, node, error);
}

/* ---- writing, copying, comparing ---- */

void guest_cpu_format(const GuestCpu *cpu, XmlWriter *writer)
{
    xml_write_open(writer, "cpu");
    fields_write(cpu_rows, writer, cpu);
    for (unsigned i = 0; i < cpu->features->len; i++) {
        const GuestCpuFeature *feature = g_ptr_array_index(cpu->features, i);

        xml_write_open(writer, "feature");
        xml_write_attr(writer, "policy", enum_name(guest_cpu_policy_names, feature->policy));
        xml_write_attr(writer, "name", feature->name);
        xml_write_close(writer);
    }
    xml_write_close(writer);
}

/* into: initialised and empty. */
void guest_cpu_copy_into(GuestCpu *into, const GuestCpu *cpu)
{
    fields_copy(cpu_rows, into, cpu);
    for (unsigned i = 0; i < cpu->features->len; i++) {
        const GuestCpuFeature *feature = g_ptr_array_index(cpu->features, i);

        guest_cpu_set_feature(into, feature->name, feature->policy);
    }
}

/* What the guest sees of a feature: there, not there, or as the model has it. */
static int feature_effect(const GuestCpu *cpu, const char *name)
{
    const GuestCpuFeature *feature = find_feature(cpu, name);

    if (!feature)
        return 0;
    return feature->policy == GUEST_CPU_FEATURE_DISABLE ||
                   feature->policy == GUEST_CPU_FEATURE_FORBID
               ? 2
               : 1;
}

static gboolean compare_features(const GuestCpu *source, const GuestCpu *target,
                                 const GuestCpu *names, GError **error)
{
    static const char *const effects[] = {"default", "require", "disable"};

    for (unsigned i = 0; i < names->features->len; i++) {
        const GuestCpuFeature *feature = g_ptr_array_index(names->features, i);
        int in_source = feature_effect(source, feature->name),
            in_target = feature_effect(target, feature->name);

        if (in_source != in_target)
            return error_set(error, ERROR_CONFIG_UNSUPPORTED,
                             "unsupported configuration: Target CPU feature '%s' policy %s does "
                             "not match source %s",
                             feature->name, effects[in_target], effects[in_source]);
    }
    return TRUE;
}

gboolean guest_cpu_compare_abi(const GuestCpu *source, const GuestCpu *target, GError **error)
{
    const Field *row = fields_find_difference(cpu_rows, source, target);
    g_autofree char *in_source = NULL, *in_target = NULL;

    if (!row)
        return compare_features(source, target, source, error) &&
               compare_features(source, target, target, error);
    in_source = field_text(row, source);
    in_target = field_text(row, target);
    return error_set(error, ERROR_CONFIG_UNSUPPORTED,
                     "unsupported configuration: Target CPU %s '%s' does not match source '%s'",
                     row->label, in_target, in_source);
}
