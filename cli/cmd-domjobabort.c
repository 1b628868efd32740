/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"

static int run(Session *session, const Arguments *arguments)
{
    g_autoptr(FerryDomain) domain = session_domain(session, arguments);
    FerryError *error = NULL;

    if (!domain)
        return EXIT_BAD;
    if (!ferry_domain_abort_job(
            domain, arguments_has(arguments, "postcopy") ? FERRY_ABORT_POSTCOPY : 0, &error))
        return fail(error);
    print_end(session);
    return EXIT_OK;
}

static const Option options[] = {
    DOMAIN_OPTION,
    {"postcopy", OPTION_FLAG, 0, "interrupt a migration in post-copy"},
    {NULL},
};

const Command command_domjobabort = {
    .name = "domjobabort",
    .group = GROUP_MIGRATION,
    .summary = "stop what is being done with a guest, above all a migration",
    .help = "To be called at the source. The guest goes on there, and nothing is left at the "
            "destination.",
    .options = options,
    .run = run,
};
