# SPDX-License-Identifier: LGPL-2.1-or-later
"""A QEMU that does not answer when its daemon is started again: not dead, and nobody else's matter."""
import os
import signal
import time

import pytest
from conftest import lab_of
from lab.lab import wait_until

SILENT = "has not answered its monitor since the daemon was started"


lab = lab_of(["ferryd"])


def pid_of(host, name):
    return next(pid for pid, words in host.qemus() if any(word.startswith(f"guest={name},") for word in words))


def refused(host, *words):
    done = host.virsh(*words, check=False)
    return done.returncode != 0 and SILENT in done.stderr


@pytest.fixture
def silent(lab, started):
    """(host, a guest whose QEMU sleeps and whose daemon was restarted, another guest)"""
    host, = lab.hosts
    sleeper, other = started(host, name="sleeper"), started(host, name="other")
    host.virsh("define", sleeper.guest.path())
    pid = pid_of(host, "sleeper")
    os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        host.restart_ferryd()
        assert host.virsh("domstate", "sleeper").stdout.strip() == "running"
        assert time.monotonic() - began < 15   # not the half minute that one QEMU may be waited for
        yield host, sleeper, other, pid
    finally:
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass


def test_a_silent_guest_is_kept_and_found_when_it_answers(silent):
    host, sleeper, other, pid = silent
    assert {"sleeper", "other"} <= set(host.virsh("list", "--name").stdout.split())
    for verb in ("suspend", "reset", "shutdown"):
        assert refused(host, verb, "sleeper"), verb
    assert refused(host, "qemu-monitor-command", "sleeper", "--hmp", "info status")
    assert SILENT in host.virsh("dominfo", "sleeper").stdout
    host.virsh("suspend", "other"), host.virsh("resume", "other")
    other.ticks.wait(host.name, more=5)

    for _ in range(3):      # each daemon leaves a connection in QEMU's queue, which has little room
        host.restart_ferryd()
        assert refused(host, "suspend", "sleeper")
    os.kill(pid, signal.SIGCONT)
    wait_until(lambda: not refused(host, "suspend", "sleeper"), "an answer of QEMU", 20)
    assert host.virsh("domstate", "--reason", "sleeper").stdout.strip() == "paused (user)"
    host.virsh("resume", "sleeper")
    sleeper.ticks.wait(host.name, more=5)
    assert SILENT not in host.virsh("dominfo", "sleeper").stdout
    assert pid_of(host, "sleeper") == pid


def test_a_silent_guest_that_dies_is_noticed(silent):
    host, sleeper, _, pid = silent
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: host.virsh("domstate", "--reason", "sleeper").stdout.strip() == "shut off (crashed)", "the end", 10)
    host.virsh("start", "sleeper")


def test_a_silent_guest_can_be_destroyed(silent):
    host, _, _, pid = silent
    host.virsh("destroy", "sleeper")
    assert host.virsh("domstate", "--reason", "sleeper").stdout.strip() == "shut off (destroyed)"
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "its end", 5)     # whoever is its parent reaps it
    host.virsh("start", "sleeper")
    assert host.virsh("domstate", "sleeper").stdout.strip() == "running"
