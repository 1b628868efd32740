# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the hand-over costs: from the source's STOP to the destination's RESUME, and from loaded to RESUME.

QEMU stamps both in its trace, by one clock, so nobody who drives it measures himself.  A round trip is measured beside it.
"""
import socket
import threading
import time
from dataclasses import dataclass

import moving

MEMORY_MIB, APPEND = 64, "set=1 check=0"
# As little hardware as both kinds of guest can have: what a device's state takes to load is QEMU's own affair.
MACHINE, DEVICES = "pc", "<controller type='usb' model='none'/>"
WAYS = {"led by the client": (), "peer-to-peer": ("--p2p",)}


def stacks(columns, programs):
    """{(way, stack): generator of samples}; a bare QEMU has one way."""
    found = {}
    for stack in columns:
        for way, mode in WAYS.items():
            if stack != "bare":
                found[way, stack] = moving.managed(*programs[stack], MEMORY_MIB, APPEND, mode, machine=MACHINE, devices=DEVICES)
    if "bare" in columns:
        found["", "bare"] = moving.bare(MEMORY_MIB, APPEND, None, machine=MACHINE)
    return found


@dataclass
class Spread:
    median: float
    worst: float


def spread(values):
    values = sorted(values)
    return Spread(values[len(values) // 2], values[-1])


def round_trip_ms(count=200):
    """Of one byte between two threads over TCP on the loopback, wakeups included."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer():
        far, _ = listener.accept()
        far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while far.recv(1):
            far.send(b"x")
        far.close()

    thread = threading.Thread(target=answer)
    thread.start()
    times = []
    with socket.create_connection(listener.getsockname()) as near:
        near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count):
            began = time.perf_counter()
            near.send(b"x")
            near.recv(1)
            times.append((time.perf_counter() - began) * 1000)
    thread.join()
    listener.close()
    return spread(times).median
