/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"

static int run(Session *session, const Arguments *arguments)
{
    const char *path = arguments_text(arguments, "file");
    g_autofree char *xml = read_file(path);
    g_autoptr(FerryDomain) domain = NULL;
    FerryError *error = NULL;

    if (!xml || !session_connect(session))
        return EXIT_BAD;
    domain = ferry_domain_define(session->conn, xml,
                                 arguments_has(arguments, "validate") ? FERRY_DEFINE_VALIDATE : 0,
                                 &error);
    if (!domain)
        return fail_with(error, "Failed to define domain from %s", path);
    say(session, "Domain '%s' defined from %s", ferry_domain_name(domain), path);
    return EXIT_OK;
}

static const Option options[] = {
    {"file", OPTION_TEXT, OPTION_REQUIRED | OPTION_FILE,
     "file with the guest's XML; - is standard input"},
    {"validate", OPTION_FLAG, 0, "check the XML against the schema"},
    {NULL},
};

const Command command_define = {
    .name = "define",
    .group = GROUP_GUEST,
    .summary = "keep a guest's definition, or replace it",
    .help = "The guest is not started. What the XML leaves open (addresses, UUID, MAC, …) is "
            "filled in and stays.",
    .options = options,
    .run = run,
};
