# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests that move in the lab: their definition, the command that moves them, and the verdict.

Used by the live tests, the demo and the bench, so that all three judge alike.
"""
import shutil
import time
import uuid
from dataclasses import dataclass

from lab import guest as guest_image
from lab.lab import wait_until
from ticks import Ticks

PORTS = (49152, 49215)
# For the guest's option stamp=: raw and past the hosts' caches, and where its small driver looks.
STAMPED_DISK = ("<disk type='file' device='disk'><driver name='qemu' type='raw' cache='none'/><source file='{}'/><target dev='vda' bus='virtio'/>"
                "<address type='pci' domain='0' bus='0' slot='0x10' function='0'/></disk>")


class Guest:
    """The bare-metal test guest as a domain.  Each host has its console at the same path in its own /run."""

    def __init__(self, lab, name="qemu", memory_mib=64, tick_ms=20, append="", kernel=None, initrd=None, pattern=None,
                 kind="qemu", devices="", machine="q35", emulator="/usr/bin/qemu-system-x86_64", listens=True,
                 on_poweroff="destroy"):
        self.lab, self.name, self.tick_ms, self.memory_mib = lab, name, tick_ms, memory_mib
        self.uuid = str(uuid.uuid4())
        self.listens = listens      # at its console; else it connects to who watches
        self.emulator, self.on_poweroff = emulator, on_poweroff
        self.pattern, self.kind, self.devices, self.initrd, self.machine = pattern, kind, devices, initrd, machine
        self.append = append if kernel else f"tick={tick_ms} name={name} {append}".strip()
        self.kernel = kernel or lab.shared / "ferry-test-guest"
        if not kernel and not self.kernel.exists():
            shutil.copy(guest_image.image(), self.kernel)
            self.kernel.chmod(0o755)
        self.console = f"/run/consoles/{name}.sock"

    @property
    def xml(self):
        initrd = f"<initrd>{self.initrd}</initrd>" if self.initrd else ""
        return f"""<domain type='{self.kind}'>
  <name>{self.name}</name>
  <uuid>{self.uuid}</uuid>
  <memory unit='MiB'>{self.memory_mib}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='{self.machine}'>hvm</type>
    <kernel>{self.kernel}</kernel>{initrd}
    <cmdline>{self.append}</cmdline>
  </os>
  <features><acpi/></features>
  <on_reboot>restart</on_reboot>
  <on_poweroff>{self.on_poweroff}</on_poweroff>
  <devices>
    <emulator>{self.emulator}</emulator>
    <serial type='unix'><source mode='{"bind" if self.listens else "connect"}' path='{self.console}'/><target port='0'/></serial>
    <memballoon model='none'/>
    {self.devices}
  </devices>
</domain>
"""

    def path(self, folder=None):
        path = (folder or self.lab.shared) / f"{self.name}.xml"
        path.write_text(self.xml)
        return path

    def consoles(self, hosts=None):
        return {host.name: host.folder / "run/consoles" / f"{self.name}.sock" for host in hosts or self.lab.hosts}

    def ticks(self, hosts=None):
        more = {"pattern": self.pattern} if self.pattern else {}
        return Ticks(self.tick_ms, self.consoles(hosts), listen=not self.listens, **more)


@dataclass
class Move:
    """What came of one command."""
    status: int
    output: str
    wall_s: float = 0.0
    downtime_ms: float = 0.0
    verdict: object = None


def client_argv(client, source_uri, words):
    """client: virsh or ferry, as a path or a name."""
    return [client, "-c", source_uri, *words]


def move(ticks, host, argv, destination=None, settle_ticks=10, timeout_s=100):
    """Runs a migration command on `host` (any host of the lab); with a destination it must succeed and tick there."""
    since = ticks.mark()
    began = time.monotonic()
    done = host.run(argv, check=False, timeout_s=timeout_s)
    result = Move(done.returncode, (done.stdout + done.stderr).strip(), time.monotonic() - began)
    if destination is not None and done.returncode == 0:
        ticks.wait(destination.name, more=settle_ticks)
        result.verdict = ticks.verdict(since)
        result.downtime_ms = result.verdict.downtime_ms
    return result


def begin(host, argv, name="qemu"):
    """Runs a migration command in the background, one that takes long; returns once memory flows."""
    process = host.popen(argv, stdout=-1, stderr=-2, text=True)
    wait_until(lambda: process.poll() is not None or "Data processed" in host.virsh("domjobinfo", name, check=False).stdout, "the job", 20)
    assert process.poll() is None, f"the slow migration ended at once: {process.stdout.read()}"
    return process


def traces(host, guest):
    """What is left of a guest on a host that it has left; an empty list is how it should be."""
    found = []
    if any(f"guest={guest.name}" in word or guest.uuid in word for _, words in host.qemus() for word in words):
        found.append("a QEMU process")
    listed = host.virsh("list", "--all", "--name").stdout.split()
    if guest.name in listed:
        found.append(f"a domain, {host.virsh('domstate', guest.name, check=False).stdout.strip()}")
    return found


def assert_moved(result, ticks, guest, source, destination, is_gone=True):
    assert result.status == 0, f"{result.output}\n--- source\n{source.log()[-3000:]}\n--- destination\n{destination.log()[-3000:]}"
    assert result.verdict.is_sound, result.verdict.complaint()
    assert ticks.last().host == destination.name
    wait_until(lambda: not source.qemus(), f"the end of QEMU on {source.name}", 10)
    if is_gone:
        assert traces(source, guest) == []
    wait_until(lambda: not any(host.listening(*PORTS) for host in (source, destination)), "released ports", 5)


def assert_stayed(result, ticks, guest, source, destination):
    """The command failed, and nothing else has happened."""
    assert result.status != 0, result.output
    assert_runs_on(ticks, guest, source, destination)


def assert_runs_on(ticks, guest, source, destination):
    """It ticks on at the source without a gap in its numbers; nothing is left elsewhere, nor of the attempt."""
    since = ticks.mark()
    ticks.wait(source.name, more=10)
    verdict = ticks.verdict(since)
    assert verdict.is_sound, verdict.complaint()
    wait_until(lambda: not destination.qemus() and traces(destination, guest) == [], f"nothing of it on {destination.name}", 10)
    assert source.virsh("domstate", guest.name).stdout.strip() == "running"
    wait_until(lambda: "None" in source.virsh("domjobinfo", guest.name).stdout, "the end of the job", 10)
    wait_until(lambda: not destination.listening(*PORTS), "released ports", 5)
