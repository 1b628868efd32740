/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "commands.h"
#include "doubt.h"
#include "interrupt.h"
#include "json.h"
#include "migrate-options.h"
#include "progress.h"
#include "size.h"
#include "watch.h"

#define INTERVAL_MS          500
#define TERMINAL_INTERVAL_MS 200
#define DESTINATION_PATIENCE_S 20

typedef struct {
    Progress progress;
    FerryDomain *domain;
    guint64 act_after_ms; /* --timeout; 0: never */
    guint64 waited_ms; /* for its turn, which --timeout does not count */
    gboolean switches_after; /* --timeout-postcopy: instead of suspending it */
    gboolean switches_soon;  /* --postcopy-after-precopy */
    gboolean has_acted;
    gboolean has_begun; /* the hosts were asked */
    gboolean is_listed; /* the source has a list of its migrations: it is a ferryd */
    gboolean is_asked;
    char *attempt; /* this one, in that list; NULL: not known yet */
} Watcher;

/* Which one it is, for the case that the connection is lost. */
static void note_attempt(Watcher *watcher)
{
    FerryMigrationRow *rows;

    if (watcher->attempt || (watcher->is_asked && !watcher->is_listed))
        return;
    rows = ferry_migrations_list(ferry_domain_connection(watcher->domain), ferry_domain_uuid(watcher->domain), false, NULL);
    watcher->is_asked = TRUE;
    watcher->is_listed = rows != NULL;
    if (rows && rows[0].id && rows[0].is_outgoing)
        watcher->attempt = g_strdup(rows[0].id);
    ferry_migration_rows_free(rows);
}

/* What was to be done once it has taken long enough, or once over the memory is enough. */
static void act(Watcher *watcher, const FerryProgress *numbers)
{
    gboolean is_late = watcher->act_after_ms && numbers->elapsed_ms - watcher->waited_ms >= watcher->act_after_ms;
    gboolean is_second = watcher->switches_soon && numbers->pass >= 2;

    if (watcher->has_acted || (!is_late && !is_second))
        return;
    if (is_second || watcher->switches_after)
        watcher->has_acted = ferry_domain_start_postcopy(watcher->domain, 0, NULL);
    else
        watcher->has_acted = ferry_domain_suspend(watcher->domain, NULL);
}

/* Ctrl-C asks the hosts to stop; then the outcome is waited for, however often it is pressed. */
static bool on_progress(const FerryProgress *numbers, void *data)
{
    Watcher *watcher = data;

    watcher->has_begun = TRUE;
    if (g_strcmp0(numbers->phase, "begin") == 0)
        g_clear_pointer(&watcher->attempt, g_free); /* another one */
    if (g_strcmp0(numbers->phase, "perform") == 0)
        note_attempt(watcher);
    if (interrupt_came())
        watcher->progress.is_aborting = TRUE;
    if (numbers->waits_for)
        watcher->waited_ms = numbers->elapsed_ms;
    act(watcher, numbers);
    progress_show(&watcher->progress, numbers);
    return !watcher->progress.is_aborting;
}

static const char *outcome_word(FerryOutcome outcome)
{
    return outcome == FERRY_OUTCOME_ARRIVED  ? "arrived"
           : outcome == FERRY_OUTCOME_STAYED ? "stayed"
                                             : "unknown";
}

static void print_json(FerryDomain *domain, const FerryMigrationResult *result,
                       const FerryError *error)
{
    json_object *object = json_object_new_object();

    json_add_text(object, "domain", ferry_domain_name(domain));
    json_add_text(object, "outcome", outcome_word(result->outcome));
    json_add_number(object, "total_ms", result->total_ms);
    json_object_object_add(object, "downtime_ms",
                           result->downtime_ms < 0 ? NULL
                                                   : json_object_new_int64(result->downtime_ms));
    json_object_object_add(
        object, "transferred_bytes",
        result->transferred_bytes < 0 ? NULL : json_object_new_int64(result->transferred_bytes));
    json_add_text(object, "address", result->address);
    json_add_text(object, "notice", result->notice);
    if (error) {
        json_add_text(object, "error", ferry_error_message(error));
        json_object_object_add(object, "error_code", json_object_new_int(ferry_error_code(error)));
    }
    json_print(object);
}

static void print_success(const Session *session, FerryDomain *domain,
                          const FerryMigrationResult *result)
{
    GString *text = g_string_new(NULL);

    g_string_append_printf(text, "Domain '%s' migrated in %.2f s", ferry_domain_name(domain),
                           (double)result->total_ms / 1000);
    if (result->downtime_ms >= 0)
        g_string_append_printf(text, ", downtime %" G_GINT64_FORMAT " ms", result->downtime_ms);
    if (result->transferred_bytes >= 0) {
        g_autofree char *size = size_text((guint64)result->transferred_bytes);

        g_string_append_printf(text, ", %s", size);
    }
    if (result->address)
        g_string_append_printf(text, ", to %s", result->address);
    say(session, "%s", text->str);
    g_string_free(text, TRUE);
}

