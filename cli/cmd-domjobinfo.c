/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "commands.h"
#include "json.h"
#include "size.h"

static const char *const type_texts[] = {"None",      "Bounded", "Unbounded",
                                         "Completed", "Failed",  "Cancelled"};
static const char *const operation_texts[] = {
    "Unknown",  "Start",           "Save", "Restore", "Incoming migration", "Outgoing migration",
    "Snapshot", "Snapshot revert", "Dump", "Backup",  "Snapshot delete"};

typedef enum { AS_NUMBER, AS_MS, AS_SIZE, AS_SPEED, AS_PAGES, AS_BYTES, AS_PERCENT } Shape;

/* clang-format off */
static const struct {
    const char *param;
    const char *label;
    Shape shape;
} lines[] = {
    { "ferry.waits_for",          "Waits for others:",         AS_NUMBER },
    { "time_elapsed",             "Time elapsed:",             AS_MS },
    { "time_elapsed_net",         "Time elapsed w/o network:", AS_MS },
    { "time_remaining",           "Time remaining:",           AS_MS },
    { "data_processed",           "Data processed:",           AS_SIZE },
    { "data_remaining",           "Data remaining:",           AS_SIZE },
    { "data_total",               "Data total:",               AS_SIZE },
    { "memory_processed",         "Memory processed:",         AS_SIZE },
    { "memory_remaining",         "Memory remaining:",         AS_SIZE },
    { "memory_total",             "Memory total:",             AS_SIZE },
    { "memory_bps",               "Memory bandwidth:",         AS_SPEED },
    { "memory_dirty_rate",        "Dirty rate:",               AS_PAGES },
    { "memory_page_size",         "Page size:",                AS_BYTES },
    { "memory_iteration",         "Iteration:",                AS_NUMBER },
    { "memory_postcopy_requests", "Postcopy requests:",        AS_NUMBER },
    { "disk_processed",           "File processed:",           AS_SIZE },
    { "disk_remaining",           "File remaining:",           AS_SIZE },
    { "disk_total",               "File total:",               AS_SIZE },
    { "disk_bps",                 "File bandwidth:",           AS_SPEED },
    { "memory_constant",          "Constant pages:",           AS_NUMBER },
    { "memory_normal",            "Normal pages:",             AS_NUMBER },
    { "memory_normal_bytes",      "Normal data:",              AS_SIZE },
    { "downtime",                 NULL,                        AS_MS }, /* label by type */
    { "downtime_net",             "Downtime w/o network:",     AS_MS },
    { "setup_time",               "Setup time:",               AS_MS },
    { "compression_cache",        "Compression cache:",        AS_SIZE },
    { "compression_bytes",        "Compressed data:",          AS_SIZE },
    { "compression_pages",        "Compressed pages:",         AS_NUMBER },
    { "compression_cache_misses", "Compression cache misses:", AS_NUMBER },
    { "compression_overflow",     "Compression overflows:",    AS_NUMBER },
    { "auto_converge_throttle",   "Auto converge throttle:",   AS_PERCENT },
    { "disk_temp_used",           "Temporary disk space use:", AS_SIZE },
    { "disk_temp_total",          "Temporary disk space total:", AS_SIZE },
};
/* clang-format on */

static void print_value(const char *label, Shape shape, guint64 value)
{
    const char *unit;
    double size = size_scale(value, &unit);

    switch (shape) {
    case AS_NUMBER:
        printf("%-17s %-12" G_GUINT64_FORMAT "\n", label, value);
        return;
    case AS_MS:
        printf("%-17s %-12" G_GUINT64_FORMAT " ms\n", label, value);
        return;
    case AS_SIZE:
        printf("%-17s %-.3lf %s\n", label, size, unit);
        return;
    case AS_SPEED:
        printf("%-17s %-.3lf %s/s\n", label, size, unit);
        return;
    case AS_PAGES:
        printf("%-17s %-12" G_GUINT64_FORMAT " pages/s\n", label, value);
        return;
    case AS_BYTES:
        printf("%-17s %-12" G_GUINT64_FORMAT " bytes\n", label, value);
        return;
    case AS_PERCENT:
        printf("%-17s %" G_GUINT64_FORMAT "%%\n", label, value);
        return;
    }
}

