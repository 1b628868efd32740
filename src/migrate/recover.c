/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Recovery.  There are no rules here: records are read, QEMU is asked, the row is looked up. */
#include "migrate/recover.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "domain/registry.h"
#include "migrate/again.h"
#include "migrate/dest.h"
#include "migrate/handover.h"
#include "migrate/lease.h"
#include "migrate/postcopy.h"
#include "migrate/repeat.h"
#include "migrate/rival.h"
#include "migrate/source.h"
#include "model/guest-def.h"
#include "phase/flags.h"
#include "qemu/socket.h"

#define SETTLE_AGAIN_MS 1000
#define TIDY_EVERY 50 /* ended attempts: reading the history takes some milliseconds per hundred */

gboolean recover_word(const Journal *journal, OwnerRecord *record, GError **error)
{
    int word = WORD_NONE;

    if (owner_word_is_final(owner_record_word(record)) || journal_is_open(journal) || !journal->outcome ||
        !enum_find(owner_word_names, journal->outcome, &word) || !owner_word_is_final((OwnerWord)word))
        return TRUE;
    return owner_record_write(record, (OwnerWord)word, owner_record_wish(record), error);
}

static Migration *revive(Domain *domain, Journal *journal, OwnerRecord *record)
{
    Migration *migration = migration_new(domain, journal, (unsigned)journal->flags);

    migration->record = record;
    migration->is_ended = !journal_is_open(journal) && owner_word_is_final(owner_record_word(record));
    migration->is_peer_to_peer = migration->side == SIDE_SOURCE && (migration->flags & MIGRATE_PEER2PEER);
    migration->is_peer_ferry = migration->journal->token != NULL;
    migration->is_carried = migration->journal->is_carried;
    return migration;
}

static Migration *adopt(Domain *domain, Journal *journal, OwnerRecord *record)
{
    Migration *migration = revive(domain, journal, record);

    migration_attach(migration);
    if (!migration->is_ended || !migration->journal->is_over)
        route_recall(migration);
    return migration;
}

static char *record_path(const char *id)
{
    g_autofree char *dir = migrate_dir();

    return g_strdup_printf("%s/%s.owner", dir, id);
}

static Migration *load(Domain *domain, const char *id, GError **error)
{
    g_autofree char *dir = migrate_dir();
    g_autofree char *path = record_path(id);
    g_autoptr(Journal) journal = journal_load(dir, id, error);
    g_autoptr(OwnerRecord) record = journal ? owner_record_open(path, error) : NULL;

    return record && recover_word(journal, record, error) ? adopt(domain, g_steal_pointer(&journal), g_steal_pointer(&record)) : NULL;
}

/* Still in memory: it ends just now, tells the other side, or its end cannot be written yet.  A second object of one attempt
 * would listen in its place, and never hear that all is over. */
static Migration *find_known(Domain *domain, const char *id)
{
    Migration *migration = migration_find(id);

    if (!migration || (migration->domain != domain && !(migration->is_ended && owner_word_is_final(migration_word(migration)))))
        return NULL;
    if (migration->domain != domain) { /* that one has left meanwhile */
        Domain *left = migration->domain;

        migration->domain = domain_ref(domain);
        domain_unref(left);
    }
    domain->migration = migration_ref(migration);
    return migration;
}

/* Steps rewrite the journal without a sync, so a power loss may leave it empty; the word of the guest is what counts. */
static Journal *guess_journal(const Domain *domain, const Attempt *attempt, OwnerSide side, gboolean has_ended)
{
    Journal *journal = journal_new(side, &domain->uuid, domain->name, attempt->epoch);

    g_free(journal->id);
    journal->id = g_strdup(attempt->id);
    journal->peer = g_strdup(attempt->peer);
    if (has_ended)
        journal->ended_ms = journal->started_ms; /* nothing more is decided, whatever was left to do */
    return journal;
}

static OwnerSide side_of(OwnerWord word)
{
    return word == WORD_PREPARED || word == WORD_TOLD || word == WORD_TAKEN || word == WORD_REFUSED || word == WORD_LOST
               ? SIDE_DESTINATION
               : SIDE_SOURCE;
}

