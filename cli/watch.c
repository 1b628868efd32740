/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `ferry migration watch` only looks: neither its end nor Ctrl-C changes anything.  A daemon that is
 * restarted meanwhile is waited for, as its migrations go on by themselves.  `ferry migrate` does the same
 * with what it has begun, where Ctrl-C gives it up. */
#include "watch.h"

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "doubt.h"
#include "interrupt.h"
#include "json.h"
#include "progress.h"

#define INTERVAL_MS          500
#define TERMINAL_INTERVAL_MS 200
#define BACK_PATIENCE_S      60 /* of `ferry migrate`, for a daemon that does not come back */
#define DOUBT_PATIENCE_S     20 /* of `ferry migrate`, for the other host's answer, as without a restart */
#define RECOVERY_S           3  /* in which a new daemon may not have read its records yet */

typedef struct {
    Session *session;
    const char *guest; /* as it was given */
    char *uuid;        /* of the guest, once it is known */
    char *id;          /* of the attempt that is followed */
    char *told;        /* the last note, which need not be said again */
    Progress progress;
    gint64 end_us; /* of the user's patience */
    gint64 back_us; /* when the daemon was back; 0: it was not away */
    gboolean is_quiet;
    gboolean is_own; /* begun by this process: Ctrl-C gives it up */
    gboolean is_abort_told;
    gint64 doubt_us; /* since when it waits for the other host; 0: it does not */
} Watch;

static void note(Watch *watch, const char *text)
{
    if (watch->is_quiet || g_strcmp0(watch->told, text) == 0)
        return;
    progress_end(&watch->progress, FALSE);
    watch->progress.has_line = FALSE;
    fprintf(stderr, "note: %s\n", text);
    g_free(watch->told);
    watch->told = g_strdup(text);
}

static gboolean is_over(const Watch *watch)
{
    return (interrupt_came() && !watch->is_own) || g_get_monotonic_time() >= watch->end_us;
}

static int pause_ms(const Watch *watch)
{
    gint64 left_ms = (watch->end_us - g_get_monotonic_time()) / 1000 + 1;
    int interval_ms =
        watch->progress.style == PROGRESS_LINE ? TERMINAL_INTERVAL_MS : INTERVAL_MS;

    return (int)CLAMP(left_ms, 0, interval_ms);
}

/* ---- the connection ---- */

/* A daemon that ends takes nothing of its migrations with it; the next one is asked. */
static gboolean is_connected(Watch *watch)
{
    Session *session = watch->session;
    const gint64 gone_us = g_get_monotonic_time();

    while (!ferry_connection_is_alive(session->conn)) {
        FerryError *why = NULL;
        FerryConnection *again;

        if (is_over(watch) || (watch->is_own && (interrupt_came() || g_get_monotonic_time() - gone_us > BACK_PATIENCE_S * G_USEC_PER_SEC)))
            return FALSE;
        again = ferry_connection_open(session->uri, session->is_readonly ? FERRY_OPEN_READONLY : 0, &why);
        if (!again) {
            g_autofree char *text = g_strdup_printf("the daemon does not answer; waiting until it does (%s)", ferry_error_message(why));

            note(watch, text);
            ferry_error_free(why);
            poll(NULL, 0, pause_ms(watch));
            continue;
        }
        ferry_connection_close(session->conn);
        session->conn = again;
        watch->back_us = g_get_monotonic_time();
    }
    return TRUE;
}

/* NULL: the error, or nothing if there is no connection any more. */
static FerryMigrationRow *ask(Watch *watch, bool with_ended, FerryError **error)
{
    while (is_connected(watch)) {
        FerryError *why = NULL;
        FerryMigrationRow *rows =
            ferry_migrations_list(watch->session->conn, watch->uuid ?: watch->guest, with_ended, &why);

        if (rows)
            return rows;
        if (ferry_connection_is_alive(watch->session->conn)) {
            *error = why;
            return NULL;
        }
        ferry_error_free(why);
    }
    return NULL;
}

/* ---- what is shown ---- */

