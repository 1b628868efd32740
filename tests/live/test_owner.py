# SPDX-License-Identifier: LGPL-2.1-or-later
"""One guest, exactly one: whoever goes away between two phases, it runs in one place, or waits and says for whom.

The phases are led by hand, so that the one who leads can vanish at any point between them."""
import contextlib
import json
import os
import pathlib
import pty
import re
import signal
import struct
import subprocess
import sys
import uuid

import pytest
from conftest import lab_of
from lab.lab import end, wait_until
from lab.moves import begin, move, traces

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "api"))
import wire  # noqa: E402

LIVE, PERSIST, UNDEFINE, PROTECT = 1, 8, 16, 256
STRING = 7
MONITOR_CONT = (["--hmp", "cont"], ["--hmp", "\v c"], ['{"execute":"cont"}'], ['{"execute":"\\u0063ont"}'],
                ['{"execute":"human-monitor-command","arguments":{"command-line":"\\u0063"}}'])
DOUBT = "outcome not yet known: paused here, granted to fedora2"


lab = lab_of(["ferryd", "ferryd"], scope="function")     # a guest in doubt cannot be tidied away


class Failed(Exception):
    pass


class Leader:
    """A client of both hosts that makes one phase at a time."""

    def __init__(self, lab, name="qemu", flags=LIVE):
        self.one, self.two = (wire.Wire(path=host.folder / "run/ferry/ferry-sock") for host in lab.hosts)
        self.name, self.flags = name, flags
        got = self.call(self.one, "domain_lookup_by_name", wire.text(name))
        size = struct.unpack_from(">I", got)[0]
        at = 4 + size + -size % 4
        self.dom = wire.domain(name, got[at:at + 16], 1)
        self.xml = self.cookie = self.uri = b""

    @staticmethod
    def call(connection, procedure, body):
        got = connection.call(procedure, body)
        if got.status != wire.OK:
            raise Failed(wire.problem(got.body).message)
        return got.body

    @staticmethod
    def params(**values):
        body = wire.u32(len(values))
        for name, value in values.items():
            body += wire.text(name) + wire.u32(STRING) + wire.text(value)
        return body

    @staticmethod
    def take(body, at=0):
        size = struct.unpack_from(">I", body, at)[0]
        return body[at + 4:at + 4 + size], at + 4 + size + -size % 4

    def begin(self):
        body = self.call(self.one, "domain_migrate_begin3_params", self.dom + self.params() + wire.u32(self.flags | PROTECT))
        self.cookie, at = self.take(body)
        self.xml, _ = self.take(body, at)

    def prepare(self, uri="tcp://192.168.122.12"):
        body = self.call(self.two, "domain_migrate_prepare3_params",
                         self.params(destination_xml=self.xml, migrate_uri=uri) + wire.text(self.cookie) + wire.u32(self.flags))
        self.cookie, at = self.take(body)
        self.uri, _ = self.take(body, at + 4)

    def perform(self):
        body = self.call(self.one, "domain_migrate_perform3_params",
                         self.dom + wire.u32(0) + self.params(migrate_uri=self.uri) + wire.text(self.cookie) + wire.u32(self.flags | PROTECT))
        self.cookie, _ = self.take(body)

    def finish(self, cancelled=0, cookie=None):
        body = self.call(self.two, "domain_migrate_finish3_params",
                         self.params(destination_name=self.name) + wire.text(self.cookie if cookie is None else cookie) +
                         wire.u32(self.flags) + wire.u32(cancelled))
        at = self.take(body)[1] + 16 + 4
        self.cookie, _ = self.take(body, at)

    def confirm(self, cancelled=0, cookie=None):
        self.call(self.one, "domain_migrate_confirm3_params",
                  self.dom + self.params() + wire.text(self.cookie if cookie is None else cookie) +
                  wire.u32(self.flags | PROTECT) + wire.u32(cancelled))

    def vanish(self):
        for connection in (self.one, self.two):
            with contextlib.suppress(OSError):
                connection.sock.close()


