# SPDX-License-Identifier: LGPL-2.1-or-later
"""What two hosts tell each other about where they may be reached: ranked, with origins, and without waiting for names."""
import re
import shutil
import time
from xml.etree import ElementTree

import pytest
from conftest import make_lab
from lab.lab import end, wait_until
from test_owner import LIVE, Leader
import wire

SAN = "10.77.0"


@pytest.fixture(scope="module")
def lab():
    """Host two has two more networks, one of them down, and a bridge of guests."""
    if not shutil.which("socat"):
        pytest.skip("'socat' is not installed")
    lab = make_lab(["ferryd", "ferryd"])
    try:
        for command in (
                "ip link add eth1 type veth peer name far1", f"ip addr add {SAN}.12/24 dev eth1", "ip link set far1 up",
                "ip link set eth1 up", "ip link add virbr0 type bridge", "ip link add leg type veth peer name inside",
                "ip link set leg master virbr0", "ip link set leg up", "ip link set inside up",
                "ip addr add 192.168.123.1/24 dev virbr0", "ip link set virbr0 up",
                "ip link add eth2 type veth peer name far2", "ip addr add 10.78.0.12/24 dev eth2"):
            lab.hosts[1].run(command.split())
        for host in lab.hosts:
            wait_until(lambda: not host.run(["ip", "-6", "addr", "show", "tentative"]).stdout, "IPv6 addresses to be confirmed")
        wire_to_two = lab.hosts[0].popen(["socat", f"UNIX-LISTEN:{lab.shared}/far,fork", f"TCP:{lab.hosts[1].address}:16509"])
        wait_until((lab.shared / "far").exists, "the wire")
        yield lab
        end(wire_to_two)
    finally:
        lab.close()


def start_again(host, **config):
    host.stop_daemon()
    host.start_ferryd(config)


class Asker(Leader):
    """Goes as far as Prepare and looks at the cookies; through TCP, if it is to look like another host."""

    def __init__(self, lab, is_remote=False):
        super().__init__(lab)
        if is_remote:
            self.two.sock.close()
            self.two = wire.Wire(path=lab.shared / "far")

    def prepare(self, uri=None, more=None):
        body = self.call(self.two, "domain_migrate_prepare3_params",
                         self.params(destination_xml=self.xml, **({"migrate_uri": uri} if uri else {}), **(more or {})) +
                         wire.text(self.cookie) + wire.u32(LIVE))
        self.cookie, at = self.take(body)
        self.uri, _ = self.take(body, at + 4)

    def reach(self):
        found = ElementTree.fromstring(self.cookie.rstrip(b"\0")).find("ferry/reach")
        return int(found.get("port", 0)), [(row.text, row.get("origin")) for row in found]


@pytest.fixture
def asker(lab, started):
    started(lab.hosts[0])
    made = []

    def ask(is_remote=False):
        made.append(Asker(lab, is_remote))
        made[-1].begin()
        return made[-1]

    yield ask
    for one in made:
        one.vanish()


def global_ones(rows):
    return [(literal, origin) for literal, origin in rows if not literal.startswith("fe80:")]


def test_every_address_is_told_with_its_origin(lab, asker):
    one, two = lab.hosts
    start_again(two)
    leader = asker(is_remote=True)
    port, rows = leader.reach()
    assert 49152 <= port <= 49215 and one.address in dict(rows), rows
    leader.prepare()
    port, rows = leader.reach()
    assert two.listens(port)
    assert rows[0] == (two.address, "control connection"), rows
    assert (f"{SAN}.12", "interface eth1") in rows
    assert two.address6 in dict(rows) and len(dict(rows)) == len(rows)
    assert not {"127.0.0.1", "::1", "192.168.123.1", "10.78.0.12"} & set(dict(rows)), rows
    # Link-local ones come last and without an interface of the other host.
    first_local = min(i for i, (literal, _) in enumerate(rows) if literal.startswith("fe80:"))
    assert rows[first_local:] == [row for row in rows if row[0].startswith("fe80:")]
    assert not any("%" in literal for literal, _ in rows)
    log = two.log()
    for reason in ("192.168.123.1 (interface virbr0; bridge virbr0 leads to guests only): not offered",
                   "10.78.0.12 (interface eth2; interface eth2 is down): not offered", "127.0.0.1 (interface lo; loopback): not offered"):
        assert reason in log, reason


def test_the_networks_of_the_configuration_come_first(lab, asker):
    _, two = lab.hosts
    start_again(two, migration_networks=f'"{SAN}.0/24"')
    leader = asker(is_remote=True)
    leader.prepare()
    _, rows = leader.reach()
    assert rows[0] == (f"{SAN}.12", f"migration_networks {SAN}.0/24")
    assert (two.address, "control connection") in rows
    assert leader.uri.startswith(f"tcp:{SAN}.12:".encode())


def test_other_networks_may_be_forbidden(lab, asker):
    _, two = lab.hosts
    start_again(two, migration_networks=f'"{SAN}.0/24"', migration_networks_only="yes")
    leader = asker(is_remote=True)
    leader.prepare()
    assert leader.reach()[1] == [(f"{SAN}.12", f"migration_networks {SAN}.0/24")]
    assert f"{two.address} (control connection; outside migration_networks): not offered" in two.log()


def test_a_stock_source_is_told_the_best_one(lab, asker):
    _, two = lab.hosts
    start_again(two)
    leader = asker(is_remote=True)
    leader.cookie = re.sub(rb"<ferry [^>]*(/>|>.*?</ferry>)", b"", leader.cookie, flags=re.S)
    leader.prepare()
    assert leader.uri.startswith(f"tcp:{two.address}:".encode())
    assert b"<ferry" not in leader.cookie
    assert f"is to come to {two.address} (control connection)" in two.log()


def test_only_what_the_port_is_bound_to_is_told(lab, asker):
    _, two = lab.hosts
    start_again(two)
    leader = asker()
    leader.prepare(more={"listen_address": f"{SAN}.12"})
    assert leader.reach()[1] == [(f"{SAN}.12", "interface eth1")]
    assert leader.uri.startswith(f"tcp:{SAN}.12:".encode())


@pytest.mark.parametrize("setting", ["none", "migration_host"])
def test_a_resolver_that_takes_twenty_seconds_delays_nobody(lab, asker, setting):
    """The own name is not waited for; the administrator's name is, for a second at most and once."""
    one, two = lab.hosts
    resolver = two.start_resolver({"two.san": [f"{SAN}.12"], two.name: [two.address]}, "slow:20")
    two.set_resolver(options="timeout:30 attempts:1")
    try:
        start_again(two, **({"migration_host": "two.san"} if setting == "migration_host" else {}))
        took = []
        for _ in range(2):
            leader = asker()
            begun = time.monotonic()
            leader.prepare()
            took.append(time.monotonic() - begun)
            assert two.address in dict(leader.reach()[1])
            leader.vanish()
            wait_until(lambda: not two.qemus() and "None" in one.virsh("domjobinfo", "qemu").stdout, "the end of the attempt")
        waited = 1.0 if setting == "migration_host" else 0.05
        assert took[0] < waited + 2, took
        assert took[1] < 2, took
        assert ("migration_host 'two.san' of ferryd.conf gives no address" in two.log()) == (setting == "migration_host")
    finally:
        two.helpers.remove(resolver)
        end(resolver)
        two.set_resolver()
