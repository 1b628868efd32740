/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The asking. */
#include "migrate/ask.h"

#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/number.h"
#include "client/peer.h"
#include "host/address.h"
#include "migrate/acquaintance.h"
#include "migrate/candidate.h"
#include "migrate/dest.h"
#include "migrate/handover.h"
#include "migrate/look.h"
#include "migrate/migration.h"
#include "migrate/postcopy.h"
#include "migrate/reclaim.h"
#include "migrate/recover.h"
#include "migrate/rival.h"
#include "migrate/source.h"

#define DIAL_PATIENCE_MS 1000
#define CALL_PATIENCE_MS 5000
#define ENDED_TRIES_MAX 10 /* of telling a side that is known to be final */
#define LINGERING_MAX 64
#define SYNC_AGAIN_MS 1000

static const LaneName pact_lane = {LANE_PACT, 0};
static GQueue lingering = G_QUEUE_INIT; /* Migration (references): ended, and the other side may not know; oldest first */

static gboolean is_final(OwnerWord word)
{
    return word != WORD_NONE && owner_word_is_final(word);
}

static gboolean is_dialer(const Migration *migration)
{
    return (migration->side == SIDE_SOURCE) != migration->route.is_called_back;
}

/* As it leads, or led, the migration; or as ferryd.conf says.  NULL: nowhere. */
static const char *uri_of(const Migration *migration)
{
    const char *own = migration->side == SIDE_SOURCE ? migration->journal->peer_uri : NULL;

    return own || !migration->is_peer_ferry ? own : acquaintance_uri(migration->journal->peer);
}

static gboolean is_callable(const Migration *migration)
{
    return uri_of(migration) != NULL;
}

gboolean ask_is_possible(const Migration *migration)
{
    return !migration->unread &&
           ((migration->is_peer_ferry && migration->journal->token && (migration->route.is_met || is_callable(migration))) ||
            look_is_possible(migration));
}

/* --- saying --------------------------------------------------------------------------------------------------------- */

/* What may be said: a final word only once it is durable.  Who hears one stops listening, and who has lost one would ask him. */
static OwnerWord sayable(const OwnerRecord *record, OwnerSide side)
{
    OwnerWord word = owner_record_word(record);

    if (!owner_word_is_final(word) || owner_record_is_durable(record))
        return word;
    if (side == SIDE_DESTINATION)
        return WORD_PREPARED;
    return word == WORD_GONE ? WORD_GO : WORD_OFFERED; /* KEPT and CRASHED are heard as DROP */
}

GBytes *ask_seal(const char *attempt, const char *hex_token, Told *told, const char *reason)
{
    uint8_t token[HELLO_TOKEN_BYTES];
    uint8_t nonce[TOLD_NONCE_BYTES];
    g_autofree char *valid = g_utf8_make_valid(reason ?: "", -1);
    const char *end = valid;
    GBytes *sealed;

    while (*end && g_utf8_next_char(end) - valid <= TOLD_REASON_MAX)
        end = g_utf8_next_char(end);
    memcpy(told->reason, valid, (size_t)(end - valid));
    if (!hex_parse(attempt, told->attempt, sizeof told->attempt) || !hex_parse(hex_token, token, sizeof token) ||
        getrandom(nonce, sizeof nonce, 0) != (ssize_t)sizeof nonce)
        return NULL;
    sealed = told_seal(told, token, nonce);
    explicit_bzero(token, sizeof token);
    return sealed;
}

static GBytes *seal(const Journal *journal, const OwnerRecord *record, unsigned flags, const char *reason)
{
    Told told = {.guest = journal->uuid, .epoch = journal->epoch, .side = (OwnerSide)journal->side, .flags = flags, .word = sayable(record, (OwnerSide)journal->side)};

    return ask_seal(journal->id, journal->token, &told, reason);
}

static unsigned own_flags(const Migration *migration)
{
    OwnerWord word = migration_word(migration);
    gboolean is_over = migration->is_ended && is_final(word) && owner_record_is_durable(migration->record) &&
                       is_final(migration->ask.peer_word);
    unsigned flags = is_over ? TOLD_OVER : 0;

    if (migration->side == SIDE_SOURCE)
        return flags | (word == WORD_KEPT || word == WORD_CRASHED || (word == WORD_GO && migration->is_wanted_back) ||
                                (word == WORD_OFFERED && !owner_record_is_this_boot(migration->record))
                            ? TOLD_DROP
                            : 0) |
               (migration->domain->wants_paused ? TOLD_PAUSED : 0) | (postcopy_is_out(migration) ? TOLD_OUT : 0);
    if (handover_is_loaded(migration))
        flags |= TOLD_LOADED;
    if (postcopy_has_ended(migration))
        flags |= TOLD_ENDED;
    return flags | (migration->is_cont_refused ? TOLD_CANNOT : 0);
}

