# SPDX-License-Identifier: LGPL-2.1-or-later
"""What no real client sends: the daemon answers as stock does, or closes that connection, and goes on."""
import os
import random
import struct
import time

import pytest
import wire
from daemon import free_port, wait_until
from wire import CALL, CALL_WITH_FDS, ERROR, KEEPALIVE, MESSAGE, OK, REMOTE, REPLY, STREAM, STREAM_HOLE, Closed, Wire, frame, maybe, number, text, u32

RPC, DRIVER_READONLY = 7, 20
AT_ONCE_S = 2       # a millisecond on an idle machine; who is held up waits until the other goes on, that is, for ever


@pytest.fixture
def client(daemon):
    with Wire(daemon.socket) as it:
        yield it


def features(client, which=10):
    got = client.call("connect_supports_feature", u32(which))
    assert got.status == OK
    return struct.unpack(">i", got.body)[0]


# Calls that cannot be served

@pytest.mark.parametrize("procedure", [wire.LAST + 1, 100000, 0x7FFFFFFF, 0, -1, -0x80000000])
def test_numbers_beyond_the_table(client, procedure):
    answer = client.refused(procedure)
    assert (answer.code, answer.domain, answer.level) == (39, RPC, 2)
    assert answer.message == f"unknown procedure: {procedure}"
    assert client.hostname()


def test_an_event_is_no_call(client):
    answer = client.refused("domain_event_callback_lifecycle")
    assert (answer.code, answer.domain) == (39, RPC)
    assert answer.message.startswith("unknown procedure")


@pytest.mark.parametrize("program,version", [(0x12345678, 1), (REMOTE, 2), (REMOTE, 0), (KEEPALIVE, 1), (0, 0)])
def test_unknown_programs(client, program, version):
    client.send(frame(59, serial=7, program=program, version=version))
    got = client.reply(7)
    assert (got.program, got.version, got.type, got.status) == (program, version, REPLY, ERROR)
    answer = wire.problem(got.body)
    assert (answer.code, answer.domain) == (39, RPC)
    assert str(program) in answer.message and str(version) in answer.message
    assert client.hostname()


@pytest.mark.parametrize("status", [1, 2, 77])
def test_a_call_has_status_ok(client, status):
    assert client.refused("connect_get_hostname", status=status).code == 39
    assert client.hostname()


@pytest.mark.parametrize("body", [b"", b"\0", u32(5), u32(5) + b"abc", u32(0xFFFFFFFF), u32(4194305) + bytes(16), u32(0x7FFFFFFF) + b"x"])
def test_arguments_that_cannot_be_read(client, body):
    answer = client.refused("domain_lookup_by_name", body)
    assert (answer.code, answer.domain) == (39, RPC)
    assert client.hostname()


def test_bytes_behind_the_arguments_are_ignored(client):
    assert client.call("connect_supports_feature", u32(6) + b"more to come").status == OK
    assert client.call("connect_get_hostname", bytes(1000)).status == OK


def test_any_word_but_zero_means_present(daemon):
    with Wire(daemon.socket, opens=False) as client:
        client.call("auth_list")
        assert client.call("connect_open", u32(0x01000000) + text("qemu:///system") + u32(0)).status == OK
        assert client.hostname()


def test_a_name_with_a_nul_is_no_trap(client):
    answer = client.refused("domain_lookup_by_name", text(b"a\0b"))
    assert answer.code in (42, 39)
    assert client.hostname()


def test_a_long_name_is_refused_not_echoed_in_full(client):
    """Stock closes the connection here, because its own answer does not fit."""
    try:
        answer = client.refused("domain_lookup_by_name", text("x" * 4194304))
    except Closed:
        return
    assert answer.code == 42 and len(answer.message) < 4000000
    assert client.hostname()


def test_words_that_are_not_text(client):
    assert client.refused("domain_lookup_by_name", text(b"\xff\xfe\xc0")).code in (39, 42)
    assert client.refused("domain_define_xml", text(b"<domain>\xff\xfe</domain>")).code > 0
    assert client.hostname()


# The order of things

def test_before_it_is_open(daemon):
    with Wire(daemon.socket, opens=False) as client:
        assert client.refused("connect_get_hostname").code in (1, 39)
        assert client.refused(wire.LAST + 1).message.startswith("unknown procedure")
        assert features(client) == 1
        client.open()
        assert client.hostname()


