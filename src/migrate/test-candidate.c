/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "migrate/candidate.h"

#include <string.h>

#include "migrate/address.h"

static struct sockaddr_storage literal(const char *text)
{
    struct sockaddr_storage address;

    g_assert_true(address_parse(text, &address));
    return address;
}

typedef struct {
    const char *interface, *literal;
    enum { UP = 0, DOWN = 1, DEFAULT = 2, INNER = 4, TEMPORARY = 8, DEPRECATED = 16, UNCONFIRMED = 32, PORT = 64 } is;
} HostRow;

/* eth0 leaves by the default route, eth1 and eth2 join hosts, virbr0 and docker0 are on every host. */
static const HostRow usual_host[] = {
    {"lo", "127.0.0.1", UP},
    {"lo", "::1", UP},
    {"eth1", "10.1.0.7", UP},
    {"eth2", "10.2.0.7", UP},
    {"eth0", "192.0.2.7", DEFAULT},
    {"eth0", "2001:db8::7", DEFAULT},
    {"eth0", "2001:db8::aaaa", DEFAULT | TEMPORARY},
    {"eth0", "2001:db8::bbbb", DEFAULT | DEPRECATED},
    {"eth0", "fe80::7%1", DEFAULT},
    {"eth1", "fd00:1::7", UP},
    {"eth1", "fd00:1::8", UNCONFIRMED},
    {"virbr0", "192.168.122.1", INNER},
    {"docker0", "172.17.0.1", INNER | DOWN},
    {"vnet0", "fe80::1:7%1", PORT},
    {"eth3", "10.3.0.7", DOWN},
};

static HostAddresses *make_host(const HostRow *rows, unsigned count)
{
    HostAddresses *addresses = g_new0(HostAddresses, 1);

    addresses->items = g_new0(HostAddress, count);
    addresses->count = count;
    for (unsigned i = 0; i < count; i++) {
        HostAddress *item = &addresses->items[i];

        item->address = literal(rows[i].literal);
        item->interface = g_strdup(rows[i].interface);
        item->interface_index = address_scope(&item->address);
        item->is_up = !(rows[i].is & DOWN);
        item->has_default_route = (rows[i].is & DEFAULT) != 0;
        item->is_inner_bridge = (rows[i].is & INNER) != 0;
        item->is_temporary = (rows[i].is & TEMPORARY) != 0;
        item->is_deprecated = (rows[i].is & DEPRECATED) != 0;
        item->is_unconfirmed = (rows[i].is & UNCONFIRMED) != 0;
        item->is_port = (rows[i].is & PORT) != 0;
    }
    return addresses;
}

/* "10.1.0.7 10.2.0.7": literals, as a resolver would answer. */
static void fill_names(const char *texts, struct sockaddr_storage *room, ResolvedName *ret_names)
{
    g_auto(GStrv) words = g_strsplit(texts ?: "", " ", -1);

    *ret_names = (ResolvedName){.items = room};
    for (char **word = words; *word; word++)
        if (**word)
            room[ret_names->count++] = literal(*word);
}

typedef struct {
    const char *configured, *networks, *control, *own_name, *full_name;
    gboolean wants_only;
    const char *usable;  /* in order */
    const char *filtered; /* parts of lines, in any order: "10.3.0.7 (interface eth3; interface eth3 is down)" */
    const char *single;  /* NULL: refused */
} RankCase;

#define REST "192.0.2.7 2001:db8::7 10.1.0.7 fd00:1::7 10.2.0.7 fe80::7%1"

