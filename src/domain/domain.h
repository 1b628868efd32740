/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest in our care.  A Domain is what a client sees: a name, a uuid, a definition, a state;
 * while it runs, a QEMU. Verbs check, take the job, pass the gate, act, and tell the bus.  They
 * know nothing of callers. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "base/params.h"
#include "base/uuid.h"
#include "domain/job.h"
#include "domain/owner.h"
#include "domain/state.h"
#include "loop/task.h"

typedef struct GuestDef GuestDef;
typedef struct QemuGuest QemuGuest;
typedef struct QemuSubscription QemuSubscription;

typedef struct Domain {
    unsigned refs;
    gboolean is_listed; /* in the registry */
    Uuid uuid;
    char *name;
    int id; /* -1: not active */

    GuestDef *persistent; /* what the next start uses; NULL: transient */
    GuestDef *live;       /* what QEMU was started with and has become; NULL: not active */
    gboolean is_autostart;
    gboolean is_autostart_due; /* refused at start-up, since nobody knew whose guest it is */

    DomainState state;
    int reason;
    /* What STOP and RESUME will mean when QEMU reports them: a PausedReason, a RunningReason. */
    int stop_reason, resume_reason;
    int next_stop, next_resume; /* the same for the next one only; -1: none */
    gboolean wants_paused;      /* as its user left it */

    QemuGuest *guest; /* NULL: no QEMU */
    QemuSubscription *reports;
    gboolean is_starting, is_incoming;
    gboolean has_images, has_boot_files; /* given to QEMU's user, to be given back */
    GArray *image_uses; /* ImageUse: what it uses while it is active; NULL: not looked up */
    int planned_end;          /* ShutoffReason for the coming death of QEMU, -1: none expected */
    gboolean is_powering_off; /* SHUTDOWN was reported: a STOP is not a pause */
    gboolean wants_restart;   /* a reboot was asked for: power off means reset and go on */

    Job job;
    void *
        migration; /* owned by src/migrate: the migration that this domain is in, or its last one */
    uint64_t migration_mib;  /* speed of the next migration, MiB/s; 0: unlimited */
    Params *completed_stats; /* job statistics of the last successful migration; NULL: none */
    GPtrArray *messages;     /* char *: for domain_get_messages, until the next start */
    gboolean is_status_due;  /* the status file is to be written */
    gboolean is_status_task; /* and a task will do it */
    gboolean is_status_saving;
} Domain;

/* Made by the registry only.  A new reference. */
Domain *domain_new(const Uuid *uuid, const char *name);
Domain *domain_ref(Domain *domain);
void domain_unref(Domain *domain);

static inline gboolean domain_is_active(const Domain *domain)
{
    return domain->id >= 0;
}
/* run_dir/UUID; the caller frees it. */
char *domain_run_dir(const Domain *domain);

/* --- the verbs of the clients --- */

enum { DEFINE_VALIDATE = 1 << 0 }; /* wire values */
enum { CREATE_PAUSED = 1 << 0, CREATE_AUTODESTROY = 1 << 1, CREATE_VALIDATE = 1 << 4 };
enum { UNDEFINE_MANAGED_SAVE = 1 << 0 };
enum { DESTROY_GRACEFUL = 1 << 0 };
enum { SHUTDOWN_ACPI = 1 << 0 };

/* A new reference.  A running transient domain becomes persistent. */
AWAITS Domain *domain_define(const char *xml, size_t len, unsigned flags, GError **error);
AWAITS gboolean domain_undefine(Domain *domain, unsigned flags, GError **error);
/* Starts a transient guest from XML.  A new reference. */
AWAITS Domain *domain_create_xml(const char *xml, size_t len, unsigned flags, GError **error);
AWAITS gboolean domain_start(Domain *domain, unsigned flags, GError **error);
AWAITS gboolean domain_shutdown(Domain *domain, unsigned flags, GError **error);
AWAITS gboolean domain_reboot(Domain *domain, unsigned flags, GError **error);
AWAITS gboolean domain_reset(Domain *domain, GError **error);
AWAITS gboolean domain_destroy(Domain *domain, unsigned flags, GError **error);
AWAITS gboolean domain_suspend(Domain *domain, GError **error);
AWAITS gboolean domain_resume(Domain *domain, GError **error);
AWAITS gboolean domain_set_autostart(Domain *domain, gboolean is_on, GError **error);
/* <title> or <description>; NULL or "" takes it away. */
AWAITS gboolean domain_set_text(Domain *domain, gboolean is_title, const char *text,
                                gboolean in_live, gboolean in_config, GError **error);