static GBytes *own_word(const Migration *migration, gboolean is_answer)
{
    const char *reason = migration->is_cont_refused ? migration->stream_error : migration->journal->cause;

    if (!migration->record || !migration->journal->token)
        return NULL;
    return seal(migration->journal, migration->record, own_flags(migration) | (is_answer ? TOLD_ANSWER : 0), reason);
}

void ask_say(Migration *migration, gboolean is_answer)
{
    g_autoptr(GBytes) word = NULL;
    gsize len;
    const void *bytes;

    if (pact_is_lost(migration->route.pact) || !(word = own_word(migration, is_answer)))
        return;
    bytes = g_bytes_get_data(word, &len);
    pact_say(migration->route.pact, PACT_TOLD, bytes, len);
}

/* --- hearing -------------------------------------------------------------------------------------------------------- */

static void close_when_over(Migration *migration);

static void hear_source(Migration *migration, const Told *told)
{
    if (told->flags & TOLD_DROP)
        dest_hear(migration, HEARD_DROP, told->reason);
    else if (told->word == WORD_GO || told->word == WORD_GONE) { /* a person has said for us that it is here */
        if (told->flags & TOLD_PAUSED)
            migration->journal->is_paused = TRUE;
        dest_hear(migration, HEARD_GO, NULL);
    }
}

static void hear_destination(Migration *migration, const Told *told)
{
    static const struct {
        OwnerWord word;
        OwnerHeard heard;
    } answers[] = {{WORD_TAKEN, HEARD_TAKEN}, {WORD_REFUSED, HEARD_REFUSED}, {WORD_LOST, HEARD_LOST}};

    for (size_t i = 0; i < G_N_ELEMENTS(answers); i++)
        if (told->word == answers[i].word) {
            source_hear(migration, answers[i].heard, told->reason);
            return;
        }
    if (told->flags & TOLD_CANNOT)
        source_hear(migration, HEARD_CANNOT, told->reason);
    else if (told->flags & TOLD_LOADED)
        source_hear(migration, HEARD_LOADED, NULL);
}

gboolean ask_unseal(const char *attempt, const Journal *journal, const void *bytes, size_t len, Told *ret_told)
{
    uint8_t token[HELLO_TOKEN_BYTES];
    gboolean is_read = journal->token && hex_parse(journal->token, token, sizeof token) && told_open(bytes, len, token, ret_told) &&
                       uuid_equal(&ret_told->guest, &journal->uuid);
    uint8_t id[HELLO_ATTEMPT_BYTES];

    explicit_bzero(token, sizeof token);
    return is_read && hex_parse(attempt, id, sizeof id) && memcmp(id, ret_told->attempt, sizeof id) == 0;
}

static gboolean read_word(const Journal *journal, const void *bytes, size_t len, Told *ret_told)
{
    return ask_unseal(journal->id, journal, bytes, len, ret_told) && (int)ret_told->side != journal->side;
}

static gboolean hear(Migration *migration, const void *bytes, size_t len, gboolean *ret_wants_answer)
{
    Ask *ask = &migration->ask;
    Told told;

    if (!read_word(migration->journal, bytes, len, &told))
        return FALSE;
    ask->has_heard = TRUE;
    ask->heard_wall_ms = clock_wall_ms();
    g_clear_pointer(&ask->obstacle, g_free);
    if (!is_final(ask->peer_word)) { /* words may come out of order; a final one stands */
        ask->peer_word = told.word;
        ask->peer_epoch = told.epoch;
    }
    ask->is_peer_over |= !!(told.flags & TOLD_OVER);
    ask->is_peer_loaded = migration->side == SIDE_SOURCE && (told.flags & TOLD_LOADED);
    ask->has_ended |= migration->side == SIDE_SOURCE && (told.flags & TOLD_ENDED);
    ask->is_out |= migration->side == SIDE_DESTINATION && (told.flags & TOLD_OUT);
    *ret_wants_answer = !(told.flags & TOLD_ANSWER);
    if (migration->is_ended)
        rival_hear(migration, told.word, told.epoch);
    else
        migration->side == SIDE_SOURCE ? hear_destination(migration, &told) : hear_source(migration, &told);
    condition_signal(migration->changed);
    return TRUE;
}