static const RankCase rank_cases[] = {
    /* nothing is known: the default route, then the others, the families taking turns, link-local at the end */
    {.usable = REST, .single = "192.0.2.7"},
    {.control = "10.2.0.7", .usable = "10.2.0.7 2001:db8::7 192.0.2.7 fd00:1::7 10.1.0.7 fe80::7%1", .single = "10.2.0.7"},
    /* the family of the control connection begins */
    {.control = "fd00:1::7", .usable = "fd00:1::7 192.0.2.7 2001:db8::7 10.1.0.7 10.2.0.7 fe80::7%1", .single = "fd00:1::7"},
    {.control = "::ffff:10.1.0.7", .usable = "10.1.0.7 2001:db8::7 192.0.2.7 fd00:1::7 10.2.0.7 fe80::7%1",
     .single = "10.1.0.7"},
    /* loopback and link-local control connections say nothing */
    {.control = "127.0.0.1", .usable = REST, .filtered = "127.0.0.1 (control connection; loopback)", .single = "192.0.2.7"},
    {.control = "fe80::7%1", .usable = "2001:db8::7 192.0.2.7 fd00:1::7 10.1.0.7 10.2.0.7 fe80::7%1", .single = "2001:db8::7"},
    /* nor do names that mean loopback; a good one comes before the default route */
    {.own_name = "127.0.1.1", .usable = REST, .filtered = "127.0.1.1 (host name fedora2; loopback)", .single = "192.0.2.7"},
    {.own_name = "::1 127.0.0.1", .usable = REST, .filtered = "::1 (host name fedora2; loopback)", .single = "192.0.2.7"},
    {.own_name = "10.2.0.7", .usable = "10.2.0.7 2001:db8::7 192.0.2.7 fd00:1::7 10.1.0.7 fe80::7%1", .single = "10.2.0.7"},
    {.own_name = "127.0.1.1", .full_name = "10.2.0.7",
     .usable = "10.2.0.7 2001:db8::7 192.0.2.7 fd00:1::7 10.1.0.7 fe80::7%1", .single = "10.2.0.7"},
    /* a name that means another host, or an address that is translated: after all of ours, and never alone */
    {.own_name = "203.0.113.5", .usable = "192.0.2.7 2001:db8::7 10.1.0.7 fd00:1::7 10.2.0.7 203.0.113.5 fe80::7%1",
     .single = "192.0.2.7"},
    {.own_name = "fe80::99", .usable = REST, .filtered = "fe80::99 (host name fedora2; link-local, and not of this host)",
     .single = "192.0.2.7"},
    /* the administrator's address, whoever has it */
    {.configured = "203.0.113.5", .control = "10.2.0.7",
     .usable = "203.0.113.5 10.2.0.7 2001:db8::7 192.0.2.7 fd00:1::7 10.1.0.7 fe80::7%1", .single = "203.0.113.5"},
    {.configured = "192.168.122.1", .usable = "192.168.122.1 " REST, .single = "192.168.122.1"},
    {.configured = "127.0.0.1", .usable = REST, .filtered = "127.0.0.1 (migration_host fedora2.san; loopback)",
     .single = "192.0.2.7"},
    {.configured = "10.3.0.7", .usable = REST,
     .filtered = "10.3.0.7 (migration_host fedora2.san; interface eth3 is down)", .single = "192.0.2.7"},
    /* the administrator's networks in their order, then the rest */
    {.networks = "10.2.0.0/16 fd00:1::/64 10.1.0.0/16", .control = "192.0.2.7",
     .usable = "10.2.0.7 fd00:1::7 10.1.0.7 192.0.2.7 2001:db8::7 fe80::7%1", .single = "10.2.0.7"},
    {.networks = "10.1.0.0/16", .configured = "192.0.2.7",
     .usable = "192.0.2.7 10.1.0.7 2001:db8::7 10.2.0.7 fd00:1::7 fe80::7%1", .single = "192.0.2.7"},
    {.networks = "192.168.122.0/24", .usable = "192.168.122.1 " REST, .single = "192.168.122.1"},
    {.networks = "10.77.0.0/16", .usable = REST, .single = "192.0.2.7"},
    {.networks = "10.1.0.0/16", .wants_only = TRUE, .control = "192.0.2.7", .configured = "203.0.113.5",
     .usable = "203.0.113.5 10.1.0.7",
     .filtered = "192.0.2.7 (control connection; outside migration_networks)", .single = "203.0.113.5"},
    {.networks = "10.77.0.0/16", .wants_only = TRUE, .usable = "", .single = NULL},
    /* of two addresses in one network, that of the control connection */
    {.networks = "10.0.0.0/8", .control = "10.2.0.7", .usable = "10.2.0.7 10.1.0.7 192.0.2.7 2001:db8::7 fd00:1::7 fe80::7%1",
     .single = "10.2.0.7"},
    /* what an address is makes no difference if the other side has just come to it */
    {.control = "192.168.122.1", .usable = "192.168.122.1 2001:db8::7 192.0.2.7 fd00:1::7 10.1.0.7 10.2.0.7 fe80::7%1",
     .single = "192.168.122.1"},
    {.control = "2001:db8::aaaa", .usable = "2001:db8::aaaa 192.0.2.7 2001:db8::7 10.1.0.7 fd00:1::7 10.2.0.7 fe80::7%1",
     .single = "2001:db8::aaaa"},
};

