# SPDX-License-Identifier: LGPL-2.1-or-later
"""An abort takes effect at once, whoever is silent on the other side and whatever is stuck on the way."""
import contextlib
import json
import os
import signal
import time

import pytest
from conftest import lab_of
from lab.lab import end, wait_until
from lab.moves import assert_runs_on, traces

PREPARE3_PARAMS = 303
TRIES = 16
SOME_S = 0.1          # from the first sign of it to its end, and more
AT_ONCE_S = 4.0     # some 30 ms on an idle machine; what this replaces took 10 s and more
MODES = {"direct": [], "p2p": ["--p2p"], "tunnelled": ["--p2p", "--tunnelled"]}
LISTEN = "import socket, time; s = socket.create_server(('', 16600)); print(flush=True); time.sleep(1000)"


lab = lab_of(["ferryd", "ferryd"])


@pytest.fixture
def migrate(lab):
    processes = []

    def run(mode, uri, *words, here=lab.hosts[0]):
        processes.append(here.popen(["virsh", "-c", here.socket_uri, "migrate", "--live", *MODES[mode], *words, "qemu", uri],
                                    stdout=-1, stderr=-2, text=True))
        return processes[-1]

    yield run
    for process in processes:
        if process.poll() is None:
            end(process, signal.SIGKILL)
    lab.hosts[1].run(["nft", "flush", "ruleset"])


def abort(lab, running, process, is_led=True):
    """The command has ended and the guest runs on before anybody has lost patience.  is_led: that daemon has not been restarted."""
    one, two = lab.hosts
    since = running.ticks.mark()
    began = time.monotonic()
    one.virsh("domjobabort", "qemu")
    if not is_led:
        wait_until(lambda: one.virsh("domjobinfo", "qemu").stdout.split() == ["Job", "type:", "None"], "the end of the job")
        running.ticks.wait(one.name, more=1)
    output, _ = process.communicate(timeout=60)
    took = time.monotonic() - began
    print(f"aborted within {took * 1000:.0f} ms: {output.strip()}")
    assert process.returncode == 1 and ("canceled by client" in output or not is_led), output
    assert took < AT_ONCE_S, f"{took:.1f} s: {output}"
    assert one.virsh("domjobinfo", "qemu").stdout.split() == ["Job", "type:", "None"]
    assert one.virsh("domstate", "qemu").stdout.strip() == "running"
    running.ticks.wait(one.name, more=10)
    verdict = running.ticks.verdict(since)
    assert verdict.is_sound, verdict.complaint()
    assert verdict.downtime_ms < AT_ONCE_S * 1000


def wait_job(one, process):
    def has_begun():
        assert process.poll() is None, process.stdout.read()
        return "None" not in one.virsh("domjobinfo", "qemu").stdout

    wait_until(has_begun, "the job has begun")


def begin_last_phase(one):
    one.virsh("migrate-setmaxdowntime", "qemu", "200000")
    wait_until(lambda: "paused" in one.virsh("domstate", "qemu").stdout, "the guest is stopped")


def test_a_peer_that_accepts_and_is_silent(lab, started, migrate):
    one, two = lab.hosts
    running = started(one)
    silent = two.popen(["/usr/bin/python3", "-c", LISTEN], stdout=-1)
    silent.stdout.readline()
    process = migrate("p2p", f"qemu+tcp://{two.address}:16600/system")
    wait_job(one, process)
    abort(lab, running, process)
    end(silent)


def test_a_peer_that_does_not_accept(lab, started, migrate):
    one, two = lab.hosts
    running = started(one)
    two.drop("tcp dport 16509")
    process = migrate("p2p", two.tcp_uri)
    wait_job(one, process)
    abort(lab, running, process)


@pytest.mark.parametrize("mode", ["p2p", "tunnelled"])
def test_a_peer_that_does_not_hear_prepare(lab, started, migrate, mode):
    one, two = lab.hosts
    running = started(one)
    number = PREPARE3_PARAMS + (mode == "tunnelled")
    two.drop(f"tcp dport 16509 @th,352,32 {number}")
    process = migrate(mode, two.tcp_uri)
    wait_until(lambda: " packets 0 " not in two.run(["nft", "list", "table", "inet", "lab"]).stdout, "Prepare is on its way")
    abort(lab, running, process)


