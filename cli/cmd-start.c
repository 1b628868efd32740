/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"
#include "terminal.h"

static int run(Session *session, const Arguments *arguments)
{
    g_autoptr(FerryDomain) domain = session_domain(session, arguments);
    FerryError *error = NULL;

    if (!domain)
        return EXIT_BAD;
    if (ferry_domain_id(domain) >= 0)
        return complain("Domain is already active");
    if (!ferry_domain_start(domain, arguments_bits(arguments), &error))
        return fail_with(error, "Failed to start domain '%s'", ferry_domain_name(domain));
    say(session, "Domain '%s' started", ferry_domain_name(domain));
    return arguments_has(arguments, "console") ? terminal_run(session, domain, NULL, 0) : EXIT_OK;
}

/* clang-format off */
static const Option options[] = {
    DOMAIN_OPTION,
    {"console", OPTION_FLAG, 0, "show its console afterwards"},
    {"paused", OPTION_FLAG, 0, "leave it paused", .bit = FERRY_START_PAUSED},
    {"autodestroy", OPTION_FLAG, 0, "end it when this command ends", .bit = FERRY_START_AUTODESTROY},
    {"bypass-cache", OPTION_FLAG, 0, "read a saved state past the host's cache",
     .bit = FERRY_START_BYPASS_CACHE},
    {"force-boot", OPTION_FLAG, 0, "drop a saved state and boot", .bit = FERRY_START_FORCE_BOOT},
    {"reset-nvram", OPTION_FLAG, 0, "begin with a fresh nvram", .bit = FERRY_START_RESET_NVRAM},
    {NULL},
};
/* clang-format on */

const Command command_start = {
    .name = "start",
    .group = GROUP_GUEST,
    .summary = "start a guest that is defined",
    .help =
        "A guest that was handed to another host, or may have been, is refused with what to do.",
    .options = options,
    .run = run,
};
