/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where something may go wrong on order, and the order carried out. */
#include "migrate/fault.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "loop/task.h"
#include "migrate/migration.h"
#include "migrate/step.h"

#define STALL_LOOK_MS 5
#define WORD_BYTES 32

static const char *const side_names[] = {[SIDE_SOURCE] = "source", [SIDE_DESTINATION] = "destination"};

static void print_steps(const StepList *list)
{
    for (const Step *step = list->steps; step->name; step++)
        printf("%s/%s\n", list->phase, step->name);
}

static void print_rows(OwnerSide side)
{
    for (unsigned row = 0; row < owner_row_count(side); row++) {
        g_autofree char *name = owner_row_name(side, row);

        printf("%s/%s\n", side_names[side], name);
        if (owner_row_acts(side, row))
            printf("%s/%s.actions\n", side_names[side], name);
    }
}

void fault_print_points(void)
{
    const StepList *const lists[] = {&begin_list, &p2p_list, &prepare_list, &arrive_list, &perform_list};

    for (unsigned i = 0; i < G_N_ELEMENTS(lists); i++)
        print_steps(lists[i]);
    for (int side = SIDE_SOURCE; side <= SIDE_DESTINATION; side++)
        print_rows((OwnerSide)side);
}

#ifdef FERRY_FAULT_INJECTION

/* The armed word if it is for this place, once: fail, stall or kill.  The caller frees it; NULL: none. */
static char *take_order(const char *path, FaultPlace place, gboolean can_stall)
{
    g_autofree char *word = file_read(path, WORD_BYTES, NULL, NULL);
    g_autofree char *hit = g_strconcat(path, ".hit", NULL);

    if (!word || g_str_has_suffix(g_strchomp(word), "-after") != (place == FAULT_AFTER))
        return NULL;
    if (g_str_has_prefix(word, "stall") && !can_stall)
        return NULL;
    return rename(path, hit) == 0 ? g_steal_pointer(&word) : NULL;
}

static char *path_of(const char *point)
{
    return g_build_filename(migrate_settings()->env->run_dir, "faults", point, NULL);
}

/* *ret_stall: the file whose end to wait for.  NULL: the caller cannot wait, and is not stalled. */
static gboolean obey(const char *point, FaultPlace place, char **ret_stall, GError **error)
{
    g_autofree char *path = path_of(point);
    g_autofree char *word = take_order(path, place, ret_stall != NULL);

    if (place == FAULT_BEFORE)
        log_debug("fault point %s", point);
    if (!word)
        return TRUE;
    log_warning("fault injected at %s: %s", point, word);
    if (g_str_has_prefix(word, "kill"))
        kill(getpid(), SIGKILL);
    if (g_str_has_prefix(word, "fail"))
        return error_set(error, ERROR_INTERNAL_ERROR, "internal error: injected fault at %s", point);
    if (ret_stall)
        *ret_stall = g_strconcat(path, ".hit", NULL);
    return TRUE;
}

AWAITS static gboolean obey_and_wait(const char *point, FaultPlace place, GError **error)
{
    g_autofree char *stall = NULL;

    if (!obey(point, place, &stall, error))
        return FALSE;
    task_shield();
    while (stall && access(stall, F_OK) == 0)
        await_sleep(STALL_LOOK_MS, NULL);
    task_unshield();
    return TRUE;
}

/* The rows of an offline migration have no number, and are not listed: "source/offline.S-gone". */
static char *point_of(OwnerSide side, const OwnerVerdict *verdict, const char *suffix)
{
    g_autofree char *name = verdict->row < 0 ? g_strconcat("offline.", verdict->rule, NULL) : owner_row_name(side, (unsigned)verdict->row);

    return g_strdup_printf("%s/%s%s", side_names[side], name, suffix);
}

AWAITS gboolean fault_step(const char *phase, const char *step, FaultPlace place, GError **error)
{
    g_autofree char *point = g_strdup_printf("%s/%s", phase, step);

    return obey_and_wait(point, place, error);
}

AWAITS gboolean fault_row(OwnerSide side, const OwnerVerdict *verdict, FaultPlace place, GError **error)
{
    g_autofree char *point = point_of(side, verdict, "");

    return obey_and_wait(point, place, error);
}

AWAITS gboolean fault_row_stalled(OwnerSide side, const OwnerVerdict *verdict)
{
    g_autofree char *point = point_of(side, verdict, "");
    g_autofree char *path = path_of(point);
    g_autofree char *word = file_read(path, WORD_BYTES, NULL, NULL);

    return word && g_str_equal(g_strchomp(word), "stall") && obey_and_wait(point, FAULT_BEFORE, NULL);
}

gboolean fault_row_now(OwnerSide side, const OwnerVerdict *verdict, FaultPlace place, GError **error)
{
    g_autofree char *point = point_of(side, verdict, "");

    return obey(point, place, NULL, error);
}

AWAITS void fault_actions(OwnerSide side, const OwnerVerdict *verdict, FaultPlace place)
{
    g_autofree char *point = point_of(side, verdict, ".actions");

    if (verdict->row >= 0 && owner_row_acts(side, (unsigned)verdict->row))
        obey_and_wait(point, place, NULL);
}

#endif
