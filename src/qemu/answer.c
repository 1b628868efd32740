/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/answer.h"

#include <string.h>

json_object *answer_get(const json_object *object, const char *name)
{
    json_object *value;

    return object && json_object_object_get_ex(object, name, &value) ? value : NULL;
}

const char *answer_text(const json_object *object, const char *name)
{
    json_object *value = answer_get(object, name);

    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

gboolean answer_flag(const json_object *object, const char *name)
{
    return json_object_get_boolean(answer_get(object, name));
}

char *answer_alias(const char *path)
{
    static const char prefix[] = "/machine/peripheral/";

    if (!g_str_has_prefix(path, prefix))
        return g_strdup(path);
    path += strlen(prefix);
    return g_strndup(path, strcspn(path, "/"));
}
