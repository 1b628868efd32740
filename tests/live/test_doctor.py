# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an operator sees: migrations listed and watched, whoever leads them, and what lies about that belongs to nobody."""
import json
import os
import pathlib
import signal

import pytest
from conftest import make_lab
from lab.lab import end, wait_until

SLOW = "set=4 touch=40 check=500"


@pytest.fixture(scope="module")
def lab():
    lab = make_lab(["ferryd", "ferryd"])
    if not lab.ferry.exists():
        lab.close()
        pytest.skip("ferry is not built")
    yield lab
    lab.close()


def listed(host, *words):
    """Asked over the read-only socket: whoever may look may look at this."""
    uri = host.socket_uri.replace("ferry-sock", "ferry-sock-ro")
    return json.loads(host.run([host.lab.ferry, "-r", "-c", uri, "migration", "list", "--json", *words]).stdout)


def move(one, two, *words):
    return one.popen(["virsh", "-c", one.socket_uri, "migrate", "--live", *words, "qemu", two.tcp_uri], stdout=-1, stderr=-2, text=True)


def watch(host, *words):
    return host.popen([host.lab.ferry, "-c", host.socket_uri, "migration", "watch", "qemu", *words], stdout=-1, stderr=-2, text=True)


def test_a_migration_is_watched_whose_client_has_died(lab, started):
    one, two = lab.hosts
    running = started(one, append=SLOW, memory_mib=64)
    assert listed(one) == []
    client = move(one, two, "--p2p", "--bandwidth", "8")
    wait_until(lambda: one.ferry("domjobinfo", "qemu", check=False).stdout.count("Memory processed"), "memory is moving", 20)
    (here,), (there,) = listed(one), listed(two)
    assert here["state"] == there["state"] == "active" and here["attempt"] == there["attempt"] and here["epoch"] == there["epoch"]
    assert (here["way"], here["other_host"], here["word"]) == ("to", two.name, "OFFERED")
    assert (there["way"], there["other_host"], there["word"]) == ("from", one.name, "PREPARED")
    assert "copying memory" in one.ferry("migration", "list").stdout
    watchers = [watch(one), watch(two, "--json")]
    late = watch(one, "--timeout", "1")
    assert late.wait(20) == 2 and "has not ended yet: it is on its way to" in late.stdout.read()
    end(client, signal.SIGKILL)
    one.ferry("migrate-setspeed", "qemu", "1000")
    source, destination = [(process.wait(30), process.stdout.read()) for process in watchers]
    assert source[0] == 0 and f"Domain 'qemu' left; {two.name} has it" in source[1]
    assert destination[0] == 0 and json.loads(destination[1])["word"] == "TAKEN"
    running.ticks.wait(two.name, more=10)
    assert listed(one) == [] and listed(two) == []
    assert [row["word"] for row in listed(one, "--all", "qemu")] == ["GONE"]
    assert listed(two, "--all", running.guest.uuid)[0]["sentence"] == f"came here from {one.name}"
    again = watch(one)      # afterwards it says the same
    assert again.wait(10) == 0 and "left" in again.stdout.read()


def test_one_that_fails_says_why(lab, started):
    one, two = lab.hosts
    started(one, append=SLOW, memory_mib=64)
    client = move(one, two, "--p2p", "--bandwidth", "4")
    wait_until(lambda: one.ferry("domjobinfo", "qemu", check=False).stdout.count("Memory processed"), "memory is moving", 20)
    watcher = watch(one)
    one.ferry("domjobabort", "qemu")
    assert client.wait(20) == 1
    output = watcher.stdout.read()
    assert watcher.wait(20) == 1 and f"domain 'qemu' stayed here; it did not go to {two.name}: " in output, output
    row = listed(one, "--all", "qemu")[0]
    assert row["word"] == "KEPT" and row["cause"]


def test_nothing_to_watch(lab):
    done = lab.hosts[0].ferry("migration", "watch", "nosuch", check=False)
    assert done.returncode == 1
    assert "no migration of 'nosuch' is known on this host" in done.stderr


def asking(host):
    """Emulators that are being asked what they can do."""
    return [pid for pid, argv in host.qemus() if any(word.startswith("none,") for word in argv)]


def test_an_emulator_that_is_asked_dies_with_the_daemon(lab):
    one = lab.hosts[0]
    one.stop_daemon()
    for kept in (one.folder / "var/lib/ferry/emulators").iterdir():
        kept.unlink()
    one.spawn_daemon("ferryd")
    wait_until(lambda: asking(one), "an emulator is asked", 20, every_s=0.001)
    pid, = asking(one)
    os.kill(pid, signal.SIGSTOP)        # so that it cannot end by itself
    one.kill_daemon()
    wait_until(lambda: not pathlib.Path(f"/proc/{pid}/fd/0").exists(), "it has gone without a new daemon", 10)
    one.restart_ferryd()
