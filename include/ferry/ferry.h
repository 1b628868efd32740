/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libferry: talk to ferryd, or to a stock libvirtd or virtqemud, and move guests between hosts.
 *
 * Threads: calls block.  A connection and what belongs to it is used by one thread at a time;
 * different threads may use different connections. Errors: a function that can fail takes
 * `FerryError **error` last (may be NULL) and returns NULL or false; *error has to be NULL before,
 * and is the caller's to free (ferry_error_free). Ownership: what a function returns as `char *`,
 * `char **` or an object is the caller's; free texts with ferry_free, lists of texts with
 * ferry_strv_free, objects with their own free function.  `const` results are borrowed from the
 * object asked and live as long as it does.
 * Units are part of the names; where not, sizes are bytes and times are milliseconds. */
#ifndef FERRY_H
#define FERRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(FERRY_BUILD)
#define FERRY_API __attribute__((visibility("default")))
#else
#define FERRY_API
#endif

typedef struct _GError FerryError; /* opaque: the functions below read it */
typedef struct FerryConnection FerryConnection;
typedef struct FerryDomain FerryDomain;
typedef struct FerryParams FerryParams;
typedef struct FerryStream FerryStream;

/* "0.1.0" */
FERRY_API const char *ferry_version(void);
FERRY_API void ferry_free(void *memory);
FERRY_API void ferry_strv_free(char **texts);

/* ---- errors ---- */

/* The ecosystem's error numbers, as far as a program is likely to ask for them. */
enum {
    FERRY_ERROR_INTERNAL = 1,
    FERRY_ERROR_NO_SUPPORT = 3,
    FERRY_ERROR_NO_CONNECT = 5,
    FERRY_ERROR_INVALID_ARG = 8,
    FERRY_ERROR_OPERATION_FAILED = 9,
    FERRY_ERROR_SYSTEM = 38,
    FERRY_ERROR_RPC = 39,
    FERRY_ERROR_NO_DOMAIN = 42,
    FERRY_ERROR_OPERATION_INVALID = 55,
    FERRY_ERROR_OPERATION_TIMEOUT = 68,
    FERRY_ERROR_OPERATION_ABORTED = 78,
};

/* Error number; which part of the peer it comes from (the ecosystem's number); one sentence,
 * borrowed. */
FERRY_API int ferry_error_code(const FerryError *error);
FERRY_API int ferry_error_domain(const FerryError *error);
FERRY_API const char *ferry_error_message(const FerryError *error);
FERRY_API void ferry_error_free(FerryError *error);

/* ---- typed parameters ---- */

typedef enum {
    FERRY_PARAM_INT = 1,
    FERRY_PARAM_UINT = 2,
    FERRY_PARAM_LLONG = 3,
    FERRY_PARAM_ULLONG = 4,
    FERRY_PARAM_DOUBLE = 5,
    FERRY_PARAM_BOOL = 6,
    FERRY_PARAM_STRING = 7,
} FerryParamType;

FERRY_API FerryParams *ferry_params_new(void);
FERRY_API void ferry_params_free(FerryParams *params);
FERRY_API size_t ferry_params_count(const FerryParams *params);
FERRY_API const char *ferry_params_name(const FerryParams *params, size_t index);
FERRY_API FerryParamType ferry_params_type(const FerryParams *params, size_t index);
/* As text: numbers in decimal, booleans as 0 or 1. */
FERRY_API char *ferry_params_text(const FerryParams *params, size_t index);
/* The first of that name; false if there is none, or it is negative or no whole number. */
FERRY_API bool ferry_params_get_number(const FerryParams *params, const char *name,
                                       uint64_t *ret_value);
/* NULL if there is none or it is no string; borrowed. */
FERRY_API const char *ferry_params_get_string(const FerryParams *params, const char *name);
FERRY_API void ferry_params_add_int(FerryParams *params, const char *name, int32_t value);
FERRY_API void ferry_params_add_ullong(FerryParams *params, const char *name, uint64_t value);
FERRY_API void ferry_params_add_string(FerryParams *params, const char *name, const char *value);

/* ---- connections ---- */

enum { FERRY_OPEN_READONLY = 1 << 0 };

