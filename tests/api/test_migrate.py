# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every form of the migration call that python3-libvirt has, between two daemons on unix sockets; and what is refused."""
import threading
import time

import pytest

libvirt = pytest.importorskip("libvirt")

from daemon import Daemon, wait_until  # noqa: E402

L = libvirt
LIVE, P2P, TUNNELLED = L.VIR_MIGRATE_LIVE, L.VIR_MIGRATE_PEER2PEER, L.VIR_MIGRATE_TUNNELLED


@pytest.fixture
def pair(daemon):
    libvirt.registerErrorHandler(lambda *_: None, None)
    other = Daemon()
    try:
        yield daemon, other
    finally:
        for name in daemon.virsh("list", "--name", uri=other.uri, expect=None).split():
            daemon.virsh("destroy", name, uri=other.uri, expect=None)
        other.clean()


class Both:
    def __init__(self, pair):
        self.daemons = pair
        self.source, self.destination = (libvirt.open(it.uri) for it in pair)
        self.domain = self.source.createXML(pair[0].xml(append="tick=20 touch=24"))
        self.name, self.uri = pair[0].name(), pair[1].uri
        wait_until(lambda: b"tick 3" in self.serial(), "it ticks")

    def serial(self):
        return (self.daemons[0].root / "vm.serial").read_bytes()

    def assert_moved(self, name=None):
        assert self.source.listAllDomains() == []
        moved = self.destination.lookupByName(name or self.name)
        assert moved.state()[0] == L.VIR_DOMAIN_RUNNING
        assert moved.UUIDString() == self.domain.UUIDString()
        before = len(self.serial())
        wait_until(lambda: len(self.serial()) > before, "it ticks over there")
        return moved

    def assert_stayed(self):
        assert self.domain.state()[0] == L.VIR_DOMAIN_RUNNING
        assert self.destination.listAllDomains() == []
        before = len(self.serial())
        wait_until(lambda: len(self.serial()) > before, "it ticks on")


@pytest.fixture
def both(pair):
    return Both(pair)