/* Disks and pages appear only if there are any. */
static gboolean is_shown(const FerryParams *params, const char *name)
{
    uint64_t value = 0, total = 0;

    if (!ferry_params_get_number(params, name, &value))
        return FALSE;
    if (g_str_has_prefix(name, "disk_") && ferry_params_get_number(params, "disk_total", &total) &&
        !total)
        return FALSE;
    return TRUE;
}

static void print_people(FerryJobType type, const FerryParams *params)
{
    uint64_t value;

    if (ferry_params_get_number(params, "operation", &value) &&
        value < G_N_ELEMENTS(operation_texts))
        printf("%-17s %-12s\n", "Operation:", operation_texts[value]);
    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        const char *label = lines[i].label
                                ?: type == FERRY_JOB_COMPLETED ? "Total downtime:"
                                                               : "Expected downtime:";

        if (is_shown(params, lines[i].param) &&
            ferry_params_get_number(params, lines[i].param, &value))
            print_value(label, lines[i].shape, value);
    }
    if (ferry_params_get_string(params, "errmsg"))
        printf("%-17s %s\n", "Error message:", ferry_params_get_string(params, "errmsg"));
}

static void print_raw(FerryJobType type, const FerryParams *params)
{
    printf("Job type: %d\n\n", (int)type);
    for (size_t i = 0; i < ferry_params_count(params); i++) {
        g_autofree char *text = ferry_params_text(params, i);

        printf("%s: %s\n", ferry_params_name(params, i), text);
    }
}

static int run(Session *session, const Arguments *arguments)
{
    g_autoptr(FerryDomain) domain = NULL;
    g_autoptr(FerryParams) params = NULL;
    FerryJobType type = FERRY_JOB_NONE;
    FerryError *error = NULL;
    unsigned flags = 0;

    if (arguments_has(arguments, "keep-completed") && !arguments_has(arguments, "completed"))
        return complain("Option --completed is required by option --keep-completed");
    domain = session_domain(session, arguments);
    if (!domain)
        return EXIT_BAD;
    flags |= arguments_has(arguments, "completed") ? FERRY_JOB_STATS_COMPLETED : 0;
    flags |= arguments_has(arguments, "keep-completed") ? FERRY_JOB_STATS_KEEP_COMPLETED : 0;
    if (!ferry_domain_job_stats(domain, flags, &type, &params, &error))
        return fail(error);
    if (arguments_has(arguments, "json")) {
        json_object *object = json_from_domain(domain);

        json_add_text(object, "type",
                      (unsigned)type < G_N_ELEMENTS(type_texts) ? type_texts[type] : "Unknown");
        json_object_object_add(object, "stats", json_from_params(params));
        json_print(object);
        return EXIT_OK;
    }
    if (arguments_has(arguments, "rawstats")) {
        print_raw(type, params);
    } else {
        printf("%-17s %-12s\n", "Job type:",
               (unsigned)type < G_N_ELEMENTS(type_texts) ? type_texts[type] : "Unknown");
        if (arguments_has(arguments, "anystats") ||
            (type != FERRY_JOB_NONE && type != FERRY_JOB_FAILED && type != FERRY_JOB_CANCELLED))
            print_people(type, params);
    }
    print_end(session);
    return EXIT_OK;
}

static const Option options[] = {
    DOMAIN_OPTION,
    {"completed", OPTION_FLAG, 0, "of the job that ended last"},
    {"keep-completed", OPTION_FLAG, 0, "and leave them to be read again"},
    {"anystats", OPTION_FLAG, 0, "also of a job that failed"},
    {"rawstats", OPTION_FLAG, 0, "as the host sends them"},
    JSON_OPTION,
    {NULL},
};

const Command command_domjobinfo = {
    .name = "domjobinfo",
    .group = GROUP_MIGRATION,
    .summary = "print how far a guest's migration is, or how the last one went",
    .help =
        "To be asked at the source while it runs, and with --completed at either side afterwards.",
    .options = options,
    .run = run,
};
