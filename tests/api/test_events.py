# SPDX-License-Identifier: LGPL-2.1-or-later
"""Events frame by frame: who gets which, how often, with which number, and for how long."""
import socket
import struct
import time

import pytest
import wire
from wire import MESSAGE, OK, QEMU, Wire, maybe, text, u32

LIFECYCLE, REBOOT = 0, 1
DEFINED, UNDEFINED, STARTED, SUSPENDED, RESUMED, STOPPED, SHUTDOWN = range(7)


class Listener(Wire):
    """Collects the events that come between replies."""

    def __init__(self, path):
        self.events = []
        super().__init__(path)

    def reply(self, serial):
        while True:
            got = self.receive()
            if got.type == MESSAGE and got.program != wire.KEEPALIVE:
                self.events.append(got)
            elif got.serial == serial:
                return got

    def register(self, event=LIFECYCLE, uuid=None, name="x"):
        got = self.call("connect_domain_event_callback_register_any", u32(event) + maybe(None if uuid is None else wire.domain(name, uuid)))
        assert got.status == OK, wire.problem(got.body)
        return struct.unpack(">i", got.body)[0]

    def settle(self):
        """After two calls whose answers lie behind whatever was queued before."""
        self.hostname()
        taken, self.events = self.events, []
        return taken


def lifecycle(frame):
    """(callback id, name, event, detail)"""
    assert frame.procedure == wire.number("domain_event_callback_lifecycle") and frame.status == OK
    ident, size = struct.unpack_from(">iI", frame.body)
    at = 8 + size + -size % 4
    return (ident, frame.body[8:8 + size].decode(), *struct.unpack_from(">ii", frame.body, at + 20))


def define(client, xml):
    got = client.call("domain_define_xml", text(xml))
    assert got.status == OK, wire.problem(got.body)
    size = struct.unpack_from(">I", got.body)[0]
    at = 4 + size + -size % 4
    return got.body[at:at + 16]


@pytest.fixture
def client(daemon):
    with Listener(daemon.socket) as it:
        yield it


def wait_events(client, count, timeout_s=10):
    end, found = time.monotonic() + timeout_s, []
    while len(found) < count:
        assert time.monotonic() < end, found
        found += client.settle()
    return found


def test_each_registration_gets_each_event_with_its_own_number(daemon, client):
    everything = client.register()
    uuid = define(client, daemon.xml())
    assert [lifecycle(it) for it in wait_events(client, 1)] == [(everything, daemon.name(), DEFINED, 0)]
    one = client.register(uuid=uuid)
    assert one != everything
    assert client.call("domain_create_with_flags", wire.domain("ignored", uuid) + u32(0)).status == OK
    found = [lifecycle(it) for it in wait_events(client, 4)]
    assert sorted(it[0] for it in found) == sorted([everything, one] * 2)
    assert client.call("connect_domain_event_callback_deregister_any", u32(everything)).status == OK
    assert client.call("domain_undefine", wire.domain("ignored", uuid)).status == OK
    assert [lifecycle(it) for it in wait_events(client, 1)] == [(one, daemon.name(), UNDEFINED, 0)]
    assert client.settle() == []


def test_a_filter_lets_one_guest_through(daemon, client):
    wanted, other = define(client, daemon.xml("wanted")), define(client, daemon.xml("other"))
    ident = client.register(uuid=wanted)
    for uuid in (other, wanted):
        assert client.call("domain_set_autostart", wire.domain("n", uuid) + u32(1)).status == OK
        assert client.call("domain_undefine", wire.domain("n", uuid)).status == OK
    assert [lifecycle(it) for it in wait_events(client, 1)] == [(ident, daemon.name("wanted"), UNDEFINED, 0)]
    assert client.settle() == []


def test_nobody_gets_what_another_asked_for(daemon, client):
    client.register()
    with Listener(daemon.socket) as other, Listener(daemon.socket_ro) as reader:
        reader.register()
        define(other, daemon.xml())
        assert other.settle() == []
        assert [lifecycle(it)[2] for it in wait_events(client, 1)] == [DEFINED]
        assert [lifecycle(it)[2] for it in wait_events(reader, 1)] == [DEFINED]


@pytest.mark.parametrize("event", range(27))
def test_every_event_can_be_asked_for(client, event):
    ident = client.register(event)
    assert client.call("connect_domain_event_callback_deregister_any", u32(ident)).status == OK


