/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ferry: virsh's words for ferryd and for stock hosts. */
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "help.h"

/* The options before the command; moves *words behind them.  -1: go on, else the exit status. */
static int take_global(Session *session, char ***words)
{
    for (; **words && (**words)[0] == '-'; ++*words) {
        const char *word = **words;

        if (g_str_equal(word, "-c") || g_str_equal(word, "--connect")) {
            if (!(*words)[1])
                return complain("option '%s' requires an argument", word);
            session->uri = *++*words;
        } else if (g_str_has_prefix(word, "--connect=")) {
            session->uri = strchr(word, '=') + 1;
        } else if (g_str_equal(word, "-r") || g_str_equal(word, "--readonly")) {
            session->is_readonly = TRUE;
        } else if (g_str_equal(word, "-q") || g_str_equal(word, "--quiet")) {
            session->is_quiet = TRUE;
        } else if (g_str_equal(word, "-v") || g_str_equal(word, "--version")) {
            puts(ferry_version());
            return EXIT_OK;
        } else if (g_str_equal(word, "-h") || g_str_equal(word, "--help")) {
            help_print_all();
            return EXIT_OK;
        } else {
            return complain("unsupported option '%s'. See --help.", word);
        }
    }
    return -1;
}

static int run_command(Session *session, char **words)
{
    const Command *command = command_find(words[0]);
    g_autoptr(Arguments) arguments = NULL;

    if (!command)
        return complain("unknown command: '%s'", words[0]);
    for (char **word = words + 1; *word && !g_str_equal(*word, "--"); word++)
        if (g_str_equal(*word, "--help")) {
            help_print(command);
            return EXIT_OK;
        }
    arguments = arguments_parse(command, words + 1);
    return arguments ? command->run(session, arguments) : EXIT_BAD;
}

int main(int argc, char **argv)
{
    Session session = {0};
    char **words = argv + 1;
    int status;

    setlocale(LC_ALL, "");
    setlocale(LC_NUMERIC, "C"); /* numbers are for programs as well */
    status = take_global(&session, &words);
    if (status < 0 && !*words) {
        help_print_all();
        status = EXIT_OK;
    }
    if (status < 0)
        status = run_command(&session, words);
    ferry_connection_close(session.conn);
    if (fflush(stdout) != 0 && status == EXIT_OK)
        status = EXIT_BAD;
    return status;
}
