/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a stock destination shows of a guest whose Finish brought no answer, and what that proves: the table of
 * docs/handover.md, section 11.  Pure.  The library asks it before Confirm, the daemon as long as it is in doubt. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "base/uuid.h"

typedef enum {
    LOOK_AGAIN,     /* nothing yet: Finish may still be under way */
    LOOK_RAN,       /* it has run there, whatever became of it since: it is the destination's */
    LOOK_NEVER_RAN, /* and never will: it is the source's */
    LOOK_PERSON,    /* it may have run and ended: only a person can say */
} LookVerdict;

#define LOOK_ABSENT (-1)
/* A stock destination that was not asked to persist it forgets a guest that has ended.  So soon after Finish it is taken for
 * one that never ran. */
#define LOOK_FRESH_MS (60 * 1000)

/* Is it that host whose capabilities these are?  A name may lead to another one by now, and what that one does not know proves
 * nothing.  uri: for the error. */
gboolean look_check_host(const char *capabilities, const Uuid *wanted, const char *uri, GError **error);
/* state: as on the wire, or LOOK_ABSENT; is_persist: its definition was to be written there, which comes before it runs. */
LookVerdict look_judge(int state, int reason, gboolean is_persist, int64_t since_finish_ms);
