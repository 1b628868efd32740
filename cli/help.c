/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Help, from the commands' entries. */
#include "help.h"

#include <stdio.h>

#include "commands.h"

static const char *const groups[] = {GROUP_GUEST, GROUP_MIGRATION, GROUP_LOOK,
                                     GROUP_HOST,  GROUP_EXPERT,    GROUP_HELP};

void help_print_all(void)
{
    puts("ferry [-c URI] [-r] [-q] COMMAND [OPTION…]\n\n"
         "  -c, --connect URI   whose guests: qemu:///system (default), qemu+ssh://HOST/system, "
         "qemu+tcp://HOST/system\n"
         "  -r, --readonly      only look\n"
         "  -q, --quiet         print only what was asked for\n"
         "  -v, --version       print the version\n"
         "  -h, --help          print this; `ferry help COMMAND` says more\n");
    for (size_t g = 0; g < G_N_ELEMENTS(groups); g++) {
        printf(" %s\n", groups[g]);
        for (const Command *const *command = commands; *command; command++)
            if (g_str_equal((*command)->group, groups[g]))
                printf("    %-22s %s\n", (*command)->name, (*command)->summary);
        putchar('\n');
    }
}

static const char *value_word(const Option *option)
{
    return option->kind == OPTION_NUMBER ? "<number>" : "<string>";
}

static void print_synopsis(const Command *command)
{
    printf("    %s", command->name);
    for (const Option *option = command->options; option->name; option++) {
        gboolean is_required = option->flags & OPTION_REQUIRED;

        if (option->flags & OPTION_HIDDEN)
            continue;
        if (option->kind == OPTION_REST)
            printf(is_required ? " <%s>…" : " [<%s>]…", option->name);
        else if (option->kind == OPTION_FLAG)
            printf(" [--%s]", option->name);
        else if (is_required)
            printf(" <%s>", option->name);
        else
            printf(" [--%s %s]", option->name, value_word(option));
    }
    putchar('\n');
}

void help_print(const Command *command)
{
    printf("  NAME\n    %s - %s\n\n  SYNOPSIS\n", command->name, command->summary);
    print_synopsis(command);
    if (command->help) {
        g_auto(GStrv) lines = g_strsplit(command->help, "\n", -1);

        printf("\n  DESCRIPTION\n");
        for (char **line = lines; *line; line++)
            printf("%s%s\n", **line ? "    " : "", *line);
    }
    if (command->options->name)
        printf("\n  OPTIONS\n");
    for (const Option *option = command->options; option->name; option++) {
        g_autofree char *left = NULL;

        if (option->flags & OPTION_HIDDEN)
            continue;
        if (option->kind == OPTION_REST)
            left = g_strdup_printf("<%s>…", option->name);
        else if (option->kind == OPTION_FLAG)
            left = g_strdup_printf("--%s", option->name);
        else
            left = g_strdup_printf(option->flags & OPTION_REQUIRED ? "[--%s] %s" : "--%s %s",
                                   option->name, value_word(option));
        printf("    %-28s %s\n", left, option->help);
    }
    putchar('\n');
}
