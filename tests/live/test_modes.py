# SPDX-License-Identifier: LGPL-2.1-or-later
"""ferryd to ferryd: every way to say it, by both clients, with host names in every state of disrepair."""
import os
import re
import signal
import time
import uuid

import pytest
from conftest import lab_of
from lab.lab import end, wait_until
from lab.moves import assert_moved, assert_runs_on, assert_stayed, begin, move, traces

MODES = {
    "plain": [],
    "live": ["--live"],
    "p2p": ["--live", "--p2p"],
    "tunnelled": ["--live", "--p2p", "--tunnelled"],
}
SLOW = "set=4 touch=40 check=500"       # at 4 MiB/s it takes ten seconds


lab = lab_of(["ferryd", "ferryd"], client=True)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_every_mode_there_and_back(lab, started, client, mode):
    one, two = lab.hosts
    running = started(one, append="set=8 dirty=2000")
    for source, destination in ((one, two), (two, one)):
        result = move(running.ticks, source, client(source, "migrate", *MODES[mode], "qemu", destination.tcp_uri), destination)
        assert_moved(result, running.ticks, running.guest, source, destination)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_a_name_mapped_to_loopback_does_no_harm(lab, started, client, mode):
    one, two = lab.hosts
    for host in lab.hosts:
        host.set_hosts({"127.0.1.1": "fedora1 fedora2 fedora2.example.com"})
    running = started(one)
    result = move(running.ticks, one, client(one, "migrate", *MODES[mode], "qemu", two.tcp_uri), two)
    assert_moved(result, running.ticks, running.guest, one, two)


def test_a_name_that_resolves_is_fine_too(lab, started, client):
    one, two = lab.hosts
    for host in lab.hosts:
        host.set_hosts({one.address: "fedora1", two.address: "fedora2"})
    running = started(one)
    result = move(running.ticks, one, client(one, "migrate", "--live", "qemu", two.tcp_uri), two)
    assert_moved(result, running.ticks, running.guest, one, two)


def test_a_name_server_that_never_answers_costs_no_downtime(lab, started):
    one, two = lab.hosts
    helpers = [host.start_resolver({}, "drop") for host in lab.hosts]
    try:
        running = started(one)
        result = move(running.ticks, one, ["virsh", "-c", one.socket_uri, "migrate", "--live", "qemu", two.tcp_uri], two)
        assert_moved(result, running.ticks, running.guest, one, two)
        assert result.downtime_ms < 1000
        assert result.wall_s < 15
    finally:
        for helper in helpers:
            end(helper)


@pytest.mark.parametrize("uri,port", [("tcp://{}", None), ("tcp://{}:12345", 12345), ("tcp:{}", None)], ids=["address", "port", "old"])
def test_an_explicit_uri_is_an_order(lab, started, client, uri, port):
    one, two = lab.hosts
    running = started(one)
    with two.watch_connections() as seen:
        result = move(running.ticks, one, client(one, "migrate", "--live", "qemu", two.tcp_uri, uri.format(two.address)), two)
    assert_moved(result, running.ticks, running.guest, one, two)
    ports = {c for a, _, b, c in seen if (a, b) == (one.address, two.address)} - {16509}
    assert ports and (ports == {port} if port else all(49152 <= found <= 49215 for found in ports))


@pytest.mark.parametrize("uri,word", [
    ("tcp://192.168.122.12:99999", "99999"), ("192.168.122.12", "missing scheme in migration URI: 192.168.122.12"),
    ("foo://h", "unsupported scheme foo in migration URI foo://h"), ("tcp://", "missing host in migration URI: tcp://"),
    ("tcp://192.168.122.99", "192.168.122.99"), ("tcp://nosuch.example", "nosuch.example")], ids=str)
def test_a_bad_uri_is_refused_with_its_name(lab, started, client, uri, word):
    one, two = lab.hosts
    running = started(one)
    result = move(running.ticks, one, client(one, "migrate", "--live", "qemu", two.tcp_uri, uri))
    assert word in result.output
    assert_stayed(result, running.ticks, running.guest, one, two)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_from_a_third_host(lab, started, client, mode):
    one, two = lab.hosts
    running = started(one)
    argv = client(lab.client, "migrate", *MODES[mode], "qemu", two.tcp_uri, uri=one.tcp_uri)
    result = move(running.ticks, lab.client, argv, two)
    assert_moved(result, running.ticks, running.guest, one, two)


