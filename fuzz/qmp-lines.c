/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QMP lines: any bytes, in two cuts, must end in objects or in one clean error. */
#include <stdint.h>

#include "base/error.h"
#include "qmp/lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(json_object *object, void *data)
{
    g_assert(json_object_is_type(object, json_type_object));
    g_assert(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(QmpLines) lines = qmp_lines_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *text = g_strndup((const char *)data, size);
    size_t cut = size > 0 ? data[0] % size : 0;

    if (qmp_lines_feed(lines, (const char *)data, cut, look, NULL, &error) &&
        qmp_lines_feed(lines, (const char *)data + cut, size - cut, look, NULL, &error))
        g_assert_null(error);
    else
        g_assert_nonnull(error);
    json_object_put(qmp_object_parse(text, NULL));
    return 0;
}
