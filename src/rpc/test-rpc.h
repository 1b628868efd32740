/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Help for the tests of this folder: frames from few words, and what an engine has said, as text.
 */
#pragma once

#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "rpc/connection.h"
#include "rpc/stream.h"
#include "wire/error.h"
#include "wire/writer.h"

typedef struct {
    RpcConnection *conn;
    GString *log; /* what its handlers were told */
    RpcCallId last_call;
    gboolean answers;  /* each call is answered at once */
    int taken_fd;      /* the first descriptor of the last call */
    RpcStream *stream; /* opened for each call of a stream procedure */
    gboolean keeps_holes;
} End;

void end_init(End *end, RpcRole role);
void end_clear(End *end);
/* The log so far; it is empty afterwards.  Valid until the next call. */
const char *end_said(End *end);
extern const RpcStreamHandlers end_stream_handlers;

/* A frame of the remote program, version 1; body may be NULL. */
GByteArray *frame_of(int32_t procedure, int32_t type, uint32_t serial, int32_t status,
                     const void *body, size_t len);
gboolean feed_bytes(End *end, const GByteArray *bytes);
/* Feeds and frees. */
gboolean feed_frame(End *end, int32_t procedure, int32_t type, uint32_t serial, int32_t status,
                    const void *body, size_t len);
/* All output, taken; "TYPE:PROCEDURE:SERIAL:STATUS:LENGTH" per frame.  Valid until the next call.
 */
const char *end_output(End *end);
/* All output as bytes, taken. */
GByteArray *end_output_bytes(End *end);
