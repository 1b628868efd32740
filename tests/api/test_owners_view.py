# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a guest's owner relies on: words kept to the byte, hardware that stays, errors that name the cause."""
import concurrent.futures
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import time
import xml.etree.ElementTree as tree

import pytest

libvirt = pytest.importorskip("libvirt")

from daemon import problem_of, wait_until  # noqa: E402

L = libvirt


def image(daemon, name="disk.img", size="8M", kind="raw"):
    path = daemon.root / name
    subprocess.run(["qemu-img", "create", "-q", "-f", kind, path, size], check=True)
    path.chmod(0o644)
    return path


def disk(path, kind="raw", target="vda", more=""):
    return f"<disk type='file' device='disk'><driver name='qemu' type='{kind}'/><source file='{path}'/><target dev='{target}' bus='virtio'/>{more}</disk>"


# Words

METADATA = ("<metadata><app:note xmlns:app='http://example.org/app' app:b='2' a='1 &lt;&amp;&quot;'>"
            "<app:empty/><plain xmlns='urn:x'>  two  blanks\n and a line </plain></app:note></metadata>")


def test_title_description_and_metadata_are_kept(daemon, connection):
    extra = f"<title>Of “Ä” &amp; co</title><description>two\n  lines &lt;b&gt;</description>{METADATA}<memory"
    domain = connection.defineXML(daemon.xml().replace("<memory", extra, 1))
    shown = domain.XMLDesc()
    told = tree.fromstring(shown)
    assert told.findtext("title") == "Of “Ä” & co"
    assert told.findtext("description") == "two\n  lines <b>"
    note = told.find("metadata/{http://example.org/app}note")
    assert note.get("a") == "1 <&\"" and note.get("{http://example.org/app}b") == "2"
    assert note.findtext("{urn:x}plain") == "  two  blanks\n and a line "
    assert daemon.virsh("desc", daemon.name()) == "two\n  lines <b>"
    assert daemon.virsh("desc", "--title", daemon.name()) == "Of “Ä” & co"
    domain.create()
    again = tree.fromstring(domain.XMLDesc(L.VIR_DOMAIN_XML_INACTIVE))
    assert tree.tostring(again.find("metadata")) == tree.tostring(told.find("metadata"))


def test_no_title_is_said_with_the_code_that_clients_know(daemon, connection):
    domain = connection.defineXML(daemon.xml())
    assert problem_of(domain.metadata, L.VIR_DOMAIN_METADATA_TITLE, None).get_error_code() == L.VIR_ERR_NO_DOMAIN_METADATA


def test_a_definition_defined_again_stays_the_same(daemon, connection):
    more = disk(image(daemon)) + "<interface type='user'><model type='virtio'/></interface><rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"
    first = connection.defineXML(daemon.xml(more=more)).XMLDesc(L.VIR_DOMAIN_XML_INACTIVE)
    second = connection.defineXML(first).XMLDesc(L.VIR_DOMAIN_XML_INACTIVE)
    assert second == first
    told = tree.fromstring(first)
    assert told.findtext("uuid") and told.find("devices/interface/mac").get("address")
    assert told.find("os/type").get("machine").startswith("pc-q35-")
    for device in ("disk", "interface", "rng", "memballoon"):
        assert told.find(f"devices/{device}/address") is not None, device


def test_hardware_is_the_same_at_every_start(daemon, connection):
    domain = connection.defineXML(daemon.xml(more=disk(image(daemon)) + "<interface type='user'><model type='virtio'/></interface>"))

    def hardware():
        domain.create()
        shown = tree.fromstring(domain.XMLDesc())
        domain.destroy()
        return [tree.tostring(it) for it in shown.iter("address")] + [shown.find("os/type").get("machine")]

    assert hardware() == hardware()
    assert connection.lookupByUUID(domain.UUID()).name() == daemon.name()


def test_two_guests_are_not_alike(daemon, connection):
    net = "<interface type='user'><model type='virtio'/></interface>"
    one, two = (tree.fromstring(connection.defineXML(daemon.xml(name, more=net)).XMLDesc()) for name in "ab")
    assert one.findtext("uuid") != two.findtext("uuid")
    assert one.find("devices/interface/mac").get("address") != two.find("devices/interface/mac").get("address")


