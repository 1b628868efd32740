/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "migrate/reclaim.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/number.h"
#include "client/peer.h"
#include "domain/registry.h"
#include "migrate/acquaintance.h"
#include "migrate/fault.h"
#include "migrate/recover.h"
#include "migrate/rival.h"
#include "migrate/told.h"
#include "phase/flags.h"

#define LABEL "ferry reclaim"
#define PATIENCE_MS (JOB_WAIT_MS + 5000) /* the other side may have to wait for another verb */

/* The attempt by which it was given away in truth: what both sides know for sure. */
static const char *base_of(const Journal *journal)
{
    return journal->reclaims ?: journal->id;
}

static gboolean make_id(const Journal *journal, uint64_t epoch, char **ret_id)
{
    g_autofree char *text = g_strdup_printf(LABEL " %s %" G_GUINT64_FORMAT, base_of(journal), epoch);
    uint8_t token[HELLO_TOKEN_BYTES], mac[HELLO_MAC_BYTES];

    if (!journal->token || !hex_parse(journal->token, token, sizeof token))
        return FALSE;
    told_mac(token, text, strlen(text), mac);
    explicit_bzero(token, sizeof token);
    *ret_id = hex_format(mac, HELLO_ATTEMPT_BYTES);
    return TRUE;
}

/* An attempt that ends as it begins: with this word, durable. */
AWAITS static gboolean record(const Migration *last, OwnerSide side, OwnerWord word, uint64_t epoch, const char *cause, GError **error)
{
    const Journal *before = last->journal;
    g_autoptr(Migration) migration = NULL;
    g_autofree char *dir = migrate_dir();
    gboolean is_clear = FALSE;
    char *id = NULL;
    Journal *journal;

    if (!make_id(before, epoch, &id))
        return error_set(error, ERROR_INTERNAL_ERROR, "internal error: migration %s has no token", before->id);
    journal = journal_new(side, &before->uuid, last->domain->name, epoch);
    g_free(journal->id);
    g_free(journal->token);
    journal->id = id;
    journal->token = g_strdup(before->token);
    journal->reclaims = g_strdup(base_of(before));
    journal->peer = g_strdup(before->peer);
    journal->peer_host = before->peer_host;
    journal->peer_uri = g_strdup(before->peer_uri);
    journal->cause = g_strdup(cause);
    journal->outcome = g_strdup(enum_name(owner_word_names, word));
    journal->ended_ms = journal->started_ms;
    journal->is_over = TRUE;
    migration = migration_new(last->domain, journal, MIGRATE_OFFLINE);
    migration->is_peer_ferry = migration->is_ended = TRUE;
    off_floor { /* of a daemon that ended before anything pointed to it */
        is_clear = !journal_exists(dir, journal->id) || journal_remove(dir, journal->id);
    }
    if (!is_clear)
        return error_errno(error, "cannot remove what was left of migration %s", id);
    if (!migration_open(migration, word, error))
        return FALSE;
    migration_forget_incoming(migration);
    log_write(LOG_LEVEL_INFO, LOG_FIELDS("DOMAIN", journal->name, "MIGRATION", id), "domain '%s': %s: %s", journal->name, cause,
              journal->outcome);
    return TRUE;
}

/* --- here ------------------------------------------------------------------------------------------------------------ */

static GBytes *seal(const Journal *journal, OwnerSide side, OwnerWord word, unsigned flags, uint64_t epoch)
{
    Told told = {.guest = journal->uuid, .epoch = epoch, .side = side, .word = word, .flags = flags | TOLD_RECLAIM};

    return ask_seal(base_of(journal), journal->token, &told, NULL);
}

static gboolean is_given_back(const Journal *journal, uint64_t epoch, const FerryMigrationTellRet *ret)
{
    Told told;

    return ask_unseal(base_of(journal), journal, ret->word, ret->word_len, &told) && (told.flags & TOLD_RECLAIM) &&
           told.side == SIDE_SOURCE && told.word == WORD_GONE && told.epoch == epoch;
}

/* How the other daemon is called: as this one did when it led the migration, or as ferryd.conf says. */
static const char *uri_of(const Journal *journal)
{
    return journal->peer_uri ?: acquaintance_uri(journal->peer);
}

