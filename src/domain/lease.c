/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is wanted of one guest's lease stands in a line and is done one after the other: read the
 * value, decide, swap it, and decide anew if another host was faster.  Lines are kept by uuid, as a
 * guest's last wish may outlive its Domain, and a few workers go through them, as at a start there
 * may be thousands. */
#include "domain/lease.h"

#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "domain/domain.h"
#include "domain/registry.h"
#include "host/command.h"
#include "loop/loop.h"

#define HELPER_TIMEOUT_MS (30 * 1000)
#define ENTER_TIMEOUT_MS                                                                           \
    (10 * 60 * 1000) /* after a crash sanlock waits until it counts itself as dead */
#define OUTPUT_MAX         (64 * 1024)
#define CALLER_PATIENCE_MS (45 * 1000)
#define RETRY_MIN_MS       1000
#define RETRY_MAX_MS       (30 * 1000)
#define WORKERS_MAX        8
#define SWAPS_MAX          10
#define NOT_IN_LOCKSPACE   2 /* exit status of ferry-lease */

typedef struct {
    unsigned refs;
    LeaseOp op;
    char *attempt; /* or NULL */
    Await *done;   /* NULL: nobody waits */
    gboolean is_abandoned; /* who waited has been told that it failed */
} Wish;

typedef struct {
    Uuid uuid;
    char *name;
    GQueue wishes; /* Wish */
    Timer *retry;  /* the first of them has failed, and is tried again then */
    int64_t pause_ms;
} Line;

static const LeaseSettings *settings;
static LeaseHost self;
static Condition *entering;
static gboolean is_in;
static char *why_not_in;
static GHashTable *lines;           /* uuid text → Line */
static GQueue ready = G_QUEUE_INIT; /* Line: those that a worker is to see to */
static unsigned workers;
static GHashTable *held; /* uuid text: leases that name this host */
static Condition *updated;
static gboolean is_updating;
static int is_used = -1; /* sanlock was told that this host must not outlive its lease; -1: by an
                            earlier daemon, perhaps */

/* --- the helper --- */

static AWAITS void enter(void *data);

/* sanlock was restarted, or has lost its storage: what it knew of this host is gone. */
static void leave_and_enter(void)
{
    if (!is_in)
        return;
    log_error("sanlock does not know this host any more: guests run on, and none can be started or "
              "migrated until it does");
    is_in = FALSE;
    is_used = -1;
    task_spawn("lease-enter", enter, NULL, NULL);
}

/* Its answer; NULL with its complaint. */
static AWAITS char *ask_helper(const char *const *words, int64_t timeout_ms, GError **error)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_auto(CommandResult) result = {0};

    g_ptr_array_add(argv, (char *)settings->helper);
    for (; *words; words++)
        g_ptr_array_add(argv, (char *)*words);
    g_ptr_array_add(argv, NULL);
    if (!command_run((const char *const *)argv->pdata, NULL, OUTPUT_MAX, timeout_ms, &result,
                     error))
        return NULL;
    if (WIFEXITED(result.wait_status) && WEXITSTATUS(result.wait_status) == NOT_IN_LOCKSPACE)
        leave_and_enter();
    if (result.wait_status != 0) {
        const char *complaint =
            result.complaint && *result.complaint ? result.complaint : "ferry-lease has failed";

        error_set(error, ERROR_OPERATION_FAILED, "no lease can be had: %s", complaint);
        return NULL;
    }
    return g_steal_pointer(&result.output);
}

/* What stands behind the word in the line that begins with it. */
static char *find_line(const char *output, const char *word)
{
    g_auto(GStrv) all = g_strsplit(output, "\n", -1);
    const size_t len = strlen(word);

    for (char **line = all; *line; line++)
        if (g_str_has_prefix(*line, word) && (*line)[len] == ' ')
            return g_strdup(*line + len + 1);
    return NULL;
}

/* One at a time, and as it is wanted by then: two that overtake each other would leave a guest
 * unguarded. */
