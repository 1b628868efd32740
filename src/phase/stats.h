/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The numbers of a migration: one record, and the three shapes in which others want it: typed
 * parameters of get_job_stats and of the job-completed event, the older job info, and the
 * <statistics> of cookies. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "base/params.h"
#include "xml/writer.h"
#include "xml/xml.h"

typedef enum { /* wire values of a job's type */
               JOB_TYPE_NONE = 0,
               JOB_TYPE_BOUNDED = 1,
               JOB_TYPE_UNBOUNDED = 2,
               JOB_TYPE_COMPLETED = 3,
               JOB_TYPE_FAILED = 4,
               JOB_TYPE_CANCELLED = 5,
} JobType;

typedef enum { /* which of the numbers below have a source; the others are always sent */
               STATS_HAS_DOWNTIME = 1 << 0,
               STATS_HAS_SETUP_TIME = 1 << 1,
               STATS_HAS_PAGES = 1 << 2,  /* constant, normal, normal_bytes */
               STATS_HAS_XBZRLE = 1 << 3, /* compression_* */
               STATS_HAS_DELTA = 1 << 4,
} StatsHas;

typedef struct {
    JobType type;
    int operation;                            /* JOB_MIGRATION_IN 4, JOB_MIGRATION_OUT 5 */
    unsigned has;                             /* StatsHas */
    uint64_t started_ms, stopped_ms, sent_ms; /* since the epoch, by the source's clock */
    int64_t delta_ms; /* the destination's clock when Finish came, less sent_ms; only in C4 */
    uint64_t time_elapsed_ms;
    uint64_t downtime_ms; /* expected while it runs, total once it is done */
    uint64_t setup_time_ms;
    uint64_t memory_total, memory_processed, memory_remaining; /* bytes */
    uint64_t memory_bps;                                       /* bytes/s */
    uint64_t memory_constant, memory_normal;                   /* pages */
    uint64_t memory_normal_bytes;
    uint64_t memory_dirty_rate; /* pages/s */
    uint64_t memory_iteration;
    uint64_t memory_postcopy_requests;
    uint64_t memory_page_size;                           /* 0: not known */
    uint64_t disk_total, disk_processed, disk_remaining; /* bytes */
    uint64_t disk_bps;
    uint64_t compression_cache, compression_bytes, compression_pages, compression_cache_misses,
        compression_overflow;
    int32_t auto_converge_throttle; /* percent */
} MigrationStats;

/* Beside the numbers of a completed job, a string: where the memory went.  Stock clients skip names
 * that they do not know. */
#define PHASE_PARAM_ADDRESS "ferry.address"
/* And what was done beyond what was asked, one line. */
#define PHASE_PARAM_NOTICE "ferry.notice"
/* Beside those of a job that waits for its turn, a number: how many go before it. */
#define PHASE_PARAM_WAITS_FOR "ferry.waits_for"

/* Adds them in the order and with the presence of stock.  is_completed (type COMPLETED) also gives
 * the *_net times. */
void migration_stats_to_params(const MigrationStats *stats, Params *params);
/* The reverse; names that are unknown or of another type are left alone. */
void migration_stats_from_params(const Params *params, JobType type, MigrationStats *ret_stats);

/* 0 … 100 as the ecosystem counts it: 100 less what remains, 99 while anything does; -1: nothing
 * known yet. */
int migration_stats_percent(const MigrationStats *stats);

/* <statistics>; read leaves absent ones 0 and refuses what is no number. */
void migration_stats_write(const MigrationStats *stats, XmlWriter *writer);
gboolean migration_stats_read(XmlNode *node, MigrationStats *ret_stats, GError **error);
