/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses to connect to: host names resolved to a list, and literals written and read. */
#pragma once

#include <glib.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* An address to connect to, resolved. */
typedef struct {
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_storage storage;
    } u;
    socklen_t len;
} LinkAddress;

/* Blocks, perhaps for long: the daemon calls it on a worker only.  A literal never asks anybody.
 * Port 0: any.  A new array, in the order to try; *ret_count > 0.  "Unable to resolve address
 * 'host' service 'port': reason". */
LinkAddress *link_resolve(const char *host, guint16 port, size_t *ret_count, GError **error);
/* Only if host is an IPv4 or IPv6 literal (with a scope, if any, as %eth0). */
gboolean link_address_parse(const char *host, guint16 port, LinkAddress *ret_address);
/* The literal alone ("10.0.0.1", "fe80::1%eth0"), v4-mapped ones as IPv4; NULL for unix.  The
 * caller frees it. */
char *link_address_format_host(const LinkAddress *address);
/* "10.0.0.1:16509", "[fd00::1]:16509". */
char *link_address_format(const LinkAddress *address);
guint16 link_address_port(const LinkAddress *address);
gboolean link_address_is_loopback(const LinkAddress *address);
