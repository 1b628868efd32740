# SPDX-License-Identifier: LGPL-2.1-or-later
"""A start that asks the other host to give the guest back, and a daemon that is killed, or an answer that is lost, at each step."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest
from lab.lab import Lab, wait_until
from lab.moves import Guest

BUILD = pathlib.Path(__file__).resolve().parents[2] / "build-faults"


@pytest.fixture(scope="module")
def lab():
    if os.geteuid() != 0:
        pytest.skip("the lab makes namespaces and needs root")
    missing = [name for name in ("qemu-system-x86_64", "virsh", "meson", "ninja") if not shutil.which(name)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    subprocess.run([pathlib.Path(__file__).with_name("run.py"), "--build", BUILD, "--make-only"], check=True, stdin=subprocess.DEVNULL)
    with Lab(hosts=2, build=BUILD) as lab:
        for host in lab.hosts:
            other = lab.hosts[host is lab.hosts[0]]
            host.start_ferryd({"peer_uri": f"{other.name} {other.tcp_uri}"})
        yield lab


@pytest.fixture
def pair(lab):
    """Given by the first host to the second, shut off."""
    one, two = lab.hosts
    guest = Guest(lab, name="still", append="")
    one.virsh("define", guest.path())
    one.virsh("migrate", "--offline", "--persistent", "still", two.tcp_uri)
    lab.uuid = guest.uuid
    yield one, two
    for host in lab.hosts:
        for word in ("destroy", "undefine"):
            host.virsh(word, "still", check=False)


def arm(host, point, word):
    path = host.folder / "run/ferry/faults" / point
    hit = path.with_name(f"{path.name}.hit")
    path.parent.mkdir(parents=True, exist_ok=True)
    hit.unlink(missing_ok=True)
    path.write_text(word)
    return hit


def starts(host):
    return host.virsh("start", "still", check=False).returncode == 0


def revived(host):
    """Its daemon, once it has obeyed the order to end."""
    wait_until(lambda: not host.daemon_pid("ferryd"), "the end of the daemon")
    host.stop_daemon()
    host.start_ferryd(host._last_start[0])


def settles(one, two):
    """Whoever is asked now, one of them starts it, and the other one refuses."""
    assert not starts(two) or not starts(one)
    running = [host for host in (one, two) if "running" in host.virsh("domstate", "still").stdout]
    assert len(running) == 1
    told = (two if running[0] is one else one).virsh("start", "still", check=False).stderr
    assert f"given to {running[0].name}" in told and "runs, or is paused" in told, told


@pytest.mark.parametrize("then", ["again", "there"])
@pytest.mark.parametrize("point,word", [("reclaim/ask", "kill"), ("reclaim/ask", "kill-after"), ("reclaim/record", "kill-after"), ("give-back/record", "kill"),
                                        ("give-back/record", "kill-after")])
def test_a_daemon_is_killed(pair, point, word, then):
    one, two = pair
    victim = one if point.startswith("reclaim") else two
    arm(victim, point, word)
    assert not starts(one)
    revived(victim)
    if then == "again":
        assert starts(one)
    settles(one, two)


@pytest.mark.parametrize("then", ["again", "there"])
def test_the_answer_is_lost(pair, then):
    """It is given back, durably, and who has asked does not know: it is said again, or asked for from there."""
    one, two = pair
    arm(two, "give-back/record", "fail-after")
    told = one.virsh("start", "still", check=False)
    assert told.returncode == 1 and "injected fault at give-back/record" in told.stderr and "resolve still --here" in told.stderr
    first, second = (one, two) if then == "again" else (two, one)
    assert starts(first)
    if then == "again":     # the very one
        ids = [set(re.findall(r"[0-9a-f]{32}", "\n".join(path.name for path in (host.folder / "var/lib/ferry/migrations").iterdir()))) for host in pair]
        assert len(ids[0] & ids[1]) >= 2
    first.virsh("destroy", "still")
    assert starts(second)
    settles(one, two)


@pytest.mark.parametrize("number", [0, 1], ids=["asks", "gives"])
def test_a_daemon_is_killed_before_anything_points_to_what_it_has_written(lab, pair, number):
    """The files of the new attempt are there, and the guest's own note still names the old one."""
    one, two = pair
    victim = pair[number]
    note = victim.folder / f"var/lib/ferry/domains/{lab.uuid}.attempt"
    before = note.read_bytes()
    arm(victim, "give-back/record" if number else "reclaim/record", "kill-after")
    assert not starts(one)
    wait_until(lambda: not victim.daemon_pid("ferryd"), "the end of the daemon")
    assert note.read_bytes() != before
    note.write_bytes(before)
    revived(victim)
    assert starts(one)
    settles(one, two)


@pytest.mark.parametrize("early", [0, 1], ids=["the-first", "the-second"])
def test_both_ask_at_once(pair, early):
    """Neither has it.  One is about to ask while the other does: one of them has to give way, and nobody waits for a time-out."""
    one, two = pair
    arm(two, "give-back/record", "fail-after")
    assert not starts(one)
    hit = arm(pair[early], "reclaim/ask", "stall")
    starting = [host.popen(["virsh", "-c", host.socket_uri, "start", "still"], stdout=-1, stderr=-2, text=True) for host in (pair[early],)]
    wait_until(hit.exists, "the one to ask")
    seen = len(pair[early].log())
    starting += [host.popen(["virsh", "-c", host.socket_uri, "start", "still"], stdout=-1, stderr=-2, text=True) for host in (pair[1 - early],)]
    wait_until(lambda: starting[1].poll() is not None or "migration_tell" in pair[early].log()[seen:], "the other to ask")
    hit.unlink()
    outputs = [process.communicate(timeout=20)[0] for process in starting]
    assert sorted(process.returncode for process in starting) == [0, 1], outputs
    settles(one, two)
