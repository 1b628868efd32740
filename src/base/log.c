/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The log. */
#include "base/log.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

static _Atomic int max_level = LOG_LEVEL_INFO;

static const struct {
    const char *word;
    int syslog;
} levels[] = {
    [LOG_LEVEL_ERROR] = {"error", 3},
    [LOG_LEVEL_WARNING] = {"warning", 4},
    [LOG_LEVEL_INFO] = {"info", 6},
    [LOG_LEVEL_DEBUG] = {"debug", 7},
};

void log_set_level(LogLevel level)
{
    max_level = level;
}

gboolean log_is_on(LogLevel level)
{
    return (int)level <= max_level;
}

/* Control bytes of foreign text would forge lines. */
static void append_clean(GString *line, const char *text)
{
    for (; *text; text++)
        g_string_append_c(line, (unsigned char)*text < 0x20 ? ' ' : *text);
}

void log_write(LogLevel level, const char *const *fields, const char *format, ...)
{
    g_autoptr(GString) line = NULL;
    g_autofree char *text = NULL;
    va_list args;

    if (!log_is_on(level))
        return;
    line = g_string_sized_new(160);
    if (getenv("JOURNAL_STREAM")) {
        g_string_append_printf(line, "<%d>", levels[level].syslog);
    } else {
        g_autoptr(GDateTime) now = g_date_time_new_now_utc();
        g_autofree char *stamp = g_date_time_format(now, "%F %T.%f");

        stamp[23] = '\0'; /* milliseconds */
        g_string_append_printf(line, "%s %s ", stamp, levels[level].word);
    }
    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    append_clean(line, text);
    for (; fields && fields[0] && fields[1]; fields += 2) {
        g_string_append_printf(line, " %s=", fields[0]);
        append_clean(line, fields[1]);
    }
    g_string_append_c(line, '\n');
    if (write(STDERR_FILENO, line->str, line->len) < 0)
        return; /* nowhere left to complain to */
}
