# SPDX-License-Identifier: LGPL-2.1-or-later
"""--parallel: the memory over several connections, each a lane that is joined to one of QEMU's own."""
import os
import re
import signal
import time

import pytest
from conftest import lab_of
from lab.lab import wait_until
from lab.moves import assert_moved, assert_runs_on, assert_stayed, begin, move

SLOW = "set=4 touch=40 check=500"       # at 4 MiB/s it takes ten seconds
WORDS = {"default": ["--parallel"], "seven": ["--parallel", "--parallel-connections", "7"], "one": ["--parallel", "--parallel-connections", "1"]}
LEADERS = {"direct": [], "p2p": ["--p2p"]}


lab = lab_of(["ferryd", "ferryd"], client=True)


def lanes(host, since=0):
    """The newest lanes that came in at that host: {name: port at the other end}; since: where its log was to be read from."""
    return dict(re.findall(r"(memory|multifd \d+) of domain 'qemu' comes from \S+ port (\d+)", host.log()[since:]))


@pytest.mark.parametrize("leader", LEADERS, ids=str)
@pytest.mark.parametrize("words", WORDS, ids=str)
def test_there_and_back(lab, started, client, words, leader):
    one, two = lab.hosts
    running = started(one, append="set=8 dirty=2000")
    for source, destination in ((one, two), (two, one)):
        result = move(running.ticks, source, client(source, "migrate", "--live", *WORDS[words], *LEADERS[leader], "qemu", destination.tcp_uri), destination)
        assert_moved(result, running.ticks, running.guest, source, destination)
        assert not list((destination.folder / f"run/ferry/{running.guest.uuid}").glob("lanes*")), "sockets are left behind"


def test_all_lanes_come_in_at_one_port(lab, started, client):
    """A main stream and three channels carry the guest; nothing else is opened but what the daemons need themselves."""
    one, two = lab.hosts
    running = started(one, append="set=8 dirty=2000")
    with two.watch_connections() as seen:
        result = move(running.ticks, one, client(one, "migrate", "--live", "--parallel", "--parallel-connections", "3", "qemu", two.tcp_uri), two)
    assert_moved(result, running.ticks, running.guest, one, two)
    to = [port for source, _, destination, port in seen if (source, destination) == (one.address, two.address) and port != 16509]
    assert len(set(to)) == 1 and len(to) >= 4, seen


def test_as_many_channels_as_there_can_be(lab, started):
    one, two = lab.hosts
    running = started(one, append="set=8 dirty=2000")
    before = [host.descriptors() for host in lab.hosts]
    argv = ["virsh", "-c", one.socket_uri, "migrate", "--live", "--parallel", "--parallel-connections", "255", "qemu", two.tcp_uri]
    result = move(running.ticks, one, argv, two)
    assert_moved(result, running.ticks, running.guest, one, two)
    wait_until(lambda: all(host.descriptors() <= then + 8 for host, then in zip(lab.hosts, before)), "closed descriptors", 10)


def test_channels_come_back_through_a_one_way_firewall(lab, started, client):
    """The source reaches nothing over there: the destination dials all lanes."""
    one, two = lab.hosts
    running = started(one, append="set=8 dirty=2000")
    two.drop("tcp dport 49152-49215")
    try:
        result = move(running.ticks, one, client(one, "migrate", "--live", "--parallel", "--parallel-connections", "3", "qemu", two.tcp_uri), two)
    finally:
        two.undrop()
    assert_moved(result, running.ticks, running.guest, one, two)


def begin_parallel(lab, client, *words):
    """Returns once memory flows and all lanes have come in."""
    one, two = lab.hosts
    since = len(two.log())
    process = begin(one, client(one, "migrate", "--live", "--bandwidth", "4", "--parallel", *words, "qemu", two.tcp_uri))
    wait_until(lambda: {"memory", "multifd 0", "multifd 1"} <= lanes(two, since).keys(), "all lanes", 10)
    return process


@pytest.mark.parametrize("leader", LEADERS, ids=str)
def test_an_abort_leaves_the_guest_where_it_was(lab, started, client, leader):
    one, two = lab.hosts
    running = started(one, append=SLOW)
    process = begin_parallel(lab, client, *LEADERS[leader])
    began = time.monotonic()
    one.run(client(one, "domjobabort", "qemu"))
    output, _ = process.communicate(timeout=20)
    assert time.monotonic() - began < 15
    assert process.returncode == 1 and "canceled by client" in output, output
    assert_runs_on(running.ticks, running.guest, one, two)
    result = move(running.ticks, one, client(one, "migrate", "--live", "--parallel", *LEADERS[leader], "qemu", two.tcp_uri), two)
    assert_moved(result, running.ticks, running.guest, one, two)


