/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Typed parameters as callers of the library see them. */
#include "base/params.h"

#include "connection.h"

FerryParams *ferry_params_take(Params *list)
{
    FerryParams *params = g_new0(FerryParams, 1);

    params->list = list;
    return params;
}

FerryParams *ferry_params_new(void)
{
    return ferry_params_take(params_new());
}

void ferry_params_free(FerryParams *params)
{
    if (!params)
        return;
    params_free(params->list);
    g_free(params);
}

size_t ferry_params_count(const FerryParams *params)
{
    return params ? params->list->count : 0;
}

static const Param *at(const FerryParams *params, size_t index)
{
    return params && index < params->list->count ? &params->list->items[index] : NULL;
}

const char *ferry_params_name(const FerryParams *params, size_t index)
{
    const Param *param = at(params, index);

    return param ? param->name : NULL;
}

FerryParamType ferry_params_type(const FerryParams *params, size_t index)
{
    const Param *param = at(params, index);

    return param ? (FerryParamType)param->type : (FerryParamType)0;
}

char *ferry_params_text(const FerryParams *params, size_t index)
{
    const Param *param = at(params, index);

    switch (param ? param->type : 0) {
    case PARAM_INT:
        return g_strdup_printf("%d", param->value.i);
    case PARAM_UINT:
        return g_strdup_printf("%u", param->value.u);
    case PARAM_LLONG:
        return g_strdup_printf("%" G_GINT64_FORMAT, param->value.l);
    case PARAM_ULLONG:
        return g_strdup_printf("%" G_GUINT64_FORMAT, param->value.ul);
    case PARAM_DOUBLE:
        return g_strdup_printf("%f", param->value.d);
    case PARAM_BOOL:
        return g_strdup(param->value.b ? "1" : "0");
    case PARAM_STRING:
        return g_strdup(param->value.s);
    }
    return NULL;
}

bool ferry_params_get_number(const FerryParams *params, const char *name, uint64_t *ret_value)
{
    const Param *param = params ? params_find(params->list, name) : NULL;
    int64_t value = -1;

    switch (param ? param->type : 0) {
    case PARAM_ULLONG:
        *ret_value = param->value.ul;
        return true;
    case PARAM_INT:
        value = param->value.i;
        break;
    case PARAM_UINT:
        value = param->value.u;
        break;
    case PARAM_LLONG:
        value = param->value.l;
        break;
    case PARAM_BOOL:
        value = param->value.b;
        break;
    default:
        break;
    }
    if (value < 0)
        return false;
    *ret_value = (uint64_t)value;
    return true;
}

const char *ferry_params_get_string(const FerryParams *params, const char *name)
{
    return params ? params_get_string(params->list, name) : NULL;
}

void ferry_params_add_int(FerryParams *params, const char *name, int32_t value)
{
    params_add_int(params->list, name, value);
}

void ferry_params_add_ullong(FerryParams *params, const char *name, uint64_t value)
{
    params_add_ullong(params->list, name, value);
}

void ferry_params_add_string(FerryParams *params, const char *name, const char *value)
{
    params_add_string(params->list, name, value);
}
