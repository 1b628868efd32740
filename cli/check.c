/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "json.h"

#define TEXT_WIDTH_MIN 40
#define INDENT         "-> "

typedef struct {
    glong verdict, host, what; /* columns */
    glong text;                /* 0: as long as it is */
} Layout;

/* ---- for people ---- */

static char *what_text(const FerryCheckRow *row)
{
    return g_strdup_printf("%s: %s", row->section, row->name);
}

static glong screen_width(void)
{
    struct winsize size = {0};

    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
        return 0;
    return size.ws_col;
}

static Layout lay_out(const FerryCheck *check)
{
    Layout layout = {.verdict = (glong)strlen("Verdict"), .host = (glong)strlen("Host")};
    glong width = screen_width(), left;

    for (size_t i = 0; i < ferry_check_count(check); i++) {
        const FerryCheckRow *row = ferry_check_row(check, i);
        g_autofree char *what = what_text(row);

        layout.verdict = MAX(layout.verdict, (glong)strlen(ferry_check_verdict_text(row->verdict)));
        layout.host = MAX(layout.host, g_utf8_strlen(row->host ?: "", -1));
        layout.what = MAX(layout.what, g_utf8_strlen(what, -1));
    }
    left = width - (layout.verdict + layout.host + layout.what + 8);
    layout.text = width ? MAX(left, TEXT_WIDTH_MIN) : 0;
    return layout;
}

static void print_cells(const Layout *layout, const char *verdict, const char *host, const char *what)
{
    printf(" %-*s  %s%*s  %s%*s  ", (int)layout->verdict, verdict, host,
           (int)(layout->host - g_utf8_strlen(host, -1)), "", what,
           (int)(layout->what - g_utf8_strlen(what, -1)), "");
}

/* At blanks, within the last column; the first line's cells are printed already. */
static void print_text_wrapped(const Layout *layout, const char *lead, const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    glong used = g_utf8_strlen(lead, -1);

    fputs(lead, stdout);
    for (char **word = words; *word; word++) {
        glong len = g_utf8_strlen(*word, -1);

        if (word != words && layout->text && used + 1 + len > layout->text) {
            putchar('\n');
            print_cells(layout, "", "", "");
            printf("%*s", (int)strlen(lead), "");
            used = (glong)strlen(lead);
        } else if (word != words) {
            putchar(' ');
            used++;
        }
        fputs(*word, stdout);
        used += len;
    }
    putchar('\n');
}

/* before: the row above, whose remedy need not be said again; NULL: none. */
static void print_row(const Layout *layout, const FerryCheckRow *row, const FerryCheckRow *before)
{
    g_autofree char *what = what_text(row);
    g_autofree char *cause = g_utf8_make_valid(row->cause, -1);
    g_autofree char *remedy = row->remedy ? g_utf8_make_valid(row->remedy, -1) : NULL;

    print_cells(layout, ferry_check_verdict_text(row->verdict), row->host ?: "", what);
    print_text_wrapped(layout, "", cause);
    if (!remedy || (before && g_strcmp0(row->remedy, before->remedy) == 0))
        return;
    print_cells(layout, "", "", "");
    print_text_wrapped(layout, INDENT, remedy);
}

static void print_table(const FerryCheck *check, gboolean has_header)
{
    Layout layout = lay_out(check);

    if (has_header) {
        print_cells(&layout, "Verdict", "Host", "What");
        puts("Found");
        for (glong i = 0; i < layout.verdict + layout.host + layout.what + 8 + TEXT_WIDTH_MIN; i++)
            putchar('-');
        putchar('\n');
    }
    for (size_t i = 0; i < ferry_check_count(check); i++)
        print_row(&layout, ferry_check_row(check, i), i ? ferry_check_row(check, i - 1) : NULL);
}

static void append_count(GString *text, size_t count, const char *one, const char *many)
{
    if (count)
        g_string_append_printf(text, "%s%zu %s", text->len ? ", " : "", count, count == 1 ? one : many);
}

static void print_verdict(const Session *session, FerryDomain *domain, const char *dest_uri,
                          const FerryCheck *check)
{
    g_autoptr(GString) counts = g_string_new(NULL);
    const char *where = ferry_check_destination(check) ?: dest_uri;
    const size_t blockers = ferry_check_count_of(check, FERRY_CHECK_BLOCKER);
    const size_t unknown = ferry_check_count_of(check, FERRY_CHECK_UNKNOWN);

    append_count(counts, blockers, "blocker", "blockers");
    append_count(counts, unknown, "unknown", "unknown");
    append_count(counts, ferry_check_count_of(check, FERRY_CHECK_WARNING), "warning", "warnings");
    if (session->is_quiet)
        return;
    putchar('\n');
    say(session, "%s '%s' %s to %s%s%s%s", blockers ? "NO:" : unknown ? "Perhaps:" : "Yes:",
        ferry_domain_name(domain),
        blockers  ? "cannot migrate"
        : unknown ? "can migrate, as far as could be seen,"
                  : "can migrate",
        where, counts->len ? " (" : "", counts->str, counts->len ? ")" : "");
}

/* ---- for programs ---- */

static json_object *json_of_row(const FerryCheckRow *row)
{
    json_object *object = json_object_new_object();

    json_add_text(object, "verdict", ferry_check_verdict_text(row->verdict));
    json_add_text(object, "section", row->section);
    json_add_text(object, "name", row->name);
    json_add_text(object, "host", row->host);
    json_add_text(object, "cause", row->cause);
    json_add_text(object, "remedy", row->remedy);
    return object;
}

static void print_json(FerryDomain *domain, const FerryCheck *check)
{
    static const FerryCheckVerdict order[] = {FERRY_CHECK_BLOCKER, FERRY_CHECK_UNKNOWN,
                                              FERRY_CHECK_WARNING, FERRY_CHECK_OK};
    json_object *object = json_object_new_object();
    json_object *rows = json_object_new_array();
    FerryCheckVerdict worst = FERRY_CHECK_OK;

    for (size_t i = G_N_ELEMENTS(order); i-- > 0;)
        if (ferry_check_count_of(check, order[i]))
            worst = order[i];
    json_add_text(object, "domain", ferry_domain_name(domain));
    json_add_text(object, "source", ferry_check_source(check));
    json_add_text(object, "destination", ferry_check_destination(check));
    json_add_text(object, "verdict", ferry_check_verdict_text(worst));
    for (size_t i = 0; i < ferry_check_count(check); i++)
        json_object_array_add(rows, json_of_row(ferry_check_row(check, i)));
    json_object_object_add(object, "rows", rows);
    json_print(object);
}

int check_migration(Session *session, const Arguments *arguments, FerryDomain *domain,
                    const FerryMigration *migration)
{
    FerryError *error = NULL;
    FerryCheck *check = ferry_domain_check_migration(domain, migration, &error);
    int status;

    if (!check)
        return fail(error);
    status = ferry_check_count_of(check, FERRY_CHECK_BLOCKER)   ? EXIT_BAD
             : ferry_check_count_of(check, FERRY_CHECK_UNKNOWN) ? EXIT_UNKNOWN
                                                                : EXIT_OK;
    if (arguments_has(arguments, "json")) {
        print_json(domain, check);
    } else {
        print_table(check, !session->is_quiet);
        print_verdict(session, domain, migration->dest_uri, check);
    }
    ferry_check_free(check);
    return status;
}