@pytest.mark.parametrize("mode", ["direct", "p2p"])
def test_a_lane_that_does_not_connect(lab, started, migrate, mode):
    one, two = lab.hosts
    running = started(one)
    two.drop("tcp dport 49152-49215")
    process = migrate(mode, two.tcp_uri)
    wait_until(lambda: " packets 0 " not in two.run(["nft", "list", "table", "inet", "lab"]).stdout, "it is being dialled")
    abort(lab, running, process)
    wait_until(lambda: not two.qemus() and traces(two, running.guest) == [], "nothing is left over there")


@contextlib.contextmanager
def stuck(lab, migrate, frozen, mode, phase):
    """A migration whose receiver is frozen (a QEMU or a daemon of two): pipe and socket are full, and QEMU blocks in a write: in the last
    phase with its monitor, and with the guest stopped."""
    one, two = lab.hosts
    process = migrate(mode, two.tcp_uri, "--bandwidth", "1")
    wait_job(one, process)
    wait_until(two.qemus, "QEMU over there")
    wait_until(lambda: "Memory processed" in one.virsh("domjobinfo", "qemu").stdout, "memory is moving")
    pid = two.qemus()[0][0] if frozen == "QEMU" else two.daemon_pid("ferryd")
    os.kill(pid, signal.SIGSTOP)
    try:
        if phase == "last":
            begin_last_phase(one)
        else:
            one.virsh("migrate-setspeed", "qemu", "10000")
            seen = []
            wait_until(lambda: seen.append(one.virsh("domjobinfo", "qemu").stdout.partition("Memory processed")[2].split("\n")[0])
                       or len(seen) > 5 and len(set(seen[-5:])) == 1, "it is stuck", every_s=0.1)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):  # and who entered the namespace for a daemon; QEMU may have been ended
            os.killpg(os.getpgid(pid), signal.SIGCONT)


@pytest.mark.parametrize("phase", ["memory", "last"])
@pytest.mark.parametrize("frozen", ["QEMU", "daemon"])
@pytest.mark.parametrize("mode", MODES)
def test_a_receiver_that_is_frozen(lab, started, migrate, mode, frozen, phase):
    one, two = lab.hosts
    if frozen == "daemon" and mode != "tunnelled":
        pytest.skip("the memory does not pass through the daemon")
    running = started(one, append="set=24 touch=24 check=500", memory_mib=64)
    with stuck(lab, migrate, frozen, mode, phase) as process:
        abort(lab, running, process)
    wait_until(lambda: not two.qemus() and traces(two, running.guest) == [], "nothing is left over there")


@pytest.mark.parametrize("phase", ["memory", "last"])
@pytest.mark.parametrize("restarted", [[0], [1], [0, 1]], ids=["source", "destination", "both"])
def test_a_receiver_that_is_frozen_and_a_new_daemon(lab, started, migrate, restarted, phase):
    """QEMU has the lane, the daemon that made it is gone, and QEMU is as silent to the new one."""
    one, two = lab.hosts
    running = started(one, append="set=24 touch=24 check=500", memory_mib=64)
    with stuck(lab, migrate, "QEMU", "p2p", phase) as process:
        for number in restarted:
            lab.hosts[number].restart_ferryd(signal.SIGKILL)
        abort(lab, running, process, is_led=0 not in restarted)
    wait_until(lambda: not two.qemus() and traces(two, running.guest) == [], "nothing is left over there")
    journals = (one.folder / "var/lib/ferry/migrations").glob("*.json")
    newest = max((json.loads(path.read_text()) for path in journals), key=lambda journal: journal["started_ms"])
    assert newest["outcome"] == "KEPT" and "canceled by client" in newest["cause"], newest
    assert "lanes" not in newest, newest    # an older daemon, which does not know them, can read it


def test_a_receiver_that_is_frozen_and_a_kernel_that_gives_no_lane_away(lab, started, migrate):
    """As in a sandbox: the log says why, and QEMU is told to cancel."""
    one, _ = lab.hosts
    running = started(one, append="set=24 touch=24 check=500", memory_mib=64)
    try:
        with stuck(lab, migrate, "QEMU", "p2p", "memory") as process:
            one.kill_daemon()
            one.start_ferryd(wrapper=["setpriv", "--bounding-set", "-sys_ptrace", "--inh-caps", "-sys_ptrace"])
            log = one.log()
            abort(lab, running, process, is_led=False)
    finally:
        one.stop_daemon()
        one.start_ferryd()
    assert "continuing without a hold of its lanes" in log, log[-3000:]


