# SPDX-License-Identifier: LGPL-2.1-or-later
"""Peers that lie, stay silent, come twice or are not meant at all, while a migration is under way.

Each is told what is wrong, the daemons live on, and the guest runs in one place.  Meant to run under ASan and UBSan too:
FERRY_BUILD=build-asan."""
import os
import re
import signal
import subprocess
import time

import pytest
from conftest import lab_of
from lab.lab import PYTHON, wait_until
from test_owner import LIVE, PROTECT, Failed, Leader, nothing_left, runs_on

import wire  # noqa: E402,I001 test_owner has made it known

SLOW = "set=4 touch=40 check=500"       # at 4 MiB/s it takes ten seconds


lab = lab_of(["ferryd", "ferryd"])


@pytest.fixture(autouse=True)
def same_daemons(lab):
    """No daemon may die of it, not even to be started again."""
    before = [host.daemon_pid("ferryd") for host in lab.hosts]
    yield
    for host, pid in zip(lab.hosts, before):
        assert host.daemon_pid("ferryd") == pid, f"{host.name}: ferryd has died:\n{host.log()[-6000:]}"


def has_no_job(host):
    asked = host.virsh("domjobinfo", "qemu", check=False)
    return asked.returncode != 0 or "None" in asked.stdout


@pytest.fixture
def led(lab, started):
    """(running guest, one who leads the phases by hand); whatever is open at the end is decided for the source."""
    leaders = []

    def make(**more):
        leaders.append(Leader(lab, **more))
        return leaders[-1]

    running = started(lab.hosts[0])
    yield running, make
    for leader in leaders:
        leader.vanish()
    for host in lab.hosts:
        wait_until(lambda host=host: has_no_job(host), f"no job on {host.name}", 10)
    lab.hosts[0].ferry("migration", "resolve", "qemu", "--here", "--confirm", lab.hosts[1].name, check=False)


def fails(call, word=""):
    """A sentence, not silence and not a number."""
    with pytest.raises(Failed) as caught:
        call()
    assert len(str(caught.value)) > 10 and word in str(caught.value), caught.value


def moves(lab, running, leader):
    leader.begin(), leader.prepare(), leader.perform(), leader.finish(), leader.confirm()
    runs_on(running, lab.hosts[1])
    nothing_left(lab.hosts[0], running.guest)


# Strangers on the migration port

STRANGERS = r"""
import socket, struct, sys, time
address = (sys.argv[1], int(sys.argv[2]))
def meet(data=b"", linger=False):
    one = socket.create_connection(address, 5)
    try:
        one.sendall(data)
    except OSError:         # closed before all was sent: as it should be
        pass
    if linger:
        return one
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)) if data[:1] == b"r" else None
    one.close()
meet(); meet(b"rst"); meet(b"Q"); meet(b"QEV"); meet(bytes(200000)); meet(b"GET / HTTP/1.0\r\n\r\n"); meet(b"\x16\x03\x01\x02\x00\x01")
meet(b"\x00\x00\x00\x1c" + bytes(24))
kept = [meet(data, True) for data in (b"", b"Q", b"QE", b"QEV") * 3]
print("met", flush=True)
time.sleep(float(sys.argv[3]))
"""


