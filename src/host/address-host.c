/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The addresses of this host, and what the kernel knows of them and of their interfaces. */
#include <linux/if_addr.h>
#include <string.h>

#include "base/error.h"
#include "host/address.h"
#include "host/netlink.h"

typedef struct {
    int index, master;
    unsigned flags;
    char *name;
    char *kind; /* "bridge", "veth"; NULL: a device that has none, a network card as a rule */
} Interface;

typedef struct {
    uint32_t metric; /* the lowest so far */
    GArray *indexes; /* int: where the default routes of that metric leave */
} DefaultRoutes;

typedef struct {
    GArray *interfaces;        /* Interface */
    DefaultRoutes defaults[2]; /* IPv4, IPv6 */
    GArray *found;             /* HostAddress */
} Reading;

static void interface_clear(void *data)
{
    Interface *interface = data;

    g_free(interface->name);
    g_free(interface->kind);
}

static void host_address_clear(void *data)
{
    HostAddress *address = data;

    g_free(address->interface);
}

static void take_interface(const struct nlmsghdr *answer, void *data)
{
    const struct ifinfomsg *link = NLMSG_DATA(answer);
    const struct rtattr *info = netlink_find(answer, sizeof *link, IFLA_LINKINFO);
    Interface interface = {
        .index = link->ifi_index,
        .master = netlink_number(netlink_find(answer, sizeof *link, IFLA_MASTER)),
        .flags = link->ifi_flags,
        .name = netlink_text(netlink_find(answer, sizeof *link, IFLA_IFNAME)),
        .kind = netlink_text(netlink_find_inside(info, IFLA_INFO_KIND)),
    };

    g_array_append_val(((Reading *)data)->interfaces, interface);
}

static void add_way_out(DefaultRoutes *routes, uint32_t metric, int index)
{
    if (metric > routes->metric)
        return;
    if (metric < routes->metric)
        g_array_set_size(routes->indexes, 0);
    routes->metric = metric;
    g_array_append_val(routes->indexes, index);
}

/* Default routes of the main table; one may have several ways out. */
static void take_route(const struct nlmsghdr *answer, void *data)
{
    DefaultRoutes *routes = data;
    const struct rtmsg *route = NLMSG_DATA(answer);
    const struct rtattr *several = netlink_find(answer, sizeof *route, RTA_MULTIPATH);
    uint32_t metric = (uint32_t)netlink_number(netlink_find(answer, sizeof *route, RTA_PRIORITY));
    int index = netlink_number(netlink_find(answer, sizeof *route, RTA_OIF));

    if (route->rtm_table != RT_TABLE_MAIN || route->rtm_type != RTN_UNICAST ||
        route->rtm_dst_len != 0)
        return;
    if (index > 0)
        add_way_out(routes, metric, index);
    if (several) {
        const struct rtnexthop *hop = RTA_DATA(several);

        for (int left = (int)RTA_PAYLOAD(several); RTNH_OK(hop, left);
             left -= RTNH_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop))
            add_way_out(routes, metric, hop->rtnh_ifindex);
    }
}

static const Interface *find_interface(const Reading *reading, int index)
{
    for (guint i = 0; i < reading->interfaces->len; i++) {
        const Interface *interface = &g_array_index(reading->interfaces, Interface, i);

        if (interface->index == index)
            return interface;
    }
    return NULL;
}

static gboolean has_default_route(const Reading *reading, int index)
{
    for (guint family = 0; family < G_N_ELEMENTS(reading->defaults); family++)
        for (guint i = 0; i < reading->defaults[family].indexes->len; i++)
            if (g_array_index(reading->defaults[family].indexes, int, i) == index)
                return TRUE;
    return FALSE;
}

/* Does what is plugged in here lead only to guests and containers? */
static gboolean leads_inwards(const Interface *port)
{
    static const char *const inward[] = {"tun", "veth", "dummy", NULL};

    return port->kind && g_strv_contains(inward, port->kind);
}

/* virbr0, docker0 and their like: a bridge without a port that leads out of this host.  As a rule
 * it has the same address on every host. */
static gboolean is_inner_bridge(const Reading *reading, const Interface *bridge)
{
    if (g_strcmp0(bridge->kind, "bridge") != 0 || has_default_route(reading, bridge->index))
        return FALSE;
    for (guint i = 0; i < reading->interfaces->len; i++) {
        const Interface *port = &g_array_index(reading->interfaces, Interface, i);

        if (port->master == bridge->index && !leads_inwards(port))
            return FALSE;
    }
    return TRUE;
}

