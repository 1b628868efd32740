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

/* A GError has no place for an errno, and it must stay with the error wherever that is copied or prefixed. */
GQuark error_quark_errno(ErrorDomain domain, int number)
{
    char name[48];

    if (number < 1 || number > ERROR_ERRNO_MAX)
        return error_quark(domain);
    g_assert((unsigned)domain < DOMAIN_MAX);
    snprintf(name, sizeof name, "ferry-error-%u-errno-%d", (unsigned)domain, number);
    return g_quark_from_string(name);
}

static gboolean quark_parse(GQuark quark, ErrorDomain *ret_domain, int *ret_errno)
{
    unsigned domain;
    int number = -1;

    if (sscanf(g_quark_to_string(quark) ?: "", "ferry-error-%u-errno-%d", &domain, &number) < 1 ||
        domain >= DOMAIN_MAX)
        return FALSE;
    *ret_domain = (ErrorDomain)domain;
    *ret_errno = number;
    return TRUE;
}

ErrorDomain error_domain(const GError *error)
{
    ErrorDomain domain = FROM_QEMU;
    int number;

    quark_parse(error->domain, &domain, &number);
    return domain;
}

int error_get_errno(const GError *error)
{
    ErrorDomain domain;
    int number = -1;

    quark_parse(error->domain, &domain, &number);
    return number;
}

ErrorCode error_code(const GError *error)
{
    ErrorDomain domain;
    int number;

    return quark_parse(error->domain, &domain, &number) ? (ErrorCode)error->code : ERROR_INTERNAL_ERROR;
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
    const int number = errno;
    g_autofree char *what = NULL;
    va_list args;

    va_start(args, format);
    what = g_strdup_vprintf(format, args);
    va_end(args);
    if (error)
        *error = g_error_new(error_quark_errno(FROM_QEMU, number), ERROR_SYSTEM_ERROR, "%s: %s", what,
                             g_strerror(number));
    return FALSE;
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
