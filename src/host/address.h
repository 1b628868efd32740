/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses of this host, and which of them another host is told to come to.  All answers are
 * literals, never names. */
#pragma once

#include <glib.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "loop/task.h"

typedef struct {
    struct sockaddr_storage address; /* port 0 */
    char *interface;
    unsigned interface_index;
    gboolean is_up;
    gboolean is_loopback; /* of the interface */
} HostAddress;

typedef struct {
    HostAddress *items;
    unsigned count;
} HostAddresses;

/* Every IPv4 and IPv6 address of every interface, as the kernel lists them. */
HostAddresses *host_addresses_read(GError **error);
void host_addresses_free(HostAddresses *addresses);
/* Compares addresses only: no port, no scope; an IPv4-mapped IPv6 address is its IPv4 one. */
const HostAddress *host_addresses_find(const HostAddresses *addresses,
                                       const struct sockaddr_storage *address);

/* Name of the interface that the default route leaves by (IPv4 first, then IPv6), NULL if there is
 * none. */
char *host_default_interface(void);

/* Text ⇄ address.  A literal only: "192.0.2.1", "2001:db8::1", "[2001:db8::1]", "fe80::1%eth0";
 * never a look-up. */
gboolean address_parse(const char *text, struct sockaddr_storage *ret_address);
char *address_format(
    const struct sockaddr_storage *address); /* no brackets, no port; unmapped; the caller frees */
char *address_format_host(
    const struct sockaddr_storage *address); /* as the host part of a URI: IPv6 in brackets */
void address_set_port(struct sockaddr_storage *address, uint16_t port);
uint16_t address_port(const struct sockaddr_storage *address);
socklen_t address_length(const struct sockaddr_storage *address);
gboolean address_is_loopback(const struct sockaddr_storage *address);
gboolean address_is_link_local(const struct sockaddr_storage *address);
gboolean address_is_wildcard(const struct sockaddr_storage *address);

/* What host_resolve found. */
typedef struct {
    struct sockaddr_storage *items; /* port 0, no duplicates, in the resolver's order */
    unsigned count;
} ResolvedName;

/* Looks a name up on a worker.  A literal is answered at once.  Fails with the resolver's words, or
 * after timeout_ms with what was tried; *ret_names is cleared with resolved_name_clear. */
AWAITS gboolean host_resolve(const char *name, int64_t timeout_ms, ResolvedName *ret_names,
                             GError **error);
void resolved_name_clear(ResolvedName *names);

/* What the choice is made from; NULL or empty where not known. */
typedef struct {
    const ResolvedName *configured; /* migration_host, looked up by us */
    const char *configured_text;    /* as written */
    const struct sockaddr_storage
        *control_local;           /* where the control connection arrived; NULL for a unix socket */
    const ResolvedName *own_name; /* what our own host name resolves to */
    const char *own_name_text;
    const HostAddresses *addresses;
    const char *default_interface;
} AddressFacts;

/* The address that a destination tells its source: configured; else the local address of the
 * control connection unless loopback or link-local; else what our own name resolves to if it is an
 * own, not loopback address; else the address of the interface with the default route.  Pure.
 * *ret_reason says which and why the earlier ones were not taken. */
gboolean address_choose(const AddressFacts *facts, char **ret_literal, char **ret_reason,
                        GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HostAddresses, host_addresses_free)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ResolvedName, resolved_name_clear)