/* An end that the journal tells, or else what may have been the last word: GO, or whatever the guest itself shows. */
static OwnerWord guess_word(const Domain *domain, const Journal *journal)
{
    int word = WORD_NONE;

    if (!journal_is_open(journal) && journal->outcome && enum_find(owner_word_names, journal->outcome, &word))
        return (OwnerWord)word;
    if (journal->side == SIDE_SOURCE)
        return WORD_GO;
    if (domain_is_active(domain) && !domain->is_incoming)
        return WORD_TAKEN;
    return journal->token ? WORD_PREPARED : WORD_TOLD; /* a stock source may have been answered */
}

typedef struct {
    Journal *journal;    /* each NULL: it cannot be read, */
    OwnerRecord *record;
    GError *newer;       /* as a newer ferryd has written one of the files, and its newest is not known; NULL: none has */
} Remains;

static void remains_clear(Remains *remains)
{
    journal_free(remains->journal);
    owner_record_free(remains->record);
    g_clear_error(&remains->newer);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Remains, remains_clear)

static void take_newer(Remains *remains, GError *error)
{
    if (!remains->newer && error_is(error, ERROR_CONFIG_UNSUPPORTED))
        remains->newer = g_error_copy(error);
}

static void read_remains(const Attempt *attempt, const char *path, Remains *remains)
{
    g_autofree char *dir = migrate_dir();
    g_autoptr(GError) journal_error = NULL;
    g_autoptr(GError) word_error = NULL;

    remains->journal = journal_load(dir, attempt->id, &journal_error);
    remains->record = owner_record_open(path, &word_error);
    take_newer(remains, attempt->newer);
    take_newer(remains, journal_error);
    take_newer(remains, word_error);
}

static gboolean have_ended(const Remains *remains)
{
    return (remains->record && owner_word_is_final(owner_record_word(remains->record))) ||
           (remains->journal && !journal_is_open(remains->journal));
}

/* It may have promised more than this daemon knows: nothing is ended, nothing runs that may run elsewhere, and nobody is told
 * anything.  The files stay as they are, for the newer one. */
static Migration *adopt_unread(Domain *domain, const Attempt *attempt, const char *path, const Remains *remains, GError **error)
{
    const OwnerSide side = remains->journal  ? (OwnerSide)remains->journal->side
                           : remains->record ? side_of(owner_record_word(remains->record))
                                             : SIDE_SOURCE;
    OwnerRecord *record = owner_record_guess(path, side == SIDE_SOURCE ? WORD_GO : WORD_TOLD,
                                             domain->wants_paused ? WISH_PAUSED : WISH_RUN, error);
    Journal *journal;
    Migration *migration;

    if (!record)
        return NULL;
    journal = guess_journal(domain, attempt, side, FALSE);
    if (remains->journal) {
        journal->flags = remains->journal->flags;
        g_free(journal->peer);
        journal->peer = g_strdup(remains->journal->peer);
    }
    migration = adopt(domain, journal, record);
    migration->unread = g_strdup(remains->newer->message);
    return migration;
}

/* Part of it cannot be read.  To take that for "no migration" would let a guest run that was given away. */
static Migration *load_what_is_left(Domain *domain, const Attempt *attempt, GError **error)
{
    g_autofree char *dir = migrate_dir();
    g_autofree char *path = record_path(attempt->id);
    g_autofree char *json = g_strdup_printf("%s/%s.json", dir, attempt->id);
    g_auto(Remains) remains = {NULL};
    OwnerWord word;

    if (access(path, F_OK) < 0 && access(json, F_OK) < 0)
        return NULL; /* its history was tidied away */
    read_remains(attempt, path, &remains);
    if (remains.newer && !have_ended(&remains))
        return adopt_unread(domain, attempt, path, &remains, error);
    word = remains.record ? owner_record_word(remains.record) : WORD_GO;
    if (!remains.journal)
        remains.journal = guess_journal(domain, attempt, side_of(word), owner_word_is_final(word));
    if (!remains.record)
        remains.record = owner_record_guess(path, guess_word(domain, remains.journal), domain->wants_paused ? WISH_PAUSED : WISH_RUN, error);
    return remains.record && recover_word(remains.journal, remains.record, error)
               ? adopt(domain, g_steal_pointer(&remains.journal), g_steal_pointer(&remains.record))
               : NULL;
}