def test_opening_without_a_name(daemon):
    with Wire(daemon.socket, opens=False) as client:
        client.call("auth_list")
        assert client.refused("connect_open", maybe(None) + u32(0)).code == 1


def test_opening_twice_spoils_the_connection(client):
    assert client.refused("connect_open", maybe(text("qemu:///system")) + u32(0)).code == 1
    assert client.refused("connect_get_hostname").code == 1


@pytest.mark.parametrize("uri", ["xen:///system", "nonsense", "qemu:///nonsense", "qemu:///"])
def test_uris_of_others(daemon, uri):
    with Wire(daemon.socket, opens=False) as client:
        client.call("auth_list")
        assert client.refused("connect_open", maybe(text(uri)) + u32(0)).code in (1, 5)


def test_the_read_only_socket_only_reads(daemon):
    with Wire(daemon.socket_ro) as client:
        assert client.hostname()
        for procedure, body in (("domain_define_xml", text("<domain/>")), ("domain_create", wire.domain()), ("domain_destroy", wire.domain()),
                                ("domain_suspend", wire.domain()), ("domain_set_autostart", wire.domain() + u32(1))):
            answer = client.refused(procedure, body)
            assert (answer.code, answer.domain) == (29, DRIVER_READONLY), procedure
            assert "read only" in answer.message
        assert client.hostname()


def test_goodbye(client):
    assert client.call("connect_close").status == OK
    assert client.is_closed()


# Frames

@pytest.mark.parametrize("kind,status", [(REPLY, OK), (REPLY, ERROR), (MESSAGE, OK), (STREAM, 2), (STREAM, OK), (STREAM, ERROR), (STREAM_HOLE, 2),
                                         (9, OK), (0xFFFFFFFF, OK)])
def test_frames_that_a_client_has_no_business_to_send_are_ignored(client, kind, status):
    client.send(frame("connect_get_hostname", b"abcd" * 10, serial=99, kind=kind, status=status))
    assert client.hostname()


@pytest.mark.parametrize("length", [0, 1, 4, 27, 33554437, 0x7FFFFFFF, 0xFFFFFFFF])
def test_lengths_that_cannot_be_end_the_connection(daemon, client, length):
    client.send(frame("connect_get_hostname", length=length))
    assert client.is_closed()
    with Wire(daemon.socket) as other:
        assert other.hostname()


def test_a_frame_cut_anywhere(daemon):
    whole = frame("domain_lookup_by_name", text("nobody"), serial=5)
    for at in range(1, len(whole)):
        with Wire(daemon.socket, opens=at % 2 == 0) as client:
            client.send(whole[:at])
    with Wire(daemon.socket) as client:
        for byte in whole:
            client.send(bytes([byte]))
        assert wire.problem(client.reply(5).body).code == 42
        assert client.hostname()


def test_many_calls_in_one_go_are_all_answered(client):
    count = 500
    client.send(b"".join(frame("connect_get_hostname", serial=1000 + i) for i in range(count)))
    assert sorted(client.receive().serial for _ in range(count)) == list(range(1000, 1000 + count))


def test_serials_are_the_clients_matter(client):
    for serial in (0xFFFFFFFF, 5, 5, 0):
        client.send(frame("connect_get_hostname", serial=serial))
        got = client.receive()
        assert (got.serial, got.status) == (serial, OK)


@pytest.mark.ours
def test_before_the_log_in_frames_are_small(daemon):
    with Wire(daemon.socket, opens=False) as client:
        client.send(frame("connect_get_hostname", length=70000) + bytes(10))
        assert client.is_closed()
    with Wire(daemon.socket) as client:
        assert client.refused("domain_lookup_by_name", text("x" * 200000)).code == 42


# Descriptors

def test_a_call_that_needs_no_descriptors(client):
    client.send(frame("connect_get_hostname", u32(0), serial=3, kind=CALL_WITH_FDS))
    assert client.reply(3).status == OK
    assert client.hostname()


