/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Migration URIs. */
#include "phase/uri.h"

#include <string.h>

#include "base/error.h"
#include "base/number.h"

#define HOST_MAX 255

void migration_uri_free(MigrationUri *uri)
{
    if (!uri)
        return;
    g_free(uri->text);
    g_free(uri->host);
    g_free(uri->rest);
    g_free(uri);
}

static gboolean unreadable(const char *text, GError **error)
{
    return error_set(error, ERROR_INTERNAL_ERROR, "internal error: Unable to parse URI %s", text);
}

static gboolean is_plain(const char *text)
{
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f || strchr("\"<>\\^`{|}", *c))
            return FALSE;
    return TRUE;
}

/* The length of the scheme in front of a colon; 0: it does not begin with one. */
static size_t scheme_length(const char *text)
{
    size_t len = 0;

    if (!g_ascii_isalpha(*text))
        return 0;
    while (g_ascii_isalnum(text[len]) || (text[len] && strchr("+-.", text[len])))
        len++;
    return text[len] == ':' ? len : 0;
}

/* What stands behind the host: nothing, or a colon and perhaps a port. */
static gboolean parse_port(const char *text, const char *whole, uint16_t *ret_port, GError **error)
{
    uint64_t port = 0;

    if (!*text || g_str_equal(text, ":"))
        return TRUE;
    if (*text != ':' || !number_parse_u64(text + 1, UINT64_MAX, &port))
        return unreadable(whole, error);
    if (port > UINT16_MAX)
        return error_set(error, ERROR_INVALID_ARG,
                         "invalid argument: port %s in migration URI %s is above 65535", text + 1,
                         whole);
    *ret_port = (uint16_t)port;
    return TRUE;
}

static gboolean parse_authority(MigrationUri *uri, const char *authority, GError **error)
{
    const char *after;

    if (!*authority || *authority == ':')
        return error_set(error, ERROR_INVALID_ARG,
                         "invalid argument: missing host in migration URI: %s", uri->text);
    if (strchr(authority, '@'))
        return unreadable(uri->text, error);
    if (*authority == '[') {
        const char *end = strchr(authority, ']');

        if (!end || end == authority + 1 ||
            memchr(authority + 1, '[', (size_t)(end - authority - 1)))
            return unreadable(uri->text, error);
        uri->host = g_strndup(authority + 1, (size_t)(end - authority - 1));
        after = end + 1;
    } else {
        after = authority + strcspn(authority, ":[]");
        uri->host = g_strndup(authority, (size_t)(after - authority));
    }
    if (strlen(uri->host) > HOST_MAX)
        return unreadable(uri->text, error);
    return parse_port(after, uri->text, &uri->port, error);
}

MigrationUri *migration_uri_parse(const char *text, GError **error)
{
    g_autoptr(MigrationUri) uri = g_new0(MigrationUri, 1);
    size_t scheme = scheme_length(text);
    g_autofree char *authority = NULL;
    const char *rest;

    if (!is_plain(text) || (!scheme && strchr(text, ':'))) {
        unreadable(text, error);
        return NULL;
    }
    if (!scheme) {
        error_set(error, ERROR_INVALID_ARG, "invalid argument: missing scheme in migration URI: %s",
                  text);
        return NULL;
    }
    if (scheme != 3 || strncmp(text, "tcp", 3) != 0) {
        error_set(error, ERROR_ARGUMENT_UNSUPPORTED,
                  "argument unsupported: unsupported scheme %.*s in migration URI %s",
                  (int)MIN(scheme, HOST_MAX), text, text);
        return NULL;
    }
    uri->text = g_strdup(text);
    uri->is_short = !g_str_has_prefix(text, "tcp://");
    rest = text + (uri->is_short ? strlen("tcp:") : strlen("tcp://"));
    authority = g_strndup(rest, strcspn(rest, "/?#"));
    uri->rest = g_strdup(rest + strlen(authority));
    return parse_authority(uri, authority, error) ? g_steal_pointer(&uri) : NULL;
}

static char *format(const char *prefix, const char *host, uint16_t port, const char *rest)
{
    gboolean is_v6 = strchr(host, ':') != NULL;

    return g_strdup_printf("%s%s%s%s:%u%s", prefix, is_v6 ? "[" : "", host, is_v6 ? "]" : "", port,
                           rest);
}

char *migration_uri_with_port(const MigrationUri *uri, uint16_t port)
{
    return format(uri->is_short ? "tcp:" : "tcp://", uri->host, port, uri->rest);
}

char *migration_uri_format(const char *host, uint16_t port)
{
    return format("tcp:", host, port, "");
}

gboolean migration_uri_is_missed(const GError *error)
{
    return error_is(error, ERROR_INTERNAL_ERROR) &&
           strstr(error->message, "hostname on destination resolved to localhost");
}

char *migration_uri_to(const char *host)
{
    gboolean is_v6 = strchr(host, ':') != NULL;

    return g_strdup_printf("tcp://%s%s%s", is_v6 ? "[" : "", host, is_v6 ? "]" : "");
}
