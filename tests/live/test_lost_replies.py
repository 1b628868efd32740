# SPDX-License-Identifier: LGPL-2.1-or-later
"""`ferry` leads, and its connection to the destination breaks around Finish: a proxy between the two cuts it either before
the call reaches the daemon or before the reply comes back.  The guest must not run twice, and nobody may guess."""
import itertools
import selectors
import socket
import struct
import subprocess
import threading
import time

import pytest
from conftest import make_lab
from lab.lab import wait_until

FINISH3_PARAMS = 306
CALL, REPLY = 0, 1
counter = itertools.count()


class Proxy:
    """A unix socket before another; cuts one connection at the first Finish that it sees, once."""

    def __init__(self, path, target, cut):
        self.path, self.target, self.cut, self.has_cut = path, target, cut, False
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.carry, args=(client,), daemon=True).start()

    def carry(self, client):
        server = socket.socket(socket.AF_UNIX)
        server.connect(self.target)
        selector = selectors.DefaultSelector()
        pending = {client: b"", server: b""}
        for one in pending:
            selector.register(one, selectors.EVENT_READ)
        with client, server:
            while True:
                for key, _ in selector.select():
                    source = key.fileobj
                    data = source.recv(65536)
                    if not data:
                        return
                    pending[source] += data
                    pending[source], frames = self.split(pending[source])
                    for frame in frames:
                        if self.is_to_be_cut(frame, source is client):
                            self.has_cut = True
                            return
                        (server if source is client else client).sendall(frame)

    @staticmethod
    def split(data):
        frames = []
        while len(data) >= 4 and len(data) >= struct.unpack(">I", data[:4])[0]:
            length = struct.unpack(">I", data[:4])[0]
            frames.append(data[:length])
            data = data[length:]
        return data, frames

    def is_to_be_cut(self, frame, is_from_client):
        procedure, kind = struct.unpack(">iI", frame[12:20])
        wanted = CALL if self.cut == "call" else REPLY
        return not self.has_cut and procedure == FINISH3_PARAMS and kind == wanted and is_from_client == (wanted == CALL)

    def close(self):
        self.listener.close()


@pytest.fixture(scope="module", params=[("libvirtd", "libvirtd"), ("ferryd", "ferryd"), ("ferryd", "libvirtd"),
                                        ("libvirtd", "ferryd")], ids="-".join)
def lab(request):
    lab = make_lab(request.param)
    lab.kinds = request.param
    yield lab
    lab.close()


@pytest.fixture
def migrate(lab):
    proxies = []

    def run(guest, source, destination, cut):
        target = destination.socket_uri.partition("socket=")[2]
        proxy = Proxy(str(lab.shared / f"proxy-{next(counter)}.sock"), target, cut)
        proxies.append(proxy)
        done = source.ferry("migrate", guest.name, f"qemu+unix:///system?socket={proxy.path}",
                            f"tcp://{destination.address}", "--live", check=False, timeout_s=90)
        assert proxy.has_cut, f"nothing was cut: {done.stdout}{done.stderr}"
        return done

    yield run
    for proxy in proxies:
        proxy.close()


def runs(host, guest):
    return "running" in host.virsh("domstate", guest.name, check=False).stdout


def test_a_lost_reply_of_finish(lab, started, migrate):
    """It runs there, and somebody has looked: the source lets go."""
    source, destination = lab.hosts
    running = started(source)
    done = migrate(running.guest, source, destination, "reply")
    assert done.returncode == 0, done.stderr
    assert runs(destination, running.guest)
    assert not runs(source, running.guest)
    running.ticks.wait(destination.name, more=10)


def test_a_finish_that_never_arrives(lab, started, migrate):
    """The destination ends its guest with the connection, and a source that is a stock host is told to go on.  Between two
    of ours nothing hangs on that call: the guest is there."""
    source, destination = lab.hosts
    running = started(source)
    done = migrate(running.guest, source, destination, "call")
    if lab.kinds == ("ferryd", "ferryd"):
        assert done.returncode == 0, done.stderr
        running.ticks.wait(destination.name, more=10)
        assert runs(destination, running.guest) and not runs(source, running.guest)
        return
    assert done.returncode == 1, done.stdout
    assert not runs(destination, running.guest)
    assert runs(source, running.guest)
    running.ticks.wait(source.name, more=10)


def test_a_destination_whose_daemon_dies(lab, started):
    """A stock client copies on to the bitter end; ours notices that nobody will take the guest, and stops.  Between two ferryds it goes on
    for a while, for the daemon may only be restarted."""
    source, destination = lab.hosts
    running = started(source, memory_mib=256, append="set=128 dirty=60")
    ferry = source.popen([lab.ferry, "-c", source.socket_uri, "migrate", running.guest.name, destination.tcp_uri,
                          f"tcp://{destination.address}", "--live", "--bandwidth", "4"], stderr=subprocess.PIPE, text=True)
    wait_until(lambda: "Memory processed" in source.virsh("domjobinfo", running.guest.name, check=False).stdout, "memory is moving", 30)
    destination.kill_daemon(lab.kinds[1])
    began = time.monotonic()
    complaint = ferry.communicate(timeout=60)[1]
    took = time.monotonic() - began
    destination.start_daemon(lab.kinds[1])
    assert ferry.returncode == 1 and "has ended" in complaint
    assert took < (28 if lab.kinds == ("ferryd", "ferryd") else 8), complaint
    assert runs(source, running.guest)
    running.ticks.wait(source.name, more=10)
