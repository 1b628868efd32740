# SPDX-License-Identifier: LGPL-2.1-or-later
"""Leases through sanlock: the guest's lease names who may run it, over starts, migrations and dead hosts."""
import os
import re
import signal

import pytest
from conftest import make_lab
from lab.lab import end, wait_until
from lab.moves import Guest, assert_moved, assert_stayed, begin, move


def rows(lab, number):
    return {"lock_manager": "sanlock", "lease_dir": str(lab.shared / "leases"), "lease_host_id": str(number), "lease_io_timeout": "1",
            "resolve": "lease"}


@pytest.fixture(scope="module")
def lab():
    lab = make_lab([None, None, None])
    try:
        (lab.shared / "leases").mkdir()
        for host in lab.hosts:
            host.start_sanlock()
            host.start_ferryd(config=rows(lab, host.number))
        for host in lab.hosts:      # all at once: sanlock takes three seconds for each
            wait_until(lambda: f"this host is number {host.number} of the lockspace" in host.log(), "the lockspace")
    except BaseException:
        lab.close()
        raise
    yield lab
    lab.close()


def lease(lab, guest):
    """The numbers of the hosts that the guest's lease names, and its generation."""
    raw = (lab.shared / "leases" / f"{guest.uuid}.lease").read_bytes()
    text = re.search(rb"ferry 1 epoch=(\d+) attempt=(\S*) hosts=([^\0]*)", raw)
    if not text:
        return [], 0
    return [int(one.split(b"/")[0]) for one in text[3].split(b",") if one], int(text[1])


def held_by(lab, guest, *numbers):
    try:
        wait_until(lambda: lease(lab, guest)[0] == [*numbers], f"the lease to name {numbers}", 10)
    except TimeoutError as late:
        words = [line for host in lab.hosts for line in host.log().splitlines() if "lease" in line]
        raise TimeoutError(f"{late}, not {lease(lab, guest)}:\n" + "\n".join(words[-30:])) from None


def blackout(source, destination):
    """From the last STOP at the source to the RESUME at the destination, as QEMU's events tell it: two times of their logs."""
    stop = [line[:23] for line in source.log().splitlines() if '"event":"STOP"' in line or '"event": "STOP"' in line][-1]
    resume = [line[:23] for line in destination.log().splitlines() if '"event":"RESUME"' in line or '"event": "RESUME"' in line][-1]
    return stop, resume


def lease_changes(*hosts):
    return sorted(line[:23] for host in hosts for line in host.log().splitlines() if " debug lease " in line and " becomes " in line)


def argv(source, *words):
    return [source.lab.ferry, "-c", source.socket_uri, "migrate", *words]


@pytest.fixture
def paused(lab):
    """paused(host, name): a guest that does nothing; gone after the test."""
    made = []

    def start(host, name):
        guest = Guest(lab, name=name, memory_mib=16)
        host.virsh("create", "--paused", guest.path())
        made.append(name)
        return guest

    yield start
    for name in made:
        for host in lab.hosts:
            host.virsh("destroy", name, check=False)


def test_a_lease_follows_the_guest_and_keeps_others_out(lab, started):
    one, two, three = lab.hosts
    running = started(one, name="leased")
    guest = running.guest
    held_by(lab, guest, 1)
    before = lease(lab, guest)[1]
    said = two.virsh("create", guest.path(), check=False).stderr
    assert "the guest's lease belongs to host 'fedora1' (number 1), which sanlock " in said, said
    for source, destination, way in ((one, two, ["--p2p"]), (two, one, []), (one, two, ["--p2p", "--tunnelled"])):
        since = running.ticks.mark()
        result = move(running.ticks, source, argv(source, "--live", *way, "leased", destination.tcp_uri), destination)
        assert_moved(result, running.ticks, guest, source, destination)
        held_by(lab, guest, destination.number)
        assert running.ticks.verdict(since).is_sound
        stop, resume = blackout(source, destination)
        wait_until(lambda: any(at > resume for at in lease_changes(destination)), "the destination's word that it is settled")
        changes = lease_changes(*lab.hosts)
        assert any(at < stop for at in changes) and [at for at in changes if stop <= at <= resume] == []
    assert lease(lab, guest)[1] > before
    for other in (one, three):
        assert "belongs to host 'fedora2'" in other.virsh("create", guest.path(), check=False).stderr
    two.virsh("destroy", "leased")
    held_by(lab, guest)
    three.virsh("create", "--paused", guest.path())
    held_by(lab, guest, 3)
    three.virsh("destroy", "leased")


