/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Needs children, workers and, for the parts with users and taps, root. */
#include <glib/gstdio.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/file.h"
#include "host/address.h"
#include "host/command.h"
#include "host/image.h"
#include "host/known-name.h"
#include "host/kvm.h"
#include "host/tap.h"
#include "loop/loop-test.h"

static const HostUser nobody = {TRUE, 65534, 65534, (char *)"nobody"};
static const HostUser self = {0};

static void remove_dir(char **dir)
{
    g_autofree char *command = g_strdup_printf("rm -rf '%s'", *dir);

    g_assert_cmpint(system(command), ==, 0);
    g_free(*dir);
}
#define auto_dir __attribute__((cleanup(remove_dir)))

static void command_body(void *data)
{
    const char *const good[] = {"/bin/sh", "-c", "echo out; echo err >&2; exit 3", NULL};
    const char *const slow[] = {"/bin/sleep", "60", NULL};
    const char *const loud[] = {"/usr/bin/yes", NULL};
    g_auto(CommandResult) result = {0};
    g_autoptr(GError) error = NULL;

    g_assert_true(command_run(good, &self, 100, 10000, &result, &error));
    g_assert_cmpstr(result.output, ==, "out\n");
    g_autofree char *text = command_describe(&result);
    g_assert_cmpstr(text, ==, "exit status 3: err");
    command_result_clear(&result);

    g_assert_false(command_run(slow, &self, 100, 50, &result, &error));
    g_assert_nonnull(strstr(error->message, "timed out"));
    g_clear_error(&error);
    g_assert_false(command_run(loud, &self, 100, 10000, &result, &error));
    g_assert_nonnull(strstr(error->message, "more than 100 bytes"));
}

static void a_command_is_bounded(void)
{
    loop_test_run(command_body, NULL);
}

static void resolve_body(void *data)
{
    g_auto(ResolvedName) names = {0};
    g_autoptr(GError) error = NULL;

    g_assert_true(host_resolve("192.0.2.3", 1, &names, &error));
    g_assert_cmpuint(names.count, ==, 1);
    resolved_name_clear(&names);
    g_assert_true(host_resolve("localhost", 10000, &names, &error));
    g_assert_true(address_is_loopback(&names.items[0]));
    resolved_name_clear(&names);
    g_assert_false(host_resolve("no such host.invalid", 10000, &names, &error));
    g_assert_nonnull(strstr(error->message, "no such host.invalid"));
}

static void names_are_resolved_with_a_deadline(void)
{
    loop_test_run(resolve_body, NULL);
}

static uid_t owner_of(const char *path)
{
    struct stat status;

    g_assert_cmpint(stat(path, &status), ==, 0);
    return status.st_uid;
}

static void give_body(void *data)
{
    g_autoptr(GError) error = NULL;
    auto_dir char *dir = g_dir_make_tmp("ferry-image-XXXXXX", &error);
    g_autofree char *path = g_build_filename(dir, "a.img", NULL);

    g_assert_cmpint(chmod(dir, 0755), ==, 0);
    g_assert_true(g_file_set_contents(path, "x", 1, &error));
    g_assert_cmpint(chmod(path, 0600), ==, 0);
    g_assert_cmpint(chown(path, 4242, 4242), ==, 0);

    g_assert_false(image_test_open(path, TRUE, &nobody, &error));
    g_assert_nonnull(strstr(error->message, "Permission denied"));
    g_assert_nonnull(strstr(error->message, path));
    g_clear_error(&error);

    g_assert_true(image_give(path, &nobody, dir, &error));
    g_assert_true(image_test_open(path, TRUE, &nobody, &error));
    g_assert_true(image_test_open(path, FALSE, &nobody, &error));
    g_assert_true(image_give(path, &nobody, dir, &error)); /* a second guest */
    g_assert_true(image_give_back(path, &nobody, dir, &error));
    g_assert_cmpint(owner_of(path), ==, 65534);
    g_assert_true(image_give_back(path, &nobody, dir, &error));
    g_assert_cmpint(owner_of(path), ==, 4242);
    g_assert_true(image_give_back(path, &nobody, dir, &error)); /* content to find nothing */
    g_assert_cmpint(owner_of(path), ==, 4242);
    g_assert_cmpint(listxattr(path, NULL, 0), ==, 0);

    g_assert_false(image_give("/nonexistent/a.img", &nobody, dir, &error));
    g_assert_nonnull(strstr(error->message, "/nonexistent/a.img"));
    g_clear_error(&error);
    g_assert_true(image_give_back("/nonexistent/a.img", &nobody, dir, &error));
    g_assert_true(
        image_give("/dev/null", &nobody, dir, &error)); /* not a file that has an owner to change */
    g_assert_cmpint(owner_of("/dev/null"), ==, 0);
}

