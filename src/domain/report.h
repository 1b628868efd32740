/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What QEMU reports, applied to its domain at once: it never waits for the job. */
#pragma once

#include <glib.h>

typedef struct Domain Domain;

/* domain->guest is set; from here on its reports change the domain. */
void report_subscribe(Domain *domain);
/* The guest runs, is stopped: state and event, unless that is known already. */
void report_resumed(Domain *domain);
void report_stopped(Domain *domain);
/* query-status's word after the daemon has found the guest again: no events. */
void report_found(Domain *domain, const char *status);
