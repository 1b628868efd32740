/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"

static int run(Session *session, const Arguments *arguments)
{
    return run_verb(session, arguments, "was reset", "reset", ferry_domain_reset);
}

static const Option options[] = {
    DOMAIN_OPTION,
    {NULL},
};

const Command command_reset = {
    .name = "reset",
    .group = GROUP_GUEST,
    .summary = "press the reset button of a guest",
    .help = "The guest is not asked: what it had not written to its disks is lost.",
    .options = options,
    .run = run,
};
