/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Errors and memory as callers of the library see them. */
#include <ferry/ferry.h>
#include <glib.h>

#include "base/error.h"

const char *ferry_version(void)
{
    return FERRY_LIBRARY_VERSION;
}

void ferry_free(void *memory)
{
    g_free(memory);
}

void ferry_strv_free(char **texts)
{
    g_strfreev(texts);
}

int ferry_error_code(const FerryError *error)
{
    return error ? (int)error_code(error) : 0;
}

int ferry_error_domain(const FerryError *error)
{
    return error ? (int)error_domain(error) : 0;
}

const char *ferry_error_message(const FerryError *error)
{
    return error ? error->message : "";
}

void ferry_error_free(FerryError *error)
{
    if (error)
        g_error_free(error);
}