def runs_on(running, host):
    since = running.ticks.mark()
    running.ticks.wait(host.name, more=10)
    verdict = running.ticks.verdict(since)
    assert verdict.is_sound, verdict.complaint()


def nothing_left(host, guest):
    wait_until(lambda: not host.qemus(), f"no QEMU on {host.name}", 15)
    wait_until(lambda: traces(host, guest) == [], f"no trace on {host.name}", 5)
    wait_until(lambda: not host.listening(), f"released ports on {host.name}", 5)


def assert_doubt(host, since=0):
    """since: how long the log was when the daemon was started that is to say so."""
    wait_until(lambda: DOUBT in host.virsh("dominfo", "qemu").stdout, "the sentence in dominfo", 10)
    assert host.virsh("domstate", "--reason", "qemu").stdout.strip() == "paused (migrating)"
    assert DOUBT in host.ferry("domstate", "--reason", "qemu").stdout
    for verb in ("resume", "destroy", "reboot", "reset", "undefine"):
        refused = host.virsh(verb, "qemu", check=False)
        assert refused.returncode == 1 and DOUBT in refused.stderr, f"{verb}: {refused.stderr}"
    for words in MONITOR_CONT:
        refused = host.virsh("qemu-monitor-command", "qemu", *words, check=False)
        assert refused.returncode == 1 and DOUBT in refused.stderr, f"{words}: {refused.stdout}{refused.stderr}"
    assert "VM status: paused" in host.virsh("qemu-monitor-command", "qemu", "--hmp", "info status").stdout
    assert '"running":false' in host.virsh("qemu-monitor-command", "qemu", '{"execute":"query-status"}').stdout.replace(" ", "")
    assert DOUBT in host.log()[since:]


def goes_there_and_back(lab, running, source, destination):
    for one, two in ((source, destination), (destination, source)):
        result = move(running.ticks, one, ["virsh", "-c", one.socket_uri, "migrate", "--live", "qemu", two.tcp_uri], two)
        assert result.status == 0, result.output
        assert result.verdict.is_sound, result.verdict.complaint()


def test_all_phases_by_hand(lab, started):
    one, two = lab.hosts
    running = started(one)
    leader = Leader(lab)
    leader.begin(), leader.prepare(), leader.perform(), leader.finish(), leader.confirm()
    runs_on(running, two)
    nothing_left(one, running.guest)
    leader.vanish()
    runs_on(running, two)


@pytest.mark.parametrize("last", ["begin", "prepare"])
def test_a_leader_gone_before_perform_leaves_the_guest_at_the_source(lab, started, last):
    one, two = lab.hosts
    running = started(one)
    leader = Leader(lab)
    leader.begin()
    if last == "prepare":
        leader.prepare()
    leader.vanish()
    nothing_left(two, running.guest)
    runs_on(running, one)
    wait_until(lambda: "None" in one.virsh("domjobinfo", "qemu").stdout, "the end of the job", 5)
    goes_there_and_back(lab, running, one, two)


@pytest.mark.parametrize("last", ["perform", "finish"])
def test_a_leader_gone_after_perform_leaves_it_to_the_daemons(lab, started, last):
    one, two = lab.hosts
    running = started(one)
    leader = Leader(lab)
    leader.begin(), leader.prepare(), leader.perform()
    if last == "finish":
        leader.finish()
    leader.vanish()
    runs_on(running, two)
    nothing_left(one, running.guest)
    goes_there_and_back(lab, running, two, one)


def test_an_older_attempt_is_told_by_a_new_daemon(lab, started):
    """The guest has begun another one since, which came no further; its destination listens until it knows the end of the first."""
    one, two = lab.hosts
    running = started(one, append="set=4 touch=40 check=500")
    later = Leader(lab)
    process = begin(one, ["virsh", "-c", one.socket_uri, "migrate", "--live", "--bandwidth", "4", "qemu", two.tcp_uri])
    wait_until(lambda: '"event":"MIGRATION","data":{"status":"active"}' in two.log(), "its QEMU reads")
    two.kill_daemon()
    one.virsh("domjobabort", "qemu")
    process.communicate(timeout=30)
    later.begin(), later.confirm(cancelled=1)
    one.restart_ferryd(signal.SIGKILL)
    two.start_ferryd()
    runs_on(running, one)
    nothing_left(two, running.guest)
    wait_until(lambda: not one.listening(), "released ports at home", 5)
    goes_there_and_back(lab, running, one, two)


