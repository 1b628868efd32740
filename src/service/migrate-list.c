/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What this host knows of its migrations, and what lies about on it. */
#include "doctor/doctor.h"
#include "migrate/list.h"
#include "service/calls.h"
#include "service/service.h"

enum { LIST_ENDED_TOO = 1 << 0 };
enum { DOCTOR_USED_TOO = 1 << 0 };

static void fill_row(WireMigrationRow *ret_row, const MigrationRow *row, Arena *arena)
{
    *ret_row = (WireMigrationRow){
        .id = arena_strdup(arena, row->id),
        .name = arena_strdup(arena, row->name),
        .uuid = row->uuid,
        .epoch = row->epoch,
        .outgoing = row->is_outgoing,
        .peer = arena_strdup(arena, row->peer),
        .state = (int32_t)row->state,
        .word = arena_strdup(arena, row->word),
        .phase = arena_strdup(arena, row->phase),
        .started_ms = row->started_ms,
        .since_ms = row->since_ms,
        .ended_ms = row->ended_ms,
        .heard = arena_strdup(arena, row->heard),
        .heard_ms = row->heard_ms,
        .sentence = arena_strdup(arena, row->sentence),
        .cause = arena_strdup(arena, row->cause),
    };
}

AWAITS gboolean service_migration_list(Call *call, const FerryMigrationListArgs *args, FerryMigrationListRet *ret,
                                       GError **error)
{
    g_autoptr(GPtrArray) rows = NULL;

    if (!service_check_flags(args->flags, LIST_ENDED_TOO, "migration_list", error))
        return FALSE;
    rows = migration_list(args->guest, (args->flags & LIST_ENDED_TOO) != 0);
    ret->rows = arena_new0(call_arena(call), WireMigrationRow, MAX(rows->len, 1));
    for (unsigned i = 0; i < rows->len; i++)
        fill_row(&ret->rows[ret->rows_count++], rows->pdata[i], call_arena(call));
    return TRUE;
}

/* --- the doctor --- */

static void fill_finding(WireFinding *ret_finding, const Finding *finding, Arena *arena)
{
    *ret_finding = (WireFinding){
        .kind = (int32_t)finding->kind,
        .what = arena_strdup(arena, finding->what),
        .where = arena_strdup(arena, finding->where),
        .guest = arena_strdup(arena, finding->guest),
        .host = arena_strdup(arena, finding->host),
        .cause = arena_strdup(arena, finding->cause),
        .command = arena_strdup(arena, finding->command),
    };
}

AWAITS gboolean service_doctor(Call *call, const FerryDoctorArgs *args, FerryDoctorRet *ret, GError **error)
{
    g_autoptr(GPtrArray) findings = NULL;

    if (!service_check_flags(args->flags, DOCTOR_USED_TOO, "doctor", error))
        return FALSE;
    findings = doctor_examine((args->flags & DOCTOR_USED_TOO) != 0);
    ret->findings = arena_new0(call_arena(call), WireFinding, MAX(findings->len, 1));
    for (unsigned i = 0; i < findings->len; i++)
        fill_finding(&ret->findings[ret->findings_count++], findings->pdata[i], call_arena(call));
    return TRUE;
}
