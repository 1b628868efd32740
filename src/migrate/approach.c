/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way to a stock destination. */
#include "migrate/approach.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "host/address.h"
#include "migrate/lane.h"

#define TURN_MIN_MS 250
#define NOTICE_MS 20

static const char from_offer[] = "the address that it offered";
static const char from_control[] = "the address of its control connection";
static const char from_book[] = "an address at which it was met before";
static const char from_name[] = "what its name means here";

/* ---- which, and in which order ---- */

static void row_free(void *data)
{
    g_free(((ApproachRow *)data)->literal);
    g_free(data);
}

static const char *why_not(const struct sockaddr_storage *address, const char *literal, ApproachIsOwn is_own,
                           const void *data)
{
    if (address_is_loopback(address))
        return "not tried: it leads back to this host";
    if (address_is_wildcard(address))
        return "not tried: it is no address of a host";
    if (is_own && is_own(literal, data))
        return "not tried: it is this host's own";
    return NULL;
}

void approach_add(GPtrArray *rows, const char *literal, const char *origin, ApproachIsOwn is_own, const void *data)
{
    struct sockaddr_storage address;
    g_autofree char *text = NULL;
    ApproachRow *row;

    if (!address_parse(literal, &address))
        return;
    text = address_format_host(&address);
    for (unsigned i = 0; i < rows->len; i++)
        if (g_str_equal(((const ApproachRow *)rows->pdata[i])->literal, text))
            return;
    row = g_new0(ApproachRow, 1);
    row->filtered = why_not(&address, text, is_own, data);
    row->literal = g_steal_pointer(&text);
    row->origin = origin;
    g_ptr_array_add(rows, row);
}

GPtrArray *approach_rows(const Approach *approach, ApproachIsOwn is_own, const void *data)
{
    GPtrArray *rows = g_ptr_array_new_with_free_func(row_free);

    approach_add(rows, approach->host, from_offer, is_own, data); /* only a literal; its administrator's word */
    if (approach->control)
        approach_add(rows, approach->control, from_control, is_own, data);
    for (char *const *known = approach->known; known && *known; known++)
        approach_add(rows, *known, from_book, is_own, data);
    return rows;
}

static gboolean is_own(const char *literal, const void *data)
{
    struct sockaddr_storage address;

    return data && address_parse(literal, &address) && host_addresses_find(data, &address);
}

/* ---- the look-up beside ---- */

typedef struct {
    unsigned refs;
    char *name;
    Await *done;
    ResolvedName names;
    GError *why; /* it gave nothing */
} LookUp;

static void look_up_unref(void *data)
{
    LookUp *look_up = data;

    if (!look_up || --look_up->refs > 0)
        return;
    g_free(look_up->name);
    await_unref(look_up->done);
    resolved_name_clear(&look_up->names);
    g_clear_error(&look_up->why);
    g_free(look_up);
}

AWAITS static void look_up_task(void *data)
{
    LookUp *look_up = data;

    host_resolve(look_up->name, APPROACH_TIMEOUT_MS, &look_up->names, &look_up->why);
    await_succeed(look_up->done);
}

static LookUp *look_up_start(const char *name)
{
    LookUp *look_up = g_new0(LookUp, 1);

    look_up->refs = 2; /* its task's, and ours */
    look_up->name = g_strdup(name);
    look_up->done = await_new("the address of the destination");
    task_spawn("look-up", look_up_task, look_up, look_up_unref);
    return look_up;
}

/* ---- trying ---- */

typedef struct {
    const Approach *approach;
    GPtrArray *rows;
    HostAddresses *own;
    LookUp *look_up; /* NULL: the host is a literal */
    int64_t deadline_ms;
    GString *table;  /* what came of each */
    GError *first;   /* the cause that stands in front */
    gboolean is_name_read;
} Attempt;

static void attempt_clear(Attempt *attempt)
{
    g_ptr_array_free(attempt->rows, TRUE);
    host_addresses_free(attempt->own);
    look_up_unref(attempt->look_up);
    g_string_free(attempt->table, TRUE);
    g_clear_error(&attempt->first);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Attempt, attempt_clear)

static void tell(Attempt *attempt, const char *what, const char *origin, const char *result)
{
    g_string_append_printf(attempt->table, "\n  %-24s %-40s %s", what, origin, result);
}

/* What the name means here joins the rows, once it is known. */
static void read_name(Attempt *attempt)
{
    const LookUp *look_up = attempt->look_up;

    if (attempt->is_name_read || !look_up || !await_is_done(look_up->done))
        return;
    attempt->is_name_read = TRUE;
    if (look_up->why)
        tell(attempt, look_up->name, from_name, lane_reason(look_up->why));
    for (unsigned i = 0; i < look_up->names.count; i++) {
        g_autofree char *literal = address_format(&look_up->names.items[i]);

        approach_add(attempt->rows, literal, from_name, is_own, attempt->own);
    }
    for (unsigned i = 0; i < attempt->rows->len && attempt->approach->avoids_name; i++) {
        ApproachRow *row = attempt->rows->pdata[i];

        if (row->origin == from_name && !row->filtered)
            row->filtered = "not tried: whoever lives there cannot prove to be it";
    }
}

/* Another row may come. */
static gboolean waits_for_name(const Attempt *attempt)
{
    return attempt->look_up && !attempt->is_name_read && !attempt->approach->avoids_name;
}

