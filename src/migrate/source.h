/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The source's side: Begin, Perform, Confirm.  Each is a step list of its own file. */
#pragma once

#include <glib.h>

#include "base/params.h"
#include "migrate/migration.h"
#include "migrate/step.h"
#include "phase/cookie.h"

/* What the destination is to start: the user's XML if it is the same machine, else our own.  The caller frees it. */
char *source_definition(const Domain *domain, const char *user_xml, GError **error);
/* Holds the job and makes OFFERED durable.  *ret_cookie is C1, *ret_xml what the destination starts. */
AWAITS gboolean source_begin(Domain *domain, const Params *params, unsigned flags, GBytes **ret_cookie, char **ret_xml,
                             GError **error);

/* FALSE with the reason if the guest, its leader or its user want no more of it: asked before each step, for while the one
 * before waited, much may have happened. */
AWAITS gboolean source_check_wanted(Migration *migration, GError **error);

/* Where Perform's bytes go. */
typedef struct {
    const char *uri; /* tcp:HOST:PORT; NULL: carrier */
    int carrier_fd;  /* tunnelled: write end of the pipe (borrowed); else -1 */
    const char *control; /* literal at which the destination's daemon was reached; NULL: not known */
    gboolean has_fallback; /* if no way is found, the memory can still go through a connection that is there */
} SourceRoute;

/* Begin has been made, and a client may ask for Perform now. */
gboolean source_may_perform(const Domain *domain);
/* If no way is found, a client that is ferry may relay. */
gboolean source_may_relay(const Params *params, unsigned flags);
/* Begin has been made; Perform without a URI will send the memory into fd (taken), for the leading client to relay.
 * client: who that is. */
gboolean source_set_relay(Domain *domain, int fd, const char *client, GError **error);
/* Moves the memory and, once QEMU says completed, writes GO.  cookie_in is C2, *ret_cookie C3.  On failure the guest is
 * kept here and the migration has ended. */
AWAITS gboolean source_perform(Domain *domain, const Params *params, const SourceRoute *route, const void *cookie_in,
                               size_t cookie_len, GBytes **ret_cookie, GError **error);

/* C2, the answer of Prepare: is the other side a ferryd, and does it speak of this attempt? */
gboolean source_read_answer(Migration *migration, const void *bytes, size_t len, GError **error);

/* Writes GO if nobody has aborted meanwhile.  Peer-to-peer calls it just before Finish is sent. */
AWAITS gboolean source_say_go(Migration *migration, GError **error);

/* QEMU has ended while the migration had its guest stopped, and the daemons have not met but in calls.  AWAITS what the
 * destination says.  TRUE: it has the whole image, and GO is written; *ret_cookie is C3. */
AWAITS gboolean source_ask_loaded(Migration *migration, GBytes **ret_cookie);

/* After a restart, while QEMU still sends: waits for the end of it, and says GO. */
AWAITS gboolean source_go_on(Migration *migration, GError **error);

/* What the destination says by a road of the daemons': TAKEN, REFUSED, LOST, LOADED, CANNOT.  Obeyed on a task of its own. */
void source_hear(Migration *migration, OwnerHeard heard, const char *reason);

/* AWAITS who leads it, for a moment: he fetches the outcome himself, with the numbers of the other side, of a guest that is still known
 * here. */
AWAITS void source_leave_to_leader(Migration *migration);

/* The other side's answer, as a client brings it.  Who does not lead the migration has to bring the answer of a ferryd, which
 * names the attempt. */
AWAITS gboolean source_confirm(Domain *domain, const void *cookie_in, size_t cookie_len, gboolean is_cancelled,
                               gboolean is_leader, GError **error);
/* The same when the daemon itself was told: heard is TAKEN, REFUSED or NOTHING (no answer came). */
AWAITS gboolean source_settle(Migration *migration, OwnerHeard heard, const MigrationStats *stats, const char *cause,
                              GError **error);

/* Peer-to-peer: all five phases, with dconnuri's daemon as destination. */
AWAITS gboolean source_migrate(Domain *domain, const char *dconnuri, const Params *params, unsigned flags,
                               GError **error);

/* The same once more, to where an ended attempt was to go; restarted: whose daemon's restart has ended it. */
AWAITS gboolean source_migrate_again(const Migration *ended, OwnerSide restarted, const Params *params, GError **error);

/* The connection that leads it has ended (not for peer-to-peer, where we lead). */
void source_caller_lost(Migration *migration);

/* A cookie that says which attempt is meant, and nothing more. */
GBytes *source_name_attempt(Migration *migration);
/* What the destination is told about this attempt. */
void source_fill_ferry(Migration *migration, MigrationCookie *cookie, CookieWord word);

/* Speed in MiB/s of the running and of later migrations; 0 and MIGRATE_SPEED_MAX: unlimited. */
#define MIGRATE_SPEED_MAX (INT64_MAX / (1024 * 1024))
AWAITS gboolean source_set_speed(Domain *domain, uint64_t mib, GError **error);
uint64_t source_speed(const Domain *domain);
/* What the administrator lets this migration have of it. */
uint64_t source_allowed_mib(const Migration *migration, uint64_t mib);
/* Bytes/s for QEMU, whose own default is 128 MiB/s. */
uint64_t source_bandwidth(uint64_t mib);
/* Longest downtime in ms at which QEMU switches over. */
AWAITS gboolean source_set_downtime(Domain *domain, uint64_t ms, GError **error);
AWAITS gboolean source_downtime(Domain *domain, uint64_t *ret_ms, GError **error);

/* Actions of the tables. */
AWAITS void source_end_guest(Migration *migration);
AWAITS void source_undefine(Migration *migration);
/* In CRASHED, once it has ended: the guest is shut off (crashed), and defined here. */
AWAITS void source_keep_definition(Migration *migration);