FORMS = {
    "migrate": lambda it: it.domain.migrate(it.destination, LIVE, None, None, 0),
    "migrate, not live": lambda it: it.domain.migrate(it.destination, 0, None, None, 0),
    "migrate2": lambda it: it.domain.migrate2(it.destination, None, LIVE, None, None, 0),
    "migrate3": lambda it: it.domain.migrate3(it.destination, {}, LIVE),
    "migrate3, bandwidth": lambda it: it.domain.migrate3(it.destination, {L.VIR_MIGRATE_PARAM_BANDWIDTH: 1000}, LIVE),
    "migrate, p2p": lambda it: it.domain.migrate(it.destination, LIVE | P2P, None, it.uri, 0),
    "migrateToURI": lambda it: it.domain.migrateToURI(it.uri, LIVE | P2P, None, 0),
    "migrateToURI2": lambda it: it.domain.migrateToURI2(it.uri, None, None, LIVE | P2P, None, 0),
    "migrateToURI3": lambda it: it.domain.migrateToURI3(it.uri, {}, LIVE | P2P),
    "migrateToURI3, tunnelled": lambda it: it.domain.migrateToURI3(it.uri, {}, LIVE | P2P | TUNNELLED),
    "migrateToURI, tunnelled": lambda it: it.domain.migrateToURI(it.uri, LIVE | P2P | TUNNELLED, None, 0),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form(both, form):
    FORMS[form](both)
    both.assert_moved()


@pytest.mark.parametrize("form", [
    lambda it: it.domain.migrate(it.destination, LIVE, "t-other", None, 0),
    lambda it: it.domain.migrate3(it.destination, {L.VIR_MIGRATE_PARAM_DEST_NAME: "t-other"}, LIVE),
    lambda it: it.domain.migrateToURI3(it.uri, {L.VIR_MIGRATE_PARAM_DEST_NAME: "t-other"}, LIVE | P2P)], ids=["migrate", "migrate3", "p2p"])
def test_a_new_name(both, form):
    form(both)
    both.assert_moved("t-other")


def test_there_and_back_and_there(both):
    domain = both.domain
    for connection in (both.destination, both.source, both.destination):
        domain = domain.migrate3(connection, {}, LIVE)
    both.assert_moved()


def test_the_job_can_be_watched_and_is_told_afterwards(both):
    seen, ended = [], threading.Event()

    def migrate():
        both.domain.migrate3(both.destination, {L.VIR_MIGRATE_PARAM_BANDWIDTH: 8}, LIVE)
        ended.set()

    worker = threading.Thread(target=migrate)
    worker.start()
    watcher = libvirt.open(both.daemons[0].uri)
    domain = watcher.lookupByName(both.name)
    while not ended.is_set():
        try:
            stats, info = domain.jobStats(), domain.jobInfo()
        except libvirt.libvirtError:
            break
        if stats.get("type") == L.VIR_DOMAIN_JOB_UNBOUNDED and stats.get("memory_total"):
            seen.append((stats, info))
        time.sleep(0.05)
    worker.join()
    assert len(seen) > 5
    for stats, info in seen:
        assert stats["operation"] == L.VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT
        assert stats["memory_processed"] <= stats["data_processed"] <= stats["data_total"]
        assert info[0] == L.VIR_DOMAIN_JOB_UNBOUNDED
    elapsed = [stats["time_elapsed"] for stats, _ in seen]
    assert elapsed == sorted(elapsed) and elapsed[-1] > elapsed[0]
    done = both.assert_moved().jobStats(L.VIR_DOMAIN_JOB_STATS_COMPLETED)
    assert done["type"] == L.VIR_DOMAIN_JOB_COMPLETED and done["memory_processed"] > 20 * 1048576 and 0 < done["downtime"] < 2000
    watcher.close()


def test_speed_and_downtime_can_be_set_on_the_way(both):
    both.domain.migrateSetMaxSpeed(64)
    assert both.domain.migrateGetMaxSpeed() == 64
    both.domain.migrate3(both.destination, {}, LIVE)
    both.assert_moved()


def refused(call):
    with pytest.raises(libvirt.libvirtError) as caught:
        call()
    return caught.value.get_error_message()


REFUSED = {
    "to itself": (lambda it: it.domain.migrateToURI3(it.daemons[0].uri, {}, LIVE | P2P), "same host"),
    "nobody there": (lambda it: it.domain.migrateToURI3("qemu+unix:///system?socket=/no/such/socket", {}, LIVE | P2P), "/no/such/socket"),
    "strange transport": (lambda it: it.domain.migrateToURI3("qemu+carrierpigeon://h/system", {}, LIVE | P2P), "transport in URL not recognised"),
    "nonsense": (lambda it: it.domain.migrateToURI3("no uri at all", {}, LIVE | P2P), "no uri at all"),
    "unknown parameter": (lambda it: it.domain.migrate3(it.destination, {"frobnicate": 1}, LIVE), "frobnicate"),
    "port too large": (lambda it: it.domain.migrate3(it.destination, {L.VIR_MIGRATE_PARAM_URI: "tcp://127.0.0.1:99999"}, LIVE), "99999"),
    "no scheme": (lambda it: it.domain.migrate3(it.destination, {L.VIR_MIGRATE_PARAM_URI: "127.0.0.1"}, LIVE), "missing scheme"),
    "no host": (lambda it: it.domain.migrate3(it.destination, {L.VIR_MIGRATE_PARAM_URI: "tcp://"}, LIVE), "missing host"),
    "strange scheme": (lambda it: it.domain.migrate3(it.destination, {L.VIR_MIGRATE_PARAM_URI: "foo://h"}, LIVE), "foo"),
    "uri and tunnel": (lambda it: it.domain.migrateToURI3(it.uri, {L.VIR_MIGRATE_PARAM_URI: "tcp://127.0.0.1"}, LIVE | P2P | TUNNELLED), "tunnel"),
    "malformed definition": (lambda it: it.domain.migrate3(it.destination, {L.VIR_MIGRATE_PARAM_DEST_XML: "<domain"}, LIVE), ""),
    "bad name": (lambda it: it.domain.migrate3(it.destination, {L.VIR_MIGRATE_PARAM_DEST_NAME: "a/b"}, LIVE), "a/b"),
    "direct": (lambda it: it.domain.migrateToURI3(it.uri, {}, LIVE), ""),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_is_said_and_nothing_moves(both, what):
    call, word = REFUSED[what]
    message = refused(lambda: call(both))
    assert word in message, message
    both.assert_stayed()
    both.domain.migrate3(both.destination, {}, LIVE)      # and the right call works at once
    both.assert_moved()


def flag_names():
    return {name: value for name, value in vars(L).items() if name.startswith("VIR_MIGRATE_") and isinstance(value, int)}


@pytest.mark.parametrize("name", ["OFFLINE", "POSTCOPY", "PARALLEL", "RDMA_PIN_ALL", "NON_SHARED_DISK", "NON_SHARED_INC", "COMPRESSED", "TLS", "ZEROCOPY"])
def test_flags_that_are_not_served_are_refused_by_name_or_work(both, name):
    """Refused with a word that names it, and nothing has moved; or served, and the guest has moved."""
    flag = flag_names().get(f"VIR_MIGRATE_{name}")
    if flag is None:
        pytest.skip("unknown to this library")
    try:
        both.domain.migrate3(both.destination, {}, flag | (0 if name == "OFFLINE" else LIVE))
    except libvirt.libvirtError as problem:
        said = problem.get_error_message().lower()
        assert name.lower().replace("_", "") in said.replace("_", "").replace("-", ""), said
        both.assert_stayed()
    else:
        both.assert_moved()
