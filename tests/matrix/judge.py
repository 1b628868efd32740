# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs one cell in a place and says, from outside, how it ended."""
import contextlib
import re
import subprocess
import time
from dataclasses import asdict, dataclass, field

import cells
from lab.lab import wait_until
from lab.moves import Guest, traces
from lab.trials import tried_again_if_harmed

from places import PORTS, Place

BOUND_S = 40
SETTLE_TICKS = 4


@dataclass
class Result:
    cell: str
    outcome: str = ""           # arrived, told, hang, harmed
    is_right: bool = False
    complaint: str = ""
    command: str = ""
    output: str = ""
    wall_s: float = 0.0
    impostor: list = field(default_factory=list)
    again: bool = False         # the emulation had lost a write at the first try

    def as_row(self):
        return asdict(self)


class Harm(Exception):
    """The guest is not where it should be, or not whole; or something was left behind."""


class Court:
    """A place with its daemons and its guest, used for one cell after the other."""

    def __init__(self, lab, build=None):
        self.topology, self.kinds, self.build = lab[0], lab[1:], build
        self.place = self.guest = self.ticks = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.leave()

    def leave(self):
        """Whatever a cell left behind ends with its lab."""
        self._forget_guest()
        if self.place:
            with contextlib.suppress(AssertionError):
                self.place.close()
        self.place = None

    def enter(self):
        if self.place:
            return
        place = Place(self.topology, build=self.build)
        place.__enter__()
        try:
            place.start(*self.kinds)
        except BaseException:
            place.close()
            raise
        self.place = place

    def _forget_guest(self):
        if self.ticks:
            self.ticks.__exit__(None, None, None)
        self.guest = self.ticks = None

    def _start_guest(self):
        """A guest that a refused migration left where it was serves the next cell too."""
        if self.guest:
            return
        self.guest = Guest(self.place, memory_mib=32, append="set=4 dirty=500")
        self.ticks = self.guest.ticks([self.place.source, self.place.destination]).__enter__()
        self.place.source.virsh("create", self.guest.path())
        self.ticks.wait(self.place.source.name, more=3)

    def _end_guest(self, host):
        host.virsh("destroy", self.guest.name, check=False)
        wait_until(lambda: not host.qemus(), f"the end of QEMU on {host.name}", 10)
        self._forget_guest()

    def try_cell(self, cell):
        return tried_again_if_harmed(self._try_once, cell)

    def _try_once(self, cell):
        result = Result(cell.id)
        try:
            self.enter()
            self.place.set_name(cell.name)
            self._start_guest()
            self._run(cell, result)
        except (Harm, TimeoutError, RuntimeError, subprocess.TimeoutExpired) as problem:
            result.outcome = result.outcome or "harmed"
            result.complaint = str(problem)
        self._weigh(cell, result)
        if result.complaint:
            self._add_logs(result)
            self.leave()
        elif result.outcome == "arrived":
            self._end_guest(self.place.destination)
        return result

    def argv(self, cell):
        place = self.place
        words = {"p2p": ["--p2p"], "tunnelled": ["--p2p", "--tunnelled"]}.get(cell.mode, [])
        uri = place.migration_uri(cell.mode)
        program = place.ferry if cell.client == "ferry" else "virsh"
        return [program, "-c", place.source_uri, "migrate", "--live", *words, self.guest.name, place.destination_uri(cell.mode),
                *([uri] if uri else [])]

    def _run(self, cell, result):
        place, ticks = self.place, self.ticks
        argv = self.argv(cell)
        result.command = " ".join(["ferry" if cell.client == "ferry" else "virsh", *argv[1:]])
        place.impostor_saw()
        since, began = ticks.mark(), time.monotonic()
        try:
            done = place.where.run(argv, check=False, timeout_s=BOUND_S)
        except subprocess.TimeoutExpired as late:
            result.outcome, result.wall_s = "hang", BOUND_S
            result.output = (late.stdout or b"").decode(errors="replace").strip()
            raise Harm(f"no end within {BOUND_S} s") from None
        result.wall_s = round(time.monotonic() - began, 2)
        result.output = clean(done.stdout + done.stderr)
        result.impostor = place.impostor_saw()
        if done.returncode == 0:
            self._look(place.destination, place.source, since)
            result.outcome = "arrived"
        else:
            self._look(place.source, place.destination, since)
            result.outcome = "told"

    def _look(self, here, there, since):
        """The guest runs here, whole and running, and nothing of it is there."""
        try:
            self.ticks.wait(here.name, more=SETTLE_TICKS, timeout_s=5)
        except TimeoutError:
            last = self.ticks.last()
            states = {host.name: host.virsh("list", "--all").stdout.split("\n")[0].strip() for host in (here, there)}
            raise Harm(f"the guest does not tick at {here.name}, last tick at {last.host if last else 'no host'}; {states}") from None
        wait_until(lambda: not there.qemus(), f"the end of QEMU on {there.name}", 10)
        last = self.ticks.last()
        if last.host != here.name:
            raise Harm(f"the guest ticks at {last.host}")
        verdict = self.ticks.verdict(since)
        if not verdict.is_sound:
            raise Harm(verdict.complaint())
        wait_until(lambda: not traces(there, self.guest), f"the guest to be forgotten on {there.name}", 5)
        state = here.virsh("domstate", self.guest.name).stdout.strip()
        if state != "running":
            raise Harm(f"{here.name} shows the guest as '{state}'")
        wait_until(lambda: not any(host.listening(*PORTS) for host in (here, there)), "released ports", 5)

    def _weigh(self, cell, result):
        expected = cells.expected(cell)
        if result.complaint:
            result.is_right = False
        elif result.outcome == "arrived":
            result.is_right = expected.outcome != "told"
        else:
            is_match = bool(re.search(expected.reason, result.output)) if expected.reason else False
            result.is_right = expected.outcome != "arrives" and is_match
            if expected.outcome != "arrives" and not is_match:
                result.outcome = "words"
        if (cell.source, cell.destination) == ("ferryd", "ferryd") and any(row["has_magic"] for row in result.impostor):
            result.is_right = False
            result.complaint = result.complaint or "the wrong host was sent bytes of the guest"

    def _add_logs(self, result):
        """The last warnings and errors of both daemons: what a hang or a harm leaves is gone with its lab."""
        for host in (self.place.source, self.place.destination) if self.place else ():
            lines = [line for name in host.daemons for line in host.log(name).splitlines()
                     if re.search(r"warning|error|migrat", line) and "virtlogd" not in line]
            result.output += "".join(f"\n  {host.name}: {line[:200]}" for line in lines[-6:])


def clean(text):
    """Without the progress line, which is written over and over."""
    lines = [line.split("\r")[-1].strip() for line in text.strip().splitlines()]
    return "\n".join(line for line in lines if line and not line.startswith("Migration: ["))
