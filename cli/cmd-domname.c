/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"

static int run(Session *session, const Arguments *arguments)
{
    g_autoptr(FerryDomain) domain = session_domain(session, arguments);

    if (!domain)
        return EXIT_BAD;
    print_text(session, ferry_domain_name(domain));
    return EXIT_OK;
}

static const Option options[] = {
    DOMAIN_OPTION,
    {NULL},
};

const Command command_domname = {
    .name = "domname",
    .group = GROUP_LOOK,
    .summary = "print the name of a guest",
    .options = options,
    .run = run,
};
