/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers from text: the whole text, in range, or false. */
#pragma once

#include <glib.h>
#include <stdint.h>

/* Decimal only, no sign, no blanks. */
gboolean number_parse_u64(const char *text, uint64_t max, uint64_t *ret_value);
gboolean number_parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret_value);
/* Decimal, or hexadecimal with 0x in front, as in PCI addresses. */
gboolean number_parse_any(const char *text, uint64_t max, uint64_t *ret_value);

/* Lower-case hexadecimal of len bytes; the caller frees it.  The reverse wants exactly 2 × len digits. */
char *hex_format(const void *bytes, size_t len);
gboolean hex_parse(const char *text, void *ret_bytes, size_t len);
