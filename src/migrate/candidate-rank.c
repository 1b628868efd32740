/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which addresses of a host are offered, in which order.  Pure: what is known goes in, a list comes out. */
#include "migrate/candidate.h"

/* What the way in which an address is known is worth. */
typedef struct {
    unsigned group;             /* a group is tried before the next; within it IPv4 and IPv6 take turns */
    gboolean may_be_inner;      /* somebody meant this address, though its interface seems to be for guests */
    gboolean may_pass;          /* also if it is temporary, deprecated or not confirmed */
    gboolean may_be_outside;    /* of migration_networks, where nothing else is wanted */
    gboolean may_be_single;     /* good enough to be the one address that a stock source is told */
} KindRow;

/* clang-format off */
static const KindRow kinds[] = {
    /*                          group  inner  pass   outside single */
    [CANDIDATE_EXPLICIT]      = {0,    TRUE,  TRUE,  TRUE,  TRUE},
    [CANDIDATE_CONFIGURED]    = {1,    TRUE,  TRUE,  TRUE,  TRUE},
    [CANDIDATE_NETWORK]       = {2,    TRUE,  FALSE, TRUE,  TRUE},
    [CANDIDATE_CONTROL]       = {3,    TRUE,  TRUE,  FALSE, TRUE},
    [CANDIDATE_OWN_NAME]      = {3,    FALSE, FALSE, FALSE, TRUE},
    [CANDIDATE_DEFAULT_ROUTE] = {3,    FALSE, FALSE, FALSE, TRUE},
    [CANDIDATE_INTERFACE]     = {3,    FALSE, FALSE, FALSE, TRUE},
    [CANDIDATE_FAR_NAME]      = {3,    FALSE, FALSE, FALSE, FALSE},
    [CANDIDATE_PEER]          = {3,    FALSE, FALSE, FALSE, FALSE},
};
/* clang-format on */
#define GROUP_NETWORKS   2
#define GROUP_LINK_LOCAL 4 /* needs an interface of the other host, which is guessed */
#define GROUP_FILTERED   5

/* --- lists -------------------------------------------------------------------------------------------------------- */

static void candidate_free(void *data)
{
    Candidate *candidate = data;

    g_free(candidate->origin);
    g_free(candidate->filtered);
    g_free(candidate);
}

GPtrArray *candidates_new(void)
{
    return g_ptr_array_new_with_free_func(candidate_free);
}

static Candidate *find(const GPtrArray *candidates, const struct sockaddr_storage *address)
{
    for (guint i = 0; i < candidates->len; i++) {
        Candidate *candidate = candidates->pdata[i];

        if (address_equal(&candidate->address, address))
            return candidate;
    }
    return NULL;
}

static Candidate *add(GPtrArray *candidates, const struct sockaddr_storage *address, CandidateKind kind,
                      const char *origin)
{
    Candidate *candidate;

    if (find(candidates, address))
        return NULL;
    candidate = g_new0(Candidate, 1);
    candidate->address = *address;
    candidate->kind = kind;
    candidate->origin = g_strdup(origin);
    g_ptr_array_add(candidates, candidate);
    return candidate;
}

gboolean candidates_add(GPtrArray *candidates, const struct sockaddr_storage *address, CandidateKind kind,
                        const char *origin)
{
    return add(candidates, address, kind, origin) != NULL;
}

unsigned candidates_count_usable(const GPtrArray *candidates)
{
    unsigned count = 0;

    for (guint i = 0; i < candidates->len; i++)
        count += ((const Candidate *)candidates->pdata[i])->filtered == NULL;
    return count;
}

char *candidate_format(const Candidate *candidate)
{
    const uint16_t port = address_port(&candidate->address);
    g_autofree char *host =
        port ? address_format_host(&candidate->address) : address_format(&candidate->address);
    g_autofree char *number = port ? g_strdup_printf(":%u", port) : g_strdup("");

    return g_strdup_printf("%s%s (%s%s%s)", host, number, candidate->origin, candidate->filtered ? "; " : "",
                           candidate->filtered ?: "");
}

/* --- gathering from facts ----------------------------------------------------------------------------------------- */

typedef struct {
    const CandidateFacts *facts;
    GPtrArray *list;
} Ranking;

