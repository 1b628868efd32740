/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writer: appends the wire's encoding to a GByteArray. */
#pragma once

#include <glib.h>
#include <stdint.h>

void wire_write_u32(GByteArray *out, uint32_t value);
void wire_write_u64(GByteArray *out, uint64_t value);
void wire_write_f64(GByteArray *out, double value);
/* The bytes and zeros up to a multiple of four; no length in front. */
void wire_write_bytes(GByteArray *out, const void *bytes, size_t len);
/* Length, bytes, padding. */
void wire_write_string(GByteArray *out, const char *text);
/* Overwrites the word at offset. */
void wire_patch_u32(GByteArray *out, size_t offset, uint32_t value);
