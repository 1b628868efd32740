/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* RECLAIM.  A guest that was given away, and whose definition has stayed, starts here again once the host that has it says
 * that it is given back: GONE is durable there before it is said, and TAKEN of the same generation here before it starts.  An
 * answer "it does not run" would not be enough, as it may be started there the next moment.  Each giving back is an attempt of
 * its own, whose id both sides make of the attempt by which the guest had gone, and its generation.  So a lost answer is had
 * again, and neither side keeps anything of what was asked in vain. */
#pragma once

#include "migrate/migration.h"

/* With the domain's job held.  FALSE with the reason: it runs there, is not theirs, or they cannot be asked. */
AWAITS gboolean reclaim_domain(Domain *domain, GError **error);
/* attempt, guest: what the bytes claim.  The sealed answer; NULL with the refusal. */
AWAITS GBytes *reclaim_answer(const Uuid *guest, const char *attempt, const void *bytes, size_t len, GError **error);
