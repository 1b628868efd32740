/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rtnetlink by hand: a few questions do not pay for libraries that every ferryd then carries. */
#include "host/netlink.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"

#define ANSWER_SIZE (32 * 1024) /* what the kernel fills at most per datagram of a dump */

typedef struct {
    struct nlmsghdr head;
    union {
        struct rtmsg route;
        struct ifinfomsg link;
        struct ifaddrmsg address;
    };
} Question;

typedef enum { ANSWER_MORE, ANSWER_END, ANSWER_BROKEN } AnswerState;

int netlink_number(const struct rtattr *attribute)
{
    int number = 0;

    if (attribute && RTA_PAYLOAD(attribute) >= sizeof number)
        memcpy(&number, RTA_DATA(attribute), sizeof number);
    return number;
}

char *netlink_text(const struct rtattr *attribute)
{
    return attribute ? g_strndup(RTA_DATA(attribute), RTA_PAYLOAD(attribute)) : NULL;
}

static const struct rtattr *find(const struct rtattr *attribute, size_t len, unsigned type)
{
    for (unsigned left = (unsigned)len; RTA_OK(attribute, left);
         attribute = RTA_NEXT(attribute, left))
        if ((attribute->rta_type & NLA_TYPE_MASK) == type)
            return attribute;
    return NULL;
}

const struct rtattr *netlink_find(const struct nlmsghdr *answer, size_t fixed_len, unsigned type)
{
    const size_t start = NLMSG_SPACE(fixed_len);

    return answer->nlmsg_len < start ? NULL
                                     : find((const void *)((const char *)answer + start),
                                            answer->nlmsg_len - start, type);
}

const struct rtattr *netlink_find_inside(const struct rtattr *outer, unsigned type)
{
    return outer ? find(RTA_DATA(outer), RTA_PAYLOAD(outer), type) : NULL;
}

static AnswerState walk(const struct nlmsghdr *answer, size_t len, int wanted, NetlinkVisit visit,
                        void *data)
{
    for (unsigned left = (unsigned)len; NLMSG_OK(answer, left); answer = NLMSG_NEXT(answer, left)) {
        if (answer->nlmsg_type == NLMSG_DONE)
            return ANSWER_END;
        if (answer->nlmsg_type == NLMSG_ERROR)
            return ANSWER_BROKEN;
        if (answer->nlmsg_type != wanted)
            continue;
        visit(answer, data);
        if (!(answer->nlmsg_flags & NLM_F_MULTI))
            return ANSWER_END;
    }
    return ANSWER_MORE;
}

/* The kernel answers a dump while it is read, never later: reading does not wait for anybody. */
static gboolean ask(const Question *question, int wanted, NetlinkVisit visit, void *data)
{
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    g_autofree struct nlmsghdr *answer = g_malloc(ANSWER_SIZE);
    AnswerState state = ANSWER_MORE;
    auto_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    if (fd < 0 || sendto(fd, question, question->head.nlmsg_len, 0,
                         (const struct sockaddr *)(const void *)&kernel, sizeof kernel) < 0)
        return FALSE;
    while (state == ANSWER_MORE) {
        struct sockaddr_nl from = {0};
        socklen_t from_len = sizeof from;
        const ssize_t len = TEMP_FAILURE_RETRY(recvfrom(
            fd, answer, ANSWER_SIZE, MSG_TRUNC, (struct sockaddr *)(void *)&from, &from_len));

        if (len < 0 || len > ANSWER_SIZE)
            return FALSE;
        if (from.nl_pid == 0) /* else another process, which may not speak for the kernel */
            state = walk(answer, (size_t)len, wanted, visit, data);
    }
    return state == ANSWER_END;
}

gboolean netlink_dump_links(NetlinkVisit visit, void *data)
{
    const Question question = {.head = {.nlmsg_len = NLMSG_LENGTH(sizeof question.link),
                                        .nlmsg_type = RTM_GETLINK,
                                        .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};

    return ask(&question, RTM_NEWLINK, visit, data);
}

gboolean netlink_dump_addresses(NetlinkVisit visit, void *data)
{
    const Question question = {.head = {.nlmsg_len = NLMSG_LENGTH(sizeof question.address),
                                        .nlmsg_type = RTM_GETADDR,
                                        .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};

    return ask(&question, RTM_NEWADDR, visit, data);
}

gboolean netlink_dump_routes(int family, NetlinkVisit visit, void *data)
{
    const Question question = {.head = {.nlmsg_len = NLMSG_LENGTH(sizeof question.route),
                                        .nlmsg_type = RTM_GETROUTE,
                                        .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                               .route = {.rtm_family = (unsigned char)family}};

    return ask(&question, RTM_NEWROUTE, visit, data);
}

static void take_kind(const struct nlmsghdr *answer, void *data)
{
    char **kind = data;
    const struct rtattr *found = netlink_find_inside(
        netlink_find(answer, sizeof(struct ifinfomsg), IFLA_LINKINFO), IFLA_INFO_KIND);

    if (!*kind)
        *kind = netlink_text(found);
}

char *netlink_link_kind(const char *name)
{
    Question question = {.head = {.nlmsg_len = NLMSG_LENGTH(sizeof question.link),
                                  .nlmsg_type = RTM_GETLINK,
                                  .nlmsg_flags = NLM_F_REQUEST},
                         .link = {.ifi_index = (int)if_nametoindex(name)}};
    g_autofree char *kind = NULL;

    return question.link.ifi_index > 0 && ask(&question, RTM_NEWLINK, take_kind, &kind)
               ? g_steal_pointer(&kind)
               : NULL;
}