def stops_answering(host):
    """Its daemon sleeps; its QEMU does not."""
    pid = host.daemon_pid("ferryd")
    os.kill(pid, signal.SIGSTOP)
    return pid


def wakes(pid):
    os.killpg(os.getpgid(pid), signal.SIGCONT)       # and who entered the namespace for it


@pytest.fixture
def doubtful(lab, started):
    """(guest, client, the destination's daemon): that sleeps, the memory is there, and the source has said GO, and waits."""
    one, two = lab.hosts
    running = started(one, append="set=4 touch=40 check=500")
    process = one.popen(["virsh", "-c", one.socket_uri, "migrate", "--live", "--p2p", "--bandwidth", "4", "qemu", two.tcp_uri], stdout=-1, stderr=-2, text=True)
    wait_until(lambda: "Data processed" in one.virsh("domjobinfo", "qemu", check=False).stdout, "the job", 20)
    wait_until(lambda: '"event":"MIGRATION","data":{"status":"active"}' in two.log(), "its QEMU reads", 20)
    pid = stops_answering(two)
    one.virsh("migrate-setspeed", "qemu", "1000")
    assert_doubt(one)
    yield running, process, pid
    if process.poll() is None:
        end(process, signal.SIGKILL)


def test_a_guest_in_doubt_says_for_whom_it_waits_and_settles_by_itself(lab, doubtful):
    one, two = lab.hosts
    running, process, pid = doubtful
    output, _ = process.communicate(timeout=40)
    assert process.returncode == 1 and DOUBT in output, output
    wakes(pid)
    runs_on(running, two)
    nothing_left(one, running.guest)
    goes_there_and_back(lab, running, two, one)


def test_a_guest_in_doubt_waits_over_a_restart(lab, doubtful):
    one, two = lab.hosts
    running, process, pid = doubtful
    since = len(one.log())
    one.restart_ferryd(signal.SIGKILL)
    assert_doubt(one, since)
    end(process, signal.SIGKILL)
    wrong = one.ferry("migration", "resolve", "qemu", "--there", "--confirm", "fedora9", check=False)
    assert wrong.returncode == 1 and "is 'fedora2', not 'fedora9'" in wrong.stderr, wrong.stderr
    wakes(pid)
    runs_on(running, two)
    nothing_left(one, running.guest)


def test_daemons_that_only_meet_in_calls_any_more(lab, doubtful):
    """The ports of migrations are blocked meanwhile; the other daemon can be called, as it was to lead the migration."""
    one, two = lab.hosts
    running, process, pid = doubtful
    for host in lab.hosts:
        host.drop("tcp dport 49152-49215")
        host.drop("tcp sport 49152-49215")
    one.restart_ferryd(signal.SIGKILL)      # which waits for no answer to Finish
    end(process, signal.SIGKILL)
    wakes(pid)
    runs_on(running, two)
    wait_until(lambda: not one.qemus(), "its source to let it go", 30)


def asked(host, *words, typed):
    """`ferry migration resolve` on a terminal, where somebody types that: (exit status, what it said)."""
    ours, its = pty.openpty()
    try:
        process = host.popen([host.lab.ferry, "-c", host.socket_uri, "migration", "resolve", "qemu", *words], stdin=its, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True)
        os.write(ours, typed.encode() + b"\n")
        output, _ = process.communicate(timeout=30)
    finally:
        os.close(ours)
        os.close(its)
    return process.returncode, output


STAKES = {"--here": "it will run twice, and its disks will be destroyed", "--there": "its memory is lost", "--crashed": "memory is given up here"}


