# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whoever vanishes while memory moves: client, daemon, guest, network.  The guest is never lost and never twice there."""
import os
import re
import signal
import time

import pytest
from conftest import lab_of
from lab.lab import end, wait_until
from lab.moves import traces

SLOW = "set=4 touch=40 check=500"       # at 2 MiB/s it takes twenty seconds, or until hurry()
MODES = {"direct": [], "p2p": ["--p2p"], "tunnelled": ["--p2p", "--tunnelled"]}


lab = lab_of(["ferryd", "ferryd"])


@pytest.fixture(autouse=True)
def all_alive(lab):
    """Both daemons, whatever the test before did."""
    for host in lab.hosts:
        if not host.daemon_pid("ferryd"):
            host.restart_ferryd()
    yield
    lab.hosts[1].run(["nft", "flush", "ruleset"])


def set_off(lab, running, *words, client="virsh"):
    """The client's process, once memory is on its way."""
    one, two = lab.hosts
    name = running.guest.name
    before = len(two.log())
    process = one.popen([client, "-c", one.socket_uri, "migrate", "--live", "--bandwidth", "2", *words, name, two.tcp_uri], stdout=-1, stderr=-2, text=True)

    def is_moving():
        assert process.poll() is None, process.stdout.read()
        job = one.virsh("domjobinfo", name, check=False).stdout
        is_read = '"event":"MIGRATION","data":{"status":"active"}' in two.log()[before:]    # not only sent: its QEMU has the lane
        return is_read and "Memory processed" in job and "Memory processed: 0.000 B" not in job

    wait_until(is_moving, f"memory of '{name}' is moving", 30)
    return process


def hurry(host):
    """What was to happen in the midst of it has happened: the rest of its memory goes fast."""
    host.virsh("migrate-setspeed", "qemu", "1000", check=False)


def told(host, process):
    """What the client says in the end; an attempt that is begun again under it goes fast, too."""
    wait_until(lambda: process.poll() is not None or hurry(host), "the end of the client", 90, every_s=0.1)
    return process.stdout.read()


@pytest.fixture(params=MODES)
def moving(request, lab, started):
    """(running guest, the client's process) while memory is on its way."""
    running = started(lab.hosts[0], append=SLOW, memory_mib=64)
    process = set_off(lab, running, *MODES[request.param])
    yield running, process
    if process.poll() is None:
        end(process, signal.SIGKILL)


def is_led_by_client(request):
    return "direct" in request.node.name


def assert_at_home(lab, running, within_s=15, beside=0):
    """The guest ticks on at the source, beside so many others; nothing is left at the destination."""
    one, two = lab.hosts
    since = running.ticks.mark()
    running.ticks.wait(one.name, more=10)
    verdict = running.ticks.verdict(since)
    assert verdict.is_sound, verdict.complaint()
    wait_until(lambda: one.virsh("domstate", running.guest.name).stdout.strip() == "running", "it runs", within_s)
    wait_until(lambda: not two.qemus() and traces(two, running.guest) == [], "nothing is left over there", within_s)
    wait_until(lambda: not two.listening(), "released ports", 5)
    assert len(one.qemus()) == 1 + beside


def assert_arrived(lab, running, within_s=30):
    """The guest ticks on at the destination; nothing is left at the source."""
    one, two = lab.hosts
    since = running.ticks.mark()

    def has_left():
        if not one.qemus() and traces(one, running.guest) == []:
            return True
        hurry(one)      # once more: it may have been begun again
        return False

    try:
        wait_until(has_left, "it has left", within_s)
    except TimeoutError as late:
        raise TimeoutError(f"{late}\n{one.log()[-4000:]}\n---\n{two.log()[-4000:]}") from None
    running.ticks.wait(two.name, more=10)
    verdict = running.ticks.verdict(since)
    assert verdict.is_sound, verdict.complaint()
    wait_until(lambda: two.virsh("domstate", "qemu").stdout.strip() == "running", "it runs", 5)
    wait_until(lambda: not two.listening() and not one.listening(), "released ports", 5)
    assert len(two.qemus()) == 1


