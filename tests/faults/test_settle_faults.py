# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest has arrived, and what stands behind its word cannot be written at first: it is tried until it is, and nothing counts as over before."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess

import pytest
from faults.places import held
from faults.test_reclaim_faults import BUILD, arm, revived
from lab import postcopy
from lab.lab import Lab, wait_until
from lab.moves import Guest

RUN = pathlib.Path(__file__).with_name("run.py")


@pytest.fixture(scope="module")
def lab():
    """A stock host, and two of ours."""
    missing = [name for name in ("qemu-system-x86_64", "virsh", "libvirtd", "cc", "meson", "ninja") if not shutil.which(name)]
    if os.geteuid() != 0 or missing:
        pytest.skip(f"the lab makes namespaces and needs root; not installed: {missing}")
    subprocess.run([RUN, "--build", BUILD, "--make-only"], check=True, stdin=subprocess.DEVNULL)
    with Lab(hosts=3, build=BUILD) as lab:
        emulator = postcopy.emulator(lab)
        lab.hosts[0].start_daemon("libvirtd")
        for host in lab.hosts[1:]:
            postcopy.start(lab, host)
        lab.emulator = emulator
        yield lab


@pytest.fixture
def running(lab):
    """A guest that runs where it is told to, and is gone after the test."""
    guest = Guest(lab, memory_mib=96, append="set=48", emulator=lab.emulator)
    with guest.ticks() as ticks:
        def start(host, devices="", on_poweroff="destroy"):
            guest.devices, guest.on_poweroff = devices, on_poweroff
            host.virsh("create", guest.path())
            ticks.wait(host.name, more=10)
            return guest, ticks
        yield start
    for host in lab.hosts:
        host.virsh("destroy", guest.name, check=False)
        host.virsh("undefine", guest.name, check=False)


def is_defined(host, guest):
    return (host.folder / f"var/lib/ferry/domains/{guest.name}.xml").exists()


def test_from_a_stock_host(lab, running):
    stock, one, _ = lab.hosts
    guest, ticks = running(stock)
    hit = arm(one, "destination/TAKEN.D-define", "fail")
    stock.virsh("migrate", "--live", "--persistent", guest.name, one.tcp_uri)
    ticks.wait(one.name, more=10)
    wait_until(lambda: is_defined(one, guest), "its definition")
    assert hit.exists()


def test_in_postcopy(lab, running):
    """Before the rest of its memory is there, and when it is."""
    _, one, two = lab.hosts
    guest, ticks = running(one)
    first, last = (arm(two, f"destination/TAKEN.{row}", "fail") for row in ("D-define.3", "D-define"))
    process = one.popen(["virsh", "-c", one.socket_uri, "migrate", "--live", "--persistent", "--postcopy", "--bandwidth", "2", guest.name, two.tcp_uri],
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: "Memory processed" in one.virsh("domjobinfo", guest.name, check=False).stdout, "memory moves")
    one.virsh("migrate-postcopy", guest.name)
    process.wait(30)
    ticks.wait(two.name, more=10)
    wait_until(lambda: is_defined(two, guest), "its definition")
    wait_until(lambda: "running (migrated)" in two.virsh("domstate", "--reason", guest.name).stdout, "the rest of its memory")
    assert first.exists()
    last.with_name("TAKEN.D-define").unlink(missing_ok=True)


@pytest.fixture
def image(lab):
    path = lab.shared / "held.raw"
    path.write_bytes(bytes(1 << 20))
    path.chmod(0o666)
    return path


def disk(path):
    return f"<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{path}'/><target dev='vda' bus='virtio'/></disk>"


