# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long a migration takes, and who takes it: bare QEMU, stock, Ferry, side by side."""
import contextlib
import itertools
import os
import pathlib
import shutil
import statistics
import tempfile
import time
from dataclasses import dataclass

import trace
from lab import guest, moves, qemu
from lab.lab import Lab, wait_until
from ticks import Ticks

TICK_MS = 10
SCENES = (
    ("512 MiB, idle", 512, "set=1 check=0"),
    ("2 GiB, 1.5 GiB touched", 2048, "set=1 touch=1536 check=0"),
)
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Sample:
    before_ms: float
    qemu_ms: float
    after_ms: float
    wall_ms: float
    arrivals_ms: float      # downtime by arrivals
    downtime_ms: float      # downtime by QEMU: stopped here until running there
    commands: int
    bytes: int = 0
    loaded_ms: float = 0.0  # from the whole image at the destination until it runs there
    cpu_ms: float = 0.0     # of the daemons on both sides

    @property
    def outside_ms(self):
        return self.wall_ms - self.qemu_ms


def sample(source, destination, began, ended, verdict, cpu_ms=0.0):
    """source, destination: traces; began, ended: the whole command by the real-time clock."""
    setup, completed = source.state("setup", began), source.state("completed", began)
    return Sample(before_ms=(setup - began) * 1000, qemu_ms=(completed - setup) * 1000, after_ms=(ended - completed) * 1000,
                  wall_ms=(ended - began) * 1000, arrivals_ms=verdict.downtime_ms,
                  downtime_ms=(destination.resumed(began) - source.stopped(began)) * 1000,
                  commands=source.commands_between(began, ended + 1) + destination.commands_between(began, ended + 1), cpu_ms=cpu_ms,
                  loaded_ms=(destination.resumed(began) - destination.state("completed", began)) * 1000)


def check(verdict):
    if not verdict.is_sound:
        raise RuntimeError(f"the guest was harmed: {verdict.complaint()}")


def bare(memory_mib, append, _mode, **hardware):
    """Yields one sample after another, for as long as it is asked."""
    append = f"tick={TICK_MS} {append}"
    with contextlib.ExitStack() as stack:
        work = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ferry-bench-")))

        def start(name, incoming):
            folder = work / name
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            return stack.enter_context(qemu.Qemu(folder, *trace.words(folder / "trace"), memory_mib=memory_mib, kernel=guest.image(),
                                                 append=append, incoming=incoming, **hardware))

        ticks = stack.enter_context(Ticks(TICK_MS, {name: work / name / "serial.sock" for name in "ab"}))
        source = start("a", False)
        source.qmp("cont")
        ticks.wait(more=30, timeout_s=90)
        for here, there in itertools.cycle(("ab", "ba")):
            yield None
            since, began = ticks.mark(), time.time()
            destination = start(there, True)
            qemu.migrate(source, destination)
            ended = time.time()
            ticks.wait(there, more=30)
            verdict = ticks.verdict(since)
            check(verdict)
            source.kill()
            yield sample(trace.Trace(work / here / "trace"), trace.Trace(work / there / "trace"), began, ended, verdict)
            source = destination


def cpu_s(host, daemon):
    total = 0
    for pid, _ in host.processes(daemon):
        words = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(words[11]) + int(words[12])
    return total / CLOCK_TICKS


def managed(daemon, client, memory_mib, append, mode=(), dress=lambda lab: None, **hardware):
    """The same back and forth between two hosts of the lab, so that both have been source and destination."""
    with Lab() as lab:
        dress(lab)
        emulator = trace.install(lab.shared / "bin")
        for host in lab.hosts:
            host.start_daemon(daemon, **({"config": {"emulator_dirs": f"/usr/bin {emulator.parent}", "log_level": "info"}} if daemon == "ferryd" else {}))
        running = moves.Guest(lab, memory_mib=memory_mib, tick_ms=TICK_MS, append=append, emulator=emulator, **hardware)
        with running.ticks() as ticks:
            lab.hosts[0].virsh("create", running.path())
            ticks.wait(lab.hosts[0].name, more=30, timeout_s=90)
            for source, destination in itertools.cycle((lab.hosts, lab.hosts[::-1])):
                yield None
                yield one_move(lab, ticks, running, daemon, client, source, destination, mode)


def side_by_side(stacks, rounds):
    """stacks: {name: generator}.  Round by round through all of them, so that a noisy minute harms no one alone.
    Returns {name: samples}, a name that broke with what it had, and complaints."""
    samples, complaints = {name: [] for name in stacks}, []
    alive = dict(stacks)
    try:
        for number in range(rounds + 1):
            for name, generator in list(alive.items()):
                try:
                    if number:          # the first time round they only get ready
                        samples[name].append(next(generator))
                    next(generator)
                except Exception as problem:
                    complaints.append(f"{name}: {problem}")
                    del alive[name]
    finally:
        for generator in stacks.values():
            generator.close()
    return samples, complaints


def one_move(lab, ticks, running, daemon, client, source, destination, mode):
    program = lab.ferry if client == "ferry" else client
    # Stock resolves its names badly; with the explicit URI both do the same work.
    explicit = [] if "--tunnelled" in mode else [f"tcp://{destination.address}"]
    argv = [program, "-c", source.socket_uri, "migrate", "--live", *mode, running.name, destination.tcp_uri, *explicit]
    since, cpu = ticks.mark(), sum(cpu_s(host, daemon) for host in lab.hosts)
    began = time.time()
    done = source.run(argv, check=False)
    ended = time.time()
    if done.returncode:
        raise RuntimeError(f"{done.stdout}{done.stderr}\n{source.log(daemon)[-2000:]}")
    ticks.wait(destination.name, more=30)
    verdict = ticks.verdict(since)
    check(verdict)
    wait_until(lambda: not source.qemus(), "the end of the source's QEMU")
    cpu = (sum(cpu_s(host, daemon) for host in lab.hosts) - cpu) * 1000
    newest = [max((host.folder / "run/consoles").glob("*.trace"), key=lambda path: path.stat().st_ctime_ns) for host in (source, destination)]
    return sample(*map(trace.Trace, newest), began, ended, verdict, cpu)


def median(samples, name):
    return statistics.median(getattr(one, name) for one in samples)
