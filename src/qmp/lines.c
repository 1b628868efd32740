/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines.  Each piece of a line goes to json-c's incremental parser as it arrives, so that a long
 * reply is parsed in steps of one read and holds nobody up; a small scanner beside it counts bytes
 * and containers. */
#include "qmp/lines.h"

#include <limits.h>
#include <string.h>

#include "base/error.h"

struct QmpLines {
    json_tokener *tokener;
    json_object *object; /* complete; the line still lacks its end */
    size_t line_bytes;
    unsigned containers;
    gboolean is_in_string;
    gboolean is_escaped;
    gboolean has_content; /* the line holds more than blanks */
};

QmpLines *qmp_lines_new(void)
{
    QmpLines *lines = g_new0(QmpLines, 1);

    lines->tokener = json_tokener_new_ex(QMP_DEPTH_MAX);
    return lines;
}

void qmp_lines_free(QmpLines *lines)
{
    if (!lines)
        return;
    json_object_put(lines->object);
    json_tokener_free(lines->tokener);
    g_free(lines);
}

/* FALSE: too many containers. */
static gboolean count_containers(QmpLines *lines, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char byte = bytes[i];

        if (lines->is_escaped)
            lines->is_escaped = FALSE;
        else if (lines->is_in_string && byte == '\\')
            lines->is_escaped = TRUE;
        else if (byte == '"')
            lines->is_in_string = !lines->is_in_string;
        else if (!lines->is_in_string && (byte == '{' || byte == '['))
            lines->containers++;
    }
    return lines->containers <= QMP_CONTAINERS_MAX;
}

static size_t count_blanks(const char *bytes, size_t len)
{
    size_t count = 0;

    while (count < len && (bytes[count] == ' ' || bytes[count] == '\t' || bytes[count] == '\r'))
        count++;
    return count;
}

/* One piece of a line without its end. */
static gboolean feed_piece(QmpLines *lines, const char *bytes, size_t len, GError **error)
{
    enum json_tokener_error state;

    lines->line_bytes += len;
    if (lines->line_bytes > QMP_LINE_MAX)
        return error_set(error, ERROR_OVERFLOW, "a QMP line is longer than %d bytes", QMP_LINE_MAX);
    if (!lines->has_content) {
        size_t blanks = count_blanks(bytes, len);

        bytes += blanks;
        len -= blanks;
        lines->has_content = len > 0;
    }
    if (len == 0)
        return TRUE;
    if (!count_containers(lines, bytes, len))
        return error_set(error, ERROR_OVERFLOW, "a QMP line holds more than %d lists and objects",
                         QMP_CONTAINERS_MAX);
    if (!lines->object) {
        size_t used;

        lines->object = json_tokener_parse_ex(lines->tokener, bytes, (int)MIN(len, INT_MAX));
        state = json_tokener_get_error(lines->tokener);
        if (!lines->object && state == json_tokener_continue)
            return TRUE;
        if (!json_object_is_type(lines->object, json_type_object))
            return error_set(error, ERROR_INTERNAL_ERROR, "a QMP line is not a JSON object%s%s",
                             state != json_tokener_success ? ": " : "",
                             state != json_tokener_success ? json_tokener_error_desc(state) : "");
        used = json_tokener_get_parse_end(lines->tokener);
        bytes += used;
        len -= used;
    }
    if (count_blanks(bytes, len) < len)
        return error_set(error, ERROR_INTERNAL_ERROR, "a QMP line goes on behind its object");
    return TRUE;
}

static gboolean end_line(QmpLines *lines, QmpLineFunc fn, void *data, GError **error)
{
    g_autoptr(json_object) object = g_steal_pointer(&lines->object);
    gboolean is_cut = lines->has_content && !object;

    lines->line_bytes = 0;
    lines->containers = 0;
    lines->is_in_string = lines->is_escaped = lines->has_content = FALSE;
    if (is_cut)
        return error_set(error, ERROR_INTERNAL_ERROR, "a QMP line ends inside its object");
    json_tokener_reset(lines->tokener);
    if (object)
        fn(object, data);
    return TRUE;
}

gboolean qmp_lines_feed(QmpLines *lines, const char *bytes, size_t len, QmpLineFunc fn, void *data,
                        GError **error)
{
    while (len > 0) {
        const char *end = memchr(bytes, '\n', len);
        size_t piece = end ? (size_t)(end - bytes) : len;

        if (!feed_piece(lines, bytes, piece, error))
            return FALSE;
        if (!end)
            return TRUE;
        if (!end_line(lines, fn, data, error))
            return FALSE;
        bytes = end + 1;
        len -= piece + 1;
    }
    return TRUE;
}

static void keep_object(json_object *object, void *data)
{
    json_object **kept = data;

    json_object_put(*kept);
    *kept = json_object_get(object);
}

json_object *qmp_object_parse(const char *text, GError **error)
{
    g_autoptr(QmpLines) lines = qmp_lines_new();
    g_autoptr(GError) failure = NULL;
    g_autoptr(json_object) object = NULL;
    g_autofree char *line = g_strdup(text);

    g_strdelimit(line, "\n", ' '); /* JSON strings hold no raw line ends, so it means the same */
    if (qmp_lines_feed(lines, line, strlen(line), keep_object, &object, &failure) &&
        qmp_lines_feed(lines, "\n", 1, keep_object, &object, &failure) && object)
        return g_steal_pointer(&object);
    error_set(error, ERROR_INVALID_ARG, "cannot parse JSON: %s",
              failure ? failure->message : "there is nothing");
    return NULL;
}