def test_a_person_is_told_what_is_at_stake_and_asked(lab, doubtful):
    """Both records as far as they are known, the age of the last answer, the lease; and the other host's name is to be typed."""
    one, two = lab.hosts
    running, process, pid = doubtful
    end(process, signal.SIGKILL)
    generation = json.loads(one.ferry("migration", "list", "--json").stdout)[0]["epoch"]
    for word, stake in STAKES.items():
        for typed in ("", "fedora9"):
            status, output = asked(one, word, typed=typed)
            assert status == 1 and f"{word}: " in output and stake in output and "nothing was done" in output, output
            assert "Type the name of the other host to go on: " in output and f"Domain 'qemu': {DOUBT}" in output, output
            assert re.search(rf"here: +GO since 2\S+ \S+, \d+ (s|min) ago \(migration [0-9a-f]{{32}}, generation {generation}\)", output), output
            assert re.search(r"fedora2: +has said nothing since this ferryd was started", output), output
            assert re.search(r"lease: +none: nothing but your answer", output), output
        refused = one.ferry("migration", "resolve", "qemu", word, check=False)
        assert refused.returncode == 1 and stake in refused.stderr and "say which host you have looked at by --confirm NAME" in refused.stderr
        assert "Type the name" not in refused.stderr
    assert_doubt(one)
    status, output = asked(one, "--there", typed="Fedora2")
    assert status == 0 and "Domain 'qemu' is resolved: it is there" in output, output
    wait_until(lambda: not one.qemus(), "it has ended here", 10)
    again = one.ferry("migration", "resolve", "qemu", "--there", "--confirm", "fedora2", check=False)
    assert again.returncode == 1, again.stderr
    wakes(pid)
    runs_on(running, two)
    nothing_left(one, running.guest)


def test_a_person_may_know_that_it_is_there(lab, doubtful):
    one, two = lab.hosts
    running, process, pid = doubtful
    told = one.ferry("migration", "resolve", "qemu", "--there", "--confirm", "fedora2")
    assert STAKES["--there"] in told.stderr and "Type the name" not in told.stderr, told.stderr
    wait_until(lambda: not one.qemus(), "it has ended here", 10)
    end(process, signal.SIGKILL)
    wakes(pid)
    runs_on(running, two)
    nothing_left(one, running.guest)


@pytest.mark.parametrize("picked", ["--there", "--here"])
def test_two_hosts_that_both_have_it_after_a_wrong_word(lab, doubtful, picked):
    """A person said that it had not been taken over there, and it had: the lower generation stands back until a person picks."""
    one, two = lab.hosts
    running, process, pid = doubtful
    one.drop(f"ip daddr {two.address}", "output")
    end(process, signal.SIGKILL)
    one.ferry("migration", "resolve", "qemu", "--here", "--confirm", "fedora2")
    wakes(pid)
    wait_until(lambda: two.virsh("domstate", "qemu", check=False).stdout.strip() == "running", "GO, which had come before")
    assert one.virsh("domstate", "qemu").stdout.strip() == "running"
    one.undrop()
    wait_until(lambda: two.virsh("domstate", "qemu").stdout.strip() == "paused", "the lower generation to stand back")
    wait_until(lambda: "is on fedora2 too" in one.virsh("dominfo", "qemu").stdout, "the other one to hear of it")
    assert one.virsh("domstate", "qemu").stdout.strip() == "running"
    untold = two.ferry("migration", "resolve", "qemu", picked, check=False)
    assert untold.returncode == 1 and re.search(r"here: +TAKEN since 2", untold.stderr), untold.stderr
    assert re.search(r"fedora1: +KEPT, as it last said 2\S+ \S+, \d+ (s|min) ago", untold.stderr), untold.stderr
    two.restart_ferryd(signal.SIGKILL)
    refused = two.virsh("resume", "qemu", check=False)
    assert refused.returncode == 1 and "a person has given it to fedora1 too" in refused.stderr, refused.stderr
    assert "stands back" in two.ferry("migration", "list").stdout
    if picked == "--here":
        one.virsh("define", running.guest.path())
        one.virsh("destroy", "qemu")
        assert "is on fedora2 too" not in one.virsh("dominfo", "qemu").stdout
        one.virsh("undefine", "qemu")
    two.ferry("migration", "resolve", "qemu", picked, "--confirm", "fedora1")
    home, other = (one, two) if picked == "--there" else (two, one)
    running.ticks.wait(home.name, more=10)
    assert home.virsh("domstate", "qemu").stdout.strip() == "running"
    nothing_left(other, running.guest)
    assert home.virsh("suspend", "qemu").returncode == 0


