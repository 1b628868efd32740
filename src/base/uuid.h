/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* UUIDs: 16 bytes, and their usual text. */
#pragma once

#include <glib.h>
#include <stdint.h>

#define UUID_TEXT_SIZE 37 /* with the NUL */

typedef struct {
    uint8_t bytes[16];
} Uuid;

void uuid_generate(Uuid *ret_uuid); /* random, version 4 */
/* With or without dashes and blanks around, as the ecosystem writes them. */
gboolean uuid_parse(const char *text, Uuid *ret_uuid);
/* Writes the dashed lower-case form and returns text. */
char *uuid_format(const Uuid *uuid, char text[UUID_TEXT_SIZE]);
gboolean uuid_equal(const Uuid *a, const Uuid *b);
gboolean uuid_is_null(const Uuid *uuid);
/* For hash tables keyed by `const Uuid *`. */
unsigned uuid_hash(gconstpointer uuid);
gboolean uuid_hash_equal(gconstpointer a, gconstpointer b);
