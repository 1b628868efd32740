# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon under a service manager, whose part is played here: sockets handed over, readiness told."""
import os
import pathlib
import signal
import socket
import subprocess

import pytest
from lab.guest import build_folder

FERRYD = build_folder() / "src/ferryd/ferryd"
pytestmark = [pytest.mark.skipif(not FERRYD.exists(), reason="ferryd is not built"),
              pytest.mark.skipif(os.geteuid() != 0, reason="the system daemon needs root")]


class Service:
    """What systemd does for Type=notify with sockets: descriptors from 3 on, LISTEN_* and NOTIFY_SOCKET."""

    def __init__(self, folder, listeners, *options):
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(folder / "notify"))
        self.notify.settimeout(20)
        inherited = [os.dup(listener.fileno()) for listener in listeners]

        def hand_over():
            spare = [os.dup2(fd, 100 + number) for number, fd in enumerate(inherited)]
            for number, fd in enumerate(spare):
                os.dup2(fd, 3 + number, inheritable=True)
                os.close(fd)

        environment = {"PATH": os.environ["PATH"], "LISTEN_FDS": str(len(inherited)), "NOTIFY_SOCKET": str(folder / "notify")}
        script = 'LISTEN_PID=$$; export LISTEN_PID; exec "$@"'
        self.process = subprocess.Popen(["/bin/sh", "-c", script, "sh", str(FERRYD), "--root", str(folder / "root"), "-o", "user=root", *options],
                                        preexec_fn=hand_over, close_fds=False, env=environment, stderr=open(folder / "log", "wb"))
        for fd in inherited:
            os.close(fd)

    def told(self):
        return self.notify.recv(4096).decode()

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        status = self.process.wait(20)
        self.notify.close()
        return status


def listening(path):
    listener = socket.socket(socket.AF_UNIX)
    path.parent.mkdir(parents=True, exist_ok=True)
    listener.bind(str(path))
    listener.listen()
    return listener


def virsh(path, *words):
    return subprocess.run(["virsh", "-c", f"qemu+unix:///system?socket={path}", *words], capture_output=True, text=True, timeout=30)


def test_is_ready_on_sockets_that_were_handed_over(tmp_path):
    path, readonly = tmp_path / "root/run/ferry/ferry-sock", tmp_path / "root/run/ferry/ferry-sock-ro"
    with listening(path) as one, listening(readonly) as two:
        service = Service(tmp_path, [one, two])
        try:
            assert "READY=1" in service.told()
            assert virsh(path, "list", "--all").returncode == 0
            refused = virsh(readonly, "define", "/dev/null")
            assert refused.returncode == 1
            assert virsh(readonly, "list").returncode == 0
        finally:
            status = service.end()
        assert status == 0, (tmp_path / "log").read_text()
        assert path.exists(), "a socket of the service manager is not ours to remove"


def test_a_tcp_socket_needs_the_word_none(tmp_path):
    with listening(tmp_path / "root/run/ferry/ferry-sock") as one, socket.create_server(("127.0.0.1", 0)) as tcp:
        service = Service(tmp_path, [one, tcp])
        assert service.process.wait(20) != 0
        assert "auth_tcp" in (tmp_path / "log").read_text()
        service.notify.close()


def test_ends_and_reloads_on_signals(tmp_path):
    with listening(tmp_path / "root/run/ferry/ferry-sock") as one:
        service = Service(tmp_path, [one])
        assert "READY=1" in service.told()
        service.process.send_signal(signal.SIGHUP)
        assert virsh(pathlib.Path(one.getsockname()), "list").returncode == 0
        assert service.end() == 0
