/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a few names of this host mean, learnt behind the scenes: whoever asks gets what is known
 * now, and a resolver that takes its time delays nobody.  For names that only add to what is known
 * otherwise. */
#pragma once

#include "host/address.h"
#include "loop/task.h"

#define KNOWN_NAME_FRESH_MS (10 * 1000)  /* an older answer is asked for again, in the background  \
                                          */
#define KNOWN_NAME_ANSWER_MS (30 * 1000) /* how long the background waits for a resolver */
#define KNOWN_NAMES_MAX      16

/* NULL: nothing is known (yet).  Of a literal it is known at once.  The last answer stands as long
 * as no other comes: a resolver that fails later does not take it back.  Borrowed until the next
 * await. */
const ResolvedName *known_name(const char *name);
/* The same, but waits for the first answer: for timeout_ms after the question was put, whoever put
 * it.  FALSE: cancelled. */
AWAITS gboolean known_name_wait(const char *name, int64_t timeout_ms,
                                const ResolvedName **ret_names, GError **error);