static AWAITS gboolean update_use(GError **error)
{
    while (is_updating)
        if (!condition_wait(updated, -1, error))
            return FALSE;
    const gboolean wants_used = g_hash_table_size(held) > 0;
    const char *words[] = {"use", wants_used ? "1" : "0", NULL};

    if (is_used == (int)wants_used)
        return TRUE;
    is_updating = TRUE;
    g_autofree char *answer = ask_helper(words, HELPER_TIMEOUT_MS, error);
    is_used = answer ? wants_used : -1;
    is_updating = FALSE;
    condition_signal(updated);
    return answer != NULL;
}

/* --- entering --- */

static AWAITS gboolean enter_once(GError **error)
{
    g_autofree char *id = g_strdup_printf("%u", settings->host_id);
    g_autofree char *seconds = g_strdup_printf("%u", settings->io_timeout_s);
    const char *words[] = {"join", settings->dir, id, seconds, NULL};
    g_autofree char *answer = ask_helper(words, ENTER_TIMEOUT_MS, error);

    is_in = answer != NULL;
    return is_in;
}

static AWAITS void review(void);

static AWAITS void enter(void *data)
{
    int64_t pause_ms = RETRY_MIN_MS;

    while (!is_in) {
        g_autoptr(GError) error = NULL;

        if (enter_once(&error))
            break;
        if (!why_not_in || !g_str_equal(why_not_in, error->message))
            log_error("no guest can be started: lock_manager is sanlock, and its lockspace cannot "
                      "be entered: %s",
                      error->message);
        g_free(why_not_in);
        why_not_in = g_strdup(error->message);
        condition_signal(entering);
        await_sleep(pause_ms, NULL);
        pause_ms = MIN(pause_ms * 2, RETRY_MAX_MS);
    }
    g_clear_pointer(&why_not_in, g_free);
    log_info("this host is number %u of the lockspace in '%s'", settings->host_id, settings->dir);
    condition_signal(entering);
    review();
}

void lease_init(const LeaseSettings *new_settings)
{
    settings = new_settings;
    if (!settings)
        return;
    self = (LeaseHost){.id = settings->host_id};
    g_strlcpy(self.name, settings->host_name, sizeof self.name);
    g_strdelimit(self.name, " ,/=\n", '_');
    lines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    held = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    updated = condition_new("sanlock, which is told whether guests run here");
    entering = condition_new("sanlock, which lets this host into the lockspace");
}

gboolean lease_is_on(void)
{
    return settings != NULL;
}

void lease_enter(void)
{
    if (settings)
        task_spawn("lease-enter", enter, NULL, NULL);
}

AWAITS gboolean lease_wait_until_entered(int64_t timeout_ms, GError **error)
{
    const int64_t deadline_ms = clock_now_ms() + timeout_ms;

    while (settings && !is_in && (timeout_ms < 0 || (!why_not_in && clock_now_ms() < deadline_ms)))
        if (!condition_wait(entering, timeout_ms < 0 ? -1 : deadline_ms - clock_now_ms(), NULL))
            break;
    return !settings || is_in ||
           error_set(error, ERROR_OPERATION_FAILED, "operation failed: %s",
                     why_not_in
                         ?: "no lease can be had: sanlock has not let this host into the lockspace "
                            "yet; after a crash "
                            "that takes it some minutes (`sanlock client status`)");
}

/* --- one wish --- */

static gboolean is_same(const LeaseValue *a, const LeaseValue *b)
{
    g_autofree char *text_a = lease_value_format(a);
    g_autofree char *text_b = lease_value_format(b);

    return g_str_equal(text_a, text_b);
}

/* What sanlock knows of the other hosts that the lease names: only who wants to take it needs that.
 */
