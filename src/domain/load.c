/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A daemon that starts owns nothing but files.  First the definitions, then each guest whose status
 * lies in run_dir: its QEMU is attached again (whoever its parent is) or found to have ended; then
 * src/migrate says what an open migration makes of it.  Guests are independent, so each is a task
 * of its own, and one whose QEMU does not answer keeps nobody waiting: it stands as it was last
 * seen until it answers or ends. */
#include "domain/load.h"

#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "domain/domain.h"
#include "domain/image-use.h"
#include "domain/lease.h"
#include "domain/registry.h"
#include "domain/report.h"
#include "domain/store.h"
#include "model/guest-def.h"
#include "qemu/guest.h"

/* How long clients are kept waiting for guests that do not answer at once. */
#define PATIENCE_MS 1000
/* How long a QEMU that has closed its monitor may take to end. */
#define END_MS (10 * 1000)

/* Freed by the last that is pending. */
typedef struct {
    unsigned pending;
    Await *all_done;
} Recovery;

typedef struct {
    Recovery *recovery;
    Domain *domain;
    StoredStatus *status; /* NULL: not running when last seen */
} Found;

static AWAITS gboolean load_definitions(GError **error)
{
    g_autoptr(GPtrArray) list = store_read_definitions(error);

    for (unsigned i = 0; list && i < list->len; i++) {
        StoredDefinition *stored = list->pdata[i];
        g_autoptr(GError) cause = NULL;
        g_autoptr(Domain) domain = registry_add(&stored->definition->uuid, stored->name, &cause);

        if (!domain) {
            log_error("the definition '%s' is left out: %s", stored->path, cause->message);
            continue;
        }
        domain->persistent = g_steal_pointer(&stored->definition);
        domain->is_autostart = stored->is_autostart;
    }
    return list != NULL;
}

/* The domain as the status says it was; the QEMU is looked for afterwards. */
static Domain *restore_domain(StoredStatus *status)
{
    g_autoptr(GError) error = NULL;
    Domain *known = registry_peek_uuid(&status->uuid);
    g_autoptr(Domain) domain =
        known ? domain_ref(known) : registry_add(&status->uuid, status->name, &error);

    if (!domain) {
        log_error("the running guest '%s' cannot be listed: %s", status->name, error->message);
        return NULL;
    }
    registry_restore_id(domain, status->id);
    domain->live = g_steal_pointer(&status->live);
    domain->live->id = domain->id;
    domain->state = (DomainState)status->state;
    domain->reason = status->reason;
    domain->is_incoming = status->is_incoming;
    domain->is_powering_off = status->is_powering_off;
    domain->wants_paused = status->wants_paused;
    domain->wants_restart = status->wants_restart;
    domain->has_images = status->has_images;
    domain->has_boot_files = status->has_boot_files;
    domain->planned_end = status->planned_end;
    domain_expect(domain, status->stop_reason, status->resume_reason);
    return g_steal_pointer(&domain);
}

/* Waits until QEMU answers.  A silent one is no dead one: it is asked for as long as its process
 * and its monitor are there; only the end that an earlier daemon began, or whose time has come, does not wait for it. */
static AWAITS gboolean meet(Domain *domain, const StoredStatus *status, GError **error)
{
    const gboolean is_ending = domain->planned_end >= 0 || (owner_hooks()->is_expendable && owner_hooks()->is_expendable(domain));
    g_autoptr(QemuGuest) guest = qemu_guest_ref(domain->guest);
    g_autofree char *word =
        qemu_guest_meet(guest, domain->live, is_ending ? PATIENCE_MS : -1, error);

    if (domain->guest != guest || (!word && !is_ending))
        return FALSE;
    if (word) {
        report_found(domain, word);
        log_write(LOG_LEVEL_INFO, LOG_FIELDS("DOMAIN", domain->name),
                  "domain '%s' was found again: pid %d, %s", domain->name, (int)status->pid, word);
    }
    /* Nobody waits any more for the end that an earlier daemon began. */
    if (domain->guest == guest && domain->planned_end >= 0)
        domain_kill(domain, domain->planned_end, FALSE, NULL);
    return TRUE;
}

/* It has ended while nobody looked. */
static AWAITS void close_lost(Domain *domain, const GError *cause)
{
    const gboolean is_planned = domain->planned_end >= 0;
    GuestEnd end = {.shutoff_reason = is_planned ? domain->planned_end : SHUTOFF_CRASHED};

    log_write(LOG_LEVEL_WARNING, LOG_FIELDS("DOMAIN", domain->name),
              "domain '%s' has ended while no daemon was watching: %s", domain->name,
              cause->message);
    if (!is_planned)
        domain_add_message(domain, "QEMU has ended while no daemon was watching: %s",
                           cause->message);
    if (owner_hooks()->guest_ended)
        owner_hooks()->guest_ended(domain, "", &end);
    domain_close_guest(domain, end.shutoff_reason, -1, end.keep);
}

static AWAITS void attach(Domain *domain, const StoredStatus *status)
{
    g_autoptr(GError) error = NULL;

    domain->guest = qemu_guest_find(registry_settings()->qemu, domain->live, status->pid,
                                    status->start_time, &error);
    if (!domain->guest) {
        close_lost(domain, error);
        return;
    }
    report_subscribe(domain);
    image_uses_note(domain);
    g_autoptr(QemuGuest) guest = qemu_guest_ref(domain->guest);
    if (meet(domain, status, &error) || domain->guest != guest)
        return; /* found, or gone; whoever destroyed it may have started another already */
    if (qemu_guest_is_lost(guest) || domain->planned_end >= 0) {
        /* On its way out, by itself or by its user's will: its report says why once it has gone. */
        qemu_guest_kill(guest, FALSE, END_MS, NULL);
        return;
    }
    /* Its process is there and its monitor is not: it would run on unseen. */
    log_write(LOG_LEVEL_ERROR, LOG_FIELDS("DOMAIN", domain->name),
              "QEMU of domain '%s' (pid %d) cannot be reached any more and is ended: %s",
              domain->name, (int)status->pid, error ? error->message : "it has no monitor");
    domain_add_message(domain, "QEMU could not be reached any more and was ended: %s",
                       error ? error->message : "it has no monitor");
    domain_kill(domain, SHUTOFF_CRASHED, TRUE, NULL);
}