/* The first mention counts, so the kinds are mentioned best first. */
static void mention(Ranking *ranking, const struct sockaddr_storage *address, CandidateKind kind, unsigned turn,
                    const char *origin)
{
    const HostAddress *own = host_addresses_find(ranking->facts->addresses, address);
    Candidate *candidate = add(ranking->list, own ? &own->address : address, kind, origin);

    if (candidate)
        candidate->turn = turn;
}

static void mention_configured(Ranking *ranking)
{
    const CandidateFacts *facts = ranking->facts;
    g_autofree char *origin = g_strdup_printf("migration_host %s", facts->configured_text);

    for (unsigned i = 0; facts->configured && i < facts->configured->count; i++)
        mention(ranking, &facts->configured->items[i], CANDIDATE_CONFIGURED, i, origin);
}

static void mention_networks(Ranking *ranking)
{
    const CandidateFacts *facts = ranking->facts;

    for (unsigned i = 0; i < facts->network_count; i++) {
        g_autofree char *origin = g_strdup_printf("migration_networks %s", facts->network_texts[i]);

        /* Of several addresses in one network, that which the other side came to. */
        if (facts->control_local && address_network_contains(&facts->networks[i], facts->control_local))
            mention(ranking, facts->control_local, CANDIDATE_NETWORK, i, origin);
        for (unsigned j = 0; j < facts->addresses->count; j++)
            if (address_network_contains(&facts->networks[i], &facts->addresses->items[j].address))
                mention(ranking, &facts->addresses->items[j].address, CANDIDATE_NETWORK, i, origin);
    }
}

static void mention_control(Ranking *ranking)
{
    if (ranking->facts->control_local)
        mention(ranking, ranking->facts->control_local, CANDIDATE_CONTROL, 0, "control connection");
}

/* wants_own: addresses of this host, else the others. */
static void mention_names(Ranking *ranking, gboolean wants_own)
{
    const CandidateFacts *facts = ranking->facts;

    for (unsigned i = 0; i < G_N_ELEMENTS(facts->own_names); i++) {
        g_autofree char *origin = g_strdup_printf("host name %s", facts->own_name_texts[i]);

        for (unsigned j = 0; facts->own_names[i] && j < facts->own_names[i]->count; j++) {
            const struct sockaddr_storage *address = &facts->own_names[i]->items[j];
            const gboolean is_own = host_addresses_find(facts->addresses, address) != NULL;

            if (is_own == wants_own)
                mention(ranking, address, is_own ? CANDIDATE_OWN_NAME : CANDIDATE_FAR_NAME, i, origin);
        }
    }
}

static void mention_interfaces(Ranking *ranking, gboolean wants_default)
{
    const HostAddresses *addresses = ranking->facts->addresses;

    for (unsigned i = 0; i < addresses->count; i++) {
        const HostAddress *own = &addresses->items[i];
        g_autofree char *origin =
            g_strdup_printf("interface %s%s", own->interface, wants_default ? ", default route" : "");

        if (own->has_default_route == wants_default)
            mention(ranking, &own->address, wants_default ? CANDIDATE_DEFAULT_ROUTE : CANDIDATE_INTERFACE, 0,
                    origin);
    }
}

/* --- filters ------------------------------------------------------------------------------------------------------ */

static gboolean is_outside(const CandidateFacts *facts, const struct sockaddr_storage *address)
{
    for (unsigned i = 0; i < facts->network_count; i++)
        if (address_network_contains(&facts->networks[i], address))
            return FALSE;
    return facts->network_count > 0;
}

/* What no other host can connect to, whoever names it. */
static char *why_senseless(const struct sockaddr_storage *address)
{
    if (address_is_loopback(address))
        return g_strdup("loopback");
    if (address_is_wildcard(address) || address_is_multicast(address))
        return g_strdup("no address of a single host");
    return NULL;
}

