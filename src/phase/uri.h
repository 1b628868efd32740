/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Migration URIs: where the memory goes, tcp:HOST:PORT or tcp://HOST:PORT.  Pure; nothing is
 * resolved. */
#pragma once

#include <glib.h>
#include <stdint.h>

typedef struct {
    char *text;        /* as given */
    char *host;        /* name or literal without brackets, an IPv6 scope behind '%' */
    uint16_t port;     /* 0: none given */
    char *rest;        /* path and query as they stood, "" if none */
    gboolean is_short; /* tcp:HOST, the old form */
} MigrationUri;

/* Only tcp.  No scheme or no host: ERROR_INVALID_ARG; another scheme: ERROR_ARGUMENT_UNSUPPORTED; a
 * port that is none (above 65535 too) or anything else that cannot be read: ERROR_INTERNAL_ERROR,
 * "Unable to parse URI", as at stock hosts. The host is not looked at. */
MigrationUri *migration_uri_parse(const char *text, GError **error);
void migration_uri_free(MigrationUri *uri);

/* The same URI with that port, in the form in which it was given.  The caller frees it. */
char *migration_uri_with_port(const MigrationUri *uri, uint16_t port);
/* "tcp:10.0.0.1:49152", with brackets around IPv6: what a destination answers when nobody gave it a
 * URI. */
char *migration_uri_format(const char *host, uint16_t port);

/* Prepare's error of a stock destination that calls itself localhost and so has no address to
 * answer.  Nothing has been started there; given a URI, it goes on. */
gboolean migration_uri_is_missed(const GError *error);
/* That URI, "tcp://10.0.0.1": the port is the destination's to choose.  The caller frees it. */
char *migration_uri_to(const char *host);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(MigrationUri, migration_uri_free)
