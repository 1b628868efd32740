/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"
#include "mode.h"

static int run(Session *session, const Arguments *arguments)
{
    g_autoptr(FerryDomain) domain = NULL;
    FerryError *error = NULL;
    unsigned flags = 0;

    if (!mode_flags(arguments, &flags) || !(domain = session_domain(session, arguments)))
        return EXIT_BAD;
    if (!ferry_domain_reboot(domain, flags, &error))
        return fail_with(error, "Failed to reboot domain '%s'", ferry_domain_name(domain));
    say(session, "Domain '%s' is being rebooted", ferry_domain_name(domain));
    return EXIT_OK;
}

static const Option options[] = {
    DOMAIN_OPTION,
    {"mode", OPTION_TEXT, 0,
     "how to ask: acpi, agent, initctl, signal or paravirt, several with commas"},
    {NULL},
};

const Command command_reboot = {
    .name = "reboot",
    .group = GROUP_GUEST,
    .summary = "ask a guest to restart",
    .help = "The guest is asked and does it in its own time; `ferry reset` does not ask.",
    .options = options,
    .run = run,
};
