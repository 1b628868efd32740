/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the argument builder share. */
#pragma once

#include <json-c/json.h>

#include "qemu/argv.h"

typedef struct {
    const GuestDef *def;
    const QemuArgvPlan *plan;
    GPtrArray *argv; /* of char * */
} ArgvBuilder;

void argv_add(ArgvBuilder *builder, const char *option, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
/* Takes object. */
void argv_add_json(ArgvBuilder *builder, const char *option, json_object *object);
/* A value of a key=value option: its commas doubled.  The caller frees. */
char *argv_escape(const char *text);
const QemuDescriptor *argv_find_descriptor(const ArgvBuilder *builder, const char *alias);

/* Every device, in stock's order; -incoming stands in the midst of them. */
gboolean argv_add_devices(ArgvBuilder *builder, GError **error);
