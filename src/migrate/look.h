/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finish of a stock destination brought no answer: the guest may run there, or never have.  It has no words of ours, so a
 * fresh connection looks the guest up, and the table of phase/look says what that proves. */
#pragma once

#include <glib.h>

#include "base/uuid.h"
#include "loop/task.h"
#include "migrate/owner.h"

typedef struct Migration Migration;
typedef struct Peer Peer;

/* Whether there is something to look for: GO was said to a stock daemon that can be called, and no answer is waited for.  Where only
 * a definition moves, one that is found may have been there before. */
gboolean look_is_possible(const Migration *migration);
/* Looks once, at uri.  HEARD_TAKEN and HEARD_REFUSED are proofs; HEARD_NOTHING comes with an error that says what there is, and
 * whether only a person can judge that.  AWAITS the other daemon. */
AWAITS OwnerHeard look_there(const Migration *migration, const char *uri, gboolean *ret_needs_person, GError **error);
/* Is it that host? */
AWAITS gboolean look_check_peer(Peer *peer, const Uuid *wanted, GError **error);