def test_a_definition_moves_along(lab, started, client):
    one, two = lab.hosts
    running = started(one)
    result = move(running.ticks, one, client(one, "migrate", "--live", "--persistent", "--undefinesource", "qemu", two.tcp_uri), two)
    assert_moved(result, running.ticks, running.guest, one, two)
    assert "Persistent:     yes" in two.virsh("dominfo", "qemu").stdout


def test_a_persistent_source_keeps_its_definition(lab, started, client):
    one, two = lab.hosts
    running = started(one)
    one.virsh("define", running.guest.path())
    result = move(running.ticks, one, client(one, "migrate", "--live", "qemu", two.tcp_uri), two)
    assert_moved(result, running.ticks, running.guest, one, two, is_gone=False)
    assert one.virsh("domstate", "--reason", "qemu").stdout.strip() == "shut off (migrated)"
    assert "Persistent:     no" in two.virsh("dominfo", "qemu").stdout


def test_suspend_arrives_paused(lab, started, client):
    one, two = lab.hosts
    running = started(one)
    since = running.ticks.mark()
    done = one.run(client(one, "migrate", "--live", "--suspend", "qemu", two.tcp_uri), check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert two.virsh("domstate", "qemu").stdout.strip() == "paused"
    two.virsh("resume", "qemu")
    running.ticks.wait(two.name, more=10)
    assert running.ticks.verdict(since).is_sound, running.ticks.verdict(since).complaint()


def test_a_paused_guest_stays_paused(lab, started, client):
    one, two = lab.hosts
    running = started(one)
    one.virsh("suspend", "qemu")
    since = running.ticks.mark()
    done = one.run(client(one, "migrate", "--live", "qemu", two.tcp_uri), check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert two.virsh("domstate", "qemu").stdout.strip() == "paused"
    two.virsh("resume", "qemu")
    running.ticks.wait(two.name, more=10)
    assert running.ticks.verdict(since).is_sound, running.ticks.verdict(since).complaint()


def test_a_new_name(lab, started, client):
    one, two = lab.hosts
    running = started(one)
    try:
        result = move(running.ticks, one, client(one, "migrate", "--live", "--dname", "other", "qemu", two.tcp_uri), two)
        assert result.status == 0, result.output
        assert result.verdict.is_sound
        assert "other" in two.virsh("list", "--name").stdout
        assert traces(one, running.guest) == []
    finally:
        two.virsh("destroy", "other", check=False)


def test_verbose_counts_to_a_hundred(lab, started, client):
    one, two = lab.hosts
    running = started(one)
    result = move(running.ticks, one, client(one, "migrate", "--live", "--verbose", "qemu", two.tcp_uri), two)
    assert_moved(result, running.ticks, running.guest, one, two)
    assert re.search(r"100\s?%", result.output), result.output


def begin_slowly(lab, client, *words):
    one, two = lab.hosts
    return begin(one, client(one, "migrate", "--live", "--bandwidth", "4", *words, "qemu", two.tcp_uri))


@pytest.mark.parametrize("words", [[], ["--p2p"], ["--p2p", "--tunnelled"]], ids=["direct", "p2p", "tunnelled"])
def test_an_abort_leaves_the_guest_where_it_was(lab, started, client, words):
    one, two = lab.hosts
    running = started(one, append=SLOW)
    process = begin_slowly(lab, client, *words)
    began = time.monotonic()
    one.run(client(one, "domjobabort", "qemu"))
    output, _ = process.communicate(timeout=20)
    assert time.monotonic() - began < 5
    assert process.returncode == 1 and "canceled by client" in output, output
    assert_runs_on(running.ticks, running.guest, one, two)


def test_ctrl_c_aborts(lab, started):
    """ferry's own process gets the signal; the guest goes on at the source."""
    one, two = lab.hosts
    running = started(one, append=SLOW)
    process = begin_slowly(lab, lambda host, *words: [lab.ferry, "-c", host.socket_uri, *words])
    for pid, _ in one.processes("ferry"):
        with open(f"/proc/{pid}/comm") as name:
            if name.read().strip() == "ferry":
                os.kill(pid, signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    assert process.returncode != 0, output
    assert_runs_on(running.ticks, running.guest, one, two)


@pytest.mark.parametrize("words", [[], ["--p2p"]], ids=["direct", "p2p"])
def test_a_destination_that_dies_loses_nothing(lab, started, client, words):
    one, two = lab.hosts
    running = started(one, append=SLOW)
    process = begin_slowly(lab, client, *words)
    for pid, _ in two.qemus():
        os.kill(pid, signal.SIGKILL)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1, output
    assert_runs_on(running.ticks, running.guest, one, two)


def test_job_statistics_while_it_runs_and_after(lab, started):
    one, two = lab.hosts
    started(one, append=SLOW)
    process = begin_slowly(lab, lambda host, *words: ["virsh", "-c", host.socket_uri, *words])
    shown = one.virsh("domjobinfo", "qemu").stdout
    assert re.search(r"Job type:\s+Unbounded", shown) and re.search(r"Operation:\s+Outgoing migration", shown), shown
    assert process.wait(30) == 0, process.stdout.read()
    done = two.virsh("domjobinfo", "qemu", "--completed").stdout
    assert re.search(r"Operation:\s+Incoming migration", done) and re.search(r"Total downtime:\s+\d+", done), done


def test_a_taken_name_is_refused_before_anything_moves(lab, started, client):
    one, two = lab.hosts
    running = started(one)
    text = running.guest.xml.replace(running.guest.uuid, str(uuid.uuid4()))
    other = lab.shared / "other.xml"
    other.write_text(text)
    two.virsh("define", other)
    try:
        result = move(running.ticks, one, client(one, "migrate", "--live", "qemu", two.tcp_uri))
        assert result.status == 1 and "qemu" in result.output and "already" in result.output, result.output
        since = running.ticks.mark()
        running.ticks.wait(one.name, more=10)
        assert running.ticks.verdict(since).is_sound
        assert two.qemus() == []
    finally:
        two.virsh("undefine", "qemu")


def test_the_same_host_is_refused(lab, started, client):
    one, _ = lab.hosts
    running = started(one)
    result = move(running.ticks, one, client(one, "migrate", "--live", "qemu", one.tcp_uri))
    assert result.status == 1 and "same host" in result.output, result.output
    running.ticks.wait(one.name, more=5)
    assert len(one.qemus()) == 1


def test_a_restarted_daemon_finds_its_guests(lab, started):
    one, two = lab.hosts
    running = started(one)
    for how in (signal.SIGTERM, signal.SIGKILL):
        since = running.ticks.mark()
        one.restart_ferryd(how)
        assert one.virsh("domstate", "qemu").stdout.strip() == "running"
        running.ticks.wait(one.name, more=5)
        assert running.ticks.verdict(since).is_sound
    result = move(running.ticks, one, ["virsh", "-c", one.socket_uri, "migrate", "--live", "qemu", two.tcp_uri], two)
    assert_moved(result, running.ticks, running.guest, one, two)


def test_ten_moves_leave_no_descriptor_behind(lab, started):
    one, two = lab.hosts
    running = started(one)
    argv = lambda a, b: ["virsh", "-c", a.socket_uri, "migrate", "--live", "qemu", b.tcp_uri]

    def there_and_back():
        for source, destination in ((one, two), (two, one)):
            assert_moved(move(running.ticks, source, argv(source, destination), destination), running.ticks, running.guest, source, destination)

    there_and_back()
    before = [host.descriptors() for host in lab.hosts]
    for _ in range(4):
        there_and_back()
    wait_until(lambda: all(host.descriptors() <= earlier for host, earlier in zip(lab.hosts, before)), f"closed descriptors (before: {before})", 10)


@pytest.mark.parametrize("mode", ["live", "p2p"])
def test_an_address_that_does_not_resolve_is_told_in_one_sentence(lab, started, client, mode):
    one, two = lab.hosts[:2]
    running = started(one)
    result = move(running.ticks, one, client(one, "migrate", *MODES[mode], "qemu", two.tcp_uri, "tcp://nosuch.invalid"))
    assert_stayed(result, running.ticks, running.guest, one, two)
    assert "Unable to resolve address 'nosuch.invalid' service '49152': " in result.output
    assert result.output.lower().count("resolve address") == 1, result.output
