/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"
#include "terminal.h"

static int run(Session *session, const Arguments *arguments)
{
    const char *path = arguments_text(arguments, "file");
    g_autofree char *xml = read_file(path);
    g_autoptr(FerryDomain) domain = NULL;
    FerryError *error = NULL;
    unsigned flags = 0;

    if (!xml || !session_connect(session))
        return EXIT_BAD;
    flags |= arguments_has(arguments, "paused") ? FERRY_START_PAUSED : 0;
    flags |= arguments_has(arguments, "autodestroy") ? FERRY_START_AUTODESTROY : 0;
    flags |= arguments_has(arguments, "validate") ? FERRY_START_VALIDATE : 0;
    flags |= arguments_has(arguments, "reset-nvram") ? FERRY_START_RESET_NVRAM : 0;
    domain = ferry_domain_create(session->conn, xml, flags, &error);
    if (!domain)
        return fail_with(error, "Failed to create domain from %s", path);
    say(session, "Domain '%s' created from %s", ferry_domain_name(domain), path);
    return arguments_has(arguments, "console") ? terminal_run(session, domain, NULL, 0) : EXIT_OK;
}

static const Option options[] = {
    {"file", OPTION_TEXT, OPTION_REQUIRED | OPTION_FILE,
     "file with the guest's XML; - is standard input"},
    {"console", OPTION_FLAG, 0, "show its console afterwards"},
    {"paused", OPTION_FLAG, 0, "leave it paused"},
    {"autodestroy", OPTION_FLAG, 0, "end it when this command ends"},
    {"validate", OPTION_FLAG, 0, "check the XML against the schema"},
    {"reset-nvram", OPTION_FLAG, 0, "begin with a fresh nvram"},
    {NULL},
};

const Command command_create = {
    .name = "create",
    .group = GROUP_GUEST,
    .summary = "start a guest from XML without keeping its definition",
    .help = "When it stops, nothing of it is left. To keep it: `ferry define`, then `ferry start`.",
    .options = options,
    .run = run,
};
