/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory that guests on their way to this host will need.  A prepared guest holds next to nothing yet, so without this two
 * of them would both find the same memory free. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "migrate/migration.h"

/* Sets the guest's memory aside until reserve_drop or the end of the migration; FALSE if this host has not that much. */
gboolean reserve_take(Migration *migration, uint64_t bytes, GError **error);
void reserve_drop(Migration *migration); /* content to find nothing */
/* Calls fn for every migration that memory is set aside for. */
void reserve_visit(void (*fn)(const Migration *migration, uint64_t bytes, void *data), void *data);
/* What is left for one more guest, and what is set aside. */
gboolean reserve_free(uint64_t *ret_free_bytes, uint64_t *ret_reserved_bytes, GError **error);

/* Pure: is it enough?  FALSE with the sentence. */
gboolean reserve_decide(uint64_t needed_bytes, uint64_t available_bytes, uint64_t reserved_bytes, GError **error);
