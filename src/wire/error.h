/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Errors on the wire: GError and rpc_error, in the shape that peers expect. */
#pragma once

#include <glib.h>

/* Appends the body of an error reply.  Never fails: a text too long for clients is cut. */
void wire_error_encode(GByteArray *out, const GError *error);
/* The error that an error reply tells; if its body is broken, an error that says so.  The caller
 * frees it. An unknown procedure comes as ERROR_NO_SUPPORT, as peers read it. */
GError *wire_error_decode(const guint8 *data, size_t len);
