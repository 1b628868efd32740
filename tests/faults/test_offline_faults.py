# SPDX-License-Identifier: LGPL-2.1-or-later
"""A definition moves alone, and a daemon is killed, or its word cannot be written, at a row of the offline tables."""
import pytest
from faults.test_reclaim_faults import arm, lab, revived
from lab.lab import wait_until
from lab.moves import Guest

__all__ = ["lab"]       # a fixture
NAME = "alone"
KILLS = [(point, word) for point in ("source/offline.S-gone", "destination/offline.D-take", "destination/offline.D-define") for word in ("kill", "kill-after")]


@pytest.fixture
def off(lab):
    """Defined on the first host."""
    one, two = lab.hosts
    one.virsh("define", Guest(lab, name=NAME, append="").path())
    yield one, two
    for host in lab.hosts:
        host.virsh("undefine", NAME, check=False)


def defines(host):
    return NAME in host.virsh("list", "--all", "--name").stdout.split()


def is_settled(*hosts):
    return not any(NAME in host.ferry("migration", "list", check=False).stdout for host in hosts)


@pytest.mark.parametrize("point,word", [*KILLS, *((point, "fail") for point, word in KILLS if word == "kill")])
def test_it_is_defined_on_one_host(off, point, word):
    one, two = off
    victim = one if point.startswith("source") else two
    hit = arm(victim, point, word)
    one.virsh("migrate", "--offline", "--persistent", "--undefinesource", "--p2p", NAME, two.tcp_uri, check=False)
    if word != "fail":
        revived(victim)
    assert hit.exists()
    wait_until(lambda: is_settled(one, two), "a word on where it is", 30)
    wait_until(lambda: defines(one) != defines(two), "its definition on exactly one host")
    here, there = (one, two) if defines(one) else (two, one)
    here.virsh("migrate", "--offline", "--persistent", "--undefinesource", "--p2p", NAME, there.tcp_uri)      # nothing keeps it
    assert defines(there) and not defines(here)
