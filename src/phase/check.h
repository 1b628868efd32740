/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is found out before a guest moves: rows, each with a verdict, the cause and what mends it.
 * Both daemons and the library make them; a migration stops at the first blocker among those that
 * matter to it. Pure. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "base/enum.h"
#include "base/error.h"

typedef enum { /* wire values */
               CHECK_OK,
               CHECK_WARNING, /* it can work, but worse than it could */
               CHECK_BLOCKER, /* it cannot work */
               CHECK_UNKNOWN, /* nobody could tell; never a softer word for ok */
} CheckVerdict;
#define CHECK_VERDICTS 4

extern const EnumName check_verdict_names[];

typedef struct {
    char *section; /* "storage" */
    char *name;    /* "disk 'vda'" */
    char *host;    /* that was looked at or looked from; NULL: not said */
    CheckVerdict verdict;
    char *cause;   /* what was found */
    char *remedy;  /* what to do; NULL: nothing */
    GError *error; /* of a blocker: as a migration says it; does not travel */
} CheckRow;

#define CHECK_ROWS_MAX 512 /* of one answer */

/* Of CheckRow *, which it owns. */
GPtrArray *check_rows_new(void);
/* Adds one; the sentence may hold the remedy behind its last "; ".  The row is the list's. */
CheckRow *check_rows_add(GPtrArray *rows, const char *section, const char *name,
                         CheckVerdict verdict, const char *format, ...) G_GNUC_PRINTF(5, 6);
/* The same, of what a function had to say.  Takes error. */
CheckRow *check_rows_add_error(GPtrArray *rows, const char *section, const char *name,
                               CheckVerdict verdict, GError *error);
/* A blocker with the code and the words that a migration answers with. */
CheckRow *check_rows_block(GPtrArray *rows, const char *section, const char *name, ErrorCode code,
                           const char *format, ...) G_GNUC_PRINTF(5, 6);
/* Another remedy than the sentence has; what stood there belongs to the cause then.  Takes remedy. */
void check_row_advise(CheckRow *row, char *remedy);
/* Every row without a host gets this one. */
void check_rows_set_host(GPtrArray *rows, const char *host);
/* Appends those of more (taken). */
void check_rows_take(GPtrArray *rows, GPtrArray *more);
unsigned check_rows_count(const GPtrArray *rows, CheckVerdict verdict);
/* FALSE with the first blocker as the error. */
gboolean check_rows_pass(const GPtrArray *rows, GError **error);
/* Blockers, then unknown, then warnings, then what is well; otherwise as they came. */
void check_rows_sort(GPtrArray *rows);

#define check_rows_each(row, rows)                                                                 \
    for (guint i_ = 0; i_ < (rows)->len; i_++)                                                     \
        for (CheckRow *row = g_ptr_array_index((rows), i_); row; row = NULL)

/* --- the forecast --- */

typedef struct {
    uint64_t ram_bytes;          /* that QEMU holds for the guest now: what the first pass sends */
    uint64_t bytes_per_s;        /* of the way, or of the limit that the user has set */
    uint64_t dirty_bytes_per_s;  /* that the guest writes */
    uint64_t downtime_ms;        /* at which QEMU switches over */
} ForecastFacts;

typedef struct {
    gboolean converges;
    uint64_t bytes;
    uint64_t total_ms;
    uint64_t downtime_ms;
} Forecast;

/* Pass by pass: each sends what was written during the one before. */
void forecast_make(const ForecastFacts *facts, Forecast *ret_forecast);
