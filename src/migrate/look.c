/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "migrate/look.h"

#include "base/clock.h"
#include "base/error.h"
#include "client/peer.h"
#include "migrate/migration.h"
#include "phase/flags.h"
#include "phase/look.h"

#define CALL_PATIENCE_MS 5000

gboolean look_is_possible(const Migration *migration)
{
    return migration->side == SIDE_SOURCE && !migration->is_peer_ferry && migration->journal->peer_uri && !migration_is_offline(migration) &&
           migration_word(migration) == WORD_GO && (!migration->is_led_here || migration->is_finish_lost);
}

AWAITS gboolean look_check_peer(Peer *peer, const Uuid *wanted, GError **error)
{
    g_autoptr(Arena) arena = arena_new();
    RemoteConnectGetCapabilitiesRet ret = {0};

    return peer_call(peer, REMOTE_PROGRAM, REMOTE_CONNECT_GET_CAPABILITIES, NULL, arena, &ret, CALL_PATIENCE_MS, error) &&
           look_check_host(ret.capabilities, wanted, peer_uri(peer), error);
}

/* *ret_state: LOOK_ABSENT if that host says that it knows no such guest. */
AWAITS static gboolean find(Peer *peer, Arena *arena, const Uuid *guest, int *ret_state, int *ret_reason, GError **error)
{
    RemoteDomainLookupByUuidArgs wanted = {.uuid = *guest};
    RemoteDomainLookupByUuidRet found = {0};
    RemoteDomainGetStateArgs args = {0};
    RemoteDomainGetStateRet state = {0};
    GError *why = NULL;

    if (peer_call(peer, REMOTE_PROGRAM, REMOTE_DOMAIN_LOOKUP_BY_UUID, &wanted, arena, &found, CALL_PATIENCE_MS, &why)) {
        args.dom = found.dom;
        if (peer_call(peer, REMOTE_PROGRAM, REMOTE_DOMAIN_GET_STATE, &args, arena, &state, CALL_PATIENCE_MS, &why)) {
            *ret_state = state.state;
            *ret_reason = state.reason;
            return TRUE;
        }
    }
    if (error_is(why, ERROR_NO_DOMAIN) && !peer_is_lost(peer)) {
        g_error_free(why);
        *ret_state = LOOK_ABSENT;
        *ret_reason = 0;
        return TRUE;
    }
    g_propagate_error(error, why);
    return FALSE;
}

static OwnerHeard judge(const Migration *migration, int state, int reason, gboolean *ret_needs_person, GError **error)
{
    const int64_t since_ms = clock_wall_ms() - owner_record_written_ms(migration->record);

    switch (look_judge(state, reason, !!(migration->flags & MIGRATE_PERSIST_DEST), since_ms < 0 ? INT64_MAX : since_ms)) {
    case LOOK_RAN:
        return HEARD_TAKEN;
    case LOOK_NEVER_RAN:
        return HEARD_REFUSED;
    case LOOK_PERSON:
        *ret_needs_person = TRUE;
        error_set(error, ERROR_OPERATION_FAILED,
                  state == LOOK_ABSENT
                      ? "it knows no such guest any more, which may have run there and ended, or never have"
                      : "it is shut off there, which does not tell whether it has run");
        return HEARD_NOTHING;
    case LOOK_AGAIN:
        break;
    }
    error_set(error, ERROR_OPERATION_FAILED, "the guest is paused there: it may be about to run");
    return HEARD_NOTHING;
}

AWAITS OwnerHeard look_there(const Migration *migration, const char *uri, gboolean *ret_needs_person, GError **error)
{
    g_autoptr(Arena) arena = arena_new();
    Peer *peer = peer_open(uri, error);
    OwnerHeard heard = HEARD_NOTHING;
    int state = 0, reason = 0;

    if (!peer)
        return HEARD_NOTHING;
    if (look_check_peer(peer, &migration->journal->peer_host, error) &&
        find(peer, arena, &migration->journal->uuid, &state, &reason, error))
        heard = judge(migration, state, reason, ret_needs_person, error);
    peer_close(peer);
    return heard;
}
