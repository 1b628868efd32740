/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands that make a guest of a file with its XML. */
#include "commands.h"
#include "terminal.h"

typedef struct {
    const char *failed; /* "Failed to FAILED domain from FILE" */
    const char *done;   /* "Domain 'NAME' DONE from FILE" */
    FerryDomain *(*call)(FerryConnection *conn, const char *xml, unsigned flags,
                         FerryError **error);
} FromFile;

static int run(Session *session, const Arguments *arguments)
{
    const FromFile *plan = arguments_plan(arguments);
    const char *path = arguments_text(arguments, "file");
    g_autofree char *xml = read_file(path);
    g_autoptr(FerryDomain) domain = NULL;
    FerryError *error = NULL;

    if (!xml || !session_connect(session))
        return EXIT_BAD;
    domain = plan->call(session->conn, xml, arguments_bits(arguments), &error);
    if (!domain)
        return fail_with(error, "Failed to %s domain from %s", plan->failed, path);
    say(session, "Domain '%s' %s from %s", ferry_domain_name(domain), plan->done, path);
    return arguments_has(arguments, "console") ? terminal_run(session, domain, NULL, 0) : EXIT_OK;
}

#define FILE_OPTION                                                                                \
    {                                                                                              \
        "file", OPTION_TEXT, OPTION_REQUIRED | OPTION_FILE,                                        \
            "file with the guest's XML; - is standard input"                                       \
    }

/* clang-format off */
static const Option define[] = {
    FILE_OPTION,
    {"validate", OPTION_FLAG, 0, "check the XML against the schema", .bit = FERRY_DEFINE_VALIDATE},
    {NULL},
};

static const Option create[] = {
    FILE_OPTION,
    {"console", OPTION_FLAG, 0, "show its console afterwards"},
    {"paused", OPTION_FLAG, 0, "leave it paused", .bit = FERRY_START_PAUSED},
    {"autodestroy", OPTION_FLAG, 0, "end it when this command ends", .bit = FERRY_START_AUTODESTROY},
    {"validate", OPTION_FLAG, 0, "check the XML against the schema", .bit = FERRY_START_VALIDATE},
    {"reset-nvram", OPTION_FLAG, 0, "begin with a fresh nvram", .bit = FERRY_START_RESET_NVRAM},
    {NULL},
};
/* clang-format on */

const Command command_define = {
    .name = "define",
    .group = GROUP_GUEST,
    .summary = "keep a guest's definition, or replace it",
    .help = "The guest is not started. What the XML leaves open (addresses, UUID, MAC, …) is "
            "filled in and stays.",
    .options = define,
    .run = run,
    .plan = &(const FromFile){"define", "defined", ferry_domain_define},
};

const Command command_create = {
    .name = "create",
    .group = GROUP_GUEST,
    .summary = "start a guest from XML without keeping its definition",
    .help = "When it stops, nothing of it is left. To keep it: `ferry define`, then `ferry start`.",
    .options = create,
    .run = run,
    .plan = &(const FromFile){"create", "created", ferry_domain_create},
};
