/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nouns that this daemon does not keep: networks, pools, volumes, interfaces, node devices,
 * secrets, filters, snapshots, checkpoints.  Their lists are empty, look-ups find nothing, in the
 * codes and words of the ecosystem; one table says how.  Everything else about them is not served
 * (code 3). */
#include "base/error.h"
#include "service/calls.h"
#include "service/service.h"

typedef enum {
    ABSENT_EMPTY,     /* an answer of zeros: no entries, count 0 */
    ABSENT_TEXT,      /* arguments begin with a string: not found, quoting it */
    ABSENT_UUID,      /* … with a uuid */
    ABSENT_DOMAIN,    /* … with a domain that must exist; then an answer of zeros */
    ABSENT_IN_DOMAIN, /* … with a domain that must exist, and a name that is not found in it */
    ABSENT_PLAIN,     /* not found, nothing to quote */
    ABSENT_WATCH,     /* an event registration: granted, nothing will happen */
    ABSENT_UNWATCH,
} AbsentKind;

typedef struct {
    ServerRow served;
    AbsentKind kind;
    ErrorDomain from;
    ErrorCode code;
    const char *words; /* … 'X' */
} AbsentRow;

#define SERVED(procedure)                                                                          \
    {                                                                                              \
        REMOTE_PROGRAM, REMOTE_##procedure, service_absent, CALL_INLINE, 0                         \
    }
#define EMPTY(procedure)                                                                           \
    {                                                                                              \
        SERVED(procedure), ABSENT_EMPTY, FROM_NONE, 0, NULL                                        \
    }
#define OF_DOMAIN(procedure)                                                                       \
    {                                                                                              \
        SERVED(procedure), ABSENT_DOMAIN, FROM_NONE, 0, NULL                                       \
    }
