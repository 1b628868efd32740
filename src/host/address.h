/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses and networks as values, the addresses that this host has, and what a name means. */
#pragma once

#include <glib.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "loop/task.h"

typedef struct {
    struct sockaddr_storage address; /* port 0; link-local IPv6 with its scope */
    char *interface;
    unsigned interface_index;
    gboolean is_up;
    gboolean has_default_route; /* the interface, of either family */
    gboolean is_inner_bridge; /* the interface: a bridge of which no port leads out of this host */
    gboolean is_port;         /* the interface, of a bridge: what comes in there is the bridge's */
    gboolean is_temporary;    /* IPv6: changes every day, for privacy */
    gboolean is_deprecated;   /* soon to be gone */
    gboolean is_unconfirmed;  /* IPv6: another host may have it */
} HostAddress;

typedef struct {
    HostAddress *items;
    unsigned count;
} HostAddresses;

/* Every IPv4 and IPv6 address of every interface, as the kernel lists them. */
HostAddresses *host_addresses_read(GError **error);
void host_addresses_free(HostAddresses *addresses);
/* By address_equal. */
const HostAddress *host_addresses_find(const HostAddresses *addresses,
                                       const struct sockaddr_storage *address);

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
gboolean
address_is_multicast(const struct sockaddr_storage *address); /* nobody's own, at any rate */
int address_family(const struct sockaddr_storage *address);   /* AF_INET for IPv4-mapped IPv6 too */
unsigned address_scope(const struct sockaddr_storage *address); /* 0: none */
void address_set_scope(struct sockaddr_storage *address, unsigned scope);
/* Compares addresses only: no port; scopes only where both have one; an IPv4-mapped IPv6 address is
 * its IPv4 one. */
gboolean address_equal(const struct sockaddr_storage *a, const struct sockaddr_storage *b);

typedef struct {
    struct sockaddr_storage address;
    unsigned prefix; /* bits */
} AddressNetwork;

/* "10.1.0.0/16", "2001:db8::/32"; a single address is a network of its own. */
gboolean address_network_parse(const char *text, AddressNetwork *ret_network);
gboolean address_network_contains(const AddressNetwork *network,
                                  const struct sockaddr_storage *address);

/* What host_resolve found. */
typedef struct {
    struct sockaddr_storage *items; /* port 0, no duplicates, in the resolver's order */
    unsigned count;
    char *canonical; /* the full name, as the resolver says; may be NULL */
} ResolvedName;

/* Looks a name up on a worker.  A literal is answered at once.  Fails with the resolver's words, or
 * after timeout_ms with what was tried; *ret_names is cleared with resolved_name_clear. */
AWAITS gboolean host_resolve(const char *name, int64_t timeout_ms, ResolvedName *ret_names,
                             GError **error);
void resolved_name_clear(ResolvedName *names);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HostAddresses, host_addresses_free)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ResolvedName, resolved_name_clear)
