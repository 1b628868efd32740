/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"

static int run(Session *session, const Arguments *arguments)
{
    FerryConnection *conn = session_connect(session);

    if (!conn)
        return EXIT_BAD;
    print_text(session, ferry_connection_uri(conn));
    return EXIT_OK;
}

static const Option options[] = {
    {NULL},
};

const Command command_uri = {
    .name = "uri",
    .group = GROUP_HOST,
    .summary = "print the URI of the connection",
    .help = "Given by -c, else by FERRY_URI, else by LIBVIRT_DEFAULT_URI, else qemu:///system.",
    .options = options,
    .run = run,
};
