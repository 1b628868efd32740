/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* --mode of shutdown and reboot. */
#include "mode.h"

#include "base/enum.h"

static const EnumName names[] = {
    {"acpi", FERRY_SHUTDOWN_ACPI},         {"agent", FERRY_SHUTDOWN_AGENT},
    {"initctl", FERRY_SHUTDOWN_INITCTL},   {"signal", FERRY_SHUTDOWN_SIGNAL},
    {"paravirt", FERRY_SHUTDOWN_PARAVIRT}, {NULL},
};

gboolean mode_flags(const Arguments *arguments, unsigned *flags)
{
    const char *text = arguments_text(arguments, "mode");
    g_auto(GStrv) words = text ? g_strsplit(text, ",", -1) : NULL;

    for (char **word = words; word && *word; word++) {
        int flag;

        if (!enum_find(names, *word, &flag)) {
            complain("Unknown mode %s value, expecting 'acpi', 'agent', 'initctl', 'signal', or "
                     "'paravirt'",
                     *word);
            return FALSE;
        }
        *flags |= (unsigned)flag;
    }
    return TRUE;
}