/* uri: qemu:///system, qemu:///session, qemu+tcp://HOST[:PORT]/system,
 * qemu+ssh://[USER@]HOST/system, qemu+unix:///system?socket=PATH; NULL or "": $FERRY_URI, else
 * $LIBVIRT_DEFAULT_URI, else qemu:///system. Asks a silent peer every 5 s whether it is still
 * there, and gives it up after 35 s. */
FERRY_API FerryConnection *ferry_connection_open(const char *uri, unsigned flags,
                                                 FerryError **error);
/* Ends it; domains and streams of it may still be freed, but not used. */
FERRY_API void ferry_connection_close(FerryConnection *conn);
FERRY_API bool ferry_connection_is_alive(const FerryConnection *conn);
/* As given, or as the server chose; borrowed. */
FERRY_API const char *ferry_connection_uri(FerryConnection *conn);
/* Numbers of features are the wire's. */
FERRY_API bool ferry_connection_has_feature(FerryConnection *conn, int feature);

/* Waits up to timeout_ms (-1: without limit) for something to come: events are given to their
 * callbacks.  Returns early, true, when extra_fd (-1: none) can be read or a signal came; false:
 * the connection has ended. */
FERRY_API bool ferry_connection_wait(FerryConnection *conn, int extra_fd, int timeout_ms,
                                     FerryError **error);

FERRY_API char *ferry_connection_hostname(FerryConnection *conn, FerryError **error);
FERRY_API char *ferry_connection_type(FerryConnection *conn, FerryError **error);
/* major × 1000000 + minor × 1000 + micro: of the emulator, and of the API that is served. */
FERRY_API bool ferry_connection_emulator_version(FerryConnection *conn, uint64_t *ret_version,
                                                 FerryError **error);
FERRY_API bool ferry_connection_api_version(FerryConnection *conn, uint64_t *ret_version,
                                            FerryError **error);
FERRY_API char *ferry_connection_capabilities(FerryConnection *conn, FerryError **error);
/* Each of the texts may be NULL: the host's default. */
FERRY_API char *ferry_connection_domain_capabilities(FerryConnection *conn, const char *emulator,
                                                     const char *arch, const char *machine,
                                                     const char *virttype, FerryError **error);

typedef struct {
    char model[33];
    uint64_t memory_kib;
    int cpus, mhz, nodes, sockets, cores, threads;
} FerryNodeInfo;
FERRY_API bool ferry_connection_node_info(FerryConnection *conn, FerryNodeInfo *ret_info,
                                          FerryError **error);
/* What confines guests there ("none" and "" if nothing). */
FERRY_API bool ferry_connection_security_model(FerryConnection *conn, char **ret_model,
                                               char **ret_doi, FerryError **error);

/* ---- domains ---- */

/* A domain as the peer knew it when asked.  Borrows its connection. */
FERRY_API void ferry_domain_free(FerryDomain *domain);
FERRY_API void ferry_domains_free(FerryDomain **domains);
FERRY_API FerryConnection *ferry_domain_connection(const FerryDomain *domain);
FERRY_API const char *ferry_domain_name(const FerryDomain *domain);
FERRY_API const char *ferry_domain_uuid(const FerryDomain *domain); /* with dashes */
FERRY_API int ferry_domain_id(const FerryDomain *domain);           /* -1: not running */

/* By id, else by UUID, else by name, whichever the text can be. */
FERRY_API FerryDomain *ferry_domain_find(FerryConnection *conn, const char *text,
                                         FerryError **error);
FERRY_API FerryDomain *ferry_domain_find_by_name(FerryConnection *conn, const char *name,
                                                 FerryError **error);
FERRY_API FerryDomain *ferry_domain_find_by_uuid(FerryConnection *conn, const char *uuid,
                                                 FerryError **error);
FERRY_API FerryDomain *ferry_domain_find_by_id(FerryConnection *conn, int id, FerryError **error);

