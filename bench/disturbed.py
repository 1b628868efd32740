# SPDX-License-Identifier: LGPL-2.1-or-later
"""How much longer a migration takes while a thousand strangers are at its port, beside one that is left alone."""
import itertools
import pathlib
import tempfile

from lab import moves
from lab.crowd import KINDS, crowd, overheard
from lab.lab import Lab, wait_until

STRANGERS = 1000
PACE_MIB, TOUCHED_MIB = 16, 40      # some 2.5 s, so that all of them come in time


def one_move(lab, ticks, running, source, destination):
    argv = [lab.ferry, "-c", source.socket_uri, "migrate", "--live", "--bandwidth", PACE_MIB, running.name, destination.tcp_uri]
    found = moves.move(ticks, source, argv, destination)
    if found.status:
        raise RuntimeError(found.output)
    if not found.verdict.is_sound:
        raise RuntimeError(f"the guest was harmed: {found.verdict.complaint()}")
    wait_until(lambda: not source.qemus(), "the end of the source's QEMU")
    return found.wall_s


def measure(rounds):
    """{kind: ([seconds alone], [seconds with strangers], [strangers met])} and complaints; taken in turns."""
    results, complaints = {kind: ([], [], []) for kind in KINDS}, []
    with Lab(hosts=3) as lab, tempfile.TemporaryDirectory(prefix="ferry-bench-") as folder:
        stranger = lab.hosts[2]
        for host in lab.hosts[:2]:
            host.start_ferryd({"log_level": "info"})
        running = moves.Guest(lab, memory_mib=64, append=f"set=4 touch={TOUCHED_MIB} check=500")
        with running.ticks() as ticks:
            def ways():
                return lab.hosts[:2] if ticks.last().host == lab.hosts[0].name else lab.hosts[1::-1]

            lab.hosts[0].virsh("create", running.path())
            ticks.wait(lab.hosts[0].name, more=10)
            for _, kind in itertools.product(range(rounds), KINDS):
                alone, disturbed, met = results[kind]
                try:
                    alone.append(one_move(lab, ticks, running, *ways()))
                    source, destination = ways()
                    with overheard(lab, source, pathlib.Path(folder) / kind) as said:
                        with crowd(stranger, destination, kind, STRANGERS, said) as told:
                            disturbed.append(one_move(lab, ticks, running, source, destination))
                    met.append(told["met"])
                except Exception as problem:
                    complaints.append(f"{kind}: {problem}")
    return results, complaints