def can_move(lab, running, back=False):
    """Whatever happened, the next attempt succeeds."""
    one, two = reversed(lab.hosts) if back else lab.hosts
    since = running.ticks.mark()
    done = one.run(["virsh", "-c", one.socket_uri, "migrate", "--live", "--p2p", running.guest.name, two.tcp_uri], check=False,
                   timeout_s=90)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{one.log()[-3000:]}\n---\n{two.log()[-3000:]}"
    running.ticks.wait(two.name, more=10)
    verdict = running.ticks.verdict(since)
    assert verdict.is_sound, verdict.complaint()


@pytest.mark.limit(150)
def test_the_client_vanishes(lab, moving, request):
    """The daemons finish it between themselves."""
    running, process = moving
    one, two = lab.hosts
    end(process, signal.SIGKILL)
    if is_led_by_client(request):
        assert_arrived(lab, running)
        can_move(lab, running, back=True)
        return
    # the client's end ends the call; either way there is one guest, and it is well
    hurry(one)
    running.ticks.wait(more=10, timeout_s=60)
    wait_until(lambda: len(one.qemus()) + len(two.qemus()) == 1, "one guest", 60)
    running.ticks.wait(more=10)


@pytest.mark.limit(150)
@pytest.mark.parametrize("moving", ["direct"], indirect=True)
def test_the_destinations_daemon_dies(lab, moving):
    running, process = moving
    one, two = lab.hosts
    began = time.monotonic()
    two.kill_daemon()
    output = told(one, process)
    assert process.returncode == 1, output
    assert time.monotonic() - began < 25, output    # the memory went over beside the daemon; GO was not said to nobody
    running.ticks.wait(one.name, more=10)
    two.restart_ferryd()
    assert_at_home(lab, running)
    can_move(lab, running)


@pytest.mark.limit(150)
def test_the_sources_daemon_dies(lab, moving):
    running, process = moving
    one, two = lab.hosts
    one.kill_daemon()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1, output
    one.restart_ferryd()
    assert_arrived(lab, running)    # QEMU has its lane, and the client's word is not its source's; or it is begun again
    can_move(lab, running, back=True)


AGAIN = "its migration to fedora2 ended with the old daemon and is begun again"


@pytest.mark.limit(150)
@pytest.mark.parametrize("moving", ["tunnelled"], indirect=True)
def test_a_restart_begins_a_tunnelled_migration_again_and_says_so(lab, moving):
    running, process = moving
    one, two = lab.hosts
    since = len(one.log())
    one.restart_ferryd()
    process.communicate(timeout=60)
    wait_until(lambda: AGAIN in one.virsh("dominfo", "qemu").stdout, "the message", 5)
    assert AGAIN in one.log()[since:]
    assert re.search(r"qemu +to +\S+ +(KEPT|OFFERED)", one.ferry("migration", "list").stdout)
    assert "the daemon was restarted, and begins it again" in one.ferry("migration", "list", "--all").stdout
    assert_arrived(lab, running)
    can_move(lab, running, back=True)


@pytest.mark.limit(150)
@pytest.mark.parametrize("moving", ["tunnelled"], indirect=True)
def test_it_is_begun_again_once(lab, moving):
    running, process = moving
    one, two = lab.hosts
    one.restart_ferryd()
    process.communicate(timeout=60)
    wait_until(lambda: "OFFERED" in one.ferry("migration", "list").stdout, "the second attempt", 10)
    since = len(one.log())
    one.restart_ferryd()
    assert_at_home(lab, running, within_s=20)
    assert AGAIN not in one.log()[since:]
    assert "restarted once more, and does not begin it again" in one.ferry("migration", "list", "--all").stdout
    can_move(lab, running)


@pytest.mark.limit(150)
@pytest.mark.parametrize("moving", ["tunnelled"], indirect=True)
def test_what_its_user_has_given_up_is_not_begun_again(lab, moving):
    """The daemon dies before it has heard that the other side knows."""
    running, process = moving
    one, two = lab.hosts
    os.kill(two.daemon_pid("ferryd"), signal.SIGSTOP)
    try:
        one.virsh("domjobabort", "qemu")
        one.kill_daemon()
    finally:
        os.kill(two.daemon_pid("ferryd"), signal.SIGCONT)
        os.kill(two.daemons["ferryd"].pid, signal.SIGCONT)      # nsenter stops with its child
    process.communicate(timeout=60)
    since = len(one.log())
    one.restart_ferryd()
    assert_at_home(lab, running, within_s=20)
    assert AGAIN not in one.log()[since:]
    can_move(lab, running)