enum { /* bits of a group are alternatives, groups narrow each other; no bit of a group: all */
       FERRY_LIST_ACTIVE = 1 << 0,
       FERRY_LIST_INACTIVE = 1 << 1,
       FERRY_LIST_PERSISTENT = 1 << 2,
       FERRY_LIST_TRANSIENT = 1 << 3,
       FERRY_LIST_RUNNING = 1 << 4,
       FERRY_LIST_PAUSED = 1 << 5,
       FERRY_LIST_SHUTOFF = 1 << 6,
       FERRY_LIST_OTHER = 1 << 7,
       FERRY_LIST_MANAGED_SAVE = 1 << 8,
       FERRY_LIST_NO_MANAGED_SAVE = 1 << 9,
       FERRY_LIST_AUTOSTART = 1 << 10,
       FERRY_LIST_NO_AUTOSTART = 1 << 11,
       FERRY_LIST_SNAPSHOT = 1 << 12,
       FERRY_LIST_NO_SNAPSHOT = 1 << 13,
       FERRY_LIST_CHECKPOINT = 1 << 14,
       FERRY_LIST_NO_CHECKPOINT = 1 << 15,
};
/* Ends with NULL. */
FERRY_API FerryDomain **ferry_domains_list(FerryConnection *conn, unsigned flags,
                                           FerryError **error);

enum { FERRY_DEFINE_VALIDATE = 1 << 0 };
FERRY_API FerryDomain *ferry_domain_define(FerryConnection *conn, const char *xml, unsigned flags,
                                           FerryError **error);

enum { /* of create and start */
       FERRY_START_PAUSED = 1 << 0,
       FERRY_START_AUTODESTROY = 1 << 1,
       FERRY_START_BYPASS_CACHE = 1 << 2,
       FERRY_START_FORCE_BOOT = 1 << 3,
       FERRY_START_VALIDATE = 1 << 4,
       FERRY_START_RESET_NVRAM = 1 << 5,
};
/* Starts a guest without keeping its definition. */
FERRY_API FerryDomain *ferry_domain_create(FerryConnection *conn, const char *xml, unsigned flags,
                                           FerryError **error);
/* Afterwards the domain knows its id. */
FERRY_API bool ferry_domain_start(FerryDomain *domain, unsigned flags, FerryError **error);
FERRY_API bool ferry_domain_suspend(FerryDomain *domain, FerryError **error);
FERRY_API bool ferry_domain_resume(FerryDomain *domain, FerryError **error);

enum { /* how to ask the guest; 0: the host chooses */
       FERRY_SHUTDOWN_ACPI = 1 << 0,
       FERRY_SHUTDOWN_AGENT = 1 << 1,
       FERRY_SHUTDOWN_INITCTL = 1 << 2,
       FERRY_SHUTDOWN_SIGNAL = 1 << 3,
       FERRY_SHUTDOWN_PARAVIRT = 1 << 4,
};
FERRY_API bool ferry_domain_shutdown(FerryDomain *domain, unsigned flags, FerryError **error);
FERRY_API bool ferry_domain_reboot(FerryDomain *domain, unsigned flags, FerryError **error);
FERRY_API bool ferry_domain_reset(FerryDomain *domain, FerryError **error);
enum { FERRY_DESTROY_GRACEFUL = 1 << 0, FERRY_DESTROY_REMOVE_LOGS = 1 << 1 };
FERRY_API bool ferry_domain_destroy(FerryDomain *domain, unsigned flags, FerryError **error);
enum {
    FERRY_UNDEFINE_MANAGED_SAVE = 1 << 0,
    FERRY_UNDEFINE_SNAPSHOTS_METADATA = 1 << 1,
    FERRY_UNDEFINE_NVRAM = 1 << 2,
    FERRY_UNDEFINE_KEEP_NVRAM = 1 << 3,
    FERRY_UNDEFINE_CHECKPOINTS_METADATA = 1 << 4,
    FERRY_UNDEFINE_TPM = 1 << 5,
    FERRY_UNDEFINE_KEEP_TPM = 1 << 6,
};
FERRY_API bool ferry_domain_undefine(FerryDomain *domain, unsigned flags, FerryError **error);
FERRY_API bool ferry_domain_set_autostart(FerryDomain *domain, bool is_on, FerryError **error);
FERRY_API bool ferry_domain_get_autostart(FerryDomain *domain, bool *ret_is_on, FerryError **error);
FERRY_API bool ferry_domain_is_active(FerryDomain *domain, bool *ret_is_active, FerryError **error);
FERRY_API bool ferry_domain_is_persistent(FerryDomain *domain, bool *ret_is_persistent,
                                          FerryError **error);
FERRY_API bool ferry_domain_has_managed_save(FerryDomain *domain, bool *ret_has,
                                             FerryError **error);

