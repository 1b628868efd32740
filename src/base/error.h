/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Errors.  A GError carries the wire's code (ERROR_NO_DOMAIN …) and, as its quark, the wire's error
 * domain (FROM_QEMU …), so that what a peer told us passes through unchanged. */
#pragma once

#include <glib.h>

#include "error-codes.h"

/* The quark that stands for one of the wire's error domains; the reverse answers FROM_QEMU for foreign quarks. */
GQuark error_quark(ErrorDomain domain);
ErrorDomain error_domain(const GError *error);
/* The same for an error of the system, with its errno; out of 1 … ERROR_ERRNO_MAX it is left out. */
#define ERROR_ERRNO_MAX 133
GQuark error_quark_errno(ErrorDomain domain, int number);
/* The errno that error_errno (or a peer) has set, -1: none. */
int error_get_errno(const GError *error);

/* The wire code of any GError: GIO's and other foreign errors are ERROR_INTERNAL_ERROR. */
ErrorCode error_code(const GError *error);
gboolean error_is(const GError *error, ErrorCode code);

/* All three return false, so that a guard is one statement: return error_set(error, ERROR_…, "…"). */
gboolean error_set(GError **error, ErrorCode code, const char *format, ...) G_GNUC_PRINTF(3, 4);
gboolean error_set_from(GError **error, ErrorDomain domain, ErrorCode code, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
/* Code ERROR_SYSTEM_ERROR, and ": Permission denied" (from errno) behind the sentence. */
gboolean error_errno(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* A new error; the caller owns it. */
GError *error_new(ErrorCode code, const char *format, ...) G_GNUC_PRINTF(2, 3);
