/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lease is the fence, the journal of the migration decides: between share and the final words
 * two hosts are named, and which of them runs the guest is none of the lease's business.  A third
 * one gets it only when both are proven to be dead.  The attempt in the value keeps late comers
 * out: who belongs to another one changes nothing. */
#include "domain/lease-value.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/number.h"

#define FIRST_WORDS "ferry 1 "

/* --- text --- */

static gboolean parse_host(const char *text, LeaseHost *host)
{
    g_auto(GStrv) parts = g_strsplit(text, "/", 2);
    gint64 id;

    if (g_strv_length(parts) != 2 || !number_parse_i64(parts[0], 1, G_MAXINT64, &id) ||
        !*parts[1] || strlen(parts[1]) >= LEASE_NAME_SIZE)
        return FALSE;
    host->id = (uint64_t)id;
    g_strlcpy(host->name, parts[1], sizeof host->name);
    return TRUE;
}

static gboolean parse_hosts(const char *text, LeaseValue *value)
{
    g_auto(GStrv) hosts = g_strsplit(text, ",", LEASE_HOSTS_MAX + 1);

    for (unsigned i = 0; *text && hosts[i]; i++)
        if (i >= LEASE_HOSTS_MAX || !parse_host(hosts[i], &value->hosts[value->count++]))
            return FALSE;
    return TRUE;
}

static gboolean parse_words(const char *text, LeaseValue *value)
{
    g_auto(GStrv) words = g_strsplit(text, " ", 4);
    gint64 epoch;

    if (g_strv_length(words) != 3 || !g_str_has_prefix(words[0], "epoch=") ||
        !g_str_has_prefix(words[1], "attempt=") || !g_str_has_prefix(words[2], "hosts=") ||
        !number_parse_i64(words[0] + 6, 0, G_MAXINT64 - 1, &epoch) ||
        strlen(words[1] + 8) >= LEASE_ATTEMPT_SIZE)
        return FALSE;
    value->epoch = (uint64_t)epoch;
    g_strlcpy(value->attempt, words[1] + 8, sizeof value->attempt);
    return parse_hosts(words[2] + 6, value);
}

gboolean lease_value_parse(const char *text, LeaseValue *ret_value, GError **error)
{
    LeaseValue value = {0};

    if (*text && (!g_str_has_prefix(text, FIRST_WORDS) || strlen(text) > LEASE_TEXT_MAX ||
                  !parse_words(text + strlen(FIRST_WORDS), &value)))
        return error_set(error, ERROR_OPERATION_FAILED,
                         "operation failed: the guest's lease holds something that this ferryd "
                         "does not understand ('%.80s'): "
                         "it was written by a newer one, or is no lease of ferryd's",
                         text);
    *ret_value = value;
    return TRUE;
}

char *lease_value_format(const LeaseValue *value)
{
    g_autoptr(GString) text = g_string_new(FIRST_WORDS);

    g_string_append_printf(text, "epoch=%" G_GUINT64_FORMAT " attempt=%s hosts=", value->epoch,
                           value->attempt);
    for (unsigned i = 0; i < value->count; i++)
        g_string_append_printf(text, "%s%" G_GUINT64_FORMAT "/%s", i ? "," : "", value->hosts[i].id,
                               value->hosts[i].name);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

const LeaseHost *lease_value_find(const LeaseValue *value, uint64_t id)
{
    for (unsigned i = 0; i < value->count; i++)
        if (value->hosts[i].id == id)
            return &value->hosts[i];
    return NULL;
}

static const char *const state_names[] = {
    [LEASE_STATE_UNKNOWN] = "unknown", [LEASE_STATE_FREE] = "free", [LEASE_STATE_LIVE] = "live",
    [LEASE_STATE_FAIL] = "fail",       [LEASE_STATE_DEAD] = "dead",
};

gboolean lease_status_parse(const char *line, LeaseStatus *ret_status)
{
    g_auto(GStrv) words = g_strsplit(line, " ", 3);
    gint64 id;

    if (g_strv_length(words) != 3 || !g_str_equal(words[0], "host") ||
        !number_parse_i64(words[1], 0, G_MAXINT64, &id))
        return FALSE;
    for (unsigned state = 0; state < G_N_ELEMENTS(state_names); state++)
        if (g_str_equal(words[2], state_names[state])) {
            *ret_status = (LeaseStatus){(uint64_t)id, (LeaseState)state};
            return TRUE;
        }
    return FALSE;
}

/* --- decisions --- */

gboolean lease_status_is_proof(const LeaseStatus *status, const LeaseHost *host)
{
    return status->id == host->id &&
           (status->state == LEASE_STATE_DEAD || status->state == LEASE_STATE_FREE);
}

static const LeaseStatus *status_of(const LeaseRequest *request, const LeaseHost *host)
{
    for (unsigned i = 0; i < request->other_count; i++)
        if (request->others[i].id == host->id)
            return &request->others[i];
    return NULL;
}

/* Another host that the lease names and that may still be alive; NULL: none. */
static const LeaseHost *find_living(const LeaseValue *now, const LeaseRequest *request)
{
    for (unsigned i = 0; i < now->count; i++) {
        const LeaseHost *host = &now->hosts[i];
        const LeaseStatus *status = status_of(request, host);

        if (host->id != request->self.id && !(status && lease_status_is_proof(status, host)))
            return host;
    }
    return NULL;
}

static void give_to(LeaseValue *value, const LeaseHost *host, const char *attempt)
{
    value->hosts[0] = *host;
    value->count = 1;
    g_strlcpy(value->attempt, attempt ?: "", sizeof value->attempt);
}

static void leave(LeaseValue *value, uint64_t id)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < value->count; i++)
        if (value->hosts[i].id != id)
            value->hosts[kept++] = value->hosts[i];
    value->count = kept;
}

