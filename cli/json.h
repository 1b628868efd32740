/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON for programs: one document on stdout. */
#pragma once

#include <ferry/ferry.h>
#include <glib.h>
#include <json-c/json.h>

/* Prints and frees it. */
void json_print(json_object *object);
/* Adds; a NULL text becomes null. */
void json_add_text(json_object *object, const char *name, const char *text);
void json_add_number(json_object *object, const char *name, guint64 number);
void json_add_bool(json_object *object, const char *name, gboolean value);
/* Names of parameters as they are, values by their type. */
json_object *json_from_params(const FerryParams *params);
json_object *json_from_domain(const FerryDomain *domain);
json_object *json_from_migration(const FerryMigrationRow *row);
