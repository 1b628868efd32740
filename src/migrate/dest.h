/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The destination's side: Prepare and Finish. */
#pragma once

#include <glib.h>
#include <sys/socket.h>

#include "base/params.h"
#include "migrate/migration.h"

typedef struct GuestDef GuestDef;

typedef struct {
    const Params *params; /* destination_xml, destination_name, migrate_uri, listen_address … */
    unsigned flags;
    const void *cookie; /* C1 */
    size_t cookie_len;
    gboolean is_tunnelled; /* the stream comes over the calling connection */
    const struct sockaddr_storage *control_local; /* where the calling connection arrived; NULL: a unix socket */
    const char *control_remote; /* the literal from which it came; NULL: a unix socket */
} DestPrepare;

/* Is there room for that guest: name and uuid free, or a domain of both that may be filled?  *ret_domain: that one, a new
 * reference; NULL: none yet. */
gboolean dest_check_room(const GuestDef *def, Domain **ret_domain, GError **error);

/* Starts QEMU, waiting for the stream.  *ret_cookie is C2; *ret_uri may be NULL (the caller's own URI holds).  The
 * migration is a new reference: the service hooks it to the calling connection. */
AWAITS gboolean dest_prepare(const DestPrepare *request, Migration **ret_migration, GBytes **ret_cookie, char **ret_uri,
                             GError **error);

typedef struct {
    const char *name; /* of the guest here */
    const void *cookie; /* C3 */
    size_t cookie_len;
    unsigned flags;
    gboolean is_cancelled;
    gboolean (*has_hung_up)(void *leader); /* looked at right before the guest runs: who waits for the answer? */
    gboolean (*is_replaced)(const Migration *migration, void *leader); /* another one leads it by now, and will ask too */
    void *leader;
} DestFinish;

/* Whoever asks names the guest, and a ferryd or ferry also the attempt: FALSE if that is another one than the guest's here, of
 * which an older client speaks, or if it names none and another client leads.  Asked before it counts as the one who leads. */
gboolean dest_check_finish(const DestFinish *request, GError **error);

/* TRUE: the guest is taken; *ret_domain is a new reference, *ret_cookie is C4.  With the word TOLD it does not run yet:
 * whoever sends the answer says by dest_answered what became of it.  FALSE with an error that
 * phase_error_is_refused knows: it never ran here and never will. */
AWAITS gboolean dest_finish(const DestFinish *request, Domain **ret_domain, GBytes **ret_cookie, GError **error);

/* The answer of Finish is acknowledged (HEARD_ACKNOWLEDGED), has not left (HEARD_UNSAID), or its connection broke on the
 * way (HEARD_NOTHING). */
void dest_answered(Migration *migration, OwnerHeard heard);
/* The end of TOLD: by the acknowledgement, or by a person (HEARD_HERE, HEARD_THERE). */
AWAITS gboolean dest_settle(Migration *migration, OwnerHeard heard, const char *cause, GError **error);

/* The calling connection has ended: refused, unless the daemons have met and settle it between themselves. */
void dest_caller_lost(Migration *migration);
/* What the source says by a road of the daemons': HEARD_GO or HEARD_DROP.  Obeyed on a task of its own. */
void dest_hear(Migration *migration, OwnerHeard heard, const char *reason);
/* Refuses on a task of its own. */
void dest_refuse_soon(Migration *migration, const char *cause);

/* Its word could not be written or made durable, so it has been told to nobody and everybody waits: the table is asked again,
 * with what was heard, until that works. */
void dest_decide_again(Migration *migration, OwnerHeard heard);

/* Actions of the tables. */
AWAITS void dest_end_guest(Migration *migration);
AWAITS void dest_define(Migration *migration);
/* It cannot be written now.  Takes def. */
void dest_owe_definition(Migration *migration, GuestDef *def, const char *why);