enum {
    FERRY_XML_SECURE = 1 << 0,
    FERRY_XML_INACTIVE = 1 << 1,
    FERRY_XML_UPDATE_CPU = 1 << 2,
    FERRY_XML_MIGRATABLE = 1 << 3,
};
FERRY_API char *ferry_domain_xml(FerryDomain *domain, unsigned flags, FerryError **error);
FERRY_API char *ferry_domain_os_type(FerryDomain *domain, FerryError **error);
/* Its title, NULL without an error if it has none. */
FERRY_API char *ferry_domain_title(FerryDomain *domain, FerryError **error);

typedef enum {
    FERRY_STATE_NONE,
    FERRY_STATE_RUNNING,
    FERRY_STATE_BLOCKED,
    FERRY_STATE_PAUSED,
    FERRY_STATE_SHUTDOWN,
    FERRY_STATE_SHUTOFF,
    FERRY_STATE_CRASHED,
    FERRY_STATE_PMSUSPENDED,
} FerryState;
/* ret_reason may be NULL. */
FERRY_API bool ferry_domain_state(FerryDomain *domain, FerryState *ret_state, int *ret_reason,
                                  FerryError **error);
/* "running", "in shutdown", …; "migrated", …: as people read them.  "no state" / "unknown" for what
 * is not known. */
FERRY_API const char *ferry_state_text(FerryState state);
FERRY_API const char *ferry_state_reason_text(FerryState state, int reason);

typedef struct {
    FerryState state;
    uint64_t max_memory_kib, memory_kib;
    unsigned vcpus;
    uint64_t cpu_time_ns;
} FerryDomainInfo;
FERRY_API bool ferry_domain_info(FerryDomain *domain, FerryDomainInfo *ret_info,
                                 FerryError **error);
FERRY_API bool ferry_domain_security_label(FerryDomain *domain, char **ret_label,
                                           bool *ret_is_enforcing, FerryError **error);
/* What its host has to say about it (tainted, deprecated, outcome of a migration not known, …);
 * ends with NULL. */
FERRY_API char **ferry_domain_messages(FerryDomain *domain, FerryError **error);

enum { FERRY_MONITOR_HMP = 1 << 0 };
/* Straight to QEMU; the answer as it came. */
FERRY_API char *ferry_domain_monitor_command(FerryDomain *domain, const char *command,
                                             unsigned flags, FerryError **error);

enum { /* groups of statistics */
       FERRY_STATS_STATE = 1 << 0,
       FERRY_STATS_CPU_TOTAL = 1 << 1,
       FERRY_STATS_BALLOON = 1 << 2,
       FERRY_STATS_VCPU = 1 << 3,
       FERRY_STATS_INTERFACE = 1 << 4,
       FERRY_STATS_BLOCK = 1 << 5,
       FERRY_STATS_PERF = 1 << 6,
       FERRY_STATS_IOTHREAD = 1 << 7,
       FERRY_STATS_MEMORY = 1 << 8,
       FERRY_STATS_DIRTYRATE = 1 << 9,
       FERRY_STATS_VM = 1 << 10,
};
#define FERRY_STATS_NOWAIT  (1u << 29)
#define FERRY_STATS_BACKING (1u << 30)
#define FERRY_STATS_ENFORCE (1u << 31)
typedef struct {
    FerryDomain *domain;
    FerryParams *params;
} FerryStatsRecord;
/* domains: ends with NULL; NULL: all that flags (FERRY_LIST_… up to OTHER) ask for.  Ends with a
 * record without a domain; free with ferry_stats_free. */
FERRY_API FerryStatsRecord *ferry_domains_stats(FerryConnection *conn, FerryDomain *const *domains,
                                                unsigned groups, unsigned flags,
                                                FerryError **error);
FERRY_API void ferry_stats_free(FerryStatsRecord *records);

/* ---- jobs ---- */

typedef enum {
    FERRY_JOB_NONE,
    FERRY_JOB_BOUNDED,
    FERRY_JOB_UNBOUNDED,
    FERRY_JOB_COMPLETED,
    FERRY_JOB_FAILED,
    FERRY_JOB_CANCELLED,
} FerryJobType;
enum { FERRY_JOB_STATS_COMPLETED = 1 << 0, FERRY_JOB_STATS_KEEP_COMPLETED = 1 << 1 };
/* ret_params: the caller's. */
FERRY_API bool ferry_domain_job_stats(FerryDomain *domain, unsigned flags, FerryJobType *ret_type,
                                      FerryParams **ret_params, FerryError **error);
