/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "json.h"
#include "table.h"

/* A stopped guest has no id and comes behind the running ones. */
static int by_id_then_name(const void *left, const void *right)
{
    const FerryDomain *a = *(FerryDomain *const *)left, *b = *(FerryDomain *const *)right;
    int id_a = ferry_domain_id(a), id_b = ferry_domain_id(b);

    if ((id_a < 0) != (id_b < 0))
        return id_a < 0 ? 1 : -1;
    if (id_a != id_b)
        return id_a < id_b ? -1 : 1;
    return g_ascii_strcasecmp(ferry_domain_name(a), ferry_domain_name(b));
}

static const char *state_of(FerryDomain *domain, const Arguments *arguments)
{
    FerryState state = FERRY_STATE_NONE;
    bool has_save = false;

    if (ferry_domain_id(domain) < 0 && arguments_has(arguments, "managed-save") &&
        ferry_domain_has_managed_save(domain, &has_save, NULL) && has_save)
        return "saved";
    if (!ferry_domain_state(domain, &state, NULL, NULL))
        return "no state";
    return ferry_state_text(state);
}

static void print_table(const Session *session, const Arguments *arguments, FerryDomain **domains)
{
    gboolean has_title = arguments_has(arguments, "title");
    const char *const headers[] = {"Id", "Name", "State", has_title ? "Title" : NULL, NULL};
    g_autoptr(Table) table = table_new(headers);

    for (; *domains; domains++) {
        int id = ferry_domain_id(*domains);
        g_autofree char *number = id < 0 ? g_strdup("-") : g_strdup_printf("%d", id);
        g_autofree char *title = has_title ? ferry_domain_title(*domains, NULL) : NULL;
        const char *const cells[] = {number, ferry_domain_name(*domains),
                                     state_of(*domains, arguments), title ?: ""};

        table_add(table, cells);
    }
    table_print(table, !session->is_quiet);
}

static void print_words(const Arguments *arguments, FerryDomain **domains)
{
    gboolean has_more = arguments_has(arguments, "uuid") || arguments_has(arguments, "name");

    for (; *domains; domains++) {
        const char *between = "";

        if (!has_more && ferry_domain_id(*domains) < 0)
            continue; /* a list of numbers alone has no place for one without */
        if (arguments_has(arguments, "id")) {
            if (ferry_domain_id(*domains) < 0)
                printf("-");
            else
                printf("%d", ferry_domain_id(*domains));
            between = " ";
        }
        if (arguments_has(arguments, "uuid")) {
            printf("%s%s", between, ferry_domain_uuid(*domains));
            between = " ";
        }
        if (arguments_has(arguments, "name"))
            printf("%s%s", between, ferry_domain_name(*domains));
        putchar('\n');
    }
}

static void print_json(const Arguments *arguments, FerryDomain **domains)
{
    json_object *list = json_object_new_array();

    for (; *domains; domains++) {
        json_object *object = json_from_domain(*domains);
        g_autofree char *title =
            arguments_has(arguments, "title") ? ferry_domain_title(*domains, NULL) : NULL;

        json_add_text(object, "state", state_of(*domains, arguments));
        if (arguments_has(arguments, "title"))
            json_add_text(object, "title", title);
        json_object_array_add(list, object);
    }
    json_print(list);
}

static int run(Session *session, const Arguments *arguments)
{
    gboolean has_words = arguments_has(arguments, "name") || arguments_has(arguments, "uuid") ||
                         arguments_has(arguments, "id");
    FerryDomain **domains = NULL;
    FerryError *error = NULL;
    unsigned flags = FERRY_LIST_ACTIVE;
    guint count = 0;

    if (has_words && arguments_has(arguments, "table"))
        return complain("Only one argument from --table, --name and --uuid may be specified.");
    if (arguments_has(arguments, "inactive"))
        flags = FERRY_LIST_INACTIVE;
    if (arguments_has(arguments, "all"))
        flags = FERRY_LIST_ACTIVE | FERRY_LIST_INACTIVE;
    flags |= arguments_bits(arguments);
    if (!session_connect(session))
        return EXIT_BAD;
    domains = ferry_domains_list(session->conn, flags, &error);
    if (!domains)
        return fail_with(error, "Failed to list domains");
    while (domains[count])
        count++;
    qsort(domains, count, sizeof *domains, by_id_then_name);
    if (arguments_has(arguments, "json"))
        print_json(arguments, domains);
    else if (has_words)
        print_words(arguments, domains);
    else
        print_table(session, arguments, domains);
    if (!arguments_has(arguments, "json"))
        print_end(session);
    ferry_domains_free(domains);
    return EXIT_OK;
}

/* clang-format off */
static const Option options[] = {
    {"inactive", OPTION_FLAG, 0, "those that do not run"},
    {"all", OPTION_FLAG, 0, "those that run and those that do not"},
    {"transient", OPTION_FLAG, 0, "those without a kept definition", .bit = FERRY_LIST_TRANSIENT},
    {"persistent", OPTION_FLAG, 0, "those with a kept definition", .bit = FERRY_LIST_PERSISTENT},
    {"with-snapshot", OPTION_FLAG, 0, "those that have snapshots", .bit = FERRY_LIST_SNAPSHOT},
    {"without-snapshot", OPTION_FLAG, 0, "those that have none", .bit = FERRY_LIST_NO_SNAPSHOT},
    {"with-checkpoint", OPTION_FLAG, 0, "those that have checkpoints",
     .bit = FERRY_LIST_CHECKPOINT},
    {"without-checkpoint", OPTION_FLAG, 0, "those that have none", .bit = FERRY_LIST_NO_CHECKPOINT},
    {"state-running", OPTION_FLAG, 0, "those that run now", .bit = FERRY_LIST_RUNNING},
    {"state-paused", OPTION_FLAG, 0, "those that are paused", .bit = FERRY_LIST_PAUSED},
    {"state-shutoff", OPTION_FLAG, 0, "those that are shut off", .bit = FERRY_LIST_SHUTOFF},
    {"state-other", OPTION_FLAG, 0, "those in any other state", .bit = FERRY_LIST_OTHER},
    {"autostart", OPTION_FLAG, 0, "those that start with their host", .bit = FERRY_LIST_AUTOSTART},
    {"no-autostart", OPTION_FLAG, 0, "those that do not", .bit = FERRY_LIST_NO_AUTOSTART},
    {"with-managed-save", OPTION_FLAG, 0, "those with a saved state",
     .bit = FERRY_LIST_MANAGED_SAVE},
    {"without-managed-save", OPTION_FLAG, 0, "those without one",
     .bit = FERRY_LIST_NO_MANAGED_SAVE},
    {"uuid", OPTION_FLAG, 0, "print UUIDs only"},
    {"name", OPTION_FLAG, 0, "print names only"},
    {"id", OPTION_FLAG, 0, "print numbers only"},
    {"table", OPTION_FLAG, 0, "print a table (this is the default)"},
    {"managed-save", OPTION_FLAG, 0, "say which stopped guests have a saved state"},
    {"title", OPTION_FLAG, 0, "print titles, too"},
    JSON_OPTION,
    {NULL},
};
/* clang-format on */

const Command command_list = {
    .name = "list",
    .group = GROUP_LOOK,
    .summary = "list guests",
    .help = "Without options those that run. Several filters of one kind add up, of different "
            "kinds narrow down.",
    .options = options,
    .run = run,
};
