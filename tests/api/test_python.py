# SPDX-License-Identifier: LGPL-2.1-or-later
"""The same through python3-libvirt: errors by code, events through its event loop, a console session."""
import threading
import time

import pytest

libvirt = pytest.importorskip("libvirt")

from daemon import problem_of, wait_until  # noqa: E402

pytestmark = pytest.mark.usefixtures("libvirt_events")


def code_of(call, *args):
    return problem_of(call, *args).get_error_code()


def test_lists_and_look_ups(daemon, connection):
    assert connection.listAllDomains() == []
    domain = connection.defineXML(daemon.xml())
    assert [d.name() for d in connection.listAllDomains()] == [daemon.name()]
    assert connection.listDefinedDomains() == [daemon.name()] and connection.numOfDomains() == 0
    assert connection.lookupByUUIDString(domain.UUIDString()).name() == daemon.name()
    assert code_of(connection.lookupByName, "nobody") == libvirt.VIR_ERR_NO_DOMAIN
    assert code_of(connection.lookupByID, 99) == libvirt.VIR_ERR_NO_DOMAIN
    assert domain.isPersistent() and not domain.isActive()
    assert code_of(domain.suspend) == libvirt.VIR_ERR_OPERATION_INVALID
    assert domain.info()[0] == libvirt.VIR_DOMAIN_SHUTOFF
    assert domain.OSType() == "hvm" and domain.autostart() == 0
    domain.create()
    assert connection.listDomainsID() == [1]
    assert connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_PAUSED) == []
    assert domain.state() == [libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_RUNNING_BOOTED]
    domain.undefine()
    assert not domain.isPersistent() and domain.isActive()
    domain.destroy()
    assert connection.listAllDomains() == []


def test_what_is_not_served_says_so(daemon, connection):
    domain = connection.defineXML(daemon.xml())
    assert code_of(domain.injectNMI) == libvirt.VIR_ERR_NO_SUPPORT
    assert code_of(connection.networkLookupByName, "x") == libvirt.VIR_ERR_NO_NETWORK
    assert code_of(connection.storageVolLookupByPath, "/x") == libvirt.VIR_ERR_NO_STORAGE_VOL
    assert code_of(connection.secretLookupByUUIDString, "11111111-2222-3333-4444-555555555555") == libvirt.VIR_ERR_NO_SECRET
    assert connection.listAllNetworks() == [] and connection.listAllStoragePools() == []
    assert domain.listAllSnapshots() == [] and domain.snapshotNum() == 0
    assert code_of(domain.snapshotLookupByName, "s") == libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT
    domain.undefine()


def test_events_through_the_loop(daemon, connection):
    told = []
    ident = connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                              lambda _c, dom, event, detail, _o: told.append((dom.name(), event, detail)), None)
    domain = connection.defineXML(daemon.xml())
    domain.create()
    domain.destroy()
    wait_until(lambda: len(told) == 5, "five events")
    assert [t[1:] for t in told] == [(libvirt.VIR_DOMAIN_EVENT_DEFINED, 0), (libvirt.VIR_DOMAIN_EVENT_RESUMED, 0),
                                     (libvirt.VIR_DOMAIN_EVENT_STARTED, 0), (libvirt.VIR_DOMAIN_EVENT_SHUTDOWN, 2),
                                     (libvirt.VIR_DOMAIN_EVENT_STOPPED, 1)]
    connection.domainEventDeregisterAny(ident)
    domain.undefine()
    time.sleep(0.1)
    assert len(told) == 5


def test_a_console_session(daemon, connection):
    domain = connection.createXML(daemon.xml(serial="<serial type='pty'/>"))
    stream = connection.newStream()
    domain.openConsole(None, stream)
    text = b""
    while text.count(b"\n") < 5:
        text += stream.recv(1024)
    assert b"tick" in text or text.strip()
    second = connection.newStream()
    assert code_of(domain.openConsole, None, second) == libvirt.VIR_ERR_OPERATION_FAILED
    stream.abort()
    wait_until(lambda: not code_or_none(domain, connection), "the console is free again")
    domain.destroy()


def code_or_none(domain, connection):
    stream = connection.newStream()
    try:
        domain.openConsole(None, stream)
    except libvirt.libvirtError as problem:
        return problem.get_error_code()
    stream.abort()
    return None


def test_many_clients_and_guests_at_once(daemon, connection):
    """Starts and ends of twelve guests interleave, with questions in between: nothing hangs, nothing is left."""
    problems = []

    def live(number):
        client = libvirt.open(daemon.uri)
        try:
            domain = client.defineXML(daemon.xml(f"g{number}", append="tick=200"))
            for _ in range(3):
                domain.create()
                domain.suspend()
                client.getAllDomainStats()
                domain.resume()
                domain.destroy()
            domain.undefine()
        except libvirt.libvirtError as problem:
            problems.append((number, str(problem)))
        client.close()

    began = time.monotonic()
    threads = [threading.Thread(target=live, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert time.monotonic() - began < 60
    assert connection.listAllDomains() == [] and daemon.qemus() == []
    assert [p.name for p in (daemon.root / "run/ferry").iterdir() if p.is_dir()] == []
    assert " warning " not in daemon.log() and " error " not in daemon.log()
