/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pre-flight: what a client asks of both hosts before it moves a guest.  What a check holds for the other side (a file
 * beside an image, a port) belongs to the calling connection and goes with it, with its next check, or after a while. */
#include <string.h>

#include "loop/loop.h"
#include "migrate/rehearsal.h"
#include "service/calls.h"
#include "service/service.h"
#include "wire/params.h"

#define HELD_MS  (20 * 1000)
#define HELD_MAX 16

typedef struct {
    Caller *caller; /* borrowed: the hook tells of its end */
    CallerHook *hook;
    Timer *timer;
    CheckScene *scene;
} Held;

static GHashTable *held_by_caller; /* Caller * (borrowed) to Held * */

static void held_free(void *data)
{
    Held *held = data;

    caller_drop_hook(held->hook);
    timer_free(held->timer);
    check_scene_close(held->scene);
    check_scene_unref(held->scene);
    g_free(held);
}

static void held_drop(Caller *caller)
{
    if (held_by_caller)
        g_hash_table_remove(held_by_caller, caller);
}

static void on_close(Caller *caller, void *data)
{
    Held *held = data;

    held->hook = NULL;
    held_drop(caller);
}

static void on_time(void *data)
{
    held_drop(((Held *)data)->caller);
}

/* NULL: nothing is held for it.  Borrowed. */
static CheckScene *held_scene(Caller *caller)
{
    Held *held = held_by_caller ? g_hash_table_lookup(held_by_caller, caller) : NULL;

    return held ? held->scene : NULL;
}

static gboolean check_room(Caller *caller, GError **error)
{
    held_drop(caller); /* the one before, of the same client */
    return !held_by_caller || g_hash_table_size(held_by_caller) < HELD_MAX ||
           error_set(error, ERROR_OPERATION_FAILED, "operation failed: %d migrations are being checked already; try again soon",
                     HELD_MAX);
}

/* Takes scene. */
static void held_keep(Caller *caller, CheckScene *scene)
{
    Held *held = g_new0(Held, 1);

    held->caller = caller;
    held->scene = scene;
    held->timer = timer_new(HELD_MS, on_time, held);
    if (!held_by_caller)
        held_by_caller = g_hash_table_new_full(NULL, NULL, NULL, held_free);
    g_hash_table_replace(held_by_caller, caller, held);
    held->hook = caller_on_close(caller, on_close, held);
}

static WireCheckRow *return_rows(Call *call, const GPtrArray *rows, uint32_t *ret_count)
{
    WireCheckRow *list = arena_new0(call_arena(call), WireCheckRow, MAX(rows->len, 1));

    *ret_count = 0;
    check_rows_each(row, rows) {
        if (*ret_count >= CHECK_ROWS_MAX)
            break;
        list[(*ret_count)++] = (WireCheckRow){
            .section = arena_strdup(call_arena(call), row->section),
            .name = arena_strdup(call_arena(call), row->name),
            .verdict = (int32_t)row->verdict,
            .host = arena_strdup(call_arena(call), row->host),
            .cause = arena_strdup(call_arena(call), row->cause),
            .remedy = arena_strdup(call_arena(call), row->remedy),
        };
    }
    return list;
}

#define REQUEST(call, the_params, the_flags, room)                                                                      \
    (RehearsalRequest){.params = (the_params),                                                                     \
                             .flags = (the_flags),                                                                       \
                             .control_local = service_control_address(call_caller(call), room) ? (room) : NULL}

