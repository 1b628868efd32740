# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many migrations at once: none fails for the load, none is forgotten, and who waits for its turn shows it."""
import signal
import subprocess

import pytest
from conftest import make_lab
from lab.lab import Unavailable, end, require, wait_until
from many.crowd import Crowd

SLOW = "set=1 touch=40 check=0"     # MiB that cannot be left out
WAITING = "others go first"


def is_settled(crowd):
    return all(held.open_journals == held.ports == 0 and held.run_folders == held.qemus == 4 for held in crowd.holdings().values())


def test_a_crowd_there_and_back():
    """make many in small: a few guests more than have their turn at once, in every mode, and nothing is left."""
    try:
        require("qemu-system-x86_64", "virsh")
        crowd = Crowd(12, tick_ms=200, config={"max_outgoing": 2, "max_incoming": 1})
    except Unavailable as problem:
        pytest.skip(str(problem))
    with crowd:
        crowd.start()
        started = crowd.holdings()
        for before in (None, True):
            for _ in range(2):
                result = crowd.move_all(60)
                assert (result.failures, result.harmed) == ([], [])
            crowd.settle()
            if before is None:
                wait_until(lambda: is_settled(crowd), f"closed journals and ports, four guests each: {crowd.holdings()}", 10, 0.1)
                settled = crowd.holdings()
        assert crowd.leaks(started, settled) == []
        assert any(WAITING in host.log() for host in crowd.lab.hosts)


@pytest.fixture(scope="module")
def lab():
    lab = make_lab(["ferryd", "ferryd"])
    lab.hosts[0].stop_daemon()
    lab.hosts[0].start_ferryd({"max_outgoing": 1})
    yield lab
    lab.close()


def waits_for(host, name):
    raw = host.virsh("domjobinfo", "--rawstats", name, check=False).stdout
    return next((int(line.split()[-1]) for line in raw.splitlines() if line.startswith("ferry.waits_for")), None)


class Slow:
    """A migration that keeps its turn until it is told to end."""

    def __init__(self, lab, started):
        self.one, self.two = lab.hosts
        self.first = started(self.one, name="first", append=SLOW)
        self.process = self.one.popen(["virsh", "-c", self.one.socket_uri, "migrate", "--live", "--p2p", "--bandwidth", "1", "first", self.two.tcp_uri],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: "Memory processed" in self.one.virsh("domjobinfo", "first").stdout, "the first migration")

    def abort(self):
        self.one.virsh("domjobabort", "first")
        self.process.wait(20)


@pytest.fixture
def slow(lab, started):
    slow = Slow(lab, started)
    yield slow
    if slow.process.poll() is None:
        slow.abort()


def begin(host, client, name, target, *words):
    return host.popen([client, "-c", host.socket_uri, "migrate", "--live", *words, name, target.tcp_uri],
                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


CLIENTS = {"virsh": ("virsh",), "virsh p2p": ("virsh", "--p2p"), "ferry": ("ferry",)}


@pytest.mark.parametrize("mode", CLIENTS)
def test_who_waits_shows_it_and_goes_when_its_turn_comes(lab, started, slow, mode):
    one, two = lab.hosts
    second = started(one, name="second")
    client, *words = CLIENTS[mode]
    before = len(one.log())
    process = begin(one, lab.ferry if client == "ferry" else client, "second", two, *words)
    wait_until(lambda: waits_for(one, "second") == 1, "the second to wait")
    assert "Waits for others: 1" in one.ferry("domjobinfo", "second").stdout
    assert WAITING in one.virsh("dominfo", "second").stdout
    assert WAITING in one.ferry("migration", "list").stdout
    assert "domain 'second' waits for its turn to migrate: 1 others go first (max_outgoing)" in one.log()[before:]
    assert not any(word.startswith("guest=second,") for _, words in two.qemus() for word in words) and second.ticks.last().host == one.name
    slow.abort()
    assert process.wait(30) == 0, process.stdout.read()
    second.ticks.wait(two.name, more=5)
    assert second.ticks.verdict().is_sound


@pytest.mark.parametrize("mode", CLIENTS)
def test_who_waits_can_be_aborted_at_once(lab, started, slow, mode):
    one, two = lab.hosts
    second = started(one, name="second")
    client, *words = CLIENTS[mode]
    process = begin(one, lab.ferry if client == "ferry" else client, "second", two, *words)
    wait_until(lambda: waits_for(one, "second") == 1, "the second to wait")
    one.virsh("domjobabort", "second")
    assert process.wait(10) == 1 and slow.process.poll() is None        # and not because its turn had come
    assert "canceled by client" in process.stdout.read()
    assert one.virsh("domjobinfo", "second").stdout.split()[2] == "None"
    second.ticks.wait(one.name, more=5)
    assert second.ticks.verdict().is_sound


def test_a_waiting_migration_whose_client_is_gone_is_forgotten(lab, started, slow):
    one, two = lab.hosts
    started(one, name="second")
    process = begin(one, "virsh", "second", two)
    wait_until(lambda: waits_for(one, "second") == 1, "the second to wait")
    end(process, signal.SIGKILL)
    wait_until(lambda: waits_for(one, "second") is None, "the end of the wait", 5)
    assert one.virsh("domstate", "second").stdout.strip() == "running"


def test_a_guest_that_ends_waits_no_more(lab, started, slow):
    one, two = lab.hosts
    started(one, name="second")
    process = begin(one, "virsh", "second", two, "--p2p")
    wait_until(lambda: waits_for(one, "second") == 1, "the second to wait")
    one.virsh("destroy", "second")
    assert process.wait(30) == 1 and "domain is not running" in process.stdout.read()


def test_one_guest_waits_once(lab, started, slow):
    one, two = lab.hosts
    started(one, name="second")
    process = begin(one, "virsh", "second", two, "--p2p")
    wait_until(lambda: waits_for(one, "second") == 1, "the second to wait")
    done = one.virsh("migrate", "--live", "second", two.tcp_uri, check=False, timeout_s=5)
    assert done.returncode == 1 and "another migration job is already running" in done.stderr
    one.virsh("domjobabort", "second")
    process.wait(10)