static void an_image_is_given_and_given_back(void)
{
    if (geteuid() != 0)
        g_test_skip("needs root");
    else
        loop_test_run(give_body, NULL);
}

static void chain_body(void *data)
{
    g_autoptr(GError) error = NULL;
    auto_dir char *dir = g_dir_make_tmp("ferry-chain-XXXXXX", &error);
    g_autofree char *base = g_build_filename(dir, "base.raw", NULL);
    g_autofree char *top = g_build_filename(dir, "top.qcow2", NULL);
    const char *const make[] = {
        "/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", top, NULL};
    g_auto(CommandResult) result = {0};
    g_auto(ImageChain) chain = {0};
    ImagePlace place = IMAGE_PLACE_MISSING;
    const char *const shared[] = {"/nonexistent", dir, NULL};

    g_assert_true(g_file_set_contents(base, "x", 1, &error));
    g_assert_cmpint(truncate(base, 1 << 20), ==, 0);
    g_assert_true(command_run(make, &self, 1000, 20000, &result, &error));
    g_assert_cmpint(result.wait_status, ==, 0);

    g_assert_true(image_chain_read(top, "qcow2", &self, &chain, &error));
    g_assert_cmpuint(chain.count, ==, 2);
    g_assert_cmpstr(chain.layers[0].format, ==, "qcow2");
    g_assert_cmpstr(chain.layers[1].path, ==, base);
    g_assert_cmpuint(chain.layers[0].virtual_bytes, ==, 1 << 20);
    g_unlink(base);
    image_chain_clear(&chain);
    g_assert_false(image_chain_read(top, "qcow2", &self, &chain, &error));
    g_assert_nonnull(strstr(error->message, "base.raw"));
    g_clear_error(&error);

    g_assert_true(image_place(top, NULL, &place, &error));
    g_assert_cmpint(place, ==, IMAGE_PLACE_LOCAL);
    g_assert_true(image_place(top, shared, &place, &error));
    g_assert_cmpint(place, ==, IMAGE_PLACE_SHARED);
    g_assert_true(image_place("/nonexistent/x/y", NULL, &place, &error));
    g_assert_cmpint(place, ==, IMAGE_PLACE_MISSING);
}

static void a_chain_of_images_is_read(void)
{
    if (access("/usr/bin/qemu-img", X_OK) != 0)
        g_test_skip("needs qemu-img");
    else
        loop_test_run(chain_body, NULL);
}

static void kvm_body(void *data)
{
    g_autofree char *reason = NULL;
    gboolean works;

    g_assert_false(kvm_is_known_to_work());
    works = kvm_works(&reason);
    g_assert_cmpint(works, ==, kvm_is_known_to_work());
    g_assert_cmpint(works, ==, reason == NULL);
    g_test_message("KVM: %s", reason ? reason : "works");
}

static void kvm_is_tried_once(void)
{
    kvm_init(g_getenv("FERRY_KVM_PROBE"), &self);
    loop_test_run(kvm_body, NULL);
}