AWAITS gboolean service_migration_check_source(Call *call, const FerryMigrationCheckSourceArgs *args,
                                               FerryMigrationCheckSourceRet *ret, GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);
    g_autoptr(Params) params = domain ? wire_params_decode(args->params, args->params_count, error) : NULL;
    g_autoptr(GPtrArray) rows = NULL;
    g_autofree char *xml = NULL;
    struct sockaddr_storage control;
    CheckScene *scene = NULL;

    if (!params || !check_room(call_caller(call), error))
        return FALSE;
    if (!domain_definition(domain))
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: domain '%s' has no definition yet: it is on its way here", domain->name);
    rows = rehearse_source(domain, &REQUEST(call, params, args->flags, &control), &xml, &scene);
    ret->rows = return_rows(call, rows, &ret->rows_count);
    ret->xml = arena_strdup(call_arena(call), xml ?: "");
    ret->facts = wire_params_encode(scene->facts, TRUE, call_arena(call), &ret->facts_count);
    if (caller_is_gone(call_caller(call)))
        check_scene_unref(scene);
    else
        held_keep(call_caller(call), scene);
    return TRUE;
}

AWAITS gboolean service_migration_check_destination(Call *call, const FerryMigrationCheckDestinationArgs *args,
                                                    FerryMigrationCheckDestinationRet *ret, GError **error)
{
    g_autoptr(Params) params = wire_params_decode(args->params, args->params_count, error);
    g_autoptr(Params) facts = params ? wire_params_decode(args->facts, args->facts_count, error) : NULL;
    g_autoptr(GPtrArray) rows = NULL;
    struct sockaddr_storage control;
    CheckScene *scene = NULL;

    if (!facts || !check_room(call_caller(call), error))
        return FALSE;
    rows = rehearse_destination(args->xml, &REQUEST(call, params, args->flags, &control),
                                facts->count ? g_steal_pointer(&facts) : NULL, &scene);
    ret->rows = return_rows(call, rows, &ret->rows_count);
    if (!scene)
        return TRUE;
    ret->facts = wire_params_encode(scene->facts, TRUE, call_arena(call), &ret->facts_count);
    if (caller_is_gone(call_caller(call)))
        check_scene_unref(scene);
    else
        held_keep(call_caller(call), scene);
    return TRUE;
}

AWAITS gboolean service_migration_check_way(Call *call, const FerryMigrationCheckWayArgs *args, FerryMigrationCheckWayRet *ret,
                                            GError **error)
{
    g_autoptr(Domain) domain = service_find(&args->dom, error);
    g_autoptr(Params) params = domain ? wire_params_decode(args->params, args->params_count, error) : NULL;
    g_autoptr(Params) facts = params ? wire_params_decode(args->facts, args->facts_count, error) : NULL;
    g_autoptr(GPtrArray) rows = NULL;
    struct sockaddr_storage control;
    RehearsalRequest request;
    int reached = -1;

    if (!facts)
        return FALSE;
    if (!domain_definition(domain))
        return error_set(error, ERROR_OPERATION_INVALID, "Requested operation is not valid: domain '%s' has no definition",
                         domain->name);
    request = REQUEST(call, params, args->flags, &control);
    request.peer_uri = args->dest_uri;
    rows = rehearse_way(domain, &request, g_steal_pointer(&facts), held_scene(call_caller(call)), &reached);
    ret->rows = return_rows(call, rows, &ret->rows_count);
    ret->reached = reached;
    return TRUE;
}

AWAITS gboolean service_migration_check_back(Call *call, const void *args, FerryMigrationCheckBackRet *ret, GError **error)
{
    CheckScene *scene = held_scene(call_caller(call));
    g_autoptr(GPtrArray) rows = NULL;
    int reached = -1;

    if (!scene)
        return error_set(error, ERROR_OPERATION_INVALID, "Requested operation is not valid: no migration is being checked");
    rows = rehearse_back(scene, &reached);
    ret->rows = return_rows(call, rows, &ret->rows_count);
    ret->reached = reached;
    return TRUE;
}

AWAITS gboolean service_migration_check_end(Call *call, const void *args, void *ret, GError **error)
{
    CheckScene *scene = held_scene(call_caller(call));
    g_autoptr(CheckScene) hold = scene ? check_scene_ref(scene) : NULL;

    if (hold)
        check_scene_finish(hold);
    held_drop(call_caller(call));
    return TRUE;
}
