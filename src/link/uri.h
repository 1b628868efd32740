/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connection URIs: qemu+tcp://host:port/system?name=value.  Pure: text in, parts out; nothing is
 * resolved or opened. The parameters that the caller's side consumes are taken out; the rest
 * travels on in open_name. */
#pragma once

#include <glib.h>

typedef enum {
    URI_TRANSPORT_UNIX, /* +unix, or neither transport nor host */
    URI_TRANSPORT_TCP,
    URI_TRANSPORT_TLS, /* +tls, or a host without a transport */
    URI_TRANSPORT_SSH, /* the ssh program; +libssh and +libssh2 are carried by it too */
    URI_TRANSPORT_EXT, /* a program named by command= */
} UriTransport;

typedef enum { URI_MODE_AUTO, URI_MODE_LEGACY, URI_MODE_DIRECT } UriMode;
typedef enum { URI_PROXY_AUTO, URI_PROXY_NATIVE, URI_PROXY_NETCAT } UriProxy;

typedef struct {
    char *text;   /* as given */
    char *driver; /* "qemu" */
    UriTransport transport;
    char *user;      /* NULL: none */
    char *host;      /* name or literal without brackets, an IPv6 scope behind '%'; NULL: none */
    guint16 port;    /* never 0 for tcp and tls; 0: none given */
    char *path;      /* "/system" */
    char *open_name; /* what connect_open is told: "qemu:///system?foo=bar", or name= */

    char *socket; /* unix, ssh */
    UriMode mode;
    UriProxy proxy;
    char *netcat;
    char *command; /* ssh, ext: the program */
    char *keyfile;
    gboolean no_tty;
    gboolean no_verify;
    gboolean no_sanity;
    char *auth;
    char *authfile;
    char *pkipath;
    char *tls_priority;
} Uri;

/* A new Uri; the caller frees it. */
Uri *uri_parse(const char *text, GError **error);
void uri_free(Uri *uri);

/* Is this the session's (per-user) daemon? */
gboolean uri_is_session(const Uri *uri);
/* Sockets worth trying for the unix transport, best first: socket= alone, else those of a ferryd
 * and of the stock daemons.  The first that exists is the one.  runtime_dir: $XDG_RUNTIME_DIR or
 * what stands for it, used for a session; NULL for root, whose session is the system's.  A new
 * NULL-terminated list (g_strfreev). */
char **uri_unix_sockets(const Uri *uri, gboolean is_readonly, const char *runtime_dir);
/* The command line for ssh and ext, frames flowing over its standard input and output.  A new list
 * (g_strfreev). */
char **uri_command_argv(const Uri *uri, gboolean is_readonly, GError **error);

/* "host:port", with brackets around IPv6; the caller frees it. */
char *uri_format_host_port(const char *host, guint16 port);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Uri, uri_free)
