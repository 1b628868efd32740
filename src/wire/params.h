/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Typed parameters on the wire. */
#pragma once

#include "base/arena.h"
#include "base/params.h"
#include "wire/procedures.h"

#define WIRE_PARAM_NAME_MAX 79 /* bytes; clients have room for no more */

/* A copy; ERROR_INVALID_ARG for a name that is empty or too long. */
Params *wire_params_decode(const WireTypedParam *items, uint32_t count, GError **error);
/* Items for a message: names and strings are copied into the arena.  Without with_strings, entries
 * of type string are left out: that is what callers get who do not know them.  Never NULL unless
 * there are none. */
WireTypedParam *wire_params_encode(const Params *params, gboolean with_strings, Arena *arena,
                                   uint32_t *ret_count);
