/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "doctor/finding.h"

#include <string.h>

static void finding_free(void *data)
{
    Finding *finding = data;

    g_free(finding->what);
    g_free(finding->where);
    g_free(finding->guest);
    g_free(finding->host);
    g_free(finding->cause);
    g_free(finding->command);
    g_free(finding);
}

GPtrArray *findings_new(void)
{
    return g_ptr_array_new_with_free_func(finding_free);
}

Finding *findings_add(GPtrArray *findings, FindingKind kind, const char *what, const char *format, ...)
{
    Finding *finding = g_new0(Finding, 1);
    va_list args;

    finding->kind = kind;
    finding->what = g_strdup(what);
    va_start(args, format);
    finding->cause = g_strdup_vprintf(format, args);
    va_end(args);
    g_ptr_array_add(findings, finding);
    return finding;
}

void findings_sort(GPtrArray *findings)
{
    g_autoptr(GPtrArray) sorted = g_ptr_array_new();

    for (int kind = FINDING_PERSON; kind <= FINDING_USED; kind++)
        for (unsigned i = 0; i < findings->len; i++)
            if ((int)((Finding *)findings->pdata[i])->kind == kind)
                g_ptr_array_add(sorted, findings->pdata[i]);
    for (unsigned i = 0; i < findings->len; i++)
        findings->pdata[i] = sorted->pdata[i];
}

static gboolean is_plain(const char *word)
{
    return *word && strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+=,") == strlen(word);
}

char *finding_command(const char *command, ...)
{
    GString *text = g_string_new(command);
    const char *word;
    va_list args;

    va_start(args, command);
    while ((word = va_arg(args, const char *))) {
        g_autofree char *quoted = is_plain(word) ? g_strdup(word) : g_shell_quote(word);

        g_string_append_printf(text, " %s", quoted);
    }
    va_end(args);
    return g_string_free(text, FALSE);
}