@pytest.mark.limit(150)
@pytest.mark.parametrize("moving", ["tunnelled"], indirect=True)
@pytest.mark.parametrize("is_wanted", [True, False], ids=["wanted", "given up"])
def test_it_waits_for_the_other_daemon_until_its_user_gives_up(lab, moving, is_wanted):
    """Both are upgraded, and the source's is the faster one."""
    running, process = moving
    one, two = lab.hosts
    one.kill_daemon()
    two.kill_daemon()
    process.communicate(timeout=60)
    one.restart_ferryd()
    wait_until(lambda: "to be begun again to fedora2" in one.ferry("migration", "list").stdout, "the sentence", 5)
    if not is_wanted:
        one.virsh("domjobabort", "qemu")
        wait_until(lambda: AGAIN not in one.virsh("dominfo", "qemu").stdout, "the end of the wait", 5)
        assert "qemu" not in one.ferry("migration", "list").stdout
    two.restart_ferryd()
    assert_arrived(lab, running) if is_wanted else assert_at_home(lab, running)
    can_move(lab, running, back=is_wanted)


WAYS = {"led": ([], "the migration went on without its client"),
        "led, several connections": (["--parallel"], "which ended the migration; it is begun once more"),
        "p2p": (["--p2p"], "the migration went on without its client"),
        "tunnelled": (["--p2p", "--tunnelled"], "the migration went on without its client")}


@pytest.mark.limit(150)
@pytest.mark.parametrize("way", WAYS)
def test_ferry_sees_it_through_a_restart_of_the_sources_daemon(lab, started, way):
    """Whoever leads it, and whether or not it ends with the old daemon: the client is told how it has ended."""
    one, two = lab.hosts
    running = started(one, append=SLOW, memory_mib=64)
    words, note = WAYS[way]
    since = len(one.log())
    process = set_off(lab, running, *words, client=lab.ferry)
    wait_until(lambda: re.search(r"-> migration_list .*rows=\[\{", one.log()[since:]), "ferry knows the attempt", 5)
    one.restart_ferryd()
    output = told(one, process)
    assert process.returncode == 0, output
    notes = re.findall("note: .*", output)
    assert note in output and len(set(notes)) == len(notes) <= 3, output
    assert_arrived(lab, running)
    can_move(lab, running, back=True)


AFTER_A_HANG_UP = {"led": None, "led, several connections": "the destination's daemon hung up, which ended the first attempt",
                   "p2p": None, "tunnelled": "the destination's daemon ended the first attempt"}


@pytest.mark.limit(150)
@pytest.mark.parametrize("way", WAYS)
def test_ferry_sees_it_through_a_restart_of_the_destinations_daemon(lab, started, way):
    one, two = lab.hosts
    running = started(one, append=SLOW, memory_mib=64)
    process = set_off(lab, running, *WAYS[way][0], client=lab.ferry)
    two.restart_ferryd()
    output = told(one, process)
    assert process.returncode == 0, f"{output}\n{one.log()[-3000:]}\n---\n{two.log()[-3000:]}"
    assert AFTER_A_HANG_UP[way] in output if AFTER_A_HANG_UP[way] else "note:" not in output, output
    assert_arrived(lab, running)
    can_move(lab, running, back=True)


@pytest.mark.limit(150)
def test_an_upgrade_on_both_sides(lab, moving, request):
    """New binaries: what QEMU carries goes on over two restarts; what the daemons carry is begun again when both are back."""
    running, process = moving
    one, two = lab.hosts
    since = len(one.log())
    if "tunnelled" in request.node.name:
        one.stop_daemon()
    two.restart_ferryd()
    one.restart_ferryd()
    process.communicate(timeout=60)
    assert (AGAIN in one.log()[since:]) == ("tunnelled" in request.node.name)
    assert_arrived(lab, running)
    can_move(lab, running, back=True)


THERE = "its migration to fedora2 ended with the other daemon and is begun again"