# Life

def test_a_guest_may_begin_paused(daemon, connection):
    domain = connection.defineXML(daemon.xml())
    domain.createWithFlags(L.VIR_DOMAIN_START_PAUSED)
    assert domain.state()[0] == L.VIR_DOMAIN_PAUSED
    time.sleep(0.2)
    assert not (daemon.root / "vm.serial").stat().st_size
    domain.resume()
    wait_until(lambda: (daemon.root / "vm.serial").stat().st_size, "it ticks")
    domain.destroy()
    other = connection.createXML(daemon.xml("other"), L.VIR_DOMAIN_START_PAUSED)
    assert other.state()[0] == L.VIR_DOMAIN_PAUSED and not other.isPersistent()


def beginnings(daemon):
    return (daemon.root / "vm.serial").read_bytes().count(b"guest vm")


@pytest.mark.parametrize("call,events", [("reset", 2), ("shutdown", 1), ("destroy", 1)])
def test_reset_and_the_ends(daemon, connection, call, events):
    domain = connection.defineXML(daemon.xml())
    domain.create()
    ident = domain.ID()
    wait_until(lambda: b"tick 3" in (daemon.root / "vm.serial").read_bytes(), "it ticks")
    getattr(domain, call)()
    if call == "reset":
        wait_until(lambda: beginnings(daemon) == 2, "it has begun again")
        assert domain.ID() == ident and domain.state() == [L.VIR_DOMAIN_RUNNING, L.VIR_DOMAIN_RUNNING_BOOTED]
        domain.destroy()
        return
    wait_until(lambda: not domain.isActive(), "it has ended", 10)
    reason = L.VIR_DOMAIN_SHUTOFF_SHUTDOWN if call == "shutdown" else L.VIR_DOMAIN_SHUTOFF_DESTROYED
    assert domain.state() == [L.VIR_DOMAIN_SHUTOFF, reason]
    wait_until(lambda: daemon.qemus() == [], "QEMU has gone", 5)
    assert (b"powerdown" in (daemon.root / "vm.serial").read_bytes()) == (call == "shutdown")


def test_a_reboot_is_a_new_beginning_of_the_same_guest(daemon, connection):
    domain = connection.defineXML(daemon.xml())
    domain.create()
    wait_until(lambda: b"tick 3" in (daemon.root / "vm.serial").read_bytes(), "it ticks")
    domain.reboot(L.VIR_DOMAIN_REBOOT_ACPI_POWER_BTN)
    wait_until(lambda: beginnings(daemon) == 2, "it has begun again")
    assert domain.isActive()
    domain.destroy()


# The console

PTY = "<serial type='pty'/>"


def read_for(stream, wanted, timeout_s=10):
    text, end = b"", time.monotonic() + timeout_s
    while wanted not in text:
        assert time.monotonic() < end, text
        got = stream.recv(4096)
        assert got not in (b"", -2), "the console has ended"
        text += got
    return text


def test_a_console_goes_both_ways(daemon, connection):
    domain = connection.createXML(daemon.xml(serial=PTY))
    stream = connection.newStream()
    domain.openConsole(None, stream)
    read_for(stream, b"tick ")
    stream.send(b"hello over there\r")
    assert b"echo: hello over there" in read_for(stream, b"over there")
    stream.finish()
    domain.destroy()


def test_who_has_a_console_and_who_takes_it(daemon, connection):
    domain = connection.createXML(daemon.xml(serial=PTY))
    first, second, third = (connection.newStream() for _ in range(3))
    domain.openConsole(None, first)
    read_for(first, b"tick ")
    problem = problem_of(domain.openConsole, None, second, L.VIR_DOMAIN_CONSOLE_SAFE)
    assert problem.get_error_code() == L.VIR_ERR_OPERATION_FAILED
    domain.openConsole(None, third, L.VIR_DOMAIN_CONSOLE_FORCE)
    read_for(third, b"tick ")

    def drained():
        try:
            return first.recv(65536) in (b"", -1)
        except libvirt.libvirtError:
            return True

    wait_until(drained, "the first one has lost it")
    third.abort()
    domain.destroy()