static const char *const always_filtered[] = {
    "2001:db8::aaaa (interface eth0, default route; temporary)",
    "2001:db8::bbbb (interface eth0, default route; deprecated)",
    "fd00:1::8 (interface eth1; not confirmed yet, or another host has it too)",
    "192.168.122.1 (interface virbr0; bridge virbr0 leads to guests only)",
    "172.17.0.1 (interface docker0; interface docker0 is down)",
    "10.3.0.7 (interface eth3; interface eth3 is down)",
    "127.0.0.1 (interface lo; loopback)",
};

static GPtrArray *rank(const RankCase *c, const HostAddresses *addresses)
{
    struct sockaddr_storage rooms[3][8];
    struct sockaddr_storage control = literal(c->control ?: "::");
    ResolvedName configured, own_name, full_name;
    AddressNetwork networks[4];
    g_auto(GStrv) texts = g_strsplit(c->networks ?: "", " ", -1);
    CandidateFacts facts = {
        .configured_text = "fedora2.san",
        .configured = c->configured ? &configured : NULL,
        .network_texts = (const char *const *)texts,
        .networks = networks,
        .network_count = c->networks ? g_strv_length(texts) : 0,
        .wants_networks_only = c->wants_only,
        .control_local = c->control ? &control : NULL,
        .own_name_texts = {"fedora2", "fedora2.example.org"},
        .own_names = {c->own_name ? &own_name : NULL, c->full_name ? &full_name : NULL},
        .addresses = addresses,
    };

    fill_names(c->configured, rooms[0], &configured);
    fill_names(c->own_name, rooms[1], &own_name);
    fill_names(c->full_name, rooms[2], &full_name);
    for (unsigned i = 0; i < facts.network_count; i++)
        g_assert_true(address_network_parse(texts[i], &networks[i]));
    return candidates_rank(&facts);
}

/* "A B C": those that are usable, and they come first. */
static char *usable_text(const GPtrArray *candidates)
{
    GString *text = g_string_new(NULL);
    const unsigned count = candidates_count_usable(candidates);

    for (guint i = 0; i < candidates->len; i++) {
        const Candidate *candidate = candidates->pdata[i];
        g_autofree char *address = address_format(&candidate->address);

        g_assert_cmpint(candidate->filtered == NULL, ==, i < count);
        if (i < count)
            g_string_append_printf(text, "%s%s", i ? " " : "", address);
    }
    return g_string_free(text, FALSE);
}

static gboolean has_line(const GPtrArray *candidates, const char *line)
{
    for (guint i = 0; i < candidates->len; i++) {
        g_autofree char *text = candidate_format(candidates->pdata[i]);

        if (g_str_equal(text, line))
            return TRUE;
    }
    return FALSE;
}

/* The scope %1 is an interface of the machine that runs the test, if there is one. */
static char *with_scope_name(const char *texts)
{
    struct sockaddr_storage address = literal("fe80::7%1");
    g_autofree char *text = address_format(&address);
    g_auto(GStrv) parts = g_strsplit(texts, "%1", -1);

    return g_strjoinv(strchr(text, '%'), parts);
}

static void addresses_are_ranked(void)
{
    g_autoptr(HostAddresses) addresses = make_host(usual_host, G_N_ELEMENTS(usual_host));

    for (unsigned i = 0; i < G_N_ELEMENTS(rank_cases); i++) {
        const RankCase *c = &rank_cases[i];
        g_autoptr(GPtrArray) candidates = rank(c, addresses);
        g_autofree char *usable = usable_text(candidates);
        g_autofree char *expected = with_scope_name(c->usable);
        g_autofree char *single = NULL;
        g_autoptr(GError) error = NULL;

        g_test_message("case %u", i);
        g_assert_cmpstr(usable, ==, expected);
        if (c->filtered && !has_line(candidates, c->filtered))
            g_error("case %u: no line '%s'", i, c->filtered);
        g_assert_cmpint(address_for_source(candidates, "vm1", &single, &error), ==, c->single != NULL);
        g_assert_cmpstr(single, ==, c->single);
        if (!c->single)
            g_assert_nonnull(strstr(error->message, "set migration_host or look at migration_networks in ferryd.conf"));
    }
}