AWAITS static gboolean ask(const Migration *last, uint64_t epoch, GError **error)
{
    g_autoptr(Arena) arena = arena_new();
    g_autoptr(GBytes) word = seal(last->journal, SIDE_DESTINATION, WORD_PREPARED, 0, epoch);
    FerryMigrationTellRet ret = {0};
    FerryMigrationTellArgs args = {0};
    gboolean is_answered;
    gsize len = 0;
    Peer *peer = word ? peer_open(uri_of(last->journal), error) : NULL;

    if (!peer)
        return FALSE;
    args.word = (guint8 *)g_bytes_get_data(word, &len);
    args.word_len = (uint32_t)len;
    is_answered = peer_call(peer, FERRY_PROGRAM, FERRY_MIGRATION_TELL, &args, arena, &ret, PATIENCE_MS, error);
    peer_close(peer);
    return is_answered && (is_given_back(last->journal, epoch, &ret) ||
                           error_set(error, ERROR_OPERATION_FAILED, "its answer is not of this guest and generation"));
}

AWAITS static gboolean next_epoch(const Domain *domain, uint64_t *ret_epoch, GError **error)
{
    g_autofree char *domains = migrate_domains_dir();
    g_autoptr(Attempt) attempt = attempt_read(domains, &domain->uuid);

    return attempt_next_epoch(attempt, domain->name, ret_epoch, error);
}

/* If both sides ask, one has to give way, or both would be refused. */
static gboolean goes_first(const Migration *last)
{
    return memcmp(&migrate_settings()->host_uuid, &last->journal->peer_host, sizeof(Uuid)) > 0;
}

/* The other side is waiting for this very start to end: FALSE if it goes first. */
static gboolean check_not_asked(const Migration *last, GError **error)
{
    if (!last->giving)
        return TRUE;
    if (!goes_first(last))
        return error_set(error, ERROR_OPERATION_INVALID, "it is just being started there");
    task_cancel(last->giving, "it is just being started here");
    return TRUE;
}

AWAITS gboolean reclaim_domain(Domain *domain, GError **error)
{
    g_autoptr(Migration) last = migration_ref(domain->migration);
    const char *host = last->journal->peer ?: "the other host";
    g_autofree char *cause = g_strdup_printf("given back by %s", host);
    uint64_t epoch;
    gboolean is_back;

    if (!last->journal->token)
        return error_set(error, ERROR_OPERATION_INVALID, "a stock host cannot be asked for it");
    if (!uri_of(last->journal))
        return error_set(error, ERROR_OPERATION_INVALID, "how its ferryd is called is not known here: a row `peer_uri` in ferryd.conf says it");
    if (!fault_step("reclaim", "ask", FAULT_BEFORE, error) || !check_not_asked(last, error) || !next_epoch(domain, &epoch, error))
        return FALSE;
    last->is_asked_back = TRUE;
    is_back = ask(last, epoch, error);
    last->is_asked_back = FALSE;
    return is_back && fault_step("reclaim", "ask", FAULT_AFTER, error) &&
           (domain->migration == last || error_set(error, ERROR_OPERATION_FAILED, "another migration has come in between")) &&
           record(last, SIDE_DESTINATION, WORD_TAKEN, epoch, cause, error) && fault_step("reclaim", "record", FAULT_AFTER, error);
}

/* --- there ----------------------------------------------------------------------------------------------------------- */

static gboolean is_same_host(const char *a, const char *b)
{
    return a && b && g_ascii_strcasecmp(a, b) == 0;
}

static OwnerHold hold_of(Domain *domain, const Migration *last)
{
    const OwnerWord word = migration_word(last);
    const Journal *journal = last->journal;

    if (!last->is_ended || rival_is_open(last))
        return HOLD_UNSETTLED;
    if (journal->given_to && (word == WORD_REFUSED || word == WORD_LOST) && !is_same_host(journal->given_to, journal->peer))
        return HOLD_ELSEWHERE;
    return word == WORD_GONE || owner_standing(domain) == OWNER_GIVEN ? HOLD_GIVEN : HOLD_MINE;
}

static OwnerClaim claim_of(const Migration *last, uint64_t epoch)
{
    g_autofree char *domains = migrate_domains_dir();
    g_autoptr(Attempt) attempt = attempt_read(domains, &last->journal->uuid);
    const uint64_t newest = MAX(attempt ? attempt->epoch : 0, last->journal->epoch);

    if (epoch > newest)
        return CLAIM_NEWER;
    return epoch == newest && epoch == last->journal->epoch && last->journal->reclaims && migration_word(last) == WORD_GONE ? CLAIM_SAME
                                                                                                                            : CLAIM_OLDER;
}

