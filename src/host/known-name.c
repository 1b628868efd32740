/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names, each with one question under way at most. */
#include "host/known-name.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"

typedef struct {
    char *name;
    ResolvedName answer;
    gboolean is_asked; /* a task waits for the resolver */
    int64_t asked_ms;  /* clock_now_ms() */
    int64_t heard_ms;  /* of the last answer or failure; 0: none yet */
    Condition *changed;
} KnownName;

static GPtrArray *names; /* KnownName, for good */

AWAITS static void ask(void *data)
{
    KnownName *known = data;
    ResolvedName answer = {0};
    g_autoptr(GError) error = NULL;

    if (host_resolve(known->name, KNOWN_NAME_ANSWER_MS, &answer, &error)) {
        resolved_name_clear(&known->answer);
        known->answer = answer;
    } else {
        log_debug("'%s' gives no address: %s", known->name, error->message);
    }
    known->is_asked = FALSE;
    known->heard_ms = clock_now_ms();
    condition_signal(known->changed);
}

static void ask_unless_fresh(KnownName *known)
{
    if (known->is_asked ||
        (known->heard_ms && clock_now_ms() < known->heard_ms + KNOWN_NAME_FRESH_MS))
        return;
    known->is_asked = TRUE;
    known->asked_ms = clock_now_ms();
    task_spawn("name", ask, known, NULL);
}

static KnownName *add(const char *name)
{
    KnownName *known;
    struct sockaddr_storage literal;

    if (names->len >= KNOWN_NAMES_MAX)
        return NULL;
    known = g_new0(KnownName, 1);
    known->name = g_strdup(name);
    known->changed = condition_new("a name");
    g_ptr_array_add(names, known);
    if (address_parse(name, &literal)) {
        known->answer.items = g_memdup2(&literal, sizeof literal);
        known->answer.count = 1;
        known->heard_ms = G_MAXINT64 - KNOWN_NAME_FRESH_MS; /* for ever */
    }
    return known;
}

static KnownName *find(const char *name)
{
    if (!names)
        names = g_ptr_array_new();
    for (guint i = 0; i < names->len; i++) {
        KnownName *known = names->pdata[i];

        if (g_str_equal(known->name, name))
            return known;
    }
    return add(name);
}

static const ResolvedName *answer_of(const KnownName *known)
{
    return known->answer.count > 0 ? &known->answer : NULL;
}

const ResolvedName *known_name(const char *name)
{
    KnownName *known = find(name);

    if (!known)
        return NULL;
    ask_unless_fresh(known);
    return answer_of(known);
}

AWAITS gboolean known_name_wait(const char *name, int64_t timeout_ms,
                                const ResolvedName **ret_names, GError **error)
{
    KnownName *known = find(name);

    if (known)
        ask_unless_fresh(known);
    while (known && !known->heard_ms) {
        const int64_t left_ms = known->asked_ms + timeout_ms - clock_now_ms();
        g_autoptr(GError) why = NULL;

        if (left_ms <= 0)
            break;
        if (!condition_wait(known->changed, left_ms, &why) &&
            !error_is(why, ERROR_OPERATION_TIMEOUT)) {
            g_propagate_error(error, g_steal_pointer(&why));
            return FALSE;
        }
    }
    *ret_names = known ? answer_of(known) : NULL;
    return TRUE;
}