static gboolean refuse_held(const LeaseHost *by, const LeaseRequest *request, GError **error)
{
    const LeaseStatus *status = status_of(request, by);

    return error_set(
        error, ERROR_RESOURCE_BUSY,
        "resource busy: the guest's lease belongs to host '%s' (number %" G_GUINT64_FORMAT
        "), which sanlock %s: shut the guest down there, or migrate it from there; when that host "
        "is dead, sanlock "
        "says so after a while, and then this works (`sanlock client host_status -s ferry`)",
        by->name, by->id,
        !status || status->state == LEASE_STATE_UNKNOWN ? "does not know enough about yet"
        : status->state == LEASE_STATE_FAIL             ? "has not counted as dead yet"
                                                        : "says is alive");
}

static gboolean take(const LeaseRequest *request, LeaseValue *value, GError **error)
{
    const LeaseHost *living = find_living(value, request);

    if (living)
        return refuse_held(living, request, error);
    value->epoch++;
    give_to(value, &request->self, NULL);
    return TRUE;
}

/* Found running.  It is this host's, also when nobody kept leases at the time when it was started.
 */
static gboolean keep(const LeaseRequest *request, LeaseValue *value, GError **error)
{
    if (value->count > 0 && !lease_value_find(value, request->self.id))
        return error_set(
            error, ERROR_RESOURCE_BUSY,
            "resource busy: host '%s' has taken the guest's lease, as this one was counted as dead",
            value->hosts[0].name);
    if (value->count == 0)
        value->epoch++;
    if (value->count <= 1)
        give_to(value, &request->self, value->attempt);
    return TRUE;
}

/* Whatever an earlier attempt has left in it: the guest is here, so that one has ended here. */
static gboolean share(const LeaseRequest *request, LeaseValue *value, GError **error)
{
    if (!keep(request, value, error))
        return FALSE;
    value->epoch++;
    give_to(value, &request->self, request->attempt);
    return TRUE;
}

static gboolean is_of_attempt(const LeaseValue *value, const LeaseRequest *request)
{
    return request->attempt && g_str_equal(value->attempt, request->attempt);
}

static gboolean join(const LeaseRequest *request, LeaseValue *value, GError **error)
{
    if (is_of_attempt(value, request) && lease_value_find(value, request->self.id))
        return TRUE;
    if (!is_of_attempt(value, request) || value->count != 1)
        return error_set(error, ERROR_OPERATION_FAILED,
                         "operation failed: the source does not share the guest's lease with this "
                         "host (%s%s): set "
                         "lock_manager = sanlock and the same lease_dir in ferryd.conf on both "
                         "hosts, or none on both",
                         value->count ? "it belongs to host " : "it is nobody's",
                         value->count ? value->hosts[0].name : "");
    value->hosts[value->count++] = request->self;
    return TRUE;
}

static gboolean check_joined(const LeaseRequest *request, LeaseValue *value, GError **error)
{
    return (is_of_attempt(value, request) && value->count == 2 &&
            lease_value_find(value, request->self.id)) ||
           error_set(error, ERROR_OPERATION_FAILED,
                     "operation failed: the destination has not joined the guest's lease, so a "
                     "third host could take the guest "
                     "from it: set lock_manager = sanlock and the same lease_dir in ferryd.conf on "
                     "both hosts, or none on both");
}

static gboolean check_bereft(const LeaseRequest *request, LeaseValue *value, GError **error)
{
    const LeaseHost *living = find_living(value, request);

    if (living)
        return refuse_held(living, request, error);
    return value->count > (lease_value_find(value, request->self.id) ? 1 : 0) ||
           error_set(error, ERROR_OPERATION_INVALID, "the guest's lease names no other host, of which sanlock could say that it is dead");
}

static gboolean settle_here(const LeaseRequest *request, LeaseValue *value, GError **error)
{
    if (is_of_attempt(value, request))
        give_to(value, &request->self, NULL);
    return TRUE;
}

static gboolean settle_away(const LeaseRequest *request, LeaseValue *value, GError **error)
{
    if (is_of_attempt(value, request))
        leave(value, request->self.id);
    return TRUE;
}

/* Named beside another host it stays: the attempt's final word says whose it is. */
static gboolean release(const LeaseRequest *request, LeaseValue *value, GError **error)
{
    if (value->count == 1 && value->hosts[0].id == request->self.id) {
        value->count = 0;
        value->attempt[0] = '\0';
    }
    return TRUE;
}

gboolean lease_decide(const LeaseValue *now, const LeaseRequest *request, LeaseValue *ret_next,
                      GError **error)
{
    static gboolean (*const rules[])(const LeaseRequest *request, LeaseValue *value,
                                     GError **error) = {
        [LEASE_TAKE] = take,        [LEASE_KEEP] = keep,           [LEASE_SHARE] = share,
        [LEASE_JOIN] = join,        [LEASE_JOINED] = check_joined, [LEASE_HERE] = settle_here,
        [LEASE_AWAY] = settle_away, [LEASE_RELEASE] = release,     [LEASE_BEREFT] = check_bereft,
    };
    LeaseValue next = *now;

    if (!rules[request->op](request, &next, error))
        return FALSE;
    *ret_next = next;
    return TRUE;
}
