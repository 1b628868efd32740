/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "commands.h"
#include "json.h"

#define EXIT_NOT_ASKED 2

/* ---- two hosts beside each other ---- */

/* What is found by looking at both hosts; the texts are owned. */
typedef struct {
    FerryFinding finding;
    char *what, *guest, *cause;
} Comparison;

static void comparison_free(void *data)
{
    Comparison *comparison = data;

    g_free(comparison->what);
    g_free(comparison->guest);
    g_free(comparison->cause);
    g_free(comparison);
}

/* Takes cause. */
static void add(GPtrArray *found, FerryDomain *domain, char *cause)
{
    Comparison *comparison = g_new0(Comparison, 1);

    comparison->what = g_strdup_printf("guest '%s'", ferry_domain_name(domain));
    comparison->guest = g_strdup(ferry_domain_name(domain));
    comparison->cause = cause;
    comparison->finding = (FerryFinding){.kind = FERRY_FINDING_PERSON,
                                         .what = comparison->what,
                                         .guest = comparison->guest,
                                         .cause = cause};
    g_ptr_array_add(found, comparison);
}

/* The row with the highest generation of that guest; NULL: none. */
static const FerryMigrationRow *newest(const FerryMigrationRow *rows, const char *uuid)
{
    const FerryMigrationRow *found = NULL;

    for (const FerryMigrationRow *row = rows; row->id; row++)
        if (g_str_equal(row->uuid, uuid) && (!found || row->epoch > found->epoch))
            found = row;
    return found;
}

/* What one of the two hosts has. */
typedef struct {
    FerryMigrationRow *rows;
    FerryDomain **domains;
} Side;

static void side_clear(Side *side)
{
    ferry_migration_rows_free(side->rows);
    if (side->domains)
        ferry_domains_free(side->domains);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Side, side_clear)

static gboolean side_read(Side *side, FerryConnection *conn, FerryError **error)
{
    side->rows = ferry_migrations_list(conn, NULL, true, error);
    side->domains = side->rows ? ferry_domains_list(conn, 0, error) : NULL;
    return side->domains != NULL;
}

static FerryDomain *side_find(const Side *side, const char *uuid)
{
    for (FerryDomain **domain = side->domains; *domain; domain++)
        if (g_str_equal(ferry_domain_uuid(*domain), uuid))
            return *domain;
    return NULL;
}

/* FALSE: it cannot be asked.  One that has gone since the lists were read does not run. */
static gboolean runs(FerryDomain *domain, gboolean *ret_runs, FerryError **error)
{
    FerryState state = FERRY_STATE_NONE;

    *ret_runs = FALSE;
    if (!domain)
        return TRUE;
    if (!ferry_domain_state(domain, &state, NULL, error)) {
        if (ferry_error_code(*error) != FERRY_ERROR_NO_DOMAIN)
            return FALSE;
        ferry_error_free(g_steal_pointer(error));
    }
    *ret_runs = state != FERRY_STATE_SHUTOFF && state != FERRY_STATE_PAUSED;
    return TRUE;
}

static gboolean compare(GPtrArray *found, FerryDomain *domain, const Side *here, const Side *there, const char *peer_name,
                        FerryError **error)
{
    const FerryMigrationRow *ours = newest(here->rows, ferry_domain_uuid(domain));
    const FerryMigrationRow *theirs = newest(there->rows, ferry_domain_uuid(domain));
    gboolean runs_here, runs_there;

    if (!runs(domain, &runs_here, error) || !runs(side_find(there, ferry_domain_uuid(domain)), &runs_there, error))
        return FALSE;
    if (runs_here && runs_there)
        add(found, domain,
            g_strdup_printf("runs here and on %s: end one of the two before its disks are harmed", peer_name));
    else if (theirs && theirs->epoch > (ours ? ours->epoch : 0) && !(ours && g_str_equal(ours->word, "GONE")))
        add(found, domain,
            g_strdup_printf("%s knows a newer generation of it (%" G_GUINT64_FORMAT ", here %" G_GUINT64_FORMAT
                            "): there it %s; what lies here may be out of date, do not start it",
                            peer_name, theirs->epoch, ours ? ours->epoch : 0, theirs->sentence));
    return TRUE;
}

/* FALSE, with the complaint printed. */
static gboolean compare_all(Session *session, const char *uri, GPtrArray *found)
{
    FerryError *error = NULL;
    g_autoptr(FerryConnection) peer = ferry_connection_open(uri, FERRY_OPEN_READONLY, &error);
    g_auto(Side) here = {0}, there = {0};
    gboolean is_compared = peer && side_read(&here, session->conn, &error) && side_read(&there, peer, &error);
    g_autofree char *name = peer ? ferry_connection_hostname(peer, NULL) : NULL;

    for (FerryDomain **domain = here.domains; is_compared && *domain; domain++)
        is_compared = compare(found, *domain, &here, &there, name ?: uri, &error);
    if (!is_compared)
        fail_with(error, "'%s' could not be asked", uri);
    return is_compared;
}

