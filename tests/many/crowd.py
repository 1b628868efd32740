# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many small guests on several hosts, all of which move at once; judged by their ticks, and by what is left behind.

A round begins all migrations at the same moment, each with a client of its own, in the modes of MODES in turn.  Rounds go
there and back, so that after each pair of them every guest is where it was, and what the daemons hold can be compared.
"""
import contextlib
import os
import pathlib
import re
import subprocess
import time
from dataclasses import dataclass, field

from lab.lab import Lab, wait_until
from lab.moves import PORTS, Guest
from ticks import Gallery

MEMORY_MIB = 19         # the pattern of 1 MiB begins at 16, and the firmware keeps some of the top
TICK_MS = 1000
START_BATCH = 30
THREADS_KEPT = 8 + 16   # idle tasks and workers that a daemon keeps
MODES = {
    "virsh": lambda lab, target: ["virsh", "-q"],
    "ferry": lambda lab, target: [lab.ferry],
    "virsh p2p": lambda lab, target: ["virsh", "-q"],
    "ferry tunnelled": lambda lab, target: [lab.ferry],
}
WORDS = {"virsh": [], "ferry": [], "virsh p2p": ["--p2p"], "ferry tunnelled": ["--p2p", "--tunnelled"]}


@dataclass
class Round:
    """All of the guests once from here to there."""
    number: int
    seconds: float = 0.0
    moved: int = 0
    failures: list = field(default_factory=list)        # (guest, mode, status, what it said)
    harmed: list = field(default_factory=list)
    pause_ms: list = field(default_factory=list)        # of each guest, by arrivals, less one tick
    waited: int = 0                                     # that waited for their turn


@dataclass
class Holding:
    """What a daemon holds, and what lies on its host."""
    descriptors: int = 0
    threads: int = 0
    private_kib: int = 0
    ports: int = 0
    qemus: int = 0
    run_folders: int = 0
    open_journals: int = 0
    nonces: int = 0

    COUNTS = ("descriptors", "threads", "ports", "qemus", "run_folders", "open_journals", "nonces")


def holding(host):
    pid = host.daemon_pid("ferryd")
    proc, state = pathlib.Path(f"/proc/{pid}"), host.folder / "var/lib/ferry"
    run = host.folder / "run/ferry"
    status = (proc / "status").read_text()
    rollup = (proc / "smaps_rollup").read_text()
    nonces = state / "nonces"
    return Holding(descriptors=len(os.listdir(proc / "fd")), threads=int(re.search(r"Threads:\s+(\d+)", status).group(1)),
                   private_kib=sum(int(found) for found in re.findall(r"Private_(?:Clean|Dirty):\s+(\d+)", rollup)),
                   ports=len(host.listening(*PORTS)), qemus=len(host.qemus()),
                   run_folders=sum(entry.is_dir() for entry in run.iterdir()),
                   open_journals=sum('"outcome"' not in path.read_text() for path in (state / "migrations").glob("*.json")),
                   nonces=len(os.listdir(nonces)) if nonces.exists() else 0)


class Crowd:
    """with Crowd(guests=200, hosts=3) as crowd: crowd.start(); crowd.move_all()"""

    def __init__(self, guests, hosts=3, modes=MODES, config=None, build=None, tick_ms=TICK_MS, daemon="ferryd", say=lambda text: None):
        self.count, self.tick_ms, self.say, self.modes = guests, tick_ms, say, list(modes)
        self.config, self.daemon = {"log_level": "info", **(config or {})}, daemon
        self.lab = Lab(hosts=hosts, client=True, build=build)
        self.rounds = 0

    def __enter__(self):
        self._stack = contextlib.ExitStack()
        self._stack.enter_context(self.lab)
        try:
            for host in self.lab.hosts:
                host.start_daemon(self.daemon, **({"config": self.config} if self.daemon == "ferryd" else {}))
            self.guests = [Guest(self.lab, name=f"many-{number:03}", memory_mib=MEMORY_MIB, tick_ms=self.tick_ms, append="set=1 check=50",
                                 machine="pc", devices="<controller type='usb' model='none'/>", listens=False)
                           for number in range(self.count)]
            self.place = {guest.name: self.lab.hosts[number % len(self.lab.hosts)] for number, guest in enumerate(self.guests)}
            self.ticks = {guest.name: guest.ticks() for guest in self.guests}
            self._stack.enter_context(Gallery(self.ticks.values()))
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_):
        self._stack.close()

    def start(self):
        """In batches: a guest that boots takes a processor for itself."""
        for first in range(0, self.count, START_BATCH):
            batch = self.guests[first:first + START_BATCH]
            clients = []
            for host in self.lab.hosts:
                mine = [guest for guest in batch if self.place[guest.name] is host]
                if mine:
                    clients.append(host.popen(["virsh", "-q", "-c", host.socket_uri, "; ".join(f"create {guest.path()}" for guest in mine)]))
            if any([client.wait(120) for client in clients]):
                raise RuntimeError(f"the guests from {first} on could not be started")
            for guest in batch:
                self.ticks[guest.name].wait(self.place[guest.name].name, timeout_s=60, begun=0)
            self.say(f"{first + len(batch)} guests tick")

    def holdings(self):
        return {host.name: holding(host) for host in self.lab.hosts}

    # One round

    def _target(self, guest, step):
        hosts = self.lab.hosts
        return hosts[(hosts.index(self.place[guest.name]) + step) % len(hosts)]

    def _client(self, number, guest, target):
        mode, source = self.modes[number % len(self.modes)], self.place[guest.name]
        argv = [*MODES[mode](self.lab, target), "-c", source.tcp_uri, "migrate", "--live", *WORDS[mode], guest.name, target.tcp_uri]
        output = open(self.lab.folder / f"{guest.name}.out", "w+b")
        process = self.lab.client.popen(argv, stdout=output, stderr=subprocess.STDOUT)
        return mode, process, output

    def move_all(self, timeout_s=600):
        """There in one round, back in the next, then the other way round the ring."""
        number, self.rounds = self.rounds, self.rounds + 1
        step = (1, -1, -1, 1)[number % 4]
        result = Round(number + 1)
        marks = {guest.name: self.ticks[guest.name].mark() for guest in self.guests}
        began = time.monotonic()
        clients = {}
        for index, guest in enumerate(self.guests):
            target = self._target(guest, step)
            clients[guest.name] = (*self._client(index, guest, target), target)
        deadline = began + timeout_s
        for guest in self.guests:
            mode, process, output, target = clients[guest.name]
            try:
                status = process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                status = None
            output.seek(0)
            said = output.read().decode(errors="replace").strip()
            output.close()
            if status == 0:
                self.place[guest.name] = target
                result.moved += 1
            else:
                result.failures.append((guest.name, mode, status, said or "it has not ended"))
        result.seconds = time.monotonic() - began
        begun = {name: len(ticks.ticks) for name, ticks in self.ticks.items()}
        for guest in self.guests:
            self._judge(guest, marks[guest.name], begun[guest.name], result)
        return result

    def _judge(self, guest, mark, begun, result):
        ticks, host = self.ticks[guest.name], self.place[guest.name]
        try:
            ticks.wait(host.name, timeout_s=30, begun=begun)
        except TimeoutError as problem:
            result.harmed.append((guest.name, str(problem)))
            return
        verdict = ticks.verdict(mark)
        result.pause_ms.append(verdict.downtime_ms)
        if not verdict.is_sound:
            result.harmed.append((guest.name, verdict.complaint()))
        elif ticks.last().host != host.name:
            result.harmed.append((guest.name, f"ticks on {ticks.last().host}, not on {host.name}"))

    # What is left

    def expected(self, host):
        return sum(place is host for place in self.place.values())

    def settle(self, timeout_s=30):
        """Sources let their QEMU go behind the answer, and idle workers end after a while."""
        for host in self.lab.hosts:
            wait_until(lambda: len(host.qemus()) == self.expected(host), f"{self.expected(host)} QEMUs on {host.name}", timeout_s, 0.1)

    def leaks(self, start, before, timeout_s=30, slack_kib=0):
        """[sentence] of what grew, once it has had the time to go.  start: the counts of a fresh daemon; before: those after a
        first pair of rounds, since when every guest has a record that its daemon keeps open."""
        def grown():
            found = []
            for name, now in self.holdings().items():
                for what in Holding.COUNTS:
                    was, has = getattr(before[name], what), getattr(now, what)
                    if what == "threads":
                        was = getattr(start[name], what) + THREADS_KEPT
                    if has > was:
                        found.append(f"{name}: {has} {what.replace('_', ' ')}, {was} before")
                if slack_kib and now.private_kib > before[name].private_kib + slack_kib:
                    found.append(f"{name}: {now.private_kib} KiB of memory, {before[name].private_kib} before")
            return found
        deadline = time.monotonic() + timeout_s
        while True:
            found = grown()
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(0.2)
