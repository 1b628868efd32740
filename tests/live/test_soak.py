# SPDX-License-Identifier: LGPL-2.1-or-later
"""What `make soak` plans, and what it takes for an answer."""
import pytest

from soak import run

USERFAULTS = "error: post-copy needs userfaultfd, which this host's kernel keeps from QEMU's user"
LOST = "error: Disconnected from qemu+unix:///system due to end of file\nerror: failed to get domain 'alpha'"


def kill(victim, guest=0):
    return run.Kill(0, ("virsh", "p2p"), victim, guest, 0.1, (None, None))


def guest(said, outcome="stayed"):
    return {"mode": "virsh", "outcome": outcome, "said": said, "is_asked": False}


def test_a_kill_follows_from_its_seed():
    plans = [run.plan("1", number) for number in range(300)]
    assert plans == [run.plan("1", number) for number in range(300)]
    assert {mode for plan in plans for mode in plan.modes} == set(run.MODES)
    switches = [switch_s for plan in plans for mode, switch_s in zip(plan.modes, plan.switch_s) if mode == "postcopy"]
    assert None in switches and any(switches)
    assert not any(switch_s for plan in plans for mode, switch_s in zip(plan.modes, plan.switch_s) if mode != "postcopy")


@pytest.mark.parametrize("victim, number, early, status, said, outcome, wrong", [
    ("both daemons", 0, None, 1, LOST, "stayed", ""),
    ("both daemons", 0, None, 0, "", "moved", ""),
    ("client", 0, None, -9, "", "stayed", ""),
    ("both daemons", 0, 1, 1, USERFAULTS, "stayed", "nothing was done to it"),
    ("both daemons", 0, None, 1, USERFAULTS, "stayed", "a reason that nobody gave"),
    ("client", 1, None, 1, LOST, "stayed", "nothing was done to it"),
    ("source QEMU", 1, None, 1, LOST, "stayed", "nothing was done to it"),
    ("link", 0, None, 0, "", "stayed", "has heard of no failure"),
])
def test_a_refusal_needs_what_was_done(victim, number, early, status, said, outcome, wrong):
    told = run.refusal(kill(victim), number, early, status, guest(said, outcome))
    assert wrong in told and bool(told) == bool(wrong)


def test_a_crash_needs_a_window():
    assert run.window(kill("source QEMU"), guest(""), ran_here=True) == "its only QEMU"
    assert run.window(kill("destination QEMU"), guest(""), ran_here=False) == "it ran there"
    with pytest.raises(run.Harm):
        run.window(kill("source QEMU"), guest(""), ran_here=False)


def test_a_mode_that_never_moves_is_told():
    idle = {"mode": "postcopy", "outcome": "stayed", "is_switched": False, "has_begun": False, "window": "", "is_wrong": False}
    told = run.print_modes([idle] * run.ENOUGH, lambda _: None)
    assert len(told) == 2 and all("postcopy" in text for text in told)
    assert run.print_modes([dict(idle, outcome="moved", is_switched=True)] * run.ENOUGH, lambda _: None) == []
