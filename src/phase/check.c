/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "phase/check.h"

#include <string.h>

const EnumName check_verdict_names[] = {
    {"ok", CHECK_OK},
    {"warning", CHECK_WARNING},
    {"blocker", CHECK_BLOCKER},
    {"unknown", CHECK_UNKNOWN},
    {NULL},
};

/* What stands before a sentence for programs that match it, and tells people nothing. */
static const char *const leading_words[] = {
    "Requested operation is not valid: ", "operation failed: ", "internal error: ",
    "unsupported configuration: ",        "invalid argument: ",
    "Unsafe migration: Migration without shared storage is unsafe: ",
};

static void row_free(gpointer data)
{
    CheckRow *row = data;

    g_free(row->section);
    g_free(row->name);
    g_free(row->host);
    g_free(row->cause);
    g_free(row->remedy);
    g_clear_error(&row->error);
    g_free(row);
}

GPtrArray *check_rows_new(void)
{
    return g_ptr_array_new_with_free_func(row_free);
}

/* Sentences end in their remedy: "CAUSE; REMEDY". */
static CheckRow *add(GPtrArray *rows, const char *section, const char *name, CheckVerdict verdict,
                     const char *sentence)
{
    CheckRow *row = g_new0(CheckRow, 1);
    const char *semicolon;

    for (size_t i = 0; i < G_N_ELEMENTS(leading_words); i++)
        if (g_str_has_prefix(sentence, leading_words[i]))
            sentence += strlen(leading_words[i]);
    if (g_str_has_prefix(sentence, name) && g_str_has_prefix(sentence + strlen(name), ": "))
        sentence += strlen(name) + 2; /* it stands beside already */
    semicolon = g_strrstr(sentence, "; ");
    row->section = g_strdup(section);
    row->name = g_strdup(name);
    row->verdict = verdict;
    row->cause = semicolon ? g_strndup(sentence, (gsize)(semicolon - sentence)) : g_strdup(sentence);
    row->remedy = semicolon ? g_strdup(semicolon + 2) : NULL;
    g_ptr_array_add(rows, row);
    return row;
}

CheckRow *check_rows_add(GPtrArray *rows, const char *section, const char *name,
                         CheckVerdict verdict, const char *format, ...)
{
    g_autofree char *sentence = NULL;
    va_list args;

    va_start(args, format);
    sentence = g_strdup_vprintf(format, args);
    va_end(args);
    return add(rows, section, name, verdict, sentence);
}

CheckRow *check_rows_add_error(GPtrArray *rows, const char *section, const char *name,
                               CheckVerdict verdict, GError *error)
{
    CheckRow *row = add(rows, section, name, verdict, error->message);

    row->error = error;
    return row;
}

CheckRow *check_rows_block(GPtrArray *rows, const char *section, const char *name, ErrorCode code,
                           const char *format, ...)
{
    g_autofree char *sentence = NULL;
    va_list args;

    va_start(args, format);
    sentence = g_strdup_vprintf(format, args);
    va_end(args);
    return check_rows_add_error(rows, section, name, CHECK_BLOCKER, error_new(code, "%s", sentence));
}

void check_row_advise(CheckRow *row, char *remedy)
{
    if (row->remedy) {
        g_autofree char *cause = g_steal_pointer(&row->cause);

        row->cause = g_strconcat(cause, "; ", row->remedy, NULL);
        g_free(row->remedy);
    }
    row->remedy = remedy;
}

void check_rows_set_host(GPtrArray *rows, const char *host)
{
    check_rows_each(row, rows)
        if (!row->host)
            row->host = g_strdup(host);
}

void check_rows_take(GPtrArray *rows, GPtrArray *more)
{
    g_ptr_array_extend_and_steal(rows, more);
}

unsigned check_rows_count(const GPtrArray *rows, CheckVerdict verdict)
{
    unsigned count = 0;

    check_rows_each(row, rows)
        count += row->verdict == verdict;
    return count;
}

gboolean check_rows_pass(const GPtrArray *rows, GError **error)
{
    check_rows_each(row, rows) {
        if (row->verdict != CHECK_BLOCKER)
            continue;
        if (row->error)
            g_propagate_error(error, g_error_copy(row->error));
        else
            error_set(error, ERROR_OPERATION_FAILED, "operation failed: %s%s%s", row->cause,
                      row->remedy ? "; " : "", row->remedy ?: "");
        return FALSE;
    }
    return TRUE;
}

void check_rows_sort(GPtrArray *rows)
{
    static const CheckVerdict order[CHECK_VERDICTS] = {CHECK_BLOCKER, CHECK_UNKNOWN, CHECK_WARNING,
                                                       CHECK_OK};
    g_autofree gpointer *sorted = g_new(gpointer, rows->len + 1);
    guint count = 0;

    for (unsigned rank = 0; rank < CHECK_VERDICTS; rank++)
        check_rows_each(row, rows)
            if (row->verdict == order[rank])
                sorted[count++] = row;
    memcpy(rows->pdata, sorted, count * sizeof *sorted);
}

/* --- the forecast --- */

#define PASSES_MAX 200

void forecast_make(const ForecastFacts *facts, Forecast *ret_forecast)
{
    const double speed = (double)MAX(facts->bytes_per_s, 1);
    const double patience_s = (double)facts->downtime_ms / 1000;
    double left = (double)facts->ram_bytes;
    double sent = 0;

    *ret_forecast = (Forecast){0};
    for (unsigned pass = 0; pass < PASSES_MAX && left / speed > patience_s; pass++) {
        double dirtied = left / speed * (double)facts->dirty_bytes_per_s;

        sent += left;
        if (pass > 0 && dirtied >= left) /* the guest writes at least as fast as can be sent */
            return;
        left = MIN(dirtied, (double)facts->ram_bytes);
    }
    ret_forecast->converges = left / speed <= patience_s;
    sent += left;
    ret_forecast->bytes = (uint64_t)sent;
    ret_forecast->total_ms = (uint64_t)(sent / speed * 1000);
    ret_forecast->downtime_ms = (uint64_t)(left / speed * 1000);
}
