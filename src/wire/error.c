/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Errors on the wire. */
#include "wire/error.h"

#include <string.h>

#include "base/error.h"
#include "wire/procedures.h"

/* Far below the limit of a string: an error may quote what a client sent, and clients print it. */
#define MESSAGE_MAX  16384
#define DOMAIN_LIMIT 80
#define LEVEL_ERROR  2

/* The longest whole UTF-8 text of at most MESSAGE_MAX bytes; what is no UTF-8 is cut at the byte.
 */
static char *message_cut(const char *message)
{
    size_t len = strnlen(message, MESSAGE_MAX + 1);
    const char *end;

    if (len <= MESSAGE_MAX)
        return g_strdup(message);
    g_utf8_validate(message, MESSAGE_MAX, &end);
    return g_strndup(message,
                     MESSAGE_MAX - (end - message) < 4 ? (size_t)(end - message) : MESSAGE_MAX);
}

void wire_error_encode(GByteArray *out, const GError *error)
{
    g_autofree char *message = message_cut(error->message);
    const WireRpcError body = {
        .code = (int32_t)error_code(error),
        .domain = (int32_t)error_domain(error),
        .message = message, /* always there: one client library reads it unasked */
        .level = LEVEL_ERROR,
        .str1 = (char *)"%s", /* the format … */
        .str2 = message,      /* … and the detail */
        .int1 = error_get_errno(error),
        .int2 = -1,
    };
    gboolean is_encoded = wire_encode(&wire_type_rpc_error, &body, out, NULL);

    g_assert(is_encoded);
}

GError *wire_error_decode(const guint8 *data, size_t len)
{
    g_autoptr(Arena) arena = arena_new();
    g_autoptr(GError) error = NULL;
    WireRpcError *body = wire_decode(&wire_type_rpc_error, data, len, arena, &error);
    ErrorDomain domain;
    const char *message;

    if (!body) {
        g_prefix_error(&error, "the peer reported an error in a form that cannot be read: ");
        return g_steal_pointer(&error);
    }
    domain =
        body->domain >= 0 && body->domain < DOMAIN_LIMIT ? (ErrorDomain)body->domain : FROM_NONE;
    message = body->message && *body->message ? body->message
                                              : "the peer reported an error without a text";
    if (body->code == ERROR_RPC && (domain == FROM_RPC || domain == FROM_REMOTE) &&
        g_str_has_prefix(message, "unknown procedure"))
        body->code = ERROR_NO_SUPPORT;
    return g_error_new_literal(
        error_quark_errno(domain, body->code == ERROR_SYSTEM_ERROR ? body->int1 : -1), body->code,
        message);
}