@pytest.mark.parametrize("has_yielded", [False, True], ids=["stands-back", "has-yielded"])
def test_a_daemon_that_ended_before_it_stood_back(lab, started, has_yielded):
    """It had written down that the guest is on the other host too, or that this is the other host's, and no more."""
    one, two = lab.hosts
    running = started(one)
    one.virsh("migrate", "--live", "--p2p", "qemu", two.tcp_uri)
    running.ticks.wait(two.name)
    two.stop_daemon("ferryd", signal.SIGKILL)
    [path] = (two.folder / "var/lib/ferry/migrations").glob("*.json")
    path.write_text(json.dumps(dict(json.loads(path.read_text()), rival_epoch=9, has_yielded=has_yielded)))
    two.start_ferryd()
    if has_yielded:
        nothing_left(two, running.guest)
        return
    wait_until(lambda: two.virsh("domstate", "qemu").stdout.strip() == "paused", "it stands back")
    refused = two.virsh("resume", "qemu", check=False)
    assert refused.returncode == 1 and "a person has given it to fedora1 too" in refused.stderr, refused.stderr


def test_finish_and_confirm_only_fetch_the_outcome(lab, started):
    """Whatever a client makes of it: neither a Finish without GO nor a Confirm that says cancelled undoes what the daemons know."""
    one, two = lab.hosts
    running = started(one)
    leader = Leader(lab)
    leader.begin(), leader.prepare()
    second = leader.cookie
    leader.perform()
    leader.finish(cookie=second)
    leader.confirm(cancelled=1, cookie=b"")
    leader.vanish()
    runs_on(running, two)
    nothing_left(one, running.guest)


def test_an_abort_after_the_answer_comes_too_late(lab, started):
    one, two = lab.hosts
    running = started(one)
    leader = Leader(lab)
    leader.begin(), leader.prepare(), leader.perform()
    runs_on(running, two)
    refused = one.virsh("domjobabort", "qemu", check=False)
    assert refused.returncode == 1 and "too late" in refused.stderr, refused.stderr
    leader.finish(), leader.confirm()
    leader.vanish()
    runs_on(running, two)
    nothing_left(one, running.guest)


def test_an_abort_while_it_waits_gets_it_back(lab, doubtful):
    """The destination has not heard GO: asked to give it back, it does."""
    one, two = lab.hosts
    running, _, pid = doubtful
    one.virsh("domjobabort", "qemu")
    group = os.getpgid(pid)
    os.kill(pid, signal.SIGKILL)             # with what it had not read
    os.killpg(group, signal.SIGCONT)
    two.restart_ferryd()
    runs_on(running, one)
    nothing_left(two, running.guest)
    goes_there_and_back(lab, running, one, two)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["term", "kill"])
@pytest.mark.parametrize("last", ["begin", "prepare"])
def test_a_source_daemon_restarted_before_perform_keeps_the_guest(lab, started, last, how):
    one, two = lab.hosts
    running = started(one)
    leader = Leader(lab)
    leader.begin()
    if last == "prepare":
        leader.prepare()
    one.restart_ferryd(how)
    runs_on(running, one)
    leader.vanish()
    nothing_left(two, running.guest)
    goes_there_and_back(lab, running, one, two)


def test_a_source_daemon_killed_while_memory_flows_loses_nothing(lab, started):
    """The client says "cancelled" to the destination, which asks the source."""
    one, two = lab.hosts
    running = started(one, append="set=4 touch=40 check=500")
    process = one.popen(["virsh", "-c", one.socket_uri, "migrate", "--live", "--bandwidth", "4", "qemu", two.tcp_uri], stdout=-1, stderr=-2, text=True)
    wait_until(lambda: "Data processed" in one.virsh("domjobinfo", "qemu", check=False).stdout, "the job", 20)
    one.restart_ferryd(signal.SIGKILL)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1, output
    one.virsh("migrate-setspeed", "qemu", "1000")
    runs_on(running, two)
    nothing_left(one, running.guest)
    goes_there_and_back(lab, running, two, one)