def test_a_console_ends_with_its_guest_and_with_its_client(daemon, connection):
    domain = connection.createXML(daemon.xml(serial=PTY))
    other = libvirt.open(daemon.uri)
    stream = other.newStream()
    other.lookupByName(daemon.name()).openConsole(None, stream)
    read_for(stream, b"tick ")
    del stream
    other.close()
    stream = connection.newStream()

    def taken():
        try:
            domain.openConsole(None, stream)
            return True
        except libvirt.libvirtError:
            return False

    wait_until(taken, "the console is free", 5)
    read_for(stream, b"tick ")
    domain.destroy()
    with pytest.raises((libvirt.libvirtError, AssertionError)):
        while True:
            read_for(stream, b"never", 3)
    assert problem_of(connection.defineXML(daemon.xml("none")).openConsole, None, connection.newStream()).get_error_code() in (55, 9, 1)


def test_undefined_while_it_runs_it_becomes_transient(daemon, connection):
    domain = connection.defineXML(daemon.xml())
    domain.create()
    domain.undefine()
    assert domain.isActive() and not domain.isPersistent()
    assert problem_of(domain.undefine).get_error_code() == L.VIR_ERR_OPERATION_INVALID
    domain = connection.defineXML(daemon.xml(uuid=domain.UUIDString()))
    assert domain.isActive() and domain.isPersistent()
    domain.undefine()
    domain.destroy()
    assert connection.listAllDomains() == []


def test_defining_over_a_running_guest_waits_for_the_next_start(daemon, connection):
    domain = connection.defineXML(daemon.xml())
    domain.create()
    connection.defineXML(daemon.xml(uuid=domain.UUIDString(), memory_mib=96))
    assert domain.info()[1] == 64 * 1024
    assert "98304" in domain.XMLDesc(L.VIR_DOMAIN_XML_INACTIVE)
    domain.destroy()
    domain.create()
    assert domain.info()[1] == 96 * 1024
    domain.destroy()


@pytest.mark.parametrize("state,calls", [("off", ("suspend", "resume", "shutdown", "reboot", "reset", "destroy")), ("on", ("create", "resume"))])
def test_what_the_state_does_not_allow(daemon, connection, state, calls):
    domain = connection.defineXML(daemon.xml())
    if state == "on":
        domain.create()
    for call in calls:
        problem = problem_of(getattr(domain, call))
        assert problem.get_error_code() == L.VIR_ERR_OPERATION_INVALID, (call, problem)
        assert "domain" in problem.get_error_message()
    if state == "on":
        domain.suspend()
        domain.suspend()        # is fine twice
        domain.destroy()


def test_a_stale_handle_is_told_so(daemon, connection):
    domain = connection.defineXML(daemon.xml())
    connection.lookupByName(daemon.name()).undefine()
    for call in (domain.create, domain.info, domain.state, domain.XMLDesc, domain.undefine):
        problem = problem_of(call)
        assert problem.get_error_code() == L.VIR_ERR_NO_DOMAIN
        assert "Domain not found" in problem.get_error_message() and daemon.name() in problem.get_error_message()


# Causes are named

def test_a_missing_disk(daemon, connection):
    domain = connection.defineXML(daemon.xml(more=disk("/no/such/disk.img")))
    problem = problem_of(domain.create)
    assert "/no/such/disk.img" in problem.get_error_message() and "No such file" in problem.get_error_message()
    assert domain.state()[0] == L.VIR_DOMAIN_SHUTOFF and daemon.qemus() == []


def test_a_disk_that_is_no_qcow2(daemon, connection):
    domain = connection.defineXML(daemon.xml(more=disk(image(daemon), kind="qcow2")))
    problem = problem_of(domain.create)
    assert "qcow2" in problem.get_error_message()
    assert domain.state()[0] == L.VIR_DOMAIN_SHUTOFF and daemon.qemus() == []