static char *why_filtered(const CandidateFacts *facts, const Candidate *candidate)
{
    const KindRow *row = &kinds[candidate->kind];
    const HostAddress *own = host_addresses_find(facts->addresses, &candidate->address);
    char *senseless = why_senseless(&candidate->address);

    if (senseless)
        return senseless;
    if (own && !own->is_up)
        return g_strdup_printf("interface %s is down", own->interface);
    if (own && own->is_unconfirmed && !row->may_pass)
        return g_strdup("not confirmed yet, or another host has it too");
    if (own && own->is_temporary && !row->may_pass)
        return g_strdup("temporary");
    if (own && own->is_deprecated && !row->may_pass)
        return g_strdup("deprecated");
    if (own && own->is_port && !row->may_be_inner)
        return g_strdup_printf("interface %s is a port of a bridge", own->interface);
    if (own && own->is_inner_bridge && !row->may_be_inner)
        return g_strdup_printf("bridge %s leads to guests only", own->interface);
    if (!own && address_is_link_local(&candidate->address) && !row->may_be_outside)
        return g_strdup("link-local, and not of this host");
    if (facts->wants_networks_only && !row->may_be_outside && is_outside(facts, &candidate->address))
        return g_strdup("outside migration_networks");
    return NULL;
}

/* --- order -------------------------------------------------------------------------------------------------------- */

static unsigned group_of(const Candidate *candidate)
{
    if (candidate->filtered)
        return GROUP_FILTERED;
    return address_is_link_local(&candidate->address) && kinds[candidate->kind].group > GROUP_NETWORKS
               ? GROUP_LINK_LOCAL
               : kinds[candidate->kind].group;
}

/* first_family decides between equals.  g_ptr_array_sort keeps what compares equal in its order. */
static int compare(const void *a, const void *b, void *first_family)
{
    const Candidate *one = *(Candidate *const *)a;
    const Candidate *two = *(Candidate *const *)b;
    const int keys[][2] = {
        {(int)group_of(one), (int)group_of(two)},
        {(int)one->kind, (int)two->kind},
        {(int)one->turn, (int)two->turn},
        {address_family(&one->address) != GPOINTER_TO_INT(first_family),
         address_family(&two->address) != GPOINTER_TO_INT(first_family)},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(keys); i++)
        if (keys[i][0] != keys[i][1])
            return keys[i][0] < keys[i][1] ? -1 : 1;
    return 0;
}

/* The families take turns, as in RFC 8305, so that one that leads nowhere costs one turn and no more. */
static void interleave(Candidate **items, guint count)
{
    g_autofree Candidate **queue = g_memdup2(items, count * sizeof *items);
    int wanted = count ? address_family(&items[0]->address) : 0;

    for (guint out = 0; out < count; out++) {
        guint next = count;

        for (guint i = count; i-- > 0;)
            if (queue[i] && (next == count || address_family(&queue[i]->address) == wanted ||
                             address_family(&queue[next]->address) != wanted))
                next = i;
        wanted = address_family(&queue[next]->address) == AF_INET ? AF_INET6 : AF_INET;
        items[out] = queue[next];
        queue[next] = NULL;
    }
}

static void put_in_order(GPtrArray *candidates, int first_family)
{
    g_ptr_array_sort_with_data(candidates, compare, GINT_TO_POINTER(first_family));
    for (guint from = 0, to; from < candidates->len; from = to) {
        const unsigned group = group_of(candidates->pdata[from]);

        for (to = from + 1; to < candidates->len && group_of(candidates->pdata[to]) == group; to++)
            ;
        if (group != GROUP_NETWORKS && group != GROUP_FILTERED) /* their order is the administrator's, or no matter */
            interleave((Candidate **)candidates->pdata + from, to - from);
    }
}

GPtrArray *candidates_rank(const CandidateFacts *facts)
{
    Ranking ranking = {facts, candidates_new()};

    mention_configured(&ranking);
    mention_networks(&ranking);
    mention_control(&ranking);
    mention_names(&ranking, TRUE);
    mention_interfaces(&ranking, TRUE);
    mention_interfaces(&ranking, FALSE);
    mention_names(&ranking, FALSE);
    for (guint i = 0; i < ranking.list->len; i++) {
        Candidate *candidate = ranking.list->pdata[i];

        candidate->filtered = why_filtered(facts, candidate);
        address_set_port(&candidate->address, facts->port);
    }
    /* The family that the control connection uses works; else IPv4, as a stock source may have nothing else. */
    put_in_order(ranking.list, facts->control_local ? address_family(facts->control_local) : AF_INET);
    return ranking.list;
}

/* To the end; the order stays otherwise. */
static void move_filtered(GPtrArray *candidates)
{
    for (guint i = 0, left = candidates->len; left > 0; left--) {
        if (((const Candidate *)candidates->pdata[i])->filtered)
            g_ptr_array_add(candidates, g_ptr_array_steal_index(candidates, i));
        else
            i++;
    }
}

