/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One attempt to move one guest, on one side.  It lives from Begin or Prepare until its word is final, with or without a
 * running task; domain->migration borrows it.  Everything here is on the floor. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "base/params.h"
#include "base/uuid.h"
#include "domain/domain.h"
#include "domain/event.h"
#include "host/port.h"
#include "loop/loop.h"
#include "loop/task.h"
#include "migrate/ask.h"
#include "migrate/bundle.h"
#include "migrate/journal.h"
#include "migrate/owner.h"
#include "migrate/record.h"
#include "migrate/route.h"
#include "migrate/turn.h"
#include "phase/stats.h"
#include "qemu/guest.h"
#include "qemu/migration.h"

typedef struct GuestDef GuestDef;
typedef struct Peer Peer;
typedef struct CheckScene CheckScene;

typedef struct Migration {
    unsigned refs;
    OwnerSide side;
    Domain *domain; /* a reference */
    Journal *journal;
    OwnerRecord *record; /* NULL until the first word is durable */
    char *unread;        /* its records are of a newer ferryd: why; what is held here is a guess, and only a person ends it.  NULL: they are read */
    unsigned flags;      /* phase/flags.h, as this side was given them */
    gboolean is_peer_ferry; /* the other side is a ferryd: it reads and writes <ferry> */
    gboolean is_peer_to_peer; /* source: this daemon leads, and nobody else */

    gboolean is_caller_lost;  /* the connection that leads this migration has ended */
    gboolean is_qemu_dead;
    gboolean is_in_blackout;  /* from the source's STOP to the destination's cont: only the word is written */
    gboolean has_job;         /* the domain's long job is this migration's, not that of another */
    gboolean is_ended;
    gboolean is_save_due;     /* the journal could not be written, and a task tries it */
    void *lead;               /* of the service: the connection that leads it */
    Task *task;               /* in Perform or Finish; NULL between phases */
    char *lost_reason;        /* peer-to-peer: the connection to the other daemon has ended, and why */
    gboolean has_hung_up;     /* it was that daemon that ended it */
    char *abort_reason;       /* the user asked to abort, and why */
    char *refusal;            /* source: the destination will not have it, and why */
    gboolean is_lease_watched; /* in doubt, and a task looks whether the other host is dead */
    gboolean is_asked_back;   /* the guest had been given away, and a start asks for it (migrate/reclaim.h) */
    Task *giving;             /* waits for the guest's job, to give it back; NULL: none, or not the newest */
    Turn turn;                /* among those that would be under way at once (migrate/queue.h) */
    const Task *waiting;      /* for that turn; NULL: nobody */
    Ask ask;                  /* what the other side was told and says */
    OwnerHeard answer;        /* source: what it has answered to GO, until that is obeyed */
    OwnerHeard said;          /* destination: what the source says, until that is obeyed */
    gboolean is_deciding;     /* on a task of its own, which obeys one of these */
    gboolean is_wanted_back;  /* source, after GO: asked for again, by its user or since it cannot run there */
    gboolean is_cancelled;    /* source: QEMU was told to give up its stream, and may run the guest with its images closed */
    gboolean is_cont_refused; /* destination: this daemon has seen `cont` fail, and goes on trying */
    gboolean is_led_here;     /* source: a task of this daemon walks its phases */
    gboolean is_finish_lost;  /* source, peer-to-peer: the call of Finish brought no answer, and none is waited for */

    /* postcopy (migrate/postcopy.h) */
    gboolean is_half;         /* destination: its QEMU could run, though a part of the memory is not here */
    gboolean is_postcopy_led; /* a task looks after it */
    gboolean is_held;         /* source: its user has broken the stream on purpose, and goes on when he wants */
    int64_t cut_ms;           /* source: clock_now_ms() of when the stream was found broken; 0: it is not */
    gboolean is_recovering;   /* source: another stream is being made */
    gboolean is_confirmed;    /* source: who leads it has come to fetch the outcome */
    int newest_stream;        /* destination: its source has made it again, and QEMU has not heard of it yet; -1: none */
    gboolean is_taking_streams; /* and a task tells it so */
    uint64_t postcopy_mib;    /* source: its speed after the switch; 0: unlimited */
    Route route;              /* between the two daemons, unless a stream is carried over the calling connection */

    QemuMigrationStatus status;    /* newest, from events */
    QemuMigrationInfo info;        /* newest, from query-migrate */
    QemuSubscription *subscription;
    Task *interruptible;           /* waits for the other host, and an abort, a lost leader or QEMU's end cut that short */
    Condition *changed;            /* status, is_qemu_dead, abort, caller lost, connection handed over */

    gboolean has_rival;            /* ended, and the other side claims the guest too */
    unsigned channels;             /* of --parallel; 0: one connection carries it all */
    Bundle *bundle;                /* lanes that QEMU takes no descriptor for; NULL: it gets one */

    /* source */
    void *p2p;                     /* peer-to-peer: its leading task's own; NULL: nobody leads it here */
    Peer *peer;                    /* peer-to-peer: the connection to the other daemon, borrowed; NULL: none */
    void (*drop_stream)(void *data); /* tunnelled: nobody reads QEMU's pipe any more, so its stream fails; NULL: there is none */
    void (*cut_stream)(void *data); /* tunnelled: frees a QEMU that is blocked on its pipe; NULL: there is none */
    void *cut_data;
    uint64_t bandwidth_mib;        /* 0: unlimited */
    void *run;                     /* the running phase's own, while its steps run */
    char *persistent_xml;          /* what the destination is to define */
    CheckScene *scene;             /* Begin to Perform: what was found, and lies beside the images */
    gboolean is_uri_an_order;      /* the user gave it: that way or none */
    gboolean is_relayed;           /* the leading client carries the memory */
    int relay_fd;                  /* write end of the pipe whose bytes the leading client relays; -1: none */
    char *notice;                  /* what was done beyond what was asked, one line; NULL: nothing */

    /* destination */
    GuestDef *incoming;            /* to be started */
    gboolean is_guest_awaited;     /* QEMU has not been started yet */
    gboolean is_arriving;          /* it is being started, on a task of its own: */
    Task *arriving;
    gboolean is_guest_ready;       /* it waits for its stream */
    Timer *silence;
    int64_t (*leader_silence_ms)(void *lead); /* of the service: since the leading connection's last call or data */
    gboolean is_carried;           /* tunnelled: the stream comes over the calling connection */
    gboolean may_have_run;         /* QEMU has run the guest, or was told to and did not say whether it does: it is not given back */
    gboolean is_stream_attached;   /* QEMU has its descriptor */
    gboolean is_definition_owed;   /* it could not be written yet */
    OwnerHeard heard_in_vain;      /* what the table said to it could not be carried out yet */
    gboolean is_again;             /* and a task tries it */
    OwnerHeard answer_heard;       /* TOLD: what became of the answer */
    Timer *answer_timer;           /* TOLD: until the wait for the acknowledgement is called doubt */
    char *stream_error;

    MigrationStats stats;
    int64_t finish_wall_ms;        /* destination: when Finish came */
    int64_t started_ms;            /* clock_now_ms() of Begin or Prepare */
    int64_t stopped_us;            /* source: clock_now_us() of STOP; 0: not yet */
    int64_t stopped_wall_ms;
} Migration;

