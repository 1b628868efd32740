/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One thing that `ferry doctor` found, and the list of them. */
#pragma once

#include <glib.h>

typedef enum { /* wire values, worst first */
               FINDING_PERSON,   /* something is wrong that only a person can judge */
               FINDING_WAITS,    /* for another host */
               FINDING_LEFTOVER, /* belongs to nobody; the command removes it */
               FINDING_USED,     /* ours, and in use */
} FindingKind;

typedef struct {
    FindingKind kind;
    char *what;    /* "QEMU process 4711" */
    char *where;   /* a path, a port; NULL: what says it all */
    char *guest;   /* NULL: none */
    char *host;    /* that is waited for; NULL: none */
    char *cause;   /* what it is and how it came to that, a sentence */
    char *command; /* that removes or settles it; NULL: there is none */
} Finding;

#define FINDINGS_MAX 1024 /* of one answer */

/* Of Finding *, which it owns. */
GPtrArray *findings_new(void);
/* Adds one with its cause; the list owns it, the caller fills in the rest. */
Finding *findings_add(GPtrArray *findings, FindingKind kind, const char *what, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
/* Worst first, otherwise as they came. */
void findings_sort(GPtrArray *findings);

/* `command` with its arguments quoted where a shell needs that; ends with NULL.  The caller frees it. */
char *finding_command(const char *command, ...) G_GNUC_NULL_TERMINATED;
