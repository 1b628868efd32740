/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "commands.h"
#include "json.h"

/* clang-format off */
static const struct {
    const char *option;
    unsigned group;
} groups_table[] = {
    { "state",     FERRY_STATS_STATE },
    { "cpu-total", FERRY_STATS_CPU_TOTAL },
    { "balloon",   FERRY_STATS_BALLOON },
    { "vcpu",      FERRY_STATS_VCPU },
    { "interface", FERRY_STATS_INTERFACE },
    { "block",     FERRY_STATS_BLOCK },
    { "perf",      FERRY_STATS_PERF },
    { "iothread",  FERRY_STATS_IOTHREAD },
    { "memory",    FERRY_STATS_MEMORY },
    { "dirtyrate", FERRY_STATS_DIRTYRATE },
    { "vm",        FERRY_STATS_VM },
};
/* clang-format on */

static void print_people(const Session *session, const FerryStatsRecord *record)
{
    for (; record->domain; record++) {
        printf("Domain: '%s'\n", ferry_domain_name(record->domain));
        for (size_t i = 0; i < ferry_params_count(record->params); i++) {
            g_autofree char *text = ferry_params_text(record->params, i);

            printf("  %s=%s\n", ferry_params_name(record->params, i), text);
        }
        if (record[1].domain)
            putchar('\n');
    }
    print_end(session);
}

static void print_json(const FerryStatsRecord *record)
{
    json_object *list = json_object_new_array();

    for (; record->domain; record++) {
        json_object *object = json_from_domain(record->domain);

        json_object_object_add(object, "stats", json_from_params(record->params));
        json_object_array_add(list, object);
    }
    json_print(list);
}

/* The domains named, or NULL for all.  FALSE: one is not there. */
static gboolean find_domains(Session *session, char **names, FerryDomain ***ret_domains)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)ferry_domain_free);

    for (char **name = names; *name; name++) {
        FerryError *error = NULL;
        FerryDomain *domain = ferry_domain_find(session->conn, *name, &error);

        if (!domain) {
            fail_with(error, "failed to get domain '%s'", *name);
            return FALSE;
        }
        g_ptr_array_add(list, domain);
    }
    if (list->len > 0) {
        g_ptr_array_add(list, NULL);
        *ret_domains = (FerryDomain **)g_ptr_array_steal(list, NULL);
    }
    return TRUE;
}

static int run(Session *session, const Arguments *arguments)
{
    FerryDomain **domains = NULL;
    FerryStatsRecord *records;
    FerryError *error = NULL;
    unsigned groups = 0;

    if (!session_connect(session) || !find_domains(session, arguments_rest(arguments), &domains))
        return EXIT_BAD;
    for (size_t i = 0; i < G_N_ELEMENTS(groups_table); i++)
        groups |= arguments_has(arguments, groups_table[i].option) ? groups_table[i].group : 0;
    records = ferry_domains_stats(session->conn, domains, groups, arguments_bits(arguments), &error);
    ferry_domains_free(domains);
    if (!records)
        return fail(error);
    if (arguments_has(arguments, "json"))
        print_json(records);
    else
        print_people(session, records);
    ferry_stats_free(records);
    return EXIT_OK;
}

/* clang-format off */
static const Option options[] = {
    {"state", OPTION_FLAG, 0, "state and reason"},
    {"cpu-total", OPTION_FLAG, 0, "processor time"},
    {"balloon", OPTION_FLAG, 0, "memory, and what the guest says of it"},
    {"vcpu", OPTION_FLAG, 0, "each virtual processor"},
    {"interface", OPTION_FLAG, 0, "network interfaces"},
    {"block", OPTION_FLAG, 0, "disks"},
    {"perf", OPTION_FLAG, 0, "performance events"},
    {"iothread", OPTION_FLAG, 0, "I/O threads"},
    {"memory", OPTION_FLAG, 0, "memory bandwidth"},
    {"dirtyrate", OPTION_FLAG, 0, "how fast the guest writes to its memory"},
    {"vm", OPTION_FLAG, 0, "what the hypervisor counts"},
    {"list-active", OPTION_FLAG, 0, "only running guests", .bit = FERRY_LIST_ACTIVE},
    {"list-inactive", OPTION_FLAG, 0, "only stopped guests", .bit = FERRY_LIST_INACTIVE},
    {"list-persistent", OPTION_FLAG, 0, "only guests with a kept definition",
     .bit = FERRY_LIST_PERSISTENT},
    {"list-transient", OPTION_FLAG, 0, "only guests without", .bit = FERRY_LIST_TRANSIENT},
    {"list-running", OPTION_FLAG, 0, "only guests that run now", .bit = FERRY_LIST_RUNNING},
    {"list-paused", OPTION_FLAG, 0, "only paused guests", .bit = FERRY_LIST_PAUSED},
    {"list-shutoff", OPTION_FLAG, 0, "only shut off guests", .bit = FERRY_LIST_SHUTOFF},
    {"list-other", OPTION_FLAG, 0, "only guests in other states", .bit = FERRY_LIST_OTHER},
    {"raw", OPTION_FLAG, 0, "numbers as they are (they always are)"},
    {"enforce", OPTION_FLAG, 0, "fail if a group is not served", .bit = FERRY_STATS_ENFORCE},
    {"backing", OPTION_FLAG, 0, "with backing files of disks", .bit = FERRY_STATS_BACKING},
    {"nowait", OPTION_FLAG, 0, "only what can be told at once", .bit = FERRY_STATS_NOWAIT},
    JSON_OPTION,
    {"domain", OPTION_REST, OPTION_DOMAIN, "only these guests"},
    {NULL},
};
/* clang-format on */

const Command command_domstats = {
    .name = "domstats",
    .group = GROUP_LOOK,
    .summary = "print statistics of guests",
    .help = "Without a group: all that are served. Without a domain: of every guest.",
    .options = options,
    .run = run,
};
