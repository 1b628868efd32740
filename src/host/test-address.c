/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <string.h>

#include "base/error.h"
#include "host/address.h"

static struct sockaddr_storage literal(const char *text)
{
    struct sockaddr_storage address;

    g_assert_true(address_parse(text, &address));
    return address;
}

static void literals_are_parsed_and_written_back(void)
{
    static const char *const rows[][3] = {
        {"192.0.2.1", "192.0.2.1", "192.0.2.1"},
        {"2001:db8::1", "2001:db8::1", "[2001:db8::1]"},
        {"[2001:db8::1]", "2001:db8::1", "[2001:db8::1]"},
        {"::ffff:192.0.2.7", "192.0.2.7", "192.0.2.7"},
        {"fe80::1%lo", "fe80::1%lo", "[fe80::1%lo]"},
    };
    struct sockaddr_storage address;

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        address = literal(rows[i][0]);
        g_autofree char *text = address_format(&address);
        g_autofree char *host = address_format_host(&address);
        g_assert_cmpstr(text, ==, rows[i][1]);
        g_assert_cmpstr(host, ==, rows[i][2]);
    }
    g_assert_false(address_parse("localhost", &address));
    g_assert_false(address_parse("", &address));
    g_assert_false(address_parse("[", &address));
    g_assert_false(address_parse("1.2.3", &address));
    g_assert_false(address_parse("fe80::1%nosuchinterface", &address));
}

static void kinds_of_addresses_are_told_apart(void)
{
    struct sockaddr_storage a = literal("127.0.1.1");
    struct sockaddr_storage b = literal("169.254.3.4");
    struct sockaddr_storage c = literal("::");
    struct sockaddr_storage d = literal("::ffff:127.0.0.1");
    struct sockaddr_storage e = literal("224.0.0.1");
    struct sockaddr_storage f = literal("255.255.255.255");
    struct sockaddr_storage g = literal("ff02::1");

    g_assert_true(address_is_loopback(&a) && !address_is_link_local(&a));
    g_assert_true(address_is_link_local(&b) && !address_is_loopback(&b));
    g_assert_true(address_is_wildcard(&c));
    g_assert_true(address_is_loopback(&d));
    g_assert_true(address_is_multicast(&e) && address_is_multicast(&f) && address_is_multicast(&g));
    g_assert_false(address_is_multicast(&a) || address_is_multicast(&c));
    g_assert_cmpint(address_family(&d), ==, AF_INET);
    address_set_port(&c, 49152);
    g_assert_cmpuint(address_port(&c), ==, 49152);
}

static void networks_contain_their_addresses(void)
{
    static const struct {
        const char *network, *address;
        gboolean is_inside;
    } cases[] = {
        {"10.1.0.0/16", "10.1.255.255", TRUE},
        {"10.1.0.0/16", "10.2.0.1", FALSE},
        {"10.1.2.3/16", "10.1.9.9", TRUE},
        {"10.1.0.0/15", "10.0.0.1", TRUE},
        {"10.1.2.3", "10.1.2.3", TRUE},
        {"10.1.2.3", "10.1.2.2", FALSE},
        {"0.0.0.0/0", "203.0.113.9", TRUE},
        {"0.0.0.0/0", "2001:db8::1", FALSE},
        {"2001:db8::/33", "2001:db8:7fff::", TRUE},
        {"2001:db8::/33", "2001:db8:8000::", FALSE},
        {"::/0", "192.0.2.1", FALSE},
        {"192.0.2.0/24", "::ffff:192.0.2.1", TRUE},
    };
    static const char *const wrong[] = {
        "",     "10.1.0.0/33",    "10.1.0.0/",    "10.1.0.0/-1", "10.1/16",
        "eth0", "2001:db8::/129", "fe80::%lo/64", "10.0.0.0/8x"};
    AddressNetwork network;

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct sockaddr_storage address = literal(cases[i].address);

        g_assert_true(address_network_parse(cases[i].network, &network));
        g_assert_cmpint(address_network_contains(&network, &address), ==, cases[i].is_inside);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++)
        g_assert_false(address_network_parse(wrong[i], &network));
}

static void addresses_are_compared_as_addresses(void)
{
    static const struct {
        const char *a, *b;
        gboolean is_equal;
    } cases[] = {
        {"192.0.2.1", "::ffff:192.0.2.1", TRUE}, {"192.0.2.1", "192.0.2.2", FALSE},
        {"fe80::1%1", "fe80::1", TRUE},          {"fe80::1%1", "fe80::1%2", FALSE},
        {"fe80::1%1", "fe80::2%1", FALSE},       {"::1", "0.0.0.1", FALSE},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct sockaddr_storage a = literal(cases[i].a), b = literal(cases[i].b);

        address_set_port(&a, 49152);
        g_assert_cmpint(address_equal(&a, &b), ==, cases[i].is_equal);
        g_assert_cmpint(address_equal(&b, &a), ==, cases[i].is_equal);
    }
}

static void the_addresses_of_this_host_are_its_own(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(HostAddresses) addresses = host_addresses_read(&error);
    struct sockaddr_storage mapped = literal("::ffff:127.0.0.1");
    struct sockaddr_storage foreign = literal("203.0.113.77");

    g_assert_no_error(error);
    for (unsigned i = 0; i < addresses->count; i++)
        g_assert_nonnull(host_addresses_find(addresses, &addresses->items[i].address));
    if (addresses->count > 0 && address_is_loopback(&addresses->items[0].address))
        g_assert_nonnull(host_addresses_find(addresses, &mapped));
    g_assert_null(host_addresses_find(addresses, &foreign));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/host/address/literals-are-parsed-and-written-back",
                    literals_are_parsed_and_written_back);
    g_test_add_func("/host/address/kinds-of-addresses-are-told-apart",
                    kinds_of_addresses_are_told_apart);
    g_test_add_func("/host/address/networks-contain-their-addresses",
                    networks_contain_their_addresses);
    g_test_add_func("/host/address/addresses-are-compared-as-addresses",
                    addresses_are_compared_as_addresses);
    g_test_add_func("/host/address/the-addresses-of-this-host-are-its-own",
                    the_addresses_of_this_host_are_its_own);
    return g_test_run();
}
