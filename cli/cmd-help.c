/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"
#include "help.h"

static int run(Session *session, const Arguments *arguments)
{
    const char *name = arguments_text(arguments, "command");
    const Command *command = name ? command_find(name) : NULL;

    if (!name) {
        help_print_all();
        return EXIT_OK;
    }
    if (!command)
        return complain("command '%s' doesn't exist", name);
    help_print(command);
    return EXIT_OK;
}

static const Option options[] = {
    {"command", OPTION_TEXT, 0, "which command"},
    {NULL},
};

const Command command_help = {
    .name = "help",
    .group = GROUP_HELP,
    .summary = "print what there is, or all about one command",
    .options = options,
    .run = run,
};
