/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"

static int run(Session *session, const Arguments *arguments)
{
    FerryConnection *conn = session_connect(session);
    FerryError *error = NULL;
    g_autofree char *text = NULL;

    if (!conn)
        return EXIT_BAD;
    text = ferry_connection_domain_capabilities(
        conn, arguments_text(arguments, "emulatorbin"), arguments_text(arguments, "arch"),
        arguments_text(arguments, "machine"), arguments_text(arguments, "virttype"), &error);
    if (!text)
        return fail_with(error, "failed to get emulator capabilities");
    print_text(session, text);
    return EXIT_OK;
}

static const Option options[] = {
    {"virttype", OPTION_TEXT, 0, "kind of guest: kvm, or qemu for emulation"},
    {"emulatorbin", OPTION_TEXT, OPTION_FILE, "path of the emulator"},
    {"arch", OPTION_TEXT, 0, "processor architecture: x86_64, …"},
    {"machine", OPTION_TEXT, 0, "machine type: q35, pc-i440fx-7.2, …"},
    {NULL},
};

const Command command_domcapabilities = {
    .name = "domcapabilities",
    .group = GROUP_HOST,
    .summary = "print what a guest on this host may have, as XML",
    .options = options,
    .run = run,
};