@pytest.mark.limit(150)
@pytest.mark.parametrize("moving", ["p2p", "tunnelled"], indirect=True)
@pytest.mark.parametrize("is_wanted", [True, False], ids=["wanted", "given up"])
def test_the_destinations_daemon_is_waited_for_until_its_user_gives_up(lab, moving, is_wanted):
    """What a client waits for is begun again under it, aloud, as soon as the other daemon is back."""
    running, process = moving
    one, two = lab.hosts
    since = len(one.log())
    two.kill_daemon()
    hurry(one)
    wait_until(lambda: THERE in one.virsh("dominfo", "qemu").stdout, "the message", 30)
    assert THERE in one.log()[since:] and process.poll() is None
    assert "to be begun again to fedora2" in one.ferry("migration", "list").stdout
    if not is_wanted:
        one.virsh("domjobabort", "qemu")
    else:
        two.restart_ferryd()
    output = told(one, process)
    assert (process.returncode == 0) == is_wanted, output
    if not is_wanted:
        assert "canceled by client" in output and "ended by the other daemon" in output, output
        two.restart_ferryd()
    assert "it is begun again" in one.ferry("migration", "list", "--all").stdout
    assert THERE not in one.virsh("dominfo", "qemu", check=False).stdout
    assert_arrived(lab, running) if is_wanted else assert_at_home(lab, running)
    can_move(lab, running, back=is_wanted)


@pytest.mark.limit(150)
@pytest.mark.parametrize("moving", ["p2p", "tunnelled"], indirect=True)
def test_it_is_waited_for_over_a_restart_of_the_sources_daemon_too(lab, moving):
    running, process = moving
    one, two = lab.hosts
    two.kill_daemon()
    hurry(one)
    wait_until(lambda: THERE in one.virsh("dominfo", "qemu").stdout, "the message", 30)
    one.restart_ferryd()
    wait_until(lambda: THERE in one.virsh("dominfo", "qemu").stdout, "the message again", 10)
    two.restart_ferryd()
    told(one, process)
    assert_arrived(lab, running)
    one.restart_ferryd()
    assert THERE not in one.virsh("dominfo", "qemu", check=False).stdout
    can_move(lab, running, back=True)


@pytest.mark.limit(150)
@pytest.mark.parametrize("moving", ["tunnelled"], indirect=True)
def test_it_is_begun_again_once_for_each_of_the_two_daemons(lab, moving):
    running, process = moving
    one, two = lab.hosts
    for host in (two, one):
        attempts = one.ferry("migration", "list", "--all").stdout.count("KEPT")
        host.restart_ferryd()
        wait_until(lambda: one.ferry("migration", "list", "--all").stdout.count("KEPT") > attempts and
                   "OFFERED" in one.ferry("migration", "list").stdout, "the next attempt", 20)
    process.communicate(timeout=60)
    since = len(one.log())
    two.restart_ferryd()
    assert_at_home(lab, running, within_s=20)
    assert THERE not in one.log()[since:]
    can_move(lab, running)


@pytest.mark.limit(150)
def test_the_guest_dies(lab, moving):
    running, process = moving
    one, two = lab.hosts
    os.kill(one.qemus()[0][0], signal.SIGKILL)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1, output
    wait_until(lambda: not one.qemus() and not two.qemus(), "both QEMUs have gone", 20)
    wait_until(lambda: traces(one, running.guest) == [] and traces(two, running.guest) == [], "it is gone everywhere", 20)
    wait_until(lambda: not two.listening(), "released ports", 5)


@pytest.mark.limit(200)
def test_the_network_falls_silent(lab, started):
    """Noticed within half a minute (a stock client that leads takes its own 35 s); then each guest is where it was.  In every mode at
    once: the time constants are those of the configuration and of stock."""
    one, two = lab.hosts
    running = {mode: started(one, name=mode, append=SLOW, memory_mib=64) for mode in MODES}
    clients = {mode: set_off(lab, running[mode], *MODES[mode]) for mode in MODES}
    began = time.monotonic()
    two.drop(f"ip saddr {one.address}")
    try:
        for mode, process in clients.items():
            output, _ = process.communicate(timeout=120)
            took = time.monotonic() - began
            assert process.returncode == 1, f"{mode}: {output}"
            assert took < 45, f"{mode}: {took:.0f} s: {output}"
    finally:
        for process in clients.values():
            if process.poll() is None:
                end(process, signal.SIGKILL)
    for mode in MODES:
        running[mode].ticks.wait(one.name, more=10)
        assert one.virsh("domstate", mode).stdout.strip() == "running"
    two.undrop()
    for mode in MODES:
        assert_at_home(lab, running[mode], within_s=60, beside=len(MODES) - 1)
    for mode in MODES:
        can_move(lab, running[mode])
