# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ours is the source, the destination is stock: it names itself, and its name means nothing here, or the wrong thing.

The guest goes where the destination's daemon was reached; a stock destination cannot prove who it is, so an address at
which it was met goes before whatever its name means.
"""
import contextlib
import re
import signal
import subprocess
import sys

import pytest
from conftest import lab_of
from lab.lab import end, strike, wait_until
from lab.moves import assert_moved, assert_stayed, move

LED = {
    "ferry": lambda lab, *words: [lab.ferry, "migrate", "--live", *words],
    "ferry-p2p": lambda lab, *words: [lab.ferry, "migrate", "--live", "--p2p", *words],
    "virsh-p2p": lambda lab, *words: ["virsh", "migrate", "--live", "--p2p", *words],
}
NAMES = {
    "unresolvable": lambda lab: {},
    "127.0.0.1": lambda lab: {"127.0.0.1": "fedora2"},
    "127.0.1.1": lambda lab: {"127.0.1.1": "fedora2"},
    "itself": lambda lab: {lab.hosts[0].address: "fedora2"},
    "dead": lambda lab: {"192.168.122.77": "fedora2"},
    "wrong-host": lambda lab: {lab.client.address: "fedora2"},
    "right": lambda lab: {lab.hosts[1].address: "fedora2"},
}
IMPOSTOR = """
import socket
listeners = [socket.create_server(("", port)) for port in range(49152, 49160)]
print("ready", flush=True)
import select
while True:
    for ready in select.select(listeners, [], [])[0]:
        print("met", ready.accept()[1], flush=True)