void candidates_restrict(GPtrArray *candidates, const struct sockaddr_storage *bound)
{
    const gboolean is_any = address_is_wildcard(bound);
    g_autofree char *literal = address_format(bound);

    for (guint i = 0; i < candidates->len; i++) {
        Candidate *candidate = candidates->pdata[i];
        const int family = address_family(&candidate->address);

        /* What others have put in front may lead to the one that listens. */
        if (candidate->filtered || candidate->kind == CANDIDATE_CONFIGURED || candidate->kind == CANDIDATE_FAR_NAME)
            continue;
        if (is_any && bound->ss_family == AF_INET && family != AF_INET)
            candidate->filtered = g_strdup("the port is open for IPv4 only");
        if (!is_any && !address_equal(bound, &candidate->address))
            candidate->filtered = g_strdup_printf("the port is open at %s only", literal);
    }
    move_filtered(candidates);
}

const Candidate *candidates_choose_single(const GPtrArray *candidates)
{
    for (guint i = 0; i < candidates->len; i++) {
        const Candidate *candidate = candidates->pdata[i];

        if (!candidate->filtered && kinds[candidate->kind].may_be_single && !address_is_link_local(&candidate->address))
            return candidate;
    }
    return NULL;
}

/* --- in a cookie -------------------------------------------------------------------------------------------------- */

void candidates_tell(const GPtrArray *candidates, uint16_t port, CookieFerry *ferry)
{
    unsigned link_local = 0;

    ferry->port = port;
    for (guint i = 0; i < candidates->len; i++) {
        const Candidate *candidate = candidates->pdata[i];
        struct sockaddr_storage bare = candidate->address;
        g_autofree char *origin = g_strndup(candidate->origin, COOKIE_ORIGIN_MAX);
        g_autofree char *literal = NULL;

        if (candidate->filtered ||
            (group_of(candidate) == GROUP_LINK_LOCAL && link_local++ >= CANDIDATES_LINK_LOCAL_MAX))
            continue;
        address_set_scope(&bare, 0);
        literal = address_format(&bare);
        cookie_add_address(ferry, literal, origin);
    }
}

/* A link-local address stands for one candidate on every link of ours that may be the same. */
static void hear_link_local(GPtrArray *candidates, struct sockaddr_storage *address, const char *origin,
                            const HostAddresses *own)
{
    unsigned count = 0;

    for (unsigned i = 0; own && i < own->count && count < CANDIDATES_LINK_LOCAL_MAX; i++) {
        const HostAddress *here = &own->items[i];
        g_autofree char *told = g_strdup_printf("%s, over %s here", origin, here->interface);

        if (here->address.ss_family != AF_INET6 || !address_is_link_local(&here->address) || !here->is_up ||
            here->is_inner_bridge || here->is_port)
            continue;
        address_set_scope(address, here->interface_index);
        count += candidates_add(candidates, address, CANDIDATE_PEER, told);
    }
    if (count == 0) {
        Candidate *candidate = add(candidates, address, CANDIDATE_PEER, origin);

        if (candidate)
            candidate->filtered = g_strdup("link-local, and no interface of this host has such addresses");
    }
}

GPtrArray *candidates_hear(const CookieFerry *ferry, const HostAddresses *own)
{
    GPtrArray *candidates = candidates_new();

    for (guint i = 0; i < ferry->addresses->len && candidates->len < CANDIDATES_HEARD_MAX; i++) {
        const CookieAddress *told = ferry->addresses->pdata[i];
        g_auto(GStrv) parts = g_strsplit(told->literal, "%", 2); /* a scope there means nothing here */
        struct sockaddr_storage address;
        Candidate *candidate;

        if (!address_parse(parts[0], &address)) /* a kind of address that is not known here */
            continue;
        address_set_port(&address, ferry->port);
        if (address_family(&address) == AF_INET6 && address_is_link_local(&address)) {
            hear_link_local(candidates, &address, told->origin, own);
            continue;
        }
        candidate = add(candidates, &address, CANDIDATE_PEER, told->origin);
        if (candidate)
            candidate->filtered = why_senseless(&address);
    }
    move_filtered(candidates);
    return candidates;
}