def test_a_destination_daemon_killed_while_memory_flows_loses_nothing(lab, started):
    one, two = lab.hosts
    running = started(one, append="set=4 touch=40 check=500")
    process = one.popen(["virsh", "-c", one.socket_uri, "migrate", "--live", "--p2p", "--bandwidth", "4", "qemu", two.tcp_uri], stdout=-1, stderr=-2, text=True)
    wait_until(lambda: "Data processed" in one.virsh("domjobinfo", "qemu", check=False).stdout, "the job", 20)
    two.kill_daemon()
    one.virsh("migrate-setspeed", "qemu", "1000")
    output, _ = process.communicate(timeout=60)     # it waits for that daemon for 20 s
    assert process.returncode == 1, output
    runs_on(running, one)
    two.start_ferryd()
    nothing_left(two, running.guest)
    goes_there_and_back(lab, running, one, two)


def test_a_source_daemon_killed_after_go_asks(lab, started):
    one, two = lab.hosts
    running = started(one)
    leader = Leader(lab)
    leader.begin(), leader.prepare(), leader.perform()
    one.restart_ferryd(signal.SIGKILL)
    nothing_left(one, running.guest)
    leader.finish()
    leader.vanish()
    runs_on(running, two)


def test_a_destination_daemon_killed_after_taken_keeps_guest_and_definition(lab, started):
    one, two = lab.hosts
    running = started(one)
    leader = Leader(lab, flags=LIVE | PERSIST)
    leader.begin(), leader.prepare(), leader.perform(), leader.finish()
    two.restart_ferryd(signal.SIGKILL)
    runs_on(running, two)
    assert "Persistent:     yes" in two.virsh("dominfo", "qemu").stdout
    leader.confirm()
    nothing_left(one, running.guest)
    runs_on(running, two)


def test_a_definition_that_stayed_does_not_start_again(lab, started):
    """Persistent here, moved without --undefinesource: the name is still there, the guest is not."""
    one, two = lab.hosts
    running = started(one)
    one.virsh("define", running.guest.path())
    result = move(running.ticks, one, ["virsh", "-c", one.socket_uri, "migrate", "--live", "qemu", two.tcp_uri], two)
    assert result.status == 0, result.output
    for _ in range(2):
        refused = one.virsh("start", "qemu", check=False)
        assert refused.returncode == 1 and "given to fedora2" in refused.stderr and "--here" in refused.stderr, refused.stderr
        one.restart_ferryd()
    assert one.virsh("domstate", "qemu").stdout.strip() == "shut off"
    two.virsh("destroy", "qemu")
    one.ferry("migration", "resolve", "qemu", "--here", "--confirm", "fedora2")
    one.virsh("start", "qemu")
    running.ticks.wait(one.name, more=5)


def test_a_guest_made_anew_on_the_other_host_may_come(lab, started):
    """Its generation is lower there than what this host has seen: that alone is no reason to refuse it."""
    one, two = lab.hosts
    running = started(one)
    for _ in range(2):                       # attempts of which the other host never hears
        leader = Leader(lab)
        leader.begin()
        leader.confirm(cancelled=1, cookie=b"")
        leader.vanish()
    one.virsh("destroy", "qemu")
    two.virsh("create", running.guest.path())
    running.ticks.wait(two.name, more=10)
    result = move(running.ticks, two, ["virsh", "-c", two.socket_uri, "migrate", "--live", "qemu", one.tcp_uri], one)
    assert result.status == 0, result.output


def as_if_performed(host):
    """The record of a Perform that had begun with a host that cannot be asked."""
    for path in host.folder.glob("**/migrations/*.json"):
        journal = json.loads(path.read_text())
        journal.setdefault("peer", "fedora2")
        journal["address"] = "192.168.122.77:49152"
        path.write_text(json.dumps(journal))