static void show_progress(Watch *watch, const FerryMigrationRow *row)
{
    FerryProgress numbers = {.expected_downtime_ms = -1};
    FerryDomain *domain = NULL;

    if (row->is_outgoing)
        domain = ferry_domain_find_by_uuid(watch->session->conn, row->uuid, NULL);
    if (domain)
        ferry_domain_migration_progress(domain, &numbers, NULL);
    ferry_domain_free(domain);
    numbers.phase = row->phase;
    progress_show(&watch->progress, &numbers);
}

static gboolean has_moved(const FerryMigrationRow *row)
{
    return g_str_equal(row->word, row->is_outgoing ? "GONE" : "TAKEN");
}

static int exit_status(const FerryMigrationRow *row)
{
    if (row->state != FERRY_MIGRATION_ENDED)
        return EXIT_NOT_YET;
    return has_moved(row) ? EXIT_OK : EXIT_BAD;
}

static int tell(Watch *watch, const Arguments *arguments, const FerryMigrationRow *row)
{
    const int status = exit_status(row);
    g_autofree char *ended = time_text(row->ended_ms);

    progress_end(&watch->progress, status == EXIT_OK);
    if (arguments_has(arguments, "json")) {
        json_print(json_from_migration(row));
        return status;
    }
    if (status == EXIT_OK)
        say(watch->session, "Domain '%s' %s (%s)", row->name, row->sentence, ended);
    else if (status == EXIT_BAD)
        complain("domain '%s' %s%s%s (%s)", row->name, row->sentence, row->cause ? ": " : "",
                 row->cause ?: "", ended);
    else if (row->state == FERRY_MIGRATION_WAITING)
        complain("domain '%s': %s", row->name, row->sentence);
    else
        complain("the migration of domain '%s' has not ended yet: it is %s", row->name,
                 row->sentence);
    return status;
}

/* ---- the watch ---- */

/* The row of the attempt that is followed; the guest's next attempt, if it has begun already. */
static const FerryMigrationRow *pick(const FerryMigrationRow *rows, const char *id)
{
    if (!id || !rows[0].id || rows[0].state != FERRY_MIGRATION_ENDED)
        return rows[0].id ? &rows[0] : NULL;
    for (const FerryMigrationRow *row = rows; row->id; row++)
        if (g_str_equal(row->id, id))
            return row->is_begun_again ? &rows[0] : row;
    return NULL;
}

static void pass_abort(Watch *watch)
{
    FerryDomain *domain;

    if (!watch->is_own || watch->is_abort_told || !interrupt_came())
        return;
    watch->progress.is_aborting = TRUE;
    domain = ferry_domain_find_by_uuid(watch->session->conn, watch->uuid, NULL);
    watch->is_abort_told = domain && ferry_domain_abort_job(domain, 0, NULL);
    ferry_domain_free(domain);
}

static void follow(Watch *watch, const FerryMigrationRow *row)
{
    g_autofree char *doubt = row->state == FERRY_MIGRATION_WAITING ? doubt_text(row) : NULL;

    if (watch->id && !g_str_equal(watch->id, row->id))
        note(watch, "that attempt has ended; another one of the same guest is under way");
    g_free(watch->id);
    watch->id = g_strdup(row->id);
    g_free(watch->uuid);
    watch->uuid = g_strdup(row->uuid);
    if (doubt)
        note(watch, doubt);
    else
        show_progress(watch, row);
}

static gboolean is_recovering(const Watch *watch)
{
    return watch->back_us && g_get_monotonic_time() - watch->back_us < RECOVERY_S * G_USEC_PER_SEC;
}

/* What is to be begun again may wait until the new daemon has read that. */
static gboolean has_ended(const Watch *watch, const FerryMigrationRow *row)
{
    return row->state == FERRY_MIGRATION_ENDED && !(row->is_begun_again && is_recovering(watch));
}

static gboolean is_in_long_doubt(Watch *watch, const FerryMigrationRow *row)
{
    const gint64 now_us = g_get_monotonic_time();

    if (row->state != FERRY_MIGRATION_WAITING)
        watch->doubt_us = 0;
    else if (!watch->doubt_us)
        watch->doubt_us = now_us;
    return watch->is_own && watch->doubt_us && now_us - watch->doubt_us > DOUBT_PATIENCE_S * G_USEC_PER_SEC;
}

