/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames: lengths and headers. */
#include "wire/frame.h"

#include <string.h>

#include "base/error.h"
#include "wire/cursor.h"
#include "wire/writer.h"

gboolean wire_frame_length(const guint8 *bytes, uint32_t max_bytes, uint32_t *ret_length,
                           GError **error)
{
    WireCursor cursor = wire_cursor(bytes, 4, NULL);
    uint32_t length = wire_cursor_u32(&cursor);

    if (length < WIRE_FRAME_MIN || length > max_bytes)
        return error_set_from(error, FROM_RPC, ERROR_RPC, "frame of %u bytes, allowed are %u to %u",
                              length, (unsigned)WIRE_FRAME_MIN, max_bytes);
    *ret_length = length;
    return TRUE;
}

void wire_frame_header_decode(const guint8 *bytes, WireFrameHeader *ret_header)
{
    WireCursor cursor = wire_cursor(bytes, WIRE_FRAME_HEADER_SIZE - 4, NULL);

    ret_header->prog = wire_cursor_u32(&cursor);
    ret_header->vers = wire_cursor_u32(&cursor);
    ret_header->proc = (int32_t)wire_cursor_u32(&cursor);
    ret_header->type = (int32_t)wire_cursor_u32(&cursor);
    ret_header->serial = wire_cursor_u32(&cursor);
    ret_header->status = (int32_t)wire_cursor_u32(&cursor);
}

void wire_frame_header_encode(const WireFrameHeader *header, size_t body_len,
                              guint8 ret_bytes[WIRE_FRAME_HEADER_SIZE])
{
    const uint32_t words[WIRE_FRAME_HEADER_SIZE / 4] = {
        GUINT32_TO_BE((uint32_t)(WIRE_FRAME_HEADER_SIZE + body_len)),
        GUINT32_TO_BE(header->prog),
        GUINT32_TO_BE(header->vers),
        GUINT32_TO_BE((uint32_t)header->proc),
        GUINT32_TO_BE((uint32_t)header->type),
        GUINT32_TO_BE(header->serial),
        GUINT32_TO_BE((uint32_t)header->status),
    };

    memcpy(ret_bytes, words, sizeof words);
}

size_t wire_frame_begin(GByteArray *out, const WireFrameHeader *header)
{
    guint8 bytes[WIRE_FRAME_HEADER_SIZE];

    wire_frame_header_encode(header, 0, bytes);
    g_byte_array_append(out, bytes, sizeof bytes);
    return out->len - sizeof bytes;
}

gboolean wire_frame_end(GByteArray *out, size_t start, GError **error)
{
    size_t length = out->len - start;

    if (length > WIRE_FRAME_MAX) {
        g_byte_array_set_size(out, (guint)start);
        return error_set_from(error, FROM_RPC, ERROR_RPC, "message of %zu bytes, the limit is %u",
                              length, (unsigned)WIRE_FRAME_MAX);
    }
    wire_patch_u32(out, start, (uint32_t)length);
    return TRUE;
}
