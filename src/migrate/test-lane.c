/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "migrate/lane.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "loop/loop-test.h"
#include "migrate/greeting.h"
#include "migrate/pact.h"

#define PATIENCE_MS 5000

static const HelloTerms terms = {
    .attempt = "0123456789abcde",
    .token = "a token of thirty-two bytes, ok",
    .guest = {{1}},
    .source_host = {{2}},
    .destination_host = {{3}},
};

typedef struct {
    LaneListener *listener;
    struct sockaddr_storage address;
    GString *let_in; /* purposes and dialler's ports, in the order in which they came */
    int fd;          /* the newest that was let in */
} Port;

static void on_lane(LaneName name, int fd, const char *peer, void *data)
{
    Port *port = data;

    fd_clear(&port->fd);
    port->fd = fd;
    g_string_append_printf(port->let_in, "%s%s:%s", port->let_in->len ? " " : "", enum_name(lane_purpose_names, (int)name.purpose),
                           g_strrstr(peer, " ") + 1);
}

static void port_open(Port *port)
{
    struct sockaddr_in *address = (struct sockaddr_in *)&port->address;
    g_autoptr(GError) error = NULL;

    *port = (Port){.let_in = g_string_new(NULL), .fd = -1};
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    port->listener = lane_listen(&port->address, 0, (PortRange){20000, 29999}, "test", &error);
    g_assert_no_error(error);
    address->sin_port = htons(lane_listener_port(port->listener));
    lane_listener_expect(port->listener, &terms, SIDE_SOURCE, on_lane, port);
}

static void port_close(Port *port)
{
    lane_listener_free(port->listener);
    g_string_free(port->let_in, TRUE);
    fd_clear(&port->fd);
}

static void on_greeting(Greeting *greeting, void *data)
{
}

AWAITS static int dial(const Port *port, LanePurpose purpose)
{
    g_autoptr(Greeting) greeting = greeting_dial(&port->address, &terms, SIDE_DESTINATION, (LaneName){purpose, 0}, PATIENCE_MS,
                                                 on_greeting, NULL);

    for (int64_t until = clock_now_ms() + PATIENCE_MS; greeting_verdict(greeting) == GREETING_PENDING && clock_now_ms() < until;)
        await_sleep(1, NULL);
    g_assert_cmpint(greeting_verdict(greeting), ==, GREETING_PROVEN);
    return greeting_steal_fd(greeting);
}

static unsigned own_port(int fd)
{
    struct sockaddr_in address;
    socklen_t len = sizeof address;

    g_assert_cmpint(getsockname(fd, (struct sockaddr *)&address, &len), ==, 0);
    return ntohs(address.sin_port);
}

AWAITS static void assert_let_in(const Port *port, const char *expected)
{
    for (int64_t until = clock_now_ms() + PATIENCE_MS; !g_str_equal(port->let_in->str, expected) && clock_now_ms() < until;)
        await_sleep(1, NULL);
    g_assert_cmpstr(port->let_in->str, ==, expected);
}

static const PactEvents no_events;

/* Both are proven to both sides; which of them is meant shows only in what comes over it. */
static void the_chosen_one_body(void *data)
{
    Port port;
    auto_fd int other = -1;
    g_autoptr(Pact) pact = NULL;
    g_autofree char *expected = NULL;
    int chosen;

    port_open(&port);
    chosen = dial(&port, LANE_PACT);
    other = dial(&port, LANE_PACT);
    await_sleep(20, NULL);
    assert_let_in(&port, "");
    expected = g_strdup_printf("pact:%u", own_port(chosen));
    fd_clear(&other);
    pact = pact_new(chosen, &no_events, NULL);
    assert_let_in(&port, expected);
    await_sleep(20, NULL);
    assert_let_in(&port, expected);
    port_close(&port);
}

static void of_a_race_only_the_chosen_one_is_let_in(void)
{
    loop_test_run(the_chosen_one_body, NULL);
}

static void a_lane_body(void *data)
{
    Port port;
    auto_fd int memory = -1;
    g_autofree char *expected = NULL;

    port_open(&port);
    memory = dial(&port, LANE_MEMORY);
    expected = g_strdup_printf("memory:%u", own_port(memory));
    assert_let_in(&port, expected);
    port_close(&port);
}

static void what_is_not_raced_for_is_let_in_at_once(void)
{
    loop_test_run(a_lane_body, NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migrate/lane/of-a-race-only-the-chosen-one-is-let-in", of_a_race_only_the_chosen_one_is_let_in);
    g_test_add_func("/migrate/lane/what-is-not-raced-for-is-let-in-at-once", what_is_not_raced_for_is_let_in_at_once);
    return g_test_run();
}
