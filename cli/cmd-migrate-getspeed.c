/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "commands.h"

static int run(Session *session, const Arguments *arguments)
{
    g_autoptr(FerryDomain) domain = session_domain(session, arguments);
    g_autofree char *text = NULL;
    FerryError *error = NULL;
    uint64_t mib_per_s = 0;

    if (!domain)
        return EXIT_BAD;
    if (!ferry_domain_get_migrate_speed(domain, arguments_has(arguments, "postcopy"), &mib_per_s,
                                        &error))
        return fail(error);
    text = g_strdup_printf("%" G_GUINT64_FORMAT, mib_per_s);
    print_text(session, text);
    return EXIT_OK;
}

static const Option options[] = {
    DOMAIN_OPTION,
    {"postcopy", OPTION_FLAG, 0, "after the switch to post-copy"},
    {NULL},
};

const Command command_migrate_getspeed = {
    .name = "migrate-getspeed",
    .group = GROUP_MIGRATION,
    .summary = "print the limit of the speed of a guest's migrations, in MiB/s",
    .options = options,
    .run = run,
};