Migration *recover_attach(Domain *domain)
{
    g_autofree char *domains = migrate_domains_dir();
    g_autoptr(Attempt) attempt = NULL;
    g_autoptr(Migration) migration = NULL;
    g_autoptr(GError) error = NULL;

    if (domain->migration)
        return domain->migration;
    attempt = attempt_read(domains, &domain->uuid);
    if (!attempt)
        return NULL;
    if (find_known(domain, attempt->id))
        return domain->migration;
    if (attempt->newer)
        error = g_error_copy(attempt->newer);
    else if ((migration = load(domain, attempt->id, &error)))
        return domain->migration;
    log_error("the last migration of domain '%s' (%s) cannot be read: %s", domain->name, attempt->id, error->message);
    migration = load_what_is_left(domain, attempt, NULL);
    if (migration)
        log_error("migration %s of domain '%s' is taken for %s", attempt->id, domain->name,
                  enum_name(owner_word_names, migration_word(migration)));
    return domain->migration;
}

/* As it arrives it is paused; what has stopped it otherwise it did by itself, having run. */
AWAITS static void ask_whether_it_runs(Migration *migration)
{
    g_autoptr(QemuGuest) guest = qemu_guest_ref(migration->domain->guest);
    g_autofree char *state = qemu_guest_query_status(guest, NULL);
    const gboolean is_paused = g_strcmp0(state, "paused") == 0, is_running = g_strcmp0(state, "running") == 0;

    migration->may_have_run = !is_paused && g_strcmp0(state, "inmigrate") != 0;
    migration->is_half = postcopy_is_status(migration->status) && (is_paused || is_running);
}

/* What QEMU says, once it can be asked. */
AWAITS static void ask_qemu(Migration *migration)
{
    Domain *domain = migration->domain;
    g_autoptr(GError) error = NULL;

    migration->is_qemu_dead = !domain->guest;
    if (migration->is_qemu_dead)
        return;
    migration_watch(migration);
    if (qemu_query_migrate(domain->guest, &migration->info, &error)) {
        migration->status = migration->info.status;
        migration->may_have_run = FALSE;
    } else
        log_warning("domain '%s': %s", domain->name, error->message);
    if (!domain->guest)
        return; /* meanwhile */
    if (migration->side == SIDE_SOURCE && migration->status == QEMU_MIGRATION_COMPLETED && qemu_guest_is_running(domain->guest))
        migration->status = QEMU_MIGRATION_NONE; /* that was how it once came here: who has sent it all stands still */
    if (migration->status == QEMU_MIGRATION_SETUP && postcopy_is_asked(migration) && owner_word_is_final(migration_word(migration)))
        migration->status = QEMU_MIGRATION_POSTCOPY_PAUSED; /* another stream is set up */
    if (migration->status != QEMU_MIGRATION_NONE && !qemu_guest_is_running(domain->guest))
        migration->stopped_us = clock_now_us(); /* watched again */
    if (migration->side != SIDE_DESTINATION || migration->status == QEMU_MIGRATION_NONE)
        return;
    migration->is_stream_attached = TRUE;
    if (postcopy_is_status(migration->status) || migration->status == QEMU_MIGRATION_COMPLETED)
        ask_whether_it_runs(migration);
}

/* QEMU sends or receives by itself: nothing of it has ended with the old daemon. */
static gboolean goes_on(const Migration *migration)
{
    return owner_record_is_this_boot(migration->record) && migration_goes_alone(migration) && !migration->is_qemu_dead &&
           migration->status != QEMU_MIGRATION_NONE && migration->status != QEMU_MIGRATION_FAILED &&
           migration->status != QEMU_MIGRATION_CANCELLED;
}

AWAITS static void go_on_task(void *data)
{
    Migration *migration = data;
    g_autoptr(GError) error = NULL;

    if (!source_go_on(migration, &error))
        log_warning("domain '%s': %s", migration->journal->name, error->message);
}

/* The attempt is carried on where it was, by the same rows. */
AWAITS static void go_on(Migration *migration)
{
    log_info("domain '%s': its migration goes on", migration->journal->name);
    migration_begin_job(migration, NULL);
    if (migration->side == SIDE_SOURCE) {
        migration->task = task_current(); /* until the new one has it */
        task_spawn("migration-go-on", go_on_task, migration_ref(migration), (GDestroyNotify)migration_unref);
    }
    ask_start(migration);
}