/* What the user wants to know next: where is my guest? */
static void print_aftermath(FerryDomain *domain, const FerryMigrationResult *result, const FerryError *error)
{
    FerryState state = FERRY_STATE_NONE;
    FerryMigrationRow *rows = NULL;
    g_autofree char *doubt = NULL;
    g_autofree char *kept = NULL;
    gboolean is_said;
    int reason = 0;

    if (!ferry_domain_state(domain, &state, &reason, NULL)) {
        if (!ferry_connection_is_alive(ferry_domain_connection(domain)))
            fputs("note: the source's daemon no longer answers; once it does, `ferry domstate` "
                  "there says how it ended\n",
                  stderr);
        return;
    }
    rows = doubt_of(domain);
    doubt = doubt_text(rows);
    ferry_migration_rows_free(rows);
    is_said = doubt && strstr(ferry_error_message(error), "outcome not yet known");
    fprintf(stderr, "note: at the source, '%s' is %s (%s)%s%s\n", ferry_domain_name(domain),
            ferry_state_text(state), ferry_state_reason_text(state, reason), doubt && !is_said ? "; " : "",
            doubt && !is_said ? doubt : "");
    if (doubt)
        return;
    kept = state == FERRY_STATE_PAUSED ? kept_text(domain) : NULL; /* then nothing is unknown */
    if (kept)
        fprintf(stderr, "note: %s\n", kept);
    else if (result->outcome == FERRY_OUTCOME_UNKNOWN)
        fprintf(stderr, "note: the destination did not answer at the decisive moment, so the guest "
                        "was not resumed here: it may\n"
                        "      run there.  Look there before you resume it.\n");
}

/* Mistakes that many make once. */
static void print_hint(const Arguments *arguments, const FerryError *error)
{
    const char *uri = arguments_text(arguments, "migrateuri");

    if (uri && strstr(ferry_error_message(error), "missing scheme"))
        fprintf(stderr, "note: did you mean tcp://%s ?\n", uri);
    if (strstr(ferry_error_message(error), "does not include a driver name"))
        fprintf(
            stderr,
            "note: a destination is named like qemu+ssh://HOST/system or qemu+tcp://HOST/system\n");
}

static ProgressStyle choose_style(const Session *session, const Arguments *arguments)
{
    if (session->is_quiet)
        return PROGRESS_NONE;
    if (isatty(STDERR_FILENO))
        return PROGRESS_LINE;
    return arguments_has(arguments, "verbose") ? PROGRESS_PERCENT : PROGRESS_NONE;
}

static int tell(Session *session, const Arguments *arguments, const Watcher *watcher,
                const FerryMigrationResult *result, FerryError *error)
{
    FerryDomain *domain = watcher->domain;

    if (arguments_has(arguments, "json"))
        print_json(domain, result, error);
    if (result->notice)
        fprintf(stderr, "note: %s\n", result->notice);
    if (!error) {
        if (!arguments_has(arguments, "json"))
            print_success(session, domain, result);
        return EXIT_OK;
    }
    complain("%s", ferry_error_message(error));
    if (!session->is_quiet) {
        print_hint(arguments, error);
        if (watcher->has_begun)
            print_aftermath(domain, result, error);
    }
    ferry_error_free(error);
    return EXIT_BAD;
}

/* It may be restarted as well. */
static void await_destination(const char *uri)
{
    const gint64 end_us = g_get_monotonic_time() + DESTINATION_PATIENCE_S * G_USEC_PER_SEC;
    FerryConnection *dest = NULL;

    while (!(dest = ferry_connection_open(uri, 0, NULL)) && g_get_monotonic_time() < end_us && !interrupt_came())
        poll(NULL, 0, INTERVAL_MS);
    ferry_connection_close(dest);
}

/* The source's daemon was restarted under it: the new one is asked what became of it.  Led from here it may have ended with the old daemon;
 * then it is begun once more.  FALSE: as before, with the error that says more. */
