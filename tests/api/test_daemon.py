# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon itself: its options, sockets and signals."""
import os
import signal
import socket
import subprocess

import pytest
from daemon import VIRSH, Daemon, free_port, wait_until
from lab import guest


def ferryd(*words):
    return subprocess.run([guest.build_folder() / "src/ferryd/ferryd", *map(str, words)], capture_output=True, text=True, timeout=30)


def test_the_printed_configuration_can_be_read(daemon):
    text = ferryd("--print-config").stdout
    path = daemon.root / "printed.conf"
    path.write_text("\n".join(line[1:] if line[:1] == "#" and line[1:2].islower() else line for line in text.splitlines()) + "\n")
    daemon.stop()
    daemon.start(["--config", path])
    assert daemon.virsh("uri").startswith("qemu+unix")


@pytest.mark.parametrize("row,words", [
    ("listen_tpc = 1", "unknown key 'listen_tpc'"), ("tcp_port = high", "'tcp_port' is a number"),
    ("listen_tcp = yes", "auth_tcp"), ("auth_tcp = \"sasl\"", "'auth_tcp' cannot be 'sasl'"), ("user = \"no-such-user\"", "no-such-user")])
def test_a_bad_row_is_refused_by_name(tmp_path, row, words):
    if row.startswith("user") and os.geteuid() != 0:
        pytest.skip("a daemon of its own user looks up no other")
    config = tmp_path / "ferryd.conf"
    config.write_text(f"# one\n{row}\n")
    answer = ferryd("--root", tmp_path / "root", "--config", config)
    assert answer.returncode == 1 and words in answer.stderr
    assert "ferryd.conf:2:" in answer.stderr or "unknown" not in answer.stderr


def test_one_daemon_per_state_folder(daemon):
    answer = ferryd("--root", daemon.root, "-o", "user=nobody", "-o", "group=nogroup")
    assert answer.returncode == 1 and "another ferryd uses" in answer.stderr
    assert daemon.virsh("list")


def test_tcp_has_to_be_asked_for_and_is_warned_about():
    port = free_port()
    daemon = Daemon(["-o", f"tcp_port={port}", "-o", "tcp_address=127.0.0.1", "-o", "auth_tcp=none", "--listen"])
    try:
        assert "may do everything" in daemon.log()
        assert daemon.virsh("uri", uri=f"qemu+tcp://127.0.0.1:{port}/system") == f"qemu+tcp://127.0.0.1:{port}/system"
        daemon.virsh("define", daemon.write(daemon.xml()), uri=f"qemu+tcp://127.0.0.1:{port}/system")
        assert daemon.name() in daemon.virsh("list", "--all")
    finally:
        daemon.clean()


def test_sockets_of_the_service_manager(daemon):
    """As systemd does it: a listening socket as descriptor 3, LISTEN_PID and LISTEN_FDS."""
    daemon.stop()
    path = daemon.root / "activated"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(10)
        told = daemon.root / "notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(told))
            notify.settimeout(30)
            process = subprocess.Popen(
                ["/bin/sh", "-c", "exec 3<&0 0</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" \"$@\"", daemon.program,
                 "--root", daemon.root, *daemon.arguments],
                stdin=listener.fileno(), stderr=subprocess.DEVNULL, env=dict(os.environ, NOTIFY_SOCKET=str(told)))
            daemon.process = process
            assert notify.recv(100) == b"READY=1"
            assert daemon.virsh("list", uri=f"qemu+unix:///system?socket={path}")
            process.send_signal(signal.SIGTERM)
            assert notify.recv(100) == b"STOPPING=1"
            assert process.wait(10) == 0


def test_hangup_reads_the_log_level_again(daemon):
    daemon.stop()
    config = daemon.root / "etc/ferry/ferryd.conf"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text("log_level = \"error\"\n")
    log = open(daemon.root / "ferryd.log", "wb")
    daemon.process = subprocess.Popen([daemon.program, "--root", daemon.root, *daemon.arguments], stderr=log)
    wait_until(lambda: daemon.socket.exists(), "ferryd listens")
    assert daemon.log() == ""
    config.write_text("log_level = \"debug\"\n")
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: daemon.virsh("list") is not None and "connect_list_all_domains" in daemon.log(), "it logs all")
    config.write_text("log_level = \"loud\"\n")
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "was not read again" in daemon.log(), "it complains")
    assert daemon.virsh("list")


def test_stock_clients_find_the_compat_socket(daemon):
    for name in ("libvirt-sock", "libvirt-sock-ro"):
        assert (daemon.root / "run/libvirt" / name).is_socket()
    assert (daemon.root / "run/libvirt/libvirt-sock").stat().st_mode & 0o777 == 0o700
    assert (daemon.root / "run/libvirt/libvirt-sock-ro").stat().st_mode & 0o777 == 0o777
    daemon.stop()
    assert not (daemon.root / "run/libvirt/libvirt-sock").exists() and not daemon.socket.exists()


def test_a_socket_on_which_somebody_listens_is_left_alone():
    other = Daemon()
    try:
        other.stop()
        (other.root / "run/libvirt").mkdir(parents=True, exist_ok=True)
        path = other.root / "run/libvirt/libvirt-sock"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen(1)
            inode = path.stat().st_ino
            other.start()
            assert path.stat().st_ino == inode
            assert "libvirt-sock" in other.log()
            answer = subprocess.run([VIRSH, "-c", other.uri, "list"], capture_output=True, timeout=20)
            assert answer.returncode == 0
    finally:
        other.clean()
