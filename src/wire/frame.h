/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames: a length word that counts itself, a header of six words, a body. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "wire/procedures.h"

#define WIRE_FRAME_HEADER_SIZE 28 /* with the length word */
#define WIRE_FRAME_MIN         WIRE_FRAME_HEADER_SIZE
#define WIRE_FRAME_MAX         (4 + WIRE_FRAME_MESSAGE_MAX)
#define WIRE_BODY_MAX          (WIRE_FRAME_MAX - WIRE_FRAME_HEADER_SIZE)
/* What we put into one stream frame: old peers take no more. */
#define WIRE_STREAM_DATA_MAX WIRE_FRAME_MESSAGE_LEGACY_PAYLOAD_MAX
#define WIRE_FRAME_FDS_MAX   WIRE_FRAME_MESSAGE_NUM_FDS_MAX

/* WireFrameHeader comes from the tables: prog, vers, proc, type, serial, status. */

/* The length word of a frame (4 bytes).  FALSE, with an error, if it is outside WIRE_FRAME_MIN …
 * max_bytes. */
gboolean wire_frame_length(const guint8 *bytes, uint32_t max_bytes, uint32_t *ret_length,
                           GError **error);
/* The six words behind it (24 bytes); any values, also unknown types. */
void wire_frame_header_decode(const guint8 *bytes, WireFrameHeader *ret_header);
/* Writes length word and header, for a body of body_len bytes that follows. */
void wire_frame_header_encode(const WireFrameHeader *header, size_t body_len,
                              guint8 ret_bytes[WIRE_FRAME_HEADER_SIZE]);

/* Building one in place: begin answers where it starts; append the body; end writes the length.  A
 * frame over the limit is an error and is taken back. */
size_t wire_frame_begin(GByteArray *out, const WireFrameHeader *header);
gboolean wire_frame_end(GByteArray *out, size_t start, GError **error);
