# SPDX-License-Identifier: LGPL-2.1-or-later
"""The lab itself: what it promises about hosts, names, harm and cleaning up."""
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from lab.lab import Lab, Unavailable, children, end, require, wait_until

try:
    require("nft")
    with Lab(hosts=1):
        pass
except Unavailable as problem:
    pytest.skip(f"no lab here: {problem}", allow_module_level=True)


@pytest.fixture(scope="module")
def lab():
    with Lab(hosts=2, client=True) as lab:
        yield lab


def test_hosts_have_names_and_addresses_of_their_own(lab):
    one, two = lab.hosts
    assert one.run(["hostname"]).stdout.strip() == "fedora1"
    assert two.run(["cat", "/etc/hostname"]).stdout.strip() == "fedora2"
    assert f"{two.address}/24" in two.run(["ip", "addr"]).stdout
    assert one.uuid != two.uuid
    assert lab.client.run(["ls", "/var/lib"]).stdout == ""


def test_hosts_reach_each_other_at_once(lab):
    one, two = lab.hosts
    server = two.popen(["/usr/bin/python3", "-c", "import socket; s = socket.create_server(('0.0.0.0', 5000)); c, a = s.accept(); c.sendall(a[0].encode())"])
    wait_until(lambda: two.listens(5000), "the server")
    code = f"import socket; print(socket.create_connection(('{two.address}', 5000), 5).recv(99).decode())"
    with two.watch_connections() as seen:
        assert one.run(["/usr/bin/python3", "-c", code]).stdout.strip() == one.address
    server.wait(10)
    assert [(a, c, d) for a, _, c, d in seen] == [(one.address, two.address, 5000)]


def resolves(host, name):
    done = host.run(["getent", "ahosts", name], check=False)
    return sorted({line.split()[0] for line in done.stdout.splitlines()})


def test_names_are_what_the_test_says(lab):
    one = lab.hosts[0]
    began = time.monotonic()
    assert resolves(one, "fedora2") == []
    assert time.monotonic() - began < 2
    one.set_hosts({"127.0.1.1": "fedora2"})
    assert resolves(one, "fedora2") == ["127.0.1.1"]
    one.set_hosts({})
    resolver = one.start_resolver({"fedora2": ["192.168.122.12", "fd00:122::12"]})
    assert resolves(one, "fedora2") == ["192.168.122.12", "fd00:122::12"]
    assert resolves(one, "fedora3") == []
    end(resolver)
    assert resolves(one, "fedora2") == []


def test_a_link_goes_down_and_ports_can_be_dropped(lab):
    one, two = lab.hosts
    ping = ["/usr/bin/python3", "-c", f"import socket; socket.create_connection(('{two.address}', 5001), 0.5)"]
    server = two.popen(["/usr/bin/python3", "-c", "import socket, time; s = socket.create_server(('0.0.0.0', 5001)); time.sleep(60)"])
    wait_until(lambda: two.listens(5001), "the server")
    one.run(ping)
    two.drop("tcp dport 5001")
    assert "timed out" in one.run(ping, check=False).stderr
    two.undrop()
    one.run(ping)
    one.link("down")
    assert one.run(ping, check=False).returncode
    one.link("up")
    one.run(ping)
    end(server)


def test_power_off_ends_all_that_runs_there(lab):
    two = lab.hosts[1]
    two.popen(["setsid", "sh", "-c", "sleep 1000 & sleep 1001"])
    wait_until(lambda: len(two.processes("sleep")) == 2, "the sleepers")
    pids = [pid for pid, _ in two.processes("sleep")]
    (two.folder / "var/lib/kept").write_text("disk")
    two.power_off()
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)
    two.power_on()
    assert two.run(["cat", "/var/lib/kept"]).stdout == "disk"
    assert lab.hosts[0].run(["/usr/bin/python3", "-c", f"import socket\ntry: socket.create_connection(('{two.address}', 9), 5)\nexcept ConnectionRefusedError: print('there')"]).stdout.strip() == "there"


def test_a_daemon_is_told_from_others_of_its_name(lab):
    """Whoever was there first, and in whatever order their process ids come."""
    one = lab.hosts[0]
    stranger = one.popen(["sleep", "1000"])
    wait_until(lambda: one.processes("sleep"), "the stranger")
    one._commands["sleep"] = ["sleep", "1000"], None
    one.spawn_daemon("sleep")
    wait_until(lambda: len(one.processes("sleep")) == 2, "the daemon")
    assert one.daemon_pid("sleep") in {pid for pid, _ in one.processes("sleep")} - set(children(stranger))
    one.stop_daemon("sleep")
    assert one.daemon_pid("sleep") == 0
    assert [pid for pid, _ in one.processes("sleep")] == children(stranger)
    end(stranger)


@pytest.mark.parametrize("how", [lambda pid: os.kill(pid, signal.SIGKILL), lambda pid: os.killpg(pid, signal.SIGKILL),
                                 lambda pid: os.killpg(pid, signal.SIGTERM)], ids=["kill", "kill-group", "terminate-group"])
def test_a_killed_test_leaves_nothing(tmp_path, how):
    script = tmp_path / "killed.py"
    script.write_text("import sys\n"
                      f"sys.path.insert(0, {str(pathlib.Path(__file__).parent.parent)!r})\n"
                      "from lab.lab import Lab\n"
                      "lab = Lab(hosts=2).__enter__()\n"
                      "lab.hosts[0].popen(['sleep', '4321'])\n"
                      "print(lab.folder, lab.hosts[0].pid, flush=True)\n"
                      "import time; time.sleep(100)\n")
    process = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True, start_new_session=True)
    folder, pid = process.stdout.readline().split()
    assert os.path.exists(folder) and os.path.exists(f"/proc/{pid}")
    how(process.pid)
    process.wait()
    process.stdout.close()
    wait_until(lambda: not os.path.exists(f"/proc/{pid}") and not os.path.exists(folder), "the end of the lab", 10)
    assert folder not in pathlib.Path("/proc/mounts").read_text()


def test_labs_live_side_by_side(lab):
    with Lab(hosts=1) as other:
        assert other.hosts[0].address == lab.hosts[0].address
        assert other.folder != lab.folder
        folder = other.folder
    assert not folder.exists()