enum { FERRY_ABORT_POSTCOPY = 1 << 0 };
FERRY_API bool ferry_domain_abort_job(FerryDomain *domain, unsigned flags, FerryError **error);
/* A migration that was begun with FERRY_MIGRATE_POSTCOPY: the guest runs at the destination from now
 * on, and the rest of its memory follows.  There is no way back.  flags: 0. */
FERRY_API bool ferry_domain_start_postcopy(FerryDomain *domain, unsigned flags, FerryError **error);
/* MiB/s. */
FERRY_API bool ferry_domain_set_migrate_speed(FerryDomain *domain, uint64_t mib_per_s,
                                              bool is_postcopy, FerryError **error);
FERRY_API bool ferry_domain_get_migrate_speed(FerryDomain *domain, bool is_postcopy,
                                              uint64_t *ret_mib_per_s, FerryError **error);

/* ---- events ---- */

/* id: the ecosystem's number of the event.  domain: as the peer named it, only for the call. */
typedef struct {
    int id;
    FerryDomain *domain;
    const char *name;          /* "lifecycle", … */
    const char *text;          /* what happened, for people: "Suspended Migrated" */
    int event, detail;         /* lifecycle: the numbers; migration-iteration: event is the pass */
    const FerryParams *params; /* job-completed; NULL otherwise */
} FerryEvent;
typedef void (*FerryEventFunc)(const FerryEvent *event, void *data);

/* Names of all events by number; NULL beyond the last. */
FERRY_API const char *ferry_event_name(int id);
/* domain NULL: of every domain.  Callbacks run inside calls on this connection and make none. */
FERRY_API bool ferry_connection_watch(FerryConnection *conn, int id, FerryDomain *domain,
                                      FerryEventFunc callback, void *data, FerryError **error);

/* ---- consoles ---- */

enum { FERRY_CONSOLE_FORCE = 1 << 0, FERRY_CONSOLE_SAFE = 1 << 1 };
/* devname NULL: the first.  What the guest writes goes to output, during ferry_connection_wait. */
FERRY_API FerryStream *
ferry_domain_console(FerryDomain *domain, const char *devname, unsigned flags,
                     void (*output)(const void *bytes, size_t len, void *data), void *data,
                     FerryError **error);
FERRY_API bool ferry_stream_send(FerryStream *stream, const void *bytes, size_t len);
/* false: the guest or the host has ended it; then *error (may stay NULL) says why. */
FERRY_API bool ferry_stream_is_open(FerryStream *stream, FerryError **error);
/* Ends it if it is open, and frees it. */
FERRY_API void ferry_stream_close(FerryStream *stream);

/* ---- migration ---- */

enum {
    FERRY_MIGRATE_LIVE = 1 << 0,
    FERRY_MIGRATE_PEER2PEER = 1 << 1,
    FERRY_MIGRATE_TUNNELLED = 1 << 2,
    FERRY_MIGRATE_PERSIST_DEST = 1 << 3,
    FERRY_MIGRATE_UNDEFINE_SOURCE = 1 << 4,
    FERRY_MIGRATE_PAUSED = 1 << 5,
    FERRY_MIGRATE_NON_SHARED_DISK = 1 << 6,
    FERRY_MIGRATE_NON_SHARED_INC = 1 << 7,
    FERRY_MIGRATE_CHANGE_PROTECTION = 1 << 8,
    FERRY_MIGRATE_UNSAFE = 1 << 9,
    FERRY_MIGRATE_OFFLINE = 1 << 10,
    FERRY_MIGRATE_COMPRESSED = 1 << 11,
    FERRY_MIGRATE_ABORT_ON_ERROR = 1 << 12,
    FERRY_MIGRATE_AUTO_CONVERGE = 1 << 13,
    FERRY_MIGRATE_RDMA_PIN_ALL = 1 << 14,
    FERRY_MIGRATE_POSTCOPY = 1 << 15,
    FERRY_MIGRATE_TLS = 1 << 16,
    FERRY_MIGRATE_PARALLEL = 1 << 17,
    FERRY_MIGRATE_NON_SHARED_SYNCHRONOUS_WRITES = 1 << 18,
    FERRY_MIGRATE_POSTCOPY_RESUME = 1 << 19,
    FERRY_MIGRATE_ZEROCOPY = 1 << 20,
};

