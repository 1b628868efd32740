/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* After a restart of the daemon, and when a person decides: the same tables, asked with what is true now. */
#pragma once

#include <glib.h>

#include "migrate/migration.h"

/* Reads the attempt that touched the guest last and makes domain->migration stand for it.  Reads small files: at start-up.
 * NULL: none.  Borrowed. */
Migration *recover_attach(Domain *domain);

/* The journal is closed after the last word is written.  A power loss that has taken the word and left the journal has taken
 * nothing: the word is written again. */
gboolean recover_word(const Journal *journal, OwnerRecord *record, GError **error);

/* The hook of domain/owner: settles a migration that was found open, by its record alone. */
AWAITS void recover_domain(Domain *domain);
/* The same of domain/owner, before that: its QEMU does not answer. */
void recover_silent(Domain *domain);
/* Then: migrations that are open, or not known to the other side, of guests that no definition and no status speaks of.  Forgets
 * old history on the way. */
AWAITS void recover_orphans(void);
/* An attempt has ended: every now and then the oldest ones are forgotten. */
void recover_tidy(void);

typedef enum {
    RESOLVE_HERE,    /* it does not run on the other host and never will */
    RESOLVE_THERE,   /* it is the other host's */
    RESOLVE_CRASHED, /* neither has its memory: shut off, with its definition, here */
} ResolveOutcome;
extern const EnumName resolve_outcome_names[]; /* "here", "there", "crashed" */

/* `ferry migration resolve`: a person knows.  Taken down as forced, with the next epoch.  confirm: the name of the other host
 * as the person typed it, "" if he was not asked. */
AWAITS gboolean migrate_resolve(Domain *domain, ResolveOutcome outcome, const char *confirm, GError **error);
/* The same of a source in doubt whose other host is proven to be dead: its memory is lost, its definition stays. */
AWAITS gboolean migrate_resolve_bereft(Migration *migration, GError **error);
