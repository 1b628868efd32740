# SPDX-License-Identifier: LGPL-2.1-or-later
"""Postcopy between two of our daemons, as stock virsh leads it: the guest runs there while its memory still follows.  Half of it
is on each side then, so neither QEMU may end, and a stream that breaks is made again."""
import os
import re
import signal
import subprocess
import time

import pytest
from lab import postcopy
from lab.lab import Lab, Unavailable, end, wait_until
from lab.moves import PORTS, Guest, traces
from test_owner import LIVE, Leader

CELLS = {"direct": [], "p2p": ["--p2p"]}
MIB = 96            # of the guest that it writes and checks
SLOW = ["--postcopy-bandwidth", "6"]
POSTCOPY, POSTCOPY_RESUME = 1 << 15, 1 << 19


@pytest.fixture(scope="module")
def lab():
    try:
        lab = Lab(hosts=2)
        lab.__enter__()
    except Unavailable as problem:
        pytest.skip(str(problem))
    try:
        postcopy.emulator(lab)
        for host in lab.hosts:
            postcopy.start(lab, host, keepalive_interval=1, keepalive_count=2)
    except BaseException:
        lab.close()
        raise
    yield lab
    lab.close()


class Journey:
    """A guest on its way; what is seen of it on both sides."""

    def __init__(self, lab, mode, words=(), dirty=0):
        self.lab, self.mode, self.words = lab, mode, words
        self.one, self.two = lab.hosts
        for host in lab.hosts:
            host.run(["nft", "flush", "ruleset"])
        self.guest = Guest(lab, memory_mib=160, append=f"set={MIB} dirty={dirty} check=300", emulator=postcopy.emulator(lab))
        self.ticks = self.guest.ticks().__enter__()
        self.process = None
        self.events = {}
        self.is_judged = not dirty
        self.one.virsh("define", self.guest.path())
        self.one.virsh("start", self.guest.name)
        self.ticks.wait(self.one.name, more=10)
        self.since = self.ticks.mark()

    def begin(self, *words):
        """Until memory moves, slowly."""
        uri = self.one.socket_uri
        for host in self.lab.hosts:
            self.events[host] = host.popen(["virsh", "-c", host.socket_uri, "event", "--loop", "--event", "lifecycle"],
                                           stdout=open(self.log(host), "w"), stderr=-2)
        self.process = self.one.popen(["virsh", "-c", uri, "migrate", "--live", "--postcopy", "--persistent", "--undefinesource",
                                       *CELLS[self.mode], *self.words, *words, self.guest.name, self.two.tcp_uri],
                                      stdout=-1, stderr=-2, text=True)
        return self

    def log(self, host):
        return self.lab.folder / f"events-{host.name}"

    def seen(self, host):
        return re.findall(r": (\w+ [\w -]+)$", self.log(host).read_text(), re.M)

    def switch(self):
        self.begin("--bandwidth", "2")
        wait_until(lambda: "Memory processed" in self.one.virsh("domjobinfo", self.guest.name, check=False).stdout, "memory moves")
        self.one.virsh("migrate-postcopy", self.guest.name)
        self.wait("paused (post-copy)", "running (post-copy)")
        return self

    def state(self, host):
        return host.virsh("domstate", "--reason", self.guest.name, check=False).stdout.strip()

    def wait(self, here, there, timeout_s=20):
        wanted = here, there

        def is_so():
            return all(want is None or self.state(host) == want for host, want in zip(self.lab.hosts, wanted))
        try:
            wait_until(is_so, "", timeout_s)
        except TimeoutError:
            pytest.fail(f"wanted {wanted}, found {[self.state(host) for host in self.lab.hosts]}\n" + self.logs())

    def logs(self):
        lines = []
        for host in self.lab.hosts:
            told = [line for line in host.log().splitlines() if " debug client" not in line]
            lines += [f"--- {host.name}", *told[-40:]]
        return "\n".join(lines)

    def hurry(self):
        """What was to happen while memory follows has happened: the rest of it goes fast."""
        self.one.virsh("qemu-monitor-command", self.guest.name,
                       '{"execute":"migrate-set-parameters","arguments":{"max-postcopy-bandwidth":1000000000}}', check=False)

    def arrives(self, status=0):
        wait_until(lambda: self.process.poll() is not None or self.hurry(), "the end of the client", 60, every_s=0.1)
        output = self.process.stdout.read()
        assert self.process.returncode == status, f"{output}\n{self.logs()}"
        self.has_arrived()
        return output

    def has_arrived(self):
        self.hurry()
        self.wait("", "running (migrated)", 60)
        self.ticks.wait(self.two.name, more=20)
        verdict = self.ticks.verdict(self.since)
        assert verdict.is_sound or not self.is_judged, verdict.complaint()
        wait_until(lambda: not self.one.qemus() and traces(self.one, self.guest) == [], "nothing is left behind", 10)
        wait_until(lambda: not any(host.listening(*PORTS) for host in self.lab.hosts), "released ports", 10)
        assert self.two.virsh("dumpxml", "--inactive", self.guest.name).stdout

    def cut(self):
        """No packet passes, and what is connected ends: as a cable that is pulled for longer than a connection lives."""
        self.one.nft('add table inet cut\nadd chain inet cut in { type filter hook input priority 0; }\nadd rule inet cut in iifname "eth0" drop\n')
        for host in self.lab.hosts:
            host.run(["ss", "-K", "sport", ">=", f":{PORTS[0]}", "and", "sport", "<=", f":{PORTS[1]}"], check=False)
            host.run(["ss", "-K", "dport", ">=", f":{PORTS[0]}", "and", "dport", "<=", f":{PORTS[1]}"], check=False)

    def mend(self):
        self.one.run(["nft", "flush", "ruleset"])

    def close(self):
        for process in [self.process, *self.events.values()]:
            if process and process.poll() is None:
                end(process, signal.SIGKILL)
        for host in self.lab.hosts:
            host.run(["nft", "flush", "ruleset"])
            if not host.daemon_pid("ferryd"):
                host.restart_ferryd()
        for pid in [pid for host in self.lab.hosts for pid, _ in host.qemus()]:
            os.kill(pid, signal.SIGKILL)
        for host in self.lab.hosts:
            wait_until(lambda: not host.virsh("list", "--name", check=False).stdout.strip(), "no guest runs", 20)
            host.virsh("undefine", self.guest.name, check=False)
        self.ticks.__exit__(None, None, None)


