/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Taps through /dev/net/tun and plain ioctls, in the network namespace of the daemon. */
#include "host/tap.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "host/netlink.h"

static gboolean set_name(struct ifreq *request, const char *name, GError **error)
{
    if (strlen(name) >= IFNAMSIZ)
        return error_set(error, ERROR_INVALID_ARG,
                         "invalid argument: interface name '%s' is longer than %d bytes", name,
                         IFNAMSIZ - 1);
    g_strlcpy(request->ifr_name, name, IFNAMSIZ);
    return TRUE;
}

static gboolean open_queues(const TapSpec *spec, Tap *tap, GError **error)
{
    unsigned count = MAX(spec->queues, 1);
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};

    if (count > TAP_QUEUES_MAX)
        return error_set(error, ERROR_INVALID_ARG,
                         "invalid argument: an interface has at most %d queues, not %u",
                         TAP_QUEUES_MAX, count);
    if (spec->wants_vnet_header)
        request.ifr_flags |= IFF_VNET_HDR;
    if (count > 1)
        request.ifr_flags |= IFF_MULTI_QUEUE;
    if (!set_name(&request, spec->name ? spec->name : "vnet%d", error))
        return FALSE;

    tap->fds = g_new0(int, count);
    for (unsigned i = 0; i < count; i++) {
        auto_fd int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

        if (fd < 0)
            return error_errno(error, "cannot open '/dev/net/tun'");
        if (ioctl(fd, TUNSETIFF, &request) < 0)
            return error_errno(error, "cannot make tap '%s'", request.ifr_name);
        tap->fds[tap->queue_count++] = fd_steal(&fd);
    }
    g_strlcpy(tap->name, request.ifr_name, sizeof tap->name);
    return TRUE;
}

static gboolean set_mac(int control, const Tap *tap, const uint8_t *mac, GError **error)
{
    struct ifreq request = {.ifr_hwaddr.sa_family = ARPHRD_ETHER};

    /* A first byte of 0xfe keeps the bridge from taking a guest's address as its own: it takes the
     * lowest. */
    memcpy(request.ifr_hwaddr.sa_data, mac, 6);
    request.ifr_hwaddr.sa_data[0] = (char)0xfe;
    if (!set_name(&request, tap->name, error))
        return FALSE;
    if (ioctl(control, SIOCSIFHWADDR, &request) < 0)
        return error_errno(error, "cannot set the hardware address of tap '%s'", tap->name);
    return TRUE;
}

static gboolean set_mtu(int control, const Tap *tap, const TapSpec *spec, GError **error)
{
    struct ifreq request = {.ifr_mtu = (int)spec->mtu};

    if (spec->mtu == 0) {
        if (!spec->bridge || !set_name(&request, spec->bridge, error) ||
            ioctl(control, SIOCGIFMTU, &request) < 0)
            return TRUE;
    }
    if (!set_name(&request, tap->name, error))
        return FALSE;
    if (ioctl(control, SIOCSIFMTU, &request) < 0)
        return error_errno(error, "cannot set the MTU of tap '%s' to %d", tap->name,
                           request.ifr_mtu);
    return TRUE;
}

static gboolean plug(int control, const Tap *tap, const char *bridge, GError **error)
{
    struct ifreq request = {.ifr_ifindex = (int)if_nametoindex(tap->name)};

    if (!set_name(&request, bridge, error))
        return FALSE;
    if (ioctl(control, SIOCBRADDIF, &request) < 0)
        return error_errno(error, "cannot add tap '%s' to bridge '%s'", tap->name, bridge);
    return TRUE;
}

static gboolean set_up(int control, const Tap *tap, GError **error)
{
    struct ifreq request = {0};

    if (!set_name(&request, tap->name, error))
        return FALSE;
    if (ioctl(control, SIOCGIFFLAGS, &request) < 0)
        return error_errno(error, "cannot read the state of tap '%s'", tap->name);
    request.ifr_flags |= IFF_UP;
    if (ioctl(control, SIOCSIFFLAGS, &request) < 0)
        return error_errno(error, "cannot set tap '%s' up", tap->name);
    return TRUE;
}

gboolean tap_open(const TapSpec *spec, Tap *ret_tap, GError **error)
{
    g_auto(Tap) tap = {0};
    auto_fd int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (control < 0)
        return error_errno(error, "cannot open a socket for network control");
    if (spec->bridge && !bridge_exists(spec->bridge))
        return error_set(error, ERROR_OPERATION_FAILED,
                         "operation failed: there is no bridge '%s' on this host", spec->bridge);
    if (!open_queues(spec, &tap, error))
        return FALSE;
    if ((spec->mac && !set_mac(control, &tap, spec->mac, error)) ||
        !set_mtu(control, &tap, spec, error) ||
        (spec->bridge && !plug(control, &tap, spec->bridge, error)) ||
        (!spec->is_down && !set_up(control, &tap, error)))
        return FALSE;
    *ret_tap = tap;
    tap = (Tap){0};
    return TRUE;
}

void tap_clear(Tap *tap)
{
    for (unsigned i = 0; i < tap->queue_count; i++)
        close(tap->fds[i]);
    g_free(tap->fds);
    *tap = (Tap){0};
}

/* Asked of netlink and not of /sys, which may show another network namespace than ours. */
gboolean bridge_exists(const char *name)
{
    g_autofree char *kind = netlink_link_kind(name);

    return g_strcmp0(kind, "bridge") == 0;
}

char *network_find_bridge(const char *network, const char *const *map, GError **error)
{
    size_t len = strlen(network);

    for (const char *const *row = map; row && *row; row++) {
        if (strncmp(*row, network, len) != 0 || (*row)[len] != '=')
            continue;
        if (bridge_exists(*row + len + 1))
            return g_strdup(*row + len + 1);
        error_set(
            error, ERROR_NO_NETWORK,
            "network '%s' is bridge '%s' by ferryd.conf, but there is no such bridge on this host",
            network, *row + len + 1);
        return NULL;
    }
    if (bridge_exists(network))
        return g_strdup(network);
    error_set(error, ERROR_NO_NETWORK,
              "Network not found: network '%s' is unknown: no row of 'network_map' in ferryd.conf "
              "maps it to a bridge, and "
              "this host has no "
              "bridge of that name",
              network);
    return NULL;
}
