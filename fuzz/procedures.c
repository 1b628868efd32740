/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Arguments and results of all procedures: two bytes choose the row, the rest is the body.  What
 * decodes, encodes, and decodes again to the same bytes. */
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "wire/error.h"
#include "wire/params.h"
#include "wire/procedures.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The n-th body of all tables, round and round. */
static const WireType *body_of(unsigned n)
{
    size_t total = 0;

    for (const WireProgram *program = wire_programs; program->name; program++)
        total += program->procedure_count * 2;
    n %= total;
    for (const WireProgram *program = wire_programs; program->name; program++) {
        if (n < program->procedure_count * 2)
            return n % 2 ? program->procedures[n / 2].ret : program->procedures[n / 2].args;
        n -= program->procedure_count * 2;
    }
    return NULL;
}

/* Parameters of any body that has nothing else. */
static void try_params(const WireType *type, const void *value)
{
    const RemoteNodeSetMemoryParametersArgs *args = value;

    if (type == wire_procedure_get(REMOTE_PROGRAM, REMOTE_NODE_SET_MEMORY_PARAMETERS)->args)
        params_free(wire_params_decode(args->params, args->params_count, NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(Arena) arena = arena_new();
    g_autoptr(GByteArray) once = g_byte_array_new();
    g_autoptr(GByteArray) twice = g_byte_array_new();
    g_autofree char *text = NULL;
    const WireType *type;
    const void *value;
    gboolean is_encoded;

    if (size < 2)
        return 0;
    type = body_of(data[0] << 8 | data[1]);
    if (!type) { /* no body: an error's, then */
        g_autoptr(GError) error = wire_error_decode(data + 2, size - 2);

        wire_error_encode(once, error);
        return 0;
    }
    value = wire_decode(type, data + 2, size - 2, arena, NULL);
    if (!value)
        return 0;
    try_params(type, value);
    text = wire_format(type, value);
    is_encoded = wire_encode(type, value, once, NULL);
    g_assert(is_encoded);
    value = wire_decode(type, once->data, once->len, arena, NULL);
    g_assert(value);
    is_encoded = wire_encode(type, value, twice, NULL);
    g_assert(is_encoded && once->len == twice->len &&
             memcmp(once->data, twice->data, once->len) == 0);
    return 0;
}