static void what_leads_nowhere_is_filtered_with_its_reason(void)
{
    g_autoptr(HostAddresses) addresses = make_host(usual_host, G_N_ELEMENTS(usual_host));
    g_autoptr(GPtrArray) candidates = rank(&rank_cases[0], addresses);

    for (unsigned i = 0; i < G_N_ELEMENTS(always_filtered); i++)
        if (!has_line(candidates, always_filtered[i]))
            g_error("no line '%s'", always_filtered[i]);
    g_assert_true(has_line(candidates, "10.1.0.7 (interface eth1)"));
    {
        g_autofree char *line = with_scope_name("fe80::1:7%1 (interface vnet0; interface vnet0 is a port of a bridge)");

        g_assert_true(has_line(candidates, line));
    }
    g_assert_cmpuint(candidates->len, ==, G_N_ELEMENTS(usual_host)); /* nothing twice, nothing lost */
}

static void an_address_known_twice_keeps_its_best_origin(void)
{
    g_autoptr(HostAddresses) addresses = make_host(usual_host, G_N_ELEMENTS(usual_host));
    const RankCase c = {.networks = "10.1.0.0/16", .control = "10.1.0.7", .own_name = "10.1.0.7 192.0.2.7"};
    g_autoptr(GPtrArray) candidates = rank(&c, addresses);

    g_assert_true(has_line(candidates, "10.1.0.7 (migration_networks 10.1.0.0/16)"));
    g_assert_true(has_line(candidates, "192.0.2.7 (host name fedora2)"));
    g_assert_cmpuint(candidates->len, ==, G_N_ELEMENTS(usual_host));
}

/* Routing on the host: the one good address is on lo. */
static void an_address_on_the_loopback_interface_is_an_address(void)
{
    static const HostRow rows[] = {{"lo", "127.0.0.1", UP}, {"lo", "10.255.0.7", UP}};
    g_autoptr(HostAddresses) addresses = make_host(rows, G_N_ELEMENTS(rows));
    g_autoptr(GPtrArray) candidates = rank(&(RankCase){0}, addresses);
    g_autofree char *usable = usable_text(candidates);

    g_assert_cmpstr(usable, ==, "10.255.0.7");
}

static void a_host_without_addresses_has_no_candidates(void)
{
    g_autoptr(HostAddresses) addresses = make_host(NULL, 0);
    g_autoptr(GPtrArray) candidates = rank(&(RankCase){0}, addresses);
    g_autofree char *single = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_cmpuint(candidates->len, ==, 0);
    g_assert_false(address_for_source(candidates, "vm1", &single, &error));
    g_assert_cmpstr(error->message, ==,
                    "operation failed: no address of this host is known that a source could connect to (it has none); "
                    "set migration_host or look at migration_networks in ferryd.conf");
}

static void a_bound_port_is_reached_where_it_is_bound(void)
{
    static const struct {
        const char *bound, *usable, *line;
    } cases[] = {
        {"::", "203.0.113.5 " REST, NULL},
        {"0.0.0.0", "203.0.113.5 192.0.2.7 10.1.0.7 10.2.0.7",
         "2001:db8::7 (interface eth0, default route; the port is open for IPv4 only)"},
        {"10.2.0.7", "203.0.113.5 10.2.0.7", "192.0.2.7 (interface eth0, default route; the port is open at 10.2.0.7 only)"},
    };
    g_autoptr(HostAddresses) addresses = make_host(usual_host, G_N_ELEMENTS(usual_host));

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GPtrArray) candidates = rank(&(RankCase){.configured = "203.0.113.5"}, addresses);
        struct sockaddr_storage bound = literal(cases[i].bound);
        g_autofree char *expected = with_scope_name(cases[i].usable);
        g_autofree char *usable = NULL;

        candidates_restrict(candidates, &bound);
        usable = usable_text(candidates);
        g_assert_cmpstr(usable, ==, expected);
        if (cases[i].line)
            g_assert_true(has_line(candidates, cases[i].line));
    }
}

