#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Strangers on a migration port: strangers.py ADDRESS PORT KIND COUNT [RECORD], until standard input ends.

Begins when the port opens and meets it COUNT times, as fast as it lets them, all at once.  KIND: silent (says
nothing and stays), slow (a true opening, byte by byte), garbage, magic (what QEMU's stream begins with), replay
(what others said there: the lines of RECORD, in watch.py's form, as they come).  Prints at the end one JSON object:
tried, met (connected), turned_away (closed by the other side).
"""
import json
import os
import pathlib
import resource
import selectors
import socket
import sys
import time

SLOW_S = 0.05
AT_ONCE = 200           # connects under way
RETRY_S = 0.002         # while nobody listens
QEMU = b"QEVM\0\0\0\3" + bytes(4088)


class Stranger:
    def __init__(self, sock, words, pace_s):
        self.sock, self.words, self.pace_s, self.is_met, self.next_at = sock, words, pace_s, False, 0.0


class Crowd:
    def __init__(self, address, port, kind, count, record):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.family, self.target, self.kind, self.count, self.record = family, (address, port), kind, count, record
        self.tried = self.met = self.turned_away = self.under_way = 0
        self.not_before = 0.0
        self.selector, self.slow = selectors.DefaultSelector(), set()

    def words(self):
        if self.kind == "slow":
            return b"FERRYHI1" + os.urandom(56)
        if self.kind == "garbage":
            return os.urandom(300)
        if self.kind == "magic":
            return QEMU
        if self.kind == "replay":
            lines = [line for line in self.record.read_text().splitlines() if line.endswith("]")]
            return bytes.fromhex(json.loads(lines[-1 - self.tried % len(lines)])[4]) if lines else b""
        return b""

    def come(self):
        sock = socket.socket(self.family)
        sock.setblocking(False)
        try:
            sock.connect(self.target)
        except BlockingIOError:
            pass
        except OSError:
            sock.close()
            return
        self.tried, self.under_way = self.tried + 1, self.under_way + 1
        self.selector.register(sock, selectors.EVENT_WRITE, Stranger(sock, self.words(), SLOW_S if self.kind == "slow" else 0))

    def leave(self, stranger):
        self.slow.discard(stranger)
        self.selector.unregister(stranger.sock)
        stranger.sock.close()

    def act(self, stranger, now):
        if not stranger.is_met:
            self.under_way -= 1
            if stranger.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self.not_before = now + RETRY_S
                self.leave(stranger)
                return
            self.met, stranger.is_met = self.met + 1, True
            self.selector.modify(stranger.sock, selectors.EVENT_READ, stranger)
            if stranger.pace_s:
                self.slow.add(stranger)
        else:
            try:
                is_over = not stranger.sock.recv(65536)
            except BlockingIOError:
                is_over = False
            except OSError:
                is_over = True
            if is_over:
                self.turned_away += 1
                self.leave(stranger)
                return
        if not stranger.pace_s:
            self.speak(stranger, len(stranger.words))

    def speak(self, stranger, count):
        try:
            stranger.words = stranger.words[stranger.sock.send(stranger.words[:count]):] if stranger.words else b""
        except BlockingIOError:
            pass
        except OSError:
            self.turned_away += 1
            self.leave(stranger)

    def run(self):
        self.selector.register(sys.stdin, selectors.EVENT_READ, None)
        while True:
            now = time.monotonic()
            while self.met + self.under_way < self.count and self.under_way < AT_ONCE and now >= self.not_before:
                self.come()
            for stranger in [stranger for stranger in self.slow if stranger.next_at <= now]:
                stranger.next_at = now + stranger.pace_s
                self.speak(stranger, 1)
            for key, _ in self.selector.select(RETRY_S if self.met < self.count or self.slow else None):
                if key.data is None:
                    return
                self.act(key.data, now)


def main():
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit, 65536), limit))
    address, port, kind, count = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    crowd = Crowd(address, port, kind, count, pathlib.Path(sys.argv[5]) if len(sys.argv) > 5 else None)
    print("ready", flush=True)
    crowd.run()
    print(json.dumps({"tried": crowd.tried, "met": crowd.met, "turned_away": crowd.turned_away}), flush=True)


main()
