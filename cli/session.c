/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What commands share: the connection, domains by name, complaints. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "command.h"

#define FILE_BYTES_MAX (16 * 1024 * 1024)

int complain(const char *format, ...)
{
    va_list args;

    fflush(stdout);
    fputs("error: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return EXIT_BAD;
}

int fail(FerryError *error)
{
    complain("%s", error ? ferry_error_message(error) : "it did not work, and nobody said why");
    ferry_error_free(error);
    return EXIT_BAD;
}

int fail_with(FerryError *error, const char *format, ...)
{
    g_autofree char *what = NULL;
    va_list args;

    va_start(args, format);
    what = g_strdup_vprintf(format, args);
    va_end(args);
    complain("%s", what);
    return fail(error);
}

void say(const Session *session, const char *format, ...)
{
    va_list args;

    if (session->is_quiet)
        return;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    putchar('\n');
}

void print_text(const Session *session, const char *text)
{
    puts(text);
    print_end(session);
}

void print_end(const Session *session)
{
    if (!session->is_quiet)
        putchar('\n');
}

char *read_file(const char *path)
{
    GError *error = NULL;
    char *text;

    if (g_str_equal(path, "-"))
        path = "/dev/stdin";
    if (access(path, R_OK) != 0) {
        complain("Failed to open file '%s': %s", path, g_strerror(errno));
        return NULL;
    }
    text = file_read(path, FILE_BYTES_MAX, NULL, &error);
    if (!text)
        fail(error);
    return text;
}

FerryConnection *session_connect(Session *session)
{
    FerryError *error = NULL;

    if (session->conn)
        return session->conn;
    session->conn =
        ferry_connection_open(session->uri, session->is_readonly ? FERRY_OPEN_READONLY : 0, &error);
    if (!session->conn)
        fail_with(error, "failed to connect to the hypervisor");
    return session->conn;
}

FerryDomain *session_domain(Session *session, const Arguments *arguments)
{
    const char *name = arguments_text(arguments, "domain");
    FerryError *error = NULL;
    FerryDomain *domain;

    if (!session_connect(session))
        return NULL;
    domain = ferry_domain_find(session->conn, name, &error);
    if (!domain)
        fail_with(error, "failed to get domain '%s'", name);
    return domain;
}