@pytest.mark.parametrize("words", [[], ["--parallel"]], ids=["one-lane", "parallel"])
@pytest.mark.parametrize("mode", MODES)
def test_a_guest_that_dies_in_the_last_phase(lab, started, migrate, mode, words):
    """Its other half waits for the rest, and whoever asks it learns nothing until the stream has ended there too."""
    one, two = lab.hosts
    if words and mode == "tunnelled":
        pytest.skip("a tunnel is one stream")
    running = started(one, append="set=24 touch=24 check=500", memory_mib=64)
    process = migrate(mode, two.tcp_uri, "--bandwidth", "1", *words)
    wait_job(one, process)
    wait_until(lambda: "Memory processed" in one.virsh("domjobinfo", "qemu").stdout, "memory is moving")
    reader = two.qemus()[0][0]
    os.kill(reader, signal.SIGSTOP)     # the last phase knows no bandwidth, and would be over
    try:
        begin_last_phase(one)
        os.kill(one.qemus()[0][0], signal.SIGKILL)
    finally:
        os.kill(reader, signal.SIGCONT)
    output, _ = process.communicate(timeout=15)
    assert process.returncode and "domain is not running" in output, output
    wait_until(lambda: one.virsh("domstate", "--reason", "qemu").stdout.strip() == "shut off (crashed)", "it is shut off here")
    wait_until(lambda: traces(two, running.guest) == [], "nothing is left over there")
    assert one.virsh("start", "qemu").returncode == 0


def test_a_tunnel_that_is_lost_ends_the_stream_by_itself(lab, started, migrate):
    """`migrate_cancel` is the one way that may leave QEMU with closed images, until `cont`, for which this daemon may not live."""
    one, two = lab.hosts
    running = started(one, append="set=8")
    before = len(one.log())
    process = migrate("tunnelled", two.tcp_uri, "--bandwidth", "2")
    wait_until(lambda: process.poll() is not None or "Data processed" in one.virsh("domjobinfo", "qemu", check=False).stdout, "memory moves")
    two.kill_daemon()
    output, _ = process.communicate(timeout=60)
    two.restart_ferryd()
    assert process.returncode, output
    assert_runs_on(running.ticks, running.guest, one, two)
    log = one.log()[before:]
    assert "migrate_cancel" not in log
    assert '"status": "failed"' in log or '"status":"failed"' in log


def test_a_tunnel_that_is_given_up_ends_the_stream_by_itself(lab, started, migrate):
    """The same for its user's abort: the connection stays, and carries what is left to be said."""
    one, two = lab.hosts
    running = started(one, append="set=8")
    before = len(one.log())
    process = migrate("tunnelled", two.tcp_uri, "--bandwidth", "2")
    wait_until(lambda: process.poll() is not None or "Data processed" in one.virsh("domjobinfo", "qemu", check=False).stdout, "memory moves")
    abort(lab, running, process)
    wait_until(lambda: not two.qemus() and traces(two, running.guest) == [], "nothing is left over there")
    log = one.log()[before:]
    assert "migrate_cancel" not in log
    assert '"status": "failed"' in log or '"status":"failed"' in log


@pytest.mark.parametrize("mode", MODES)
def test_images_stay_open(lab, started, migrate, mode):
    """QEMU that is told to give up while it stops the vCPUs runs on with its images closed; the guest's next write ends it."""
    one, two = lab.hosts
    image = lab.shared / f"{mode}.raw"
    image.write_bytes(bytes(1 << 20))
    image.chmod(0o666)
    running = started(one, append="set=4 dirty=200", devices="<disk type='file' device='disk'><driver name='qemu' type='raw' cache='none'/>"
                                            f"<source file='{image}'/><target dev='vda' bus='virtio'/></disk>")
    for number in range(TRIES):
        process = migrate(mode, two.tcp_uri, here=one)
        wait_until(lambda: two.qemus() or process.poll() is not None, "QEMU over there")
        time.sleep(number / TRIES * SOME_S)      # it must be any moment
        one.virsh("domjobabort", "qemu", check=False)
        process.communicate(timeout=60)
        if not process.returncode:
            one, two = two, one
        one.virsh("qemu-monitor-command", "qemu", "--hmp", 'qemu-io -d /machine/peripheral/virtio-disk0/virtio-backend "write 0 512"')
        assert one.virsh("domstate", "qemu").stdout.strip() == "running"
        wait_until(lambda: not two.qemus(), "one QEMU")
    running.ticks.wait(one.name, more=3)