/* The XML, with the wire's flags of domain_get_xml_desc: 1 secure, 2 inactive, 8 migratable. */
char *domain_format_xml(const Domain *domain, unsigned flags, GError **error);
/* What the guest uses now, or will use. */
const GuestDef *domain_definition(const Domain *domain);
/* ERROR_OPERATION_INVALID "domain is not running". */
gboolean domain_check_active(const Domain *domain, GError **error);
/* An open, non-blocking descriptor of the console or serial device (alias, or NULL: the first). */
int domain_open_console(Domain *domain, const char *alias, GError **error);
/* Lines for domain_get_messages; the caller owns them. */
GPtrArray *domain_collect_messages(Domain *domain);

/* --- the parts of which verbs and migrations are made; the caller holds the job --- */

typedef struct {
    gboolean is_incoming; /* QEMU waits for migrate-incoming; state becomes paused (migrating) */
    int started_detail;   /* detail of the Started event, -1: none */
} LaunchSpec;

/* Starts QEMU, paused, with domain->live (which the caller has set; on failure it is freed again).
 * Assigns the id, gives images to QEMU's user, writes the status file.  On failure everything is
 * undone: shut off (failed). */
AWAITS gboolean domain_launch(Domain *domain, const LaunchSpec *spec, GError **error);
/* `cont`, state and event.  Behind the gate: only verbs that have passed it and migrate/owner call
 * this. */
AWAITS gboolean domain_run(Domain *domain, RunningReason reason, GError **error);
/* QEMU says `Failed to get "write" lock` and not of which image, nor who has it: adds that to such
 * an error.  It looks at the open files of the whole host, so only once nothing else is tried. */
AWAITS void domain_explain_lock(const Domain *domain, GError **error);
/* `stop`, state and event. */
AWAITS gboolean domain_pause(Domain *domain, PausedReason reason, GError **error);
/* Ends QEMU (is_hard: SIGKILL at once) without asking the gate and waits until it has gone;
 * domain_close_guest was called then.  false: even SIGKILL did not end it. */
AWAITS gboolean domain_kill(Domain *domain, ShutoffReason reason, gboolean is_hard, GError **error);
/* The guest has been given away: its QEMU is ended hard and reaped in the background, and the
 * domain is shut off for that reason when this returns. */
void domain_release(Domain *domain, ShutoffReason reason);
/* Gives the images to QEMU's user, as a launch does unless the guest is incoming: then its source
 * still uses them, and the destination says so once the guest is its own. */
AWAITS gboolean domain_give_images(Domain *domain, GError **error);
/* QEMU has gone: gives images back (not after SHUTOFF_MIGRATED: the other host uses them), closes,
 * frees the id, state shut off, Stopped event with that detail; a transient domain leaves the
 * registry unless keep.  Content to find nothing. */
void domain_close_guest(Domain *domain, ShutoffReason reason, int stopped_event_detail,
                        gboolean keep);

/* At start-up: files that an earlier daemon did not come round to return.  statuses: of StoredStatus *. */
void domain_return_leftovers(const GPtrArray *statuses);

/* Sets and remembers (status file) without an event; events are the caller's. */
void domain_set_state(Domain *domain, DomainState state, int reason);
/* What the next STOP and RESUME of QEMU mean.  -1: back to paused (user or unknown) and running
 * (unpaused). */
void domain_expect(Domain *domain, int stop_reason, int resume_reason);

/* Takes the definition: written durably, then domain->persistent, then the Defined event.  On
 * failure nothing changed. */
AWAITS gboolean domain_set_persistent(Domain *domain, GuestDef *definition, GError **error);
/* The same without the file, for a definition that cannot be written yet. */
void domain_hold_persistent(Domain *domain, GuestDef *definition);
/* Removes the definition and the autostart marker; Undefined event.  An inactive domain leaves the
 * registry. */
AWAITS gboolean domain_drop_persistent(Domain *domain, GError **error);
/* Writes the status file soon, from what is in memory then (live definition, state, id). */
void domain_save_status(Domain *domain);
/* At once: the guest must be findable before it may run.  FALSE too if QEMU has ended meanwhile. */
AWAITS gboolean domain_write_status(Domain *domain, GError **error);

void domain_add_message(Domain *domain, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* It is true no longer. */
void domain_drop_message(Domain *domain, const char *text);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Domain, domain_unref)
