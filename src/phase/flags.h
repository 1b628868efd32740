/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a migration was asked to do: flag bits and parameters, which of them are served, and which
 * side gets what. Pure; the daemon refuses by it before anything is touched, the library and the
 * command before anything is sent. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "base/enum.h"
#include "base/params.h"

typedef enum { /* wire values */
               MIGRATE_LIVE = 1 << 0,
               MIGRATE_PEER2PEER = 1 << 1,
               MIGRATE_TUNNELLED = 1 << 2,
               MIGRATE_PERSIST_DEST = 1 << 3,
               MIGRATE_UNDEFINE_SOURCE = 1 << 4,
               MIGRATE_PAUSED = 1 << 5,
               MIGRATE_NON_SHARED_DISK = 1 << 6,
               MIGRATE_NON_SHARED_INC = 1 << 7,
               MIGRATE_CHANGE_PROTECTION = 1 << 8,
               MIGRATE_UNSAFE = 1 << 9,
               MIGRATE_OFFLINE = 1 << 10,
               MIGRATE_COMPRESSED = 1 << 11,
               MIGRATE_ABORT_ON_ERROR = 1 << 12,
               MIGRATE_AUTO_CONVERGE = 1 << 13,
               MIGRATE_RDMA_PIN_ALL = 1 << 14,
               MIGRATE_POSTCOPY = 1 << 15,
               MIGRATE_TLS = 1 << 16,
               MIGRATE_PARALLEL = 1 << 17,
               MIGRATE_NON_SHARED_SYNCHRONOUS_WRITES = 1 << 18,
               MIGRATE_POSTCOPY_RESUME = 1 << 19,
               MIGRATE_ZEROCOPY = 1 << 20,
} MigrateFlags;

#define MIGRATE_FLAGS_KNOWN ((1u << 21) - 1)
#define MIGRATE_FLAGS_SERVED                                                                       \
    (MIGRATE_LIVE | MIGRATE_PEER2PEER | MIGRATE_TUNNELLED | MIGRATE_PERSIST_DEST |                 \
     MIGRATE_UNDEFINE_SOURCE | MIGRATE_PAUSED | MIGRATE_CHANGE_PROTECTION | MIGRATE_UNSAFE |       \
     MIGRATE_PARALLEL | MIGRATE_OFFLINE | MIGRATE_POSTCOPY |                          \
     MIGRATE_POSTCOPY_RESUME)

/* "LIVE", … as users of the API know them, without their prefix. */
extern const EnumName migrate_flag_names[];

/* Parameter names on the wire. */
#define MIGRATE_PARAM_URI            "migrate_uri"
#define MIGRATE_PARAM_DEST_NAME      "destination_name"
#define MIGRATE_PARAM_DEST_XML       "destination_xml"
#define MIGRATE_PARAM_PERSIST_XML    "persistent_xml"
#define MIGRATE_PARAM_BANDWIDTH      "bandwidth" /* ullong, MiB/s; 0: the stored speed */
#define MIGRATE_PARAM_LISTEN_ADDRESS "listen_address"
#define MIGRATE_PARAM_POSTCOPY_SPEED "bandwidth.postcopy" /* ullong, MiB/s; 0: unlimited */
#define MIGRATE_PARAM_CONNECTIONS    "parallel.connections" /* int, 1 … MIGRATE_CONNECTIONS_MAX */

#define MIGRATE_CONNECTIONS_MAX 255 /* QEMU's own limit */

/* What only a ferryd as source is told.  Where the client reached the destination's daemon (a literal); and
 * MIGRATE_FALLBACK_NONE: the direct way or none. */
#define MIGRATE_PARAM_DEST_ADDRESS "ferry.destination_address"
#define MIGRATE_PARAM_FALLBACK     "ferry.fallback"
#define MIGRATE_FALLBACK_NONE      "none"

#define MIGRATE_PARAMS_MAX 64 /* entries in one call */

/* Every parameter that stock 9.0.0 knows, with its type. */
const ParamRule *migrate_param_rules(void);

/* For anybody, whatever the hosts serve: bits above the known ones and bits that exclude each
 * other.  function: whose arguments these are, "domain_migrate_perform3_params". */
gboolean migrate_flags_check_known(uint64_t flags, const char *function, GError **error);
/* For ferryd: the same, then bits that it does not serve yet, each by its name
 * (ERROR_ARGUMENT_UNSUPPORTED). */
gboolean migrate_flags_check(uint64_t flags, const char *function, GError **error);
/* For ferryd: unknown names, wrong types, repetitions (ERROR_INVALID_ARG), parameters not served
 * yet, values out of range, and what does not go with the flags.  params may be NULL. */
gboolean migrate_params_check(const Params *params, uint64_t flags, GError **error);

/* What Prepare and Finish are told of the flags of Begin. */
uint64_t migrate_flags_for_destination(uint64_t flags);

/* Who drives: a client sends its whole list to every phase, a source daemon only what the
 * destination needs. */
typedef enum { MIGRATE_BY_CLIENT, MIGRATE_BY_SOURCE } MigrateDriver;

/* New lists, to be freed by the caller.  user may be NULL.
 * prepare: destination_xml is the XML that Begin gave; a migrate_uri only if the user gave one.
 * perform: migrate_uri is uri (NULL: none, tunnelled).
 * finish: destination_name is there (the user's, or name), no XML any more; migrate_uri is uri. */
Params *migrate_params_for_prepare(const Params *user, MigrateDriver driver, const char *xml);
Params *migrate_params_for_perform(const Params *user, const char *uri);
Params *migrate_params_for_finish(const Params *user, MigrateDriver driver, const char *name,
                                  const char *uri);

/* One line for a journal, from which the same list comes back; without what may hold secrets.  NULL: something would be missing,
 * or (recall) the line is malformed. */
char *migrate_params_remember(const Params *user);
Params *migrate_params_recall(const char *line);

/* What is left of them when the memory goes through another connection instead of its own: it is one stream, one way. */
uint64_t migrate_flags_for_tunnel(uint64_t flags);
Params *migrate_params_for_tunnel(const Params *user); /* a new list */
/* Disks that are copied, too, have no place in it.  NULL: it can go; else why not. */
const char *migrate_tunnel_refusal(uint64_t flags);
