/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "commands.h"

static void print_version(const char *what, const char *of, guint64 version)
{
    printf("%s: %s %" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT "\n", what, of,
           version / 1000000, version / 1000 % 1000, version % 1000);
}

static int run(Session *session, const Arguments *arguments)
{
    FerryConnection *conn = session_connect(session);
    FerryError *error = NULL;
    g_autofree char *type = NULL;
    uint64_t api = 0, emulator = 0;

    if (!conn)
        return EXIT_BAD;
    type = ferry_connection_type(conn, &error);
    if (!type || !ferry_connection_api_version(conn, &api, &error))
        return fail(error);
    printf("Using library: libferry %s\n", ferry_version());
    print_version("Using API", type, api);
    if (!ferry_connection_emulator_version(conn, &emulator, &error))
        return fail_with(error, "failed to get the hypervisor version");
    print_version("Running hypervisor", type, emulator);
    if (arguments_has(arguments, "daemon"))
        print_version("Running against daemon", "API", api);
    print_end(session);
    return EXIT_OK;
}

static const Option options[] = {
    {"daemon", OPTION_FLAG, 0, "what the daemon serves, too"},
    {NULL},
};

const Command command_version = {
    .name = "version",
    .group = GROUP_HOST,
    .summary = "print the versions of library, daemon and QEMU",
    .options = options,
    .run = run,
};
