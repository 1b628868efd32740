/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands that print one text about a host or a guest. */
#include <stdio.h>

#include "commands.h"

typedef struct {
    /* Either of them; NULL with an error.  The flags are the bits of the options. */
    char *(*of_host)(FerryConnection *conn, FerryError **error);
    char *(*of_guest)(FerryDomain *domain, unsigned flags, FerryError **error);
    gboolean has_line_end; /* the text brings its own */
} Text;

static int print(const Session *session, const Text *plan, const char *text, FerryError *error)
{
    if (!text)
        return fail(error);
    if (plan->has_line_end) {
        fputs(text, stdout);
        print_end(session);
    } else {
        print_text(session, text);
    }
    return EXIT_OK;
}

static int run_host(Session *session, const Arguments *arguments)
{
    const Text *plan = arguments_plan(arguments);
    FerryConnection *conn = session_connect(session);
    FerryError *error = NULL;
    g_autofree char *text = conn ? plan->of_host(conn, &error) : NULL;

    return conn ? print(session, plan, text, error) : EXIT_BAD;
}

static int run_guest(Session *session, const Arguments *arguments)
{
    const Text *plan = arguments_plan(arguments);
    g_autoptr(FerryDomain) domain = session_domain(session, arguments);
    FerryError *error = NULL;
    g_autofree char *text =
        domain ? plan->of_guest(domain, arguments_bits(arguments), &error) : NULL;

    return domain ? print(session, plan, text, error) : EXIT_BAD;
}

/* ---- what the library does not hand out as a text of its own ---- */

static char *uri_of(FerryConnection *conn, FerryError **error)
{
    return g_strdup(ferry_connection_uri(conn));
}

static char *id_of(FerryDomain *domain, unsigned flags, FerryError **error)
{
    int id = ferry_domain_id(domain);

    return id < 0 ? g_strdup("-") : g_strdup_printf("%d", id);
}

static char *uuid_of(FerryDomain *domain, unsigned flags, FerryError **error)
{
    return g_strdup(ferry_domain_uuid(domain));
}

static char *name_of(FerryDomain *domain, unsigned flags, FerryError **error)
{
    return g_strdup(ferry_domain_name(domain));
}

static char *speed_of(FerryDomain *domain, unsigned is_postcopy, FerryError **error)
{
    uint64_t mib_per_s = 0;

    if (!ferry_domain_get_migrate_speed(domain, is_postcopy, &mib_per_s, error))
        return NULL;
    return g_strdup_printf("%" G_GUINT64_FORMAT, mib_per_s);
}

/* ---- their options ---- */

static const Option nothing[] = {
    {NULL},
};

static const Option guest[] = {
    DOMAIN_OPTION,
    {NULL},
};

static const Option speed[] = {
    DOMAIN_OPTION,
    {"postcopy", OPTION_FLAG, 0, "after the switch to post-copy", .bit = TRUE},
    {NULL},
};

/* clang-format off */
static const Option xml[] = {
    DOMAIN_OPTION,
    {"inactive", OPTION_FLAG, 0, "what it will be at its next start, not what runs now",
     .bit = FERRY_XML_INACTIVE},
    {"security-info", OPTION_FLAG, 0, "with passwords", .bit = FERRY_XML_SECURE},
    {"update-cpu", OPTION_FLAG, 0, "with the processor spelt out for this host",
     .bit = FERRY_XML_UPDATE_CPU},
    {"migratable", OPTION_FLAG, 0, "as another host would be given it",
     .bit = FERRY_XML_MIGRATABLE},
    {NULL},
};
/* clang-format on */

/* ---- the commands ---- */

const Command command_migrate_getspeed = {
    .name = "migrate-getspeed",
    .group = GROUP_MIGRATION,
    .summary = "print the limit of the speed of a guest's migrations, in MiB/s",
    .options = speed,
    .run = run_guest,
    .plan = &(const Text){.of_guest = speed_of},
};

const Command command_domid = {
    .name = "domid",
    .group = GROUP_LOOK,
    .summary = "print the number of a running guest",
    .help = "\"-\" if it does not run.",
    .options = guest,
    .run = run_guest,
    .plan = &(const Text){.of_guest = id_of},
};

const Command command_domuuid = {
    .name = "domuuid",
    .group = GROUP_LOOK,
    .summary = "print the UUID of a guest",
    .options = guest,
    .run = run_guest,
    .plan = &(const Text){.of_guest = uuid_of},
};

const Command command_domname = {
    .name = "domname",
    .group = GROUP_LOOK,
    .summary = "print the name of a guest",
    .options = guest,
    .run = run_guest,
    .plan = &(const Text){.of_guest = name_of},
};

const Command command_dumpxml = {
    .name = "dumpxml",
    .group = GROUP_LOOK,
    .summary = "print a guest's definition as XML",
    .options = xml,
    .run = run_guest,
    .plan = &(const Text){.of_guest = ferry_domain_xml, .has_line_end = TRUE},
};

const Command command_capabilities = {
    .name = "capabilities",
    .group = GROUP_HOST,
    .summary = "print what the host can do, as XML",
    .help = "Its processor, and which kinds of guest it runs.",
    .options = nothing,
    .run = run_host,
    .plan = &(const Text){.of_host = ferry_connection_capabilities},
};

const Command command_hostname = {
    .name = "hostname",
    .group = GROUP_HOST,
    .summary = "print the name of the host",
    .help = "As the host knows itself.",
    .options = nothing,
    .run = run_host,
    .plan = &(const Text){.of_host = ferry_connection_hostname},
};

const Command command_uri = {
    .name = "uri",
    .group = GROUP_HOST,
    .summary = "print the URI of the connection",
    .help = "Given by -c, else by FERRY_URI, else by LIBVIRT_DEFAULT_URI, else qemu:///system.",
    .options = nothing,
    .run = run_host,
    .plan = &(const Text){.of_host = uri_of},
};