/* Nothing is sent before the way is on the disk, so where none is there, nobody can have been told GO. */
static gboolean was_never_performed(const Migration *migration)
{
    const Journal *journal = migration->journal;

    if (migration_is_offline(migration)) /* whom a peer-to-peer one calls is on the disk before it does */
        return migration_word(migration) == WORD_GO && migration->is_peer_to_peer && journal->definition && !journal->peer_uri;
    return migration_word(migration) == WORD_OFFERED && !owner_record_is_this_boot(migration->record) &&
           journal->definition /* it was read, and is no guess */ && !journal->address;
}

/* It was about to run here.  QEMU may refuse: then the source is told, or it stands here, defined. */
AWAITS static void take_on(Migration *migration)
{
    if (!migration->has_job)
        migration_begin_job(migration, NULL);
    if (migration_goes_alone(migration) && handover_is_loaded(migration))
        dest_hear(migration, HEARD_GO, NULL);
    else
        dest_settle(migration, HEARD_NOTHING, NULL, NULL);
}

AWAITS static void settle(Migration *migration);

AWAITS static void settle_again_task(void *data)
{
    Migration *migration = data;

    if (await_sleep(SETTLE_AGAIN_MS, NULL) && !migration->is_ended && !migration->task)
        settle(migration);
}

/* Its word could not be written or made durable: nobody is told anything, so everybody waits until it can. */
static void settle_again(Migration *migration, const GError *why)
{
    log_error("domain '%s': %s; this is tried again", migration->journal->name, why->message);
    task_spawn("migration-settle-again", settle_again_task, migration_ref(migration), (GDestroyNotify)migration_unref);
}

AWAITS static void settle(Migration *migration)
{
    OwnerHeard heard = HEARD_NOTHING;
    OwnerWord word = migration_word(migration);
    const char *cause = repeat_cause(migration);
    g_autoptr(GError) error = NULL;

    if ((word == WORD_OFFERED || word == WORD_PREPARED) && goes_on(migration)) {
        go_on(migration);
        return;
    }
    if (word == WORD_TAKEN && handover_is_loaded(migration)) {
        take_on(migration);
        return;
    }
    /* What it was carried by has ended with the old daemon.  Where nobody can be asked, that is the end of it. */
    if ((word == WORD_OFFERED || word == WORD_PREPARED) && (owner_record_is_this_boot(migration->record) || migration_is_offline(migration)))
        heard = word == WORD_OFFERED ? HEARD_ABORT : HEARD_DROP;
    else if (was_never_performed(migration))
        heard = HEARD_LOST; /* as whoever was asked to prepare would answer, if anybody was */
    task_shield();
    handover_hear(migration, heard, cause, &error);
    word = migration_word(migration);
    if (!error && word == WORD_KEPT && heard == HEARD_NOTHING)
        handover_hear(migration, HEARD_NOTHING, NULL, &error); /* after the cancel: `cont` */
    if (error) {
        settle_again(migration, error);
        task_unshield();
        return;
    }
    if (migration_word(migration) == WORD_TAKEN && !domain_is_active(migration->domain) && !migration_is_offline(migration))
        domain_set_state(migration->domain, DOMAIN_SHUTOFF, SHUTOFF_CRASHED); /* it was ours, and its memory is lost */
    if (handover_is_over(migration)) {
        migration_end(migration, cause);
    } else if (owner_word_is_final(migration_word(migration))) { /* postcopy: the rest of its memory is on its way */
        if (!migration->has_job)
            migration_begin_job(migration, NULL);
        ask_start(migration);
    }
    if (migration->is_ended && migration_word(migration) == WORD_CRASHED)
        source_keep_definition(migration);
    migration_forget_incoming(migration);
    repeat_start(migration);
    task_unshield();
}

/* Sockets for lanes of which the old daemon held the other end. */
static void clear_lanes(Domain *domain)
{
    if (!domain->guest || migration_of(domain))
        return;
    qemu_socket_unlisten(domain->guest);
    qemu_socket_clear_place(domain->guest);
}

AWAITS static void settle_open(Migration *migration)
{
    settle(migration);
    if (postcopy_is_status(migration->status))
        postcopy_lead(migration);
}

AWAITS static void recover_open(Domain *domain, Migration *migration)
{
    log_info("domain '%s': found migration %s open, %s", domain->name, migration->journal->id,
             enum_name(owner_word_names, migration_word(migration)));
    route_regain_duplicates(migration);
    ask_qemu(migration);
    settle_open(migration);
}

AWAITS static void settle_open_task(void *data)
{
    settle_open(data);
}

