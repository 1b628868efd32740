# SPDX-License-Identifier: LGPL-2.1-or-later
"""A stock libvirtd in the place of ferryd, so that a test can be tried on what it imitates."""
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from daemon import VIRSH, Daemon


class StockDaemon(Daemon):
    """One daemon serves all tests; each cleans its guests away."""

    def __init__(self, host):
        self.host = host
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="ferry-", dir="/tmp"))
        self.root.chmod(0o755)
        self.socket = host.folder / "run/libvirt/libvirt-sock"
        self.socket_ro = host.folder / "run/libvirt/libvirt-sock-ro"
        self.uri = f"qemu+unix:///system?socket={self.socket}"
        self.uri_ro = f"qemu+unix:///system?socket={self.socket_ro}"

    def log(self):
        return self.host.log("libvirtd")

    def clean(self):
        names = subprocess.run([VIRSH, "-c", self.uri, "list", "--all", "--name"], capture_output=True, text=True).stdout.split()
        for name in names:
            for word in ("destroy", "undefine"):
                subprocess.run([VIRSH, "-c", self.uri, word, name], capture_output=True)
        for pid in self.qemus():
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.root, ignore_errors=True)
