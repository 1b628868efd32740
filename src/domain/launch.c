/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of which verbs and migrations are made: a QEMU started, run, paused, ended.  Nothing
 * here asks the gate, so only who has asked it comes here.  A guest may end at any await: then
 * domain->guest is NULL and all is closed. */
#include "domain/domain.h"

#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "domain/event.h"
#include "domain/given.h"
#include "domain/image-use.h"
#include "domain/lease.h"
#include "domain/registry.h"
#include "domain/report.h"
#include "domain/store.h"
#include "host/image.h"
#include "model/guest-def.h"
#include "qemu/guest.h"

#define KILL_GRACE_MS (10 * 1000)

/* --- images --- */

typedef struct {
    char *path;
    gboolean is_returned; /* not what several guests may share */
} GuestFile;

static void guest_file_clear(void *data)
{
    g_free(((GuestFile *)data)->path);
}

static void add_file(GArray *files, const char *path, gboolean is_returned)
{
    const GuestFile file = {g_strdup(path), is_returned};

    if (path)
        g_array_append_val(files, file);
    else
        g_free(file.path);
}

static GArray *new_list(void)
{
    GArray *files = g_array_new(FALSE, FALSE, sizeof(GuestFile));

    g_array_set_clear_func(files, guest_file_clear);
    return files;
}

static GArray *list_images(const GuestDef *def)
{
    GArray *files = new_list();

    for (unsigned i = 0; i < def->disks->len; i++) {
        const GuestDisk *disk = guest_def_disk(def, i);

        add_file(files, disk->file, !disk->is_readonly && !disk->is_shareable);
    }
    return files;
}

/* Read at the start by source and destination alike, each its own copy as a rule. */
static GArray *list_boot_files(const GuestDef *def)
{
    GArray *files = new_list();

    add_file(files, def->os.kernel, TRUE);
    add_file(files, def->os.initrd, TRUE);
    return files;
}

/* Of those that are returned.  The caller frees it, not what it borrows. */
static char **paths_of(const GArray *files)
{
    GPtrArray *paths = g_ptr_array_new();

    for (unsigned i = 0; i < files->len; i++)
        if (g_array_index(files, GuestFile, i).is_returned)
            g_ptr_array_add(paths, g_array_index(files, GuestFile, i).path);
    g_ptr_array_add(paths, NULL);
    return (char **)g_ptr_array_free(paths, FALSE);
}

static AWAITS void give_back_files(char *const *paths)
{
    const QemuEnv *env = registry_settings()->qemu;

    for (; *paths; paths++) {
        g_autoptr(GError) error = NULL;

        if (!image_give_back(*paths, &env->user, env->state_dir, &error))
            log_warning("'%s' could not be given back to its owner: %s", *paths, error->message);
    }
}

/* All or none. */
static AWAITS gboolean give_files(GArray *files, GError **error)
{
    const QemuEnv *env = registry_settings()->qemu;

    for (unsigned i = 0; i < files->len; i++) {
        const GuestFile *file = &g_array_index(files, GuestFile, i);

        if (image_give(file->path, &env->user, env->state_dir, error))
            continue;
        g_array_set_size(files, i);
        g_autofree char **given = paths_of(files);
        give_back_files(given);
        return FALSE;
    }
    return TRUE;
}

AWAITS gboolean domain_give_images(Domain *domain, GError **error)
{
    g_autoptr(GArray) images = list_images(domain->live);

    domain->has_images = give_files(images, error);
    return domain->has_images;
}

static AWAITS void return_body(void *data)
{
    Given *given = data;

    give_back_files(given->paths);
    given_note_drop(g_steal_pointer(&given->note));
}

/* On a task of its own: a file server that hangs must not hold up the news that the guest has
 * ended.  Takes given. */
static void return_files(Given *given)
{
    task_spawn("give-back-files", return_body, given, (GDestroyNotify)given_free);
}

void domain_return_leftovers(const GPtrArray *statuses)
{
    GPtrArray *owed = given_list(statuses);

    g_ptr_array_set_free_func(owed, NULL);
    for (unsigned i = 0; i < owed->len; i++)
        return_files(owed->pdata[i]);
    g_ptr_array_unref(owed);
}

static GArray *list_all(const GuestDef *def, gboolean with_images, gboolean with_boot_files)
{
    GArray *files = with_images ? list_images(def) : new_list();
    GArray *boot_files = list_boot_files(def);

    if (with_boot_files) {
        g_array_append_vals(files, boot_files->data, boot_files->len);
        g_array_set_clear_func(boot_files, NULL); /* their paths are the list's now */
    }
    g_array_unref(boot_files);
    return files;
}