static MigrationCookie *new_cookie(void)
{
    const Uuid uuid = {{1}}, host = {{2}};

    return cookie_new("vm1", &uuid, "fedora2", &host);
}

static void what_is_told_is_heard(void)
{
    g_autoptr(HostAddresses) addresses = make_host(usual_host, G_N_ELEMENTS(usual_host));
    g_autoptr(GPtrArray) told = rank(&(RankCase){.networks = "10.2.0.0/16"}, addresses);
    g_autoptr(MigrationCookie) cookie = new_cookie();
    g_autoptr(GPtrArray) heard = NULL;

    candidates_tell(told, 49152, cookie_ferry(cookie));
    g_assert_cmpuint(cookie->ferry->port, ==, 49152);
    heard = candidates_hear(cookie->ferry, NULL);
    g_assert_cmpuint(heard->len, ==, candidates_count_usable(told));
    for (guint i = 0; i < heard->len; i++) {
        const Candidate *ours = told->pdata[i], *theirs = heard->pdata[i];

        g_assert_true(address_equal(&ours->address, &theirs->address));
        g_assert_cmpuint(address_port(&theirs->address), ==, 49152);
        g_assert_cmpstr(theirs->origin, ==, ours->origin);
        g_assert_cmpint(theirs->filtered == NULL, ==, i < 5); /* the link-local one has no way here */
    }
}

/* The sender's interface means nothing here: every one of ours may be on the same link. */
static void a_link_local_address_is_tried_over_every_interface(void)
{
    static const HostRow rows[] = {
        {"lo", "::1", UP},          {"eth0", "fe80::a%4001", UP},      {"eth0", "10.0.0.1", UP},
        {"eth1", "fe80::b%4002", UP}, {"eth2", "fe80::c%4003", DOWN}, {"virbr0", "fe80::d%4004", INNER},
        {"vnet0", "fe80::e%4005", PORT},
    };
    g_autoptr(HostAddresses) here = make_host(rows, G_N_ELEMENTS(rows));
    g_autoptr(MigrationCookie) cookie = new_cookie();
    CookieFerry *ferry = cookie_ferry(cookie);
    g_autoptr(GPtrArray) heard = NULL;

    ferry->port = 49152;
    cookie_add_address(ferry, "fe80::7%eth9", "interface eth9");
    cookie_add_address(ferry, "10.0.0.7", "interface eth8");
    heard = candidates_hear(ferry, here);
    g_assert_cmpuint(heard->len, ==, 3);
    g_assert_true(has_line(heard, "[fe80::7%4001]:49152 (interface eth9, over eth0 here)"));
    g_assert_true(has_line(heard, "[fe80::7%4002]:49152 (interface eth9, over eth1 here)"));
    g_assert_cmpuint(candidates_count_usable(heard), ==, 3);
}

/* The other side, or who stands for it, may say anything. */
static void what_makes_no_sense_is_not_dialled(void)
{
    static const char *const senseless[] = {"127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::", "224.0.0.1",
                                            "ff02::1", "255.255.255.255"};
    static const char *const unknown[] = {"fedora2", "vsock:3", "1.2.3", "%", "%eth0", "::%", "10.0.0.1:22"};
    g_autoptr(HostAddresses) here = make_host(usual_host, G_N_ELEMENTS(usual_host));
    g_autoptr(MigrationCookie) cookie = new_cookie();
    CookieFerry *ferry = cookie_ferry(cookie);
    g_autoptr(GPtrArray) heard = NULL;
    guint known = G_N_ELEMENTS(senseless) - 1; /* one of them is another's double */

    for (unsigned i = 0; i < G_N_ELEMENTS(senseless); i++)
        g_assert_true(cookie_add_address(ferry, senseless[i], "x"));
    for (unsigned i = 0; i < G_N_ELEMENTS(unknown); i++)
        g_assert_true(cookie_add_address(ferry, unknown[i], "x"));
    heard = candidates_hear(ferry, here);
    g_assert_cmpuint(candidates_count_usable(heard), ==, 0);
    g_assert_cmpuint(heard->len, ==, known);
}

