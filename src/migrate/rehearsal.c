/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "migrate/rehearsal.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "domain/define.h"
#include "migrate/source.h"
#include "model/guest-def.h"
#include "phase/flags.h"

/* What was asked for, as far as this side serves it. */
static void check_request(const Params *params, uint64_t flags, GPtrArray *rows)
{
    GError *why = NULL;

    if (!migrate_flags_check(flags, "migration_check", &why) || !migrate_params_check(params, flags, &why))
        check_rows_add_error(rows, "request", "options", CHECK_BLOCKER, why);
}

static CheckScene *scene_of(OwnerSide side, Domain *domain, const GuestDef *def, const RehearsalRequest *request)
{
    CheckScene *scene = check_scene_new(side, domain, def, (unsigned)request->flags);

    params_free(scene->params);
    scene->params = params_copy(request->params);
    scene->peer_uri = g_strdup(request->peer_uri);
    scene->has_control = request->control_local != NULL;
    if (request->control_local)
        scene->control = *request->control_local;
    return scene;
}

AWAITS GPtrArray *rehearse_source(Domain *domain, const RehearsalRequest *request, char **ret_xml, CheckScene **ret_scene)
{
    GPtrArray *rows = check_rows_new();
    g_autoptr(GError) why = NULL;
    CheckScene *scene = scene_of(SIDE_SOURCE, domain, domain_definition(domain), request);

    check_request(request->params, request->flags, rows);
    *ret_xml = source_definition(domain, params_get_string(request->params, MIGRATE_PARAM_DEST_XML), &why);
    if (!*ret_xml) {
        check_rows_add_error(rows, "request", "definition", CHECK_BLOCKER, g_steal_pointer(&why));
        *ret_xml = source_definition(domain, NULL, NULL);
    }
    check_rows_take(rows, check_rehearse(check_source, scene, REHEARSAL_MS));
    check_rows_set_host(rows, scene->host);
    params_add_llong(scene->facts, CHECK_FACT_TIME, clock_wall_ms());
    *ret_scene = scene;
    return rows;
}

static void take_proofs(CheckScene *scene)
{
    for (size_t i = 0; i < scene->peer->count && scene->proofs->len < COOKIE_PROOFS_MAX; i++) {
        const Param *fact = &scene->peer->items[i];
        CookieProof proof = {0};

        if (fact->type == PARAM_STRING && g_str_equal(fact->name, CHECK_FACT_PROOF) &&
            cookie_proof_parse(fact->value.s, &proof))
            g_array_append_val(scene->proofs, proof);
    }
}

/* As Prepare would read it; what this host would fill in may fail for a reason that is a row of its own. */
AWAITS static GuestDef *read_definition(const char *xml, const Params *params, GError **error)
{
    const char *name = params_get_string(params, MIGRATE_PARAM_DEST_NAME);
    GuestDef *def = define_parse(xml, strlen(xml), NULL) ?: guest_def_parse(xml, strlen(xml), GUEST_PARSE_INACTIVE, error);

    if (def && name && !guest_def_rename(def, name, error))
        g_clear_pointer(&def, guest_def_free);
    return def;
}

AWAITS GPtrArray *rehearse_destination(const char *xml, const RehearsalRequest *request, Params *peer, CheckScene **ret_scene)
{
    GPtrArray *rows = check_rows_new();
    GError *why = NULL;
    char uuid[UUID_TEXT_SIZE];
    GuestDef *def = read_definition(xml, request->params, &why);
    CheckScene *scene;

    *ret_scene = NULL;
    check_request(request->params, request->flags, rows);
    if (!def) {
        check_rows_add_error(rows, "guest", "definition", CHECK_BLOCKER, why);
        check_rows_set_host(rows, migrate_settings()->host_name);
        params_free(peer);
        return rows;
    }
    scene = scene_of(SIDE_DESTINATION, NULL, def, request);
    guest_def_free(def);
    scene->peer = peer;
    scene->must_prove = peer && !(request->flags & MIGRATE_UNSAFE) && params_find(peer, CHECK_FACT_PROVES);
    if (peer)
        take_proofs(scene);
    check_rows_take(rows, check_rehearse(check_destination, scene, REHEARSAL_MS));
    check_rows_set_host(rows, scene->host);
    params_add_string(scene->facts, CHECK_FACT_HOST_NAME, scene->host);
    params_add_string(scene->facts, CHECK_FACT_HOST_UUID, uuid_format(&migrate_settings()->host_uuid, uuid));
    *ret_scene = scene;
    return rows;
}

AWAITS GPtrArray *rehearse_way(Domain *domain, const RehearsalRequest *request, Params *peer, CheckScene *held, int *ret_reached)
{
    g_autoptr(CheckScene) scene = scene_of(SIDE_SOURCE, domain, domain_definition(domain), request);
    GPtrArray *rows;

    scene->peer = peer;
    scene->held = held ? check_scene_ref(held) : NULL;
    rows = check_rehearse(check_way, scene, REHEARSAL_WAY_MS);
    check_speed_forecast(scene, rows);
    check_rows_set_host(rows, scene->host);
    *ret_reached = scene->reached;
    return rows;
}

AWAITS GPtrArray *rehearse_back(CheckScene *scene, int *ret_reached)
{
    g_autoptr(CheckScene) hold = check_scene_ref(scene);
    GPtrArray *rows = check_rehearse(check_back, scene, REHEARSAL_WAY_MS);

    *ret_reached = hold->reached;
    return rows;
}
