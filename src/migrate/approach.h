/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way to a stock destination.  It names a host and a port and cannot prove who it is, so an address at which its
 * daemon was met goes before whatever its name resolves to here: a wrong host that lives under that name must not get
 * the guest.  The look-up runs beside and holds nothing up. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "loop/task.h"

#define APPROACH_TIMEOUT_MS 3500 /* for all of it: with what comes before and after it, a silent network is told within 5 s */

typedef struct {
    const char *guest;        /* name, for the command in the error */
    const char *host;         /* as it was offered: a name or a literal */
    uint16_t port;
    const char *control;      /* literal by which the destination's daemon is reached; NULL: not known */
    gboolean avoids_name;     /* a safer way follows: what the name means here is looked up and told, but not tried */
    char *const *known;       /* literals of the peer book; NULL: none */
    const char *here;         /* this host's name */
} Approach;

typedef struct {
    int fd;
    char *address; /* "192.0.2.1:49152" */
    char *notice;  /* what was done beyond what the destination said, one line; NULL: nothing */
} Approached;

/* One after the other, as a stock destination takes one connection only.  The error begins with stock's words and lists
 * all that was tried. */
AWAITS gboolean approach_connect(const Approach *approach, Approached *ret_approached, GError **error);

/* ---- the deciding part, pure ---- */

typedef struct {
    char *literal;        /* as the host part of a URI: IPv6 in brackets */
    const char *origin;   /* "the offered address", … */
    const char *filtered; /* why it is not tried; NULL: it is */
} ApproachRow;

/* Rows in the order in which to try them, of what is known without a look-up.  is_own (may be NULL) says whether a literal
 * is an address of this very host. */
typedef gboolean (*ApproachIsOwn)(const char *literal, const void *data);
GPtrArray *approach_rows(const Approach *approach, ApproachIsOwn is_own, const void *data);
/* Adds a row behind the others, unless its address stands there already. */
void approach_add(GPtrArray *rows, const char *literal, const char *origin, ApproachIsOwn is_own, const void *data);
