/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"

/* clang-format off */
static const struct {
    const char *option;
    unsigned flag;
} flags_table[] = {
    { "managed-save",         FERRY_UNDEFINE_MANAGED_SAVE },
    { "snapshots-metadata",   FERRY_UNDEFINE_SNAPSHOTS_METADATA },
    { "checkpoints-metadata", FERRY_UNDEFINE_CHECKPOINTS_METADATA },
    { "nvram",                FERRY_UNDEFINE_NVRAM },
    { "keep-nvram",           FERRY_UNDEFINE_KEEP_NVRAM },
    { "tpm",                  FERRY_UNDEFINE_TPM },
    { "keep-tpm",             FERRY_UNDEFINE_KEEP_TPM },
};
/* clang-format on */

static int run(Session *session, const Arguments *arguments)
{
    g_autoptr(FerryDomain) domain = session_domain(session, arguments);
    FerryError *error = NULL;
    unsigned flags = 0;

    if (!domain)
        return EXIT_BAD;
    for (size_t i = 0; i < G_N_ELEMENTS(flags_table); i++)
        if (arguments_has(arguments, flags_table[i].option))
            flags |= flags_table[i].flag;
    if (!ferry_domain_undefine(domain, flags, &error))
        return fail_with(error, "Failed to undefine domain '%s'", ferry_domain_name(domain));
    say(session, "Domain '%s' has been undefined", ferry_domain_name(domain));
    return EXIT_OK;
}

static const Option options[] = {
    DOMAIN_OPTION,
    {"managed-save", OPTION_FLAG, 0, "remove its saved state, too"},
    {"snapshots-metadata", OPTION_FLAG, 0, "forget its snapshots, too"},
    {"checkpoints-metadata", OPTION_FLAG, 0, "forget its checkpoints, too"},
    {"nvram", OPTION_FLAG, 0, "remove its nvram file, too"},
    {"keep-nvram", OPTION_FLAG, 0, "keep its nvram file"},
    {"tpm", OPTION_FLAG, 0, "remove its TPM state, too"},
    {"keep-tpm", OPTION_FLAG, 0, "keep its TPM state"},
    {NULL},
};

const Command command_undefine = {
    .name = "undefine",
    .group = GROUP_GUEST,
    .summary = "forget a guest's definition",
    .help = "A running guest goes on and is forgotten when it stops. Disks are never touched.",
    .options = options,
    .run = run,
};
