/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One question to the kernel about links, addresses and routes, and its answers. */
#pragma once

#include <glib.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

/* Called for each answer of the kind asked for. */
typedef void (*NetlinkVisit)(const struct nlmsghdr *answer, void *data);

/* The first attribute of that type among those behind the message's fixed part, or inside another
 * one; NULL: none.  Both borrow. */
const struct rtattr *netlink_find(const struct nlmsghdr *answer, size_t fixed_len, unsigned type);
const struct rtattr *netlink_find_inside(const struct rtattr *outer, unsigned type);

/* What an attribute holds; 0 and NULL if there is none.  The caller frees the text. */
int netlink_number(const struct rtattr *attribute);
char *netlink_text(const struct rtattr *attribute);

gboolean netlink_dump_links(NetlinkVisit visit, void *data);
gboolean netlink_dump_addresses(NetlinkVisit visit, void *data); /* of both families */
/* All routes of a family (AF_INET, AF_INET6).  FALSE: the kernel did not answer to the end. */
gboolean netlink_dump_routes(int family, NetlinkVisit visit, void *data);
/* What an interface is ("bridge", "veth", …), for the caller to free; NULL: no such interface, or a
 * device that has no kind. */
char *netlink_link_kind(const char *name);
