/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What survives: definitions and autostart markers under state_dir/domains, durable; the status of
 * running guests under run_dir/UUID, for the next daemon of this boot. */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "base/uuid.h"
#include "loop/task.h"

typedef struct Domain Domain;
typedef struct GuestDef GuestDef;

/* state_dir/domains/NAME.xml and NAME.autostart; the caller frees. */
char *store_definition_path(const char *state_dir, const char *name);
char *store_autostart_path(const char *state_dir, const char *name);

/* Durable: the file and its folder are synced, off the floor. */
AWAITS gboolean store_write_definition(const GuestDef *definition, GError **error);
AWAITS gboolean store_remove_definition(const char *name, GError **error);
AWAITS gboolean store_set_autostart(const char *name, gboolean is_on, GError **error);

typedef struct {
    char *name;
    char *path;
    GuestDef *definition;
    gboolean is_autostart;
} StoredDefinition;
/* Every readable definition, with defaults filled in as they were written; unreadable ones are
 * logged and left alone. */
AWAITS GPtrArray *store_read_definitions(GError **error);

/* What the next daemon must know of a running guest */
typedef struct {
    Uuid uuid;
    char *name;
    int id;
    pid_t pid;
    guint64 start_time;
    int state, reason;
    gboolean is_incoming, is_powering_off, wants_paused, wants_restart, has_images, has_boot_files;
    int stop_reason, resume_reason;
    int planned_end;
    GuestDef *live;
} StoredStatus;
char *status_format(const StoredStatus *status); /* pure; the caller frees */
StoredStatus *status_parse(const char *text, size_t len, GError **error);
void status_free(StoredStatus *status);

/* run_dir/UUID/status.  One at a time: domain_write_status sees to that. */
AWAITS gboolean store_write_status(const Domain *domain, GError **error);
/* Once the status speaks of the guest, the note of its start is in the way.  TRUE. */
gboolean store_take_charge(const Domain *domain);
/* run_dir/UUID: status, monitor, whatever sockets.  It is root's folder, so it is small. */
void store_remove_folder(const Domain *domain);
/* All of this boot.  A guest whose start its daemon did not live to see never ran: it is ended, and
 * its folder goes.  A status that cannot be read is logged and left alone. */
GPtrArray *store_read_statuses(void);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(StoredStatus, status_free)