/* Half of what is left, so that the next ones get theirs; all of it if there is no next one. */
static int64_t turn_ms(const Attempt *attempt, unsigned at)
{
    int64_t left_ms = MAX(attempt->deadline_ms - clock_now_ms(), TURN_MIN_MS);
    gboolean is_last = at + 1 == attempt->rows->len && !waits_for_name(attempt);

    return is_last ? left_ms : MAX(left_ms / 2, TURN_MIN_MS);
}

AWAITS static gboolean try_row(Attempt *attempt, unsigned at, Approached *ret_approached, GError **error)
{
    const ApproachRow *row = attempt->rows->pdata[at];
    int64_t began_ms = clock_now_ms();
    g_autofree char *result = NULL;
    g_autofree char *what = NULL;
    g_autoptr(GError) why = NULL;

    what = g_strdup_printf("%s:%u", row->literal, attempt->approach->port);
    if (row->filtered) {
        tell(attempt, what, row->origin, row->filtered);
        return FALSE;
    }
    if (lane_connect(row->literal, attempt->approach->port, turn_ms(attempt, at), &ret_approached->fd,
                     &ret_approached->address, &why))
        return TRUE;
    if (error_is(why, ERROR_OPERATION_ABORTED)) {
        g_propagate_error(error, g_steal_pointer(&why));
        return FALSE;
    }
    result = g_strdup_printf("%s, after %.1f s", lane_reason(why), (double)(clock_now_ms() - began_ms) / 1000);
    tell(attempt, what, row->origin, result);
    if (!attempt->first)
        attempt->first = g_steal_pointer(&why);
    return FALSE;
}

/* The name as the destination said it, if that would not have led there by itself. */
static char *notice_of(const Attempt *attempt, unsigned at)
{
    const ApproachRow *row = attempt->rows->pdata[at];
    const LookUp *look_up = attempt->look_up;
    g_autofree char *meaning = NULL;

    if (row->origin == from_offer || row->origin == from_name)
        return NULL;
    if (look_up && await_is_done(look_up->done) && !look_up->why) {
        for (unsigned i = 0; i < look_up->names.count; i++) {
            g_autofree char *literal = address_format_host(&look_up->names.items[i]);

            if (g_str_equal(literal, row->literal))
                return NULL;
            if (!meaning)
                meaning = g_strdup_printf(", which is %s here", literal);
        }
    } else if (look_up && await_is_done(look_up->done)) {
        meaning = g_strdup_printf(", which does not resolve here (%s)", lane_reason(look_up->why));
    }
    return g_strdup_printf("the destination named '%s'%s; the memory went to %s, %s", attempt->approach->host,
                           meaning ?: "", row->literal, row->origin);
}

/* All failed.  Who has nothing to go by is told what to type. */
static gboolean give_up(Attempt *attempt, GError **error)
{
    const Approach *approach = attempt->approach;
    const LookUp *look_up = attempt->look_up;
    g_autofree char *advice = NULL;

    if (!attempt->first && look_up && look_up->why)
        attempt->first = error_new(ERROR_UNKNOWN_HOST, "Unable to resolve address '%s' service '%u': %s", approach->host,
                                   approach->port, lane_reason(look_up->why));
    if (!attempt->first && look_up && !attempt->is_name_read)
        attempt->first = error_new(ERROR_UNKNOWN_HOST, "Unable to resolve address '%s' service '%u': no answer within %.1f s",
                                   approach->host, approach->port, APPROACH_TIMEOUT_MS / 1000.0);
    if (!attempt->first)
        attempt->first = error_new(ERROR_SYSTEM_ERROR, "unable to connect to server at '%s:%u': it leads back to '%s' itself",
                                   approach->host, approach->port, approach->here);
    if (!approach->control)
        advice = g_strdup_printf("\nGive the address at which %s reaches it: `virsh migrate --live %s DESTURI "
                                 "tcp://ADDRESS`, or, for good, write `peer = \"%s ADDRESS\"` into its ferryd.conf.",
                                 approach->here, approach->guest, approach->host);
    return error_set_from(error, error_domain(attempt->first), error_code(attempt->first), "%s\nTried from %s:%s%s",
                          attempt->first->message, approach->here, attempt->table->str, advice ?: "");
}

AWAITS gboolean approach_connect(const Approach *approach, Approached *ret_approached, GError **error)
{
    struct sockaddr_storage literal;
    HostAddresses *own = host_addresses_read(NULL); /* without it nothing is known to be our own */
    g_auto(Attempt) attempt = {
        .approach = approach,
        .own = own,
        .rows = approach_rows(approach, is_own, own),
        .deadline_ms = clock_now_ms() + APPROACH_TIMEOUT_MS,
        .table = g_string_new(NULL),
    };
    g_autoptr(GError) why = NULL;

    if (!address_parse(approach->host, &literal))
        attempt.look_up = look_up_start(approach->host);
    for (unsigned at = 0;; at++) {
        read_name(&attempt);
        if (at == attempt.rows->len && waits_for_name(&attempt)) {
            int64_t left_ms = MAX(attempt.deadline_ms - clock_now_ms(), TURN_MIN_MS);

            if (!await(attempt.look_up->done, left_ms, &why) && error_is(why, ERROR_OPERATION_ABORTED))
                break;
            read_name(&attempt);
        }
        if (at >= attempt.rows->len)
            return give_up(&attempt, error);
        if (try_row(&attempt, at, ret_approached, &why)) {
            if (attempt.look_up)
                await(attempt.look_up->done, NOTICE_MS, NULL); /* only for what is told */
            ret_approached->notice = notice_of(&attempt, at);
            return TRUE;
        }
        if (why)
            break;
    }
    g_propagate_error(error, g_steal_pointer(&why));
    return FALSE;
}
