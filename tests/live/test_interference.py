# SPDX-License-Identifier: LGPL-2.1-or-later
"""Somebody comes between: a second leader, a stranger's Confirm, the guest's end between two phases, a disk that does
not take what is written.  The guest still runs in one place, and nobody else pays for it."""
import contextlib
import json
import os
import re
import signal
import socket
import threading

import pytest
from lab.lab import wait_until
from test_owner import LIVE, Failed, Leader, goes_there_and_back, lab, nothing_left, power_off, boot_anew, runs_on  # noqa: F401,E501
import wire

P2P = 2


def folder(host):
    return next((host.folder).glob("**/migrations"))


def journals(host):
    return {path: json.loads(path.read_text()) for path in folder(host).glob("*.json")}


def alive(host):
    assert host.virsh("list", "--all", check=False).returncode == 0, host.log()[-2000:]


def migrating(one, two, *more):
    process = one.popen(["virsh", "-c", one.socket_uri, "migrate", "--live", "--bandwidth", "4", *more, "qemu", two.tcp_uri],
                        stdout=-1, stderr=-2, text=True)
    wait_until(lambda: "Data processed" in one.virsh("domjobinfo", "qemu", check=False).stdout, "the job", 20)
    return process


def test_a_second_begin_leaves_the_first_its_job(lab, started):
    one, two = lab.hosts
    running = started(one)
    first, second = Leader(lab), Leader(lab)
    first.begin()
    for _ in range(2):
        with pytest.raises(Failed, match="another migration job is already running"):
            second.begin()
    second.vanish()
    first.prepare(), first.perform(), first.finish(), first.confirm()
    runs_on(running, two)
    nothing_left(one, running.guest)
    first.vanish()


