/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"

static int run(Session *session, const Arguments *arguments)
{
    g_autoptr(FerryDomain) domain = session_domain(session, arguments);
    gboolean is_on = !arguments_has(arguments, "disable");
    FerryError *error = NULL;

    if (!domain)
        return EXIT_BAD;
    if (!ferry_domain_set_autostart(domain, is_on, &error))
        return fail_with(error, "Failed to %s domain '%s' as autostarted",
                         is_on ? "mark" : "unmark", ferry_domain_name(domain));
    say(session, "Domain '%s' %s as autostarted", ferry_domain_name(domain),
        is_on ? "marked" : "unmarked");
    return EXIT_OK;
}

static const Option options[] = {
    DOMAIN_OPTION,
    {"disable", OPTION_FLAG, 0, "no longer"},
    {NULL},
};

const Command command_autostart = {
    .name = "autostart",
    .group = GROUP_GUEST,
    .summary = "start a guest whenever its host starts",
    .options = options,
    .run = run,
};
