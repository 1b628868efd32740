# SPDX-License-Identifier: LGPL-2.1-or-later
"""Lists in all their filters, and the nouns that are not kept: empty lists, look-ups with stock's codes."""
import pytest

libvirt = pytest.importorskip("libvirt")

from daemon import problem_of  # noqa: E402

UUID = "11111111-2222-3333-4444-555555555555"
L = libvirt


# flags → the guests that match, of: r running, p paused, o off with autostart, t transient running
FILTERS = {
    0: "oprt",
    L.VIR_CONNECT_LIST_DOMAINS_ACTIVE: "prt",
    L.VIR_CONNECT_LIST_DOMAINS_INACTIVE: "o",
    L.VIR_CONNECT_LIST_DOMAINS_ACTIVE | L.VIR_CONNECT_LIST_DOMAINS_INACTIVE: "oprt",
    L.VIR_CONNECT_LIST_DOMAINS_PERSISTENT: "opr",
    L.VIR_CONNECT_LIST_DOMAINS_TRANSIENT: "t",
    L.VIR_CONNECT_LIST_DOMAINS_RUNNING: "rt",
    L.VIR_CONNECT_LIST_DOMAINS_PAUSED: "p",
    L.VIR_CONNECT_LIST_DOMAINS_SHUTOFF: "o",
    L.VIR_CONNECT_LIST_DOMAINS_OTHER: "",
    L.VIR_CONNECT_LIST_DOMAINS_PAUSED | L.VIR_CONNECT_LIST_DOMAINS_SHUTOFF: "op",
    L.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE: "",
    L.VIR_CONNECT_LIST_DOMAINS_NO_MANAGEDSAVE: "oprt",
    L.VIR_CONNECT_LIST_DOMAINS_AUTOSTART: "o",
    L.VIR_CONNECT_LIST_DOMAINS_NO_AUTOSTART: "prt",
    L.VIR_CONNECT_LIST_DOMAINS_HAS_SNAPSHOT: "",
    L.VIR_CONNECT_LIST_DOMAINS_NO_SNAPSHOT: "oprt",
    L.VIR_CONNECT_LIST_DOMAINS_ACTIVE | L.VIR_CONNECT_LIST_DOMAINS_PERSISTENT: "pr",
    L.VIR_CONNECT_LIST_DOMAINS_ACTIVE | L.VIR_CONNECT_LIST_DOMAINS_SHUTOFF: "",
    L.VIR_CONNECT_LIST_DOMAINS_RUNNING | L.VIR_CONNECT_LIST_DOMAINS_TRANSIENT | L.VIR_CONNECT_LIST_DOMAINS_NO_AUTOSTART: "t",
}


def test_every_filter(daemon, connection):
    connection.defineXML(daemon.xml("r")).create()
    paused = connection.defineXML(daemon.xml("p"))
    paused.create()
    paused.suspend()
    connection.defineXML(daemon.xml("o")).setAutostart(1)
    connection.createXML(daemon.xml("t"))
    for flags, names in FILTERS.items():
        found = "".join(sorted(it.name().rsplit("-", 1)[1] for it in connection.listAllDomains(flags)))
        assert found == names, f"flags {flags}"
    assert sorted(connection.listDefinedDomains()) == [daemon.name("o")]
    assert connection.numOfDomains() == 3 and connection.numOfDefinedDomains() == 1
    assert sorted(connection.lookupByID(i).name() for i in connection.listDomainsID()) == sorted(map(daemon.name, "prt"))
    assert [it.ID() for it in connection.listAllDomains(L.VIR_CONNECT_LIST_DOMAINS_INACTIVE)] == [-1]
    table = daemon.virsh("list", "--all")
    assert [line.split(maxsplit=2)[2] for line in table.splitlines()[2:] if daemon.name("o") in line] == ["shut off"]
    assert daemon.virsh("list", "--all", "--name", "--autostart") == daemon.name("o")
    assert daemon.virsh("list", "--state-paused", "--name") == daemon.name("p")
    assert daemon.virsh("list", "--uuid", "--transient") == connection.lookupByName(daemon.name("t")).UUIDString()


def test_unknown_flags_are_refused_with_the_code_that_clients_expect(daemon, connection):
    domain = connection.defineXML(daemon.xml())
    for call in (lambda: connection.listAllDomains(1 << 29), lambda: domain.XMLDesc(1 << 29), lambda: domain.createWithFlags(1 << 29),
                 lambda: domain.undefineFlags(1 << 29), lambda: domain.destroyFlags(1 << 29), lambda: domain.shutdownFlags(1 << 29),
                 lambda: connection.defineXMLFlags(daemon.xml(), 1 << 29), lambda: connection.createXML(daemon.xml("c"), 1 << 29)):
        assert problem_of(call).get_error_code() == L.VIR_ERR_INVALID_ARG
    assert [it.name() for it in connection.listAllDomains()] == [daemon.name()] and not domain.isActive()


