/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON for programs. */
#include "json.h"

#include <stdio.h>

void json_print(json_object *object)
{
    puts(json_object_to_json_string_ext(object,
                                        JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(object);
}

void json_add_text(json_object *object, const char *name, const char *text)
{
    g_autofree char *valid = text ? g_utf8_make_valid(text, -1) : NULL;

    json_object_object_add(object, name, valid ? json_object_new_string(valid) : NULL);
}

void json_add_number(json_object *object, const char *name, guint64 number)
{
    json_object_object_add(object, name, json_object_new_uint64(number));
}

void json_add_bool(json_object *object, const char *name, gboolean value)
{
    json_object_object_add(object, name, json_object_new_boolean(value));
}

json_object *json_from_params(const FerryParams *params)
{
    json_object *object = json_object_new_object();

    for (size_t i = 0; i < ferry_params_count(params); i++) {
        const char *name = ferry_params_name(params, i);
        g_autofree char *text = ferry_params_text(params, i);

        switch (ferry_params_type(params, i)) {
        case FERRY_PARAM_ULLONG:
        case FERRY_PARAM_UINT:
            json_add_number(object, name, g_ascii_strtoull(text, NULL, 10));
            break;
        case FERRY_PARAM_INT:
        case FERRY_PARAM_LLONG:
            json_object_object_add(object, name,
                                   json_object_new_int64(g_ascii_strtoll(text, NULL, 10)));
            break;
        case FERRY_PARAM_DOUBLE:
            json_object_object_add(object, name,
                                   json_object_new_double(g_ascii_strtod(text, NULL)));
            break;
        case FERRY_PARAM_BOOL:
            json_add_bool(object, name, g_str_equal(text, "1"));
            break;
        case FERRY_PARAM_STRING:
            json_add_text(object, name, text);
            break;
        }
    }
    return object;
}

json_object *json_from_domain(const FerryDomain *domain)
{
    json_object *object = json_object_new_object();
    int id = ferry_domain_id(domain);

    json_object_object_add(object, "id", id >= 0 ? json_object_new_int(id) : NULL);
    json_add_text(object, "name", ferry_domain_name(domain));
    json_add_text(object, "uuid", ferry_domain_uuid(domain));
    return object;
}

/* 0: not known, or not yet. */
static void add_time(json_object *object, const char *name, gint64 wall_ms)
{
    json_object_object_add(object, name, wall_ms ? json_object_new_int64(wall_ms) : NULL);
}

json_object *json_from_migration(const FerryMigrationRow *row)
{
    static const char *const states[] = {"active", "waiting", "ended"};
    json_object *object = json_object_new_object();

    json_add_text(object, "name", row->name);
    json_add_text(object, "uuid", row->uuid);
    json_add_text(object, "attempt", row->id);
    json_add_number(object, "epoch", row->epoch);
    json_add_text(object, "way", row->is_outgoing ? "to" : "from");
    json_add_text(object, "other_host", row->peer);
    json_add_text(object, "state", states[row->state]);
    json_add_text(object, "word", row->word);
    json_add_text(object, "phase", row->phase);
    add_time(object, "started_ms", row->started_ms);
    add_time(object, "since_ms", row->since_ms);
    add_time(object, "ended_ms", row->ended_ms);
    json_add_text(object, "heard", row->heard);
    add_time(object, "heard_ms", row->heard_ms);
    json_add_text(object, "sentence", row->sentence);
    json_add_text(object, "cause", row->cause);
    return object;
}