@pytest.mark.parametrize("released", ["late", "soon"])
def test_a_daemon_that_ends_before_a_held_image_is_opened(lab, running, image, released):
    """The new one may not run it either, and says so: its source takes it back, unless it goes on first."""
    _, one, two = lab.hosts
    guest, ticks = running(one, disk(image))
    arm(two, "destination/PREPARED.D-take", "kill-after")
    since = ticks.mark()
    process = one.popen(["virsh", "-c", one.socket_uri, "migrate", "--live", "--persistent", "--p2p", guest.name, two.tcp_uri],
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with held(image):
        revived(two)
        if released == "late":
            wait_until(lambda: not two.qemus(), "the end of QEMU over there")
    process.wait(30)
    host = one if released == "late" else two
    ticks.wait(host.name, more=10)
    wait_until(lambda: host.virsh("domstate", guest.name).stdout.strip() == "running", "the guest to go on")
    verdict = ticks.verdict(since)
    assert verdict.is_sound, verdict.complaint()
    assert is_defined(two, guest) == (host is two)


def test_a_held_image_after_the_answer_to_a_stock_host(lab, running, image):
    """That one has let it go: it stands here, defined, until somebody resumes it."""
    stock, one, _ = lab.hosts
    guest, ticks = running(stock, disk(image))
    arm(one, "destination/TOLD.D-told", "kill-after")
    since = ticks.mark()
    stock.virsh("migrate", "--live", "--persistent", "--unsafe", guest.name, one.tcp_uri, check=False)
    with held(image):
        revived(one)
        wait_until(lambda: "not resumed" in one.virsh("dominfo", guest.name).stdout, "the word that it is not resumed")
        wait_until(lambda: is_defined(one, guest), "its definition")
        assert one.virsh("domstate", guest.name).stdout.strip() == "paused"
    one.virsh("resume", guest.name)
    ticks.wait(one.name, more=10)
    verdict = ticks.verdict(since)
    assert verdict.is_sound, verdict.complaint()


def test_a_held_image_and_a_source_that_cannot_be_asked(lab, running, image):
    """Nobody may take it back, so it is tried on; and whoever asks is told for what it waits."""
    _, one, two = lab.hosts
    guest, ticks = running(one, disk(image))
    hit = arm(two, "destination/PREPARED.D-take", "stall-before")
    since = ticks.mark()
    process = one.popen(["virsh", "-c", one.socket_uri, "migrate", "--live", "--persistent", "--p2p", guest.name, two.tcp_uri],
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(hit.exists, "the switch-over")
    pid = one.daemon_pid("ferryd")
    os.kill(pid, signal.SIGSTOP)
    try:
        with held(image):
            hit.unlink()
            wait_until(lambda: "but not resumed: " in two.virsh("dominfo", guest.name).stdout, "the word that it is not resumed")
            assert "until it runs, or fedora2 takes it back" in two.ferry("domstate", "--reason", guest.name).stdout
            assert "not resumed" in two.ferry("migration", "list").stdout and "not resumed" in two.ferry("doctor", check=False).stdout
        ticks.wait(two.name, more=10)
        assert "resumed" not in two.virsh("dominfo", guest.name).stdout
    finally:
        os.killpg(os.getpgid(pid), signal.SIGCONT)
    process.wait(30)
    verdict = ticks.verdict(since)
    assert verdict.is_sound, verdict.complaint()


def switch_off(host):
    """The guest switches itself off, and QEMU waits for the word to end; nobody of this host sees it."""
    commands = [{"execute": "qmp_capabilities"}, {"execute": "set-action", "arguments": {"reboot": "shutdown", "shutdown": "pause"}},
                {"execute": "system_reset"}]
    path, = host.folder.glob("run/**/monitor.sock")
    with socket.socket(socket.AF_UNIX) as monitor:
        monitor.settimeout(20)
        monitor.connect(str(path))
        with monitor.makefile("rw") as lines:
            for command in commands:
                print(json.dumps(command), file=lines, flush=True)
            while json.loads(lines.readline()).get("event") != "STOP":
                pass


def test_a_guest_that_has_run_is_not_given_back(lab, running):
    """It has switched itself off before a new daemon sees it, and obeys no `cont`: its source, which has not heard of it, does not get it."""
    _, one, two = lab.hosts
    guest, ticks = running(one, on_poweroff="preserve")
    arm(two, "destination/TAKEN.D-define", "kill-before")
    process = one.popen(["virsh", "-c", one.socket_uri, "migrate", "--live", "--persistent", "--p2p", guest.name, two.tcp_uri],
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: not two.daemon_pid("ferryd"), "the end of its daemon")
    ticks.wait(two.name, more=10)
    switch_off(two)
    two.restart_ferryd()
    wait_until(lambda: not one.qemus(), "its source to let it go")
    process.wait(30)
    assert ticks.last().host == two.name
    assert len(two.qemus()) == 1 and is_defined(two, guest)
    assert "outcome not yet known" not in two.virsh("dominfo", guest.name).stdout


@pytest.mark.parametrize("point,word", [("PREPARED.D-tell", "kill"), ("PREPARED.D-tell", "kill-after"), ("TOLD.D-told", "kill"),
                                        ("TOLD.D-told.actions", "kill"), ("TOLD.D-told.actions", "kill-after")])
def test_a_daemon_that_ends_while_it_answers_a_stock_host(lab, running, point, word):
    """Nobody runs the guest twice, and nobody loses it: what neither host can know a person says."""
    stock, one, _ = lab.hosts
    guest, ticks = running(stock)
    hit = arm(one, f"destination/{point}", word)
    since = ticks.mark()
    stock.virsh("migrate", "--live", "--persistent", guest.name, one.tcp_uri, check=False)
    revived(one)
    assert hit.exists()

    def runs(host):
        return host.virsh("domstate", guest.name, check=False).stdout.strip() == "running"

    def is_in_doubt():
        return "outcome not yet known" in one.ferry("domstate", "--reason", guest.name, check=False).stdout

    wait_until(lambda: runs(stock) or runs(one) or is_in_doubt(), "a guest that runs, or a word on why none does", 20)
    if is_in_doubt():
        one.ferry("migration", "resolve", guest.name, "--there" if runs(stock) else "--here", "--confirm", stock.name)
    here, other = (stock, one) if runs(stock) else (one, stock)
    ticks.wait(here.name, more=10)
    wait_until(lambda: not other.qemus(), "the end of what is left on the other host")
    verdict = ticks.verdict(since)
    assert verdict.is_sound, verdict.complaint()
    assert (other is one) or is_defined(one, guest)