def test_an_image_is_given_back(daemon, connection):
    path = image(daemon, kind="qcow2")
    before = path.stat()
    domain = connection.defineXML(daemon.xml(more=disk(path, kind="qcow2")))
    domain.create()
    domain.destroy()

    def owner(it):
        return it.st_uid, it.st_gid, stat.S_IMODE(it.st_mode)

    wait_until(lambda: owner(path.stat()) == owner(before), "the image is its owner's again", 5)


@pytest.mark.ours
def test_a_kernel_that_is_none(daemon, connection):
    nonsense = daemon.root / "nonsense"
    nonsense.write_text("this is no kernel\n" * 100)
    nonsense.chmod(0o644)
    domain = connection.defineXML(daemon.xml().replace(str(daemon.kernel()), str(nonsense)))
    try:
        domain.create()     # QEMU may find out by itself, or hand it to the firmware
        domain.destroy()
    except libvirt.libvirtError as problem:
        assert str(nonsense) in problem.get_error_message() or "kernel" in problem.get_error_message()
    assert daemon.qemus() == []


def test_a_bridge_that_is_not_there(daemon, connection):
    domain = connection.defineXML(daemon.xml(more="<interface type='bridge'><source bridge='nobr77'/><model type='virtio'/></interface>"))
    assert "nobr77" in problem_of(domain.create).get_error_message()
    assert daemon.qemus() == []


@pytest.mark.ours
def test_a_network_without_a_bridge_is_refused_by_name(daemon, connection):
    xml = daemon.xml(more="<interface type='network'><source network='nonet77'/><model type='virtio'/></interface>")
    try:
        problem = problem_of(connection.defineXML(xml).create)
    except libvirt.libvirtError as refused:
        problem = refused
    assert "nonet77" in problem.get_error_message()


@pytest.mark.ours
def test_an_emulator_from_nowhere(daemon, connection):
    program = daemon.root / "qemu"
    shutil.copy("/bin/true", program)
    problem = problem_of(connection.defineXML, daemon.xml(more=f"<emulator>{program}</emulator>"))
    assert str(program) in problem.get_error_message()


@pytest.mark.ours
def test_a_full_disk_loses_nothing(make_daemon):
    daemon = make_daemon()
    connection = libvirt.open(daemon.uri)
    domain = connection.defineXML(daemon.xml())
    before = domain.XMLDesc()
    folder = daemon.root / "var/lib/ferry/domains"
    connection.close()
    daemon.stop()
    # the daemon is started again where its folder is a file system of 16 KiB that is full
    kept = daemon.root / "kept"
    shutil.copytree(folder, kept)
    script = (f"mount -t tmpfs -o size=32k tmpfs {folder} && cp -a {kept}/. {folder}/ && "
              f"(head -c 100000 /dev/zero > {folder}/filler; true) && exec \"$@\"")
    program = daemon.program
    wrapper = daemon.root / "wrapped"
    wrapper.write_text(f"#!/bin/sh\nset -- {program} \"$@\"\nexec unshare -m --propagation private sh -c '{script}' sh \"$@\"\n")
    wrapper.chmod(0o755)
    daemon.program = wrapper
    daemon.start()
    connection = libvirt.open(daemon.uri)
    problem = problem_of(connection.defineXML, daemon.xml("more"))
    assert "No space left" in problem.get_error_message()
    assert [it.name() for it in connection.listAllDomains()] == [daemon.name()]
    assert connection.lookupByName(daemon.name()).XMLDesc() == before
    problem = problem_of(connection.defineXML, daemon.xml(uuid=connection.lookupByName(daemon.name()).UUIDString(), memory_mib=128))
    assert connection.lookupByName(daemon.name()).XMLDesc() == before
    connection.close()
    daemon.stop()
    daemon.program = program


# Many at once

