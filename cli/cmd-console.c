/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"
#include "terminal.h"

static int run(Session *session, const Arguments *arguments)
{
    g_autoptr(FerryDomain) domain = session_domain(session, arguments);
    FerryState state = FERRY_STATE_NONE;
    FerryError *error = NULL;

    if (!domain)
        return EXIT_BAD;
    if (!ferry_domain_state(domain, &state, NULL, &error))
        return fail_with(error, "Unable to get domain status");
    if (state == FERRY_STATE_SHUTOFF)
        return complain("The domain is not running");
    return terminal_run(session, domain, arguments_text(arguments, "devname"),
                        arguments_bits(arguments));
}

static const Option options[] = {
    DOMAIN_OPTION,
    {"devname", OPTION_TEXT, 0, "which one, by its alias: serial0, console0, …; else the first"},
    {"force", OPTION_FLAG, 0, "take it from whoever has it", .bit = FERRY_CONSOLE_FORCE},
    {"safe", OPTION_FLAG, 0, "only if nobody else has it", .bit = FERRY_CONSOLE_SAFE},
    {NULL},
};

const Command command_console = {
    .name = "console",
    .group = GROUP_GUEST,
    .summary = "show a guest's console on this terminal",
    .help = "Ctrl-] ends it; the guest goes on.",
    .options = options,
    .run = run,
};
