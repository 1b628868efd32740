/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The gate: whose guest is it?  Every verb that could run, end or forget a guest passes here.  The
 * answer is computed from the owner's word of a migration, which this layer cannot read:
 * src/migrate registers how.  Nothing registered or no word: the guest is here. */
#pragma once

#include <glib.h>

#include "base/params.h"
#include "loop/task.h"

typedef struct Domain Domain;

typedef enum {
    OWNER_HERE,
    OWNER_COMING,   /* from X: prepared, not ours yet */
    OWNER_GIVEN,    /* to X by migration M */
    OWNER_IN_DOUBT, /* may run on X */
} OwnerStanding;

typedef enum {
    OWNER_VERB_START, /* start, create, restore of a saved image */
    OWNER_VERB_RESUME,
    OWNER_VERB_REBOOT,
    OWNER_VERB_RESET,
    OWNER_VERB_AUTOSTART, /* the start at start-up, not the flag */
    OWNER_VERB_DEFINE,
    OWNER_VERB_UNDEFINE,
    OWNER_VERB_DESTROY,
    OWNER_VERB_MONITOR, /* qemu-monitor-command that could make it run: cont, system_reset, migrate…
                         */
    OWNER_VERB_MIGRATE,
    OWNER_VERB_SUSPEND,
    OWNER_VERB_SHUTDOWN,
} OwnerVerb;

/* What became of a guest whose QEMU has ended, and what is to be made of it.  The hook may change
 * both. */
typedef struct {
    int shutoff_reason; /* ShutoffReason */
    gboolean
        keep; /* keep the domain listed although it is transient (its migration is not settled) */
} GuestEnd;

/* Registered once, before domains are loaded; any member may be NULL. */
typedef struct {
    /* false with the sentence that names the other host and the way out */
    AWAITS gboolean (*gate)(Domain *domain, OwnerVerb verb, GError **error);
    OwnerStanding (*standing)(Domain *domain);
    /* sentence for domain_get_messages and `domstate --reason`, or NULL; the caller frees it */
    char *(*explain)(Domain *domain);
    /* QEMU has ended by itself: called before the state changes, from the loop thread: must not
     * await */
    void (*guest_ended)(Domain *domain, const char *last_words, GuestEnd *end);
    /* the user's suspend or resume was done: the wish goes into the word (as its user left it) */
    void (*user_wish)(Domain *domain, gboolean wants_paused);
    /* after a restart of the daemon: domain loaded, its guest attached again (domain->guest) or
     * gone; on a task */
    AWAITS void (*recover)(Domain *domain);
    /* before that: its QEMU is worth nothing any more, so that a silent one need not be waited for */
    gboolean (*is_expendable)(Domain *domain);
    /* before that: its QEMU is there and has not answered yet; must not await */
    void (*silent)(Domain *domain);
    /* job statistics; ret_type and params as job-stats.md says */
    AWAITS gboolean (*job_stats)(Domain *domain, unsigned flags, int *ret_type, Params *params,
                                 GError **error);
    AWAITS gboolean (*job_abort)(Domain *domain, unsigned flags, GError **error);
    /* the domain leaves the registry or is freed: drop domain->migration */
    void (*forget)(Domain *domain);
} OwnerHooks;

void owner_set_hooks(const OwnerHooks *hooks); /* borrowed for ever */
const OwnerHooks *owner_hooks(void);           /* never NULL */

/* Call it with the job held, right before acting. */
AWAITS gboolean owner_gate_check(Domain *domain, OwnerVerb verb, GError **error);
/* For a verb that needs it active, before the gate: what does not run here may run elsewhere, and only the gate says where. */
AWAITS gboolean owner_check_active(Domain *domain, OwnerVerb verb, GError **error);
OwnerStanding owner_standing(Domain *domain);