static gboolean follow(Session *session, Watcher *watcher, FerryMigration *migration, FerryMigrationResult *result, FerryError **error)
{
    const gint64 began_us = g_get_monotonic_time();
    g_autofree char *uuid = g_strdup(ferry_domain_uuid(watcher->domain));
    FerryMigrationRow *rows = NULL;
    const FerryMigrationRow *row = watch_own(session, uuid, watcher->attempt, watcher->progress.style, &rows);
    const gboolean has_ended = row && row->state == FERRY_MIGRATION_ENDED;
    const gboolean has_moved = has_ended && g_str_equal(row->word, "GONE");
    const gboolean is_cut = has_ended && !has_moved && (row->is_cut || result->is_cut) && !interrupt_came();
    g_autofree char *cause = has_ended && !has_moved && row->cause ? g_strdup(row->cause) : NULL;
    FerryDomain *domain;

    ferry_migration_rows_free(rows);
    result->total_ms += (guint64)(g_get_monotonic_time() - began_us) / 1000;
    result->downtime_ms = result->transferred_bytes = -1; /* of what became of it nobody has told us */
    if (has_ended)
        result->outcome = has_moved ? FERRY_OUTCOME_ARRIVED : FERRY_OUTCOME_STAYED;
    if (has_moved) {
        g_free(result->notice);
        result->notice = g_strdup("the source's daemon was restarted meanwhile; the migration went on without its client");
        ferry_error_free(*error);
        *error = NULL;
        return TRUE;
    }
    domain = ferry_connection_is_alive(session->conn) ? ferry_domain_find_by_uuid(session->conn, uuid, NULL) : NULL;
    if (!domain)
        return FALSE;
    ferry_domain_free(watcher->domain);
    watcher->domain = domain;
    if (!is_cut || (migration->flags & FERRY_MIGRATE_PEER2PEER)) {
        g_free(result->notice);
        result->notice = cause ? g_strdup_printf("the source's daemon was restarted meanwhile; the attempt ended there: %s", cause) : NULL;
        return FALSE;
    }
    fputs("note: the source's daemon was restarted, which ended the migration; it is begun once more\n", stderr);
    ferry_error_free(*error);
    *error = NULL;
    ferry_migration_result_clear(result);
    await_destination(migration->dest_uri);
    return ferry_domain_migrate(domain, migration, result, error);
}

static int run(Session *session, const Arguments *arguments)
{
    g_autoptr(FerryParams) params = ferry_params_new();
    FerryDomain *domain;
    FerryMigrationResult result = {0};
    FerryError *error = NULL;
    FerryMigration migration = {.dest_uri = arguments_text(arguments, "desturi"), .params = params};
    Watcher watcher = {0};
    int status;

    if (!migrate_options_read(arguments, &migration.flags, params) ||
        !(domain = session_domain(session, arguments)))
        return EXIT_BAD;
    migration.no_fallback = arguments_has(arguments, "no-fallback");
    migration.relay_mib_per_s = arguments_number(arguments, "relay-bandwidth", 0);
    watcher.domain = domain;
    if (arguments_has(arguments, "check")) {
        status = check_migration(session, arguments, domain, &migration);
        ferry_domain_free(domain);
        return status;
    }
    watcher.act_after_ms = arguments_number(arguments, "timeout", 0) * 1000;
    watcher.switches_after = arguments_has(arguments, "timeout-postcopy");
    watcher.switches_soon = arguments_has(arguments, "postcopy-after-precopy");
    watcher.progress.style = choose_style(session, arguments);
    migration.progress = on_progress;
    migration.data = &watcher;
    migration.interval_ms =
        watcher.progress.style == PROGRESS_LINE ? TERMINAL_INTERVAL_MS : INTERVAL_MS;
    interrupt_catch();
    if (!ferry_domain_migrate(domain, &migration, &result, &error) && watcher.is_listed && !ferry_connection_is_alive(session->conn) &&
        !interrupt_came())
        follow(session, &watcher, &migration, &result, &error);
    progress_end(&watcher.progress, !error);
    status = tell(session, arguments, &watcher, &result, error);
    ferry_migration_result_clear(&result);
    ferry_domain_free(watcher.domain);
    g_free(watcher.attempt);
    return status;
}

const Command command_migrate = {
    .name = "migrate",
    .group = GROUP_MIGRATION,
    .summary = "move a guest to another host",
    .help = "Most often wanted: ferry migrate GUEST qemu+ssh://HOST/system --live --persistent "
            "--undefinesource\n\n"
            "The guest goes on running while its memory is copied (--live); its definition moves "
            "with it\n"
            "(--persistent), and none is left here (--undefinesource).  Its disks have to be where "
            "both hosts see them.\n\n"
            "Before it: the same with --check asks both hosts and changes nothing.  It lists what "
            "stands against the migration,\n"
            "with the cause and what mends it.  Exit status: 0 it can work, 1 it cannot, 2 nothing "
            "stands against it, but some\n"
            "of it nobody could tell (a stock host cannot be asked for everything).\n\n"
            "The destination finds an address for the memory by itself.  To force one: MIGRATEURI, "
            "tcp://ADDRESS[:PORT];\n"
            "then it alone is used.  If no way leads there, the memory is relayed through this command, "
            "or, with --p2p, goes\n"
            "through the connection of the daemons (--no-fallback: neither).\n\n"
            "Ctrl-C asks for an end and waits for it: the guest then goes on here.  After the "
            "switch-over it is too late,\n"
            "and the guest runs there.  Whatever happens, it never runs on both.",
    .options = migrate_options,
    .run = run,
};