/* last: may be NULL. */
static gboolean refuse(const Domain *domain, const Migration *last, OwnerReclaim why, GError **error)
{
    static const char *const reasons[] = {
        [RECLAIM_RUNS] = "runs, or is paused",
        [RECLAIM_ELSEWHERE] = "had been given to another host before",
        [RECLAIM_UNSETTLED] = "is in a migration that is not settled yet",
        [RECLAIM_STALE] = "has moved on since",
    };

    return error_set(error, ERROR_OPERATION_INVALID, "Requested operation is not valid: on host '%s' domain '%s' %s%s%s",
                     migrate_settings()->host_name, domain->name, reasons[why], last && why == RECLAIM_STALE ? ": its last migration there was with " : "",
                     last && why == RECLAIM_STALE ? last->journal->peer ?: "another host" : "");
}

/* Its last migration, if that is the one which is spoken of, by who knows its token. */
static Migration *find_last(Domain *domain, const char *attempt, const void *bytes, size_t len, Told *ret_told, GError **error)
{
    Migration *last = recover_attach(domain);

    if (!last || !g_str_equal(base_of(last->journal), attempt)) {
        refuse(domain, last, RECLAIM_STALE, error);
        return NULL;
    }
    if (!ask_unseal(attempt, last->journal, bytes, len, ret_told) || ret_told->side != SIDE_DESTINATION || ret_told->word != WORD_PREPARED) {
        error_set(error, ERROR_OPERATION_DENIED, "operation denied: that word is not of migration %s", attempt);
        return NULL;
    }
    return last;
}

AWAITS static gboolean obey(Domain *domain, const Migration *last, uint64_t epoch, GError **error)
{
    g_autofree char *cause = g_strdup_printf("given back to %s, which starts it", last->journal->peer ?: "another host");
    OwnerReclaim verdict = owner_decide_reclaim(hold_of(domain, last), domain_is_active(domain), claim_of(last, epoch));

    if (verdict == RECLAIM_AGAIN)
        return TRUE;
    if (verdict != RECLAIM_GIVE)
        return refuse(domain, last, verdict, error);
    return fault_step("give-back", "record", FAULT_BEFORE, error) &&
           record(last, SIDE_SOURCE, WORD_GONE, epoch, cause, error) && fault_step("give-back", "record", FAULT_AFTER, error);
}

AWAITS static GBytes *give_back(Domain *domain, const char *attempt, const void *bytes, size_t len, GError **error)
{
    g_auto(JobGuard) guard = {NULL};
    g_autoptr(Migration) last = NULL;
    gboolean has_job;
    Told told;

    last = find_last(domain, attempt, bytes, len, &told, error);
    if (!last)
        return NULL;
    migration_ref(last);
    if (last->is_asked_back && goes_first(last)) {
        error_set(error, ERROR_OPERATION_INVALID, "Requested operation is not valid: domain '%s' is just being started on host '%s'", domain->name,
                  migrate_settings()->host_name);
        return NULL;
    }
    last->giving = task_current();
    has_job = job_guard_begin(&guard, domain, JOB_MODIFY, "give it back to another host", error);
    if (last->giving == task_current())
        last->giving = NULL;
    if (!has_job)
        return NULL;
    g_clear_pointer(&last, migration_unref);
    last = find_last(domain, attempt, bytes, len, &told, error); /* as it is by now */
    if (!last)
        return NULL;
    migration_ref(last);
    return obey(domain, last, told.epoch, error) ? seal(last->journal, SIDE_SOURCE, WORD_GONE, TOLD_ANSWER, told.epoch) : NULL;
}

/* What was transient here and has been shut off is known by its last migration alone. */
AWAITS static Domain *find_domain(const Uuid *guest, GError **error)
{
    g_autofree char *domains = migrate_domains_dir();
    g_autofree char *dir = migrate_dir();
    Domain *known = registry_peek_uuid(guest);
    g_autoptr(Attempt) attempt = known ? NULL : attempt_read(domains, guest);
    g_autoptr(Journal) journal = attempt ? journal_load(dir, attempt->id, error) : NULL;

    if (known)
        return domain_ref(known);
    if (!attempt)
        error_set(error, ERROR_NO_DOMAIN, "Domain not found: nothing is known on host '%s' of a migration of this guest",
                  migrate_settings()->host_name);
    return journal ? registry_add(guest, journal->name, error) : NULL;
}

AWAITS GBytes *reclaim_answer(const Uuid *guest, const char *attempt, const void *bytes, size_t len, GError **error)
{
    const gboolean is_new = !registry_peek_uuid(guest);
    g_autoptr(Domain) domain = find_domain(guest, error);
    GBytes *answer = domain ? give_back(domain, attempt, bytes, len, error) : NULL;

    if (domain && is_new && !domain->persistent && !domain_is_active(domain) && owner_standing(domain) != OWNER_IN_DOUBT)
        registry_remove(domain);
    return answer;
}
