/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guests whose hand-over is not settled. */
#include "doubt.h"

#include <string.h>

char *doubt_of(FerryDomain *domain)
{
    char **messages = ferry_domain_messages(domain, NULL);
    char *doubt = NULL;

    for (char **message = messages; message && *message && !doubt; message++)
        if (strstr(*message, "outcome unknown"))
            doubt = g_strdup(*message);
    ferry_strv_free(messages);
    return doubt;
}

char *doubt_host(const char *sentence)
{
    static const char before[] = "may run on ";
    const char *host = sentence ? strstr(sentence, before) : NULL;

    if (!host || g_str_has_prefix(host + strlen(before), "the other host"))
        return NULL; /* whose name is not known */
    host += strlen(before);
    return g_strndup(host, strcspn(host, ";,: "));
}
