# SPDX-License-Identifier: LGPL-2.1-or-later
"""No way for the memory from host to host: it goes through a connection that is there already, and that is said.

All ports of migrations are dropped in both directions.  Peer-to-peer the connection of the daemons carries it, to a stock
destination too; led by ferry, ferry does, from a third host.
"""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest
from conftest import make_lab
from lab.lab import children, wait_until
from lab.moves import Move, assert_moved, assert_stayed, move
from faults.places import strike
from test_lost_replies import Proxy

PORTS = "tcp flags & (syn | ack) == syn tcp dport 49152-49215"     # not the answers to ports of clients


@pytest.fixture(scope="module", params=["ferryd", "libvirtd"])
def lab(request):
    lab = make_lab(["ferryd", request.param], client=True)
    lab.kinds = ("ferryd", request.param)
    yield lab
    lab.close()


@pytest.fixture
def silent():
    """For a test whose firewalls say nothing: each attempt then takes seconds before there is another way."""


@pytest.fixture(autouse=True)
def closed(request, lab):
    for host in lab.hosts:
        host.drop(PORTS, verdict="drop" if "silent" in request.fixturenames else "reject with tcp reset")
    yield
    for host in lab.hosts:
        host.undrop()


def led(lab, *words):
    source, destination = lab.hosts
    return [lab.ferry, "-c", source.tcp_uri, "migrate", "--live", *words, "qemu", destination.tcp_uri]


def p2p(lab, *words):
    return [lab.ferry, "migrate", "--live", "--p2p", *words, "qemu", lab.hosts[1].tcp_uri]


def test_peer_to_peer_takes_the_connection_of_the_daemons(lab, started, silent):
    source, destination = lab.hosts
    running = started(source, append="set=8 dirty=2000")
    result = move(running.ticks, source, p2p(lab), destination)
    assert_moved(result, running.ticks, running.guest, source, destination)
    assert f"to {destination.address}, tunnelled" in result.output
    assert "note: no way of its own for the memory (unable to connect to server at" in result.output
    assert "it takes the connection of the daemons" in result.output


def test_stock_virsh_peer_to_peer_likewise(lab, started, silent):
    source, destination = lab.hosts
    running = started(source)
    result = move(running.ticks, source, ["virsh", "migrate", "--live", "--p2p", "qemu", destination.tcp_uri], destination)
    assert_moved(result, running.ticks, running.guest, source, destination)


def test_ferry_relays_what_it_leads(lab, started, silent):
    source, destination = lab.hosts
    running = started(source, append="set=8 dirty=2000")
    result = move(running.ticks, lab.client, led(lab), destination)
    assert_moved(result, running.ticks, running.guest, source, destination)
    assert f"to {destination.name}, relayed" in result.output
    assert "note: no way of its own for the memory (unable to connect to server at" in result.output
    assert "; it was relayed through this client" in result.output
    assert f"its memory is relayed by the client {lab.client.address}:" in source.log()


def test_a_guest_that_stands_still_is_relayed_as_well(lab, started):
    source, destination = lab.hosts
    running = started(source, append="set=4")
    argv = [word for word in led(lab) if word != "--live"]
    result = move(running.ticks, lab.client, argv, destination)
    assert_moved(result, running.ticks, running.guest, source, destination)


@pytest.mark.parametrize("mode", [led, p2p], ids=["led", "p2p"])
def test_who_wants_no_fallback_is_told_the_reason(lab, started, mode):
    source, destination = lab.hosts
    running = started(source)
    host = lab.client if mode is led else source
    result = move(running.ticks, host, mode(lab, "--no-fallback"), destination)
    assert f"error: unable to connect to server at '{destination.address}:" in result.output
    assert "\nNo other way was tried: the user wants none (--no-fallback)" in result.output
    assert_stayed(result, running.ticks, running.guest, source, destination)


@pytest.mark.parametrize("mode", [led, p2p], ids=["led", "p2p"])
def test_an_administrator_may_want_none(lab, started, mode):
    source, destination = lab.hosts
    with source.configured(fallback='"none"'):
        running = started(source)
        host = lab.client if mode is led else source
        result = move(running.ticks, host, mode(lab), destination)
        assert f"error: unable to connect to server at '{destination.address}:" in result.output
        assert "'fallback' in ferryd.conf of" in result.output
        assert_stayed(result, running.ticks, running.guest, source, destination)
        running.close(lab)


@pytest.mark.parametrize("mode", [led, p2p], ids=["led", "p2p"])
def test_an_explicit_uri_has_no_fallback(lab, started, mode):
    source, destination = lab.hosts
    running = started(source)
    host = lab.client if mode is led else source
    result = move(running.ticks, host, mode(lab) + [f"tcp://{destination.address}"], destination)
    assert f"error: unable to connect to server at '{destination.address}:" in result.output
    assert "\nNo other way" not in result.output and "Through" not in result.output
    assert_stayed(result, running.ticks, running.guest, source, destination)


