/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "commands.h"

static int run(Session *session, const Arguments *arguments)
{
    g_autoptr(FerryDomain) domain = session_domain(session, arguments);
    g_autofree char *xml = NULL;
    FerryError *error = NULL;
    unsigned flags = 0;

    if (!domain)
        return EXIT_BAD;
    flags |= arguments_has(arguments, "inactive") ? FERRY_XML_INACTIVE : 0;
    flags |= arguments_has(arguments, "security-info") ? FERRY_XML_SECURE : 0;
    flags |= arguments_has(arguments, "update-cpu") ? FERRY_XML_UPDATE_CPU : 0;
    flags |= arguments_has(arguments, "migratable") ? FERRY_XML_MIGRATABLE : 0;
    xml = ferry_domain_xml(domain, flags, &error);
    if (!xml)
        return fail(error);
    fputs(xml, stdout); /* it ends with a line break of its own */
    print_end(session);
    return EXIT_OK;
}

static const Option options[] = {
    DOMAIN_OPTION,
    {"inactive", OPTION_FLAG, 0, "what it will be at its next start, not what runs now"},
    {"security-info", OPTION_FLAG, 0, "with passwords"},
    {"update-cpu", OPTION_FLAG, 0, "with the processor spelt out for this host"},
    {"migratable", OPTION_FLAG, 0, "as another host would be given it"},
    {NULL},
};

const Command command_dumpxml = {
    .name = "dumpxml",
    .group = GROUP_LOOK,
    .summary = "print a guest's definition as XML",
    .options = options,
    .run = run,
};