def test_a_migration_that_fails_leaves_the_lease_at_its_source(lab, started):
    one, two, _ = lab.hosts
    running = started(one, name="staying")
    kernel = running.guest.kernel
    two.run(["mount", "--bind", "/etc/hostname", kernel])       # QEMU there does not find what it needs
    try:
        for way in (["--p2p"], []):
            result = move(running.ticks, one, argv(one, "--live", *way, "staying", two.tcp_uri))
            assert_stayed(result, running.ticks, running.guest, one, two)
            held_by(lab, running.guest, 1)
    finally:
        two.run(["umount", kernel])
    result = move(running.ticks, one, argv(one, "--live", "staying", two.tcp_uri), two)
    assert_moved(result, running.ticks, running.guest, one, two)
    held_by(lab, running.guest, 2)


def test_only_proof_of_death_frees_a_lease(lab, paused):
    """A host that is silent is not dead; one that has left the lockspace, which needs that nothing runs there, is."""
    one, two, three = lab.hosts
    guest = paused(two, "lost")
    held_by(lab, guest, 2)
    seen = two.log().count("is number 2 of the lockspace")
    two.kill_daemon()
    for pid, _ in two.qemus():
        os.kill(pid, signal.SIGKILL)
    assert "belongs to host 'fedora2'" in three.virsh("create", "--paused", guest.path(), check=False).stderr
    # What an administrator does who has looked: "nothing that sanlock guards runs here any more".
    two.run(["sanlock", "client", "set_config", "-s", "ferry", "-u", "0"])
    two.run(["sanlock", "client", "rem_lockspace", "-s", f"ferry:2:{lab.shared}/leases/ferry.lockspace:0"])
    wait_until(lambda: three.virsh("create", "--paused", guest.path(), check=False).returncode == 0, "the lease", 30)
    held_by(lab, guest, 3)
    # The daemon comes back, enters again and finds that the guest that it knew is not its own any more.
    two.start_ferryd(config=rows(lab, 2))
    wait_until(lambda: two.log().count("is number 2 of the lockspace") == seen + 1, "the lockspace")
    wait_until(lambda: "lost" not in two.virsh("list", "--all", "--name").stdout, "the end of what it knew")
    # Its own wishes for a lease are served in turn: the answer comes behind what it made of its guest's end.
    assert "belongs to host 'fedora3'" in two.virsh("create", "--paused", guest.path(), check=False).stderr
    assert lease(lab, guest)[0] == [3]


def test_a_host_that_comes_back_lets_go_of_what_it_ran(lab, paused):
    one, two, three = lab.hosts
    guest = paused(two, "rebooted")
    held_by(lab, guest, 2)
    two.power_off()
    assert "belongs to host 'fedora2'" in three.virsh("create", "--paused", guest.path(), check=False).stderr
    two.power_on()
    two.start_sanlock()
    two.start_ferryd(config=rows(lab, 2))
    held_by(lab, guest)
    three.virsh("create", "--paused", guest.path())
    held_by(lab, guest, 3)
    three.virsh("destroy", guest.name)


def test_a_guest_whose_lease_was_taken_is_ended(lab, paused):
    one, two, three = lab.hosts
    guest = paused(two, "fenced")
    held_by(lab, guest, 2)
    helper, folder = lab.ferryd.parent.parent / "host/ferry-lease", lab.shared / "leases"
    old = three.run([helper, "read", folder, guest.uuid]).stdout.split("\n")[0].removeprefix("value ")
    assert "swapped yes" in three.run([helper, "swap", folder, guest.uuid, old, old.replace("2/fedora2", "3/fedora3")]).stdout
    two.restart_ferryd()
    wait_until(lambda: not two.qemus(), "the end of the guest")
    assert "is ended here: resource busy: host 'fedora3' has taken the guest's lease" in two.log()