/* A note of the files that this start will give away, until its status speaks of them. */
static char *note_start(const Domain *domain, gboolean is_incoming)
{
    g_autoptr(GArray) files = list_all(domain->live, !is_incoming, TRUE);
    g_autofree char **paths = paths_of(files);

    return given_note(&domain->uuid, 0, (const char *const *)paths);
}

/* What the guest that has ended had got; noted before its status goes.  NULL: nothing. */
static Given *note_end_of(const Domain *domain, pid_t pid, ShutoffReason reason)
{
    g_autoptr(GArray) files = domain->live ? list_all(domain->live, domain->has_images && reason != SHUTOFF_MIGRATED,
                                                      domain->has_boot_files)
                                           : new_list();
    g_autofree char **paths = paths_of(files);
    Given *given;

    if (!*paths)
        return NULL;
    given = g_new0(Given, 1);
    given->note = given_note(&domain->uuid, pid, (const char *const *)paths);
    given->paths = g_strdupv(paths);
    return given;
}

/* --- locks --- */

static gboolean is_about_lock(const char *message)
{
    return strstr(message, "Is another process using the image") ||
           (strstr(message, "Failed to get") && strstr(message, "lock"));
}

/* Readers lock a base and what is shareable as well, and do no harm. */
static gboolean is_ours_alone(const ImageUse *use)
{
    return !use->is_base && !use->is_readonly && !use->is_shareable;
}

AWAITS void domain_explain_lock(const Domain *domain, GError **error)
{
    const pid_t own = domain->guest ? qemu_guest_pid(domain->guest) : 0;
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *who = NULL;

    if (!error || !*error || !is_about_lock((*error)->message))
        return;
    for (unsigned i = 0; domain->image_uses && i < domain->image_uses->len; i++) {
        const ImageUse *use = &g_array_index(domain->image_uses, ImageUse, i);

        if (is_ours_alone(use))
            g_ptr_array_add(paths, g_strdup(use->path));
    }
    g_ptr_array_add(paths, NULL);
    who = image_lock_describe((const char *const *)paths->pdata, own, NULL);
    if (!who)
        return;
    g_autofree char *before = g_strdup((*error)->message);
    g_free((*error)->message);
    (*error)->message = g_strdup_printf("%s: %s", before, who);
}

/* --- start --- */

static AWAITS gboolean start_qemu(Domain *domain, gboolean is_incoming, GError **error)
{
    const QemuStartSpec spec = {.env = registry_settings()->qemu,
                                .def = domain->live,
                                .id = domain->id,
                                .is_incoming = is_incoming};

    g_autoptr(GArray) boot_files = list_boot_files(domain->live);

    if (!image_uses_claim(domain, error) || (!is_incoming && !lease_take(domain, error)) ||
        !give_files(boot_files, error))
        return FALSE;
    domain->has_boot_files = TRUE;
    if (!is_incoming && !domain_give_images(domain, error))
        return FALSE;
    domain->guest = qemu_guest_start(&spec, error);
    if (!domain->guest) {
        domain_explain_lock(domain, error);
        return FALSE;
    }
    report_subscribe(domain);
    return domain_write_status(domain, error) && store_take_charge(domain);
}

AWAITS gboolean domain_launch(Domain *domain, const LaunchSpec *spec, GError **error)
{
    g_assert(domain->live && !domain->guest);
    while (domain->is_status_saving) /* of the QEMU before, whose folder this one will use */
        task_yield();
    domain->live->id = registry_assign_id(domain);
    guest_def_assign_aliases(domain->live);
    domain->is_starting = TRUE;
    domain->is_incoming = spec->is_incoming;
    domain->is_powering_off = domain->wants_restart = domain->wants_paused = FALSE;
    domain->planned_end = domain->next_stop = domain->next_resume = -1;
    g_ptr_array_set_size(domain->messages, 0);
    domain_expect(domain, -1, -1);
    domain_set_state(domain, DOMAIN_PAUSED, PAUSED_STARTING_UP);

    char *note = note_start(domain, spec->is_incoming);
    const gboolean ok = start_qemu(domain, spec->is_incoming, error);

    domain->is_starting = FALSE;
    if (!ok) {
        domain_add_message(domain, "the last start failed: %s",
                           error && *error ? (*error)->message : "no reason known");
        if (domain->guest)
            domain_kill(domain, SHUTOFF_FAILED, TRUE, NULL);
        domain_close_guest(domain, SHUTOFF_FAILED, -1, FALSE);
        given_note_drop(note);
        return FALSE;
    }
    given_note_drop(note);
    if (spec->is_incoming)
        domain_set_state(domain, DOMAIN_PAUSED, PAUSED_MIGRATION);
    if (spec->started_detail >= 0)
        event_emit_lifecycle(domain, LIFECYCLE_STARTED, spec->started_detail);
    return TRUE;
}