static void a_tap_lives_as_long_as_its_descriptor(void)
{
    const uint8_t mac[] = {0x52, 0x54, 0, 1, 2, 3};
    TapSpec spec = {.bridge = "ferrytest0", .mac = mac, .wants_vnet_header = TRUE};
    g_autoptr(GError) error = NULL;
    g_auto(Tap) tap = {0};
    g_auto(Tap) second = {0};
    char name[IFNAMSIZ];

    if (geteuid() != 0 || access("/dev/net/tun", R_OK) != 0 || unshare(CLONE_NEWNET) < 0) {
        g_test_skip("needs root, /dev/net/tun and a network namespace");
        return;
    }
    g_assert_false(tap_open(&spec, &tap, &error));
    g_assert_cmpstr(error->message, ==,
                    "operation failed: there is no bridge 'ferrytest0' on this host");
    g_clear_error(&error);
    if (system("ip link add ferrytest0 type bridge && ip link set ferrytest0 mtu 1400 up") != 0) {
        g_test_skip("needs ip and bridges");
        return;
    }
    g_assert_true(bridge_exists("ferrytest0"));
    g_assert_false(bridge_exists("lo"));
    g_assert_true(tap_open(&spec, &tap, &error));
    g_assert_cmpstr(tap.name, ==, "vnet0");
    g_assert_true(tap_open(&spec, &second, &error));
    g_assert_cmpstr(second.name, ==, "vnet1");
    g_assert_cmpint(system("ip -o link show vnet0 | grep -q 'mtu 1400.*master "
                           "ferrytest0.*link/ether fe:54:00:01:02:03'"),
                    ==, 0);
    g_strlcpy(name, tap.name, sizeof name);
    tap_clear(&tap);
    g_assert_cmpuint(if_nametoindex(name), ==, 0);

    g_autofree char *bridge = network_find_bridge("ferrytest0", NULL, &error);
    g_assert_cmpstr(bridge, ==, "ferrytest0");
    g_assert_null(network_find_bridge("default", NULL, &error));
    g_assert_nonnull(strstr(error->message, "network 'default' is unknown"));
}

/* What is known of one of our addresses; the list is read anew. */
static HostAddress own(const char *literal)
{
    g_autoptr(HostAddresses) addresses = host_addresses_read(NULL);
    struct sockaddr_storage address;
    const HostAddress *found;

    g_assert_nonnull(addresses);
    g_assert_true(address_parse(literal, &address));
    found = host_addresses_find(addresses, &address);
    g_assert_nonnull(found);
    return *found; /* its text is gone */
}

static void the_default_route_is_the_one_that_packets_take(void)
{
    if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0 ||
        system("ip link add far type veth peer near") != 0) {
        g_test_skip("needs root, ip and a network namespace");
        return;
    }
    g_assert_cmpint(system("ip link set far up && ip link set near up &&"
                           "ip address add 192.0.2.1/24 dev near &&"
                           "ip address add 198.51.100.1/24 dev far"),
                    ==, 0);
    g_assert_false(own("192.0.2.1").has_default_route);
    g_assert_false(own("198.51.100.1").has_default_route);

    /* Another table and a route to nowhere decide nothing, whatever their metric. */
    g_assert_cmpint(system("ip route add unreachable default metric 1 &&"
                           "ip route add default dev far metric 1 table 77 &&"
                           "ip route add default via 198.51.100.2 metric 200 &&"
                           "ip route add default via 192.0.2.2 metric 100"),
                    ==, 0);
    g_assert_true(own("192.0.2.1").has_default_route);
    g_assert_false(own("198.51.100.1").has_default_route);

    g_assert_cmpint(system("ip -6 address add 2001:db8::1/64 dev far nodad &&"
                           "ip -6 route add default via 2001:db8::2"),
                    ==, 0);
    g_assert_true(own("2001:db8::1").has_default_route);
    g_assert_true(own("192.0.2.1").has_default_route);
    g_assert_cmpint(system("ip -6 route del default && ip route add default metric 50 "
                           "nexthop via 198.51.100.2 nexthop via 192.0.2.2"),
                    ==, 0);
    g_assert_true(own("198.51.100.1").has_default_route);
    g_assert_true(own("192.0.2.1").has_default_route);
}

/* What happens to the links of this namespace from now on. */
static int link_events(void)
{
    const struct sockaddr_nl links = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
    const struct timeval patience = {.tv_sec = 20};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    g_assert_cmpint(bind(fd, (const struct sockaddr *)&links, sizeof links), ==, 0);
    g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), ==, 0);
    return fd;
}

/* The kernel finds out later that a link has its carrier, up to a second, and says so. */
static void await_up(int events, const char *literal)
{
    char message[8192];

    while (!own(literal).is_up)
        g_assert_cmpint(recv(events, message, sizeof message, 0), >, 0);
}