/* A vCPU that waits for a page with QEMU's lock keeps it silent, and for ever if its source's QEMU has ended: that is heard even so. */
void recover_silent(Domain *domain)
{
    Migration *migration = recover_attach(domain);

    if (!migration || migration->is_ended || !owner_record_is_this_boot(migration->record))
        return;
    route_regain_duplicates(migration);
    handover_free_silent(migration);
    if (migration_word(migration) != WORD_TAKEN || !postcopy_is_asked(migration) || !qemu_guest_awaits_pages(domain->guest))
        return;
    migration_watch(migration);
    migration->may_have_run = TRUE; /* it runs, or waits for what it needs to run */
    migration->status = QEMU_MIGRATION_POSTCOPY_ACTIVE;
    task_spawn("migration-settle-silent", settle_open_task, migration_ref(migration), (GDestroyNotify)migration_unref);
}

/* The old daemon may have synced it, but nobody knows: and what is not durable is not told to who asks. */
AWAITS static void sync_word(Migration *migration)
{
    g_autoptr(GError) error = NULL;
    gboolean is_synced = owner_record_is_durable(migration->record);

    if (migration->journal->is_over || is_synced)
        return;
    off_floor {
        is_synced = owner_record_sync(migration->record, &error);
    }
    if (!is_synced)
        log_error("%s; the other side of the last migration of domain '%s' gets no answer", error->message,
                  migration->journal->name);
}

AWAITS void recover_domain(Domain *domain)
{
    g_autoptr(Migration) migration = recover_attach(domain) ? migration_ref(domain->migration) : NULL;

    if (migration && migration->is_ended) {
        sync_word(migration);
        ask_resume_ended(migration);
        migrate_lease_settle(migration); /* the old daemon may have ended before the lease knew */
        if (!rival_resume(migration)) {
            again_resume_found(domain);
            repeat_resume(migration);
        }
    } else if (migration) {
        recover_open(domain, migration);
    }
    clear_lanes(domain);
}

/* An older attempt whose end could not be written decides nothing about a guest that has moved on since. */
static gboolean is_newest(const Journal *journal)
{
    g_autofree char *domains = migrate_domains_dir();
    g_autoptr(Attempt) attempt = attempt_read(domains, &journal->uuid);

    return !attempt || g_str_equal(attempt->id, journal->id);
}

/* What it was, for whoever asks while the other side has not answered. */
static void show_definition(Domain *domain, const Journal *journal)
{
    g_autoptr(GError) error = NULL;

    if (journal->side != SIDE_SOURCE || !journal->definition || domain->live)
        return;
    domain->live = guest_def_parse(journal->definition, strlen(journal->definition), GUEST_PARSE_INACTIVE, &error);
    if (!domain->live)
        log_error("the definition of domain '%s' in migration %s cannot be read: %s", journal->name, journal->id,
                  error->message);
}

/* It has ended, and the other side may not know: that one waits for as long as nobody listens here. */
static gboolean is_asked_for(const Journal *journal)
{
    return !journal_is_open(journal) && journal->way && !journal->is_over;
}

/* The guest has begun another one since.  The other side of this one may still listen, or hold what it got, and wait for the word.  Who
 * listened himself does so no more: the port may be another migration's by now. */
AWAITS static void tell_older(Journal *journal)
{
    g_autofree char *path = record_path(journal->id);
    g_autoptr(GError) error = NULL;
    g_autoptr(OwnerRecord) record = owner_record_open(path, &error);
    Domain *known = registry_peek_uuid(&journal->uuid);
    g_autoptr(Domain) domain = known ? domain_ref(known) : domain_new(&journal->uuid, journal->name);
    g_autoptr(Migration) migration = NULL;

    if (!record || !recover_word(journal, record, &error)) {
        log_error("the end of migration %s of domain '%s' cannot be told: %s", journal->id, journal->name, error->message);
        journal_free(journal);
        return;
    }
    migration = revive(domain, journal, g_steal_pointer(&record));
    migration_enlist(migration);
    route_recall(migration);
    sync_word(migration);
    ask_resume_ended(migration);
}

/* Of a guest that the registry does not know: a transient one whose host was restarted, one that had just come, or one that
 * was refused. */
