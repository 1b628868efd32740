/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fallbacks. */
#include "phase/fallback.h"

#include "base/error.h"

const EnumName fallback_names[] = {
    {"tunnel", FALLBACK_TUNNEL},
    {"relay", FALLBACK_RELAY},
    {NULL},
};

gboolean fallback_parse(const char *const *words, unsigned *ret_allowed, GError **error)
{
    unsigned allowed = FALLBACK_NONE, count = words ? g_strv_length((char **)words) : 0;

    for (unsigned i = 0; i < count; i++) {
        gboolean is_whole = g_str_equal(words[i], "all") || g_str_equal(words[i], "none");
        int one = FALLBACK_NONE;

        if ((is_whole && count > 1) || (!is_whole && !enum_find(fallback_names, words[i], &one))) {
            g_autofree char *list = enum_list(fallback_names);

            return error_set(error, ERROR_CONF_SYNTAX, "fallback has '%s': write all, none, or a list of %s", words[i],
                             list);
        }
        allowed |= g_str_equal(words[i], "all") ? FALLBACK_ALL : (unsigned)one;
    }
    *ret_allowed = allowed;
    return TRUE;
}
