/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"

static int run(Session *session, const Arguments *arguments)
{
    g_autoptr(FerryDomain) domain = session_domain(session, arguments);
    FerryError *error = NULL;

    if (!domain)
        return EXIT_BAD;
    if (!ferry_domain_set_migrate_speed(domain, arguments_number(arguments, "bandwidth", 0),
                                        arguments_has(arguments, "postcopy"), &error))
        return fail(error);
    print_end(session);
    return EXIT_OK;
}

static const Option options[] = {
    DOMAIN_OPTION,
    {"bandwidth", OPTION_NUMBER, OPTION_REQUIRED, "at most so many MiB/s"},
    {"postcopy", OPTION_FLAG, 0, "after the switch to post-copy"},
    {NULL},
};

const Command command_migrate_setspeed = {
    .name = "migrate-setspeed",
    .group = GROUP_MIGRATION,
    .summary = "limit the speed of a guest's migrations",
    .help = "Takes effect at once, also while it moves. `ferry migrate --bandwidth` limits one "
            "migration only.",
    .options = options,
    .run = run,
};
