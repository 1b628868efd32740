/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>
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

/* "2026-11-23 11:34:24, 3 min ago" */
static char *age_text(gint64 wall_ms)
{
    const gint64 age_s = MAX(0, g_get_real_time() / 1000 - wall_ms) / 1000;
    g_autofree char *time = time_text(wall_ms);

    return age_s < 120    ? g_strdup_printf("%s, %" G_GINT64_FORMAT " s ago", time, age_s)
           : age_s < 7200 ? g_strdup_printf("%s, %" G_GINT64_FORMAT " min ago", time, age_s / 60)
                          : g_strdup_printf("%s, %" G_GINT64_FORMAT " h ago", time, age_s / 3600);
}

static void print_lease(FerryDomain *domain)
{
    char **messages = ferry_domain_messages(domain, NULL);
    const char *lease = "none: nothing but your answer keeps the guest from running twice";

    for (char **message = messages; message && *message; message++)
        if (g_str_has_prefix(*message, "lease: "))
            lease = *message + strlen("lease: ");
    fprintf(stderr, "  %-14s %s\n", "lease:", lease);
    ferry_strv_free(messages);
}

/* All that its host can tell to who has to answer for the other one. */
static void print_known(FerryDomain *domain, const FerryMigrationRow *row)
{
    g_autofree char *since = age_text(row->since_ms);
    g_autofree char *there = g_strdup_printf("%s:", row->peer ?: "other host");
    g_autofree char *heard = age_text(row->heard_ms);

    fprintf(stderr, "Domain '%s': %s\n", ferry_domain_name(domain), row->sentence);
    fprintf(stderr, "  %-14s %s since %s (migration %s, generation %" G_GUINT64_FORMAT ")\n", "here:", row->word, since, row->id,
            (guint64)row->epoch);
    if (row->heard)
        fprintf(stderr, "  %-14s %s, as it last said %s\n", there, row->heard, heard);
    else
        fprintf(stderr, "  %-14s has said nothing since this ferryd was started\n", there);
    print_lease(domain);
}

/* Whoever types or writes the other host's name has at least thought of it.  NULL: he has not. */
static char *ask_host(const Arguments *arguments)
{
    char line[256] = "";

    if (arguments_has(arguments, "confirm"))
        return g_strdup(arguments_text(arguments, "confirm"));
    if (!isatty(STDIN_FILENO)) {
        complain("nothing was done: this is no terminal to ask at; say which host you have looked at by --confirm NAME");
        return NULL;
    }
    fputs("Type the name of the other host to go on: ", stderr);
    if (!fgets(line, sizeof line, stdin) || !*g_strstrip(line)) {
        complain("nothing was done");
        return NULL;
    }
    return g_strdup(line);
}

static gboolean check_host(const char *typed, const FerryMigrationRow *row)
{
    if (row->state != FERRY_MIGRATION_WAITING || !row->peer || g_ascii_strcasecmp(row->peer, typed) == 0)
        return TRUE;
    complain("the other host is '%s', not '%s'; nothing was done", row->peer, typed);
    return FALSE;
}

static gboolean is_confirmed(FerryDomain *domain, const FerryMigrationRow *row, int outcome, const Arguments *arguments, char **ret_host)
{
    g_autofree char *host = NULL;

    print_known(domain, row);
    fprintf(stderr, "--%s: %s\n", outcomes[outcome].outcome, outcomes[outcome].stake);
    host = ask_host(arguments);
    if (!host || !check_host(host, row))
        return FALSE;
    *ret_host = g_steal_pointer(&host);
    return TRUE;
}

static int resolve(Session *session, const Arguments *arguments)
{
    int outcome = find_outcome(arguments);
    g_autoptr(FerryDomain) domain = NULL;
    FerryMigrationRow *rows = NULL;
    g_autofree char *host = NULL;
    FerryError *error = NULL;
    gboolean is_sure;

    if (outcome < 0)
        return complain("say one of --here, --there and --crashed: what has become of the guest");
    domain = session_domain(session, arguments);
    if (!domain)
        return EXIT_BAD;
    rows = ferry_migrations_list(session->conn, ferry_domain_uuid(domain), true, &error);
    if (!rows)
        return fail(error);
    is_sure = rows->id && is_confirmed(domain, rows, outcome, arguments, &host);
    if (!rows->id)
        complain("nothing is to be resolved: no migration of '%s' is known on this host", ferry_domain_name(domain));
    ferry_migration_rows_free(rows);
    if (!is_sure)
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
    {"confirm", OPTION_TEXT, OPTION_NAMED, "resolve: the name of the other host, which is else asked for on a terminal"},
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
            "there can say how it is: resolve.  --here while it runs there makes it run twice.  It prints what is at stake and what is known of\n"
            "both sides, and asks for the other host's name; where there is no terminal, --confirm must give it.",
    .options = options,
    .run = run,
};
