#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads a guest's ticks wherever it runs and judges them: one clock for all hosts.

A guest prints "tick N …" at a fixed rate.  Ticks gives every arriving line a stamp of the monotonic
clock, from as many consoles as there are hosts, connecting as soon as a console is there.
The verdict of a window: the longest gap less the tick, every number that is missing, doubled or out of
order, and whether the guest came back to a host that it had left: a window holds one move at most, so
that it ran on both.  A console is a unix socket on which QEMU listens; where ours has to listen, say
listen=True and QEMU comes to us.

ticks.py TICK_MS NAME=SOCKET…     watch by hand
"""
import contextlib
import ctypes
import itertools
import os
import re
import selectors
import socket
import sys
import threading
import time
from dataclasses import dataclass, field

TICK = re.compile(rb"tick (\d+)(?: gen (\d+))?")


@dataclass
class Tick:
    at: float           # seconds, CLOCK_MONOTONIC
    host: str
    number: int


@dataclass
class Verdict:
    ticks: int = 0
    longest_gap_ms: float = 0.0         # between two arrivals that follow each other
    downtime_ms: float = 0.0            # the same less one tick
    gap_at: float = 0.0
    gap_hosts: tuple = ("", "")
    missing: list = field(default_factory=list)
    doubled: list = field(default_factory=list)
    disorder: list = field(default_factory=list)
    errors: list = field(default_factory=list, repr=False)
    hosts: list = field(default_factory=list)       # in the order in which they had the guest

    @property
    def has_run_twice(self):
        return len(set(self.hosts)) < len(self.hosts)

    @property
    def is_sound(self):
        return not (self.missing or self.doubled or self.disorder or self.errors or self.has_run_twice)

    def complaint(self):
        if self.has_run_twice:      # said alone: what the numbers do then is no sign of a lost write, for which a test is tried again
            return f"the guest RAN ON BOTH HOSTS: it ticked on {', '.join(self.hosts[:6])}, in this order"
        parts = [f"{len(found)} ticks {what}: {found[:5]}" for what, found in
                 (("missing", self.missing), ("doubled", self.doubled), ("out of order", self.disorder)) if found]
        return "; ".join(parts + self.errors[:3])


class Console:
    """One host's end: connects (or accepts), cuts lines, hands them to the owner."""

    def __init__(self, host, path, listen):
        self.host, self.path, self.listen = host, path, listen
        self.sock, self.rest = None, b""
        self.listener = None
        if listen:
            if os.path.exists(path):
                os.unlink(path)
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(path)
            os.chmod(path, 0o777)
            self.listener.listen(8)
            self.listener.setblocking(False)

    def try_open(self):
        try:
            if self.listener:
                self.sock, _ = self.listener.accept()
            else:
                sock = socket.socket(socket.AF_UNIX)
                try:
                    sock.connect(self.path)
                except OSError:
                    sock.close()
                    return False
                self.sock = sock
            self.sock.setblocking(False)
            return True
        except OSError:
            return False

    def close(self):
        if self.sock:
            self.sock.close()
        self.sock = None


IN_CREATE, IN_MOVED_TO, IN_NONBLOCK, IN_CLOEXEC = 0x100, 0x80, 0o4000, 0o2000000
libc = ctypes.CDLL(None)


class NewNames:
    """Readable once a name has come into one of the folders."""

    def __init__(self):
        self._fd = libc.inotify_init1(IN_NONBLOCK | IN_CLOEXEC)
        if self._fd < 0:
            raise OSError("no more inotify instances: see sysctl fs.inotify.max_user_instances")

    def fileno(self):
        return self._fd

    def watch(self, folder):
        """Also once more: the same name may be another folder by now, or not be there yet."""
        libc.inotify_add_watch(self._fd, os.fsencode(folder), IN_CREATE | IN_MOVED_TO)

    def take(self):
        os.read(self._fd, 65536)

    def close(self):
        os.close(self._fd)


