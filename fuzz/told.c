/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A sealed word of a migration, as a peer or a caller brings it: what can be read without the token, and what is under it. */
#include <string.h>

#include "migrate/told.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t token[HELLO_TOKEN_BYTES] = "a token that the fuzzer does see";
    g_autofree uint8_t *sealed = NULL;
    Told told;

    if (told_peek(data, size, &told))
        told_open(data, size, token, &told);
    if (size < TOLD_HEAD_BYTES || size > TOLD_BYTES_MAX - HELLO_MAC_BYTES)
        return 0;
    sealed = g_malloc(size + HELLO_MAC_BYTES); /* with the right MAC, so that what follows is read */
    memcpy(sealed, data, size);
    told_mac(token, sealed, size, sealed + size);
    if (told_open(sealed, size + HELLO_MAC_BYTES, token, &told))
        g_bytes_unref(told_seal(&told, token, sealed));
    return 0;
}