AWAITS static void recover_orphan(const char *id)
{
    g_autofree char *dir = migrate_dir();
    g_autoptr(GError) error = NULL;
    g_autoptr(Journal) journal = journal_load(dir, id, &error);
    g_autoptr(Domain) domain = NULL;

    if (!journal) {
        log_error("%s", error->message);
        return;
    }
    if (migration_find(id)) /* it was found with its guest, which may have left since */
        return;
    if (is_asked_for(journal) && !journal->port && !is_newest(journal)) {
        tell_older(g_steal_pointer(&journal));
        return;
    }
    if (!(journal_is_open(journal) || is_asked_for(journal)) || registry_peek_uuid(&journal->uuid) || !is_newest(journal))
        return;
    domain = registry_add(&journal->uuid, journal->name, &error);
    if (!domain) {
        log_error("migration %s of domain '%s': %s", id, journal->name, error->message);
        return;
    }
    if (journal_is_open(journal))
        show_definition(domain, journal);
    if (!load(domain, id, &error) && !recover_attach(domain))
        log_error("%s", error->message);
    else
        recover_domain(domain);
    if (!domain->persistent && owner_standing(domain) != OWNER_IN_DOUBT && !domain_is_active(domain))
        registry_remove(domain);
}

AWAITS static void forget_history(const char *dir, gboolean is_quiet)
{
    g_autofree char *domains = migrate_domains_dir();
    unsigned removed = 0;

    off_floor {
        removed = journal_prune(dir, domains, JOURNAL_HISTORY_MAX, is_quiet);
    }
    if (removed)
        log_info("forgot %u migrations, older than the last %d", removed, JOURNAL_HISTORY_MAX);
}

AWAITS static void tidy_task(void *data)
{
    g_autofree char *dir = migrate_dir();

    forget_history(dir, FALSE);
}

void recover_tidy(void)
{
    static unsigned ended;

    if (++ended % TIDY_EVERY == 0)
        task_spawn("migration-tidy", tidy_task, NULL, NULL);
}

AWAITS void recover_orphans(void)
{
    g_autofree char *dir = migrate_dir();
    g_autoptr(GPtrArray) ids = NULL;

    forget_history(dir, TRUE);
    ids = journal_list(dir);
    for (unsigned i = 0; i < ids->len; i++)
        recover_orphan(ids->pdata[i]);
}

AWAITS static gboolean bump_epoch(Migration *migration, GError **error)
{
    g_autofree char *domains = migrate_domains_dir();
    gboolean is_written = FALSE;

    if (migration->journal->epoch < UINT64_MAX) /* a person's word counts in any case */
        migration->journal->epoch++;
    off_floor {
        is_written = attempt_write(domains, &migration->journal->uuid, migration->journal, error);
    }
    return is_written;
}

/* A person speaks for the source. */
static OwnerHeard heard_by_destination(const Migration *migration, ResolveOutcome outcome)
{
    gboolean is_here = outcome == RESOLVE_HERE;

    if (migration_word(migration) == WORD_TOLD)
        return is_here ? HEARD_HERE : HEARD_THERE;
    return is_here ? HEARD_GO : HEARD_DROP;
}

static OwnerHeard heard_by_source(ResolveOutcome outcome, gboolean is_given)
{
    switch (outcome) {
    case RESOLVE_HERE:
        return is_given ? HEARD_HERE : HEARD_REFUSED;
    case RESOLVE_THERE:
        return HEARD_TAKEN;
    case RESOLVE_CRASHED:
        break;
    }
    return HEARD_LOST;
}

const EnumName resolve_outcome_names[] = {
    {"here", RESOLVE_HERE}, {"there", RESOLVE_THERE}, {"crashed", RESOLVE_CRASHED}, {NULL}};
static const EnumName outcome_texts[] = {
    {"it is here", RESOLVE_HERE}, {"it is there", RESOLVE_THERE}, {"its memory is lost", RESOLVE_CRASHED}, {NULL}};

/* Postcopy: its owner is known, and runs it only with the part of its memory that the other host has. */
static gboolean is_half_settled(const Migration *migration)
{
    return migration->side == SIDE_SOURCE && !migration->is_ended && owner_word_is_final(migration_word(migration)) &&
           !handover_is_over(migration);
}

static gboolean check_resolvable(Domain *domain, gboolean *ret_is_given, GError **error)
{
    const Migration *migration;

    *ret_is_given = owner_standing(domain) == OWNER_GIVEN; /* also looks the migration up */
    migration = domain->migration;
    return (migration && !migration->task && (handover_is_in_doubt(migration) || is_half_settled(migration) || *ret_is_given)) ||
           error_set(error, ERROR_OPERATION_INVALID,
                     "Requested operation is not valid: nothing is to be resolved: domain '%s' waits for no other host",
                     domain->name);
}

