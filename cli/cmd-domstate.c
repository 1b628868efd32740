/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"
#include "doubt.h"
#include "json.h"

static int run(Session *session, const Arguments *arguments)
{
    g_autoptr(FerryDomain) domain = session_domain(session, arguments);
    FerryState state = FERRY_STATE_NONE;
    FerryError *error = NULL;
    g_autofree char *doubt = NULL, *kept = NULL;
    g_autofree char *text = NULL;
    int reason = 0;

    if (!domain)
        return EXIT_BAD;
    if (!ferry_domain_state(domain, &state, &reason, &error))
        return fail(error);
    if (state == FERRY_STATE_PAUSED &&
        (arguments_has(arguments, "reason") || arguments_has(arguments, "json"))) {
        FerryMigrationRow *rows = doubt_of(domain);

        doubt = doubt_text(rows);
        kept = doubt ? NULL : kept_text(domain);
        ferry_migration_rows_free(rows);
    }
    if (arguments_has(arguments, "json")) {
        json_object *object = json_from_domain(domain);

        json_add_text(object, "state", ferry_state_text(state));
        json_add_text(object, "reason", ferry_state_reason_text(state, reason));
        json_add_text(object, "doubt", doubt);
        json_add_text(object, "kept", kept);
        json_print(object);
        return EXIT_OK;
    }
    if (!arguments_has(arguments, "reason")) {
        text = g_strdup(ferry_state_text(state));
    } else {
        const char *why = doubt ?: kept;

        text = g_strdup_printf("%s (%s)%s%s", ferry_state_text(state), ferry_state_reason_text(state, reason), why ? "\n" : "",
                               why ?: "");
    }
    print_text(session, text);
    return EXIT_OK;
}

static const Option options[] = {
    DOMAIN_OPTION,
    {"reason", OPTION_FLAG, 0, "and how it came to that"},
    JSON_OPTION,
    {NULL},
};

const Command command_domstate = {
    .name = "domstate",
    .group = GROUP_LOOK,
    .summary = "print the state of a guest",
    .help = "With --reason or --json also for whom a guest waits whose migration is not settled, and what keeps one that has stayed here.",
    .options = options,
    .run = run,
};