static AWAITS gboolean ask_for_hosts(const LeaseValue *value, LeaseStatus *others,
                                     unsigned *ret_count, GError **error)
{
    *ret_count = 0;
    for (unsigned i = 0; i < value->count; i++) {
        g_autofree char *id = g_strdup_printf("%" G_GUINT64_FORMAT, value->hosts[i].id);
        const char *words[] = {"hosts", id, NULL};
        g_autofree char *answer =
            value->hosts[i].id == self.id ? NULL : ask_helper(words, HELPER_TIMEOUT_MS, error);

        if (value->hosts[i].id == self.id)
            continue;
        if (!answer)
            return FALSE;
        if (lease_status_parse(g_strchomp(answer), &others[*ret_count]))
            (*ret_count)++;
    }
    return TRUE;
}

static AWAITS gboolean read_value(const char *uuid, char **ret_text, LeaseValue *ret_value,
                                  GError **error)
{
    const char *words[] = {"read", settings->dir, uuid, NULL};
    g_autofree char *answer = ask_helper(words, HELPER_TIMEOUT_MS, error);
    g_autofree char *text = answer ? find_line(answer, "value") : NULL;

    if (!answer)
        return FALSE;
    if (!lease_value_parse(text ?: "", ret_value, error))
        return FALSE;
    *ret_text = text ? g_steal_pointer(&text) : g_strdup("");
    return TRUE;
}

static AWAITS gboolean swap_value(const char *uuid, const char *old, const LeaseValue *next,
                                  gboolean *ret_done, GError **error)
{
    g_autofree char *new = lease_value_format(next);
    const char *words[] = {"swap", settings->dir, uuid, old, new, NULL};
    g_autofree char *answer = ask_helper(words, HELPER_TIMEOUT_MS, error);
    g_autofree char *word = answer ? find_line(answer, "swapped") : NULL;

    *ret_done = word && g_str_equal(word, "yes");
    if (*ret_done)
        log_debug("lease %s: '%s' becomes '%s'", uuid, old, new);
    return answer != NULL;
}

static AWAITS void note_held(const char *uuid, const LeaseValue *value)
{
    g_autoptr(GError) error = NULL;

    if (lease_value_find(value, self.id))
        g_hash_table_add(held, g_strdup(uuid));
    else
        g_hash_table_remove(held, uuid);
    if (!update_use(&error))
        log_warning("%s, continuing: sanlock will not let this host leave the lockspace",
                    error->message);
}

/* FALSE and ret_done: another host was faster. */
static AWAITS gboolean try_once(const char *uuid, const Wish *wish, gboolean *ret_done,
                                GError **error)
{
    LeaseStatus others[LEASE_HOSTS_MAX];
    LeaseRequest request = {
        .op = wish->op, .self = self, .attempt = wish->attempt, .others = others};
    g_autofree char *old = NULL;
    LeaseValue now, next;

    *ret_done = FALSE;
    if (!read_value(uuid, &old, &now, error) ||
        ((wish->op == LEASE_TAKE || wish->op == LEASE_BEREFT) && !ask_for_hosts(&now, others, &request.other_count, error)) ||
        !lease_decide(&now, &request, &next, error))
        return FALSE;
    if (lease_value_find(&next,
                         self.id)) { /* sanlock knows first that this host must not outlive it */
        g_hash_table_add(held, g_strdup(uuid));
        if (!update_use(error))
            return FALSE;
    }
    if (is_same(&now, &next))
        *ret_done = TRUE;
    else if (!swap_value(uuid, old, &next, ret_done, error))
        return FALSE;
    if (*ret_done)
        note_held(uuid, &next);
    return TRUE;
}

static AWAITS gboolean grant(const char *uuid, const Wish *wish, GError **error)
{
    gboolean is_done = FALSE;

    if (!lease_wait_until_entered(-1, error))
        return FALSE;
    for (unsigned i = 0; i < SWAPS_MAX && !is_done; i++)
        if (!try_once(uuid, wish, &is_done, error))
            return FALSE;
    return is_done ||
           error_set(
               error, ERROR_OPERATION_FAILED,
               "operation failed: other hosts change the guest's lease all the time: try again");
}

/* --- lines --- */

