/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The rows.  The first that fits counts. */
#include "phase/look.h"

#include <string.h>

#include "base/error.h"
#include "xml/xml.h"

/* Wire values. */
enum { NOSTATE = 0, PAUSED = 3, SHUTOFF = 5 };
enum { PAUSED_USER = 1 };
enum { SHUTDOWN = 1, MIGRATED = 4, SAVED = 5, FAILED = 6 };

#define R(reason) (1u << (reason))
#define ANY       (~0u)

enum { ASKED = 1, NOT_ASKED = 2, FRESH = 4, LATER = 8 };
#define BOTH (ASKED | NOT_ASKED)
#define EVER (FRESH | LATER)

/* clang-format off */
static const struct {
    int state;
    unsigned reasons;
    unsigned when; /* persist asked or not; how long after Finish */
    LookVerdict verdict;
} rows[] = {
    /* found there  reason                                 persist, age       then */
    { LOOK_ABSENT,  ANY,                                   ASKED | EVER,      LOOK_NEVER_RAN },
    { LOOK_ABSENT,  ANY,                                   NOT_ASKED | FRESH, LOOK_NEVER_RAN },
    { LOOK_ABSENT,  ANY,                                   NOT_ASKED | LATER, LOOK_PERSON },
    { NOSTATE,      ANY,                                   BOTH | EVER,       LOOK_AGAIN },
    { PAUSED,       R(PAUSED_USER),                        BOTH | EVER,       LOOK_RAN },
    { PAUSED,       ANY,                                   BOTH | EVER,       LOOK_AGAIN },
    { SHUTOFF,      R(SHUTDOWN) | R(MIGRATED) | R(SAVED),  BOTH | EVER,       LOOK_RAN },
    { SHUTOFF,      R(FAILED),                             BOTH | EVER,       LOOK_NEVER_RAN },
    /* Where it was defined before: what it does with one whose connection breaks it calls destroyed, too, and a QEMU that dies
     * before Finish crashed; after a restart it knows no reason at all. */
    { SHUTOFF,      ANY,                                   BOTH | EVER,       LOOK_PERSON },
};
/* clang-format on */

gboolean look_check_host(const char *capabilities, const Uuid *wanted, const char *uri, GError **error)
{
    g_autoptr(XmlTree) tree = xml_parse(capabilities, strlen(capabilities), "capabilities", error);
    XmlNode *node = tree ? xml_child(xml_root(tree), "host/uuid") : NULL;
    Uuid uuid;

    if (!tree)
        return FALSE;
    return (node && uuid_parse(xml_text(node), &uuid) && uuid_equal(&uuid, wanted)) ||
           error_set(error, ERROR_OPERATION_FAILED, "another host answers at '%s'", uri);
}

LookVerdict look_judge(int state, int reason, gboolean is_persist, int64_t since_finish_ms)
{
    const unsigned when = (is_persist ? ASKED : NOT_ASKED) | (since_finish_ms < LOOK_FRESH_MS ? FRESH : LATER);
    const unsigned bit = reason >= 0 && reason < 32 ? R(reason) : 0;

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (rows[i].state == state && (rows[i].reasons == ANY || (rows[i].reasons & bit)) && (rows[i].when & when) == when)
            return rows[i].verdict;
    return LOOK_RAN; /* running, or in a state that only comes of it */
}