void ask_hear(Migration *migration, const uint8_t *bytes, size_t len)
{
    g_autoptr(Migration) hold = migration_ref(migration);
    gboolean wants_answer = FALSE;

    if (!hear(migration, bytes, len, &wants_answer)) {
        log_warning("domain '%s': a word over the pact lane is not of this migration", migration->journal->name);
        return;
    }
    migration->route.is_mutual = TRUE;
    if (wants_answer)
        ask_say(migration, TRUE);
    close_when_over(migration);
}

/* --- roads ---------------------------------------------------------------------------------------------------------- */

void ask_meet(Migration *migration, int fd, const PactEvents *events)
{
    Route *route = &migration->route;
    gboolean is_first = !route->is_met;

    pact_free(route->pact);
    route->pact = pact_new(fd, events, migration);
    route->is_met = TRUE;
    route->pact_events = events;
    if (migration->side == SIDE_DESTINATION && migration->is_stream_attached)
        pact_say(route->pact, PACT_ATTACHED, NULL, 0); /* nobody may have heard it */
    if (is_first) {
        route_note(migration);
        if (migration->side == SIDE_SOURCE)
            ask_say(migration, TRUE); /* from now on it comes again by this way, whatever becomes of it */
    } else if (migration->record) {
        ask_start(migration);
    }
}

static void on_race(void *data)
{
    Migration *migration = data;
    g_autoptr(Race) race = g_steal_pointer(&migration->ask.race);

    if (race_winner(race) >= 0) {
        log_info("domain '%s': %s is reached again", migration->journal->name, migration->journal->peer);
        migration->route.address = race_entry(race, (unsigned)race_winner(race)).address; /* further lanes go there */
        ask_meet(migration, race_steal_fd(race), migration->route.pact_events);
        return;
    }
    g_free(migration->ask.obstacle);
    migration->ask.obstacle = race_count(race) > 0 ? g_strdup(race_entry(race, 0).reason ?: "no answer") : g_strdup("no address is known");
}

static void dial_pact(Migration *migration)
{
    HelloTerms terms;

    if (migration->ask.race || !migration->route.addresses || !route_terms(migration, &terms, NULL))
        return;
    migration->ask.race = race_new(migration->route.addresses, &terms, migration->side, pact_lane, DIAL_PATIENCE_MS, on_race, migration);
    explicit_bzero(&terms, sizeof terms);
    if (race_is_over(migration->ask.race))
        g_clear_pointer(&migration->ask.race, race_free);
}

/* It says that it knows no such attempt.  Without an image only Finish, which this daemon alone would have sent, and only once the
 * other had told that it is prepared, makes anything of a Prepare that is still to come.  Before it had told so, anybody may say it. */
AWAITS static gboolean is_never_prepared(const Migration *migration, Peer *peer, GError **error)
{
    const Uuid *host = &migration->journal->peer_host;
    GError *why = NULL;

    if (!migration_is_offline(migration) || !migration->is_peer_to_peer || !error_is(*error, ERROR_OPERATION_INVALID) || peer_is_lost(peer))
        return FALSE;
    if (uuid_is_null(host) || look_check_peer(peer, host, &why))
        return TRUE;
    g_clear_error(error);
    g_propagate_error(error, why);
    return FALSE;
}

AWAITS static gboolean call_peer(Migration *migration, GError **error)
{
    g_autoptr(Arena) arena = arena_new();
    g_autoptr(GBytes) word = own_word(migration, FALSE);
    g_autoptr(Peer) own = migration->peer && !peer_is_lost(migration->peer) ? peer_ref(migration->peer) : NULL; /* which leads it */
    Peer *peer = own ?: peer_open(uri_of(migration), error);
    FerryMigrationTellRet ret = {0};
    FerryMigrationTellArgs args = {0};
    gboolean is_told = FALSE, wants_answer = FALSE;
    gsize len = 0;

    if (peer && word) {
        args.word = (guint8 *)g_bytes_get_data(word, &len);
        args.word_len = (uint32_t)len;
        is_told = peer_call(peer, FERRY_PROGRAM, FERRY_MIGRATION_TELL, &args, arena, &ret, CALL_PATIENCE_MS, error);
    }
    if (peer && !is_told && is_never_prepared(migration, peer, error))
        source_hear(migration, HEARD_LOST, "it was never prepared there");
    if (is_told && !hear(migration, ret.word, ret.word_len, &wants_answer))
        is_told = error_set(error, ERROR_OPERATION_FAILED, "its answer is not of this migration");
    if (!own)
        peer_close(peer);
    return is_told;
}