static void wish_unref(Wish *wish)
{
    if (--wish->refs > 0)
        return;
    await_unref(wish->done);
    g_free(wish->attempt);
    g_free(wish);
}

static Wish *wish_new(LeaseOp op, const char *attempt, const char *waits_for)
{
    Wish *wish = g_new0(Wish, 1);

    wish->refs = 1;
    wish->op = op;
    wish->attempt = g_strdup(attempt);
    wish->done = waits_for ? await_new(waits_for) : NULL;
    return wish;
}

/* A wish that nobody waits for is tried until it works; whoever waits behind it hears why not. */
static void fail_waiters(Line *line, const GError *error)
{
    for (GList *item = line->wishes.head; item;) {
        GList *next = item->next;
        Wish *wish = item->data;

        if (wish->done) {
            await_fail(wish->done, error);
            g_queue_delete_link(&line->wishes, item);
            wish_unref(wish);
        }
        item = next;
    }
}

/* Another host has taken it: nothing of ours may run on.  FALSE: it does. */
static AWAITS gboolean fence(const Line *line, const GError *error)
{
    Domain *known = registry_peek_uuid(&line->uuid);
    g_autoptr(Domain) domain = known ? domain_ref(known) : NULL;

    g_autoptr(GError) why = NULL;

    if (!domain || !domain->guest || owner_standing(domain) != OWNER_HERE)
        return TRUE;
    log_write(LOG_LEVEL_ERROR, LOG_FIELDS("DOMAIN", line->name), "domain '%s' is ended here: %s",
              line->name, error->message);
    domain_add_message(domain, "ended here: %s", error->message);
    if (domain_kill(domain, SHUTOFF_CRASHED, TRUE, &why))
        return TRUE;
    log_error("domain '%s' cannot be ended although another host has its lease, which is tried again: %s", line->name, why->message);
    return FALSE;
}

/* FALSE: it is to be tried again. */
static AWAITS gboolean serve(Line *line, const char *uuid, Wish *wish)
{
    g_autoptr(GError) error = NULL;
    const gboolean ok = grant(uuid, wish, &error);

    if (wish->done) {
        ok ? await_succeed(wish->done) : await_fail(wish->done, error);
        return TRUE;
    }
    if (!ok && wish->op == LEASE_KEEP && error_is(error, ERROR_RESOURCE_BUSY)) {
        return fence(line, error);
    }
    if (ok)
        return TRUE;
    log_warning("the lease of domain '%s' is not up to date, and will be tried again: %s",
                line->name, error->message);
    fail_waiters(line, error);
    return FALSE;
}

static AWAITS void work(void *data);

static void make_ready(Line *line)
{
    g_clear_pointer(&line->retry, timer_free);
    g_queue_push_tail(&ready, line);
    if (workers == WORKERS_MAX)
        return;
    workers++;
    task_spawn("lease", work, NULL, NULL);
}

static void on_retry(void *data)
{
    make_ready(data);
}

static AWAITS void work_off(Line *line)
{
    char uuid[UUID_TEXT_SIZE];
    gboolean is_served = TRUE;

    uuid_format(&line->uuid, uuid);
    while (is_served && !g_queue_is_empty(&line->wishes)) {
        Wish *wish = g_queue_peek_head(&line->wishes);

        wish->refs++;
        is_served = wish->is_abandoned || serve(line, uuid, wish);
        if (is_served && g_queue_remove(&line->wishes, wish))
            wish_unref(wish);
        wish_unref(wish);
    }
    if (!is_served) {
        line->retry = timer_new(line->pause_ms, on_retry, line);
        line->pause_ms = MIN(line->pause_ms * 2, RETRY_MAX_MS);
        return;
    }
    g_hash_table_remove(lines, uuid);
    g_free(line->name);
    g_free(line);
}

static AWAITS void work(void *data)
{
    while (!g_queue_is_empty(&ready))
        work_off(g_queue_pop_head(&ready));
    workers--;
}

