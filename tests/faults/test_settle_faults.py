# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest has arrived, and what stands behind its word cannot be written at first: it is tried until it is, and nothing counts as over before."""
import os
import pathlib
import shutil
import subprocess

import pytest
from faults.test_reclaim_faults import BUILD, arm
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
        def start(host):
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
