# SPDX-License-Identifier: LGPL-2.1-or-later
"""What would make a guest's pause longer than it must be."""
import subprocess

import pytest
from conftest import make_lab
from lab import moves
from lab.lab import wait_until
from lab.sockets import connections

REAL = "/usr/bin/qemu-system-x86_64"
START_S = 4       # half of it is more than a busy machine adds to a pause


@pytest.fixture(scope="module")
def lab():
    lab = make_lab([None, None])
    folder = lab.shared / "bin"
    folder.mkdir()
    emulator = folder / "qemu-system-x86_64"
    emulator.write_text(f"#!/bin/sh\ncase \" $* \" in\n*' -incoming '*) sleep {START_S} ;;\nesac\nexec {REAL} \"$@\"\n")
    emulator.chmod(0o755)
    for host in lab.hosts:
        host.start_ferryd({"emulator_dirs": f"/usr/bin {folder}"})
    lab.slow_emulator = emulator
    yield lab
    lab.close()


@pytest.mark.parametrize("words", (["--live", "--parallel"], [], ["--p2p"]), ids=("parallel", "not live", "not live, p2p"))
def test_a_destination_that_is_slow_to_begin_stops_nobody(lab, started, words):
    """What is sent before somebody reads it lies in sockets and joins; once all of it does, the guest is stopped."""
    one, two = lab.hosts
    running = started(one, emulator=lab.slow_emulator, append="set=1 check=0")
    result = moves.move(running.ticks, one, ["virsh", "-c", one.socket_uri, "migrate", *words, running.guest.name, two.tcp_uri], two)
    moves.assert_moved(result, running.ticks, running.guest, one, two)
    assert result.wall_s > START_S
    assert result.downtime_ms < START_S * 1000 / 2


MODES = {"managed": ([], 2), "p2p": (["--p2p"], 3), "tunnelled": (["--p2p", "--tunnelled"], 1), "parallel": (["--parallel"], 4)}


@pytest.mark.parametrize("mode", MODES)
def test_no_connection_waits_for_acknowledgements(lab, started, mode):
    """Nagle's algorithm against delayed acknowledgements costs 40 ms of the pause."""
    words, least = MODES[mode]
    one, two = lab.hosts
    started(one, append="set=1 touch=40 check=0")
    process = one.popen(["virsh", "-c", one.socket_uri, "migrate", "--live", "--bandwidth", "1", *words, "qemu", two.tcp_uri],
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: "Memory processed" in one.virsh("domjobinfo", "qemu").stdout, "the memory to flow")
        for host in lab.hosts:
            found = [connection for pid, _ in host.qemus() + host.processes("ferryd") for connection in connections(pid)]
            assert len({(connection.here, connection.there) for connection in found}) >= least
            assert [connection for connection in found if not connection.has_no_delay] == []
    finally:
        one.virsh("domjobabort", "qemu")
        process.wait(20)
