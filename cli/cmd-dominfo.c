/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "commands.h"
#include "json.h"

typedef struct {
    FerryDomainInfo info;
    char *os_type, *security_model, *security_doi, *security_label;
    bool is_persistent, knows_persistent;
    bool is_autostart, knows_autostart;
    bool has_save, knows_save;
    bool is_enforcing;
    char **messages;
} Facts;

/* All but the first may be unknown to a host. */
static gboolean collect(FerryDomain *domain, Facts *facts, FerryError **error)
{
    if (!ferry_domain_info(domain, &facts->info, error))
        return FALSE;
    facts->os_type = ferry_domain_os_type(domain, NULL);
    facts->knows_persistent = ferry_domain_is_persistent(domain, &facts->is_persistent, NULL);
    facts->knows_autostart = ferry_domain_get_autostart(domain, &facts->is_autostart, NULL);
    facts->knows_save = ferry_domain_has_managed_save(domain, &facts->has_save, NULL);
    if (ferry_connection_security_model(ferry_domain_connection(domain), &facts->security_model,
                                        &facts->security_doi, NULL) &&
        *facts->security_model)
        ferry_domain_security_label(domain, &facts->security_label, &facts->is_enforcing, NULL);
    facts->messages = ferry_domain_messages(domain, NULL);
    return TRUE;
}

static void facts_clear(Facts *facts)
{
    g_free(facts->os_type);
    g_free(facts->security_model);
    g_free(facts->security_doi);
    g_free(facts->security_label);
    ferry_strv_free(facts->messages);
}

static void line(const char *label, const char *value)
{
    printf("%-15s %s\n", label, value);
}

static void print_people(FerryDomain *domain, const Facts *facts)
{
    g_autofree char *id = ferry_domain_id(domain) < 0
                              ? g_strdup("-")
                              : g_strdup_printf("%d", ferry_domain_id(domain));

    line("Id:", id);
    line("Name:", ferry_domain_name(domain));
    line("UUID:", ferry_domain_uuid(domain));
    if (facts->os_type)
        line("OS Type:", facts->os_type);
    line("State:", ferry_state_text(facts->info.state));
    printf("%-15s %u\n", "CPU(s):", facts->info.vcpus);
    if (facts->info.cpu_time_ns)
        printf("%-15s %.1lfs\n", "CPU time:", (double)facts->info.cpu_time_ns / 1e9);
    if (facts->info.max_memory_kib)
        printf("%-15s %" G_GUINT64_FORMAT " KiB\n", "Max memory:", facts->info.max_memory_kib);
    printf("%-15s %" G_GUINT64_FORMAT " KiB\n", "Used memory:", facts->info.memory_kib);
    line("Persistent:", !facts->knows_persistent ? "unknown" : facts->is_persistent ? "yes" : "no");
    if (facts->knows_autostart)
        line("Autostart:", facts->is_autostart ? "enable" : "disable");
    line("Managed save:", !facts->knows_save ? "unknown" : facts->has_save ? "yes" : "no");
    if (facts->security_model && *facts->security_model) {
        line("Security model:", facts->security_model);
        line("Security DOI:", facts->security_doi);
        if (facts->security_label && *facts->security_label)
            printf("%-15s %s (%s)\n", "Security label:", facts->security_label,
                   facts->is_enforcing ? "enforcing" : "permissive");
    }
    for (char **message = facts->messages; message && *message; message++)
        line(message == facts->messages ? "Messages:" : "", *message);
}

static void print_json(FerryDomain *domain, const Facts *facts)
{
    json_object *object = json_from_domain(domain);
    json_object *messages = json_object_new_array();

    json_add_text(object, "os_type", facts->os_type);
    json_add_text(object, "state", ferry_state_text(facts->info.state));
    json_add_number(object, "vcpus", facts->info.vcpus);
    json_add_number(object, "cpu_time_ns", facts->info.cpu_time_ns);
    json_add_number(object, "max_memory_kib", facts->info.max_memory_kib);
    json_add_number(object, "memory_kib", facts->info.memory_kib);
    if (facts->knows_persistent)
        json_add_bool(object, "persistent", facts->is_persistent);
    if (facts->knows_autostart)
        json_add_bool(object, "autostart", facts->is_autostart);
    if (facts->knows_save)
        json_add_bool(object, "managed_save", facts->has_save);
    json_add_text(object, "security_model", facts->security_model);
    json_add_text(object, "security_label", facts->security_label);
    for (char **message = facts->messages; message && *message; message++)
        json_object_array_add(messages, json_object_new_string(*message));
    json_object_object_add(object, "messages", messages);
    json_print(object);
}

static int run(Session *session, const Arguments *arguments)
{
    g_autoptr(FerryDomain) domain = session_domain(session, arguments);
    FerryError *error = NULL;
    Facts facts = {0};

    if (!domain)
        return EXIT_BAD;
    if (!collect(domain, &facts, &error))
        return fail(error);
    if (arguments_has(arguments, "json")) {
        print_json(domain, &facts);
    } else {
        print_people(domain, &facts);
        print_end(session);
    }
    facts_clear(&facts);
    return EXIT_OK;
}

static const Option options[] = {
    DOMAIN_OPTION,
    JSON_OPTION,
    {NULL},
};

const Command command_dominfo = {
    .name = "dominfo",
    .group = GROUP_LOOK,
    .summary = "print what is worth knowing about a guest",
    .help = "Under \"Messages\" its host says what is odd about it, for instance a migration whose "
            "outcome is not known.",
    .options = options,
    .run = run,
};