def test_a_daemon_that_dies_before_the_lease_knows_settles_it_later(lab, started):
    one, two, three = lab.hosts
    running = started(one, name="unsettled")
    result = move(running.ticks, one, argv(one, "--live", "--p2p", "unsettled", two.tcp_uri), two)
    assert result.status == 0, result.output
    held_by(lab, running.guest, 2)
    # As it stands between the two words, whichever came first: both are named, under the attempt's id.
    joined = rf"lease {running.guest.uuid}: '.*' becomes '(ferry 1 epoch=\d+ attempt=[0-9a-f]+ hosts=1/fedora1,2/fedora2)'"
    shared = re.findall(joined, two.log())[-1]
    helper, folder = lab.ferryd.parent.parent / "host/ferry-lease", lab.shared / "leases"

    def value():
        return three.run([helper, "read", folder, running.guest.uuid]).stdout.split("\n")[0].removeprefix("value ")

    wait_until(lambda: "attempt= " in value(), "the destination's own word")
    assert "swapped yes" in three.run([helper, "swap", folder, running.guest.uuid, value(), shared]).stdout
    assert "belongs to host" in three.virsh("create", running.guest.path(), check=False).stderr
    two.restart_ferryd(signal.SIGKILL)
    held_by(lab, running.guest, 2)
    running.ticks.wait(two.name, more=10)


def test_a_person_needs_the_same_proof(lab, started):
    one, two, three = lab.hosts
    running = started(one, name="resolved")
    one.virsh("define", running.guest.path())
    result = move(running.ticks, one, argv(one, "--live", "--p2p", "resolved", two.tcp_uri), two)
    assert result.status == 0, result.output
    held_by(lab, running.guest, 2)
    done = one.ferry("migration", "resolve", "resolved", "--here", "--confirm", "fedora2", check=False)
    assert done.returncode and "nothing was done: resource busy: the guest's lease belongs to host 'fedora2'" in done.stderr, done.stderr
    two.virsh("destroy", "resolved")
    held_by(lab, running.guest)
    one.ferry("migration", "resolve", "resolved", "--here", "--confirm", "fedora2")
    held_by(lab, running.guest, 1)


def stands_in_doubt(lab, running):
    """Its memory has gone, the destination's daemon sleeps: the source has said GO, and waits."""
    one, two, _ = lab.hosts
    process = begin(one, argv(one, "--live", "--p2p", "--bandwidth", "4", running.guest.name, two.tcp_uri), running.guest.name)
    wait_until(lambda: '"event":"MIGRATION","data":{"status":"active"}' in two.log(), "its QEMU reads")
    pid = two.daemon_pid("ferryd")
    os.kill(pid, signal.SIGSTOP)
    one.virsh("migrate-setspeed", running.guest.name, "1000")
    wait_until(lambda: "outcome not yet known" in one.virsh("dominfo", running.guest.name).stdout, "the doubt")
    held_by(lab, running.guest, 1, 2)
    return process, pid


def dies(lab, host):
    """All that runs there, and sanlock elsewhere knows it: as if its watchdog had fired, but without the minute that takes."""
    pid, process = host.daemon_pid("ferryd"), host.daemons.pop("ferryd")
    group = os.getpgid(pid)
    os.kill(pid, signal.SIGKILL)
    os.killpg(group, signal.SIGCONT)        # it may sleep, and who entered the namespace for it with it
    process.wait(20)
    for pid, _ in host.qemus():
        os.kill(pid, signal.SIGKILL)
    host.run(["sanlock", "client", "set_config", "-s", "ferry", "-u", "0"])
    host.run(["sanlock", "client", "rem_lockspace", "-s", f"ferry:{host.number}:{lab.shared}/leases/ferry.lockspace:0"])


def comes_back(lab, host):
    seen = host.log().count(f"is number {host.number} of the lockspace")
    host.start_ferryd(config=rows(lab, host.number))
    wait_until(lambda: host.log().count(f"is number {host.number} of the lockspace") > seen, "the lockspace")


