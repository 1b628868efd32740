# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a daemon costs while nothing moves: memory, a list, the way from start-up to the first answer."""
import pathlib
import re
import statistics
import time
from dataclasses import dataclass

import rpc
from lab.lab import Lab
from lab.moves import Guest

DEFINITIONS = 1000
SETTLE_S = 2    # both look at the emulator after their first start, and remember it for the next


@dataclass
class Weight:
    idle_kib: int = 0
    full_kib: int = 0
    define_ms: float = 0.0
    list_ms: float = 0.0        # of DEFINITIONS domains, until the first byte of the reply
    start_ms: float = 0.0       # empty
    start_full_ms: float = 0.0


def socket_of(host, daemon):
    return host.folder / ("run/libvirt/libvirt-sock" if daemon == "libvirtd" else "run/ferry/ferry-sock")


def private_kib(host, daemon):
    """Memory that only this daemon uses; all its processes, and stock's log daemon beside it."""
    total = 0
    for name in (daemon, "virtlogd") if daemon == "libvirtd" else (daemon,):
        for pid, _ in host.processes(name):
            text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += sum(int(found) for found in re.findall(r"Private_(?:Clean|Dirty):\s+(\d+)", text))
    return total


def first_answer_ms(host, daemon, expected):
    """From spawning the daemon to a complete list over a fresh connection."""
    began = time.perf_counter()
    host.spawn_daemon(daemon)
    while True:
        try:
            with rpc.Client(socket_of(host, daemon)) as client:
                found = client.list_domains()
                break
        except (OSError, EOFError):
            if time.perf_counter() - began > 60:
                raise
            time.sleep(0.001)
    if found != expected:
        raise RuntimeError(f"{daemon} lists {found} domains after its start instead of {expected}")
    return (time.perf_counter() - began) * 1000


def restarts(host, daemon, expected, rounds=5):
    times = []
    for _ in range(rounds):
        host.stop_daemon(daemon)
        times.append(first_answer_ms(host, daemon, expected))
        time.sleep(0.2)
    return statistics.median(times)


def weigh(daemon):
    result = Weight()
    with Lab(hosts=1) as lab:
        host = lab.hosts[0]
        host.start_daemon(daemon, **({"config": {"log_level": "info"}} if daemon == "ferryd" else {}))
        time.sleep(SETTLE_S)
        result.start_ms = restarts(host, daemon, 0)
        time.sleep(SETTLE_S)
        result.idle_kib = private_kib(host, daemon)
        with rpc.Client(socket_of(host, daemon)) as client:
            began = time.perf_counter()
            for number in range(DEFINITIONS):
                client.define(Guest(lab, name=f"guest-{number:04}").xml)
            result.define_ms = (time.perf_counter() - began) * 1000 / DEFINITIONS
            times = []
            for _ in range(20):
                assert client.list_domains() == DEFINITIONS
                times.append(client.first_s * 1000)
            result.list_ms = statistics.median(times)
        result.start_full_ms = restarts(host, daemon, DEFINITIONS)
        time.sleep(SETTLE_S)
        result.full_kib = private_kib(host, daemon)
    return result
