/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Typed parameters. */
#include "base/params.h"

#include "base/enum.h"
#include "base/error.h"

static const EnumName type_names[] = {
    {"int", PARAM_INT},       {"unsigned int", PARAM_UINT}, {"long long", PARAM_LLONG}, {"unsigned long long", PARAM_ULLONG},
    {"double", PARAM_DOUBLE}, {"boolean", PARAM_BOOL},      {"string", PARAM_STRING},   {NULL},
};

Params *params_new(void)
{
    return g_new0(Params, 1);
}

static void param_clear(Param *param)
{
    g_free(param->name);
    if (param->type == PARAM_STRING)
        g_free(param->value.s);
}

void params_free(Params *params)
{
    if (!params)
        return;
    for (size_t i = 0; i < params->count; i++)
        param_clear(&params->items[i]);
    g_free(params->items);
    g_free(params);
}

static Param *param_add(Params *params, const char *name, ParamType type)
{
    Param *param;

    if (params->count == params->room) {
        params->room = MAX(8, params->room * 2);
        params->items = g_renew(Param, params->items, params->room);
    }
    param = &params->items[params->count++];
    *param = (Param){.name = g_strdup(name), .type = type};
    return param;
}

void params_add_copy(Params *params, const Param *param)
{
    Param *copy = param_add(params, param->name, param->type);

    copy->value = param->value;
    if (param->type == PARAM_STRING)
        copy->value.s = g_strdup(param->value.s);
}

Params *params_copy(const Params *params)
{
    Params *copy = params_new();

    for (size_t i = 0; i < params->count; i++)
        params_add_copy(copy, &params->items[i]);
    return copy;
}

void params_add_int(Params *params, const char *name, int32_t value)
{
    param_add(params, name, PARAM_INT)->value.i = value;
}

void params_add_uint(Params *params, const char *name, uint32_t value)
{
    param_add(params, name, PARAM_UINT)->value.u = value;
}

void params_add_llong(Params *params, const char *name, int64_t value)
{
    param_add(params, name, PARAM_LLONG)->value.l = value;
}

void params_add_ullong(Params *params, const char *name, uint64_t value)
{
    param_add(params, name, PARAM_ULLONG)->value.ul = value;
}

void params_add_double(Params *params, const char *name, double value)
{
    param_add(params, name, PARAM_DOUBLE)->value.d = value;
}

void params_add_bool(Params *params, const char *name, gboolean value)
{
    param_add(params, name, PARAM_BOOL)->value.b = value;
}

void params_add_string(Params *params, const char *name, const char *value)
{
    param_add(params, name, PARAM_STRING)->value.s = g_strdup(value);
}

void params_remove(Params *params, const char *name)
{
    size_t kept = 0;

    for (size_t i = 0; i < params->count; i++) {
        if (g_str_equal(params->items[i].name, name))
            param_clear(&params->items[i]);
        else
            params->items[kept++] = params->items[i];
    }
    params->count = kept;
}

const Param *params_find(const Params *params, const char *name)
{
    for (size_t i = 0; params && i < params->count; i++)
        if (g_str_equal(params->items[i].name, name))
            return &params->items[i];
    return NULL;
}

const char *params_get_string(const Params *params, const char *name)
{
    const Param *param = params_find(params, name);

    return param && param->type == PARAM_STRING ? param->value.s : NULL;
}

uint64_t params_get_ullong(const Params *params, const char *name, uint64_t fallback)
{
    const Param *param = params_find(params, name);

    return param && param->type == PARAM_ULLONG ? param->value.ul : fallback;
}

int32_t params_get_int(const Params *params, const char *name, int32_t fallback)
{
    const Param *param = params_find(params, name);

    return param && param->type == PARAM_INT ? param->value.i : fallback;
}

gboolean params_check(const Params *params, const ParamRule *rules, GError **error)
{
    for (size_t i = 0; i < params->count; i++) {
        const Param *param = &params->items[i];
        const ParamRule *rule = rules;

        while (rule->name && !g_str_equal(rule->name, param->name))
            rule++;
        if (!rule->name)
            return error_set(error, ERROR_INVALID_ARG, "parameter '%s' is not supported", param->name);
        if (rule->type != param->type)
            return error_set(error, ERROR_INVALID_ARG, "parameter '%s' has type '%s', but '%s' is expected",
                             param->name, enum_name(type_names, param->type) ?: "unknown",
                             enum_name(type_names, rule->type));
        if (!rule->may_repeat && params_find(params, param->name) != param)
            return error_set(error, ERROR_INVALID_ARG, "parameter '%s' is given twice", param->name);
    }
    return TRUE;
}
