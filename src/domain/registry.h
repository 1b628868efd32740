/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All domains of this daemon: by uuid, name and id.  One per process. */
#pragma once

#include <glib.h>

#include "base/uuid.h"
#include "loop/task.h"
#include "qemu/env.h"

typedef struct Domain Domain;
typedef struct GuestDef GuestDef;

/* What the domains need to know of the daemon's configuration; borrowed for ever. */
typedef struct {
    const QemuEnv *qemu; /* folders, QEMU's user, emulators */
    gboolean is_session; /* an unprivileged user's daemon */
    Uuid host_uuid;
} DomainSettings;

void registry_init(const DomainSettings *settings);
void registry_clear(void);
const DomainSettings *registry_settings(void);

/* All three return a new reference, or NULL with ERROR_NO_DOMAIN in stock's words. */
Domain *registry_find_uuid(const Uuid *uuid, GError **error);
Domain *registry_find_name(const char *name, GError **error);
Domain *registry_find_id(int id, GError **error);
/* NULL without an error if there is none; borrowed. */
Domain *registry_peek_uuid(const Uuid *uuid);
Domain *registry_peek_name(const char *name);

/* Is there room for a domain of this uuid and name?  If uuid and name belong together and
 * may_exist, the existing domain is answered (borrowed) in *ret_existing, else NULL.
 * must_be_inactive refuses a running one ("domain is already active as 'X'").  Errors are
 * ERROR_OPERATION_FAILED / ERROR_OPERATION_INVALID in stock's words. */
gboolean registry_check(const Uuid *uuid, const char *name, gboolean must_be_inactive,
                        Domain **ret_existing, GError **error);
/* Makes a new, inactive, transient domain without a definition; refuses a taken uuid or name.  A
 * new reference. */
Domain *registry_add(const Uuid *uuid, const char *name, GError **error);
/* Takes it out of every table; holders of references keep an object that no look-up finds. */
void registry_remove(Domain *domain);
/* The next id of a started guest; ids are never used twice by one daemon. */
int registry_assign_id(Domain *domain);
/* The id that a guest found again had; a new one if that is taken. */
void registry_restore_id(Domain *domain, int id);
void registry_release_id(Domain *domain);

/* New references in order of name; filter bits are those of connect_list_all_domains (service
 * checks unknown bits). */
GPtrArray *registry_list(unsigned filter);
unsigned registry_count(gboolean is_active);