AWAITS static gboolean settle_in_doubt(Migration *migration, OwnerHeard heard, const char *cause, GError **error)
{
    if (migration->domain->guest && !migration->subscription)
        ask_qemu(migration);
    if (!(migration->side == SIDE_DESTINATION ? dest_settle(migration, heard, cause, error) : source_settle(migration, heard, NULL, cause, error)))
        return FALSE;
    if (handover_is_in_doubt(migration))
        return error_set(error, ERROR_OPERATION_FAILED, "operation failed: the record of migration %s of domain '%s' allows no such end: %s",
                         migration->journal->id, migration->journal->name, enum_name(owner_word_names, migration_word(migration)));
    return migration_sync(migration, error);
}

AWAITS gboolean migrate_resolve(Domain *domain, ResolveOutcome outcome, const char *confirm, GError **error)
{
    const gboolean is_here = outcome == RESOLVE_HERE;
    g_autoptr(Migration) migration = NULL;
    g_autofree char *cause = NULL;
    gboolean is_given;
    const char *host;

    if (!check_resolvable(domain, &is_given, error))
        return FALSE;
    migration = migration_ref(domain->migration);
    host = migration->journal->given_to ?: migration->journal->peer;
    if (*confirm && host && g_ascii_strcasecmp(confirm, host) != 0)
        return error_set(error, ERROR_INVALID_ARG, "nothing was done: the other host of domain '%s' is '%s', not '%s'",
                         domain->name, host, confirm);
    if (is_given && !is_here)
        return outcome == RESOLVE_THERE ||
               error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: domain '%s' has left to %s, and nothing of its memory is here: `--here` if it "
                         "has ended there and may start here", domain->name, host);
    if (rival_is_open(migration) && !is_here)
        return rival_yield(migration, error);
    if (is_half_settled(migration) ? outcome != RESOLVE_CRASHED : is_here && postcopy_is_split(migration))
        return error_set(error, ERROR_OPERATION_INVALID,
                         "Requested operation is not valid: a part of the memory of domain '%s' is here and a part on %s, so it can run "
                         "only with both; --crashed gives it up, if that host never comes back",
                         domain->name, host ?: "the other host");
    if (is_here && (!migrate_lease_take(domain, error) || !check_resolvable(domain, &is_given, error)))
        return FALSE;
    cause = g_strdup_printf("forced by a person: %s", enum_name(outcome_texts, (int)outcome));
    log_write(LOG_LEVEL_WARNING, LOG_FIELDS("DOMAIN", domain->name, "MIGRATION", migration->journal->id),
              "domain '%s': %s", domain->name, cause);
    migration->journal->epoch = MAX(migration->journal->epoch, migration->journal->rival_epoch);
    if (!bump_epoch(migration, error))
        return FALSE;
    if (migration->journal->rival_epoch)
        return rival_go_on(migration, error);
    if (is_given && migration_word(migration) != WORD_GONE) { /* its way back was refused: what it had been stands */
        g_clear_pointer(&migration->journal->given_to, g_free);
        return migration_save_durable(migration, error);
    }
    return settle_in_doubt(migration, migration->side == SIDE_DESTINATION ? heard_by_destination(migration, outcome)
                                      : is_half_settled(migration)        ? HEARD_ENDED
                                                                          : heard_by_source(outcome, is_given), cause, error);
}

AWAITS gboolean migrate_resolve_bereft(Migration *migration, GError **error)
{
    const Journal *journal = migration->journal;
    g_autofree char *cause = g_strdup_printf("%s is dead, as sanlock says, and may have run it: its memory is lost", journal->peer ?: "the other host");

    log_write(LOG_LEVEL_WARNING, LOG_FIELDS("DOMAIN", journal->name, "MIGRATION", journal->id), "domain '%s': %s", journal->name, cause);
    return bump_epoch(migration, error) &&
           (handover_is_in_doubt(migration) || error_set(error, ERROR_OPERATION_FAILED, "its answer has come meanwhile")) &&
           settle_in_doubt(migration, is_half_settled(migration) ? HEARD_ENDED : HEARD_LOST, cause, error);
}
