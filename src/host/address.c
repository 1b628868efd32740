/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses as values, and the ones this host has.  Nothing here looks a name up. */
#include "host/address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>

#include "base/error.h"
#include "base/number.h"
#include "host/netlink.h"

static struct sockaddr_in *as_v4(struct sockaddr_storage *address)
{
    return (struct sockaddr_in *)(void *)address;
}

static struct sockaddr_in6 *as_v6(struct sockaddr_storage *address)
{
    return (struct sockaddr_in6 *)(void *)address;
}

/* Without port and scope, and IPv4 as IPv4: the form in which two addresses are compared and shown.
 */
static struct sockaddr_storage plain(const struct sockaddr_storage *address)
{
    struct sockaddr_storage copy = {.ss_family = address->ss_family};
    struct sockaddr_in6 *v6 = as_v6((struct sockaddr_storage *)(void *)address);

    if (address->ss_family == AF_INET) {
        as_v4(&copy)->sin_addr = as_v4((struct sockaddr_storage *)(void *)address)->sin_addr;
    } else if (address->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
        copy.ss_family = AF_INET;
        memcpy(&as_v4(&copy)->sin_addr, v6->sin6_addr.s6_addr + 12, 4);
    } else if (address->ss_family == AF_INET6) {
        as_v6(&copy)->sin6_addr = v6->sin6_addr;
    }
    return copy;
}

gboolean address_parse(const char *text, struct sockaddr_storage *ret_address)
{
    struct sockaddr_storage address = {0};
    size_t len = strlen(text);
    g_autofree char *host = len > 1 && text[0] == '[' && text[len - 1] == ']'
                                ? g_strndup(text + 1, len - 2)
                                : g_strdup(text);
    char *scope = strchr(host, '%');
    uint64_t number;

    if (inet_pton(AF_INET, text, &as_v4(&address)->sin_addr) == 1) {
        address.ss_family = AF_INET;
        *ret_address = address;
        return TRUE;
    }
    if (scope)
        *scope++ = '\0';
    if (inet_pton(AF_INET6, host, &as_v6(&address)->sin6_addr) != 1)
        return FALSE;
    address.ss_family = AF_INET6;
    if (scope) {
        unsigned index = if_nametoindex(scope);

        if (index == 0 && (!number_parse_u64(scope, G_MAXINT32, &number) || number == 0))
            return FALSE;
        as_v6(&address)->sin6_scope_id = index ? index : (unsigned)number;
    }
    *ret_address = address;
    return TRUE;
}

char *address_format(const struct sockaddr_storage *address)
{
    struct sockaddr_storage bare = plain(address);
    char text[INET6_ADDRSTRLEN] = "?";
    char name[IF_NAMESIZE];

    if (bare.ss_family == AF_INET) {
        inet_ntop(AF_INET, &as_v4(&bare)->sin_addr, text, sizeof text);
        return g_strdup(text);
    }
    if (bare.ss_family != AF_INET6)
        return g_strdup(text);
    inet_ntop(AF_INET6, &as_v6(&bare)->sin6_addr, text, sizeof text);
    unsigned scope = as_v6((struct sockaddr_storage *)(void *)address)->sin6_scope_id;
    if (scope == 0)
        return g_strdup(text);
    return if_indextoname(scope, name) ? g_strdup_printf("%s%%%s", text, name)
                                       : g_strdup_printf("%s%%%u", text, scope);
}

char *address_format_host(const struct sockaddr_storage *address)
{
    g_autofree char *text = address_format(address);

    return strchr(text, ':') ? g_strdup_printf("[%s]", text) : g_steal_pointer(&text);
}

void address_set_port(struct sockaddr_storage *address, uint16_t port)
{
    if (address->ss_family == AF_INET)
        as_v4(address)->sin_port = htons(port);
    else if (address->ss_family == AF_INET6)
        as_v6(address)->sin6_port = htons(port);
}

uint16_t address_port(const struct sockaddr_storage *address)
{
    struct sockaddr_storage copy = *address;

    return copy.ss_family == AF_INET    ? ntohs(as_v4(&copy)->sin_port)
           : copy.ss_family == AF_INET6 ? ntohs(as_v6(&copy)->sin6_port)
                                        : 0;
}

socklen_t address_length(const struct sockaddr_storage *address)
{
    return address->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

gboolean address_is_loopback(const struct sockaddr_storage *address)
{
    struct sockaddr_storage bare = plain(address);

    if (bare.ss_family == AF_INET)
        return ntohl(as_v4(&bare)->sin_addr.s_addr) >> 24 == 127;
    return bare.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&as_v6(&bare)->sin6_addr);
}

