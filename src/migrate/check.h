/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pre-flight: tables of small checks, one for each side.  A rehearsal (`ferry migrate --check`) runs them all, at the
 * same time, and changes nothing; a migration runs those marked as deciding, in order, and stops at the first blocker
 * before anything is touched. */
#pragma once

#include <glib.h>

#include "base/params.h"
#include "domain/domain.h"
#include "loop/task.h"
#include "migrate/migration.h"
#include "phase/check.h"
#include "phase/cookie.h"

typedef struct GuestDef GuestDef;

/* What the checks of one side look at, and what they find for the other side. */
typedef struct CheckScene {
    unsigned refs;
    OwnerSide side;
    Domain *domain;      /* source: a reference; destination: NULL */
    GuestDef *def;       /* a copy, so that it stays what it was at the beginning */
    unsigned flags;      /* phase/flags.h */
    gboolean is_rehearsal;
    Params *peer;        /* what the other side told (CHECK_FACT_…); NULL: it is no ferryd, or has not been asked */
    GArray *proofs;      /* CookieProof; source: laid, and removed with the scene; destination: to be read */
    gboolean must_prove; /* destination: an image that is not proven to be the same is a blocker */
    Params *facts;       /* for the other side */
    Params *params;      /* as the user gave them; never NULL */
    struct sockaddr_storage control; /* where the calling connection arrived, if there is one */
    gboolean has_control;
    LaneListener *listener; /* for the probe; until check_scene_close */
    HelloTerms terms;       /* of the probe; destination */
    gboolean has_terms;
    int reached; /* addresses of the other side that were proven; -1: none was tried */
    uint64_t bytes_per_s, dirty_bytes_per_s; /* source: measured; 0: not */
    gboolean has_dirty_rate;
    struct CheckScene *held; /* source, on its way: the scene of before, which still listens */
    char *peer_uri; /* source, peer-to-peer: of the destination's daemon */
    char *host;          /* that these checks run on */
} CheckScene;

/* Facts; each stands at most once unless it says so. */
#define CHECK_FACT_HOST_NAME  "host_name"
#define CHECK_FACT_HOST_UUID  "host_uuid"
#define CHECK_FACT_TIME       "time_ms"      /* llong, wall clock; who hands it on adds what went by meanwhile */
#define CHECK_FACT_QEMU       "qemu_version" /* uint, 7002022 */
#define CHECK_FACT_FERRYD     "ferryd_version"
#define CHECK_FACT_CPU        "cpu_flags"    /* with blanks between */
#define CHECK_FACT_CPU_VENDOR "cpu_vendor"
#define CHECK_FACT_LEASES     "lock_manager" /* "none", "sanlock" */
#define CHECK_FACT_PROOF      "proof"        /* repeated; cookie_proof_format */
#define CHECK_FACT_PROVES     "proves"       /* bool: proofs were laid where that is possible */
#define CHECK_FACT_ADDRESS    "address"      /* repeated; "LITERAL ORIGIN", usable ones, best first */
#define CHECK_FACT_PORT       "port"         /* uint, of the listener that waits for the probe */
#define CHECK_FACT_PORTS      "ports"        /* the range that firewalls have to let pass, "49152-49215" */
#define CHECK_FACT_FALLBACKS  "fallbacks"    /* uint, phase/fallback.h, what this host's configuration allows */
#define CHECK_FACT_ATTEMPT    "attempt"      /* hexadecimal, of the probe's hello */
#define CHECK_FACT_TOKEN      "token"        /* hexadecimal, secret */

typedef struct {
    const char *section;
    AWAITS void (*run)(CheckScene *scene, GPtrArray *rows);
    gboolean decides; /* a migration asks it, too */
} Check; /* a table ends with { NULL } */

extern const Check check_source[];
extern const Check check_destination[];
extern const Check check_way[];  /* source, once the destination listens */
extern const Check check_back[]; /* destination, once the source has found no way */

/* domain may be NULL, def is copied. */
CheckScene *check_scene_new(OwnerSide side, Domain *domain, const GuestDef *def, unsigned flags);
CheckScene *check_scene_ref(CheckScene *scene);
void check_scene_unref(CheckScene *scene);
/* Lets go at once what is held for the other side, whoever still refers to the scene. */
void check_scene_close(CheckScene *scene);
/* The same, and when it returns nothing lies beside the images any more. */
AWAITS void check_scene_finish(CheckScene *scene);

/* All of them side by side; one that has not answered after timeout_ms is a row that says so.  The caller frees. */
AWAITS GPtrArray *check_rehearse(const Check *table, CheckScene *scene, int64_t timeout_ms);
/* Those that decide, one after the other.  FALSE with the first blocker. */
AWAITS gboolean check_pass(const Check *table, CheckScene *scene, GError **error);

/* check-source.c: for a definition that moves alone; FALSE with the reason. */
AWAITS gboolean check_is_at_rest(Domain *domain, GError **error);
/* check-storage.c */
AWAITS void check_storage_source(CheckScene *scene, GPtrArray *rows);
AWAITS void check_storage_opens(CheckScene *scene, GPtrArray *rows);
AWAITS void check_storage_lease(CheckScene *scene, GPtrArray *rows);
AWAITS void check_storage_free(CheckScene *scene, GPtrArray *rows);
AWAITS void check_storage_same(CheckScene *scene, GPtrArray *rows);
/* check-route.c */
AWAITS void check_route_tell(CheckScene *scene, GPtrArray *rows);   /* source: its addresses, to be called back at */
AWAITS void check_route_listen(CheckScene *scene, GPtrArray *rows); /* destination */
AWAITS void check_route_name(CheckScene *scene, GPtrArray *rows);   /* what the other's name means here */
AWAITS void check_route_dial(CheckScene *scene, GPtrArray *rows);   /* source */
AWAITS void check_route_back(CheckScene *scene, GPtrArray *rows);   /* destination: dials the source */
AWAITS void check_route_peer(CheckScene *scene, GPtrArray *rows);   /* source: the connection of the daemons */
/* check-speed.c */
/* Source: fills it for a second and says how much got through; fd is taken. */
AWAITS uint64_t check_speed_send(int fd);
/* Destination: reads and forgets what comes, for a few seconds; fd is taken. */
void check_speed_drain(int fd);
AWAITS void check_speed_dirty(CheckScene *scene, GPtrArray *rows);
AWAITS void check_speed_forecast(const CheckScene *scene, GPtrArray *rows);
/* check-machine.c */
AWAITS void check_machine_emulator(CheckScene *scene, GPtrArray *rows);
AWAITS void check_machine_cpu(CheckScene *scene, GPtrArray *rows);
AWAITS void check_machine_postcopy(CheckScene *scene, GPtrArray *rows);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CheckScene, check_scene_unref)
