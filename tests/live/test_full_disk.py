# SPDX-License-Identifier: LGPL-2.1-or-later
"""The disk of definitions is full when a guest arrives from a stock source: its definition is told about, and never lost."""
import pytest
from conftest import make_lab
from lab.lab import wait_until

OWED = "its definition is not on the disk yet"
FOLDER = "/var/lib/ferry/domains"


@pytest.fixture(scope="module")
def lab():
    lab = make_lab(["libvirtd", "ferryd"])
    ours = lab.hosts[1]
    ours.stop_daemon("ferryd")
    ours.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", FOLDER])
    ours.restart_ferryd()
    yield lab
    lab.close()


@pytest.mark.parametrize("is_restarted", [False, True], ids=["patient", "restarted"])
def test_a_definition_that_does_not_fit(lab, started, is_restarted):
    stock, ours = lab.hosts
    running = started(stock, append="set=4 touch=40 check=500", memory_mib=64)
    process = stock.popen(["virsh", "-c", stock.socket_uri, "migrate", "--live", "--persistent", "--bandwidth", "4", "qemu", ours.tcp_uri],
                          stdout=-1, stderr=-2, text=True)
    wait_until(ours.qemus, "Prepare has been made")
    wait_until(lambda: "Memory processed" in stock.virsh("domjobinfo", "qemu").stdout, "memory is moving")
    ours.run(["sh", "-c", f"head -c 100000 /dev/zero > {FOLDER}/filler"], check=False)
    stock.virsh("migrate-setspeed", "qemu", "1000")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    running.ticks.wait(ours.name, more=10)
    wait_until(lambda: OWED in ours.virsh("dominfo", "qemu").stdout, "it is told")
    assert "No space left on device" in ours.virsh("dominfo", "qemu").stdout
    if is_restarted:
        ours.restart_ferryd()
        wait_until(lambda: OWED in ours.virsh("dominfo", "qemu").stdout, "it is told again")
    assert "<name>qemu</name>" in ours.virsh("dumpxml", "--inactive", "qemu").stdout
    assert ours.run(["ls", f"{FOLDER}/qemu.xml"], check=False).returncode != 0
    ours.run(["rm", f"{FOLDER}/filler"])
    wait_until(lambda: ours.run(["ls", f"{FOLDER}/qemu.xml"], check=False).returncode == 0, "it is written", 20)
    wait_until(lambda: OWED not in ours.virsh("dominfo", "qemu").stdout, "nobody is told any more")
    ours.restart_ferryd()
    ours.virsh("destroy", "qemu")
    assert "shut off" in ours.virsh("list", "--all").stdout
