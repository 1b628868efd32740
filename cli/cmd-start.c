/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"
#include "terminal.h"

static int run(Session *session, const Arguments *arguments)
{
    g_autoptr(FerryDomain) domain = session_domain(session, arguments);
    FerryError *error = NULL;
    unsigned flags = 0;

    if (!domain)
        return EXIT_BAD;
    if (ferry_domain_id(domain) >= 0)
        return complain("Domain is already active");
    flags |= arguments_has(arguments, "paused") ? FERRY_START_PAUSED : 0;
    flags |= arguments_has(arguments, "autodestroy") ? FERRY_START_AUTODESTROY : 0;
    flags |= arguments_has(arguments, "bypass-cache") ? FERRY_START_BYPASS_CACHE : 0;
    flags |= arguments_has(arguments, "force-boot") ? FERRY_START_FORCE_BOOT : 0;
    flags |= arguments_has(arguments, "reset-nvram") ? FERRY_START_RESET_NVRAM : 0;
    if (!ferry_domain_start(domain, flags, &error))
        return fail_with(error, "Failed to start domain '%s'", ferry_domain_name(domain));
    say(session, "Domain '%s' started", ferry_domain_name(domain));
    return arguments_has(arguments, "console") ? terminal_run(session, domain, NULL, 0) : EXIT_OK;
}

static const Option options[] = {
    DOMAIN_OPTION,
    {"console", OPTION_FLAG, 0, "show its console afterwards"},
    {"paused", OPTION_FLAG, 0, "leave it paused"},
    {"autodestroy", OPTION_FLAG, 0, "end it when this command ends"},
    {"bypass-cache", OPTION_FLAG, 0, "read a saved state past the host's cache"},
    {"force-boot", OPTION_FLAG, 0, "drop a saved state and boot"},
    {"reset-nvram", OPTION_FLAG, 0, "begin with a fresh nvram"},
    {NULL},
};

const Command command_start = {
    .name = "start",
    .group = GROUP_GUEST,
    .summary = "start a guest that is defined",
    .help =
        "A guest that was handed to another host, or may have been, is refused with what to do.",
    .options = options,
    .run = run,
};
