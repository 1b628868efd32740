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

    g_assert_true(address_is_loopback(&a) && !address_is_link_local(&a));
    g_assert_true(address_is_link_local(&b) && !address_is_loopback(&b));
    g_assert_true(address_is_wildcard(&c));
    g_assert_true(address_is_loopback(&d));
    address_set_port(&c, 49152);
    g_assert_cmpuint(address_port(&c), ==, 49152);
}

/* One case of the choice; texts that are NULL are facts that are not known. */
typedef struct {
    const char *configured, *control, *own_name, *route;
    const char *expected; /* NULL: refused */
    const char *why;      /* part of the reason, or of the error */
} Case;

static const Case cases[] = {
    {"192.0.2.9", "10.0.0.2", "10.0.0.2", "eth0", "192.0.2.9", "migration_host"},
    {"127.0.0.1", "10.0.0.2", "10.0.0.2", "eth0", "10.0.0.2",
     "no address that another host could use"},
    {NULL, "10.0.0.2", "127.0.1.1", "eth0", "10.0.0.2", "control connection arrived"},
    {NULL, "2001:db8::5", NULL, "eth0", "2001:db8::5", "control connection arrived"},
    {NULL, "127.0.0.1", "10.0.0.2", "eth0", "10.0.0.2", "127.0.0.1, which is loopback"},
    {NULL, "fe80::1", NULL, "eth0", "10.0.0.2", "link-local"},
    {NULL, NULL, "127.0.1.1", "eth0", "10.0.0.2", "resolves to 127.0.1.1, which is loopback"},
    {NULL, NULL, "203.0.113.1", "eth0", "10.0.0.2", "no usable address of this host"},
    {NULL, NULL, NULL, "eth0", "10.0.0.2", "does not resolve"},
    {NULL, NULL, NULL, "eth1", "2001:db8::7", "default route"},
    {NULL, NULL, NULL, NULL, NULL, "set migration_host"},
};

static HostAddresses *make_host(void)
{
    static const char *const rows[][2] = {{"lo", "127.0.0.1"},
                                          {"eth0", "2001:db8::6"},
                                          {"eth0", "10.0.0.2"},
                                          {"eth1", "fe80::7"},
                                          {"eth1", "2001:db8::7"}};
    HostAddresses *addresses = g_new0(HostAddresses, 1);

    addresses->items = g_new0(HostAddress, G_N_ELEMENTS(rows));
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        addresses->items[i].interface = g_strdup(rows[i][0]);
        addresses->items[i].address = literal(rows[i][1]);
        addresses->items[i].is_loopback = i == 0;
        addresses->count++;
    }
    return addresses;
}

static void the_first_usable_way_is_taken(void)
{
    g_autoptr(HostAddresses) addresses = make_host();

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        const Case *c = &cases[i];
        struct sockaddr_storage configured = literal(c->configured ? c->configured : "::");
        struct sockaddr_storage control = literal(c->control ? c->control : "::");
        struct sockaddr_storage own = literal(c->own_name ? c->own_name : "::");
        ResolvedName configured_name = {&configured, c->configured != NULL};
        ResolvedName own_name = {&own, c->own_name != NULL};
        AddressFacts facts = {
            .configured = &configured_name,
            .configured_text = c->configured,
            .control_local = c->control ? &control : NULL,
            .own_name = &own_name,
            .own_name_text = "fedora2",
            .addresses = addresses,
            .default_interface = c->route,
        };
        g_autofree char *text = NULL;
        g_autofree char *reason = NULL;
        g_autoptr(GError) error = NULL;

        g_assert_cmpint(address_choose(&facts, &text, &reason, &error), ==, c->expected != NULL);
        g_assert_cmpstr(text, ==, c->expected);
        g_assert_nonnull(strstr(error ? error->message : reason, c->why));
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
    if (addresses->count > 0 && addresses->items[0].is_loopback)
        g_assert_nonnull(host_addresses_find(addresses, &mapped));
    g_assert_null(host_addresses_find(addresses, &foreign));
    g_free(host_default_interface());
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/host/address/literals-are-parsed-and-written-back",
                    literals_are_parsed_and_written_back);
    g_test_add_func("/host/address/kinds-of-addresses-are-told-apart",
                    kinds_of_addresses_are_told_apart);
    g_test_add_func("/host/address/the-first-usable-way-is-taken", the_first_usable_way_is_taken);
    g_test_add_func("/host/address/the-addresses-of-this-host-are-its-own",
                    the_addresses_of_this_host_are_its_own);
    return g_test_run();
}