/* ---- what is shown ---- */

static const char *const kind_words[] = {"wrong", "waits", "leftover", "in use"};

static void print_finding(const FerryFinding *finding)
{
    g_autofree char *where = finding->where ? g_strdup_printf(" %s", finding->where) : g_strdup("");
    g_autofree char *guest = finding->guest && !g_str_has_prefix(finding->what, "guest ")
                                 ? g_strdup_printf(" (guest '%s')", finding->guest)
                                 : g_strdup("");
    g_autofree char *line = g_strdup_printf(" %-9s %s%s%s: %s", kind_words[finding->kind], finding->what, where, guest, finding->cause);
    g_autofree char *valid = g_utf8_make_valid(line, -1);
    g_autofree char *command = finding->command ? g_utf8_make_valid(finding->command, -1) : NULL;

    puts(g_strdelimit(valid, "\t\r\n\v\f\a\b\033", '?'));
    if (command)
        printf("           -> %s\n", g_strdelimit(command, "\t\r\n\v\f\a\b\033", '?'));
}

static json_object *json_of(const FerryFinding *finding)
{
    json_object *object = json_object_new_object();

    json_add_text(object, "class", ferry_finding_kind_text(finding->kind));
    json_add_text(object, "what", finding->what);
    json_add_text(object, "where", finding->where);
    json_add_text(object, "guest", finding->guest);
    json_add_text(object, "host", finding->host);
    json_add_text(object, "cause", finding->cause);
    json_add_text(object, "command", finding->command);
    return object;
}

static void print_all(Session *session, const Arguments *arguments, GPtrArray *list, unsigned open)
{
    g_autofree char *host = ferry_connection_hostname(session->conn, NULL);
    json_object *top = NULL;
    json_object *array = NULL;

    if (arguments_has(arguments, "json")) {
        top = json_object_new_object();
        array = json_object_new_array();
        json_add_text(top, "host", host);
        json_object_object_add(top, "findings", array);
    }
    for (guint i = 0; i < list->len; i++)
        if (array)
            json_object_array_add(array, json_of(list->pdata[i]));
        else
            print_finding(list->pdata[i]);
    if (top)
        json_print(top);
    else if (!open)
        say(session, "%s%s is well: nothing is left over, nothing waits.", list->len ? "\n" : "", host ?: "The host");
    else
        print_end(session);
}

static int run(Session *session, const Arguments *arguments)
{
    g_autoptr(GPtrArray) comparisons = g_ptr_array_new_with_free_func(comparison_free);
    g_autoptr(GPtrArray) list = g_ptr_array_new();
    const char *peer = arguments_text(arguments, "peer");
    FerryError *error = NULL;
    FerryFinding *findings;
    unsigned open = 0;

    if (!session_connect(session) || (peer && !compare_all(session, peer, comparisons)))
        return EXIT_NOT_ASKED;
    findings = ferry_doctor(session->conn, arguments_has(arguments, "all"), &error);
    if (!findings) {
        fail(error);
        return EXIT_NOT_ASKED;
    }
    for (guint i = 0; i < comparisons->len; i++)
        g_ptr_array_add(list, &((Comparison *)comparisons->pdata[i])->finding);
    for (FerryFinding *finding = findings; finding->what; finding++)
        g_ptr_array_add(list, finding);
    for (guint i = 0; i < list->len; i++)
        open += ((const FerryFinding *)list->pdata[i])->kind != FERRY_FINDING_USED;
    print_all(session, arguments, list, open);
    ferry_findings_free(findings);
    return open ? EXIT_BAD : EXIT_OK;
}

static const Option options[] = {
    {"all", OPTION_FLAG, 0, "also what is the host's own and in use"},
    {"peer", OPTION_TEXT, OPTION_NAMED, "URI of another ferryd, to compare the generations of guests with"},
    JSON_OPTION,
    {NULL},
};

const Command command_doctor = {
    .name = "doctor",
    .group = GROUP_HOST,
    .summary = "find what belongs to nobody, what waits and what is wrong",
    .help = "Looks at processes, taps, ports, folders, records of migrations and images of the host, and "
            "changes nothing.  Each line\n"
            "begins with what it is: wrong (only a person can judge it), waits (for another host), leftover "
            "(belongs to nobody; the\n"
            "command below it removes it), or with --all in use (the host's own).\n\n"
            "With --peer it also finds guests of which that host knows more than this one, after a backup was "
            "restored, and guests\n"
            "that run on both.  Exit status: 0 nothing was found, 1 something was, 2 the host could not be "
            "asked.",
    .options = options,
    .run = run,
};