def test_a_host_that_lost_its_power_before_perform_need_ask_nobody(lab, started):
    """OFFERED of an older boot, and no other host in the record: GO cannot have been said."""
    one, two = lab.hosts
    running = started(one)
    one.virsh("define", running.guest.path())
    leader = Leader(lab)
    leader.begin(), leader.prepare()
    power_off(one)
    boot_anew(one)
    assert one.virsh("domstate", "qemu").stdout.strip() == "shut off"
    one.virsh("start", "qemu")
    running.ticks.wait(one.name, more=5)
    leader.vanish()
    nothing_left(two, running.guest)


def test_a_host_that_lost_its_power_asks_before_it_starts(lab, started):
    """OFFERED of an older boot: GO may have been said, so nobody here may start it."""
    one, two = lab.hosts
    running = started(one)
    one.virsh("define", running.guest.path())
    leader = Leader(lab)
    leader.begin()
    power_off(one)
    as_if_performed(one)
    boot_anew(one)
    leader.vanish()
    refused = one.virsh("start", "qemu", check=False)
    assert refused.returncode == 1 and "outcome not yet known" in refused.stderr, refused.stderr
    one.ferry("migration", "resolve", "qemu", "--here", "--confirm", "fedora2")
    one.virsh("start", "qemu")
    running.ticks.wait(one.name, more=5)


def test_a_definition_that_went_with_its_guest_does_not_come_back(lab, started):
    """The daemon is killed after the definition has gone and before its record says so."""
    one, two = lab.hosts
    running = started(one)
    one.virsh("define", running.guest.path())
    one.virsh("migrate", "--live", "--persistent", "--undefinesource", "qemu", two.tcp_uri)
    one.kill_daemon()
    for path in one.folder.glob("**/migrations/*.json"):
        journal = json.loads(path.read_text())
        journal.update(ended_ms=0, has_left=False, is_over=False)
        path.write_text(json.dumps(journal))
    one.restart_ferryd()
    assert one.virsh("list", "--all", "--name").stdout.split() == []
    runs_on(running, two)
    goes_there_and_back(lab, running, two, one)


def test_a_restarted_daemon_ends_an_attempt_once(lab, started):
    """Its QEMU has ended meanwhile: whoever reports that, and whoever reads the records, speaks of the same attempt."""
    one, two = lab.hosts
    running = started(one, append="set=4 touch=12 check=500", memory_mib=64)
    process = one.popen(["virsh", "-c", one.socket_uri, "migrate", "--live", "--bandwidth", "2", "qemu", two.tcp_uri], stdout=-1, stderr=-2, text=True)
    wait_until(lambda: "Data processed" in one.virsh("domjobinfo", "qemu", check=False).stdout, "the job", 20)
    power_off(two)
    two.restart_ferryd()
    assert process.wait(60) == 1
    process.stdout.close()
    runs_on(running, one)
    nothing_left(two, running.guest)
    assert two.log().count("ended: REFUSED") == 1, two.log()[-3000:]
    assert "cannot ask at the port" not in two.log()


def test_a_port_that_others_have_is_taken_once_it_is_free(lab, started):
    """A restarted daemon binds the port that the other side knows; until it can, the two cannot speak."""
    one, two = lab.hosts
    running = started(one, append="set=4 touch=12 check=500", memory_mib=64)
    process = one.popen(["virsh", "-c", one.socket_uri, "migrate", "--live", "--bandwidth", "2", "qemu", two.tcp_uri], stdout=-1, stderr=-2, text=True)
    wait_until(lambda: "Data processed" in one.virsh("domjobinfo", "qemu", check=False).stdout, "the job", 20)
    port = two.listening()[0]
    two.kill_daemon()
    other = two.popen(["/usr/bin/python3", "-I", "-c", "import socket, sys\n"
                       f"one = socket.create_server(('::', {port}), family=socket.AF_INET6, dualstack_ipv6=True)\n"
                       "print('+', flush=True)\nsys.stdin.read()"], stdin=-1, stdout=-1)
    other.stdout.readline()
    two.restart_ferryd()
    wait_until(lambda: "cannot ask at the port that it knows" in two.log(), "the port is taken", 10)
    other.stdin.close()
    other.wait(5)
    other.stdout.close()
    wait_until(lambda: "fedora2 is reached again" in one.log(), "the two daemons to meet again", 20)
    one.virsh("migrate-setspeed", "qemu", "1000")
    process.communicate(timeout=60)      # fails: its connection has gone, so it takes the guest back if that has not run yet
    wait_until(lambda: bool(one.qemus()) != bool(two.qemus()) and not one.listening() and not two.listening(), "one guest, and nobody waits", 20)
    runs_on(running, one if one.qemus() else two)