def test_descriptors_that_nobody_wants_are_closed(daemon, client):
    if not hasattr(daemon, "process"):
        pytest.skip("the stock daemon's descriptors are not looked at")
    folder = f"/proc/{daemon.process.pid}/fd"
    client.hostname()
    before = len(os.listdir(folder))
    fd = wire.null_fd()
    for _ in range(10):
        client.send(frame("connect_get_hostname", u32(3), serial=3, kind=CALL_WITH_FDS))
        for _ in range(3):
            client.send_fd(fd)
        client.reply(3)
    os.close(fd)
    wait_until(lambda: len(os.listdir(folder)) <= before, "all are closed", 5)


@pytest.mark.parametrize("count", [33, 0xFFFFFFFF])
def test_more_descriptors_than_may_be(daemon, client, count):
    client.send(frame("connect_get_hostname", u32(count), serial=3, kind=CALL_WITH_FDS))
    assert client.is_closed()
    with Wire(daemon.socket) as other:
        assert other.hostname()


def test_a_descriptor_that_does_not_come(daemon, client):
    client.send(frame("connect_get_hostname", u32(1), serial=3, kind=CALL_WITH_FDS))
    client.send(bytes(1))
    assert client.is_closed()
    with Wire(daemon.socket) as other:
        assert other.hostname()


# Keepalive

def test_a_ping_is_answered_at_once_even_before_the_log_in(daemon):
    with Wire(daemon.socket, opens=False) as client:
        client.send(frame(1, program=KEEPALIVE, kind=MESSAGE))
        assert client.receive() == wire.Frame(KEEPALIVE, 1, 2, MESSAGE, 0, OK, b"")
        client.send(frame(2, program=KEEPALIVE, kind=MESSAGE) + frame(77, program=KEEPALIVE, kind=MESSAGE))
        client.open()
        assert client.hostname()


def test_only_who_asked_is_pinged(daemon):
    """Clients without an event loop die of a PING."""
    with Wire(daemon.socket, opens=False) as asked, Wire(daemon.socket) as silent:
        assert features(asked, 10) == 1
        asked.open()
        began = time.monotonic()
        got = asked.receive()
        assert (got.program, got.procedure, got.type) == (KEEPALIVE, 1, MESSAGE)
        assert 2 < time.monotonic() - began < 15
        assert not silent.is_closed(1.5) and silent.rest == b""
        assert silent.hostname()


@pytest.mark.ours
def test_a_dead_client_is_given_up(make_daemon):
    daemon = make_daemon("-o", "keepalive_interval=1", "-o", "keepalive_count=1")
    with Wire(daemon.socket, opens=False) as client:
        features(client, 10)
        client.open()
        began = time.monotonic()
        assert client.is_closed(8)
        assert 1.5 < time.monotonic() - began < 6
    assert "keepalive" in daemon.log()


# Limits

@pytest.mark.ours
def test_log_in_has_a_deadline(make_daemon):
    daemon = make_daemon("-o", "login_timeout=1")
    with Wire(daemon.socket, opens=False) as idle, Wire(daemon.socket, opens=False) as asked, Wire(daemon.socket) as open_:
        asked.call("auth_list")
        assert idle.is_closed(5) and asked.is_closed(5)
        assert open_.hostname()


@pytest.mark.ours
def test_strangers_do_not_keep_others_out(make_daemon):
    """Twenty of them are heard and thirty wait, until the time to log in has passed; the others are turned away."""
    port = free_port()
    daemon = make_daemon("-o", "listen_tcp=yes", "-o", "auth_tcp=none", "-o", "tcp_address=127.0.0.1", "-o", f"tcp_port={port}",
                         "-o", "max_anonymous_clients=30")
    wait_until(lambda: tcp_answers(port), "TCP is served", 5)
    strangers = [Wire(address=("127.0.0.1", port), opens=False) for _ in range(60)]
    try:
        turned_away = sum(it.is_closed(0.05) for it in strangers)
        assert turned_away >= 10
        with Wire(daemon.socket) as client:
            assert client.hostname()
    finally:
        for it in strangers:
            it.sock.close()
    wait_until(lambda: tcp_answers(port), "TCP is served again", 5)


def tcp_answers(port):
    try:
        with Wire(address=("127.0.0.1", port), timeout_s=2) as client:
            return bool(client.hostname())
    except (Closed, OSError):
        return False