@pytest.fixture
def journey(lab):
    made = []

    def start(mode="direct", words=SLOW, **more):
        made.append(Journey(lab, mode, words, **more))
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.mark.parametrize("mode", CELLS)
def test_a_guest_that_is_switched(journey, mode):
    it = journey(mode).switch()
    assert "left in 'paused' state" not in it.arrives()
    here, there = it.seen(it.one), it.seen(it.two)
    assert here[:2] == ["Suspended Migrated", "Suspended Post-copy"] and "Stopped Migrated" in here
    assert [one for one in there if one.startswith("Resumed")] == ["Resumed Post-copy", "Resumed Migrated"]
    assert "Post-copy" not in it.two.virsh("domstate", "--reason", "qemu").stdout


@pytest.mark.parametrize("words", [["--postcopy-after-precopy"], ["--timeout", "1", "--timeout-postcopy"]], ids=["after-precopy", "timeout"])
def test_who_leads_it_switches(journey, words):
    """With the second pass, before it is over: QEMU's emulation (before 9.0) does not see what a guest writes to pages that it writes
    all the time just after it has begun a pass, so what has arrived is not judged there."""
    it = journey(words=[*SLOW, *words], dirty=1500 if "after" in words[0] else 0)
    it.begin("--bandwidth", "10" if "after" in words[0] else "2")
    it.arrives()
    assert "Resumed Post-copy" in it.seen(it.two)


def test_what_has_arrived_before_the_switch_is_as_ever(journey):
    """The user allowed it, and nobody asked for it."""
    it = journey(words=["--bandwidth", "200"]).begin()
    it.arrives()
    assert "Resumed Post-copy" not in it.seen(it.two)


def test_a_host_that_keeps_userfaultfd(lab, journey):
    it = journey()
    postcopy.allow(it.two, "0")
    try:
        output, _ = it.begin().process.communicate(timeout=20)
    finally:
        postcopy.allow(it.two)
    assert it.process.returncode == 1 and "sysctl vm.unprivileged_userfaultfd=1" in output, output
    assert it.state(it.one) == "running (booted)" and not it.two.qemus()
    assert "Suspended" not in " ".join(it.seen(it.one))


def test_what_is_refused(lab, journey):
    it = journey()
    done = it.one.virsh("migrate-postcopy", "qemu", check=False)
    assert "post-copy can only be started while outgoing migration is in progress" in done.stderr
    it.switch()
    abort = it.one.virsh("domjobabort", "qemu", check=False)
    assert abort.returncode and "cannot abort migration in post-copy mode" in abort.stderr
    done = it.one.virsh("destroy", "qemu", check=False)
    assert done.returncode and "part of its memory is still here" in done.stderr, done.stdout + done.stderr
    it.arrives()