@pytest.mark.parametrize("has_run", [False, True], ids=["asleep", "ran"])
def test_the_other_hosts_death_ends_a_doubt(lab, started, has_run):
    """As a crash: nobody knows whether it ran there, and what it made of its disks.  Then it may be started."""
    one, two, three = lab.hosts
    running = started(one, name="bereft", append="set=4 touch=40 check=500")
    name = running.guest.name
    one.virsh("define", running.guest.path())
    process, pid = stands_in_doubt(lab, running)
    untold = one.ferry("migration", "resolve", name, "--here", check=False)
    assert untold.returncode == 1 and re.search("lease: +kept in sanlock, which refuses `--here`", untold.stderr), untold.stderr
    wait_until(lambda: "domain 'bereft' stays in doubt: " in one.log(), "a look at the lease")
    one.restart_ferryd(signal.SIGKILL)
    if has_run:
        two.link("down")
        os.killpg(os.getpgid(pid), signal.SIGCONT)
        running.ticks.wait(two.name, more=5)
    assert "paused (migrating)" in one.virsh("domstate", "--reason", name).stdout
    assert "belongs to host" in three.virsh("create", running.guest.path(), check=False).stderr
    dies(lab, two)
    wait_until(lambda: one.virsh("domstate", "--reason", name).stdout.strip() == "shut off (crashed)", "the end of the doubt", 30)
    end(process, signal.SIGKILL)
    assert not one.qemus() and "fedora2 is dead, as sanlock says, and may have run it" in one.ferry("migration", "list", "--all").stdout
    one.virsh("start", name)
    held_by(lab, running.guest, 1)
    running.ticks.wait(one.name, more=5)
    two.link("up")
    comes_back(lab, two)
    assert not two.qemus()
    if name in two.virsh("list", "--all", "--name").stdout:
        two.virsh("start", name, check=False)
    assert not two.qemus() and one.virsh("domstate", name).stdout.strip() == "running"


def test_autostart_follows_a_doubt_that_has_ended(lab, started):
    """Both hosts lose their power, and one comes back: it starts the guest once the other one is known to be dead."""
    one, two, _ = lab.hosts
    running = started(one, name="orphaned", append="set=4 touch=40 check=500")
    name = running.guest.name
    one.virsh("define", running.guest.path())
    one.virsh("autostart", name)
    process, _ = stands_in_doubt(lab, running)
    dies(lab, two)
    one.power_off()
    end(process, signal.SIGKILL)
    one.power_on()
    one.start_sanlock()
    one.start_ferryd(config=rows(lab, 1))
    wait_until(lambda: one.virsh("domstate", name, check=False).stdout.strip() == "running", "the autostart", 60)
    held_by(lab, running.guest, 1)
    assert "fedora2 is dead, as sanlock says" in one.log()
    comes_back(lab, two)


def test_without_sanlock_nothing_starts_and_what_runs_goes_on(lab, paused):
    one, _, _ = lab.hosts
    guest = paused(one, "going")
    held_by(lab, guest, 1)
    one.stop_daemon("sanlock", signal.SIGKILL)
    said = one.virsh("create", "--paused", Guest(lab, name="other").path(), check=False).stderr
    assert "sanlock does not answer" in said, said
    assert one.virsh("domstate", "going").stdout.strip() == "paused"
    one.virsh("destroy", "going")                   # nobody waits for the lease
    one.start_sanlock()
    held_by(lab, guest)                             # and it is let go as soon as there is sanlock again


def test_both_hosts_keep_leases_or_none_does(lab, started):
    one, two, _ = lab.hosts
    two.stop_daemon()
    two.start_ferryd()
    running = started(one, name="alone")
    rehearsal = one.ferry("migrate", "--check", "alone", two.tcp_uri, check=False).stdout
    assert "lock_manager is sanlock at the source and none here" in " ".join(rehearsal.split()), rehearsal
    result = move(running.ticks, one, argv(one, "--live", "--p2p", "alone", two.tcp_uri))
    assert "the destination has not joined the guest's lease" in result.output, result.output
    assert_stayed(result, running.ticks, running.guest, one, two)
    one.virsh("destroy", "alone")
    other = started(two, name="without")
    result = move(other.ticks, two, argv(two, "--live", "without", one.tcp_uri))
    assert "the source does not share the guest's lease with this host" in result.output, result.output
    assert_stayed(result, other.ticks, other.guest, two, one)
    two.virsh("destroy", "without")
