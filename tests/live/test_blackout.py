# SPDX-License-Identifier: LGPL-2.1-or-later
"""While a guest stands still, nobody waits for a disk or for a name: from its source's STOP to its RESUME every sync and every look-up of
both daemons is held, and it has to run all the same."""
import datetime
import json
import re
import shutil
import subprocess

import pytest
from conftest import make_lab
from lab.lab import HERE, end, wait_until

EVENT = re.compile(r'monitor \S+: <- (\{.*"event":.*\})$')
SPEED = "migrate-setspeed", "qemu", "1000"


class Stall:
    """What a daemon that was started with it would wait for is held meanwhile."""

    def __init__(self, host, shim):
        self.folder = host.folder / "stall"
        self.folder.mkdir()
        self.environment = {"LD_PRELOAD": str(shim), "FERRY_STALL": str(self.folder)}

    def begin(self):
        (self.folder / "stall").touch()

    def end(self):
        (self.folder / "stall").unlink(missing_ok=True)

    def calls(self):
        path = self.folder / "calls"
        return path.read_text().split() if path.exists() else []


@pytest.fixture
def lab():
    if not shutil.which("cc"):
        pytest.skip("cc is not installed")
    lab = make_lab([None, None])
    shim = lab.folder / "stall.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, HERE / "stall.c", "-ldl"], check=True)
    lab.stalls = [Stall(host, shim) for host in lab.hosts]
    try:
        for host, stall in zip(lab.hosts, lab.stalls):
            host.start_ferryd(environment=stall.environment)
        yield lab
    finally:
        for stall in lab.stalls:
            stall.end()
        lab.close()


class Line:
    """Of a daemon's log; of an event also when QEMU says that it happened, in seconds since the epoch."""

    def __init__(self, text):
        head = re.match(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) (\w+) ", text)
        event = EVENT.search(text)
        message = json.loads(event[1]) if event else {}
        self.text, self.level = text, head[2] if head else "debug"
        self.logged = datetime.datetime.fromisoformat(head[1]).timestamp() if head else 0        # cut to milliseconds
        self.event = message.get("event"), message.get("data", {}).get("status")
        self.happened = message["timestamp"]["seconds"] + message["timestamp"]["microseconds"] / 1e6 if self.event[0] else 0


def lines_from(host, name, status=None):
    """From the last such event on; none: there has been none."""
    lines = [Line(text) for text in host.log().splitlines()]
    at = [number for number, line in enumerate(lines) if line.event == (name, status)]
    return lines[at[-1]:] if at else []


def told_in_blackout(one, two):
    """What the daemons have written for people between the source's *completed* and the destination's RESUME."""
    there = lines_from(two, "MIGRATION", "completed")
    resumed = next(number for number, line in enumerate(there) if line.event == ("RESUME", None))
    here = [line for line in lines_from(one, "MIGRATION", "completed") if line.logged + 0.001 < there[resumed].happened]
    assert here and here[0].event == ("MIGRATION", "completed")
    return [line.text for line in here + there[:resumed] if line.level != "debug"]


@pytest.mark.parametrize("mode", [["--p2p"], []], ids=["p2p", "direct"])
def test_nobody_waits_for_a_disk_or_a_name_while_the_guest_stands_still(lab, started, mode):
    one, two = lab.hosts
    running = started(one, append="set=4 touch=40 check=500")
    process = one.popen(["virsh", "-c", one.socket_uri, "migrate", "--live", *mode, "--bandwidth", "4", "qemu", two.tcp_uri], stdout=-1, stderr=-2,
                        text=True)
    try:
        wait_until(lambda: '"event":"MIGRATION","data":{"status":"active"}' in two.log(), "its QEMU reads", 20)
        for stall in lab.stalls:
            stall.begin()
        one.virsh(*SPEED)
        wait_until(lambda: lines_from(two, "RESUME"), "it runs there, though nothing becomes durable", 20)
        wait_until(lambda: all(stall.calls() for stall in lab.stalls), "GO and TAKEN to be made durable behind it", 20)
        assert [stall.calls()[0] for stall in lab.stalls] == ["fdatasync", "fdatasync"]
        assert told_in_blackout(one, two) == []
        running.ticks.wait(two.name, more=5)
        for stall in lab.stalls:
            stall.end()
        output, _ = process.communicate(timeout=40)
        assert process.returncode == 0, output
        wait_until(lambda: not one.qemus(), "the source has let go", 20)
    finally:
        if process.poll() is None:
            end(process)
