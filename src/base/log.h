/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The log: one event, one line.  error: an operator must act; warning: something is worse than asked;
 * info: a guest changed state; debug: everything on the wire.  Pure code does not log. */
#pragma once

#include <glib.h>

typedef enum { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG } LogLevel;

/* Lines up to this level are written, to stderr as "TIME LEVEL text KEY=value …" with the syslog prefix "<N>"
 * instead of the time when stderr is the journal. */
void log_set_level(LogLevel level);
gboolean log_is_on(LogLevel level);

/* fields: "DOMAIN", name, "PHASE", phase, …, NULL; or NULL. */
void log_write(LogLevel level, const char *const *fields, const char *format, ...) G_GNUC_PRINTF(3, 4);

#define LOG_FIELDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define log_error(...) log_write(LOG_LEVEL_ERROR, NULL, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, NULL, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, NULL, __VA_ARGS__)
#define log_debug(...)                                                                                       \
    do {                                                                                                     \
        if (log_is_on(LOG_LEVEL_DEBUG))                                                                      \
            log_write(LOG_LEVEL_DEBUG, NULL, __VA_ARGS__);                                                   \
    } while (0)