/* A stock daemon has no words of ours; what it shows of the guest has to do. */
AWAITS static gboolean look_at_peer(Migration *migration, GError **error)
{
    gboolean needs_person = FALSE;
    OwnerHeard heard = look_there(migration, migration->journal->peer_uri, &needs_person, error);

    migration->ask.is_for_a_person = needs_person;
    if (heard == HEARD_NOTHING)
        return FALSE;
    migration->ask.has_heard = TRUE;
    migration->ask.heard_wall_ms = clock_wall_ms();
    g_clear_pointer(&migration->ask.obstacle, g_free);
    source_hear(migration, heard, heard == HEARD_REFUSED ? "it never ran there" : NULL);
    return TRUE;
}

AWAITS static void call_task(void *data)
{
    Migration *migration = data;
    g_autoptr(GError) error = NULL;

    if (!(migration->is_peer_ferry ? call_peer(migration, &error) : look_at_peer(migration, &error))) {
        g_free(migration->ask.obstacle);
        migration->ask.obstacle = g_strdup(error ? error->message : "no word can be sealed");
    }
    migration->ask.is_calling = FALSE;
    close_when_over(migration);
}

/* --- the clock, which decides nothing ------------------------------------------------------------------------------- */

/* What there is to ask, or to be told. */
static gboolean is_needed(const Migration *migration)
{
    OwnerWord word = migration_word(migration);
    const Ask *ask = &migration->ask;

    if (!ask_is_possible(migration))
        return FALSE;
    if (migration->is_ended)
        return !migration->journal->is_over;
    if (word == WORD_GO || (word == WORD_OFFERED && (migration->is_qemu_dead || !owner_record_is_this_boot(migration->record))))
        return TRUE;
    if (migration->is_cont_refused || (word == WORD_PREPARED && handover_is_loaded(migration)))
        return TRUE;
    if (is_final(word) && !is_final(ask->peer_word)) /* postcopy: it has not ended with its word */
        return TRUE;
    return migration->route.is_met && pact_is_lost(migration->route.pact) && is_dialer(migration);
}

static gboolean is_time_to_tell(const Ask *ask, int64_t now)
{
    int64_t waited = now - ask->since_ms, told = ask->told_ms ? ask->told_ms - ask->since_ms : 0;

    return (waited >= 1000 && told < 1000) || (waited >= 10000 && told < 10000) || (waited >= 60000 && waited - told >= 60000);
}

static void tell_doubt(Migration *migration)
{
    Ask *ask = &migration->ask;
    int64_t now = clock_now_ms();
    OwnerWord word = migration_word(migration);
    gboolean is_doubt = word == WORD_GO || word == WORD_OFFERED || word == WORD_PREPARED;

    if (migration->is_ended || !is_doubt || migration->task || !is_time_to_tell(ask, now))
        return;
    if (word == WORD_OFFERED && !migration->is_qemu_dead && owner_record_is_this_boot(migration->record))
        return; /* only the way is lost */
    ask->told_ms = now;
    handover_enter_doubt(migration, ask->obstacle);
}

/* While a guest waits, a link that is back is to be noticed soon, however long it was away. */
static int64_t longest_pause(const Migration *migration, int64_t now)
{
    return migration->is_ended && now - migration->ask.since_ms >= ASK_LONG_AFTER_MS ? ASK_PAUSE_LONG_MS : ASK_PAUSE_MS;
}

static void on_timer(void *data)
{
    g_autoptr(Migration) migration = migration_ref(data);
    Ask *ask = &migration->ask;
    int64_t now = clock_now_ms();

    if (!is_needed(migration)) {
        g_clear_pointer(&ask->timer, timer_free);
        ask->since_ms = ask->told_ms = 0;
        return;
    }
    if (migration->is_ended && is_final(ask->peer_word) && ask->asked > ENDED_TRIES_MAX && !postcopy_has_news(migration)) {
        ask->is_peer_over = TRUE; /* it cannot be told any more, and waits for nothing */
        close_when_over(migration);
        return;
    }
    if (!ask->has_heard || pact_is_lost(migration->route.pact)) {
        if (is_dialer(migration))
            dial_pact(migration);
        if (is_callable(migration) && pact_is_lost(migration->route.pact) && !ask->is_calling) {
            ask->is_calling = TRUE;
            task_spawn("migration-ask", call_task, migration_ref(migration), (GDestroyNotify)migration_unref);
        }
    }
    ask->has_heard = FALSE;
    ask->asked++;
    ask_say(migration, FALSE);
    tell_doubt(migration);
    ask->pause_ms = MIN(ask->pause_ms * 2, longest_pause(migration, now));
    timer_restart(ask->timer, ask->pause_ms);
}