def latency(client, times=20):
    worst = 0
    for _ in range(times):
        began = time.monotonic()
        client.hostname()
        worst = max(worst, time.monotonic() - began)
    return worst


@pytest.mark.limit(60)
def test_a_client_that_stops_reading_harms_nobody(daemon):
    with Wire(daemon.socket) as other, Wire(daemon.socket) as lazy:
        lazy.sock.setblocking(False)
        block = b"".join(frame("connect_get_capabilities", serial=i) for i in range(500))
        sent, end = 0, time.monotonic() + 3
        while time.monotonic() < end and sent < 50000000:
            try:
                sent += lazy.sock.send(block)
            except BlockingIOError:
                time.sleep(0.02)
            except (BrokenPipeError, ConnectionResetError):
                break
        assert latency(other) < AT_ONCE_S
        if hasattr(daemon, "process"):
            with open(f"/proc/{daemon.process.pid}/status") as status:
                resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
            assert resident < 250000
    with Wire(daemon.socket) as client:
        assert client.hostname()


def test_big_frames_are_taken_as_they_come_and_no_sooner(daemon):
    """An announced length takes no memory; 32 MiB in pieces hold nobody up."""
    with Wire(daemon.socket) as other:
        big = [Wire(daemon.socket) for _ in range(8)]
        for it in big:
            it.send(frame("domain_lookup_by_name", length=33554436))
        if hasattr(daemon, "process"):
            with open(f"/proc/{daemon.process.pid}/status") as status:
                assert next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) < 200000
        assert latency(other) < AT_ONCE_S
        for it in big:
            it.sock.close()
        assert other.hostname()


# Everything at random

SAFE_TO_GUESS = [row for row in wire.PROCEDURES.values() if row.kind == "call" and row.name != "connect_close" and not row.name.startswith("auth_")
                 and not row.name.startswith("node_suspend") and "connect_open" not in row.name]


@pytest.mark.ours
@pytest.mark.limit(110)
def test_no_arguments_at_all_for_every_procedure(daemon):
    """Empty, all-zero and all-one bodies: an answer each, and never code 39 for a known number unless the body is at fault."""
    for filling in (b"", bytes(64), b"\xff" * 64, bytes(4096)):
        with Wire(daemon.socket) as client:
            client.serial = 0
            serials = {}
            for row in SAFE_TO_GUESS:
                serial = client.serial
                serials[serial] = row
                client.serial += 1
                client.send(frame(row.number, filling, serial))
            seen = set()
            while len(seen) < len(serials):
                got = client.receive()
                if got.type == REPLY:
                    seen.add(got.serial)
                    assert got.procedure == serials[got.serial].number
                    if got.status == ERROR:
                        answer = wire.problem(got.body)
                        assert answer.message and "unknown procedure" not in answer.message
            assert client.hostname()


@pytest.mark.ours
@pytest.mark.limit(110)
def test_frames_with_bits_flipped(daemon):
    dice = random.Random(42)
    uuid = bytes(range(16))
    bodies = [("domain_lookup_by_name", text("nobody")), ("domain_define_xml", text("<domain type='qemu'><name>x</name></domain>")),
              ("connect_list_all_domains", u32(1) + u32(0)), ("domain_get_xml_desc", wire.domain("x", uuid) + u32(0)),
              ("connect_domain_event_callback_register_any", u32(0) + maybe(None)), ("connect_supports_feature", u32(3)),
              ("domain_migrate_prepare3_params", u32(1) + text("bandwidth") + u32(4) + bytes(8) + u32(0) + u32(0)),
              ("connect_get_all_domain_stats", u32(0) + u32(0) + u32(0)), ("domain_open_console", wire.domain() + maybe(None) + u32(0))]
    for _ in range(150):
        with Wire(daemon.socket, timeout_s=5) as client:
            data = bytearray(b"".join(frame(name, body, serial) for serial, (name, body) in enumerate(bodies)))
            for _ in range(dice.randrange(1, 6)):
                data[dice.randrange(len(data))] = dice.randrange(256)
            try:
                client.send(bytes(data))
            except Closed:
                pass
    with Wire(daemon.socket) as client:
        assert client.hostname()
    if daemon.process:
        assert daemon.process.poll() is None
