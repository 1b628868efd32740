/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A daemon that starts owns nothing but files.  First the definitions, then each guest whose status
 * lies in run_dir: its QEMU is attached again (whoever its parent is) or found to have ended; then
 * src/migrate says what an open migration makes of it.  Guests are independent, so each is a task
 * of its own. */
#include "domain/load.h"

#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "domain/domain.h"
#include "domain/registry.h"
#include "domain/report.h"
#include "domain/store.h"
#include "model/guest-def.h"
#include "qemu/guest.h"

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

static AWAITS gboolean attach(Domain *domain, const StoredStatus *status, GError **error)
{
    domain->guest = qemu_guest_reattach(registry_settings()->qemu, domain->live, status->pid,
                                        status->start_time, error);
    if (!domain->guest)
        return FALSE;
    report_subscribe(domain);
    g_autoptr(QemuGuest) guest = qemu_guest_ref(domain->guest);
    g_autofree char *word = qemu_guest_query_status(guest, error);

    if (!word || domain->guest != guest)
        return FALSE;
    report_found(domain, word);
    log_write(LOG_LEVEL_INFO, LOG_FIELDS("DOMAIN", domain->name),
              "domain '%s' was found again: pid %d, %s", domain->name, (int)status->pid, word);
    /* Nobody waits any more for the end that an earlier daemon began. */
    if (domain->guest == guest && domain->planned_end >= 0)
        domain_kill(domain, domain->planned_end, FALSE, NULL);
    return TRUE;
}

/* It has ended while nobody looked.  A QEMU whose monitor is silent but whose process lives is
 * ended, or it would run on unseen. */
static AWAITS void close_lost(Domain *domain, const StoredStatus *status, const GError *cause)
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

static AWAITS void recover(void *data)
{
    Found *found = data;
    Domain *domain = found->domain;
    g_autoptr(GError) error = NULL;

    if (found->status && !attach(domain, found->status, &error) && domain_is_active(domain)) {
        if (domain->guest)
            domain_kill(domain, domain->planned_end >= 0 ? domain->planned_end : SHUTOFF_CRASHED,
                        TRUE, NULL);
        else
            close_lost(domain, found->status, error);
    }
    if (owner_hooks()->recover)
        owner_hooks()->recover(domain);
}

static void found_free(void *data)
{
    Found *found = data;

    if (--found->recovery->pending == 0)
        await_succeed(found->recovery->all_done);
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

AWAITS gboolean load_domains(GError **error)
{
    if (!load_definitions(error))
        return FALSE;
    g_autoptr(Await) all_done = await_new("the recovery of the guests");
    Recovery recovery = {.pending = 1, .all_done = all_done};
    g_autoptr(GPtrArray) statuses = store_read_statuses();
    g_autoptr(GHashTable) running = g_hash_table_new(NULL, NULL);

    for (unsigned i = 0; i < statuses->len; i++) {
        StoredStatus *status = statuses->pdata[i];
        g_autoptr(Domain) domain = restore_domain(status);

        if (!domain)
            continue;
        statuses->pdata[i] = NULL;
        g_hash_table_add(running, domain);
        start_recovery(&recovery, domain, status);
    }
    if (owner_hooks()->recover) {
        g_autoptr(GPtrArray) all = registry_list(0);

        /* Without a QEMU there is only a record to look at, and mostly none: not worth a task for
         * each. */
        for (unsigned i = 0; i < all->len; i++)
            if (!g_hash_table_contains(running, all->pdata[i]))
                owner_hooks()->recover(all->pdata[i]);
    }
    return --recovery.pending == 0 || await(all_done, -1, error);
}

/* --- autostart --- */

static AWAITS void autostart(void *data)
{
    Domain *domain = data;
    g_autoptr(GError) error = NULL;

    if (owner_gate_check(domain, OWNER_VERB_AUTOSTART, &error) && domain_start(domain, 0, &error))
        return;
    log_write(LOG_LEVEL_ERROR, LOG_FIELDS("DOMAIN", domain->name),
              "autostart of domain '%s' failed: %s", domain->name, error->message);
    domain_add_message(domain, "autostart failed: %s", error->message);
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
