/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Postcopy: after the switch the guest runs on the destination while the rest of its memory still follows, and each QEMU has a
 * part that the other lacks.  Here: the switch, what is shown of it, a stream that breaks and is made again, and the end.  Who
 * may run the guest is decided by the tables of migrate/owner, as always. */
#pragma once

#include <glib.h>

#include "migrate/dest.h"
#include "migrate/migration.h"
#include "phase/cookie.h"

/* The user wants it to be possible. */
gboolean postcopy_is_asked(const Migration *migration);
/* QEMU has switched, and not all of the memory has arrived. */
gboolean postcopy_is_status(QemuMigrationStatus status);
/* Destination: the source may switch at any moment, if it has not done so. */
gboolean postcopy_may_switch(const Migration *migration);
/* Source: each QEMU has a part of the memory that the other lacks. */
gboolean postcopy_is_split(const Migration *migration);
/* Source: that, and nothing of it is on its way. */
gboolean postcopy_is_torn(const Migration *migration);
/* Source: switched, and the destination's QEMU could run the guest: GO may be said. */
gboolean postcopy_is_arrived(const Migration *migration);
uint64_t postcopy_bandwidth(const Migration *migration);

/* Source, before QEMU is told to cancel: it has just sent a page, and sends the next one later. */
AWAITS void postcopy_calm(Migration *migration);

/* What the other side is told: ENDED, OUT; and whether it has not confirmed that yet. */
gboolean postcopy_has_ended(const Migration *migration);
gboolean postcopy_is_out(const Migration *migration);
gboolean postcopy_has_news(const Migration *migration);

/* From the switch on a task of its own looks after it, until the migration has ended. */
void postcopy_lead(Migration *migration);
/* AWAITS the end of a migration whose word is final, however long its memory takes; or the doubt whether it can be had back. */
AWAITS void postcopy_await_end(Migration *migration);

/* Source: tells QEMU to switch if that is asked for, once the destination's QEMU has the stream. */
AWAITS gboolean postcopy_switch(Migration *migration, GError **error);

/* migrate-postcopy, domjobabort --postcopy. */
AWAITS gboolean postcopy_start(Domain *domain, GError **error);
AWAITS gboolean postcopy_pause(Migration *migration, GError **error);

/* postcopy-resume.c: migrate --postcopy-resume walks the phases once more. */
AWAITS gboolean postcopy_begin_again(Domain *domain, unsigned flags, GBytes **ret_cookie, char **ret_xml, GError **error);
AWAITS gboolean postcopy_prepare_again(const DestPrepare *request, const MigrationCookie *cookie, Migration **ret_migration,
                                       GBytes **ret_cookie, char **ret_uri, GError **error);
gboolean postcopy_may_perform_again(const Domain *domain);
AWAITS gboolean postcopy_perform_again(Migration *migration, GError **error);

/* Destination: takes fd if this lane replaces one that broke. */
gboolean postcopy_takes_lane(Migration *migration, LaneName name, int fd, const char *peer);