def strangers(host, leader, seconds):
    address, port = re.fullmatch(r"tcp:/*([^/]+):(\d+)", leader.uri.decode()).groups()
    process = host.popen([PYTHON, "-c", STRANGERS, address, port, str(seconds)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout.readline() == "met\n", process.stdout.read()
    return process


def test_strangers_on_the_migration_port_change_nothing(lab, led):
    running, make = led
    one, two = lab.hosts
    leader = make()
    leader.begin(), leader.prepare()
    crowd = strangers(one, leader, 60)
    leader.perform(), leader.finish(), leader.confirm()
    runs_on(running, two)
    nothing_left(one, running.guest)
    assert "it does not begin as a lane of a migration does" in two.log()
    assert "it hung up during the hello" in two.log()
    for pid, words in one.processes("python3"):
        if words[1:2] == ["-c"]:
            os.kill(pid, signal.SIGKILL)
    crowd.wait(10)


def test_a_stranger_who_knows_qemus_magic_gets_nowhere(lab, led):
    running, make = led
    one, two = lab.hosts
    leader = make()
    leader.begin(), leader.prepare()
    address, port = re.fullmatch(r"tcp:/*([^/]+):(\d+)", leader.uri.decode()).groups()
    one.run([PYTHON, "-c", "import socket, sys; s = socket.create_connection((sys.argv[1], int(sys.argv[2]))); s.sendall(b'QEVM' + b'\\xff' * 4096)",
             address, port])
    leader.perform(), leader.finish(), leader.confirm()
    runs_on(running, two)
    nothing_left(one, running.guest)


# Cookies

def spoilt(cookie):
    """(name, bytes) of cookies that no host makes."""
    text = cookie.rstrip(b"\0")
    uuid = re.search(rb"<uuid>([^<]+)</uuid>", text).group(1)
    attempt = re.search(rb"attempt=['\"]([^'\"]+)['\"]", text).group(1)
    yield "empty", b""
    yield "a NUL", b"\0"
    yield "no NUL", text
    yield "no XML", b"\xff\xfe\x00rubbish\0"
    yield "another root", b"<domain/>\0"
    yield "another guest", cookie.replace(uuid, b"00000000-0000-4000-8000-000000000001")
    yield "no uuid", cookie.replace(uuid, b"x")
    for bad in (b"", b"zz", attempt[:-1], attempt + b"0", b"../../../../../../etc/passwd", b"%s%n" * 8, b"g" * 32):
        yield f"attempt {bad}", cookie.replace(attempt, bad)
    yield "a deep one", b"<qemu-migration>" + b"<a>" * 100000 + b"\0"
    yield "an entity", b"<!DOCTYPE a [<!ENTITY b 'ccccccccc'>]><qemu-migration>&b;</qemu-migration>\0"
    for at in (1, len(text) // 4, len(text) // 2, len(text) - 3):
        yield f"cut at {at}", text[:at] + b"\0"


def test_prepare_with_spoilt_cookies(lab, led):
    running, make = led
    one, two = lab.hosts
    leader = make()
    leader.begin()
    good = leader.cookie
    for name, bad in spoilt(good):
        leader.cookie = bad
        with pytest.raises(Failed) as caught:
            leader.prepare()
        assert len(str(caught.value)) > 10, f"{name}: {caught.value}"
        assert not two.qemus(), name
    assert not two.listening()
    leader.cookie = good
    leader.prepare(), leader.perform(), leader.finish(), leader.confirm()
    runs_on(running, two)


def test_an_oversized_cookie_costs_the_connection_at_most(lab, led):
    running, make = led
    leader = make()
    leader.begin()
    good = leader.cookie
    leader.cookie = b"<qemu-migration>" + b" " * (5 << 20) + b"</qemu-migration>\0"
    with pytest.raises((Failed, wire.Closed)):
        leader.prepare()
    leader.vanish()
    runs_on(running, lab.hosts[0])
    wait_until(lambda: "None" in lab.hosts[0].virsh("domjobinfo", "qemu").stdout, "the end of the job", 5)
    assert len(good) < 65536
    moves(lab, running, make())


@pytest.mark.parametrize("which", ["another guest", "attempt b'zz'", "no XML", "cut"])
def test_perform_with_a_spoilt_cookie_keeps_the_guest(lab, led, which):
    running, make = led
    one, two = lab.hosts
    leader = make()
    leader.begin(), leader.prepare()
    leader.cookie = next(bad for name, bad in spoilt(leader.cookie) if name.startswith(which))
    fails(leader.perform)
    fails(lambda: leader.finish(cancelled=1, cookie=b""))
    nothing_left(two, running.guest)
    runs_on(running, one)
    leader.vanish()
    moves(lab, running, make())


def test_perform_with_the_cookie_of_another_attempt(lab, led):
    running, make = led
    one, two = lab.hosts
    leader = make()
    leader.begin(), leader.prepare()
    leader.cookie = re.sub(rb"(attempt=['\"])[^'\"]+", rb"\g<1>" + b"0" * 32, leader.cookie)
    fails(leader.perform)
    runs_on(running, one)


def test_the_attempt_of_another_guest_is_not_written_over(lab, led):
    """A cookie may name any attempt; one that this host has a record of is not taken for a new one."""
    running, make = led
    one, two = lab.hosts
    moves(lab, running, make())
    two.virsh("destroy", "qemu")
    folder = two.folder / "var/lib/ferry/migrations"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    known = max(folder.glob("*.json"), key=lambda path: path.stat().st_mtime).stem
    one.virsh("create", running.guest.path())
    leader = make()
    leader.begin()
    leader.cookie = re.sub(rb"(attempt=['\"])[^'\"]+", rb"\g<1>" + known.encode(), leader.cookie)
    fails(leader.prepare, "known")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("cut", [lambda third: b"", lambda third: b"\0", lambda third: third[:40] + b"\0", lambda third: b"\xff" * 100],
                         ids=["empty", "zero", "cut", "noise"])
def test_finish_and_confirm_with_cut_cookies(lab, led, cut):
    """The daemons know the outcome from each other; what a client brings can neither spoil nor change it."""
    running, make = led
    one, two = lab.hosts
    leader = make()
    leader.begin(), leader.prepare(), leader.perform()
    bad = cut(leader.cookie)
    leader.finish(cookie=bad)
    leader.confirm(cancelled=1, cookie=bad)
    leader.vanish()
    runs_on(running, two)
    nothing_left(one, running.guest)
    two.virsh("destroy", "qemu")


def test_a_told_word_of_another_hand_does_nothing(lab, led):
    """Anybody may bring a word; only who knows the attempt's token can have sealed it."""
    running, make = led
    one, two = lab.hosts
    leader = make()
    leader.begin(), leader.prepare()
    attempt = re.search(rb"attempt=['\"]([0-9a-f]{32})", leader.cookie).group(1).decode()
    head = b"FERRYTL1" + bytes.fromhex(attempt) + bytes(16) + bytes(8) + b"S\x02\0\0" + bytes(16) + bytes(2)
    for word, why in ((b"", "no word"), (b"FERRYTL1", "no word"), (head + bytes(32), "not of migration"), (b"x" * 900, "no word"),
                      (head.replace(bytes.fromhex(attempt), bytes(16)) + bytes(32), "is known on host")):
        for connection in (leader.one, leader.two):
            got = connection.call(8, wire.text(word), program=0x46657272)
            assert got.status == wire.ERROR and why in wire.problem(got.body).message, wire.problem(got.body).message
    leader.perform(), leader.finish(), leader.confirm()
    leader.vanish()
    runs_on(running, two)
    two.virsh("destroy", "qemu")


# Calls out of order

def test_calls_out_of_order_are_refused(lab, led):
    running, make = led
    one, two = lab.hosts
    leader = make()
    leader.uri = b"tcp://192.168.122.12:49152"
    fails(leader.perform, "not being migrated")
    fails(leader.confirm, "not being migrated")
    fails(leader.finish, "qemu")
    leader.begin()
    first = leader.cookie
    second = make()
    fails(second.begin, "another migration job")
    fails(leader.confirm, "never handed over")
    leader.prepare()
    third = make()
    third.xml, third.cookie = leader.xml, first
    fails(third.prepare)
    stray = make()
    stray.name = "nosuch"
    fails(stray.finish, "nosuch")
    leader.perform()
    fails(leader.perform, "not being migrated")
    leader.finish()
    fourth = leader.cookie
    fails(leader.finish, "qemu")
    leader.confirm(cookie=fourth)
    fails(lambda: leader.confirm(cookie=fourth))
    runs_on(running, two)
    for one_of_them in (second, third, stray):
        one_of_them.vanish()
    runs_on(running, two)
    nothing_left(one, running.guest)


@pytest.mark.parametrize("uri", ["", "tcp://", "tcp://[::1", "tcp://192.168.122.12:0", "tcp://192.168.122.12:99999999999", "unix:/etc/passwd",
                                 "exec:rm -rf /", "fd:0", "tcp://" + "x" * 5000, "tcp:%00:1", "tcp://192.168.122.12:1"], ids=lambda uri: uri[:24])
def test_perform_with_a_bad_uri(lab, led, uri):
    running, make = led
    one, two = lab.hosts
    leader = make()
    leader.begin(), leader.prepare()
    leader.uri = uri.encode()
    fails(leader.perform)
    leader.vanish()
    nothing_left(two, running.guest)
    runs_on(running, one)


def test_strings_that_are_no_text(lab, led):
    """Names and URIs of bytes that are not UTF-8, with a NUL inside, or very long."""
    running, make = led
    leader = make()
    for name in (b"\xff\xfe", b"qemu\0x", b"%s%n%s%n", b"x" * 100000, b""):
        with pytest.raises((Failed, wire.Closed)):
            stray = make()
            stray.name = name
            stray.finish()
        with pytest.raises((Failed, wire.Closed)):
            stray = make()
            stray.dom = wire.domain(name, bytes(16), -1)
            stray.begin()
    moves(lab, running, leader)


# Clients that vanish

def send_only(connection, procedure, body):
    connection.send(wire.frame(procedure, body, connection.serial))
    connection.serial += 1


@pytest.mark.parametrize("phase", ["begin", "prepare", "perform", "finish", "confirm"])
def test_a_client_gone_before_the_reply(lab, led, phase):
    """The call has been sent and its caller killed at once: its sockets close in the middle of the phase."""
    running, make = led
    one, two = lab.hosts
    leader = make()
    phases = ["begin", "prepare", "perform", "finish", "confirm"]
    for earlier in phases[:phases.index(phase)]:
        getattr(leader, earlier)()
    leader.call = lambda connection, procedure, body: send_only(connection, procedure, body) or b"\0" * 64
    called, call = two if phase in ("prepare", "finish") else one, f"<- domain_migrate_{phase}3_params"
    before = called.log().count(call)
    getattr(leader, phase)()
    leader.vanish()
    wait_until(lambda: called.log().count(call) > before, "the call", 10)
    wait_until(lambda: has_no_job(one) and has_no_job(two), "the end of the job", 20)
    wait_until(lambda: len(one.qemus()) + len(two.qemus()) == 1, "one guest", 20)
    home, other = (one, two) if one.qemus() else (two, one)
    runs_on(running, home)
    nothing_left(other, running.guest)
    wait_until(lambda: not home.listening(), "released ports", 10)
    assert home.virsh("domstate", "qemu").stdout.strip() == "running"


def test_a_second_caller_who_is_refused_and_leaves_ends_nothing(lab, led):
    """Only who may lead a phase leads it."""
    running, make = led
    one, two = lab.hosts
    leader = make()
    leader.begin(), leader.prepare()
    stray = make()
    stray.uri, stray.cookie = b"tcp://192.168.122.12:49152", leader.cookie
    body = leader.dom + wire.u32(0) + leader.params(migrate_uri=leader.uri) + wire.text(leader.cookie) + wire.u32(LIVE | PROTECT)
    before = one.log().count("<- domain_migrate_perform3_params")
    send_only(leader.one, "domain_migrate_perform3_params", body)
    wait_until(lambda: one.log().count("<- domain_migrate_perform3_params") > before, "the leader's call")
    fails(stray.perform)
    stray.vanish()
    reply = leader.one.reply(leader.one.serial - 1)
    assert reply.status == wire.OK, wire.problem(reply.body).message
    leader.cookie, _ = leader.take(reply.body)
    leader.finish(), leader.confirm()
    runs_on(running, two)


def test_a_frozen_client_does_not_freeze_the_daemon(lab, led):
    """It has sent calls and takes no replies."""
    running, make = led
    one, two = lab.hosts
    frozen = make()
    for _ in range(200):
        send_only(frozen.one, "connect_get_capabilities", b"")
    began = time.monotonic()
    moves(lab, running, make())
    assert time.monotonic() - began < 30