static void what_the_kernel_knows_of_an_address(void)
{
    auto_fd int events = -1;

    if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0 || (events = link_events()) < 0 ||
        system("ip link add guests type bridge && ip link add leg type veth peer name inside &&"
               "ip link set leg master guests && ip link set leg up && ip link set inside up &&"
               "ip link set guests up && ip address add 172.17.0.1/16 dev guests") != 0) {
        g_test_skip("needs root, ip, bridges and a network namespace");
        return;
    }
    g_assert_true(own("172.17.0.1").is_inner_bridge);
    await_up(events, "172.17.0.1");
    g_assert_false(own("172.17.0.1").is_port);
    g_assert_cmpint(system("ip address add 192.0.2.99/32 dev leg"), ==, 0);
    g_assert_true(own("192.0.2.99").is_port);
    g_assert_cmpint(system("ip route add default via 172.17.0.2"), ==, 0);
    g_assert_false(own("172.17.0.1").is_inner_bridge);
    g_assert_cmpint(
        system("ip route del default && ip link add outward type vxlan id 7 dstport 4789 &&"
               "ip link set outward master guests"),
        ==, 0);
    g_assert_false(own("172.17.0.1").is_inner_bridge); /* a leg that leads out */

    g_assert_cmpint(
        system("ip link add dead type veth peer name end && ip address add 192.0.2.1/24 dev dead"),
        ==, 0);
    g_assert_false(own("192.0.2.1").is_up);
    g_assert_cmpint(system("ip -6 address add 2001:db8::1/64 dev inside nodad &&"
                           "ip -6 address add 2001:db8::2/64 dev inside nodad preferred_lft 0"),
                    ==, 0);
    g_assert_false(own("2001:db8::1").is_deprecated || own("2001:db8::1").is_temporary ||
                   own("2001:db8::1").is_unconfirmed);
    g_assert_true(own("2001:db8::2").is_deprecated);
    g_assert_cmpint(system("ip -6 address add 2001:db8::3/64 dev inside"), ==, 0);
    g_assert_true(own("2001:db8::3").is_unconfirmed);
    g_assert_cmpint(system("ip address add 10.9.9.1 peer 10.9.9.2 dev inside"), ==, 0);
    await_up(events, "10.9.9.1"); /* ours, not the peer's */
}

static void learn_names(void *data)
{
    const ResolvedName *names;
    g_autoptr(GError) error = NULL;

    g_assert_nonnull(names = known_name("192.0.2.9")); /* a literal needs nobody */
    g_assert_cmpuint(names->count, ==, 1);
    g_assert_null(known_name("localhost")); /* asked for, and not waited for */
    g_assert_true(known_name_wait("localhost", 0, &names, &error));
    g_assert_null(names);
    g_assert_true(known_name_wait("localhost", 10000, &names, &error));
    g_assert_no_error(error);
    g_assert_nonnull(names);
    g_assert_true(address_is_loopback(&names->items[0]));
    g_assert_true(known_name("localhost") == names);
}

static void names_are_learnt_behind_the_scenes(void)
{
    loop_test_run(learn_names, NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    child_set_helper(g_getenv("FERRY_EXEC"));
    g_test_add_func("/host/live/a-command-is-bounded", a_command_is_bounded);
    g_test_add_func("/host/live/names-are-resolved-with-a-deadline",
                    names_are_resolved_with_a_deadline);
    g_test_add_func("/host/live/an-image-is-given-and-given-back",
                    an_image_is_given_and_given_back);
    g_test_add_func("/host/live/a-chain-of-images-is-read", a_chain_of_images_is_read);
    g_test_add_func("/host/live/kvm-is-tried-once", kvm_is_tried_once);
    g_test_add_func("/host/live/a-tap-lives-as-long-as-its-descriptor",
                    a_tap_lives_as_long_as_its_descriptor);
    g_test_add_func("/host/live/the-default-route-is-the-one-that-packets-take",
                    the_default_route_is_the_one_that_packets_take);
    g_test_add_func("/host/live/what-the-kernel-knows-of-an-address",
                    what_the_kernel_knows_of_an_address);
    g_test_add_func("/host/live/names-are-learnt-behind-the-scenes",
                    names_are_learnt_behind_the_scenes);
    return g_test_run();
}