@pytest.mark.parametrize("mode", CELLS)
def test_a_link_that_breaks(journey, mode):
    """Both stand still until it is back; then they go on by themselves."""
    it = journey(mode).switch()
    it.cut()
    it.wait("paused (post-copy failed)", "running (post-copy failed)")
    it.mend()
    it.wait("paused (post-copy)", "running (post-copy)")
    it.has_arrived()
    assert "Suspended Post-copy Error" in it.seen(it.one)
    assert "Resumed Post-copy Error" in it.seen(it.two)


@pytest.mark.parametrize("mode", CELLS)
def test_a_stream_that_its_user_holds(lab, journey, mode):
    """It stays broken until he wants it to go on; whoever waits for the end, waits on."""
    it = journey(mode).switch()
    again = ["virsh", "-c", it.one.socket_uri, "migrate", "--live", "--postcopy", "--postcopy-resume", *CELLS[mode], "qemu", it.two.tcp_uri]
    early = it.one.run(again, check=False)
    assert early.returncode and "QEMU reports migration is still running" in early.stderr
    it.one.virsh("domjobabort", "--postcopy", "qemu")
    it.wait("paused (post-copy failed)", "running (post-copy failed)")
    resumed = it.one.popen(again, stdout=-1, stderr=-2, text=True)
    it.hurry()
    output, _ = resumed.communicate(timeout=60)
    assert resumed.returncode == 0, f"{output}\n{it.logs()}"
    it.arrives()


def test_nothing_to_resume(lab, journey):
    it = journey()
    done = it.one.virsh("migrate", "--live", "--postcopy", "--postcopy-resume", "qemu", it.two.tcp_uri, check=False)
    assert done.returncode and "domain 'qemu' is not being migrated" in done.stderr


@pytest.mark.parametrize("mode", CELLS)
def test_an_abort_before_it_runs_there(lab, journey, mode):
    """Switched, and nobody has said GO: the source takes it back, and the destination keeps its QEMU until it hears so."""
    it = journey(mode).begin("--bandwidth", "2")
    wait_until(lambda: "Memory processed" in it.one.virsh("domjobinfo", "qemu", check=False).stdout, "memory moves")
    pid = it.two.daemon_pid("ferryd")
    os.kill(pid, signal.SIGSTOP)
    try:
        it.one.virsh("migrate-postcopy", "qemu")
        it.wait("paused (post-copy)", None)
        it.one.virsh("domjobabort", "qemu")
        it.wait("running (migration canceled)", None)
        assert it.two.qemus()
    finally:
        os.kill(pid, signal.SIGCONT)
        os.kill(it.two.daemons["ferryd"].pid, signal.SIGCONT)   # nsenter stops with its child
    output, _ = it.process.communicate(timeout=60)
    assert it.process.returncode == 1 and "canceled by client" in output, output
    wait_until(lambda: not it.two.qemus() and traces(it.two, it.guest) == [], "nothing is left over there", 20)
    it.ticks.wait(it.one.name, more=20)
    verdict = it.ticks.verdict(it.since)
    assert verdict.is_sound, verdict.complaint()
    wait_until(lambda: not any(host.listening(*PORTS) for host in lab.hosts), "released ports", 10)


def test_a_host_that_never_comes_back(lab, journey):
    """A person gives up what is left at the source."""
    it = journey().switch()
    it.cut()
    it.wait("paused (post-copy failed)", "running (post-copy failed)")
    refused = it.one.ferry("migration", "resolve", "qemu", "--here", "--confirm", it.two.name, check=False)
    assert refused.returncode and "--crashed gives it up" in refused.stderr
    it.one.ferry("migration", "resolve", "qemu", "--crashed", "--confirm", it.two.name)
    wait_until(lambda: not it.one.qemus(), "the end of what was left", 10)
    it.mend()
    it.wait("", "shut off (crashed)")


@pytest.mark.parametrize("who", ["source", "destination", "both"])
@pytest.mark.parametrize("is_cut", [False, True], ids=["flowing", "cut"])
def test_a_daemon_that_is_restarted(lab, journey, who, is_cut):
    it = journey().switch()
    hosts = {"source": [it.one], "destination": [it.two], "both": lab.hosts}[who]
    if is_cut:
        it.cut()
        it.wait("paused (post-copy failed)", "running (post-copy failed)")
    for host in hosts:
        host.kill_daemon()
    if is_cut:
        it.mend()
    for host in hosts:
        host.restart_ferryd()
    it.has_arrived()