void ask_start(Migration *migration)
{
    Ask *ask = &migration->ask;

    if (!is_needed(migration))
        return;
    ask->pause_ms = ASK_FIRST_MS;
    if (!ask->since_ms) {
        ask->since_ms = clock_now_ms();
        ask->since_wall_ms = clock_wall_ms();
    }
    ask->has_heard = TRUE; /* the lane that is there gets the first chance */
    ask_say(migration, FALSE);
    if (ask->timer)
        timer_restart(ask->timer, ASK_FIRST_MS);
    else
        ask->timer = timer_new(pact_is_lost(migration->route.pact) ? 0 : ASK_FIRST_MS, on_timer, migration);
}

void ask_pact_lost(Migration *migration)
{
    if (migration->record)
        ask_start(migration);
    close_when_over(migration);
}

AWAITS gboolean ask_await(Migration *migration)
{
    int64_t deadline = clock_now_ms() + ASK_PATIENCE_MS;

    if (!ask_is_possible(migration))
        return FALSE;
    ask_start(migration);
    while (!migration->is_ended && migration->answer == HEARD_NOTHING && clock_now_ms() < deadline) {
        g_autoptr(GError) why = NULL;

        if (!migration_wait(migration, deadline - clock_now_ms(), &why) && !error_is(why, ERROR_OPERATION_TIMEOUT))
            return FALSE;
    }
    return migration->is_ended || migration->answer != HEARD_NOTHING;
}

/* --- after the end -------------------------------------------------------------------------------------------------- */

void ask_clear(Ask *ask)
{
    g_clear_pointer(&ask->timer, timer_free);
    g_clear_pointer(&ask->race, race_free);
    g_clear_pointer(&ask->obstacle, g_free);
}

static void let_go(Migration *migration)
{
    ask_clear(&migration->ask);
    route_close(&migration->route);
    g_clear_pointer(&migration->bundle, bundle_free);
    if (g_queue_remove(&lingering, migration))
        migration_unref(migration);
}

/* Whoever listens may go as soon as it knows; whoever dials must also have been understood. */
static gboolean knows_the_end(const Migration *migration)
{
    const Ask *ask = &migration->ask;

    return is_final(ask->peer_word) && (ask->is_peer_over || !(is_dialer(migration) || postcopy_has_news(migration)));
}

static void close_when_over(Migration *migration)
{
    if (!migration->is_ended || !is_final(migration_word(migration)) || !owner_record_is_durable(migration->record) ||
        migration->journal->is_over || !(knows_the_end(migration) || migration_is_forgotten(migration)))
        return;
    migration->journal->is_over = TRUE;
    migration_save_for_sure(migration);
    ask_say(migration, TRUE); /* OVER: who dials waits for it, and an answer of his is answered no more */
    let_go(migration);
}

AWAITS static gboolean make_durable(Migration *migration, GError **error)
{
    gboolean is_durable = owner_record_is_durable(migration->record);

    if (!is_durable)
        off_floor {
            is_durable = owner_record_sync(migration->record, error);
        }
    return is_durable;
}

/* Until then it is told to nobody, and a disk that refuses is tried again. */
AWAITS static void sync_task(void *data)
{
    Migration *migration = data;
    g_autoptr(GError) error = NULL;
    gboolean is_durable = make_durable(migration, &error);

    if (!is_durable)
        log_error("%s; %s is not told how the migration of domain '%s' has ended before that works", error->message,
                  migration->journal->peer ?: "the other host", migration->journal->name);
    while (!is_durable && await_sleep(SYNC_AGAIN_MS, NULL))
        is_durable = make_durable(migration, NULL);
    if (!is_durable)
        return;
    ask_say(migration, FALSE);
    close_when_over(migration);
}

