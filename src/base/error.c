/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Errors: GError with the wire's numbers. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define DOMAIN_MAX 80

GQuark error_quark(ErrorDomain domain)
{
    char name[32];

    g_assert((unsigned)domain < DOMAIN_MAX);
    snprintf(name, sizeof name, "ferry-error-%u", (unsigned)domain);
    return g_quark_from_string(name);
}

static gboolean domain_parse(GQuark quark, ErrorDomain *ret_domain)
{
    unsigned number;

    if (sscanf(g_quark_to_string(quark) ?: "", "ferry-error-%u", &number) != 1 || number >= DOMAIN_MAX)
        return FALSE;
    *ret_domain = (ErrorDomain)number;
    return TRUE;
}

ErrorDomain error_domain(const GError *error)
{
    ErrorDomain domain = FROM_QEMU;

    domain_parse(error->domain, &domain);
    return domain;
}

ErrorCode error_code(const GError *error)
{
    ErrorDomain domain;

    return domain_parse(error->domain, &domain) ? (ErrorCode)error->code : ERROR_INTERNAL_ERROR;
}

gboolean error_is(const GError *error, ErrorCode code)
{
    return error && error_code(error) == code;
}

static void G_GNUC_PRINTF(4, 0) set_valist(GError **error, ErrorDomain domain, ErrorCode code, const char *format, va_list args)
{
    if (error)
        *error = g_error_new_valist(error_quark(domain), (int)code, format, args);
}

gboolean error_set(GError **error, ErrorCode code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    set_valist(error, FROM_QEMU, code, format, args);
    va_end(args);
    return FALSE;
}

gboolean error_set_from(GError **error, ErrorDomain domain, ErrorCode code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    set_valist(error, domain, code, format, args);
    va_end(args);
    return FALSE;
}

gboolean error_errno(GError **error, const char *format, ...)
{
    const char *reason = g_strerror(errno);
    g_autofree char *what = NULL;
    va_list args;

    va_start(args, format);
    what = g_strdup_vprintf(format, args);
    va_end(args);
    return error_set(error, ERROR_SYSTEM_ERROR, "%s: %s", what, reason);
}

GError *error_new(ErrorCode code, const char *format, ...)
{
    GError *error = NULL;
    va_list args;

    va_start(args, format);
    set_valist(&error, FROM_QEMU, code, format, args);
    va_end(args);
    return error;
}