@pytest.mark.parametrize("who", ["source", "destination"])
def test_a_qemu_that_dies(lab, journey, who):
    """Half of the memory went with it: shut off (crashed) where the guest was, and nothing is left on the other side."""
    it = journey().switch()
    os.kill((it.one if who == "source" else it.two).qemus()[0][0], signal.SIGKILL)
    it.wait("", "shut off (crashed)")
    wait_until(lambda: not it.one.qemus() and not it.two.qemus(), "no QEMU is left", 10)
    assert traces(it.one, it.guest) == []
    it.process.communicate(timeout=30)
    wait_until(lambda: not any(host.listening(*PORTS) for host in lab.hosts), "released ports", 10)


def test_a_qemu_that_takes_another_stream_late(lab, journey):
    """So late that the source has tried it several times: the newest stream counts, and what was tried before it does no harm."""
    it = journey().switch()
    it.cut()
    it.wait("paused (post-copy failed)", "running (post-copy failed)")
    daemon, seen = it.two.daemon_pid("ferryd"), len(it.two.log())
    qemu = it.two.qemus()[0][0]
    os.kill(qemu, signal.SIGSTOP)
    try:
        it.mend()
        wait_until(lambda: it.two.log()[seen:].count("another stream with the rest of its memory comes") > 2, "the third stream", 60)
    finally:
        os.kill(qemu, signal.SIGCONT)
    it.has_arrived()
    assert it.two.daemon_pid("ferryd") == daemon, it.logs()


def test_a_hold_while_another_stream_is_made(lab, journey):
    """The wish counts for that stream as well, however late its QEMU takes it; the guest goes on once its user wants that."""
    it = journey().switch()
    it.cut()
    it.wait("paused (post-copy failed)", "running (post-copy failed)")
    seen = {host: len(host.log()) for host in lab.hosts}
    qemu = it.two.qemus()[0][0]
    os.kill(qemu, signal.SIGSTOP)
    try:
        it.mend()
        wait_until(lambda: "another stream with the rest of its memory comes" in it.two.log()[seen[it.two]:], "another stream")
        it.one.virsh("domjobabort", "--postcopy", "qemu")
    finally:
        os.kill(qemu, signal.SIGCONT)
    wait_until(lambda: "the rest of its memory goes on to" in it.one.log()[seen[it.one]:], "the stream that was being made", 30)
    it.wait("paused (post-copy failed)", "running (post-copy failed)")
    time.sleep(2.5)  # longer than a look at it takes to come round
    assert [it.state(host) for host in lab.hosts] == ["paused (post-copy failed)", "running (post-copy failed)"], it.logs()
    resumed = it.one.popen(["virsh", "-c", it.one.socket_uri, "migrate", "--live", "--postcopy", "--postcopy-resume", "qemu", it.two.tcp_uri],
                           stdout=-1, stderr=-2, text=True)
    it.hurry()
    output, _ = resumed.communicate(timeout=60)
    assert resumed.returncode == 0, f"{output}\n{it.logs()}"
    it.arrives()


def test_a_stream_that_is_made_again_for_a_time(lab, journey):
    """Its host's patience is limited: then its user says when it goes on."""
    it = journey()
    alert = {"keepalive_interval": 1, "keepalive_count": 2}
    it.one.stop_daemon()
    postcopy.start(lab, it.one, **alert, postcopy_patience=1)
    try:
        it.switch().cut()
        wait_until(lambda: "(postcopy_patience): it is not made again" in it.one.log(), "the end of its patience", 30)
        it.mend()
        time.sleep(2.5)  # it would have been made again by then
        it.wait("paused (post-copy failed)", "running (post-copy failed)")
        resumed = it.one.popen(["virsh", "-c", it.one.socket_uri, "migrate", "--live", "--postcopy", "--postcopy-resume", "qemu", it.two.tcp_uri],
                               stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        it.has_arrived()
        resumed.wait(30)
    finally:
        it.one.stop_daemon()
        postcopy.start(lab, it.one, **alert)


def test_a_leader_that_is_replaced(lab, journey):
    """Who lets it go on fetches its end, however late, though the one who had begun it has gone."""
    it = journey().switch()
    seen = len(it.two.log())
    it.one.virsh("domjobabort", "--postcopy", "qemu")
    it.wait("paused (post-copy failed)", "running (post-copy failed)")
    end(it.process, signal.SIGKILL)
    wait_until(lambda: "goes on without the connection that led it" in it.two.log()[seen:], "the destination misses its leader")
    leader = Leader(lab, flags=LIVE | POSTCOPY | POSTCOPY_RESUME)
    leader.begin(), leader.prepare(), leader.perform()
    it.hurry()
    it.wait(None, "running (migrated)", 60)
    leader.finish()
    leader.confirm()
    it.has_arrived()
