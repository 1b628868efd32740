/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the memory is to be sent. */
#include "migrate/address.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "host/address.h"

/* Those that would have been better, or all, with the reasons against them. */
static char *list_passed_over(const GPtrArray *candidates, const Candidate *chosen)
{
    g_autoptr(GString) list = g_string_new(NULL);

    for (guint i = 0; i < candidates->len; i++) {
        const Candidate *candidate = candidates->pdata[i];
        g_autofree char *text = candidate_format(candidate);

        if (!chosen || (candidate->filtered && candidate->kind < chosen->kind))
            g_string_append_printf(list, "%s%s", list->len ? ", " : "", text);
    }
    return g_string_free(g_steal_pointer(&list), FALSE);
}

gboolean address_for_source(const GPtrArray *candidates, const char *guest, char **ret_literal, GError **error)
{
    const Candidate *chosen = candidates_choose_single(candidates);
    g_autofree char *passed_over = list_passed_over(candidates, chosen);

    if (!chosen)
        return error_set(error, ERROR_OPERATION_FAILED,
                         "operation failed: no address of this host is known that a source could connect to (%s); "
                         "set migration_host or look at migration_networks in ferryd.conf",
                         *passed_over ? passed_over : "it has none");
    *ret_literal = address_format(&chosen->address);
    log_info("domain '%s' is to come to %s (%s)%s%s", guest, *ret_literal, chosen->origin,
             *passed_over ? ", not to " : "", passed_over);
    return TRUE;
}

#define ENVIRON_MAX (256 * 1024)

char *address_of_ssh(pid_t pid)
{
    static const char key[] = "SSH_CONNECTION=";
    g_autofree char *path = g_strdup_printf("/proc/%d/environ", (int)pid);
    size_t len = 0;
    g_autofree char *environ_text = pid > 0 ? file_read(path, ENVIRON_MAX, &len, NULL) : NULL;

    for (const char *entry = environ_text; entry && entry < environ_text + len; entry += strlen(entry) + 1) {
        g_auto(GStrv) words = NULL;

        if (!g_str_has_prefix(entry, key))
            continue;
        words = g_strsplit(entry + strlen(key), " ", 0); /* client address and port, then ours */
        return g_strv_length(words) == 4 ? g_strdup(words[2]) : NULL;
    }
    return NULL;
}