def test_two_prepares_at_once_make_one_guest(lab, started):
    one, two = lab.hosts
    running = started(one)
    leader, other = Leader(lab), Leader(lab)
    leader.begin()
    other.cookie, other.xml = leader.cookie, leader.xml
    results = []

    def prepare(who):
        try:
            who.prepare()
            results.append(who)
        except Failed as problem:
            results.append(problem)

    both = [threading.Thread(target=prepare, args=(who,)) for who in (leader, other)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(60)
    good = [who for who in results if isinstance(who, Leader)]
    assert len(results) == 2 and len(good) == 1, results
    alive(two)
    good[0].perform(), good[0].finish(), good[0].confirm()
    runs_on(running, two)
    nothing_left(one, running.guest)


@pytest.mark.parametrize("last", ["begin", "prepare"])
@pytest.mark.parametrize("is_persistent", [False, True], ids=["transient", "persistent"])
def test_a_guest_destroyed_between_two_phases_ends_its_migration(lab, started, last, is_persistent):
    one, two = lab.hosts
    running = started(one)
    if is_persistent:
        one.virsh("define", running.guest.path())
    leader = Leader(lab)
    leader.begin()
    if last == "prepare":
        leader.prepare()
    one.virsh("destroy", "qemu")
    if is_persistent:
        one.virsh("start", "qemu")       # nobody waits for a leader that has not noticed yet
        running.ticks.wait(one.name, more=5)
    if last == "prepare":
        with pytest.raises(Failed):
            leader.perform()
        with pytest.raises(Failed):
            leader.finish(cancelled=1)
    leader.vanish()
    nothing_left(two, running.guest)
    alive(one)


def test_a_guest_destroyed_while_the_source_connects(lab, started):
    """Its QEMU ends while Perform waits for an address that does not answer."""
    one, two = lab.hosts
    running = started(one)
    leader = Leader(lab)
    leader.begin(), leader.prepare()
    leader.uri = b"tcp:192.168.122.77:49152"     # nobody there: the neighbour is looked for some seconds
    failure = []

    def perform():
        try:
            leader.perform()
        except Failed as problem:
            failure.append(problem)

    before = len(one.log())
    thread = threading.Thread(target=perform)
    thread.start()
    wait_until(lambda: "<- domain_migrate_perform3_params" in one.log()[before:], "the call", 10)
    one.virsh("destroy", "qemu")
    thread.join(40)
    assert failure, "Perform succeeded?"
    alive(one)


def test_a_strangers_confirm_does_not_settle_a_peer_to_peer_migration(lab, started):
    one, two = lab.hosts
    running = started(one, append="set=4 touch=40 check=500")
    process = migrating(one, two, "--p2p")
    stranger = Leader(lab)
    for cancelled in (1, 0):
        with pytest.raises(Failed):
            stranger.confirm(cancelled=cancelled, cookie=b"")
    stranger.uri = b"tcp:192.168.122.12:49152"
    with pytest.raises(Failed):
        stranger.perform()
    stranger.vanish()
    one.virsh("migrate-setspeed", "qemu", "1000")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    runs_on(running, two)
    nothing_left(one, running.guest)


def test_what_an_older_client_says_ends_nothing(lab, started):
    """It knows the guest by its name, which is the same; its cookie names another attempt, or none: what it said last may come late."""
    one, two = lab.hosts
    running = started(one)
    older, leader = Leader(lab), Leader(lab)
    older.begin(), older.prepare()
    theirs = older.cookie
    with pytest.raises(Failed, match="successfully aborted"):
        older.finish(cancelled=1)
    older.confirm(cancelled=1)
    leader.begin(), leader.prepare()
    for cancelled in (1, 0):
        with pytest.raises(Failed, match="is not the one that is under way here"):
            older.finish(cancelled=cancelled, cookie=theirs)
        with pytest.raises(Failed, match="is not the one that is under way here"):
            older.confirm(cancelled=cancelled, cookie=theirs)
        for say in (older.finish, older.confirm):
            with pytest.raises(Failed, match="this client does not lead the migration"):
                say(cancelled=cancelled, cookie=b"")
    older.vanish()
    leader.perform(), leader.finish(), leader.confirm()
    runs_on(running, two)
    nothing_left(one, running.guest)
    leader.vanish()


def test_a_stranger_neither_takes_nor_drops_the_lead(lab, started):
    """After a refused Confirm and Perform of another client, the loss of the true leader is still noticed; it goes on without him."""
    one, two = lab.hosts
    running = started(one, append="set=4 touch=40 check=500")
    one.virsh("migrate-setspeed", "qemu", "4")
    leader, stranger = Leader(lab), Leader(lab)
    leader.begin(), leader.prepare()

    def perform():
        with contextlib.suppress(Exception):
            leader.perform()

    thread = threading.Thread(target=perform)
    thread.start()
    wait_until(lambda: "Data processed" in one.virsh("domjobinfo", "qemu", check=False).stdout, "the job", 20)
    with pytest.raises(Failed):
        stranger.confirm(cancelled=1, cookie=b"")
    stranger.uri = b"tcp:192.168.122.12:49152"
    with pytest.raises(Failed):
        stranger.perform()
    stranger.vanish()
    assert "Unbounded" in one.virsh("domjobinfo", "qemu").stdout
    for connection in (leader.one, leader.two):
        connection.sock.shutdown(socket.SHUT_RDWR)
    thread.join(10)
    leader.vanish()
    wait_until(lambda: "goes on without the client that led it" in one.log(), "the loss is noticed", 5)
    one.virsh("migrate-setspeed", "qemu", "1000")
    runs_on(running, two)
    nothing_left(one, running.guest)


def test_a_client_that_begins_peer_to_peer_and_goes_leaves_no_job(lab, started):
    one, two = lab.hosts
    running = started(one)
    leader = Leader(lab, flags=LIVE | P2P)
    with contextlib.suppress(Failed):
        leader.begin()
    leader.vanish()
    wait_until(lambda: "None" in one.virsh("domjobinfo", "qemu").stdout, "the end of the job", 5)
    goes_there_and_back(lab, running, one, two)


@pytest.mark.parametrize("what", ["json", "owner"])
def test_a_source_that_cannot_read_its_journal_does_not_resume(lab, started, what):
    one, two = lab.hosts
    running = started(one)
    one.virsh("define", running.guest.path())
    leader = Leader(lab)
    leader.begin(), leader.prepare(), leader.perform()
    one.kill_daemon()
    leader.finish()
    runs_on(running, two)
    for path in folder(one).glob(f"*.{what}"):
        path.write_bytes(b"")            # what a power loss leaves of a file that was not synced
    one.start_ferryd()
    for verb in ("resume", "reset") if what == "json" else ():      # without token and address nobody can be asked
        refused = one.virsh(verb, "qemu", check=False)
        assert refused.returncode == 1 and "outcome not yet known" in refused.stderr, f"{verb}: {refused.stderr} {refused.stdout}"
    if what == "json":
        one.ferry("migration", "resolve", "qemu", "--there", "--confirm", "fedora2")
    wait_until(lambda: not one.qemus(), "the source has let go", 10)
    leader.vanish()
    runs_on(running, two)


@pytest.mark.parametrize("is_cancelled", [0, 1])
def test_a_destination_whose_disk_is_full_still_answers(lab, started, is_cancelled):
    """The word has its place; what else is to be written may fail."""
    one, two = lab.hosts
    running = started(one)
    leader = Leader(lab)
    leader.begin(), leader.prepare()
    for path in journals(two):
        path.with_name(path.name + ".new").mkdir()    # no new version of the journal can be written
    if not is_cancelled:
        leader.perform()
    if is_cancelled:
        with pytest.raises(Failed, match="successfully aborted"):
            leader.finish(cancelled=1)
        nothing_left(two, running.guest)
        leader.vanish()
        path = next(iter(journals(two)))
        one.virsh("migrate", "--live", "qemu", two.tcp_uri)     # what is not on the disk yet stands in nobody's way
        runs_on(running, two)
        path.with_name(path.name + ".new").rmdir()
        wait_until(lambda: journals(two)[path].get("ended_ms"), "the end of the first attempt on the disk", 10)
        return
    leader.finish(), leader.confirm()
    leader.vanish()
    runs_on(running, two)
    nothing_left(one, running.guest)
    two.virsh("suspend", "qemu")         # no job is left behind
    two.virsh("resume", "qemu")
    runs_on(running, two)


def test_a_destination_that_slept_does_not_run_a_guest_that_nobody_waits_for(lab, started):
    """Finish and the end of its connection are read in one go: a stock source that waited has decided without us."""
    one, two = lab.hosts
    started(one)
    leader = Leader(lab)
    leader.begin()
    leader.cookie = re.sub(rb"<ferry [^>]*(/>|>.*?</ferry>)", b"", leader.cookie, flags=re.S)
    assert b"<ferry" not in leader.cookie
    leader.prepare(), leader.perform()
    events = two.virsh("domstate", "--reason", "qemu").stdout
    assert "migrating" in events, events
    os.kill(two.daemon_pid("ferryd"), signal.SIGSTOP)
    body = (leader.params(destination_name="qemu") + wire.text(leader.cookie) + wire.u32(LIVE) + wire.u32(0))
    leader.two.sock.sendall(wire.frame("domain_migrate_finish3_params", body, serial=99))
    leader.two.sock.close()
    os.killpg(os.getpgid(two.daemon_pid("ferryd")), signal.SIGCONT)  # and who entered the namespace for it
    wait_until(lambda: not two.qemus(), "no QEMU at the destination", 15)
    assert "is running" not in two.log()


def test_a_way_back_that_was_refused_can_be_resolved_and_forgotten(lab, started):
    one, two = lab.hosts
    running = started(one)
    one.virsh("define", running.guest.path())
    one.virsh("migrate", "--live", "qemu", two.tcp_uri)
    runs_on(running, two)

    class Back(Leader):
        def __init__(self):
            lab.hosts.reverse()
            try:
                super().__init__(lab)
            finally:
                lab.hosts.reverse()

    def back_refused():
        leader = Back()
        leader.begin(), leader.prepare("tcp://192.168.122.11")
        with pytest.raises(Failed):
            leader.finish(cancelled=1)
        leader.confirm(cancelled=1)
        leader.vanish()
        runs_on(running, two)

    back_refused()
    refused = one.virsh("start", "qemu", check=False)
    assert "given to fedora2" in refused.stderr, refused.stderr
    one.virsh("undefine", "qemu")
    back_refused()                       # nothing is known here but what lies beside the definitions
    alive(one)
    one.virsh("define", running.guest.path())
    back_refused()
    two.virsh("destroy", "qemu")
    one.ferry("migration", "resolve", "qemu", "--here", "--confirm", "fedora2", check=False)
    one.virsh("start", "qemu")
    running.ticks.wait(one.name, more=5)


def test_a_transient_guest_in_doubt_over_a_power_loss_can_be_asked_about_and_is_let_go(lab, started):
    one, two = lab.hosts
    running = started(one)
    leader = Leader(lab)
    leader.begin(), leader.prepare(), leader.perform()
    power_off(one)
    two.run(["nft", "add table inet cut; add chain inet cut in { type filter hook input priority 0; }; "
             "add rule inet cut in ip saddr 192.168.122.11 drop"])
    boot_anew(one)
    leader.finish()
    leader.vanish()
    for verb in ("dominfo", "dumpxml", "domstats", "vcpucount", "domblklist", "domiflist"):
        one.virsh(verb, "qemu", check=False)
        alive(one)
    wait_until(lambda: "outcome not yet known: shut off here" in one.virsh("dominfo", "qemu", check=False).stdout, "the sentence", 10)
    two.run(["nft", "flush", "ruleset"])
    wait_until(lambda: "qemu" not in one.virsh("list", "--all", "--name").stdout, "it is settled", 10)
    runs_on(running, two)


def test_a_guest_whose_qemu_died_in_doubt_is_let_go(lab, started):
    one, two = lab.hosts
    running = started(one)
    leader = Leader(lab)
    leader.begin(), leader.prepare(), leader.perform()
    for pid, _ in one.qemus():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not one.qemus(), "no QEMU", 5)
    leader.finish(), leader.confirm()
    leader.vanish()
    runs_on(running, two)
    nothing_left(one, running.guest)