/* --- run and pause --- */

static gboolean check_guest(const Domain *domain, GError **error)
{
    return domain->guest ||
           error_set(error, ERROR_OPERATION_FAILED,
                     "domain '%s': QEMU has ended; see its log, then start it again", domain->name);
}

AWAITS gboolean domain_run(Domain *domain, RunningReason reason, GError **error)
{
    if (!check_guest(domain, error))
        return FALSE;
    g_autoptr(QemuGuest) guest = qemu_guest_ref(domain->guest);

    domain->next_resume = reason;
    const gboolean ok = qemu_guest_cont(guest, error);
    if (domain->guest != guest)
        return ok ? check_guest(domain, error) : FALSE;
    if (ok)
        report_resumed(domain);
    domain->next_resume = -1;
    return ok;
}

AWAITS gboolean domain_pause(Domain *domain, PausedReason reason, GError **error)
{
    if (!check_guest(domain, error))
        return FALSE;
    g_autoptr(QemuGuest) guest = qemu_guest_ref(domain->guest);

    domain->next_stop = reason;
    const gboolean ok = qemu_guest_stop(guest, error);
    if (domain->guest != guest)
        return ok ? check_guest(domain, error) : FALSE;
    if (ok)
        report_stopped(domain);
    domain->next_stop = -1;
    return ok;
}

/* --- end --- */

AWAITS gboolean domain_kill(Domain *domain, ShutoffReason reason, gboolean is_hard, GError **error)
{
    if (!domain->guest)
        return TRUE;
    g_autoptr(Domain) hold = domain_ref(domain);
    g_autoptr(QemuGuest) guest = qemu_guest_ref(domain->guest);

    domain->planned_end = reason;
    domain_save_status(domain);
    if (!qemu_guest_kill(guest, is_hard, KILL_GRACE_MS, error))
        return FALSE;
    /* Its report has closed the guest, unless nobody had subscribed yet, or the process ended before
     * its monitor was read to the end: whoever waits for the end must hear of it all the same. */
    if (domain->guest == guest) {
        GuestEnd end = {.shutoff_reason = reason};

        if (owner_hooks()->guest_ended)
            owner_hooks()->guest_ended(domain, "", &end);
        domain_close_guest(domain, end.shutoff_reason, stopped_detail(end.shutoff_reason),
                           end.keep);
    }
    return TRUE;
}

static AWAITS void reap(void *data)
{
    g_autoptr(GError) error = NULL;

    if (!qemu_guest_kill(data, TRUE, KILL_GRACE_MS, &error))
        log_error("a guest that was given away does not end: %s", error->message);
}

void domain_release(Domain *domain, ShutoffReason reason)
{
    if (!domain->guest)
        return;
    qemu_guest_signal_end(domain->guest, TRUE);
    task_spawn("reap-guest", reap, qemu_guest_ref(domain->guest), (GDestroyNotify)qemu_guest_unref);
    domain_close_guest(domain, reason, stopped_detail(reason), FALSE);
}

void domain_close_guest(Domain *domain, ShutoffReason reason, int stopped_event_detail,
                        gboolean keep)
{
    g_autoptr(Domain) hold = domain_ref(domain);
    g_autoptr(QemuGuest) guest = g_steal_pointer(&domain->guest);

    Given *given = note_end_of(domain, guest ? qemu_guest_pid(guest) : 0, reason);

    g_clear_pointer(&domain->reports, qemu_guest_unsubscribe);
    store_remove_folder(domain);
    if (given)
        return_files(given);
    domain->has_images = domain->has_boot_files = FALSE;
    image_uses_drop(domain);
    lease_settle(&domain->uuid, domain->name, LEASE_RELEASE, NULL);
    domain->is_incoming = domain->is_powering_off = domain->wants_restart = FALSE;
    domain->planned_end = -1;
    registry_release_id(domain);
    domain_set_state(domain, DOMAIN_SHUTOFF, reason);
    if (domain->persistent || !keep)
        g_clear_pointer(&domain->live, guest_def_free);
    if (guest && stopped_event_detail >= 0)
        event_emit_lifecycle(domain, LIFECYCLE_STOPPED, stopped_event_detail);
    if (!domain->persistent && !keep)
        registry_remove(domain);
}
