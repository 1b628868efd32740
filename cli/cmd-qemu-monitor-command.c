/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json-c/json.h>

#include "commands.h"

/* The answer as asked for: pretty, or only its "return". */
static char *reshape(const char *answer, const Arguments *arguments)
{
    json_object *whole = json_tokener_parse(answer);
    json_object *part = whole;
    char *text;

    if (!whole)
        return g_strdup(answer);
    if (arguments_has(arguments, "return-value"))
        json_object_object_get_ex(whole, "return", &part);
    text = g_strdup(json_object_to_json_string_ext(
        part, JSON_C_TO_STRING_NOSLASHESCAPE |
                  (arguments_has(arguments, "pretty") ? JSON_C_TO_STRING_PRETTY : 0)));
    json_object_put(whole);
    return text;
}

static int run(Session *session, const Arguments *arguments)
{
    g_autoptr(FerryDomain) domain = NULL;
    g_autofree char *command = g_strjoinv(" ", arguments_rest(arguments));
    g_autofree char *answer = NULL;
    g_autofree char *text = NULL;
    gboolean is_hmp = arguments_has(arguments, "hmp");
    FerryError *error = NULL;

    if (is_hmp && (arguments_has(arguments, "pretty") || arguments_has(arguments, "return-value")))
        return complain("Options --hmp and --%s are mutually exclusive",
                        arguments_has(arguments, "pretty") ? "pretty" : "return-value");
    domain = session_domain(session, arguments);
    if (!domain)
        return EXIT_BAD;
    answer = ferry_domain_monitor_command(domain, command, is_hmp ? FERRY_MONITOR_HMP : 0, &error);
    if (!answer)
        return fail(error);
    text = is_hmp ? g_strdup(answer) : reshape(answer, arguments);
    print_text(session, text);
    return EXIT_OK;
}

static const Option options[] = {
    DOMAIN_OPTION,
    {"hmp", OPTION_FLAG, 0, "a command for people: info status"},
    {"pretty", OPTION_FLAG, 0, "lay the answer out"},
    {"return-value", OPTION_FLAG, 0, "only what the command returned"},
    {"cmd", OPTION_REST, OPTION_REQUIRED, "the command: {\"execute\": \"query-status\"}"},
    {NULL},
};

const Command command_qemu_monitor_command = {
    .name = "qemu-monitor-command",
    .group = GROUP_EXPERT,
    .summary = "speak to a guest's QEMU itself",
    .help = "The daemon does not understand what is done behind its back: for looking, not for "
            "changing.",
    .options = options,
    .run = run,
};