static AWAITS void recover(void *data)
{
    Found *found = data;

    if (found->status)
        attach(found->domain, found->status);
    if (owner_hooks()->recover)
        owner_hooks()->recover(found->domain);
}

static void recovery_unref(Recovery *recovery)
{
    if (--recovery->pending > 0)
        return;
    await_succeed(recovery->all_done);
    await_unref(recovery->all_done);
    g_free(recovery);
}

static void found_free(void *data)
{
    Found *found = data;

    recovery_unref(found->recovery);
    domain_unref(found->domain);
    status_free(found->status);
    g_free(found);
}

static void start_recovery(Recovery *recovery, Domain *domain, StoredStatus *status)
{
    Found *found = g_new0(Found, 1);

    *found = (Found){recovery, domain_ref(domain), status};
    recovery->pending++;
    task_spawn("recover-domain", recover, found, found_free);
}

/* Those that are silent are listed as they were last seen, and asked on. */
static void name_the_silent(void)
{
    g_autoptr(GPtrArray) all = registry_list(0);

    for (unsigned i = 0; i < all->len; i++) {
        Domain *domain = all->pdata[i];
        g_autoptr(GError) silence = NULL;

        if (!domain->guest || qemu_guest_check_met(domain->guest, &silence))
            continue;
        log_write(LOG_LEVEL_WARNING, LOG_FIELDS("DOMAIN", domain->name), "%s", silence->message);
        if (owner_hooks()->silent)
            owner_hooks()->silent(domain);
    }
}

AWAITS gboolean load_domains(GError **error)
{
    if (!load_definitions(error))
        return FALSE;
    g_autoptr(Await) all_done = await_new("the recovery of the guests");
    Recovery *recovery = g_new0(Recovery, 1);
    g_autoptr(GPtrArray) statuses = store_read_statuses();
    g_autoptr(GHashTable) running = g_hash_table_new(NULL, NULL);
    g_autoptr(GError) cause = NULL;

    domain_return_leftovers(statuses);
    *recovery = (Recovery){.pending = 1, .all_done = await_ref(all_done)};
    for (unsigned i = 0; i < statuses->len; i++) {
        StoredStatus *status = statuses->pdata[i];
        g_autoptr(Domain) domain = restore_domain(status);

        if (!domain)
            continue;
        statuses->pdata[i] = NULL;
        g_hash_table_add(running, domain);
        start_recovery(recovery, domain, status);
    }
    if (owner_hooks()->recover) {
        g_autoptr(GPtrArray) all = registry_list(0);

        /* Without a QEMU there is only a record to look at, and mostly none: not worth a task for
         * each. */
        for (unsigned i = 0; i < all->len; i++)
            if (!g_hash_table_contains(running, all->pdata[i]))
                owner_hooks()->recover(all->pdata[i]);
    }
    recovery_unref(recovery);
    if (await(all_done, PATIENCE_MS, &cause))
        return TRUE;
    if (!error_is(cause, ERROR_OPERATION_TIMEOUT)) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    name_the_silent();
    return TRUE;
}

/* --- autostart --- */

static AWAITS void autostart(void *data)
{
    Domain *domain = data;
    g_autoptr(GError) error = NULL;

    domain->is_autostart_due = FALSE;
    if (lease_wait_until_entered(-1, &error) &&
        owner_gate_check(domain, OWNER_VERB_AUTOSTART, &error) && domain_start(domain, 0, &error))
        return;
    domain->is_autostart_due = owner_standing(domain) == OWNER_IN_DOUBT;
    if (domain->is_autostart_due) {
        log_write(LOG_LEVEL_WARNING, LOG_FIELDS("DOMAIN", domain->name),
                  "autostart of domain '%s' waits until its owner is known: %s", domain->name,
                  error->message);
        return;
    }
    log_write(LOG_LEVEL_ERROR, LOG_FIELDS("DOMAIN", domain->name),
              "autostart of domain '%s' failed: %s", domain->name, error->message);
    domain_add_message(domain, "autostart failed: %s", error->message);
}

void load_autostart_again(Domain *domain)
{
    if (domain->is_autostart_due && domain->is_autostart && !domain_is_active(domain) &&
        owner_standing(domain) == OWNER_HERE)
        task_spawn("autostart", autostart, domain_ref(domain), (GDestroyNotify)domain_unref);
}

AWAITS void load_autostart(void)
{
    g_autofree char *marker =
        g_build_filename(registry_settings()->qemu->run_dir, "autostarted", NULL);
    g_autoptr(GPtrArray) all = NULL;

    if (access(marker, F_OK) == 0)
        return;
    if (!g_file_set_contents(marker, "", 0, NULL))
        log_warning("'%s' cannot be written: a restart of the daemon will start guests again",
                    marker);
    all = registry_list(0);
    for (unsigned i = 0; i < all->len; i++) {
        Domain *domain = all->pdata[i];

        if (domain->is_autostart && !domain_is_active(domain))
            task_spawn("autostart", autostart, domain_ref(domain), (GDestroyNotify)domain_unref);
    }
}
