/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines: QMP's bytes to JSON objects, one per line.  Pure: bytes come in, objects go out through a
 * function. What comes from QEMU is not trusted: size, depth and the number of containers of a line
 * are bounded while it arrives. */
#pragma once

#include <glib.h>
#include <json-c/json.h>

#define QMP_LINE_MAX       (16 * 1024 * 1024)
#define QMP_DEPTH_MAX      64
#define QMP_CONTAINERS_MAX 100000 /* { and [: each costs json-c up to 800 bytes */

typedef struct QmpLines QmpLines;

/* Borrows object. */
typedef void (*QmpLineFunc)(json_object *object, void *data);

QmpLines *qmp_lines_new(void);
void qmp_lines_free(QmpLines *lines);
/* Calls fn for each line that is complete.  FALSE: what came is not QMP; nothing more can be read.
 */
gboolean qmp_lines_feed(QmpLines *lines, const char *bytes, size_t len, QmpLineFunc fn, void *data,
                        GError **error);

/* One whole JSON object from text, within the same bounds; the caller owns it.  NULL with
 * ERROR_INVALID_ARG. */
json_object *qmp_object_parse(const char *text, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(QmpLines, qmp_lines_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_object, json_object_put)