class Ticks:
    """with Ticks(100, {"fedora1": path1, "fedora2": path2}) as ticks: …"""

    RETRY_S = 0.001     # a socket has its name a moment before it listens
    FRESH_S = 0.2
    LOOK_S = 0.05       # its folder may be made anew

    def __init__(self, tick_ms, consoles, listen=False, pattern=TICK):
        self.tick_ms, self.pattern = tick_ms, pattern
        self.consoles = [Console(host, str(path), listen) for host, path in consoles.items()]
        self.ticks, self.errors, self.lines = [], [], []
        self._changed = threading.Condition()
        self._stop = False
        self._active = None     # the console that spoke last: a guest is in one place, so its words are one stream
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop = True
        self._thread.join()
        for console in self.consoles:
            console.close()
            if console.listener:
                console.listener.close()

    def _run(self):
        with selectors.DefaultSelector() as selector, contextlib.closing(NewNames()) as names:
            selector.register(names, selectors.EVENT_READ, names)
            fresh_until = 0.0
            while not self._stop:
                waiting = [console for console in self.consoles if console.sock is None and not self._open(selector, names, console)]
                is_urgent = time.monotonic() < fresh_until or any(console.listener for console in waiting)
                ready = [key.data for key, _ in selector.select(0.2 if not waiting else self.RETRY_S if is_urgent else self.LOOK_S)]
                for console in sorted((one for one in ready if one is not names), key=lambda console: console is not self._active):
                    self._read(selector, console)
                if names in ready:
                    names.take()
                if any(one is names or one.sock is None for one in ready):
                    fresh_until = time.monotonic() + self.FRESH_S

    @staticmethod
    def _open(selector, names, console):
        names.watch(os.path.dirname(console.path))      # first, so that no name is missed
        if console.try_open():
            selector.register(console.sock, selectors.EVENT_READ, console)
        return console.sock is not None

    def _read(self, selector, console):
        try:
            data = console.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        now = time.monotonic()
        if not data:
            selector.unregister(console.sock)
            console.close()
            return
        if console is not self._active:     # the guest stopped within a line and ends it here
            if self._active and not console.rest:
                console.rest, self._active.rest = self._active.rest, b""
            self._active = console
        *whole, console.rest = (console.rest + data).split(b"\n")
        with self._changed:
            for line in whole:
                self._take(now, console.host, line.rstrip(b"\r"))
            self._changed.notify_all()

    def _take(self, now, host, line):
        match = self.pattern.search(line)
        if match:
            self.ticks.append(Tick(now, host, int(match.group(1))))
        else:
            self.lines.append((now, host, line.decode(errors="replace")))
        if b"ERROR" in line or b"panic" in line:
            self.errors.append(f"{host}: {line.decode(errors='replace')}")

    # What a test asks

    def last(self):
        with self._changed:
            return self.ticks[-1] if self.ticks else None

    def wait(self, host=None, more=1, timeout_s=30.0, begun=None):
        """Waits for so many more ticks (of that host), counted from now, or from an earlier len(self.ticks)."""
        begun = len(self.ticks) if begun is None else begun
        self._wait_until(lambda: sum(1 for tick in self.ticks[begun:] if host in (None, tick.host)) >= more,
                         timeout_s, f"{more} ticks of {host or 'any host'}")

    def _wait_until(self, is_true, timeout_s, what):
        with self._changed:
            if not self._changed.wait_for(is_true, timeout_s):
                seen = f"last tick {self.ticks[-1].number} of {self.ticks[-1].host}" if self.ticks else "no tick ever"
                raise TimeoutError(f"waited {timeout_s:g} s for {what}: {seen}")

    def wait_line(self, text, host=None, timeout_s=30.0):
        self._wait_until(lambda: any(text in line and host in (None, at) for _, at, line in self.lines),
                         timeout_s, f"the line '{text}'")

    def mark(self):
        """A place in the record, for verdict(since=…): the last tick seen counts as the first."""
        with self._changed:
            return max(0, len(self.ticks) - 1)

    def boots(self, since=0):
        """[(the number of ticks before it, host)] of each time that the guest began anew after ticks[since]."""
        with self._changed:
            first = self.ticks[since].at if since < len(self.ticks) else 0.0
            return [(sum(1 for tick in self.ticks if tick.at < at), host) for at, host, line in self.lines
                    if at > first and line.startswith("guest ")]

    def generations(self):
        """What guests have told of their disk, each at its start."""
        with self._changed:
            return [int(line.rpartition(" ")[2]) for _, _, line in self.lines if line.startswith("disk: generation ")]

    def ran_twice(self, since=0):
        """A sentence if it did, else "".  A guest that was lost and started anew ticks from then on where it was started, and nowhere else."""
        boots = self.boots(since)
        before = self.verdict(since, boots[0][0] if boots else None)
        if before.has_run_twice:
            return before.complaint()
        for (first, home), until in zip(boots, [*(first for first, _ in boots[1:]), None]):
            elsewhere = [host for host in self.verdict(first, until).hosts if host != home]
            if elsewhere:
                return f"the guest RAN TWICE: it was started anew on {home} while it still ticked on {elsewhere[0]}"
        return ""

    def verdict(self, since=0, until=None):
        with self._changed:
            ticks, errors = self.ticks[since:until], list(self.errors)
        result = Verdict(ticks=len(ticks), errors=errors, hosts=[host for host, _ in itertools.groupby(tick.host for tick in ticks)])
        for before, after in zip(ticks, ticks[1:]):
            gap_ms = (after.at - before.at) * 1000
            if gap_ms > result.longest_gap_ms:
                result.longest_gap_ms, result.gap_at = gap_ms, before.at
                result.gap_hosts = (before.host, after.host)
            step = after.number - before.number
            if step > 1:
                result.missing += range(before.number + 1, after.number)
            elif step == 0:
                result.doubled.append(after.number)
            elif step < 0:
                result.disorder.append(after.number)
        result.downtime_ms = max(0.0, result.longest_gap_ms - self.tick_ms)
        return result


class Gallery:
    """One thread that watches many guests.  All of them listen: QEMU comes to us, so nothing is polled."""

    def __init__(self, watched):
        self.watched = list(watched)
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        for ticks in self.watched:
            for console in ticks.consoles:
                self._selector.register(console.listener, selectors.EVENT_READ, (ticks, console))
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._wake.close()
        self._thread.join()
        self._woken.close()
        self._selector.close()
        for ticks in self.watched:
            for console in ticks.consoles:
                console.close()
                console.listener.close()

    def _run(self):
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                ticks, console = key.data
                if key.fileobj is not console.listener:
                    ticks._read(self._selector, console)
                elif console.sock is None and console.try_open():      # else it waits for the end of the one before
                    self._selector.register(console.sock, selectors.EVENT_READ, (ticks, console))


def main():
    if len(sys.argv) < 3:
        print(__doc__)
        return 2
    consoles = dict(argument.split("=", 1) for argument in sys.argv[2:])
    with Ticks(int(sys.argv[1]), consoles) as ticks:
        seen = 0
        try:
            while True:
                ticks.wait(timeout_s=1e6)
                for tick in ticks.ticks[seen:]:
                    print(f"{tick.at:12.4f} {tick.host:10} {tick.number}")
                seen = len(ticks.ticks)
        except KeyboardInterrupt:
            verdict = ticks.verdict()
            print(f"\n{verdict.ticks} ticks, longest gap {verdict.longest_gap_ms:.1f} ms {verdict.complaint()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