/* What the daemon's configuration says; borrowed for ever. */
typedef struct {
    const char *state_dir;         /* migrations/ and domains/ below it */
    const char *host_name;
    Uuid host_uuid;
    const char *migration_host;    /* or NULL */
    unsigned max_outgoing;         /* migrations away from here that are under way at once; 0: no limit */
    unsigned max_incoming;         /* prepared guests of whose source nothing has come yet */
    int64_t incoming_timeout_ms;   /* after so much silence they are refused */
    int64_t postcopy_patience_ms;  /* after that, a broken stream is made again only if its user says so; 0: no limit */
    const char *const *migration_networks; /* in order of preference; may be NULL */
    gboolean wants_networks_only;  /* others are not offered at all */
    const char *migration_address; /* to listen on; NULL: every address */
    PortRange ports;
    const QemuEnv *env;            /* QEMU's user, emulators, networks */
    gboolean is_resolved_by_lease; /* resolve = lease: sanlock's word that the other host is dead ends a doubt */
    gboolean is_stock_trusted;     /* stock_source = fast: a stock source's guest runs before it has the answer */
    const char *const *shared_dirs; /* folders that the operator declares shared; may be NULL */
    unsigned fallbacks;            /* phase/fallback.h: those allowed */
    uint64_t relay_mib;            /* most that goes through a client, MiB/s; 0: no limit */
    const char *const *peers;      /* rows of ferryd.conf: NAME ADDRESS…; may be NULL */
    const char *const *peer_uris;  /* the same: NAME URI */
} MigrateSettings;