/* Until it has ended, or nobody wants to wait any more.  NULL: nothing is known of it, or (with the error) nothing can be.  *ret_rows is to
 * be freed. */
static const FerryMigrationRow *watch_until_end(Watch *watch, FerryMigrationRow **ret_rows, FerryError **error)
{
    for (gboolean with_ended = TRUE;; with_ended = FALSE) {
        FerryMigrationRow *rows = ask(watch, with_ended, error);
        const FerryMigrationRow *row = rows ? pick(rows, watch->id) : NULL;

        if (rows && !row && !with_ended) { /* it has ended, or its guest is gone: the journal knows */
            ferry_migration_rows_free(rows);
            rows = ask(watch, TRUE, error);
            row = rows ? pick(rows, watch->id) : NULL;
        }
        if (!row && !(rows && is_recovering(watch))) {
            ferry_migration_rows_free(rows);
            return NULL;
        }
        if (row && (has_ended(watch, row) || is_over(watch) || is_in_long_doubt(watch, row))) {
            *ret_rows = rows;
            return row;
        }
        if (row)
            follow(watch, row);
        ferry_migration_rows_free(rows);
        pass_abort(watch);
        ferry_connection_wait(watch->session->conn, -1, pause_ms(watch), NULL);
    }
}

static int run_watch(Watch *watch, const Arguments *arguments)
{
    FerryMigrationRow *rows = NULL;
    FerryError *error = NULL;
    const FerryMigrationRow *row = watch_until_end(watch, &rows, &error);
    const int status = row ? tell(watch, arguments, row) : EXIT_NOT_YET;

    ferry_migration_rows_free(rows);
    if (row)
        return status;
    progress_end(&watch->progress, FALSE);
    if (error)
        return fail(error);
    if (!is_over(watch))
        return complain("no migration of '%s' is known on this host", watch->guest);
    complain("the daemon did not answer: what became of '%s' is not known yet", watch->guest);
    return EXIT_NOT_YET;
}

/* A running guest's number names it only as long as it is here.  NULL: it is no number. */
static char *uuid_of_number(FerryConnection *conn, const char *text)
{
    char *end = NULL;
    const gint64 id = g_ascii_strtoll(text, &end, 10);
    FerryDomain *domain =
        *text && !*end && id >= 0 && id <= G_MAXINT ? ferry_domain_find_by_id(conn, (int)id, NULL) : NULL;
    char *uuid = domain ? g_strdup(ferry_domain_uuid(domain)) : NULL;

    ferry_domain_free(domain);
    return uuid;
}

int watch_migration(Session *session, const Arguments *arguments)
{
    const guint64 timeout_s = arguments_number(arguments, "timeout", 0);
    Watch watch = {
        .session = session,
        .guest = arguments_text(arguments, "domain"),
        .end_us = timeout_s ? g_get_monotonic_time() +
                                  (gint64)MIN(timeout_s, G_MAXINT) * G_USEC_PER_SEC
                            : G_MAXINT64,
        .is_quiet = session->is_quiet,
        .progress.style = session->is_quiet         ? PROGRESS_NONE
                          : isatty(STDERR_FILENO) ? PROGRESS_LINE
                                                  : PROGRESS_NONE,
    };
    int status;

    if (!session_connect(session))
        return EXIT_BAD;
    watch.uuid = uuid_of_number(session->conn, watch.guest);
    interrupt_catch();
    status = run_watch(&watch, arguments);
    g_free(watch.uuid);
    g_free(watch.id);
    g_free(watch.told);
    return status;
}

const FerryMigrationRow *watch_own(Session *session, const char *uuid, const char *id, ProgressStyle style, FerryMigrationRow **ret_rows)
{
    Watch watch = {
        .session = session,
        .guest = uuid,
        .uuid = g_strdup(uuid),
        .id = g_strdup(id),
        .end_us = G_MAXINT64,
        .is_quiet = session->is_quiet,
        .is_own = TRUE,
        .progress.style = style,
    };
    FerryError *error = NULL;
    const FerryMigrationRow *row = watch_until_end(&watch, ret_rows, &error);

    progress_end(&watch.progress, FALSE);
    ferry_error_free(error);
    g_free(watch.uuid);
    g_free(watch.id);
    g_free(watch.told);
    return row;
}
