/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a ferryd knows of the migrations of its host, whoever has asked for them. */
#include "connection.h"
#include "migrate.h"
#include "phase/stats.h"

#define LIST_ENDED_TOO 1

static FerryMigrationState state_of(int32_t state)
{
    return state == FERRY_MIGRATION_ACTIVE || state == FERRY_MIGRATION_ENDED ? (FerryMigrationState)state
                                                                             : FERRY_MIGRATION_WAITING;
}

static FerryMigrationRow take_row(const WireMigrationRow *from)
{
    char uuid[UUID_TEXT_SIZE];

    return (FerryMigrationRow){
        .state = state_of(from->state),
        .id = g_strdup(from->id),
        .name = g_strdup(from->name),
        .uuid = g_strdup(uuid_format(&from->uuid, uuid)),
        .epoch = from->epoch,
        .is_outgoing = from->outgoing != 0,
        .peer = g_strdup(from->peer),
        .word = g_strdup(from->word),
        .phase = g_strdup(from->phase),
        .started_ms = from->started_ms,
        .since_ms = from->since_ms,
        .ended_ms = from->ended_ms,
        .heard = g_strdup(from->heard),
        .heard_ms = from->heard_ms,
        .sentence = g_strdup(from->sentence),
        .cause = g_strdup(from->cause),
        .is_cut = from->cause && g_str_has_prefix(from->cause, PHASE_CAUSE_RESTART),
        .is_begun_again = g_strcmp0(from->cause, PHASE_CAUSE_REPEATED) == 0 || g_strcmp0(from->cause, PHASE_CAUSE_HUNG_UP) == 0,
    };
}

FerryMigrationRow *ferry_migrations_list(FerryConnection *conn, const char *guest, bool with_ended,
                                         FerryError **error)
{
    const FerryMigrationListArgs args = {.guest = (char *)guest,
                                         .flags = with_ended ? LIST_ENDED_TOO : 0};
    g_autoptr(Arena) arena = arena_new();
    FerryMigrationListRet ret = {0};
    FerryMigrationRow *rows;

    if (!connection_call(conn, FERRY_PROGRAM, FERRY_MIGRATION_LIST, &args, arena, &ret, error))
        return NULL;
    rows = g_new0(FerryMigrationRow, ret.rows_count + 1);
    for (uint32_t i = 0; i < ret.rows_count; i++)
        rows[i] = take_row(&ret.rows[i]);
    return rows;
}

void ferry_migration_rows_free(FerryMigrationRow *rows)
{
    for (FerryMigrationRow *row = rows; row && row->id; row++) {
        const char *const texts[] = {row->id,    row->name,  row->uuid,     row->peer, row->word,
                                     row->phase, row->heard, row->sentence, row->cause};

        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
            g_free((char *)texts[i]);
    }
    g_free(rows);
}

/* ---- the doctor ---- */

#define DOCTOR_USED_TOO 1

static const char *const kind_texts[] = {"person", "waits", "leftover", "used"};

const char *ferry_finding_kind_text(FerryFindingKind kind)
{
    return (size_t)kind < G_N_ELEMENTS(kind_texts) ? kind_texts[kind] : kind_texts[0];
}

static FerryFinding take_finding(const WireFinding *from)
{
    const gboolean is_known = from->kind >= 0 && from->kind < (int32_t)G_N_ELEMENTS(kind_texts);

    return (FerryFinding){
        .kind = is_known ? (FerryFindingKind)from->kind : FERRY_FINDING_PERSON, /* of a later ferryd */
        .what = g_strdup(from->what),
        .where = g_strdup(from->where),
        .guest = g_strdup(from->guest),
        .host = g_strdup(from->host),
        .cause = g_strdup(from->cause),
        .command = g_strdup(from->command),
    };
}

FerryFinding *ferry_doctor(FerryConnection *conn, bool with_used, FerryError **error)
{
    const FerryDoctorArgs args = {.flags = with_used ? DOCTOR_USED_TOO : 0};
    g_autoptr(Arena) arena = arena_new();
    FerryDoctorRet ret = {0};
    FerryFinding *findings;

    if (!connection_call(conn, FERRY_PROGRAM, FERRY_DOCTOR, &args, arena, &ret, error))
        return NULL;
    findings = g_new0(FerryFinding, ret.findings_count + 1);
    for (uint32_t i = 0; i < ret.findings_count; i++)
        findings[i] = take_finding(&ret.findings[i]);
    return findings;
}

void ferry_findings_free(FerryFinding *findings)
{
    for (FerryFinding *finding = findings; finding && finding->what; finding++) {
        const char *const texts[] = {finding->what, finding->where, finding->guest,
                                     finding->host, finding->cause, finding->command};

        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
            g_free((char *)texts[i]);
    }
    g_free(findings);
}

/* ---- how far it is ---- */

bool ferry_domain_migration_progress(FerryDomain *domain, FerryProgress *ret_progress,
                                     FerryError **error)
{
    FerryProgress progress = {.expected_downtime_ms = -1};
    FerryJobType type = FERRY_JOB_NONE;
    MigrationStats stats = {0};
    FerryParams *params = NULL;

    if (!ferry_domain_job_stats(domain, 0, &type, &params, error))
        return false;
    if (type == FERRY_JOB_UNBOUNDED || type == FERRY_JOB_BOUNDED) {
        migration_stats_from_params(params->list, (JobType)type, &stats);
        progress_fill(&stats, &progress);
        progress.elapsed_ms = stats.time_elapsed_ms;
        progress.waits_for = (unsigned)params_get_ullong(params->list, PHASE_PARAM_WAITS_FOR, 0);
    }
    ferry_params_free(params);
    *ret_progress = progress;
    return true;
}