/* Once at start-up, before domains are loaded: registers the gate and makes the folders. */
gboolean migrate_init(const MigrateSettings *settings, GError **error);
/* The part of it that makes folders and tables. */
gboolean migrate_settings_set(const MigrateSettings *settings, GError **error);
const MigrateSettings *migrate_settings(void);
char *migrate_dir(void);         /* state_dir/migrations; the caller frees */
char *migrate_domains_dir(void); /* state_dir/domains; the caller frees */

/* Takes journal.  The domain learns of it by migration_attach. */
Migration *migration_new(Domain *domain, Journal *journal, unsigned flags);
Migration *migration_ref(Migration *migration);
void migration_unref(Migration *migration);

/* The open migration of a domain; NULL: none.  Borrowed. */
Migration *migration_of(const Domain *domain);
/* The migration whose guest is called (on this side, since Prepare) name; also one that ended in REFUSED and whose Finish
 * has not come yet.  Borrowed. */
Migration *migration_find_incoming(const char *name);
void migration_forget_incoming(Migration *migration);
/* Postcopy: another Finish may come for it. */
void migration_expect_finish(Migration *migration);
/* Any attempt that is in memory, open or ended; NULL: none.  Borrowed. */
Migration *migration_find(const char *id);
/* The source's daemon has ended between its proof and its note of the way: the next one knows of none, and will not come. */
gboolean migration_is_forgotten(const Migration *migration);
/* The daemons settle it between themselves, whoever led it: they have met, and no part of the memory depends on him. */
gboolean migration_goes_alone(const Migration *migration);
/* Only the definition of a guest that is shut off moves. */
gboolean migration_is_offline(const Migration *migration);

OwnerWord migration_word(const Migration *migration); /* WORD_NONE before the record */

/* migration_find finds it for as long as it lives. */
void migration_enlist(Migration *migration);
/* Enlists it, and domain->migration stands for it from here on; an older, ended one is let go. */
void migration_attach(Migration *migration);
/* Makes journal, record and UUID.attempt durable with the first word, then attaches it.  AWAITS its syncs, off the floor. */
AWAITS gboolean migration_open(Migration *migration, OwnerWord word, GError **error);
/* Journal only; not synced. */
gboolean migration_save(Migration *migration, GError **error);
/* Journal only; outlives the power. */
AWAITS gboolean migration_save_durable(Migration *migration, GError **error);
/* Tried until it works: what a new daemon has to know, as that it has ended. */
void migration_save_for_sure(Migration *migration);
/* The word becomes durable, and the journal if it can be written. */
AWAITS gboolean migration_sync(Migration *migration, GError **error);
/* The domain's long job, which may also be another migration's: only who took it ends it. */
AWAITS gboolean migration_begin_job(Migration *migration, GError **error);
void migration_end_job(Migration *migration);
/* Closes the journal with the last word and cause; ends the job.  Not the gate: that follows the word. */
void migration_end(Migration *migration, const char *cause);

/* Something has happened after which the attempt may be over: who waits looks again, and a wait for the other host ends. */
void migration_interrupt(Migration *migration);
/* Around such a wait.  end is FALSE with an error if it was interrupted, however is_ok the wait was. */
void migration_interruptible_begin(Migration *migration);
gboolean migration_interruptible_end(Migration *migration, gboolean is_ok, GError **error);
Bundle *migration_new_bundle(Migration *migration);
/* If one of its lanes is joined on this side. */
void migration_make_bundle(Migration *migration);

/* Follows QEMU's events from here on. */
void migration_watch(Migration *migration);
/* AWAITS a change of anything that `changed` stands for. */
AWAITS gboolean migration_wait(Migration *migration, int64_t timeout_ms, GError **error);
/* AWAITS the moment in which no other task is at it (migration->task).  FALSE: it has ended. */
AWAITS gboolean migration_await_turn(Migration *migration);
/* No task is at it any more, and whoever waits for that looks again. */
void migration_leave_turn(Migration *migration);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Migration, migration_unref)
