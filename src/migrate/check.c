/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The engine behind the tables. */
#include "migrate/check.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "migrate/proof.h"
#include "model/guest-def.h"

CheckScene *check_scene_new(OwnerSide side, Domain *domain, const GuestDef *def, unsigned flags)
{
    CheckScene *scene = g_new0(CheckScene, 1);

    scene->refs = 1;
    scene->side = side;
    scene->domain = domain ? domain_ref(domain) : NULL;
    scene->def = guest_def_copy(def);
    scene->flags = flags;
    scene->proofs = cookie_proofs_new();
    scene->facts = params_new();
    scene->params = params_new();
    scene->reached = -1;
    scene->host = g_strdup(migrate_settings()->host_name);
    return scene;
}

CheckScene *check_scene_ref(CheckScene *scene)
{
    scene->refs++;
    return scene;
}

void check_scene_close(CheckScene *scene)
{
    g_clear_pointer(&scene->listener, lane_listener_free);
    if (scene->side == SIDE_SOURCE)
        proofs_remove(scene->proofs);
    g_array_set_size(scene->proofs, 0);
}

AWAITS void check_scene_finish(CheckScene *scene)
{
    g_autoptr(GArray) proofs = g_steal_pointer(&scene->proofs);

    scene->proofs = cookie_proofs_new(); /* for a check that comes late */
    g_clear_pointer(&scene->listener, lane_listener_free);
    if (scene->side == SIDE_SOURCE && proofs->len > 0)
        proofs_remove_now(proofs);
}

void check_scene_unref(CheckScene *scene)
{
    if (!scene || --scene->refs > 0)
        return;
    check_scene_close(scene);
    domain_unref(scene->domain);
    guest_def_free(scene->def);
    params_free(scene->peer);
    params_free(scene->facts);
    params_free(scene->params);
    g_array_unref(scene->proofs);
    g_free(scene->host);
    g_free(scene->peer_uri);
    check_scene_unref(scene->held);
    explicit_bzero(&scene->terms, sizeof scene->terms);
    g_free(scene);
}

/* --- a migration --- */

AWAITS gboolean check_pass(const Check *table, CheckScene *scene, GError **error)
{
    for (const Check *check = table; check->section; check++) {
        g_autoptr(GPtrArray) rows = check_rows_new();

        if (!check->decides)
            continue;
        check->run(scene, rows);
        if (!check_rows_pass(rows, error))
            return FALSE;
    }
    return TRUE;
}

/* --- a rehearsal --- */

/* One check on a task of its own.  Who waits and the task hold a reference each: a check that hangs outlives the wait. */
typedef struct {
    unsigned refs;
    const Check *check;
    CheckScene *scene;
    GPtrArray *rows;
    Await *end;
} Run;

static void run_unref(void *data)
{
    Run *run = data;

    if (--run->refs > 0)
        return;
    check_scene_unref(run->scene);
    g_ptr_array_unref(run->rows);
    await_unref(run->end);
    g_free(run);
}

AWAITS static void run_task(void *data)
{
    Run *run = data;

    run->check->run(run->scene, run->rows);
    await_succeed(run->end);
}

static Run *run_start(const Check *check, CheckScene *scene)
{
    Run *run = g_new0(Run, 1);

    run->refs = 2;
    run->check = check;
    run->scene = check_scene_ref(scene);
    run->rows = check_rows_new();
    run->end = await_new("a check");
    task_spawn("check", run_task, run, run_unref);
    return run;
}

AWAITS static void run_collect(Run *run, int64_t deadline_ms, GPtrArray *rows)
{
    if (await(run->end, MAX(deadline_ms - clock_now_ms(), 0), NULL))
        check_rows_take(rows, g_ptr_array_ref(run->rows));
    else
        check_rows_add(rows, run->check->section, "time", CHECK_UNKNOWN,
                       "no answer in time; look for a file server or a name server that hangs");
}

AWAITS GPtrArray *check_rehearse(const Check *table, CheckScene *scene, int64_t timeout_ms)
{
    const int64_t deadline_ms = clock_now_ms() + timeout_ms;
    g_autoptr(GPtrArray) runs = g_ptr_array_new_with_free_func(run_unref);
    GPtrArray *rows = check_rows_new();

    scene->is_rehearsal = TRUE;
    for (const Check *check = table; check->section; check++)
        g_ptr_array_add(runs, run_start(check, scene));
    for (guint i = 0; i < runs->len; i++)
        run_collect(g_ptr_array_index(runs, i), deadline_ms, rows);
    check_rows_set_host(rows, scene->host);
    return rows;
}