def cut(host, lane, peer):
    """Resets one connection at this end of it; the other end sees it soon after."""
    done = host.run(["ss", "-K", "-tnH", "sport", "=", lanes(peer)[lane], "dst", peer.address])
    assert lanes(peer)[lane] in done.stdout, "this kernel cannot cut a connection"


@pytest.mark.parametrize("lane", ["memory", "multifd 0", "multifd 1"])
def test_a_lane_that_is_cut_costs_the_attempt_not_the_guest(lab, started, client, lane):
    one, two = lab.hosts
    running = started(one, append=SLOW)
    process = begin_parallel(lab, client)
    began = time.monotonic()
    cut(one, lane, two)
    output, _ = process.communicate(timeout=60)
    # the other QEMU may be the first to say so
    assert process.returncode == 1 and (f"lane '{lane}'" in output or "does not take domain 'qemu': load of migration failed" in output), output
    assert time.monotonic() - began < 30, output
    assert_runs_on(running.ticks, running.guest, one, two)
    result = move(running.ticks, one, client(one, "migrate", "--live", "--parallel", "qemu", two.tcp_uri), two)
    assert_moved(result, running.ticks, running.guest, one, two)


def test_an_abort_passes_a_lane_that_is_stuck(lab, started, client):
    """A channel whose packets vanish blocks QEMU in a write; the guest is free within seconds and moves the next time."""
    one, two = lab.hosts
    running = started(one, append="set=40 touch=40 check=500")
    process = begin_parallel(lab, client)
    one.drop(f"tcp sport {lanes(two)['multifd 0']}", "output")
    try:
        one.virsh("migrate-setspeed", "qemu", "10000")
        wait_until(lambda: stuck(one, lanes(two)["multifd 0"]), "a full lane", 20)
        began = time.monotonic()
        one.run(client(one, "domjobabort", "qemu"))
        output, _ = process.communicate(timeout=20)
        assert time.monotonic() - began < 15
        assert process.returncode == 1 and "canceled by client" in output, output
    finally:
        one.undrop()
    assert_runs_on(running.ticks, running.guest, one, two)
    result = move(running.ticks, one, client(one, "migrate", "--live", "--parallel", "qemu", two.tcp_uri), two)
    assert_moved(result, running.ticks, running.guest, one, two)


def stuck(host, port):
    """Its send queue holds something that nobody acknowledges."""
    lines = host.run(["ss", "-tnH", "sport", "=", port]).stdout.splitlines()
    return any(int(line.split()[2]) > 0 for line in lines)


@pytest.mark.parametrize("words,answer", [
    (["--parallel-connections", "3"], "Turn parallel migration on to tune it"),
    (["--parallel", "--parallel-connections", "0"], "expects a value between 1 and 255"),
    (["--parallel", "--parallel-connections", "256"], "expects a value between 1 and 255"),
    (["--parallel", "--p2p", "--tunnelled"], "Flags 'VIR_MIGRATE_TUNNELLED' and 'VIR_MIGRATE_PARALLEL' are mutually exclusive")], ids=str)
def test_what_cannot_be_is_refused(lab, started, client, words, answer):
    one, two = lab.hosts
    running = started(one)
    result = move(running.ticks, one, client(one, "migrate", "--live", *words, "qemu", two.tcp_uri))
    assert answer in result.output
    assert_stayed(result, running.ticks, running.guest, one, two)


@pytest.mark.limit(60)
@pytest.mark.parametrize("what", ["dies", "hangs"])
def test_nothing_is_left_of_a_qemu_that_nobody_watched(lab, started, what):
    """Its daemon is killed, and before the next one is there it dies, or waits for the rest of its stream for ever and answers nobody, as
    QEMU 7.2 may."""
    one, two = lab.hosts
    running = started(one, append=SLOW, memory_mib=64)
    process = begin(one, ["virsh", "-c", one.socket_uri, "migrate", "--live", "--bandwidth", "4", "--parallel", "qemu", two.tcp_uri])
    place = two.folder / "run/ferry" / running.guest.uuid
    wait_until(lambda: (place / "lanes").exists(), "QEMU's own socket", 10)
    two.kill_daemon()
    for pid, _ in two.qemus():
        os.kill(pid, signal.SIGKILL if what == "dies" else signal.SIGSTOP)
    wait_until(lambda: what != "dies" or not two.qemus(), "its end", 5)
    two.restart_ferryd()
    wait_until(lambda: not two.qemus() and (not place.exists() or not list(place.iterdir())), "nothing of it is left", 15)
    process.communicate(timeout=30)
    assert_runs_on(running.ticks, running.guest, one, two)