@pytest.mark.parametrize("by", ["user", "administrator"])
def test_the_limit_of_a_relay_holds(lab, started, by):
    limit, size = 8, 32
    source, destination = lab.hosts
    rows = {"relay_bandwidth": str(limit)} if by == "administrator" else {}
    with source.configured(**rows):
        running = started(source, memory_mib=96, append=f"set={size}")
        words = ["--json", "--relay-bandwidth", str(limit)] if by == "user" else ["--json"]
        sent = bytes_to(destination)
        process = lab.client.popen(led(lab, *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_until(lambda: bytes_to(destination) - sent > 2 << 20, "the relay", 40)
        began, first = time.monotonic(), bytes_to(destination)
        output, complaint = process.communicate(timeout=60)
        took, told = time.monotonic() - began, json.loads(output)
        assert process.returncode == 0, complaint
        running.ticks.wait(destination.name, more=10)
        carried = bytes_to(destination) - first
        assert told["transferred_bytes"] > size << 20
        assert carried > (size - 16) << 20 and carried / took <= 1.2 * (limit << 20), (carried, took)
        running.close(lab)


def bytes_to(host):
    """What the network has brought to a host."""
    for line in pathlib.Path(f"/proc/{host.pid}/net/dev").read_text().splitlines():
        if "eth0:" in line:
            return int(line.split(":")[1].split()[0])
    raise AssertionError("no eth0")


def relaying(lab, running):
    """A relay under way, slow enough to be met in the middle."""
    source, destination = lab.hosts
    sent = bytes_to(destination)
    process = lab.client.popen(led(lab, "--relay-bandwidth", "2"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_until(lambda: bytes_to(destination) - sent > 4 << 20, "the relay", 40)
    (pid,) = children(process)
    return process, pid


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "killed"])
def test_a_relay_that_ends_early_leaves_the_guest_at_the_source(lab, started, how):
    source, destination = lab.hosts
    running = started(source, memory_mib=96, append="set=32")
    process, pid = relaying(lab, running)
    began = time.monotonic()
    os.kill(pid, how)
    output = process.communicate(timeout=30)[0]
    assert process.returncode != 0
    if how == signal.SIGINT:
        assert "error: operation aborted: job 'migration out' canceled by client" in output
        assert time.monotonic() - began < 15
    assert_stayed(Move(process.returncode, output), running.ticks, running.guest, source, destination)
    wait_until(lambda: not source.listening(49152, 49215), "released ports", 5)


def test_a_destination_that_dies_meanwhile_leaves_the_guest_at_the_source(lab, started):
    source, destination = lab.hosts
    running = started(source, memory_mib=96, append="set=32")
    process, _ = relaying(lab, running)
    for pid, _words in destination.qemus():
        os.kill(pid, signal.SIGKILL)
    output = process.communicate(timeout=30)[0]
    assert_stayed(Move(process.returncode, output), running.ticks, running.guest, source, destination)


def test_a_slow_destination_does_not_fill_the_client(lab, started):
    """What has been read and not yet been taken is bounded: the source waits."""
    source, destination = lab.hosts
    running = started(source, memory_mib=128, append="set=64")
    shape = ["nsenter", "-t", str(lab.wire.pid), "-n", "--", "tc", "qdisc"]
    subprocess.run([*shape, "add", "dev", destination.name, "root", "tbf", "rate", "80mbit", "burst", "64kb", "latency", "50ms"],
                   check=True)
    try:
        process = lab.client.popen(led(lab),
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        sent, peak = bytes_to(destination), 0
        pid = None
        while process.poll() is None:
            with contextlib.suppress(OSError, ValueError, IndexError):
                pid = pid or children(process)[0]
                status = pathlib.Path(f"/proc/{pid}/status").read_text()
                peak = max(peak, int(status.split("VmHWM:")[1].split()[0]))
            time.sleep(0.05)
        output = process.stdout.read()
        assert process.returncode == 0, output
        running.ticks.wait(destination.name, more=10)
        assert bytes_to(destination) - sent > 64 << 20
        assert 0 < peak < 40 << 10, f"{peak} KiB"
    finally:
        subprocess.run([*shape, "del", "dev", destination.name, "root"], check=True)


class SecondFinish(Proxy):
    """The first one ends the direct attempt."""

    seen = 0

    def is_to_be_cut(self, frame, is_from_client):
        self.seen += super().is_to_be_cut(frame, is_from_client)
        return self.seen == 2 and super().is_to_be_cut(frame, is_from_client)


@pytest.mark.parametrize("cut", ["call", "reply"])
def test_a_relay_whose_answer_is_lost_carries_the_words_instead(lab, started, cut):
    """The daemons cannot meet; what each has to say to the other passes through the client as long as it lives."""
    source, destination = lab.hosts
    if lab.kinds[1] != "ferryd":
        pytest.skip("a stock destination has no words")
    running = started(source)
    proxy = SecondFinish(str(lab.shared / f"proxy-{cut}.sock"), destination.socket_uri.partition("socket=")[2], cut)
    done = source.ferry("migrate", "--live", "qemu", f"qemu+unix:///system?socket={proxy.path}", check=False, timeout_s=60)
    proxy.close()
    assert "it was relayed through this client" in done.stderr or cut == "call", done.stderr
    assert proxy.has_cut, done.stderr
    winner = source if cut == "call" else destination
    assert done.returncode == (1 if cut == "call" else 0), done.stderr
    running.ticks.wait(winner.name, more=10)
    assert not (destination if winner is source else source).qemus()
    assert "running" in winner.virsh("domstate", "qemu").stdout
    assert "qemu" not in source.ferry("migration", "list").stdout
    verdict = running.ticks.verdict()
    assert verdict.is_sound, verdict.complaint()


class Leaving(SecondFinish):
    """Nor does anybody listen there any more."""

    def is_to_be_cut(self, frame, is_from_client):
        is_cut = super().is_to_be_cut(frame, is_from_client)
        if is_cut:
            os.unlink(self.path)
        return is_cut


def test_a_relay_that_cannot_carry_the_words_says_why(lab, started):
    source, destination = lab.hosts
    if lab.kinds[1] != "ferryd":
        pytest.skip("a stock destination has no words")
    running = started(source)
    proxy = Leaving(str(lab.shared / "proxy-leaving.sock"), destination.socket_uri.partition("socket=")[2], "call")
    done = source.ferry("migrate", "--live", "qemu", f"qemu+unix:///system?socket={proxy.path}", check=False, timeout_s=60)
    proxy.close()
    assert done.returncode and "could not be asked through this client either: " in done.stderr and proxy.path in done.stderr, done.stderr
    source.ferry("migration", "resolve", "qemu", "--here", "--confirm", destination.name)
    running.ticks.wait(source.name, more=10)


class Deadly(SecondFinish):
    """Nor does the client live on."""

    process = None

    def is_to_be_cut(self, frame, is_from_client):
        is_cut = super().is_to_be_cut(frame, is_from_client)
        if is_cut:
            strike(self.process, signal.SIGKILL)
        return is_cut


@pytest.mark.parametrize("is_known", [True, False], ids=["peer_uri", "nobody"])
def test_a_relay_whose_client_dies_at_the_last_moment_is_settled_by_a_call(lab, started, is_known):
    """Or waits for a person, and says so."""
    source, destination = lab.hosts
    if lab.kinds[1] != "ferryd":
        pytest.skip("a stock destination has no words")
    name = destination.virsh("hostname").stdout.strip()
    with source.configured(**({"peer_uri": f"{name} {destination.tcp_uri}"} if is_known else {})):
        running = started(source)
        proxy = Deadly(str(lab.shared / f"proxy-deadly-{is_known}.sock"), destination.socket_uri.partition("socket=")[2], "call")
        proxy.process = source.popen([lab.ferry, "-c", source.socket_uri, "migrate", "--live", "qemu",
                                      f"qemu+unix:///system?socket={proxy.path}"], stdout=-1, stderr=-2, text=True)
        proxy.process.communicate(timeout=60)
        proxy.close()
        assert proxy.has_cut
        if not is_known:
            wait_until(lambda: "which cannot be asked" in source.ferry("migration", "list").stdout, "the sentence", 10)
            refused = source.virsh("resume", "qemu", check=False)
            assert "look there, then `ferry migration resolve qemu" in refused.stderr, refused.stderr
            source.ferry("migration", "resolve", "qemu", "--here", "--confirm", name)
        wait_until(lambda: "qemu" not in source.ferry("migration", "list").stdout, "the settlement", 15)
        # a call may bring GO before the destination has noticed that Finish will not come: either will do
        running.ticks.wait(more=10)
        winner = next(host for host in (source, destination) if "running" in host.virsh("domstate", "qemu", check=False).stdout)
        loser = source if winner is destination else destination
        assert winner is source or is_known
        wait_until(lambda: not loser.qemus(), "the end of the other QEMU", 5)
        verdict = running.ticks.verdict()
        assert verdict.is_sound, verdict.complaint()
