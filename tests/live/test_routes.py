# SPDX-License-Identifier: LGPL-2.1-or-later
"""Finding the way between two ferryds: called back through a one-way firewall, told early where there is none."""
import json

import pytest
from conftest import lab_of
from lab.lab import PYTHON, wait_until
from lab.moves import assert_moved, assert_stayed, move, traces
from test_owner import Failed, Leader, nothing_left, runs_on

NEW = "tcp flags & (syn | ack) == syn tcp dport 49152-49215"
VERDICTS = {"silent": "drop", "refused": "reject with tcp reset"}
MODES = {"managed": ["--live"], "p2p": ["--live", "--p2p"]}


lab = lab_of(["ferryd", "ferryd"])


@pytest.fixture
def firewall(lab):
    """firewall(host, verdict): for new connections that come in at the host's ports of migrations."""
    def close(host, verdict):
        host.nft(f"add table inet wall\nadd chain inet wall in {{ type filter hook input priority 0; }}\n"
                 f"add rule inet wall in {NEW} {verdict}\n")

    yield close
    for host in lab.hosts:
        host.nft("table inet wall\ndelete table inet wall\n")


def command(lab, words):
    one, two = lab.hosts
    return ["virsh", "-c", one.socket_uri, "migrate", *words, "qemu", two.tcp_uri]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("verdict", VERDICTS)
def test_a_destination_that_cannot_be_reached_calls_back(lab, started, firewall, mode, verdict):
    one, two = lab.hosts
    firewall(two, VERDICTS[verdict])
    running = started(one, append="set=8 dirty=2000")
    before = len(two.log())
    result = move(running.ticks, one, command(lab, MODES[mode]), two)
    assert_moved(result, running.ticks, running.guest, one, two)
    assert "the source does not reach this host, but this host reaches it: called back at" in two.log()[before:]


def test_a_link_that_breaks_while_the_daemons_are_compared_makes_none_of_them_old(lab, started):
    one, two = lab.hosts
    running = started(one)
    two.drop("tcp dport 16509 @th,352,32 60 @th,480,32 13", verdict="reject with tcp reset")   # CONNECT_SUPPORTS_FEATURE, MIGRATE_PARAMS
    try:
        result = move(running.ticks, one, [lab.ferry, "-c", one.socket_uri, "migrate", "--live", "qemu", two.tcp_uri])
    finally:
        two.undrop()
    assert "onnection reset" in result.output and "too old" not in result.output
    assert_stayed(result, running.ticks, running.guest, one, two)


@pytest.mark.parametrize("verdict", VERDICTS)
def test_what_has_no_way_is_told_before_a_qemu_is_started(lab, started, firewall, verdict):
    one, two = lab.hosts
    for host in lab.hosts:
        firewall(host, VERDICTS[verdict])
    running = started(one)
    before = len(two.log())
    result = move(running.ticks, one, command(lab, MODES["managed"]), two)
    assert_stayed(result, running.ticks, running.guest, one, two)
    assert result.output.startswith(f"error: unable to connect to server at '{two.address}:"), result.output
    table = [line for line in result.output.splitlines() if line.startswith("  ")]
    assert any(two.address in line and "control connection" in line for line in table), result.output
    assert "did not reach this host either" in result.output
    assert "started QEMU" not in two.log()[before:]


def test_a_refused_start_is_told_with_its_reason(lab, started):
    """QEMU does not start at the destination: the source hears why over the pact lane, and keeps its guest."""
    one, two = lab.hosts
    only_here = "/run/kernel-of-one"
    one.run(["cp", lab.shared / "ferry-test-guest", only_here])
    running = started(one, kernel=only_here, append="tick=20 name=qemu")
    result = move(running.ticks, one, command(lab, MODES["managed"]), two)
    assert_stayed(result, running.ticks, running.guest, one, two)
    assert only_here in result.output, result.output


@pytest.fixture
def configured(lab):
    def start(host, **rows):
        host.stop_daemon("ferryd")
        host.start_ferryd(rows)

    yield start
    for host in lab.hosts:
        start(host)


def test_prepared_guests_queue_up(lab, started, configured):
    """One place: the second guest comes as soon as something of the first has come."""
    one, two = lab.hosts
    configured(two, max_incoming="1")
    first, second = started(one), started(one, name="second")
    leader = Leader(lab)
    leader.begin(), leader.prepare()
    waiting = one.popen(["virsh", "-c", one.socket_uri, "migrate", "--live", "second", two.tcp_uri], stdout=-1, stderr=-2, text=True)
    wait_until(lambda: "domain 'second' waits to be prepared" in two.log(), "the second guest in the queue")
    assert waiting.poll() is None
    leader.perform()
    assert waiting.wait(20) == 0, waiting.stdout.read()
    leader.finish(), leader.confirm()
    for running in first, second:
        running.ticks.wait(two.name, more=10)


def test_a_prepared_guest_whose_source_stays_away_is_refused(lab, started, configured):
    """The client is connected, its keepalive goes on; nothing comes of the guest."""
    one, two = lab.hosts
    configured(two, incoming_timeout="1")
    running = started(one)
    leader = Leader(lab)
    leader.begin(), leader.prepare()
    wait_until(lambda: "nothing was heard of its source for too long" in two.log(), "the refusal")
    wait_until(lambda: traces(two, running.guest) == [], "nothing left")
    with pytest.raises(Failed):
        leader.perform()
    running.ticks.wait(one.name, more=10)


# What a source's daemon says until it has proven itself, and no more: docs/security.md.
HELLO = """
import hashlib, hmac, os, socket, sys
address, port, attempt, token, *parties = sys.argv[1:]
with socket.create_connection((address, int(port))) as lane:
    said = b"FERRYHI1S" + bytes([1, 0, 0, 0, 0, 0, 0]) + bytes.fromhex(attempt) + os.urandom(32)
    lane.sendall(said)
    said += lane.recv(72, socket.MSG_WAITALL)
    key = hmac.digest(bytes.fromhex(token), b"ferry lane key", hashlib.sha256)
    lane.sendall(hmac.digest(key, b"ferry lane: source".ljust(32, bytes(1)) + bytes.fromhex("".join(parties)) + said, hashlib.sha256))
    print("proven", flush=True)
    sys.stdin.read()
"""


def test_nobody_waits_for_a_source_that_does_not_know_that_it_has_met_the_destination(lab, started):
    """Its daemon is killed after the hello, before it has written the way down: the one that is started anew will never come."""
    one, two = lab.hosts
    running = started(one)
    leader = Leader(lab)
    leader.begin(), leader.prepare()
    newest = max((one.folder / "var/lib/ferry/migrations").glob("*.json"), key=lambda path: path.stat().st_mtime)
    attempt = json.loads(newest.read_text())
    parties = [part.replace("-", "") for part in (running.guest.uuid, one.uuid, two.uuid)]
    daemon = one.popen([PYTHON, "-c", HELLO, two.address, leader.uri.rpartition(b":")[2].decode(), attempt["id"], attempt["token"], *parties],
                       stdin=-1, stdout=-1, text=True)
    assert daemon.stdout.readline() == "proven\n"
    wait_until(lambda: "the source has proven itself" in two.log(), "the meeting")
    daemon.communicate()
    with pytest.raises(Failed):
        leader.finish(cancelled=1)
    leader.vanish()
    nothing_left(two, running.guest)
    runs_on(running, one)
    two.restart_ferryd()
    assert not two.listening()