gboolean address_is_link_local(const struct sockaddr_storage *address)
{
    struct sockaddr_storage bare = plain(address);

    if (bare.ss_family == AF_INET)
        return ntohl(as_v4(&bare)->sin_addr.s_addr) >> 16 == 0xa9fe;
    return bare.ss_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&as_v6(&bare)->sin6_addr);
}

gboolean address_is_wildcard(const struct sockaddr_storage *address)
{
    struct sockaddr_storage bare = plain(address);

    if (bare.ss_family == AF_INET)
        return as_v4(&bare)->sin_addr.s_addr == 0;
    return bare.ss_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&as_v6(&bare)->sin6_addr);
}

HostAddresses *host_addresses_read(GError **error)
{
    g_autoptr(HostAddresses) addresses = g_new0(HostAddresses, 1);
    struct ifaddrs *list;
    unsigned room = 0;

    if (getifaddrs(&list) < 0) {
        error_errno(error, "cannot list the addresses of this host");
        return NULL;
    }
    for (const struct ifaddrs *entry = list; entry; entry = entry->ifa_next)
        room++;
    addresses->items = g_new0(HostAddress, room);
    for (const struct ifaddrs *entry = list; entry; entry = entry->ifa_next) {
        HostAddress *item = &addresses->items[addresses->count];

        if (!entry->ifa_addr ||
            (entry->ifa_addr->sa_family != AF_INET && entry->ifa_addr->sa_family != AF_INET6))
            continue;
        item->address.ss_family = entry->ifa_addr->sa_family;
        memcpy(&item->address, entry->ifa_addr, address_length(&item->address));
        item->interface = g_strdup(entry->ifa_name);
        item->interface_index = if_nametoindex(entry->ifa_name);
        item->is_up = (entry->ifa_flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING);
        item->is_loopback = (entry->ifa_flags & IFF_LOOPBACK) != 0;
        addresses->count++;
    }
    freeifaddrs(list);
    return g_steal_pointer(&addresses);
}

void host_addresses_free(HostAddresses *addresses)
{
    if (!addresses)
        return;
    for (unsigned i = 0; i < addresses->count; i++)
        g_free(addresses->items[i].interface);
    g_free(addresses->items);
    g_free(addresses);
}

const HostAddress *host_addresses_find(const HostAddresses *addresses,
                                       const struct sockaddr_storage *address)
{
    struct sockaddr_storage wanted = plain(address);

    for (unsigned i = 0; addresses && i < addresses->count; i++) {
        struct sockaddr_storage own = plain(&addresses->items[i].address);

        if (memcmp(&own, &wanted, sizeof own) == 0)
            return &addresses->items[i];
    }
    return NULL;
}

typedef struct {
    uint32_t metric;
    int index; /* of the interface; 0: no default route yet */
} DefaultRoute;

static int route_number(const struct rtattr *attribute)
{
    int number = 0;

    if (attribute && RTA_PAYLOAD(attribute) >= sizeof number)
        memcpy(&number, RTA_DATA(attribute), sizeof number);
    return number;
}

/* Of a route with several ways out, the first. */
static int route_interface(const struct nlmsghdr *answer)
{
    const struct rtattr *several = netlink_find(answer, sizeof(struct rtmsg), RTA_MULTIPATH);

    if (several && RTA_PAYLOAD(several) >= sizeof(struct rtnexthop))
        return ((const struct rtnexthop *)RTA_DATA(several))->rtnh_ifindex;
    return route_number(netlink_find(answer, sizeof(struct rtmsg), RTA_OIF));
}

/* The way out of a default route of the main table with the lowest metric. */
static void take_default_route(const struct nlmsghdr *answer, void *data)
{
    DefaultRoute *best = data;
    const struct rtmsg *route = NLMSG_DATA(answer);
    const uint32_t metric =
        (uint32_t)route_number(netlink_find(answer, sizeof *route, RTA_PRIORITY));
    const int index = route_interface(answer);

    if (route->rtm_table != RT_TABLE_MAIN || route->rtm_type != RTN_UNICAST ||
        route->rtm_dst_len != 0 || index == 0)
        return;
    if (best->index == 0 || metric < best->metric)
        *best = (DefaultRoute){metric, index};
}

char *host_default_interface(void)
{
    static const int families[] = {AF_INET, AF_INET6};
    char name[IF_NAMESIZE];

    for (unsigned i = 0; i < G_N_ELEMENTS(families); i++) {
        DefaultRoute best = {0};

        if (netlink_dump_routes(families[i], take_default_route, &best) && best.index > 0)
            return if_indextoname((unsigned)best.index, name) ? g_strdup(name) : NULL;
    }
    return NULL;
}