@pytest.mark.parametrize("event", [27, 100, -1, 0x7FFFFFFF])
def test_events_beyond_the_table(client, event):
    answer = client.refused("connect_domain_event_callback_register_any", u32(event) + maybe(None))
    assert answer.code == 1
    assert client.hostname()


def test_what_was_not_registered_cannot_be_given_back(daemon, client):
    ident = client.register()
    for number in (ident + 1000, -1):
        assert client.refused("connect_domain_event_callback_deregister_any", u32(number)).code == 1
    with Listener(daemon.socket) as other:
        assert other.refused("connect_domain_event_callback_deregister_any", u32(ident)).code == 1
    assert client.call("connect_domain_event_callback_deregister_any", u32(ident)).status == OK
    assert client.refused("connect_domain_event_callback_deregister_any", u32(ident)).code == 1


def test_the_old_way_without_numbers(daemon, client):
    assert client.call("connect_domain_event_register").status == OK
    define(client, daemon.xml())
    found = wait_events(client, 1)
    assert [it.procedure for it in found] == [wire.number("domain_event_lifecycle")]
    size = struct.unpack_from(">I", found[0].body)[0]
    assert found[0].body[4:4 + size].decode() == daemon.name()
    assert client.call("connect_domain_event_deregister").status == OK


def test_a_life_in_events(daemon, client):
    client.register()
    uuid = define(client, daemon.xml())
    handle = wire.domain("x", uuid)
    for procedure in ("domain_create", "domain_suspend", "domain_resume", "domain_destroy"):
        assert client.call(procedure, handle).status == OK, procedure
    assert client.call("domain_create_with_flags", handle + u32(1)).status == OK
    assert client.call("domain_destroy", handle).status == OK
    found = [lifecycle(it)[2:] for it in wait_events(client, 10)]
    wanted = [(DEFINED, 0), (RESUMED, 0), (STARTED, 0), (SUSPENDED, 0), (RESUMED, 0), (STOPPED, 1)]
    assert [it for it in found[:7] if it[0] != SHUTDOWN] == wanted, found
    assert (STARTED, 0) in found[6:] and (SUSPENDED, 0) in found[6:] and found[-1] == (STOPPED, 1), found


def test_monitor_events(daemon, client):
    uuid = define(client, daemon.xml())
    handle = wire.domain("x", uuid)
    assert client.call("domain_create", handle).status == OK
    got = client.call(4, maybe(None) + maybe(text("STOP")) + u32(0), program=QEMU)
    assert got.status == OK, wire.problem(got.body)
    ident = struct.unpack(">i", got.body)[0]
    assert client.call("domain_suspend", handle).status == OK
    assert client.call("domain_resume", handle).status == OK
    [event] = wait_events(client, 1)
    assert (event.program, event.procedure) == (QEMU, 6) and b"STOP" in event.body
    assert struct.unpack_from(">i", event.body)[0] == ident
    assert client.call(5, u32(ident), program=QEMU).status == OK
    assert client.call("domain_suspend", handle).status == OK
    assert client.settle() == []


def test_a_client_that_goes_takes_its_registrations_along(daemon, client):
    for _ in range(5):
        other = Listener(daemon.socket)
        other.register()
        other.register(REBOOT)
        other.sock.close()
    uuid = define(client, daemon.xml())
    assert client.call("domain_undefine", wire.domain("x", uuid)).status == OK
    assert client.hostname()


@pytest.mark.ours
def test_a_listener_that_does_not_listen_is_closed(make_daemon):
    """So that it cannot fill the daemon's memory; who listens loses nothing."""
    daemon = make_daemon("-o", "client_unsent_mib=1")
    deaf = Listener(daemon.socket)
    deaf.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    for _ in range(300):
        deaf.register()
    with Listener(daemon.socket) as client:
        handle = wire.domain("x", define(client, daemon.xml()))
        assert client.call("domain_create", handle).status == OK
        client.register()
        rounds = 0
        while "leaves too much unread" not in daemon.log() and rounds < 300:
            rounds += 1
            assert client.call("domain_suspend", handle).status == OK
            assert client.call("domain_resume", handle).status == OK
        found = [lifecycle(it)[2] for it in wait_events(client, 2 * rounds)]
        assert found.count(SUSPENDED) == found.count(RESUMED) == rounds
        assert client.call("domain_destroy", handle).status == OK
    assert deaf.is_closed(5)
    assert 1 < rounds < 300
