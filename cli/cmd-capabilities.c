/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"

static int run(Session *session, const Arguments *arguments)
{
    FerryConnection *conn = session_connect(session);
    FerryError *error = NULL;
    g_autofree char *text = conn ? ferry_connection_capabilities(conn, &error) : NULL;

    if (!conn)
        return EXIT_BAD;
    if (!text)
        return fail(error);
    print_text(session, text);
    return EXIT_OK;
}

static const Option options[] = {
    {NULL},
};

const Command command_capabilities = {
    .name = "capabilities",
    .group = GROUP_HOST,
    .summary = "print what the host can do, as XML",
    .help = "Its processor, and which kinds of guest it runs.",
    .options = options,
    .run = run,
};
