# SPDX-License-Identifier: LGPL-2.1-or-later
"""Over ssh, as far as it can be tried without an ssh server: the client's program is played by a wire to the other host,
where stock's helper finds the daemon's socket.  What is ours is real: argv, the carried frames, the address."""
import shutil

import pytest
from conftest import make_lab
from lab.lab import end, wait_until
from lab.moves import assert_moved, move

SSH = """#!/bin/sh
echo "$@" >> {log}
exec socat - TCP:{address}:2222
"""
REMOTE = """#!/bin/sh
export SSH_CONNECTION="$SOCAT_PEERADDR $SOCAT_PEERPORT $SOCAT_SOCKADDR $SOCAT_SOCKPORT"
exec virt-ssh-helper qemu:///system
"""
MODES = {"direct": ["--live"], "p2p": ["--live", "--p2p"], "tunnelled": ["--live", "--p2p", "--tunnelled"]}


@pytest.fixture(scope="module")
def lab():
    for program in ("socat", "virt-ssh-helper"):
        if not shutil.which(program):
            pytest.skip(f"'{program}' is not installed")
    lab = make_lab(["ferryd", "ferryd"])
    two = lab.hosts[1]
    try:
        two.stop_daemon()
        two.start_ferryd(config={"compat_socket": "yes", "listen_tcp": "no", "auth_tcp": None})
        for name, text in (("ssh", SSH.format(log=lab.shared / "argv", address=two.address)), ("remote", REMOTE)):
            (lab.shared / name).write_text(text)
            (lab.shared / name).chmod(0o755)
        server = two.popen(["socat", "TCP-LISTEN:2222,fork,reuseaddr", f"EXEC:{lab.shared}/remote"])
        wait_until(lambda: two.listens(2222), "the wire")
        yield lab
        end(server)
    finally:
        lab.close()


@pytest.mark.parametrize("client", ["virsh", "ferry"])
@pytest.mark.parametrize("mode", MODES)
def test_a_move_over_ssh(lab, started, client, mode):
    """No name and no address of the destination is known to anybody but through this wire."""
    one, two = lab.hosts
    running = started(one, append="set=8 dirty=1000")
    there = f"qemu+ssh://me@far.example/system?command={lab.shared}/ssh"
    argv = [lab.ferry if client == "ferry" else client, "-c", one.socket_uri, "migrate", *MODES[mode], "qemu", there]
    with two.watch_connections() as seen:
        result = move(running.ticks, one, argv, two)
    assert_moved(result, running.ticks, running.guest, one, two)
    carried = {to for _, _, address, to in seen if address == two.address}
    assert 2222 in carried and 16509 not in carried
    assert any(49152 <= port <= 49215 for port in carried) == (mode != "tunnelled"), seen
    assert "-l me -T -e none -- far.example sh -c" in (lab.shared / "argv").read_text()
