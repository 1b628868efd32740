/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses and networks as values.  Nothing here looks a name up. */
#include "host/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <string.h>

#include "base/number.h"

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

gboolean address_is_multicast(const struct sockaddr_storage *address)
{
    struct sockaddr_storage bare = plain(address);

    if (bare.ss_family == AF_INET)
        return ntohl(as_v4(&bare)->sin_addr.s_addr) >> 28 >=
               0xe; /* with broadcast, and what is reserved */
    return bare.ss_family == AF_INET6 && IN6_IS_ADDR_MULTICAST(&as_v6(&bare)->sin6_addr);
}

int address_family(const struct sockaddr_storage *address)
{
    return plain(address).ss_family;
}

unsigned address_scope(const struct sockaddr_storage *address)
{
    const struct sockaddr_in6 *v6 = (const void *)address;

    return address->ss_family == AF_INET6 ? v6->sin6_scope_id : 0;
}

void address_set_scope(struct sockaddr_storage *address, unsigned scope)
{
    if (address->ss_family == AF_INET6)
        as_v6(address)->sin6_scope_id = scope;
}

/* Where the address itself stands, IPv4-mapped IPv6 as IPv4; *ret_bits is 0 for neither. */
static const uint8_t *bytes_of(const struct sockaddr_storage *address, unsigned *ret_bits)
{
    const struct sockaddr_in *v4 = (const void *)address;
    const struct sockaddr_in6 *v6 = (const void *)address;
    const gboolean is_mapped =
        address->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);

    *ret_bits = address->ss_family == AF_INET || is_mapped ? 32
                : address->ss_family == AF_INET6           ? 128
                                                           : 0;
    if (is_mapped)
        return v6->sin6_addr.s6_addr + 12;
    return address->ss_family == AF_INET ? (const uint8_t *)&v4->sin_addr : v6->sin6_addr.s6_addr;
}

gboolean address_equal(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    unsigned bits_a, bits_b;
    const uint8_t *bytes_a = bytes_of(a, &bits_a);
    const uint8_t *bytes_b = bytes_of(b, &bits_b);

    return bits_a == bits_b && memcmp(bytes_a, bytes_b, bits_a / 8) == 0 &&
           (!address_scope(a) || !address_scope(b) || address_scope(a) == address_scope(b));
}

gboolean address_network_parse(const char *text, AddressNetwork *ret_network)
{
    const char *slash = strchr(text, '/');
    g_autofree char *host = slash ? g_strndup(text, (gsize)(slash - text)) : g_strdup(text);
    AddressNetwork network = {0};
    uint64_t prefix;
    unsigned bits;

    if (strchr(host, '%') || strchr(host, '[') || !address_parse(host, &network.address))
        return FALSE;
    network.address = plain(&network.address);
    bytes_of(&network.address, &bits);
    prefix = bits;
    if (slash && !number_parse_u64(slash + 1, bits, &prefix))
        return FALSE;
    network.prefix = (unsigned)prefix;
    *ret_network = network;
    return TRUE;
}

gboolean address_network_contains(const AddressNetwork *network,
                                  const struct sockaddr_storage *address)
{
    const unsigned whole = network->prefix / 8, rest = network->prefix % 8;
    unsigned network_bits, bits;
    const uint8_t *ours = bytes_of(&network->address, &network_bits);
    const uint8_t *theirs = bytes_of(address, &bits);

    return network_bits == bits && memcmp(ours, theirs, whole) == 0 &&
           (rest == 0 || (ours[whole] ^ theirs[whole]) >> (8 - rest) == 0);
}
