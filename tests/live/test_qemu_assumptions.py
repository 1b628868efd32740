# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the hand-over assumes of QEMU (docs/handover.md, sections 8 and 14), tried on the QEMU at hand, with nothing in between.
A version that breaks one of these breaks a promise: the model has to be asked before anything else."""
import json
import select
import socket
import threading

import pytest
from lab import guest
from lab.lab import Unavailable, require, wait_until
from lab.qemu import Qemu
from ticks import Ticks

APPEND = "tick=20 set=2 name=assumed"
QUIET_S = 1.0       # what QEMU does by itself it does within milliseconds
VMDESC = b'"page_size"'


class Lane:
    """What leads from QEMU to QEMU, through our hands: the way back may be held, the way there ends before its last `keep` bytes."""

    def __init__(self, holds_back=False, keep=0, cut_at=None):
        self.near, self.source = socket.socketpair()        # ours, the QEMU's
        self.far, self.destination = socket.socketpair()
        for end in (self.near, self.source):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)      # so that what we do not take stops QEMU
        self.holds_back, self.keep, self.cut_at = holds_back, keep, cut_at
        self.kept, self.tail, self.is_cut = b"", b"", threading.Event()
        self.wake, self.woken = socket.socketpair()
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self.source.close()
        self.destination.close()
        self.thread.start()

    def _run(self):
        is_at_end = False
        try:
            while True:
                ends = [self.woken] + ([] if is_at_end else [self.near]) + ([] if self.holds_back else [self.far])
                ready = select.select(ends, [], [])[0]
                if self.woken in ready and not self.woken.recv(64):
                    return
                if self.near in ready:
                    data = self.near.recv(1024 if self.cut_at else 65536)
                    is_at_end = not data
                    if self._there(data) or is_at_end and not self.keep:
                        return
                if self.far in ready:
                    data = self.far.recv(65536)
                    if not data:
                        return
                    self.near.sendall(data)
        except OSError:
            pass
        finally:
            for end in (self.near, self.far):
                end.close()
            self.is_cut.set()

    def _there(self, data):
        """Whether this was where to cut."""
        self.tail = (self.tail + data)[-2048:]
        with self.lock:
            self.kept += data
            passed, self.kept = self.kept[: len(self.kept) - self.keep], self.kept[len(self.kept) - self.keep:]
        self.far.sendall(passed)
        return bool(self.cut_at) and self.cut_at in self.tail

    def release(self):
        """What was kept goes on."""
        with self.lock:
            self.keep, passed, self.kept = 0, self.kept, b""
        self.far.sendall(passed)

    def cut(self):
        self.wake.close()
        self.thread.join(10)
        assert self.is_cut.is_set()


class Pair:
    """A guest that ticks on `one`; `two` waits for it, and does not run it by itself."""

    def __init__(self, folder):
        image = guest.image()
        self.one = Qemu(folder / "one", kernel=image, append=APPEND)
        self.two = Qemu(folder / "two", kernel=image, append=APPEND, incoming=True)
        self.ticks = Ticks(20, {"one": self.one.serial, "two": self.two.serial}).__enter__()
        self.lane = None

    def close(self):
        if self.lane and not self.lane.is_cut.is_set():
            self.lane.cut()
        self.ticks.__exit__(None, None, None)
        self.one.kill()
        self.two.kill()

    def run(self):
        self.one.qmp("cont")
        self.one.qmp.wait_event("RESUME")
        self.ticks.wait("one", more=5)

    def migrate(self, return_path=True, **more):
        self.lane = Lane(**more)
        capabilities = [{"capability": "events", "state": True}, {"capability": "return-path", "state": return_path}]
        for qemu, end in ((self.two, self.lane.destination), (self.one, self.lane.source)):
            qemu.qmp("migrate-set-capabilities", capabilities=capabilities)
            qemu.qmp("getfd", fd=end.fileno(), fdname="lane")
        self.two.qmp("migrate-incoming", uri="fd:lane")
        self.one.qmp("migrate-set-parameters", max_bandwidth=2**63 - 2**20)
        self.one.qmp("migrate", uri="fd:lane")
        self.lane.start()

    def wait(self, qemu, status):
        qemu.qmp.wait_event("MIGRATION", status=status)

    def complete(self):
        self.migrate()
        self.wait(self.one, "completed")
        self.wait(self.two, "completed")
        wait_until(lambda: state(self.one) != "finish-migrate", "the end of the migration in the source's QEMU")      # said before it is

    def assert_resumes_by_itself(self, status):
        self.wait(self.one, status)
        if not self.one.qmp("query-status")["running"]:
            self.one.qmp.wait_event("RESUME", 10)
        self.ticks.wait("one", more=5)
        assert self.one.qmp("query-migrate")["status"] == status


def state(qemu):
    return qemu.qmp("query-status")["status"]


def assert_stays(qemu, status):
    with pytest.raises(TimeoutError):
        qemu.qmp.wait_event("RESUME", QUIET_S)
    assert state(qemu) == status


@pytest.fixture
def pair(tmp_path):
    try:
        require("qemu-system-x86_64")
    except Unavailable as problem:
        pytest.skip(str(problem))
    pair = Pair(tmp_path)
    yield pair
    pair.close()


def test_completed_never_resumes_by_itself(pair):
    """Neither when the other QEMU dies nor when the connection ends: only `cont` starts it."""
    pair.run()
    pair.complete()
    assert state(pair.one) == "postmigrate"
    pair.two.kill()
    pair.lane.cut()
    assert_stays(pair.one, "postmigrate")
    pair.one.qmp("cont")
    pair.ticks.wait("one", more=5)


def test_a_loaded_destination_outlives_its_stream_and_its_source(pair):
    pair.run()
    pair.complete()
    assert_stays(pair.two, "paused")
    pair.lane.cut()
    pair.one.kill()
    assert_stays(pair.two, "paused")
    pair.two.qmp("cont")
    pair.ticks.wait("two", more=5)
    assert pair.ticks.verdict().is_sound, pair.ticks.verdict().complaint()


@pytest.mark.parametrize("return_path", [True, False], ids=["return-path", "no-return-path"])
def test_loaded_needs_every_byte(pair, return_path):
    """The last byte is missing.  With a return path the source does not call itself completed either."""
    pair.run()
    pair.migrate(return_path, keep=1)
    if return_path:
        pair.one.qmp.wait_event("STOP")
    else:
        pair.wait(pair.one, "completed")
    with pytest.raises(TimeoutError):
        pair.two.qmp.wait_event("MIGRATION", QUIET_S, status="completed")
    assert state(pair.two) == "inmigrate"
    assert (pair.one.qmp("query-migrate")["status"] == "completed") != return_path
    pair.lane.release()
    pair.wait(pair.two, "completed")
    assert state(pair.two) == "paused"
    if return_path:
        pair.wait(pair.one, "completed")


def test_a_source_cut_off_after_the_destination_has_loaded_resumes_by_itself(pair):
    pair.run()
    pair.migrate(holds_back=True)
    pair.wait(pair.two, "completed")
    assert not pair.one.qmp("query-status")["running"]
    pair.lane.cut()
    pair.assert_resumes_by_itself("failed")
    assert state(pair.two) == "paused"


def test_a_source_cancelled_while_it_waits_for_the_answer_resumes_by_itself(pair):
    pair.run()
    pair.migrate(holds_back=True)
    pair.wait(pair.two, "completed")
    pair.one.qmp("migrate_cancel")
    pair.assert_resumes_by_itself("cancelled")
    assert state(pair.two) == "paused"


def test_a_source_cut_off_behind_the_end_of_the_stream_resumes_by_itself(pair):
    """In the description of the devices, which the destination can do without: it has loaded."""
    pair.run()
    pair.migrate(return_path=False, cut_at=VMDESC)
    pair.wait(pair.two, "completed")
    pair.assert_resumes_by_itself("failed")
    assert state(pair.two) == "paused"


def test_migrate_cancel_after_completed_does_nothing(pair):
    """Once completed, precopy has no way back but `cont`.  (Not so in postcopy: no daemon of ours sends it after GO.)"""
    pair.run()
    pair.complete()
    pair.two.qmp("cont")
    pair.ticks.wait("two", more=2)
    pair.one.qmp("migrate_cancel")
    with pytest.raises(TimeoutError):
        pair.one.qmp.wait_event("RESUME", QUIET_S)
    assert (state(pair.one), state(pair.two)) == ("postmigrate", "running")


def has_told(qmp, name):
    """Whether this event can be read from the monitor without waiting."""
    while b"\n" in qmp.rest or select.select([qmp.sock], [], [], 0)[0]:
        if b"\n" not in qmp.rest:
            qmp.rest += qmp.sock.recv(65536)
            continue
        line, qmp.rest = qmp.rest.split(b"\n", 1)
        if json.loads(line).get("event") == name:
            return True
    return False


def test_resume_is_told_before_the_guest_runs(tmp_path):
    """Ten times `cont`: when the guest's first byte can be read, the event lies in the monitor's socket already."""
    with Qemu(tmp_path, kernel=guest.image(), append="tick=1 set=1 name=first") as one:
        console = socket.socket(socket.AF_UNIX)
        console.connect(str(one.serial))
        for _ in range(10):
            one.qmp.sock.sendall(b'{"execute": "cont"}\n')
            assert select.select([console], [], [], 30)[0], "the guest says nothing"
            assert has_told(one.qmp, "RESUME")
            one.qmp.wait_reply()
            one.qmp("stop")
            while select.select([console], [], [], 0)[0]:
                console.recv(65536)
        console.close()
