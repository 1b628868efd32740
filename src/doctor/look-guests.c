/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guests that wait, that are somebody else's, that stand still for no reason that is left; and memory set aside. */
#include "doctor/doctor.h"
#include "domain/domain.h"
#include "domain/registry.h"
#include "domain/state.h"
#include "migrate/handover.h"
#include "migrate/migration.h"
#include "migrate/reserve.h"
#include "qemu/guest.h"

static Finding *add(Doctor *doctor, FindingKind kind, const Domain *domain, const char *sentence)
{
    g_autofree char *what = g_strdup_printf("guest '%s'", domain->name);
    Finding *finding = findings_add(doctor->findings, kind, what, "%s", sentence);

    finding->guest = g_strdup(domain->name);
    return finding;
}

/* One that waits.  TRUE: it is told. */
static gboolean add_waiting(Doctor *doctor, Domain *domain)
{
    const Migration *migration = domain->migration; /* also one that has ended, and left two hosts with the guest */
    g_autofree char *sentence = NULL;
    Finding *finding;

    if (migration)
        sentence = handover_is_in_doubt(migration) ? handover_sentence(migration) : migration->is_ended ? NULL : handover_stuck_note(migration);
    if (!sentence)
        return FALSE;
    finding = add(doctor, FINDING_WAITS, domain, sentence);
    finding->host = g_strdup(migration->journal->peer);
    finding->command = finding_command("ferry migration watch", domain->name, NULL);
    return TRUE;
}

/* Its definition stayed here when it left, on purpose. */
static gboolean add_given(Doctor *doctor, Domain *domain)
{
    const Migration *migration = domain->migration;
    g_autofree char *sentence = NULL;
    Finding *finding;

    if (owner_standing(domain) != OWNER_GIVEN || !migration)
        return FALSE;
    if (!doctor->wants_used)
        return TRUE;
    sentence = owner_hooks()->explain ? owner_hooks()->explain(domain) : NULL;
    finding = add(doctor, FINDING_USED, domain, sentence ?: "was given to another host");
    finding->host = g_strdup(migration->journal->given_to ?: migration->journal->peer);
    finding->command = domain->persistent ? finding_command("ferry undefine", domain->name, NULL) : NULL;
    return TRUE;
}

static gboolean is_paused_by_migration(const Domain *domain)
{
    return domain->state == DOMAIN_PAUSED && (domain->reason == PAUSED_MIGRATION || domain->reason == PAUSED_POSTCOPY ||
                                              domain->reason == PAUSED_POSTCOPY_FAILED);
}

static gboolean add_still(Doctor *doctor, Domain *domain)
{
    g_autoptr(GPtrArray) messages = domain_collect_messages(domain);
    const char *why = messages->len ? messages->pdata[messages->len - 1] : NULL;
    g_autofree char *sentence = NULL;

    if (!domain->guest || !is_paused_by_migration(domain) || migration_of(domain) || domain->is_incoming)
        return FALSE;
    sentence = g_strdup_printf("stands still for a migration that has ended%s%s", why ? ": " : "", why ?: "");
    add(doctor, FINDING_PERSON, domain, sentence)->command = finding_command("ferry resume", domain->name, NULL);
    return TRUE;
}

static gboolean add_silent(Doctor *doctor, Domain *domain)
{
    g_autoptr(GError) silence = NULL;

    if (!domain->guest || qemu_guest_check_met(domain->guest, &silence))
        return FALSE;
    add(doctor, FINDING_PERSON, domain, silence->message)->command = finding_command("ferry destroy", domain->name, NULL);
    return TRUE;
}

static gboolean add_moving(Doctor *doctor, Domain *domain)
{
    const Migration *migration = migration_of(domain);
    Finding *finding;

    if (!migration || !doctor->wants_used)
        return FALSE;
    finding = add(doctor, FINDING_USED, domain, migration->side == SIDE_SOURCE ? "is on its way to another host" : "is coming from another host");
    finding->host = g_strdup(migration->journal->peer);
    return TRUE;
}

AWAITS void look_guests(Doctor *doctor)
{
    static gboolean (*const rows[])(Doctor *doctor, Domain *domain) = {add_waiting, add_given, add_silent, add_still, add_moving};
    g_autoptr(GPtrArray) all = registry_list(0);

    for (unsigned i = 0; i < all->len; i++)
        for (size_t row = 0; row < G_N_ELEMENTS(rows); row++)
            if (rows[row](doctor, all->pdata[i]))
                break;
}

/* --- memory --- */

static void add_memory(const Migration *migration, uint64_t bytes, void *data)
{
    Doctor *doctor = data;
    Finding *finding;

    if (!migration->is_ended && !doctor->wants_used)
        return;
    finding = findings_add(doctor->findings, migration->is_ended ? FINDING_LEFTOVER : FINDING_USED, "memory",
                           "%" G_GUINT64_FORMAT " MiB are set aside for a migration that %s", bytes >> 20,
                           migration->is_ended ? "has ended" : "is under way");
    finding->guest = g_strdup(migration->journal->name);
    finding->command = migration->is_ended ? g_strdup("systemctl restart ferryd") : NULL;
}

AWAITS void look_memory(Doctor *doctor)
{
    reserve_visit(add_memory, doctor);
}