/* VRFs have interfaces that are reached as such; bridges and bonds do not. */
static gboolean is_port(const Reading *reading, const Interface *interface)
{
    const Interface *master = interface->master ? find_interface(reading, interface->master) : NULL;

    return master && g_strcmp0(master->kind, "vrf") != 0;
}

/* A point-to-point link has the peer's address too; IFA_LOCAL is ours, and IPv6 has none without a
 * peer. */
static gboolean read_literal(const struct nlmsghdr *answer, struct sockaddr_storage *ret_address)
{
    const struct ifaddrmsg *from = NLMSG_DATA(answer);
    const struct rtattr *local = netlink_find(answer, sizeof *from, IFA_LOCAL)
                                     ?: netlink_find(answer, sizeof *from, IFA_ADDRESS);
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    const gboolean is_v4 = from->ifa_family == AF_INET;
    const size_t len = is_v4 ? sizeof v4.sin_addr : sizeof v6.sin6_addr;

    if ((!is_v4 && from->ifa_family != AF_INET6) || !local || RTA_PAYLOAD(local) < len)
        return FALSE;
    *ret_address = (struct sockaddr_storage){0};
    if (is_v4) {
        memcpy(&v4.sin_addr, RTA_DATA(local), len);
        memcpy(ret_address, &v4, sizeof v4);
    } else {
        memcpy(&v6.sin6_addr, RTA_DATA(local), len);
        memcpy(ret_address, &v6, sizeof v6);
    }
    return TRUE;
}

static void take_address(const struct nlmsghdr *answer, void *data)
{
    Reading *reading = data;
    const struct ifaddrmsg *from = NLMSG_DATA(answer);
    const struct rtattr *wide_flags = netlink_find(answer, sizeof *from, IFA_FLAGS);
    const unsigned flags = wide_flags ? (unsigned)netlink_number(wide_flags) : from->ifa_flags;
    const Interface *interface = find_interface(reading, (int)from->ifa_index);
    HostAddress item = {0};

    if (!interface || !read_literal(answer, &item.address))
        return;
    item.interface = g_strdup(interface->name);
    item.interface_index = from->ifa_index;
    item.is_up = (interface->flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING);
    item.has_default_route = has_default_route(reading, interface->index);
    item.is_inner_bridge = is_inner_bridge(reading, interface);
    item.is_port = is_port(reading, interface);
    item.is_deprecated = (flags & IFA_F_DEPRECATED) != 0;
    if (item.address.ss_family ==
        AF_INET6) { /* of an IPv4 address the first flag means "secondary" */
        item.is_temporary = (flags & IFA_F_TEMPORARY) != 0;
        item.is_unconfirmed =
            (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) != 0 && !(flags & IFA_F_OPTIMISTIC);
        if (address_is_link_local(&item.address))
            address_set_scope(&item.address, item.interface_index);
    }
    g_array_append_val(reading->found, item);
}

HostAddresses *host_addresses_read(GError **error)
{
    static const int families[] = {AF_INET, AF_INET6};
    g_autoptr(GArray) interfaces = g_array_new(FALSE, TRUE, sizeof(Interface));
    g_autoptr(GArray) v4_ways = g_array_new(FALSE, FALSE, sizeof(int));
    g_autoptr(GArray) v6_ways = g_array_new(FALSE, FALSE, sizeof(int));
    g_autoptr(GArray) found = g_array_new(FALSE, TRUE, sizeof(HostAddress));
    Reading reading = {interfaces, {{UINT32_MAX, v4_ways}, {UINT32_MAX, v6_ways}}, found};
    HostAddresses *addresses;

    g_array_set_clear_func(interfaces, interface_clear);
    g_array_set_clear_func(found, host_address_clear);
    for (guint i = 0; i < G_N_ELEMENTS(families); i++) /* without an answer: no default route */
        netlink_dump_routes(families[i], take_route, &reading.defaults[i]);
    if (!netlink_dump_links(take_interface, &reading) ||
        !netlink_dump_addresses(take_address, &reading)) {
        error_set(error, ERROR_SYSTEM_ERROR,
                  "cannot list the addresses of this host: the kernel did not answer");
        return NULL;
    }
    addresses = g_new0(HostAddresses, 1);
    addresses->count = found->len;
    addresses->items = g_memdup2(found->data, found->len * sizeof(HostAddress));
    g_array_set_clear_func(found, NULL); /* its texts have moved */
    return addresses;
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
    for (unsigned i = 0; addresses && i < addresses->count; i++)
        if (address_equal(&addresses->items[i].address, address))
            return &addresses->items[i];
    return NULL;
}
