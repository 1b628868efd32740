/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses: getaddrinfo on one side, literals on the other.  A literal never asks a name service.
 */
#include "link/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <string.h>

#include "base/error.h"
#include "base/number.h"
#include "link/uri.h"

/* More than a host has, fewer than a hostile name service can make us try. */
#define ADDRESSES_MAX 64

static LinkAddress address_copy(const struct sockaddr *any, socklen_t len)
{
    LinkAddress address = {.len = len};

    memcpy(&address.u.storage, any, len);
    return address;
}

LinkAddress *link_resolve(const char *host, guint16 port, size_t *ret_count, GError **error)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    g_autofree LinkAddress *list = g_new0(LinkAddress, ADDRESSES_MAX);
    g_autofree char *service = g_strdup_printf("%u", port);
    struct addrinfo *answer = NULL;
    size_t count = 0;
    int failure;

    if (link_address_parse(host, port, &list[0])) {
        *ret_count = 1;
        return g_steal_pointer(&list);
    }
    failure = getaddrinfo(host, service, &hints, &answer);
    if (failure != 0) {
        error_set_from(error, FROM_RPC, ERROR_SYSTEM_ERROR,
                       "Unable to resolve address '%s' service '%s': %s", host, service,
                       failure == EAI_SYSTEM ? g_strerror(errno) : gai_strerror(failure));
        return NULL;
    }
    for (const struct addrinfo *each = answer; each && count < ADDRESSES_MAX; each = each->ai_next)
        if (each->ai_family == AF_INET || each->ai_family == AF_INET6)
            list[count++] = address_copy(each->ai_addr, each->ai_addrlen);
    freeaddrinfo(answer);
    if (count == 0) {
        error_set_from(error, FROM_RPC, ERROR_SYSTEM_ERROR,
                       "Unable to resolve address '%s' service '%s': no IP address", host, service);
        return NULL;
    }
    *ret_count = count;
    return g_steal_pointer(&list);
}

/* An interface's name or its number. */
static gboolean scope_parse(const char *text, uint32_t *ret_scope)
{
    uint64_t number;
    unsigned index = if_nametoindex(text);

    if (index == 0 && (!number_parse_u64(text, G_MAXUINT32, &number) || number == 0))
        return FALSE;
    *ret_scope = index ?: (uint32_t)number;
    return TRUE;
}

gboolean link_address_parse(const char *host, guint16 port, LinkAddress *ret_address)
{
    LinkAddress address = {0};
    const char *percent = strchr(host, '%');
    char plain[INET6_ADDRSTRLEN];

    if (inet_pton(AF_INET, host, &address.u.in.sin_addr) == 1) {
        address.u.in.sin_family = AF_INET;
        address.u.in.sin_port = htons(port);
        address.len = sizeof address.u.in;
        *ret_address = address;
        return TRUE;
    }
    g_strlcpy(plain, host,
              percent ? MIN(sizeof plain, (size_t)(percent - host) + 1) : sizeof plain);
    if (inet_pton(AF_INET6, plain, &address.u.in6.sin6_addr) != 1)
        return FALSE;
    if (percent && !scope_parse(percent + 1, &address.u.in6.sin6_scope_id))
        return FALSE;
    address.u.in6.sin6_family = AF_INET6;
    address.u.in6.sin6_port = htons(port);
    address.len = sizeof address.u.in6;
    *ret_address = address;
    return TRUE;
}

static gboolean is_mapped(const LinkAddress *address)
{
    return address->u.any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&address->u.in6.sin6_addr);
}

char *link_address_format_host(const LinkAddress *address)
{
    const struct in6_addr *in6 = &address->u.in6.sin6_addr;
    char text[INET6_ADDRSTRLEN];
    char scope[IF_NAMESIZE];

    if (address->u.any.sa_family == AF_INET)
        return g_strdup(inet_ntop(AF_INET, &address->u.in.sin_addr, text, sizeof text));
    if (address->u.any.sa_family != AF_INET6)
        return NULL;
    if (is_mapped(address))
        return g_strdup(inet_ntop(AF_INET, &in6->s6_addr[12], text, sizeof text));
    inet_ntop(AF_INET6, in6, text, sizeof text);
    if (address->u.in6.sin6_scope_id == 0)
        return g_strdup(text);
    if (if_indextoname(address->u.in6.sin6_scope_id, scope))
        return g_strconcat(text, "%", scope, NULL);
    return g_strdup_printf("%s%%%u", text, address->u.in6.sin6_scope_id);
}

guint16 link_address_port(const LinkAddress *address)
{
    switch (address->u.any.sa_family) {
    case AF_INET:
        return ntohs(address->u.in.sin_port);
    case AF_INET6:
        return ntohs(address->u.in6.sin6_port);
    default:
        return 0;
    }
}

char *link_address_format(const LinkAddress *address)
{
    g_autofree char *host = link_address_format_host(address);

    return host ? uri_format_host_port(host, link_address_port(address)) : NULL;
}

gboolean link_address_is_loopback(const LinkAddress *address)
{
    if (address->u.any.sa_family == AF_INET)
        return ntohl(address->u.in.sin_addr.s_addr) >> 24 == 127;
    if (is_mapped(address))
        return address->u.in6.sin6_addr.s6_addr[12] == 127;
    return address->u.any.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&address->u.in6.sin6_addr);
}