typedef struct {
    const char *phase; /* "begin", "prepare", "perform", "finish", "confirm" */
    bool has_numbers;  /* the rest is known */
    int percent;       /* 0 … 100 */
    uint64_t elapsed_ms;
    uint64_t total_bytes, processed_bytes, remaining_bytes;
    uint64_t bytes_per_s;
    uint64_t dirty_pages_per_s;
    uint64_t page_bytes;          /* 0: not known */
    int64_t expected_downtime_ms; /* -1: not known */
    unsigned pass; /* over the memory, that is under way; 0: not known */
    unsigned waits_for; /* it waits for its turn, and so many go first; 0: it does not wait */
} FerryProgress;

/* Called at each phase and each interval.  false asks once to abort; then it goes on being called
 * until the outcome is known.  It may call on the connection of the source. */
typedef bool (*FerryProgressFunc)(const FerryProgress *progress, void *data);

typedef struct {
    unsigned flags;       /* FERRY_MIGRATE_… */
    const char *dest_uri; /* of the destination's daemon, as seen from here; with PEER2PEER, from
                             the source */
    const FerryParams *params;  /* the ecosystem's names: migrate_uri, destination_name, bandwidth,
                                   …; may be NULL */
    FerryProgressFunc progress; /* may be NULL */
    void *data;
    int interval_ms; /* of progress; 0: 500 */
    bool no_fallback; /* the direct way or none: no tunnel, no relay, no other address */
    uint64_t relay_mib_per_s; /* most that is relayed through this process; 0: no limit of ours */
} FerryMigration;

typedef enum {
    FERRY_OUTCOME_STAYED,  /* the guest is where it was */
    FERRY_OUTCOME_ARRIVED, /* it is at the destination */
    FERRY_OUTCOME_UNKNOWN, /* the destination did not answer at the decisive moment: nobody was told
                              to run it */
} FerryOutcome;

typedef struct {
    FerryOutcome outcome;
    uint64_t total_ms;   /* wall clock of the call */
    int64_t downtime_ms; /* -1: not known, as are the bytes */
    int64_t transferred_bytes;
    char *address; /* where the memory went; NULL: not known, or tunnelled */
    char *notice;  /* what was done beyond what was asked, one line; NULL: nothing */
    bool is_cut;   /* the destination's daemon was restarted under it, and then the source's as well: nobody begins it again */
} FerryMigrationResult;
FERRY_API void ferry_migration_result_clear(FerryMigrationResult *result);

/* Moves the guest.  ret_result (may be NULL) is filled in every case.  true: it arrived. */
FERRY_API bool ferry_domain_migrate(FerryDomain *domain, const FerryMigration *migration,
                                    FerryMigrationResult *ret_result, FerryError **error);

/* ---- before a migration ---- */

typedef enum {
    FERRY_CHECK_OK,
    FERRY_CHECK_WARNING, /* it can work, but worse than it could */
    FERRY_CHECK_BLOCKER, /* it cannot work */
    FERRY_CHECK_UNKNOWN, /* nobody could tell: a stock host cannot be asked for most of it */
} FerryCheckVerdict;

typedef struct {
    FerryCheckVerdict verdict;
    const char *section; /* "storage" */
    const char *name;    /* "disk 'vda'" */
    const char *host;    /* that was looked at or from; NULL: neither */
    const char *cause;   /* what was found */
    const char *remedy;  /* what to do; NULL: nothing */
} FerryCheckRow;

typedef struct FerryCheck FerryCheck;

/* Finds out, from both hosts' view, whether that migration could work; changes nothing on either.
 * NULL: the source could not be asked at all.  What stands against it, a destination that does not
 * answer too, is a row. */
FERRY_API FerryCheck *ferry_domain_check_migration(FerryDomain *domain,
                                                   const FerryMigration *migration,
                                                   FerryError **error);
