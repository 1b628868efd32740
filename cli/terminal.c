/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest's console on this terminal. */
#include "terminal.h"

#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define ESCAPE 0x1d /* Ctrl-] */

static void write_out(const void *bytes, size_t len, void *data)
{
    const char *next = bytes;

    while (len > 0) {
        ssize_t written = write(STDOUT_FILENO, next, len);

        if (written <= 0)
            return;
        next += written;
        len -= (size_t)written;
    }
}

/* TRUE: go on.  What is typed goes to the guest, up to the escape. */
static gboolean pass_input(FerryStream *stream, gboolean *has_input)
{
    char buffer[1024];
    ssize_t len = read(STDIN_FILENO, buffer, sizeof buffer);
    char *escape = len > 0 ? memchr(buffer, ESCAPE, (size_t)len) : NULL;

    if (len <= 0) {
        *has_input = FALSE; /* not a terminal and at its end: the guest may still speak */
        return isatty(STDIN_FILENO) == 0;
    }
    ferry_stream_send(stream, buffer, escape ? (size_t)(escape - buffer) : (size_t)len);
    return !escape;
}

static gboolean copy(Session *session, FerryStream *stream, FerryError **error)
{
    gboolean has_input = TRUE;

    while (ferry_stream_is_open(stream, error)) {
        if (!ferry_connection_wait(session->conn, has_input ? STDIN_FILENO : -1, -1, error))
            return FALSE;
        if (has_input) {
            fd_set ready;
            struct timeval now = {0};

            FD_ZERO(&ready);
            FD_SET(STDIN_FILENO, &ready);
            if (select(STDIN_FILENO + 1, &ready, NULL, NULL, &now) > 0 &&
                !pass_input(stream, &has_input))
                return TRUE;
        }
    }
    return !*error;
}

int terminal_run(Session *session, FerryDomain *domain, const char *devname, unsigned flags)
{
    gboolean is_tty = isatty(STDIN_FILENO);
    struct termios before, raw;
    FerryError *error = NULL;
    FerryStream *stream;
    gboolean ok;

    if (!session->is_quiet)
        printf("Connected to domain '%s'\nEscape character is ^] (Ctrl + ])\n",
               ferry_domain_name(domain));
    fflush(stdout);
    stream = ferry_domain_console(domain, devname, flags, write_out, NULL, &error);
    if (!stream)
        return fail(error);
    if (is_tty && tcgetattr(STDIN_FILENO, &before) == 0) {
        raw = before;
        cfmakeraw(&raw);
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
    }
    ok = copy(session, stream, &error);
    if (is_tty)
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    ferry_stream_close(stream);
    putchar('\n');
    return ok ? EXIT_OK : fail(error);
}
