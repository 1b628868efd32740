/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The driver: rows, and the loop that walks them. */
#include "phase/driver.h"

#include <stdarg.h>

#include "base/error.h"
#include "phase/flags.h"
#include "phase/uri.h"

const EnumName phase_names[] = {
    {"begin", PHASE_BEGIN},
    {"prepare", PHASE_PREPARE},
    {"address", PHASE_ADDRESS},
    {"perform", PHASE_PERFORM},
    {"finish", PHASE_FINISH},
    {"confirm", PHASE_CONFIRM},
    {NULL},
};

static gboolean run_begin(const PhaseEndpoints *at, PhaseRun *run, GError **error)
{
    return at->begin(at->source, run, error);
}

static gboolean run_prepare(const PhaseEndpoints *at, PhaseRun *run, GError **error)
{
    return at->prepare(at->destination, run, error);
}

/* What the destination says counts, even against the user: it may have added the port. */
static gboolean run_address(const PhaseEndpoints *at, PhaseRun *run, GError **error)
{
    if (run->is_unwanted)
        return error_set(error, ERROR_OPERATION_ABORTED,
                         "operation aborted: job 'migration out' canceled by client");
    run->uri = run->uri_out ?: params_get_string(run->params, MIGRATE_PARAM_URI);
    if (!run->uri)
        return error_set(error, ERROR_INTERNAL_ERROR,
                         "internal error: domainMigratePrepare3 did not set uri");
    return TRUE;
}

static gboolean run_perform(const PhaseEndpoints *at, PhaseRun *run, GError **error)
{
    return at->perform(at->source, run, error);
}

static gboolean run_finish(const PhaseEndpoints *at, PhaseRun *run, GError **error)
{
    if (run->flags & MIGRATE_OFFLINE)
        phase_run_set_cookie(run, NULL); /* Perform was left out, and C2 is not for this reader */
    return at->finish(at->destination, run, error);
}

static gboolean run_confirm(const PhaseEndpoints *at, PhaseRun *run, GError **error)
{
    return at->confirm(at->source, run, error);
}

#define BIT(phase) (1u << (phase))
#define ALL        (BIT(PHASE_COUNT) - 1)

/* clang-format off */
static const struct {
    gboolean (*run)(const PhaseEndpoints *at, PhaseRun *run, GError **error);
    unsigned follow; /* if it fails, only these still follow, told that it was cancelled */
} rows[PHASE_COUNT] = {
    /* phase                          if it fails */
    [PHASE_BEGIN]   = { run_begin,    0 },
    [PHASE_PREPARE] = { run_prepare,  BIT(PHASE_CONFIRM) }, /* drops the source's job, if any */
    [PHASE_ADDRESS] = { run_address,  BIT(PHASE_FINISH) | BIT(PHASE_CONFIRM) },
    [PHASE_PERFORM] = { run_perform,  BIT(PHASE_FINISH) },  /* the source has tidied up itself */
    [PHASE_FINISH]  = { run_finish,   BIT(PHASE_CONFIRM) },
    [PHASE_CONFIRM] = { run_confirm,  0 },
};
/* clang-format on */

static unsigned phases_of(uint64_t flags)
{
    if (flags & MIGRATE_OFFLINE)
        return ALL & ~(BIT(PHASE_ADDRESS) | BIT(PHASE_PERFORM));
    return flags & MIGRATE_TUNNELLED ? ALL & ~BIT(PHASE_ADDRESS) : ALL;
}

gboolean phase_driver_run(const PhaseEndpoints *endpoints, PhaseRun *run, GError **error)
{
    g_autoptr(GError) first = NULL;
    Phase first_failed = PHASE_COUNT;
    unsigned todo = phases_of(run->flags);

    for (Phase phase = PHASE_BEGIN; phase < PHASE_COUNT; phase++) {
        GError *cause = NULL;

        if (!(todo & BIT(phase)))
            continue;
        if (endpoints->on_phase)
            endpoints->on_phase(phase, run, endpoints->data);
        if (rows[phase].run(endpoints, run, &cause))
            continue;
        if (phase == PHASE_CONFIRM && !first) {
            run->confirm_error = cause; /* the guest has arrived, whatever the source still says */
            continue;
        }
        if (!first)
            first_failed = phase;
        phase_error_choose(&first, cause, first_failed);
        run->is_cancelled = TRUE;
        todo &= rows[phase].follow;
        if (phase == PHASE_PREPARE && !run->is_protected)
            todo = 0;
    }
    if (first)
        g_propagate_error(error, g_steal_pointer(&first));
    return first_failed == PHASE_COUNT;
}

void phase_error_choose(GError **first, GError *later, Phase first_failed)
{
    gboolean is_better = *first && first_failed == PHASE_PERFORM &&
                         error_is(*first, ERROR_OPERATION_FAILED) &&
                         error_domain(*first) == FROM_QEMU && error_domain(later) == FROM_QEMU &&
                         !phase_error_is_refused(later);

    if (*first && !is_better) {
        g_error_free(later);
        return;
    }
    g_clear_error(first);
    *first = later;
}

gboolean phase_error_is_refused(const GError *error)
{
    return error_is(error, ERROR_MIGRATE_FINISH_OK);
}

gboolean phase_error_is_no_route(const GError *error)
{
    static const char *const signs[] = {
        "Unable to resolve address", "unable to connect to server at", "address resolution failed"};

    for (size_t i = 0; i < G_N_ELEMENTS(signs); i++)
        if (strstr(error->message, signs[i]))
            return TRUE;
    return FALSE;
}

gboolean phase_error_is_astray(const GError *error)
{
    return phase_error_is_no_route(error) || migration_uri_is_missed(error) ||
           strstr(error->message, "Unable to write to socket");
}

char *phase_error_line(const GError *error)
{
    const char *end = strchr(error->message, '\n');
    size_t len = end ? (size_t)(end - error->message) : strlen(error->message);

    while (len > 0 && strchr(" :;", error->message[len - 1]))
        len--;
    return g_strndup(error->message, len);
}

gboolean phase_error_refused(GError **error, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    return error_set(error, ERROR_MIGRATE_FINISH_OK, "%s", text);
}

void phase_run_init(PhaseRun *run)
{
    *run = (PhaseRun){.outcome = PHASE_STAYED};
}

void phase_run_clear(PhaseRun *run)
{
    g_clear_pointer(&run->xml, g_free);
    g_clear_pointer(&run->cookie, g_bytes_unref);
    g_clear_pointer(&run->uri_out, g_free);
    g_clear_error(&run->confirm_error);
}

void phase_run_set_cookie(PhaseRun *run, GBytes *cookie)
{
    g_clear_pointer(&run->cookie, g_bytes_unref);
    run->cookie = cookie;
}
