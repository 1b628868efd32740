/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls about the connection itself. */
#include "server/server-private.h"

/* One entry, "none": everybody who may connect is in.  Stock clients go on without credentials
 * then. */
static gboolean session_auth_list(Call *call, const void *args, RemoteAuthListRet *ret,
                                  GError **error)
{
    ret->types = arena_new0(call_arena(call), int32_t, 1);
    ret->types_count = 1;
    return TRUE;
}

static gboolean session_close(Call *call, const void *args, void *ret, GError **error)
{
    return TRUE;
}

/* The event tells that the daemon lost its own way to the hypervisor.  There is no such way here
 * that could be lost while this connection stands, so a registration is only taken note of; twice
 * is fine, as with stock daemons.  Nor do those send it when they are ended: a client sees the end
 * of the connection (tried with libvirtd 9.0 and a registered callback). */
static gboolean session_close_callback(Call *call, const void *args, void *ret, GError **error)
{
    return TRUE;
}

/* clang-format off */
const ServerRow server_session_rows[] = {
    SERVER_ROW(REMOTE, AUTH_LIST,                         session_auth_list,      CALL_INLINE, CALL_BEFORE_OPEN),
    SERVER_ROW(REMOTE, CONNECT_CLOSE,                     session_close,          CALL_INLINE, CALL_CLOSES),
    SERVER_ROW(REMOTE, CONNECT_REGISTER_CLOSE_CALLBACK,   session_close_callback, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, CONNECT_UNREGISTER_CLOSE_CALLBACK, session_close_callback, CALL_INLINE, 0),
};
/* clang-format on */
const unsigned server_session_row_count = G_N_ELEMENTS(server_session_rows);