static void lists_from_outside_are_bounded(void)
{
    HostRow rows[200];
    g_autoptr(HostAddresses) here = NULL;
    g_autoptr(MigrationCookie) cookie = new_cookie();
    g_autoptr(GPtrArray) heard = NULL;
    char texts[G_N_ELEMENTS(rows)][32];

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_snprintf(texts[i], sizeof texts[i], "fe80::%x%%%u", i + 1, 4000 + i);
        rows[i] = (HostRow){"eth0", texts[i], UP};
    }
    here = make_host(rows, G_N_ELEMENTS(rows));
    for (unsigned i = 0; i < COOKIE_ADDRESSES_MAX; i++) {
        g_autofree char *text = g_strdup_printf("fe80::1:%x", i);

        g_assert_true(cookie_add_address(cookie_ferry(cookie), text, "x"));
    }
    heard = candidates_hear(cookie->ferry, here);
    g_assert_cmpuint(heard->len, ==, CANDIDATES_HEARD_MAX);
}

static void few_link_local_addresses_are_told_and_expanded(void)
{
    HostRow rows[20];
    char texts[G_N_ELEMENTS(rows)][32];
    g_autoptr(HostAddresses) addresses = NULL;
    g_autoptr(GPtrArray) told = NULL, heard = NULL;
    g_autoptr(MigrationCookie) cookie = new_cookie();

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_snprintf(texts[i], sizeof texts[i], "fe80::%x%%%u", i + 1, 4000 + i);
        rows[i] = (HostRow){"eth0", texts[i], UP};
    }
    addresses = make_host(rows, G_N_ELEMENTS(rows));
    told = rank(&(RankCase){.configured = "fe80::99 203.0.113.5"}, addresses);
    candidates_tell(told, 49152, cookie_ferry(cookie));
    g_assert_cmpuint(cookie->ferry->addresses->len, ==, 2 + CANDIDATES_LINK_LOCAL_MAX); /* ordered ones do not count */
    heard = candidates_hear(cookie->ferry, addresses);
    g_assert_cmpuint(heard->len, ==, 1 + (1 + CANDIDATES_LINK_LOCAL_MAX) * CANDIDATES_LINK_LOCAL_MAX);
}

static void an_origin_that_is_too_long_is_cut(void)
{
    g_autoptr(GPtrArray) candidates = candidates_new();
    g_autoptr(MigrationCookie) cookie = new_cookie();
    g_autofree char *name = g_strnfill(255, 'x');
    struct sockaddr_storage address = literal("10.0.0.1");

    g_assert_true(candidates_add(candidates, &address, CANDIDATE_CONFIGURED, name));
    g_assert_false(candidates_add(candidates, &address, CANDIDATE_INTERFACE, "again"));
    candidates_tell(candidates, 1, cookie_ferry(cookie));
    g_assert_cmpuint(cookie->ferry->addresses->len, ==, 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migrate/candidate/addresses-are-ranked", addresses_are_ranked);
    g_test_add_func("/migrate/candidate/what-leads-nowhere-is-filtered-with-its-reason",
                    what_leads_nowhere_is_filtered_with_its_reason);
    g_test_add_func("/migrate/candidate/an-address-known-twice-keeps-its-best-origin",
                    an_address_known_twice_keeps_its_best_origin);
    g_test_add_func("/migrate/candidate/an-address-on-the-loopback-interface-is-an-address",
                    an_address_on_the_loopback_interface_is_an_address);
    g_test_add_func("/migrate/candidate/a-host-without-addresses-has-no-candidates",
                    a_host_without_addresses_has_no_candidates);
    g_test_add_func("/migrate/candidate/a-bound-port-is-reached-where-it-is-bound",
                    a_bound_port_is_reached_where_it_is_bound);
    g_test_add_func("/migrate/candidate/what-is-told-is-heard", what_is_told_is_heard);
    g_test_add_func("/migrate/candidate/a-link-local-address-is-tried-over-every-interface",
                    a_link_local_address_is_tried_over_every_interface);
    g_test_add_func("/migrate/candidate/what-makes-no-sense-is-not-dialled", what_makes_no_sense_is_not_dialled);
    g_test_add_func("/migrate/candidate/lists-from-outside-are-bounded", lists_from_outside_are_bounded);
    g_test_add_func("/migrate/candidate/few-link-local-addresses-are-told-and-expanded",
                    few_link_local_addresses_are_told_and_expanded);
    g_test_add_func("/migrate/candidate/an-origin-that-is-too-long-is-cut", an_origin_that_is_too_long_is_cut);
    return g_test_run();
}
