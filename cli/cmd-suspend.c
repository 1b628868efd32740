/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"

static int run(Session *session, const Arguments *arguments)
{
    return run_verb(session, arguments, "suspended", "suspend", ferry_domain_suspend);
}

static const Option options[] = {
    DOMAIN_OPTION,
    {NULL},
};

const Command command_suspend = {
    .name = "suspend",
    .group = GROUP_GUEST,
    .summary = "pause a guest",
    .help = "Its memory stays where it is; its processors stand still until `ferry resume`.",
    .options = options,
    .run = run,
};
