/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For shells: the words that may stand next.  Silent when it does not know. */
#include <stdio.h>

#include "commands.h"

static void offer(const char *word, const char *prefix, const char *start)
{
    g_autofree char *whole = g_strconcat(prefix, word, NULL);

    if (g_str_has_prefix(whole, start))
        puts(whole);
}

static void offer_domains(Session *session, const char *start)
{
    FerryDomain **domains;

    session->conn = ferry_connection_open(session->uri, 0, NULL);
    domains = session->conn ? ferry_domains_list(session->conn, 0, NULL) : NULL;
    for (FerryDomain **domain = domains; domain && *domain; domain++)
        offer(ferry_domain_name(*domain), "", start);
    ferry_domains_free(domains);
}

static int run(Session *session, const Arguments *arguments)
{
    char **words = arguments_rest(arguments);
    guint count = g_strv_length(words);
    const char *start = count ? words[count - 1] : "";
    const Command *command = count > 1 ? command_find(words[0]) : NULL;
    gboolean takes_domain = FALSE;

    if (count <= 1) {
        for (const Command *const *each = commands; *each; each++)
            offer((*each)->name, "", start);
        return EXIT_OK;
    }
    for (const Option *option = command ? command->options : NULL; option && option->name;
         option++) {
        if (!(option->flags & OPTION_HIDDEN) && option->kind != OPTION_REST && *start == '-')
            offer(option->name, "--", start);
        takes_domain |= (option->flags & OPTION_DOMAIN) != 0;
    }
    if (takes_domain && *start != '-')
        offer_domains(session, start);
    if (command && g_str_equal(command->name, "help"))
        for (const Command *const *each = commands; *each; each++)
            offer((*each)->name, "", start);
    return EXIT_OK;
}

static const Option options[] = {
    {"word", OPTION_REST, 0, "the words so far; the last one is completed"},
    {NULL},
};

const Command command_complete = {
    .name = "complete",
    .group = GROUP_HELP,
    .summary = "print what may stand next, for shells",
    .options = options,
    .run = run,
};
