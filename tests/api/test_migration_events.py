# SPDX-License-Identifier: LGPL-2.1-or-later
"""Events of both sides in stock's order, through python3-libvirt, between two daemons on unix sockets."""
import time

import pytest

libvirt = pytest.importorskip("libvirt")

from daemon import Daemon, wait_until  # noqa: E402

LIFECYCLE = ("defined", "undefined", "started", "suspended", "resumed", "stopped", "shutdown")
LIVE, P2P, TUNNELLED, PERSIST, UNDEFINE, PAUSED = 1, 2, 4, 8, 16, 32
pytestmark = pytest.mark.usefixtures("libvirt_events")


@pytest.fixture
def pair(daemon):
    other = Daemon()
    try:
        yield daemon, other
    finally:
        try:
            for domain in libvirt.open(other.uri).listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
                domain.destroy()
        except libvirt.libvirtError:
            pass
        other.clean()


def listen(connection, told):
    connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                      lambda _c, _d, event, detail, _o: told.append((LIFECYCLE[event], detail)), None)
    connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_JOB_COMPLETED,
                                      lambda _c, _d, params, _o: told.append(("job", params["operation"])), None)
    passes = []
    connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION,
                                      lambda _c, _d, number, _o: passes.append(number), None)
    return passes


@pytest.mark.parametrize("flags", [LIVE, 0, LIVE | PERSIST | UNDEFINE, LIVE | P2P, LIVE | P2P | TUNNELLED, LIVE | PAUSED])
def test_events_by_outcome(pair, flags):
    source, destination = (libvirt.open(daemon.uri) for daemon in pair)
    domain = source.defineXML(pair[0].xml())
    domain.create()
    time.sleep(0.3)
    here, there = [], []
    passes = listen(source, here)
    listen(destination, there)
    if flags & P2P:
        domain.migrateToURI3(pair[1].uri, {}, flags)
    else:
        domain.migrate3(destination, {}, flags)
    wait_until(lambda: ("job", 5) in here, "the job is told to be complete")
    gone = [("undefined", 0)] if flags & UNDEFINE else []
    assert here == [("suspended", 1), ("stopped", 3)] + gone + [("job", 5)]
    assert passes[:2] == [1, 2]
    arrived = {("started", 1), ("suspended", 0) if flags & PAUSED else ("resumed", 1)}
    if flags & PERSIST:
        arrived.add(("defined", 0))
    wait_until(lambda: len(there) == len(arrived), "the destination has told all")
    assert there[0] == ("started", 1) and set(there) == arrived
    moved = destination.lookupByName(pair[0].name())
    assert moved.state() == ([3, 1] if flags & PAUSED else [1, 2])
    assert moved.isPersistent() == bool(flags & PERSIST)
    stats = moved.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
    assert stats["type"] == libvirt.VIR_DOMAIN_JOB_COMPLETED and stats["operation"] == 4
    if flags & UNDEFINE:
        assert source.listAllDomains() == []
    else:
        assert domain.state() == [5, 4]