FERRY_API void ferry_check_free(FerryCheck *check);
/* Blockers first, then what is unknown, warnings, and what is well.  Borrowed. */
FERRY_API size_t ferry_check_count(const FerryCheck *check);
FERRY_API const FerryCheckRow *ferry_check_row(const FerryCheck *check, size_t index);
/* Rows of that verdict. */
FERRY_API size_t ferry_check_count_of(const FerryCheck *check, FerryCheckVerdict verdict);
/* The hosts' own names; the destination's is NULL if it did not answer. */
FERRY_API const char *ferry_check_source(const FerryCheck *check);
FERRY_API const char *ferry_check_destination(const FerryCheck *check);
/* "ok", "warning", "blocker", "unknown" */
FERRY_API const char *ferry_check_verdict_text(FerryCheckVerdict verdict);

/* ferryd only: a person decides a hand-over whose outcome nobody can ask any more.  outcome: "here"
 * or "there"; confirm: the name of the other host, as the refusals of that guest state it. */
FERRY_API bool ferry_domain_resolve_migration(FerryDomain *domain, const char *outcome,
                                              const char *confirm, FerryError **error);

/* ---- what a ferryd knows of its migrations ---- */

typedef enum {
    FERRY_MIGRATION_ACTIVE,  /* under way */
    FERRY_MIGRATION_WAITING, /* for the other host's answer: the guest stays as it is */
    FERRY_MIGRATION_ENDED,
} FerryMigrationState;

typedef struct {
    FerryMigrationState state;
    const char *id;   /* of the attempt, on both hosts the same; NULL: the list ends here */
    const char *name; /* of the guest, on this host */
    const char *uuid;
    uint64_t epoch; /* the guest's generation: every attempt takes the next */
    bool is_outgoing;
    const char *peer;     /* the other host; NULL: not known */
    const char *word;     /* who owns the guest by this host's record: "GO", "GONE", "KEPT", … */
    const char *phase;    /* "perform"; NULL: none */
    int64_t started_ms;   /* since the epoch, as are all here; 0: not known */
    int64_t since_ms;     /* when the word was written: of one that waits, since when */
    int64_t ended_ms;     /* 0: it is open */
    const char *heard;    /* the other host's word, as it last said; NULL: it has not */
    int64_t heard_ms;
    const char *sentence; /* where the guest is, or for whom it waits, for people */
    const char *cause;    /* why it failed; NULL: not said */
    bool is_cut;          /* a restart of this host's daemon has ended it */
    bool is_begun_again;  /* and the new daemon begins it again: the guest's newest attempt is what became of it */
} FerryMigrationRow;

/* Open ones first, then the newest.  guest: only of that name or UUID; NULL: all.  with_ended: from
 * the journals too.  A stock host has no such list (an error).  Ends with a row without an id; free
 * with ferry_migration_rows_free. */
FERRY_API FerryMigrationRow *ferry_migrations_list(FerryConnection *conn, const char *guest,
                                                   bool with_ended, FerryError **error);
FERRY_API void ferry_migration_rows_free(FerryMigrationRow *rows);

typedef enum {
    FERRY_FINDING_PERSON,   /* something is wrong that only a person can judge */
    FERRY_FINDING_WAITS,    /* for another host */
    FERRY_FINDING_LEFTOVER, /* belongs to nobody; the command removes it */
    FERRY_FINDING_USED,     /* the host's own, and in use */
} FerryFindingKind;

typedef struct {
    FerryFindingKind kind;
    const char *what;    /* "QEMU process 4711"; NULL: the list ends here */
    const char *where;   /* a path; NULL: what says it all */
    const char *guest;   /* NULL: none */
    const char *host;    /* that is waited for; NULL: none */
    const char *cause;   /* what it is and how it came to that */
    const char *command; /* that removes or settles it, for a shell on that host; NULL: none */
} FerryFinding;

/* What lies about on that host and belongs to nobody, what waits, what is wrong; worst first.  Changes nothing.
 * with_used: also what is in use.  A stock host cannot be asked.  Free with ferry_findings_free. */
FERRY_API FerryFinding *ferry_doctor(FerryConnection *conn, bool with_used, FerryError **error);
FERRY_API void ferry_findings_free(FerryFinding *findings);
/* "person", "waits", "leftover", "used" */
FERRY_API const char *ferry_finding_kind_text(FerryFindingKind kind);

/* How far the migration of that guest is, whoever has asked for it.  phase is NULL. */
FERRY_API bool ferry_domain_migration_progress(FerryDomain *domain, FerryProgress *ret_progress,
                                               FerryError **error);

#ifdef __cplusplus
}
#endif
#endif