@pytest.mark.ours
def test_stats_filters_and_groups(daemon, connection):
    on = connection.defineXML(daemon.xml("on"))
    on.create()
    off = connection.defineXML(daemon.xml("off"))
    everything = {dom.name(): stats for dom, stats in connection.getAllDomainStats()}
    assert sorted(everything) == sorted([daemon.name("on"), daemon.name("off")])
    assert everything[off.name()]["state.state"] == L.VIR_DOMAIN_SHUTOFF
    active = connection.getAllDomainStats(flags=L.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE)
    assert [dom.name() for dom, _ in active] == [on.name()]
    for group, prefix in ((L.VIR_DOMAIN_STATS_STATE, "state."), (L.VIR_DOMAIN_STATS_CPU_TOTAL, "cpu."), (L.VIR_DOMAIN_STATS_BALLOON, "balloon."),
                          (L.VIR_DOMAIN_STATS_VCPU, "vcpu.")):
        [(_, stats)] = connection.domainListGetStats([on], group)
        assert stats and all(key.startswith(prefix) for key in stats), stats
    assert problem_of(connection.getAllDomainStats, 1 << 30, L.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS).get_error_code() in (74, 8, 3)


@pytest.mark.ours
def test_nouns_that_are_not_kept(connection):
    empty = [connection.listAllNetworks, connection.listNetworks, connection.listDefinedNetworks, connection.listAllStoragePools,
             connection.listStoragePools, connection.listDefinedStoragePools, connection.listAllInterfaces, connection.listInterfaces,
             connection.listDefinedInterfaces, connection.listAllDevices, connection.listAllSecrets, connection.listSecrets, connection.listAllNWFilters,
             connection.listNWFilters, connection.listAllNWFilterBindings]
    for call in empty:
        assert call() == [], call.__name__
    assert connection.listDevices(None) == []
    for call in (connection.numOfNetworks, connection.numOfDefinedNetworks, connection.numOfStoragePools, connection.numOfDefinedStoragePools,
                 connection.numOfInterfaces, connection.numOfDefinedInterfaces, connection.numOfSecrets, connection.numOfNWFilters):
        assert call() == 0, call.__name__
    assert connection.numOfDevices(None) == 0


NOT_FOUND = [("networkLookupByName", ("x",), 43), ("networkLookupByUUIDString", (UUID,), 43), ("storagePoolLookupByName", ("x",), 49),
             ("storagePoolLookupByUUIDString", (UUID,), 49), ("storageVolLookupByPath", ("/x",), 50), ("storageVolLookupByKey", ("x",), 50),
             ("interfaceLookupByName", ("x",), 57), ("interfaceLookupByMACString", ("52:54:00:00:00:01",), 57), ("nodeDeviceLookupByName", ("x",), 53),
             ("secretLookupByUUIDString", (UUID,), 66), ("secretLookupByUsage", (1, "x"), 66), ("nwfilterLookupByName", ("x",), 62),
             ("nwfilterLookupByUUIDString", (UUID,), 62), ("lookupByName", ("x",), 42), ("lookupByUUIDString", (UUID,), 42), ("lookupByID", (77,), 42)]


@pytest.mark.parametrize("call,args,code", NOT_FOUND, ids=[row[0] for row in NOT_FOUND])
def test_look_ups_say_what_was_not_found(request, connection, call, args, code):
    if request.config.getoption("stock", False) and call.startswith("interface"):
        pytest.skip("Debian's stock daemon has no interface driver")
    problem = problem_of(getattr(connection, call), *args)
    assert problem.get_error_code() == code, problem
    if code == 42:
        assert "Domain not found" in problem.get_error_message()      # a management console looks for these words
    if code == 43:
        assert "Network not found" in problem.get_error_message()


def test_snapshots_and_checkpoints_of_a_domain(daemon, connection):
    domain = connection.defineXML(daemon.xml())
    assert domain.listAllSnapshots() == [] and domain.snapshotListNames() == [] and domain.snapshotNum() == 0
    assert not domain.hasCurrentSnapshot()
    assert domain.listAllCheckpoints() == []
    assert problem_of(domain.snapshotLookupByName, "x").get_error_code() == L.VIR_ERR_NO_DOMAIN_SNAPSHOT
    assert problem_of(domain.snapshotCurrent).get_error_code() == L.VIR_ERR_NO_DOMAIN_SNAPSHOT
    assert problem_of(domain.checkpointLookupByName, "x").get_error_code() == L.VIR_ERR_NO_DOMAIN_CHECKPOINT
    assert not domain.hasManagedSaveImage()
    domain.undefine()
    assert problem_of(domain.snapshotNum).get_error_code() == L.VIR_ERR_NO_DOMAIN


@pytest.mark.ours
def test_known_procedures_that_are_not_served(daemon, connection):
    domain = connection.defineXML(daemon.xml())
    for call in (lambda: domain.injectNMI(), lambda: domain.setMemory(1024), lambda: domain.coreDump("/x"), lambda: domain.blockJobInfo("vda"),
                 lambda: connection.networkDefineXML("<network/>"), lambda: connection.storagePoolDefineXML("<pool/>"),
                 lambda: connection.secretDefineXML("<secret/>"), lambda: connection.compareCPU("<cpu/>"), lambda: connection.baselineCPU(["<cpu/>"])):
        assert problem_of(call).get_error_code() == L.VIR_ERR_NO_SUPPORT
    assert domain.info()[0] == L.VIR_DOMAIN_SHUTOFF
