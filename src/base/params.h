/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Typed parameters: the wire's list of (name, type, value).  Names may repeat. */
#pragma once

#include <glib.h>
#include <stdint.h>

typedef enum { /* wire values, protocol/types.tsv typed_param_* */
    PARAM_INT = 1,
    PARAM_UINT = 2,
    PARAM_LLONG = 3,
    PARAM_ULLONG = 4,
    PARAM_DOUBLE = 5,
    PARAM_BOOL = 6,
    PARAM_STRING = 7,
} ParamType;

typedef struct {
    char *name;
    ParamType type;
    union {
        int32_t i;
        uint32_t u;
        int64_t l;
        uint64_t ul;
        double d;
        gboolean b;
        char *s;
    } value;
} Param;

typedef struct {
    Param *items;
    size_t count;
    size_t room;
} Params; /* owns names and strings */

Params *params_new(void);
void params_free(Params *params);
Params *params_copy(const Params *params);

void params_add_int(Params *params, const char *name, int32_t value);
void params_add_uint(Params *params, const char *name, uint32_t value);
void params_add_llong(Params *params, const char *name, int64_t value);
void params_add_ullong(Params *params, const char *name, uint64_t value);
void params_add_double(Params *params, const char *name, double value);
void params_add_bool(Params *params, const char *name, gboolean value);
void params_add_string(Params *params, const char *name, const char *value);
void params_add_copy(Params *params, const Param *param);
/* Removes every entry of that name. */
void params_remove(Params *params, const char *name);

/* The first of that name and type, or NULL / the fallback. */
const Param *params_find(const Params *params, const char *name);
const char *params_get_string(const Params *params, const char *name);
uint64_t params_get_ullong(const Params *params, const char *name, uint64_t fallback);
int32_t params_get_int(const Params *params, const char *name, int32_t fallback);

/* What a call accepts. */
typedef struct {
    const char *name;
    ParamType type;
    gboolean may_repeat;
} ParamRule; /* a table ends with { NULL } */

/* Unknown name, wrong type or a forbidden repetition: ERROR_INVALID_ARG, naming it. */
gboolean params_check(const Params *params, const ParamRule *rules, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Params, params_free)
