/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Typed parameters on the wire: the same list in two shapes. */
#include "wire/params.h"

#include <string.h>

#include "base/error.h"

static void add_one(Params *params, const WireTypedParam *item)
{
    const WireTypedParamValue *value = &item->value;

    switch ((ParamType)value->selector) {
    case PARAM_INT:
        params_add_int(params, item->field, value->int32);
        break;
    case PARAM_UINT:
        params_add_uint(params, item->field, value->uint32);
        break;
    case PARAM_LLONG:
        params_add_llong(params, item->field, value->int64);
        break;
    case PARAM_ULLONG:
        params_add_ullong(params, item->field, value->uint64);
        break;
    case PARAM_DOUBLE:
        params_add_double(params, item->field, value->f64);
        break;
    case PARAM_BOOL:
        params_add_bool(params, item->field, value->int32 != 0);
        break;
    case PARAM_STRING:
        params_add_string(params, item->field, value->str);
        break;
    }
}

Params *wire_params_decode(const WireTypedParam *items, uint32_t count, GError **error)
{
    g_autoptr(Params) params = params_new();

    for (uint32_t i = 0; i < count; i++) {
        size_t len = strlen(items[i].field);

        if (len == 0 || len > WIRE_PARAM_NAME_MAX) {
            error_set(error, ERROR_INVALID_ARG, "parameter name of %zu bytes, allowed are 1 to %d",
                      len, WIRE_PARAM_NAME_MAX);
            return NULL;
        }
        add_one(params, &items[i]);
    }
    return g_steal_pointer(&params);
}

WireTypedParam *wire_params_encode(const Params *params, gboolean with_strings, Arena *arena,
                                   uint32_t *ret_count)
{
    WireTypedParam *items = arena_new0(arena, WireTypedParam, params->count);
    uint32_t count = 0;

    for (size_t i = 0; i < params->count; i++) {
        const Param *param = &params->items[i];
        WireTypedParamValue *value = &items[count].value;

        if (param->type == PARAM_STRING && !with_strings)
            continue;
        items[count++].field = arena_strdup(arena, param->name);
        value->selector = (int32_t)param->type;
        switch (param->type) {
        case PARAM_INT:
            value->int32 = param->value.i;
            break;
        case PARAM_UINT:
            value->uint32 = param->value.u;
            break;
        case PARAM_LLONG:
            value->int64 = param->value.l;
            break;
        case PARAM_ULLONG:
            value->uint64 = param->value.ul;
            break;
        case PARAM_DOUBLE:
            value->f64 = param->value.d;
            break;
        case PARAM_BOOL:
            value->int32 = param->value.b ? 1 : 0;
            break;
        case PARAM_STRING:
            value->str = arena_strdup(arena, param->value.s);
            break;
        }
    }
    *ret_count = count;
    return items;
}
