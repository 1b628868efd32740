/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <unistd.h>

#include "commands.h"
#include "doubt.h"
#include "json.h"
#include "table.h"

static int list(Session *session, const Arguments *arguments)
{
    static const char *const headers[] = {"Name", "What is open", NULL};
    g_autoptr(Table) table = table_new(headers);
    json_object *array = json_object_new_array();
    FerryError *error = NULL;
    FerryDomain **domains =
        session_connect(session) ? ferry_domains_list(session->conn, 0, &error) : NULL;

    for (FerryDomain **domain = domains; domain && *domain; domain++) {
        g_autofree char *doubt = doubt_of(*domain);
        const char *const cells[] = {ferry_domain_name(*domain), doubt};
        json_object *object;

        if (!doubt)
            continue;
        table_add(table, cells);
        object = json_from_domain(*domain);
        json_add_text(object, "doubt", doubt);
        json_object_array_add(array, object);
    }
    if (domains && arguments_has(arguments, "json")) {
        json_print(json_object_get(array));
    } else if (domains) {
        table_print(table, !session->is_quiet);
        print_end(session);
    }
    json_object_put(array);
    if (!domains)
        return error ? fail(error) : EXIT_BAD;
    ferry_domains_free(domains);
    return EXIT_OK;
}

/* On a terminal the name of the other host is asked for, to be typed by somebody who has looked
 * there; a script that says
 * --here or --there has decided already.  "": not asked; NULL: nothing was typed. */
static char *ask_host(const char *outcome)
{
    char line[256] = "";

    if (g_str_equal(outcome, "here"))
        fputs("If the guest runs on the other host, it will run twice, and its disks will be "
              "destroyed.\n",
              stderr);
    else
        fputs("If the guest does not run on the other host, its memory is lost.\n", stderr);
    if (!isatty(STDIN_FILENO))
        return g_strdup("");
    fputs("Type the name of the other host to go on: ", stderr);
    if (!fgets(line, sizeof line, stdin) || !*g_strstrip(line)) {
        complain("nothing was done");
        return NULL;
    }
    return g_strdup(line);
}

/* Whoever types or writes the other host's name has at least thought of it. */
static gboolean check_host(const char *typed, const char *doubt)
{
    g_autofree char *host = doubt_host(doubt);

    if (!host || !*typed || g_ascii_strcasecmp(host, typed) == 0) /* "": a script, not asked */
        return TRUE;
    complain("the other host is '%s', not '%s'; nothing was done", host, typed);
    return FALSE;
}

static int resolve(Session *session, const Arguments *arguments)
{
    const char *outcome = arguments_has(arguments, "here") ? "here" : "there";
    g_autoptr(FerryDomain) domain = NULL;
    g_autofree char *doubt = NULL;
    g_autofree char *host = NULL;
    FerryError *error = NULL;

    if (arguments_has(arguments, "here") == arguments_has(arguments, "there"))
        return complain("say either --here or --there: where the guest is to be");
    if (!arguments_has(arguments, "domain"))
        return complain("command 'migration resolve' requires <domain> option");
    domain = session_domain(session, arguments);
    if (!domain)
        return EXIT_BAD;
    doubt = doubt_of(domain);
    if (doubt)
        fprintf(stderr, "%s\n", doubt);
    host = g_strdup(arguments_text(arguments, "confirm"));
    if ((!host && !(host = ask_host(outcome))) || !check_host(host, doubt))
        return EXIT_BAD;
    if (!ferry_domain_resolve_migration(domain, outcome, host, &error))
        return fail(error);
    say(session, "Domain '%s' is resolved: it is %s", ferry_domain_name(domain), outcome);
    return EXIT_OK;
}

static int run(Session *session, const Arguments *arguments)
{
    const char *action = arguments_text(arguments, "action");

    if (g_str_equal(action, "list"))
        return list(session, arguments);
    if (g_str_equal(action, "resolve"))
        return resolve(session, arguments);
    return complain("unknown action '%s': resolve or list", action);
}

static const Option options[] = {
    {"action", OPTION_TEXT, OPTION_REQUIRED, "resolve or list"},
    {"domain", OPTION_TEXT, OPTION_DOMAIN, "domain name, id or uuid"},
    {"here", OPTION_FLAG, 0, "it does not run on the other host and never will: it goes on here"},
    {"there", OPTION_FLAG, 0, "it is on the other host: what is left of it here ends"},
    {"confirm", OPTION_TEXT, OPTION_NAMED, "the name of the other host; asked for on a terminal"},
    JSON_OPTION,
    {NULL},
};

const Command command_migration = {
    .name = "migration",
    .group = GROUP_MIGRATION,
    .summary = "list and resolve migrations whose outcome nobody knows",
    .help = "ferry migration list\n"
            "ferry migration resolve GUEST --here|--there\n\n"
            "When the other host dies at the decisive moment, its guest stays paused here rather "
            "than risk that it runs\n"
            "twice.  Only somebody who has looked there can say how it is.  --here while it runs "
            "there makes it run twice.",
    .options = options,
    .run = run,
};
