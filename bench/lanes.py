# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a lane costs: the memory over one connection and over several, beside bare QEMU between the same two addresses."""
import contextlib
import itertools
import shutil
import time

import moving
import trace
from lab import guest, qemu
from lab.lab import Lab
from ticks import Ticks

PORT = 49300
CHANNELS = 4
WAYS = {"one stream": (), f"{CHANNELS} channels": ("--parallel", "--parallel-connections", str(CHANNELS))}
# title, guest's memory, touched, what is done to both hosts' network
SCENES = (("as fast as it goes", 1536, 1024, None), ("held to 1 Gbit/s", 1024, 512, "rate 1gbit burst 1mb latency 20ms"))


def shape(lab, rate):
    """tc's token bucket on both cables."""
    for host in lab.hosts if rate else ():
        host.run(["tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", *rate.split()])


def capabilities(channels):
    names = ["events", "return-path", "late-block-activate", *(["multifd"] if channels else [])]
    return [{"capability": name, "state": True} for name in names]


def go(source, destination, address, channels):
    """The least that a migration by QEMU itself needs."""
    for one in (source, destination):
        one.qmp("migrate-set-capabilities", capabilities=capabilities(channels))
        if channels:
            one.qmp("migrate-set-parameters", multifd_channels=channels)
    source.qmp("migrate-set-parameters", max_bandwidth=2**63 - 2**20)
    destination.qmp("migrate-incoming", uri=f"tcp:{address}:{PORT}")
    source.qmp("migrate", uri=f"tcp:{address}:{PORT}")
    while (status := source.qmp.wait_event("MIGRATION")[1]["data"]["status"]) != "completed":
        if status == "failed":
            raise qemu.QmpError(f"migration failed: {source.qmp('query-migrate').get('error-desc')}")
    destination.qmp.wait_event("MIGRATION", status="completed")
    destination.qmp("cont")


def bare(memory_mib, append, way, rate):
    """Two hosts of the lab without daemons; QEMU itself connects from the one to the other."""
    append = f"tick={moving.TICK_MS} {append}"
    with contextlib.ExitStack() as stack:
        lab = stack.enter_context(Lab())
        shape(lab, rate)
        kernel = lab.shared / "ferry-test-guest"
        shutil.copy(guest.image(), kernel)
        folders = {host.name: lab.shared / host.name for host in lab.hosts}

        def start(host, incoming):
            folder = folders[host.name]
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            return stack.enter_context(qemu.Qemu(folder, *trace.words(folder / "trace"), memory_mib=memory_mib, kernel=kernel,
                                                 append=append, incoming=incoming, popen=host.popen))

        ticks = stack.enter_context(Ticks(moving.TICK_MS, {name: folder / "serial.sock" for name, folder in folders.items()}))
        source = start(lab.hosts[0], False)
        source.qmp("cont")
        ticks.wait(more=30, timeout_s=90)
        for here, there in itertools.cycle((lab.hosts, lab.hosts[::-1])):
            yield None
            since, began = ticks.mark(), time.time()
            destination = start(there, True)
            go(source, destination, there.address, CHANNELS if way else 0)
            ended = time.time()
            ticks.wait(there.name, more=30)
            verdict = ticks.verdict(since)
            moving.check(verdict)
            source.qmp("quit")     # the process that we started is only its parent in the host's namespaces
            source.kill()
            yield moving.sample(*(trace.Trace(folders[host.name] / "trace") for host in (here, there)), began, ended, verdict)
            source = destination


def stacks(columns, programs, memory_mib, touched_mib, rate):
    """{(way, stack): generator} for moving.side_by_side"""
    append = f"set=1 touch={touched_mib} check=0"
    return {(way, stack): bare(memory_mib, append, words, rate) if stack == "bare" else
            moving.managed(*programs[stack], memory_mib, append, words, lambda lab: shape(lab, rate))
            for way, words in WAYS.items() for stack in columns}