"""


lab = lab_of(["ferryd", "libvirtd"], client=True)


@contextlib.contextmanager
def impostor(host):
    """Listens on the ports of a migration; yields a list that holds, after the block, whoever came."""
    process = host.popen([sys.executable, "-c", IMPOSTOR], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    met = []
    try:
        yield met
    finally:
        strike(process, signal.SIGKILL)
        met += process.stdout.read().splitlines()
        process.wait(10)
        process.stdout.close()


def forget_peers(host):
    host.stop_daemon("ferryd")
    with contextlib.suppress(FileNotFoundError):
        (host.folder / "var/lib/ferry/peers").unlink()
    host.start_ferryd()


@pytest.mark.parametrize("name,led", [(name, "ferry-p2p") for name in NAMES] + [
    (name, led) for led in ("ferry", "virsh-p2p") for name in ("unresolvable", "wrong-host", "right")])
def test_a_name_of_the_destination_stops_nothing(lab, started, name, led):
    ours, stock = lab.hosts
    ours.set_hosts(NAMES[name](lab))
    running = started(ours)
    with impostor(lab.client) as met:
        result = move(running.ticks, ours, LED[led](lab, "qemu", stock.tcp_uri), stock)
        assert_moved(result, running.ticks, running.guest, ours, stock)
    assert met == [], "the wrong host was asked"
    assert result.wall_s < 8
    assert ("the destination named 'fedora2'" in result.output) == (name != "right" and led != "virsh-p2p"), result.output


@pytest.mark.parametrize("led", LED)
@pytest.mark.parametrize("name", ["localhost", "localhost.localdomain"])
def test_a_destination_that_calls_itself_localhost_is_told_where_it_is(lab, started, name, led):
    ours, stock = lab.hosts
    running = started(ours)
    stock.run(["hostname", name])
    try:
        result = move(running.ticks, ours, LED[led](lab, "qemu", stock.tcp_uri), stock)
        assert_moved(result, running.ticks, running.guest, ours, stock)
    finally:
        stock.run(["hostname", stock.name])


@pytest.mark.parametrize("led", LED)
def test_an_order_to_a_silent_address_is_soon_given_up(lab, started, led):
    ours, stock = lab.hosts
    running = started(ours)
    stock.drop("tcp dport 49152-49215")
    try:
        result = move(running.ticks, ours, LED[led](lab, "qemu", stock.tcp_uri, f"tcp://{stock.address}"), stock)
    finally:
        stock.undrop()
    assert f"error: unable to connect to server at '{stock.address}:49152': Connection timed out" in result.output
    assert result.wall_s < 7        # kernels go on for two minutes
    assert_stayed(result, running.ticks, running.guest, ours, stock)


@pytest.mark.parametrize("mode", ["drop", "slow:20"])
def test_a_resolver_that_does_not_answer_delays_nothing(lab, started, mode):
    ours, stock = lab.hosts
    running = started(ours)
    resolver = ours.start_resolver({}, mode)
    try:
        result = move(running.ticks, ours, LED["ferry-p2p"](lab, "qemu", stock.tcp_uri), stock)
        assert_moved(result, running.ticks, running.guest, ours, stock)
        assert result.wall_s < 6
    finally:
        end(resolver)


def test_stock_virsh_leads_and_the_book_knows_the_way(lab, started):
    """The only mix with nothing to go by: told at once and with the command; once met, found by the book."""
    ours, stock = lab.hosts
    forget_peers(ours)
    running = started(ours)
    virsh = ["virsh", "migrate", "--live", "qemu", stock.tcp_uri]
    result = move(running.ticks, ours, virsh, stock)
    assert "error: Unable to resolve address 'fedora2' service '49152': Temporary failure in name resolution\nTried from fedora1:" in result.output
    assert "`virsh migrate --live qemu DESTURI tcp://ADDRESS`" in result.output
    assert "`virsh migrate --live --p2p qemu DESTURI`" in result.output
    assert result.wall_s < 4
    assert_stayed(result, running.ticks, running.guest, ours, stock)

    back = move(running.ticks, ours, LED["virsh-p2p"](lab, "qemu", stock.tcp_uri), stock)
    assert_moved(back, running.ticks, running.guest, ours, stock)
    move(running.ticks, stock, ["virsh", "migrate", "--live", "qemu", ours.tcp_uri], ours)

    ours.restart_ferryd()
    result = move(running.ticks, ours, virsh, stock)
    assert_moved(result, running.ticks, running.guest, ours, stock)
    assert f"the memory went to {stock.address}, an address at which it was met before" in ours.log()


def test_a_stock_source_that_came_here_peer_to_peer_is_known(lab, started):
    ours, stock = lab.hosts
    forget_peers(ours)
    running = started(stock)
    there = move(running.ticks, stock, ["virsh", "migrate", "--live", "--p2p", "qemu", ours.tcp_uri], ours)
    assert_moved(there, running.ticks, running.guest, stock, ours)
    back = move(running.ticks, ours, ["virsh", "migrate", "--live", "qemu", stock.tcp_uri], stock)
    assert_moved(back, running.ticks, running.guest, ours, stock)


def test_the_administrator_writes_the_way_down(lab, started):
    ours, stock = lab.hosts
    forget_peers(ours)
    ours.stop_daemon("ferryd")
    ours.start_ferryd({"peer": f'"fedora2 {stock.address}"'})
    running = started(ours)
    try:
        result = move(running.ticks, ours, ["virsh", "migrate", "--live", "qemu", stock.tcp_uri], stock)
        assert_moved(result, running.ticks, running.guest, ours, stock)
    finally:
        forget_peers(ours)


def test_an_explicit_uri_is_an_order(lab, started):
    """Whatever the daemon knows by itself: that way or none."""
    ours, stock = lab.hosts
    running = started(ours)
    for led in LED:
        result = move(running.ticks, ours, LED[led](lab, "qemu", stock.tcp_uri, "tcp://fedora2"), stock)
        assert re.search(r"Unable to resolve address 'fedora2'", result.output), result.output
        assert_stayed(result, running.ticks, running.guest, ours, stock)
    wait_until(lambda: not stock.listening(49152, 49215), "released ports", 5)


def test_all_ways_closed_are_told_in_a_table(lab, started):
    ours, stock = lab.hosts
    ours.set_hosts({"127.0.1.1": "fedora2"})
    stock.drop("tcp dport 49152-49215")
    running = started(ours)
    try:
        result = move(running.ticks, ours, LED["ferry-p2p"](lab, "--no-fallback", "qemu", stock.tcp_uri), stock)
    finally:
        stock.undrop()
    assert f"unable to connect to server at '{stock.address}:49152': Connection timed out\nTried from fedora1:" in result.output
    assert re.search(rf"{stock.address}:49152 +the address of its control connection +Connection timed out, after [1-4]\.\d s",
                     result.output), result.output
    assert re.search(r"127.0.1.1:49152 +what its name means here +not tried: it leads back", result.output), result.output
    assert result.wall_s < 8
    assert_stayed(result, running.ticks, running.guest, ours, stock)


@pytest.mark.parametrize("led", ["ferry", "ferry-p2p"])
def test_a_safer_way_goes_before_a_host_that_proves_nothing(lab, started, led):
    """The right address is closed, and somebody else lives under the name: the memory takes a connection that is there."""
    ours, stock = lab.hosts
    ours.set_hosts({lab.client.address: "fedora2"})
    stock.drop("tcp flags & (syn | ack) == syn tcp dport 49152-49215")
    running = started(ours)
    try:
        with impostor(lab.client) as met:
            result = move(running.ticks, ours, LED[led](lab, "qemu", stock.tcp_uri), stock)
    finally:
        stock.undrop()
    assert met == [], "the wrong host was asked"
    assert_moved(result, running.ticks, running.guest, ours, stock)
