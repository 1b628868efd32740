/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <unistd.h>

#include "commands.h"
#include "doubt.h"
#include "json.h"
#include "progress.h"
#include "table.h"
#include "watch.h"

/* Beside the sentence: how far one is that moves, why one did not come about. */
static char *what_text(const FerryMigrationRow *row)
{
    if (row->state == FERRY_MIGRATION_ACTIVE && row->phase)
        return g_strdup_printf("%s: %s", row->sentence, progress_phase_text(row->phase));
    if (row->state == FERRY_MIGRATION_ENDED && row->cause)
        return g_strdup_printf("%s: %s", row->sentence, row->cause);
    return g_strdup(row->sentence);
}

static void add_row(Table *table, const FerryMigrationRow *row)
{
    const gint64 since_ms = row->state == FERRY_MIGRATION_ENDED     ? row->ended_ms
                            : row->state == FERRY_MIGRATION_WAITING ? row->since_ms
                                                                    : row->started_ms;
    g_autofree char *since = time_text(since_ms);
    g_autofree char *what = what_text(row);
    const char *const cells[] = {row->name,
                                 row->is_outgoing ? "to" : "from",
                                 row->peer ?: "?",
                                 row->word,
                                 since,
                                 what};

    table_add(table, cells);
}

static int list(Session *session, const Arguments *arguments)
{
    static const char *const headers[] = {"Name", "Way", "Other host", "Word", "Since", "What", NULL};
    g_autoptr(Table) table = table_new(headers);
    json_object *array = json_object_new_array();
    FerryError *error = NULL;
    FerryMigrationRow *rows = session_connect(session)
                                  ? ferry_migrations_list(session->conn, arguments_text(arguments, "domain"),
                                                          arguments_has(arguments, "all"), &error)
                                  : NULL;

    for (const FerryMigrationRow *row = rows; row && row->id; row++) {
        add_row(table, row);
        json_object_array_add(array, json_from_migration(row));
    }
    if (rows && arguments_has(arguments, "json")) {
        json_print(json_object_get(array));
    } else if (rows) {
        table_print(table, !session->is_quiet);
        print_end(session);
    }
    json_object_put(array);
    ferry_migration_rows_free(rows);
    return rows ? EXIT_OK : error ? fail(error) : EXIT_BAD;
}

static const struct {
    const char *outcome;
    const char *stake; /* what it costs if that is wrong */
    const char *result;
} outcomes[] = {
    {"here", "If the guest runs on the other host, it will run twice, and its disks will be destroyed.",
     "it is here"},
    {"there", "If the guest does not run on the other host, its memory is lost.", "it is there"},
    {"crashed",
     "The guest's memory is given up here.  If it runs on the other host and is started here, it "
     "runs twice, and its disks will be destroyed.",
     "what was left of its memory here is given up"},
};

/* The one that was asked for; -1: none, or several. */
static int find_outcome(const Arguments *arguments)
{
    int found = -1;

    for (int i = 0; i < (int)G_N_ELEMENTS(outcomes); i++) {
        if (!arguments_has(arguments, outcomes[i].outcome))
            continue;
        if (found >= 0)
            return -1;
        found = i;
    }
    return found;
}

/* On a terminal the name of the other host is asked for, to be typed by somebody who has looked
 * there; a script has decided already.  "": not asked; NULL: nothing was typed. */
static char *ask_host(const char *stake)
{
    char line[256] = "";

    fprintf(stderr, "%s\n", stake);
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
static gboolean check_host(const char *typed, const char *host)
{
    if (!host || !*typed || g_ascii_strcasecmp(host, typed) == 0) /* "": a script, not asked */
        return TRUE;
    complain("the other host is '%s', not '%s'; nothing was done", host, typed);
    return FALSE;
}

static int resolve(Session *session, const Arguments *arguments)
{
    int outcome = find_outcome(arguments);
    g_autoptr(FerryDomain) domain = NULL;
    FerryMigrationRow *doubt = NULL;
    g_autofree char *text = NULL;
    g_autofree char *other = NULL;
    g_autofree char *host = NULL;
    FerryError *error = NULL;

    if (outcome < 0)
        return complain("say one of --here, --there and --crashed: what has become of the guest");
    domain = session_domain(session, arguments);
    if (!domain)
        return EXIT_BAD;
    doubt = doubt_of(domain);
    text = doubt_text(doubt);
    other = g_strdup(doubt ? doubt->peer : NULL);
    ferry_migration_rows_free(doubt);
    if (text)
        fprintf(stderr, "%s\n", text);
    host = g_strdup(arguments_text(arguments, "confirm"));
    if ((!host && !(host = ask_host(outcomes[outcome].stake))) || !check_host(host, other))
        return EXIT_BAD;
    if (!ferry_domain_resolve_migration(domain, outcomes[outcome].outcome, host, &error))
        return fail(error);
    say(session, "Domain '%s' is resolved: %s", ferry_domain_name(domain), outcomes[outcome].result);
    return EXIT_OK;
}

static int run(Session *session, const Arguments *arguments)
{
    const char *action = arguments_text(arguments, "action");

    if (g_str_equal(action, "list"))
        return list(session, arguments);
    if (!g_str_equal(action, "resolve") && !g_str_equal(action, "watch"))
        return complain("unknown action '%s': list, watch or resolve", action);
    if (!arguments_has(arguments, "domain"))
        return complain("command 'migration %s' requires <domain> option", action);
    return g_str_equal(action, "watch") ? watch_migration(session, arguments)
                                        : resolve(session, arguments);
}

static const Option options[] = {
    {"action", OPTION_TEXT, OPTION_REQUIRED, "list, watch or resolve"},
    {"domain", OPTION_TEXT, OPTION_DOMAIN, "domain name, id or uuid; list: only of that guest"},
    {"all", OPTION_FLAG, 0, "list: those that have ended too"},
    {"timeout", OPTION_NUMBER, OPTION_NAMED, "watch: seconds to wait for the end"},
    {"here", OPTION_FLAG, 0, "it does not run on the other host and never will: it goes on here"},
    {"there", OPTION_FLAG, 0, "it is on the other host: what is left of it here ends"},
    {"crashed", OPTION_FLAG, 0, "neither host has its memory any more: it is shut off here"},
    {"confirm", OPTION_TEXT, OPTION_NAMED, "the name of the other host; asked for on a terminal"},
    JSON_OPTION,
    {NULL},
};

const Command command_migration = {
    .name = "migration",
    .group = GROUP_MIGRATION,
    .summary = "list, watch and resolve migrations, whoever has started them",
    .help = "ferry migration list [GUEST] [--all]\n"
            "ferry migration watch GUEST [--timeout SECONDS]\n"
            "ferry migration resolve GUEST --here|--there|--crashed\n\n"
            "list shows what moves, and what waits for the answer of another host: for whom and since "
            "when; with --all also\n"
            "what has ended, how and why.\n\n"
            "watch follows a migration to its end, also one whose client has died.  It only looks: "
            "Ctrl-C ends the watching, not\n"
            "the migration (that is `ferry domjobabort`).  If none is under way, it says how the last "
            "one ended.  Exit status:\n"
            "0 the guest has changed hosts, 1 it has not, or there is none, 2 nobody knows yet.\n\n"
            "When the other host is out of reach at the decisive moment, the guest stays paused here "
            "rather than risk that it runs\n"
            "twice, and asks until that host answers; then it settles by itself.  Only if it never "
            "will, somebody who has looked\n"
            "there can say how it is: resolve.  --here while it runs there makes it run twice.",
    .options = options,
    .run = run,
};