#define WATCH(object)                                                                              \
    {SERVED(CONNECT_##object##_EVENT_REGISTER_ANY), ABSENT_WATCH, FROM_NONE, 0, NULL},             \
    {                                                                                              \
        SERVED(CONNECT_##object##_EVENT_DEREGISTER_ANY), ABSENT_UNWATCH, FROM_NONE, 0, NULL        \
    }

/* clang-format off */
static const AbsentRow rows[] = {
    EMPTY(CONNECT_NUM_OF_NETWORKS), EMPTY(CONNECT_LIST_NETWORKS), EMPTY(CONNECT_NUM_OF_DEFINED_NETWORKS),
    EMPTY(CONNECT_LIST_DEFINED_NETWORKS), EMPTY(CONNECT_LIST_ALL_NETWORKS), WATCH(NETWORK),
    { SERVED(NETWORK_LOOKUP_BY_NAME), ABSENT_TEXT, FROM_NETWORK, ERROR_NO_NETWORK,
      "Network not found: no network with matching name" },
    { SERVED(NETWORK_LOOKUP_BY_UUID), ABSENT_UUID, FROM_NETWORK, ERROR_NO_NETWORK,
      "Network not found: no network with matching uuid" },

    EMPTY(CONNECT_NUM_OF_STORAGE_POOLS), EMPTY(CONNECT_LIST_STORAGE_POOLS), EMPTY(CONNECT_NUM_OF_DEFINED_STORAGE_POOLS),
    EMPTY(CONNECT_LIST_DEFINED_STORAGE_POOLS), EMPTY(CONNECT_LIST_ALL_STORAGE_POOLS), WATCH(STORAGE_POOL),
    { SERVED(STORAGE_POOL_LOOKUP_BY_NAME), ABSENT_TEXT, FROM_STORAGE, ERROR_NO_STORAGE_POOL,
      "Storage pool not found: no storage pool with matching name" },
    { SERVED(STORAGE_POOL_LOOKUP_BY_UUID), ABSENT_UUID, FROM_STORAGE, ERROR_NO_STORAGE_POOL,
      "Storage pool not found: no storage pool with matching uuid" },
    { SERVED(STORAGE_POOL_LOOKUP_BY_TARGET_PATH), ABSENT_TEXT, FROM_STORAGE, ERROR_NO_STORAGE_POOL,
      "Storage pool not found: no storage pool with matching target path" },
    { SERVED(STORAGE_VOL_LOOKUP_BY_PATH), ABSENT_TEXT, FROM_STORAGE, ERROR_NO_STORAGE_VOL,
      "Storage volume not found: no storage vol with matching path" },
    { SERVED(STORAGE_VOL_LOOKUP_BY_KEY), ABSENT_TEXT, FROM_STORAGE, ERROR_NO_STORAGE_VOL,
      "Storage volume not found: no storage vol with matching key" },

    EMPTY(CONNECT_NUM_OF_INTERFACES), EMPTY(CONNECT_LIST_INTERFACES), EMPTY(CONNECT_NUM_OF_DEFINED_INTERFACES),
    EMPTY(CONNECT_LIST_DEFINED_INTERFACES), EMPTY(CONNECT_LIST_ALL_INTERFACES),
    { SERVED(INTERFACE_LOOKUP_BY_NAME), ABSENT_TEXT, FROM_INTERFACE, ERROR_NO_INTERFACE,
      "Interface not found: couldn't find interface named" },
    { SERVED(INTERFACE_LOOKUP_BY_MAC_STRING), ABSENT_TEXT, FROM_INTERFACE, ERROR_NO_INTERFACE,
      "Interface not found: couldn't find interface with MAC address" },

    EMPTY(NODE_NUM_OF_DEVICES), EMPTY(NODE_LIST_DEVICES), EMPTY(CONNECT_LIST_ALL_NODE_DEVICES), WATCH(NODE_DEVICE),
    { SERVED(NODE_DEVICE_LOOKUP_BY_NAME), ABSENT_TEXT, FROM_NODEDEV, ERROR_NO_NODE_DEVICE,
      "Node device not found: no node device with matching name" },
    { SERVED(NODE_DEVICE_LOOKUP_SCSI_HOST_BY_WWN), ABSENT_PLAIN, FROM_NODEDEV, ERROR_NO_NODE_DEVICE,
      "Node device not found" },

    EMPTY(CONNECT_NUM_OF_SECRETS), EMPTY(CONNECT_LIST_SECRETS), EMPTY(CONNECT_LIST_ALL_SECRETS), WATCH(SECRET),
    { SERVED(SECRET_LOOKUP_BY_UUID), ABSENT_UUID, FROM_SECRET, ERROR_NO_SECRET,
      "Secret not found: no secret with matching uuid" },
    { SERVED(SECRET_LOOKUP_BY_USAGE), ABSENT_PLAIN, FROM_SECRET, ERROR_NO_SECRET,
      "Secret not found: no secret with matching usage" },

    EMPTY(CONNECT_NUM_OF_NWFILTERS), EMPTY(CONNECT_LIST_NWFILTERS), EMPTY(CONNECT_LIST_ALL_NWFILTERS),
    EMPTY(CONNECT_LIST_ALL_NWFILTER_BINDINGS),
    { SERVED(NWFILTER_LOOKUP_BY_NAME), ABSENT_TEXT, FROM_NWFILTER, ERROR_NO_NWFILTER,
      "Network filter not found: no nwfilter with matching name" },
    { SERVED(NWFILTER_LOOKUP_BY_UUID), ABSENT_UUID, FROM_NWFILTER, ERROR_NO_NWFILTER,
      "Network filter not found: no nwfilter with matching uuid" },
    { SERVED(NWFILTER_BINDING_LOOKUP_BY_PORT_DEV), ABSENT_TEXT, FROM_NWFILTER, ERROR_NO_NWFILTER_BINDING,
      "Network filter binding not found: no nwfilter binding for port dev" },

    OF_DOMAIN(DOMAIN_SNAPSHOT_NUM), OF_DOMAIN(DOMAIN_SNAPSHOT_LIST_NAMES), OF_DOMAIN(DOMAIN_LIST_ALL_SNAPSHOTS),
    OF_DOMAIN(DOMAIN_HAS_CURRENT_SNAPSHOT), OF_DOMAIN(DOMAIN_LIST_ALL_CHECKPOINTS),
    { SERVED(DOMAIN_SNAPSHOT_LOOKUP_BY_NAME), ABSENT_IN_DOMAIN, FROM_DOMAIN_SNAPSHOT, ERROR_NO_DOMAIN_SNAPSHOT,
      "Domain snapshot not found: no domain snapshot with matching name" },
    { SERVED(DOMAIN_SNAPSHOT_CURRENT), ABSENT_PLAIN, FROM_DOMAIN_SNAPSHOT, ERROR_NO_DOMAIN_SNAPSHOT,
      "Domain snapshot not found: the domain does not have a current snapshot" },
    { SERVED(DOMAIN_CHECKPOINT_LOOKUP_BY_NAME), ABSENT_IN_DOMAIN, FROM_DOMAIN_CHECKPOINT, ERROR_NO_DOMAIN_CHECKPOINT,
      "Domain checkpoint not found: no domain checkpoint with matching name" },
};
/* clang-format on */

static const AbsentRow *find_row(int32_t procedure)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
        if (rows[i].served.number == procedure)
            return &rows[i];
    return NULL;
}

static gboolean domain_exists(const WireDomain *dom, GError **error)
{
    g_autoptr(Domain) domain = service_find(dom, error);

    return domain != NULL;
}

static gboolean not_found(const AbsentRow *row, const char *name, GError **error)
{
    return error_set_from(error, row->from, row->code, "%s '%.255s'", row->words, name);
}

gboolean service_absent(Call *call, const void *args, void *ret, GError **error)
{
    static int32_t last_watch;
    const AbsentRow *row = find_row(call_procedure(call)->number);
    char text[UUID_TEXT_SIZE];

    g_assert(row);
    switch (row->kind) {
    case ABSENT_EMPTY:
    case ABSENT_UNWATCH:
        return TRUE;
    case ABSENT_WATCH:
        *(int32_t *)ret = ++last_watch;
        return TRUE;
    case ABSENT_TEXT:
        return not_found(row, *(char *const *)args, error);
    case ABSENT_UUID:
        return not_found(row, uuid_format(args, text), error);
    case ABSENT_PLAIN:
        return error_set_from(error, row->from, row->code, "%s", row->words);
    case ABSENT_DOMAIN:
        return domain_exists(args, error);
    case ABSENT_IN_DOMAIN:
        return domain_exists(args, error) &&
               not_found(row, ((const RemoteDomainSnapshotLookupByNameArgs *)args)->name, error);
    }
    g_assert_not_reached();
}

void service_absent_register(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
        server_add_rows(&rows[i].served, 1);
}
