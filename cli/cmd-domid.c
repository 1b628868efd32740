/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "commands.h"

static int run(Session *session, const Arguments *arguments)
{
    g_autoptr(FerryDomain) domain = session_domain(session, arguments);
    g_autofree char *text = NULL;

    if (!domain)
        return EXIT_BAD;
    text = ferry_domain_id(domain) < 0 ? g_strdup("-")
                                       : g_strdup_printf("%d", ferry_domain_id(domain));
    print_text(session, text);
    return EXIT_OK;
}

static const Option options[] = {
    DOMAIN_OPTION,
    {NULL},
};

const Command command_domid = {
    .name = "domid",
    .group = GROUP_LOOK,
    .summary = "print the number of a running guest",
    .help = "\"-\" if it does not run.",
    .options = options,
    .run = run,
};