static void queue(const Uuid *uuid, const char *name, Wish *wish)
{
    char text[UUID_TEXT_SIZE];
    Line *line = g_hash_table_lookup(lines, uuid_format(uuid, text));

    if (line) {
        g_queue_push_tail(&line->wishes, wish);
        if (line->retry) /* who waits is not kept waiting by what failed before */
            make_ready(line);
        return;
    }
    line = g_new0(Line, 1);
    line->uuid = *uuid;
    line->name = g_strdup(name);
    line->pause_ms = RETRY_MIN_MS;
    g_queue_init(&line->wishes);
    g_queue_push_tail(&line->wishes, wish);
    g_hash_table_insert(lines, g_strdup(text), line);
    make_ready(line);
}

static AWAITS gboolean wait_for(const Uuid *uuid, const char *name, LeaseOp op, const char *attempt,
                                GError **error)
{
    Wish *wish;
    gboolean ok;

    if (!lease_wait_until_entered(CALLER_PATIENCE_MS / 2, error))
        return FALSE;
    wish = wish_new(op, attempt, "the guest's lease");
    wish->refs++;
    queue(uuid, name, wish);
    ok = await(wish->done, CALLER_PATIENCE_MS, error);
    wish->is_abandoned = !ok;
    wish_unref(wish);
    return ok;
}

AWAITS gboolean lease_take(const Domain *domain, GError **error)
{
    return !settings || wait_for(&domain->uuid, domain->name, LEASE_TAKE, NULL, error);
}

AWAITS gboolean lease_share(const Domain *domain, LeaseOp op, const char *attempt, GError **error)
{
    return !settings || wait_for(&domain->uuid, domain->name, op, attempt, error);
}

void lease_settle(const Uuid *uuid, const char *name, LeaseOp op, const char *attempt)
{
    if (settings)
        queue(uuid, name, wish_new(op, attempt, NULL));
}

/* A lease that names this host alone, and of whose guest it knows nothing: it was a transient one,
 * and the host has been restarted since.  Nobody but this host can know that. */
static AWAITS void release_unknown(void)
{
    const char *words[] = {"list", settings->dir, NULL};
    g_autoptr(GError) error = NULL;
    g_autofree char *answer = ask_helper(words, HELPER_TIMEOUT_MS, &error);
    g_auto(GStrv) all = g_strsplit(answer ?: "", "\n", -1);

    if (!answer)
        log_warning("%s, continuing: a lease of a guest that has ended may still name this host",
                    error->message);
    for (char **line = all; *line; line++) {
        const char *name = g_str_has_prefix(*line, "lease ") ? *line + strlen("lease ") : "";
        g_autoptr(GError) cause = NULL;
        Uuid uuid;

        if (uuid_parse(name, &uuid) && !registry_peek_uuid(&uuid) &&
            !wait_for(&uuid, name, LEASE_RELEASE, NULL, &cause))
            log_warning("lease '%s': %s, continuing", name, cause->message);
    }
}

/* Once this host has entered.  First all that runs counts as held, so that sanlock is not told in
 * between that nothing does. */
static AWAITS void review(void)
{
    g_autoptr(GPtrArray) all = registry_list(0);
    g_autoptr(GError) error = NULL;
    char uuid[UUID_TEXT_SIZE];

    for (unsigned i = 0; i < all->len; i++) {
        const Domain *domain = all->pdata[i];

        if (domain_is_active(domain))
            g_hash_table_add(held, g_strdup(uuid_format(&domain->uuid, uuid)));
    }
    for (unsigned i = 0; i < all->len; i++) {
        Domain *domain = all->pdata[i];

        if (owner_standing(domain) == OWNER_HERE)
            lease_settle(&domain->uuid, domain->name,
                         domain_is_active(domain) ? LEASE_KEEP : LEASE_RELEASE, NULL);
    }
    if (!update_use(&error))
        log_warning("%s, continuing: sanlock does not know whether guests run here",
                    error->message);
    release_unknown();
}
