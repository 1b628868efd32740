/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "commands.h"
#include "interrupt.h"
#include "json.h"

typedef struct {
    const Arguments *arguments;
    guint count;
} Listener;

static void print_event(const FerryEvent *event, void *data)
{
    Listener *listener = data;
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *time = g_date_time_format(now, "%Y-%m-%d %H:%M:%S");

    if (listener->count > 0 && !arguments_has(listener->arguments, "loop"))
        return;
    listener->count++;
    if (arguments_has(listener->arguments, "json")) {
        json_object *object = json_object_new_object();

        json_add_text(object, "event", event->name);
        json_object_object_add(object, "domain", json_from_domain(event->domain));
        if (event->params)
            json_object_object_add(object, "params", json_from_params(event->params));
        else
            json_add_text(object, "text", event->text);
        puts(json_object_to_json_string_ext(object,
                                            JSON_C_TO_STRING_NOSLASHESCAPE)); /* one a line */
        json_object_put(object);
    } else {
        if (arguments_has(listener->arguments, "timestamp"))
            printf("%s.%03d+0000: ", time, g_date_time_get_microsecond(now) / 1000);
        printf("event '%s' for domain '%s':%s%s\n", event->name, ferry_domain_name(event->domain),
               event->text[0] == '\n' ? "" : " ", event->text);
    }
    fflush(stdout);
}

static int print_names(const Session *session)
{
    for (int id = 0; ferry_event_name(id); id++)
        puts(ferry_event_name(id));
    print_end(session);
    return EXIT_OK;
}

/* FALSE, with the complaint printed. */
static gboolean watch(Session *session, FerryDomain *domain, Listener *listener)
{
    const char *wanted = arguments_text(listener->arguments, "event");
    gboolean is_any_found = FALSE;

    for (int id = 0; ferry_event_name(id); id++) {
        FerryError *error = NULL;

        if (wanted && !g_str_equal(wanted, ferry_event_name(id)))
            continue;
        if (ferry_connection_watch(session->conn, id, domain, print_event, listener, &error)) {
            is_any_found = TRUE;
            continue;
        }
        if (wanted) {
            fail(error);
            return FALSE;
        }
        ferry_error_free(error); /* with --all: this host does not know that one */
    }
    if (!is_any_found)
        complain("unknown event type %s", wanted ?: "");
    return is_any_found;
}

static int listen(Session *session, Listener *listener)
{
    guint64 timeout_s = arguments_number(listener->arguments, "timeout", 0);
    gint64 end_us =
        timeout_s ? g_get_monotonic_time() + (gint64)timeout_s * G_USEC_PER_SEC : G_MAXINT64;
    FerryError *error = NULL;

    interrupt_catch();
    while (!interrupt_came() &&
           (arguments_has(listener->arguments, "loop") || listener->count == 0)) {
        gint64 left_us = end_us - g_get_monotonic_time();

        if (left_us <= 0) {
            if (!session->is_quiet)
                puts("event loop timed out");
            break;
        }
        if (!ferry_connection_wait(session->conn, -1,
                                   timeout_s ? (int)MIN(left_us / 1000 + 1, G_MAXINT) : -1, &error))
            return fail(error);
    }
    if (!arguments_has(listener->arguments, "json"))
        say(session, "events received: %u", listener->count);
    return EXIT_OK;
}

static int run(Session *session, const Arguments *arguments)
{
    g_autoptr(FerryDomain) domain = NULL;
    Listener listener = {.arguments = arguments};

    if (arguments_has(arguments, "list"))
        return print_names(session);
    if (!arguments_has(arguments, "event") && !arguments_has(arguments, "all"))
        return complain("one of --list, --all, or --event <type> is required");
    if (!session_connect(session))
        return EXIT_BAD;
    if (arguments_has(arguments, "domain") && !(domain = session_domain(session, arguments)))
        return EXIT_BAD;
    return watch(session, domain, &listener) ? listen(session, &listener) : EXIT_BAD;
}

static const Option options[] = {
    {"domain", OPTION_TEXT, OPTION_DOMAIN, "only of this guest"},
    {"event", OPTION_TEXT, 0, "which kind: lifecycle, job-completed, …"},
    {"all", OPTION_FLAG, 0, "every kind"},
    {"loop", OPTION_FLAG, 0, "go on after the first"},
    {"timeout", OPTION_NUMBER, 0, "seconds after which to stop"},
    {"list", OPTION_FLAG, 0, "print the kinds there are"},
    {"timestamp", OPTION_FLAG, 0, "print when"},
    JSON_OPTION,
    {NULL},
};

const Command command_event = {
    .name = "event",
    .group = GROUP_LOOK,
    .summary = "wait for what happens to guests, and print it",
    .help =
        "Ends after the first event, or with --loop at Ctrl-C. With --json one document a line.",
    .options = options,
    .run = run,
};
