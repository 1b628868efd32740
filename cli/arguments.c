/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading a command's words by its option table. */
#include <string.h>

#include "base/number.h"
#include "command.h"

struct Arguments {
    const Command *command;
    GHashTable
        *given; /* option name (borrowed) → value (borrowed from the command line; "" for flags) */
    GPtrArray *rest; /* ends with NULL */
};

static const Option *option_find(const Command *command, const char *name, size_t len)
{
    for (const Option *option = command->options; option && option->name; option++)
        if (strlen(option->name) == len && strncmp(option->name, name, len) == 0)
            return option->same_as ? option_find(command, option->same_as, strlen(option->same_as))
                                   : option;
    return NULL;
}

/* The next that may be given by its place. */
static const Option *option_next(const Arguments *arguments)
{
    for (const Option *option = arguments->command->options; option && option->name; option++) {
        if (option->kind == OPTION_REST)
            return option;
        if (option->kind != OPTION_FLAG && !(option->flags & (OPTION_NAMED | OPTION_HIDDEN)) &&
            !g_hash_table_contains(arguments->given, option->name))
            return option;
    }
    return NULL;
}

static gboolean set(Arguments *arguments, const Option *option, const char *value)
{
    uint64_t number;

    if (option->kind == OPTION_REST) {
        g_ptr_array_add(arguments->rest, (char *)value);
        return TRUE;
    }
    if (option->kind == OPTION_NUMBER && !number_parse_u64(value, UINT64_MAX, &number)) {
        complain("Numeric value '%s' for <%s> option is malformed or out of range", value,
                 option->name);
        return FALSE;
    }
    if (option->kind == OPTION_TEXT && !*value) {
        complain("Failed to get option '%s': Option argument is empty", option->name);
        return FALSE;
    }
    g_hash_table_replace(arguments->given, (char *)option->name, (char *)value);
    return TRUE;
}

/* --name, --name VALUE or --name=VALUE; moves *word on to the last word used. */
static gboolean take_named(Arguments *arguments, char ***word)
{
    const char *name = **word + strlen("--");
    const char *value = strchr(name, '=');
    size_t len = value ? (size_t)(value - name) : strlen(name);
    const Option *option = option_find(arguments->command, name, len);

    if (!option) {
        complain("command '%s' doesn't support option --%.*s", arguments->command->name, (int)len,
                 name);
        return FALSE;
    }
    if (option->kind == OPTION_FLAG) {
        if (value) {
            complain("invalid '=' after option --%s", option->name);
            return FALSE;
        }
        g_hash_table_replace(arguments->given, (char *)option->name, (char *)"");
        return TRUE;
    }
    if (!value && !*++*word) {
        --*word;
        complain("expected syntax: --%s <%s>", option->name,
                 option->kind == OPTION_NUMBER ? "number" : "string");
        return FALSE;
    }
    if (option->kind != OPTION_REST && g_hash_table_contains(arguments->given, option->name)) {
        complain("option --%s already seen", option->name);
        return FALSE;
    }
    return set(arguments, option, value ? value + 1 : **word);
}

static gboolean check_required(const Arguments *arguments)
{
    for (const Option *option = arguments->command->options; option && option->name; option++) {
        gboolean is_given = option->kind == OPTION_REST
                                ? arguments->rest->len > 0
                                : g_hash_table_contains(arguments->given, option->name);

        if ((option->flags & OPTION_REQUIRED) && !is_given) {
            complain("command '%s' requires <%s> option", arguments->command->name, option->name);
            return FALSE;
        }
    }
    return TRUE;
}

Arguments *arguments_parse(const Command *command, char **words)
{
    g_autoptr(Arguments) arguments = g_new0(Arguments, 1);
    gboolean are_named = TRUE;

    arguments->command = command;
    arguments->given = g_hash_table_new(g_str_hash, g_str_equal);
    arguments->rest = g_ptr_array_new();
    for (char **word = words; *word; word++) {
        const Option *option;

        if (are_named && g_str_equal(*word, "--")) {
            are_named = FALSE;
        } else if (are_named && g_str_has_prefix(*word, "--")) {
            if (!take_named(arguments, &word))
                return NULL;
        } else if (!(option = option_next(arguments))) {
            complain("unexpected data '%s'", *word);
            return NULL;
        } else if (!set(arguments, option, *word)) {
            return NULL;
        }
    }
    if (!check_required(arguments))
        return NULL;
    g_ptr_array_add(arguments->rest, NULL);
    return g_steal_pointer(&arguments);
}

void arguments_free(Arguments *arguments)
{
    if (!arguments)
        return;
    g_hash_table_unref(arguments->given);
    g_ptr_array_unref(arguments->rest);
    g_free(arguments);
}

gboolean arguments_has(const Arguments *arguments, const char *name)
{
    return g_hash_table_contains(arguments->given, name);
}

const char *arguments_text(const Arguments *arguments, const char *name)
{
    return g_hash_table_lookup(arguments->given, name);
}

guint64 arguments_number(const Arguments *arguments, const char *name, guint64 fallback)
{
    const char *text = arguments_text(arguments, name);
    uint64_t number = fallback;

    if (text)
        number_parse_u64(text, UINT64_MAX, &number);
    return number;
}

char **arguments_rest(const Arguments *arguments)
{
    return (char **)arguments->rest->pdata;
}

unsigned arguments_bits(const Arguments *arguments)
{
    unsigned bits = 0;

    for (const Option *option = arguments->command->options; option && option->name; option++)
        if (option->bit && arguments_has(arguments, option->name))
            bits |= option->bit;
    return bits;
}

const void *arguments_plan(const Arguments *arguments)
{
    return arguments->command->plan;
}
