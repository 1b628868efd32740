#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads what the test guest writes on a disk (disk.c), past every cache, and judges it: one disk for all hosts.

A console shows only what a QEMU says that somebody listens to; the disk shows every guest that has run.

stamps.py IMAGE     the stamp that is on it
"""
import mmap
import os
import struct
import sys
import time
from dataclasses import dataclass, replace

LAYOUT = struct.Struct("<8s7I")
SECTOR = 512
BLOCK = 4096
SIZE = 1 << 20


@dataclass(frozen=True)
class Stamp:
    generation: int = 0         # starts of guests on this disk so far
    run: int = 0
    tick: int = 0
    sign: str = ""              # of a second writer: what a guest found in the place of its own last stamp
    is_whole: bool = True

    def __str__(self):
        return f"generation {self.generation} (run {self.run:08x}) tick {self.tick}"


def decode(block):
    stamp, _ = decode_sector(block[:SECTOR])
    sign, stranger = decode_sector(block[SECTOR:2 * SECTOR])
    if sign == Stamp():
        return stamp
    return replace(stamp, sign=f"{sign} found {stranger} in its place", is_whole=stamp.is_whole and sign.is_whole)


def decode_sector(sector):
    if not any(sector):
        return Stamp(), Stamp()
    magic, generation, run, tick, _, *stranger = LAYOUT.unpack_from(sector)
    words = struct.unpack(f"<{SECTOR // 4}I", sector)
    total = 0x811c9dc5
    for word in words[:-1]:
        total = (total ^ word) * 0x01000193 & 0xffffffff
    return Stamp(generation, run, tick, is_whole=magic == b"FERRYDSK" and total == words[-1]), Stamp(*stranger)


def create(path):
    path.write_bytes(bytes(SIZE))
    path.chmod(0o666)
    return path


def read(path):
    """What is on the disk, not what this machine remembers of it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECT)
    try:
        with mmap.mmap(-1, BLOCK) as block:
            if os.preadv(descriptor, [block], 0) < BLOCK:
                raise OSError(f"'{path}' is shorter than its stamps")
            return decode(block[:])
    finally:
        os.close(descriptor)


def harm(before, now):
    """A sentence if no guest that runs once, after that earlier look, leaves this; else ""."""
    if now.sign:
        return f"the shared disk HAD TWO WRITERS, or lost a write: {now.sign}"
    if not now.is_whole:
        return "the stamp on the shared disk is not whole"
    if (now.generation, now.tick) < (before.generation, before.tick):
        return f"the shared disk WENT BACK, from {before} to {now}"
    if now.generation == before.generation and now.run != before.run:
        return f"two guests BEGAN THE SAME GENERATION on the shared disk: {before}, then {now}"
    return ""


class Disk:
    """The disk of a guest whose consoles are watched.  Harm that was seen once stays."""

    def __init__(self, path, ticks):
        self.path, self.ticks = path, ticks
        self.stamp, self.harm = Stamp(), ""

    def read(self):
        before, self.stamp = self.stamp, read(self.path)
        self.harm = self.harm or harm(before, self.stamp)
        return self.stamp

    def complaint(self, tick=None, timeout_s=0.5):
        """A sentence if somebody has stamped it whose start was not told, or if whoever told this tick has not gone on stamping it."""
        deadline = time.monotonic() + timeout_s
        while True:
            stamp, all_told = self.read(), self.ticks.generations()
            told = max(all_told, default=0)
            if len(set(all_told)) < told:
                self.harm = self.harm or f"guests that nobody has seen WERE ON THE SHARED DISK: consoles have told of generations {all_told}"
            if self.harm:
                return self.harm
            if stamp.generation <= told if tick is None else stamp.generation == told and stamp.tick >= tick:
                return ""
            if time.monotonic() > deadline:
                return f"on the shared disk is {stamp}, while consoles have told of generation {told}" + (f" and since of tick {tick}" if tick is not None else "")
            time.sleep(0.005)


def main():
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    stamp = read(sys.argv[1])
    print(stamp, harm(stamp, stamp))
    return 0


if __name__ == "__main__":
    sys.exit(main())
