/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"

static int run(Session *session, const Arguments *arguments)
{
    g_autoptr(FerryDomain) domain = session_domain(session, arguments);
    FerryError *error = NULL;
    unsigned flags = 0;

    if (!domain)
        return EXIT_BAD;
    flags |= arguments_has(arguments, "graceful") ? FERRY_DESTROY_GRACEFUL : 0;
    flags |= arguments_has(arguments, "remove-logs") ? FERRY_DESTROY_REMOVE_LOGS : 0;
    if (!ferry_domain_destroy(domain, flags, &error))
        return fail_with(error, "Failed to destroy domain '%s'", ferry_domain_name(domain));
    say(session, "Domain '%s' destroyed", ferry_domain_name(domain));
    return EXIT_OK;
}

static const Option options[] = {
    DOMAIN_OPTION,
    {"graceful", OPTION_FLAG, 0, "give up if QEMU does not end when asked"},
    {"remove-logs", OPTION_FLAG, 0, "remove its logs, too"},
    {NULL},
};

const Command command_destroy = {
    .name = "destroy",
    .group = GROUP_GUEST,
    .summary = "end a guest at once, as by pulling the plug",
    .help = "Its definition and its disks stay.",
    .options = options,
    .run = run,
};
