/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"

static int run(Session *session, const Arguments *arguments)
{
    return run_verb(session, arguments, "resumed", "resume", ferry_domain_resume);
}

static const Option options[] = {
    DOMAIN_OPTION,
    {NULL},
};

const Command command_resume = {
    .name = "resume",
    .group = GROUP_GUEST,
    .summary = "let a paused guest go on",
    .help = "A guest whose hand-over to another host is not settled is refused, with what to do.",
    .options = options,
    .run = run,
};
