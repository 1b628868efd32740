/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands that ask one thing of one guest and say one sentence about it. */
#include "commands.h"
#include "mode.h"

typedef struct {
    const char *failed; /* "Failed to FAILED domain 'NAME'"; NULL: the error alone */
    const char *done;   /* "Domain 'NAME' DONE"; NULL: nothing */
    /* What is asked; the flags are the bits of the options, and what read adds to them. */
    bool (*call)(FerryDomain *domain, unsigned flags, FerryError **error);
    bool (*plain)(FerryDomain *domain, FerryError **error); /* instead, if there are no flags */
    gboolean (*read)(const Arguments *arguments, unsigned *flags); /* NULL: nothing to add */
} Verb;

static int run(Session *session, const Arguments *arguments)
{
    const Verb *verb = arguments_plan(arguments);
    unsigned flags = arguments_bits(arguments);
    g_autoptr(FerryDomain) domain = NULL;
    FerryError *error = NULL;

    if (verb->read && !verb->read(arguments, &flags))
        return EXIT_BAD;
    domain = session_domain(session, arguments);
    if (!domain)
        return EXIT_BAD;
    if (!(verb->plain ? verb->plain(domain, &error) : verb->call(domain, flags, &error))) {
        if (!verb->failed)
            return fail(error);
        return fail_with(error, "Failed to %s domain '%s'", verb->failed,
                         ferry_domain_name(domain));
    }
    if (verb->done)
        say(session, "Domain '%s' %s", ferry_domain_name(domain), verb->done);
    else
        print_end(session);
    return EXIT_OK;
}

/* ---- their options ---- */

static const Option no_more[] = {
    DOMAIN_OPTION,
    {NULL},
};

static const Option mode[] = {
    DOMAIN_OPTION,
    {"mode", OPTION_TEXT, 0,
     "how to ask: acpi, agent, initctl, signal or paravirt, several with commas"},
    {NULL},
};

/* clang-format off */
static const Option destroy[] = {
    DOMAIN_OPTION,
    {"graceful", OPTION_FLAG, 0, "give up if QEMU does not end when asked",
     .bit = FERRY_DESTROY_GRACEFUL},
    {"remove-logs", OPTION_FLAG, 0, "remove its logs, too", .bit = FERRY_DESTROY_REMOVE_LOGS},
    {NULL},
};

static const Option undefine[] = {
    DOMAIN_OPTION,
    {"managed-save", OPTION_FLAG, 0, "remove its saved state, too",
     .bit = FERRY_UNDEFINE_MANAGED_SAVE},
    {"snapshots-metadata", OPTION_FLAG, 0, "forget its snapshots, too",
     .bit = FERRY_UNDEFINE_SNAPSHOTS_METADATA},
    {"checkpoints-metadata", OPTION_FLAG, 0, "forget its checkpoints, too",
     .bit = FERRY_UNDEFINE_CHECKPOINTS_METADATA},
    {"nvram", OPTION_FLAG, 0, "remove its nvram file, too", .bit = FERRY_UNDEFINE_NVRAM},
    {"keep-nvram", OPTION_FLAG, 0, "keep its nvram file", .bit = FERRY_UNDEFINE_KEEP_NVRAM},
    {"tpm", OPTION_FLAG, 0, "remove its TPM state, too", .bit = FERRY_UNDEFINE_TPM},
    {"keep-tpm", OPTION_FLAG, 0, "keep its TPM state", .bit = FERRY_UNDEFINE_KEEP_TPM},
    {NULL},
};

static const Option domain_alone[] = {
    DOMAIN_OPTION,
    {NULL},
};

static const Option abort_job[] = {
    DOMAIN_OPTION,
    {"postcopy", OPTION_FLAG, 0, "interrupt a migration in post-copy",
     .bit = FERRY_ABORT_POSTCOPY},
    {NULL},
};
/* clang-format on */

/* ---- the commands ---- */

const Command command_undefine = {
    .name = "undefine",
    .group = GROUP_GUEST,
    .summary = "forget a guest's definition",
    .help = "A running guest goes on and is forgotten when it stops. Disks are never touched.",
    .options = undefine,
    .run = run,
    .plan = &(const Verb){"undefine", "has been undefined", .call = ferry_domain_undefine},
};

const Command command_shutdown = {
    .name = "shutdown",
    .group = GROUP_GUEST,
    .summary = "ask a guest to shut down",
    .help = "The guest is asked and does it in its own time; `ferry destroy` does not ask.",
    .options = mode,
    .run = run,
    .plan = &(const Verb){"shutdown", "is being shutdown", .call = ferry_domain_shutdown,
                          .read = mode_flags},
};

const Command command_reboot = {
    .name = "reboot",
    .group = GROUP_GUEST,
    .summary = "ask a guest to restart",
    .help = "The guest is asked and does it in its own time; `ferry reset` does not ask.",
    .options = mode,
    .run = run,
    .plan = &(const Verb){"reboot", "is being rebooted", .call = ferry_domain_reboot,
                          .read = mode_flags},
};

const Command command_reset = {
    .name = "reset",
    .group = GROUP_GUEST,
    .summary = "press the reset button of a guest",
    .help = "The guest is not asked: what it had not written to its disks is lost.",
    .options = no_more,
    .run = run,
    .plan = &(const Verb){"reset", "was reset", .plain = ferry_domain_reset},
};

const Command command_destroy = {
    .name = "destroy",
    .group = GROUP_GUEST,
    .summary = "end a guest at once, as by pulling the plug",
    .help = "Its definition and its disks stay.",
    .options = destroy,
    .run = run,
    .plan = &(const Verb){"destroy", "destroyed", .call = ferry_domain_destroy},
};

const Command command_suspend = {
    .name = "suspend",
    .group = GROUP_GUEST,
    .summary = "pause a guest",
    .help = "Its memory stays where it is; its processors stand still until `ferry resume`.",
    .options = no_more,
    .run = run,
    .plan = &(const Verb){"suspend", "suspended", .plain = ferry_domain_suspend},
};

const Command command_resume = {
    .name = "resume",
    .group = GROUP_GUEST,
    .summary = "let a paused guest go on",
    .help = "A guest whose hand-over to another host is not settled is refused, with what to do.",
    .options = no_more,
    .run = run,
    .plan = &(const Verb){"resume", "resumed", .plain = ferry_domain_resume},
};

const Command command_domjobabort = {
    .name = "domjobabort",
    .group = GROUP_MIGRATION,
    .summary = "stop what is being done with a guest, above all a migration",
    .help = "To be called at the source. The guest goes on there, and nothing is left at the "
            "destination.",
    .options = abort_job,
    .run = run,
    .plan = &(const Verb){.call = ferry_domain_abort_job},
};

const Command command_migrate_postcopy = {
    .name = "migrate-postcopy",
    .group = GROUP_MIGRATION,
    .summary = "run a guest at its destination before all of its memory is there",
    .help = "To be called at the source, while it migrates with --postcopy. From then on each host has "
            "a part of its\n"
            "memory: it cannot come back, and is lost if one of the two QEMUs ends. A link that breaks "
            "costs nothing.",
    .options = domain_alone,
    .run = run,
    .plan = &(const Verb){.call = ferry_domain_start_postcopy},
};