def test_autostart_has_its_turn_once_the_owner_is_known(lab, started):
    """At start-up nobody could say whose guest it is, so its autostart was refused."""
    one, two = lab.hosts
    running = started(one)
    one.virsh("define", running.guest.path())
    one.virsh("autostart", "qemu")
    leader = Leader(lab)
    leader.begin()
    power_off(one)
    as_if_performed(one)
    boot_anew(one)
    leader.vanish()
    wait_until(lambda: "autostart of domain 'qemu' waits" in one.log(), "the refused autostart", 10)
    assert not one.qemus()
    one.ferry("migration", "resolve", "qemu", "--here", "--confirm", "fedora2")
    wait_until(one.qemus, "the autostart", 10)
    running.ticks.wait(one.name, more=5)
    one.virsh("autostart", "--disable", "qemu")


@pytest.mark.parametrize("runs_there", (False, True))
def test_a_transient_guest_outlives_the_power_in_its_record(lab, started, runs_there):
    """No definition of it lies anywhere but in the record of its migration: it is listed with that until the answer is
    there, and where the answer is that its image is lost, it stays, shut off."""
    one, two = lab.hosts
    running = started(one)
    uuid_text = one.virsh("domuuid", "qemu").stdout.strip()
    leader = Leader(lab)
    leader.begin()
    power_off(one)
    as_if_performed(one)
    boot_anew(one)
    leader.vanish()
    for _ in range(2):
        text = one.virsh("dumpxml", "qemu").stdout
        assert uuid_text in text and "<serial" in text, text
        assert "outcome not yet known" in one.virsh("start", "qemu", check=False).stderr
        one.restart_ferryd()
    if runs_there:
        one.ferry("migration", "resolve", "qemu", "--there", "--confirm", "fedora2")
        assert one.virsh("list", "--all", "--name").stdout.split() == []
        return
    one.ferry("migration", "resolve", "qemu", "--here", "--confirm", "fedora2")
    assert one.virsh("domstate", "--reason", "qemu").stdout.strip() == "shut off (crashed)"
    one.restart_ferryd()
    one.virsh("start", "qemu")
    running.ticks.wait(one.name, more=5)


def power_off(host):
    host.kill_daemon()
    for pid, _ in host.qemus():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not host.qemus(), "no QEMU", 5)


def boot_anew(host):
    """/run is empty and the kernel has another boot id."""
    boot = host.folder / "boot_id"
    boot.write_text(f"{uuid.uuid4()}\n")
    host.run(["sh", "-c", f"rm -rf /run/ferry; mount --bind {boot} /proc/sys/kernel/random/boot_id"])
    host.start_ferryd()


def test_a_stranger_cannot_confirm(lab, started):
    """Another client's word about what became of the guest counts for nothing; the leader's does."""
    one, two = lab.hosts
    running = started(one)
    leader, stranger = Leader(lab), Leader(lab)
    for phase in (leader.begin, leader.prepare):
        phase()
        with pytest.raises(Failed, match="does not lead the migration of domain 'qemu'"):
            stranger.confirm(cancelled=1)
    leader.perform()
    for cancelled in (0, 1):
        with pytest.raises(Failed, match="does not lead the migration of domain 'qemu'"):
            stranger.confirm(cancelled=cancelled)
    assert DOUBT not in one.virsh("dominfo", "qemu").stdout
    leader.finish()
    leader.confirm()
    runs_on(running, two)
    nothing_left(one, running.guest)