@pytest.mark.limit(100)
def test_many_clients_at_once(daemon):
    def live(number):
        connection = libvirt.open(daemon.uri)
        domain = connection.defineXML(daemon.xml(f"n{number}"))
        for _ in range(2):
            domain.create()
            domain.suspend()
            domain.resume()
            domain.destroy()
        domain.undefine()
        connection.close()
        return True

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        assert all(pool.map(live, range(12)))
    connection = libvirt.open(daemon.uri)
    assert connection.listAllDomains() == [] and daemon.qemus() == []
    connection.close()


def test_one_guest_fought_over(daemon):
    """Whoever wins, the guest is started once and every refusal says why."""
    connections = [libvirt.open(daemon.uri) for _ in range(6)]
    connections[0].defineXML(daemon.xml())

    def start(connection):
        try:
            connection.lookupByName(daemon.name()).create()
            return None
        except libvirt.libvirtError as problem:
            return problem.get_error_message()

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(start, connections))
    assert answers.count(None) == 1, answers
    assert all("already" in answer for answer in answers if answer)
    assert len(daemon.qemus()) == 1
    connections[0].lookupByName(daemon.name()).destroy()
    for it in connections:
        it.close()


@pytest.mark.ours
def test_definitions_survive_a_kill_at_any_moment(make_daemon):
    daemon = make_daemon()
    for round_ in range(5):
        connection = libvirt.open(daemon.uri)
        known = {it.name() for it in connection.listAllDomains()}
        done = set()

        def define():
            for number in range(1000):
                name = f"r{round_}-{number}"
                try:
                    connection.defineXML(daemon.xml(name))
                except libvirt.libvirtError:
                    return
                done.add(daemon.name(name))

        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            running = pool.submit(define)
            wait_until(lambda: len(done) >= 3 + round_, "some are defined")
            daemon.stop(signal.SIGKILL)
            running.result(20)
        daemon.start()
        connection = libvirt.open(daemon.uri)
        now = {it.name() for it in connection.listAllDomains()}
        assert known | done <= now and len(now - known - done) <= 1
        connection.close()
    leftovers = [it for it in (daemon.root / "var/lib/ferry/domains").iterdir() if it.name.endswith(".new")]
    assert not leftovers


# The host

def test_what_the_host_says_is_xml_and_true(daemon, connection):
    capabilities = tree.fromstring(connection.getCapabilities())
    assert capabilities.findtext("host/uuid") and capabilities.findtext("host/cpu/arch") == os.uname().machine
    guests = {it.findtext("arch/../os_type") or it.findtext("os_type") for it in capabilities.findall("guest")}
    assert guests == {"hvm"}
    assert any(arch.get("name") == "x86_64" and pathlib.Path(arch.findtext("emulator")).exists() for arch in capabilities.iter("arch") if arch.get("name"))
    told = tree.fromstring(connection.getDomainCapabilities(None, "x86_64", None, "qemu"))
    assert told.findtext("domain") == "qemu" and told.findtext("arch") == "x86_64" and int(told.find("vcpu").get("max")) > 1
    model, memory_mib, cpus, mhz, nodes, sockets, cores, threads = connection.getInfo()
    assert model == "x86_64" and cpus == os.cpu_count() and memory_mib > 100 and nodes >= 1 and nodes * sockets * cores * threads >= cpus
    assert connection.getType() == "QEMU" and connection.getLibVersion() == 9000000 and connection.getVersion() >= 7000000
    assert connection.getMaxVcpus("qemu") > 1
    assert connection.isEncrypted() == 0 and connection.isSecure() == 1 and connection.isAlive()
    assert connection.getURI() == daemon.uri


def test_features_are_answered_never_refused(daemon):
    import struct

    from wire import OK, Wire, u32
    served = {3: 1, 4: 1, 5: 0, 6: 1, 7: 1, 9: 1, 10: 1, 13: 1, 14: 1, 15: 1}
    with Wire(daemon.socket) as client:
        for number in list(range(-3, 40)) + [0x7FFFFFFF, -0x80000000]:
            got = client.call("connect_supports_feature", u32(number))
            assert got.status == OK, number
            answer = struct.unpack(">i", got.body)[0]
            assert answer == served.get(number, answer) and answer in (0, 1), number