static void linger(Migration *migration)
{
    if (lingering.length >= LINGERING_MAX && migration->domain->migration != migration) {
        route_close(&migration->route); /* an older attempt, which has no claim before a newest one */
        return;
    }
    if (lingering.length >= LINGERING_MAX) {
        Migration *oldest = lingering.head->data;

        log_warning("the end of migration %s of domain '%s' could not be told to %s yet; others have come since, so a restart will "
                    "try again", oldest->journal->id, oldest->journal->name, oldest->journal->peer);
        let_go(oldest);
    }
    g_queue_push_tail(&lingering, migration_ref(migration));
    migration->ask.asked = 0;
    ask_start(migration);
    close_when_over(migration);
}

void ask_end(Migration *migration)
{
    if (migration->record && is_final(migration_word(migration)) && !owner_record_is_durable(migration->record))
        task_spawn("migration-sync-end", sync_task, migration_ref(migration), (GDestroyNotify)migration_unref);
    if (!migration->is_peer_ferry || !migration->route.is_met || !migration->record || !is_final(migration_word(migration))) {
        ask_clear(&migration->ask);
        route_close(&migration->route);
        return;
    }
    route_release_lanes(&migration->route);
    linger(migration);
}

void ask_resume_ended(Migration *migration)
{
    if (!migration->journal->is_over)
        ask_end(migration);
}

/* --- calls ---------------------------------------------------------------------------------------------------------- */

/* An attempt that nobody here holds in memory any more: its record is final, or it would be. */
static GBytes *answer_from_disk(const char *id, const void *bytes, size_t len, GError **error)
{
    g_autofree char *dir = migrate_dir();
    g_autofree char *path = g_strdup_printf("%s/%s.owner", dir, id);
    g_autoptr(Journal) journal = NULL;
    g_autoptr(OwnerRecord) record = NULL;
    GBytes *answer;
    Told told;

    if (!journal_exists(dir, id)) {
        error_set(error, ERROR_OPERATION_INVALID, "Requested operation is not valid: no migration %s is known on host '%s'", id,
                  migrate_settings()->host_name);
        return NULL;
    }
    journal = journal_load(dir, id, error);
    record = journal ? owner_record_open(path, error) : NULL;
    if (!record)
        return NULL;
    if (!read_word(journal, bytes, len, &told)) {
        error_set(error, ERROR_OPERATION_DENIED, "operation denied: that word is not of migration %s", id);
        return NULL;
    }
    if (!recover_word(journal, record, error) || !owner_record_sync(record, error))
        return NULL;
    answer = seal(journal, record, TOLD_ANSWER, journal->cause);
    if (!answer)
        error_set(error, ERROR_INTERNAL_ERROR, "internal error: migration %s has no token", id);
    return answer;
}

AWAITS GBytes *ask_answer_call(const void *bytes, size_t len, GError **error)
{
    g_autofree char *id = NULL;
    g_autoptr(Migration) migration = NULL;
    gboolean wants_answer;
    GBytes *answer = NULL;
    Told claimed;

    if (!told_peek(bytes, len, &claimed)) {
        error_set(error, ERROR_INVALID_ARG, "that is no word of a migration");
        return NULL;
    }
    id = hex_format(claimed.attempt, sizeof claimed.attempt);
    if (claimed.flags & TOLD_RECLAIM)
        return reclaim_answer(&claimed.guest, id, bytes, len, error);
    migration = migration_find(id);
    if (!migration) {
        off_floor {
            answer = answer_from_disk(id, bytes, len, error);
        }
        return answer;
    }
    migration_ref(migration);
    if (!hear(migration, bytes, len, &wants_answer)) {
        error_set(error, ERROR_OPERATION_DENIED, "operation denied: that word is not of migration %s", id);
        return NULL;
    }
    if (migration->is_ended && is_final(migration_word(migration)))
        make_durable(migration, NULL); /* else it is not told */
    answer = own_word(migration, TRUE);
    close_when_over(migration);
    if (!answer)
        error_set(error, ERROR_OPERATION_FAILED, "operation failed: migration %s has no record yet", id);
    return answer;
}

GBytes *ask_own_word(const char *attempt, GError **error)
{
    const Migration *migration = migration_find(attempt);
    GBytes *word = migration ? own_word(migration, FALSE) : NULL;

    if (!word)
        error_set(error, ERROR_OPERATION_INVALID, "Requested operation is not valid: no migration %s is under way on host '%s'", attempt,
                  migrate_settings()->host_name);
    return word;
}
