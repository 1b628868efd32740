# SPDX-License-Identifier: LGPL-2.1-or-later
"""One ferryd below a folder of its own, and the true clients that talk to it."""
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

import pytest
from lab import guest

VIRSH = "/usr/bin/virsh"


def wait_until(condition, what, timeout_s=20):
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError(f"not within {timeout_s} s: {what}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def problem_of(call, *args):
    """What a call of python3-libvirt is refused with."""
    with pytest.raises(pytest.importorskip("libvirt").libvirtError) as caught:
        call(*args)
    return caught.value


class Daemon:
    """A short path, as the sockets' names have to fit into 108 bytes."""

    def __init__(self, arguments=()):
        if os.geteuid() != 0:
            pytest.skip("the system daemon needs root")
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="ferry-", dir="/tmp"))
        self.root.chmod(0o755)
        self.socket = self.root / "run/ferry/ferry-sock"
        self.socket_ro = self.root / "run/ferry/ferry-sock-ro"
        self.uri = f"qemu+unix:///system?socket={self.socket}"
        self.uri_ro = f"qemu+unix:///system?socket={self.socket_ro}"
        self.program = guest.build_folder() / "src/ferryd/ferryd"
        self.arguments = ["-o", "user=nobody", "-o", "group=nogroup", *arguments]    # there on every Debian
        self.process = None
        self.start()

    def start(self, extra=()):
        log = open(self.root / "ferryd.log", "ab")
        self.process = subprocess.Popen([self.program, "--root", self.root, "--debug", *self.arguments, *extra],
                                        stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()

        def answers():
            """A PONG shows that it serves; a socket that only listens may be the first of several."""
            assert self.process.poll() is None, self.log()[-4000:]
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(str(self.socket)) != 0:
                    return False
                probe.settimeout(10)
                probe.sendall(struct.pack(">7I", 28, 0x6B656570, 1, 1, 2, 0, 0))
                return len(probe.recv(28)) == 28

        wait_until(answers, "ferryd listens", 30)

    def log(self):
        return (self.root / "ferryd.log").read_text(errors="replace")

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(20)

    def virsh(self, *words, uri=None, expect=0, timeout_s=60):
        answer = subprocess.run([VIRSH, "-c", uri or self.uri, *map(str, words)], capture_output=True, text=True,
                                stdin=subprocess.DEVNULL, timeout=timeout_s)
        assert expect is None or answer.returncode == expect, f"virsh {words}: {answer.stdout}{answer.stderr}\n{self.log()[-3000:]}"
        return (answer.stdout if answer.returncode == 0 else answer.stderr).strip()

    def qemus(self):
        """Process ids of QEMUs that belong to guests of this daemon."""
        found = []
        for folder in pathlib.Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                line = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if b"qemu-system" in line.split(b"\0")[0] and b"guest=t-" + self.root.name.encode() in line:
                found.append(int(folder.name))
        return found

    def xml(self, name="vm", append="tick=20", memory_mib=64, uuid=None, serial=None, more=""):
        """A guest that ticks on its serial port; its name shows whose it is."""
        source = serial or f"<serial type='file'><source path='{self.root}/{name}.serial'/></serial>"
        return f"""<domain type='qemu'>
  <name>t-{self.root.name}-{name}</name>
  {f"<uuid>{uuid}</uuid>" if uuid else ""}
  <memory unit='MiB'>{memory_mib}</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type><kernel>{self.kernel()}</kernel><cmdline>{append} name={name}</cmdline></os>
  <features><acpi/></features>
  <devices>{source}{more}</devices>
</domain>"""

    def kernel(self):
        """A copy, because QEMU's user gets it as its own and gives it back."""
        path = self.root / "kernel"
        if not path.exists():
            shutil.copy(guest.image(), path)
            path.chmod(0o644)
        return path

    def name(self, name="vm"):
        return f"t-{self.root.name}-{name}"

    def write(self, xml, name="vm.xml"):
        path = self.root / name
        path.write_text(xml)
        return path

    def clean(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()        # not kill: it may be asking an emulator, which would be left
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pid in self.qemus():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        shutil.rmtree(self.root, ignore_errors=True)
